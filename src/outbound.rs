//! Connections to servers that others name: client metadata documents, keys of clients, federated providers.
//! Nothing else in the program opens one, so that what a URL can reach is said in one place.
//!
//! One request is one straight line: read the URL, resolve its name once, look at *every* address, connect to
//! one of those very addresses, prove the name by TLS, send one request, read one bounded answer. Nothing follows a
//! redirect, asks a proxy, sends a cookie, unpacks a body or uses a connection twice, because nothing does.
//! One deadline holds for all of it.

mod address;
mod connect;
mod error;
mod exchange;
mod freshness;
mod slots;
mod target;
#[cfg(test)]
mod tests;
mod tls;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use ipnet::IpNet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Url, form_urlencoded};

use self::{
    address::Guard,
    connect::{Resolve, connect},
    exchange::{Answer, Request, exchange, request},
    slots::Slots,
    target::Target,
};
pub use self::{
    error::{FetchError, FetchErrorKind, SetupError},
    tls::client_config,
};
use crate::{
    env::{Env, Timestamp},
    telemetry,
};

/// Whom to trust and what to reach, beyond public servers with public certificates.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A PEM file of authorities that are trusted besides the public ones.
    pub trusted_roots_file: Option<PathBuf>,
    /// Networks that may be reached although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// Whether this machine's own addresses may be reached, in plain HTTP too: for a server that is itself reached
    /// there alone.
    pub loopback: bool,
}

/// How much one request may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long it may take, from the wait for a free place to the last byte of the answer.
    pub time: Duration,
    /// The longest body of an answer, in bytes.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            bytes: 64 * 1024,
        }
    }
}

/// What a URL gave with the status 200.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The body.
    pub body: Bytes,
    /// The `Content-Type`, when it is text.
    pub content_type: Option<String>,
    /// Until when it may be kept, by its headers (RFC 9111) and no less than 5 minutes and no more than a day. An error
    /// has no such time: it is never kept.
    pub fresh_until: Timestamp,
}

/// What a form was answered with, whatever the status.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormAnswer {
    /// The status. A redirect is told like any other, and not followed.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// Opens every connection to servers that others name.
pub struct Outbound {
    env: Env,
    guard: Guard,
    resolve: Resolve,
    tls: TlsConnector,
    slots: Slots,
}

impl Outbound {
    /// Reads the additional authorities.
    ///
    /// # Errors
    /// Their file cannot be read, or holds no certificate that can be trusted.
    pub async fn new(options: Options, env: Env) -> Result<Self, SetupError> {
        Ok(Self {
            env,
            tls: tls::connector(options.trusted_roots_file.as_deref()).await?,
            guard: Guard::new(options.allow_networks, options.loopback),
            resolve: connect::system_resolver(),
            slots: Slots::new(),
        })
    }

    /// Gets a document, with an `Authorization` of the caller's where it needs one.
    ///
    /// # Errors
    /// The guard does not let it through, or anything but a whole answer with the status 200 came of it.
    pub async fn get(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        bounds: Bounds,
    ) -> Result<Document, FetchError> {
        let (head, body) = self.send(url, authorization, None, bounds).await?;
        let now = self.env.now();
        let content_type = head.headers.get(header::CONTENT_TYPE);
        Ok(Document {
            body,
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .map(ToOwned::to_owned),
            fresh_until: now.after(freshness::lifetime(&head, now)),
        })
    }

    /// Posts a form (`application/x-www-form-urlencoded`), with an `Authorization` of the caller's where it needs one.
    ///
    /// # Errors
    /// The guard does not let it through, or no whole answer came of it.
    pub async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        authorization: Option<HeaderValue>,
        bounds: Bounds,
    ) -> Result<FormAnswer, FetchError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let (head, body) = self.send(url, authorization, Some(form), bounds).await?;
        Ok(FormAnswer {
            status: head.status,
            body,
        })
    }

    /// One request and its answer, within its bounds.
    async fn send(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        form: Option<String>,
        bounds: Bounds,
    ) -> Result<Answer, FetchError> {
        let sent = async {
            let target = Target::of(url, self.guard.allows_loopback())?;
            let mut request = request(&target, authorization, form)?;
            let mut span = telemetry::outgoing(request.method(), target.host(), target.port());
            if let Some(parent) = span.here().traceparent() {
                request.headers_mut().insert("traceparent", parent);
            }
            let answer = timeout(bounds.time, self.send_to(&target, request, bounds))
                .await
                .unwrap_or(Err(FetchErrorKind::TooSlow(bounds.time)));
            match &answer {
                Ok((head, _)) => span.end_outgoing(head.status),
                Err(FetchErrorKind::Status(status)) => span.end_outgoing(*status),
                Err(kind) => span.fail(kind.name()),
            }
            answer
        };
        sent.await.map_err(|kind| FetchError {
            host: url.host_str().unwrap_or(url.scheme()).to_owned(),
            kind,
        })
    }

    async fn send_to(
        &self,
        target: &Target<'_>,
        request: Request,
        bounds: Bounds,
    ) -> Result<Answer, FetchErrorKind> {
        let _slot = self.slots.take(target.host()).await?;
        let addresses = target.addresses(&self.resolve, &self.guard).await?;
        let stream = connect(&addresses, bounds.time).await?;
        if !target.is_https() {
            return exchange(stream, request, bounds.bytes).await;
        }
        let stream = self
            .tls
            .connect(target.server_name(), stream)
            .await
            .map_err(FetchErrorKind::Tls)?;
        exchange(stream, request, bounds.bytes).await
    }
}
