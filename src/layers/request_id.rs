//! Names every call and tells who is calling.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::{
    Connection,
    around::{Answer, Middleware},
    call::Call,
    client::client_address,
};
use crate::{env::Env, model::request::RequestContext};

/// The header that carries the name of a call in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

/// Puts a [`RequestContext`] into the request and its name into the answer.
#[derive(Clone)]
pub(super) struct Identify {
    env: Env,
    trusted_proxies: Arc<[IpNet]>,
}

impl Identify {
    pub(super) fn new(env: Env, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            env,
            trusted_proxies: trusted_proxies.into(),
        }
    }

    fn context(&self, request: &Request) -> RequestContext {
        // Without a listener, as in tests, nobody is at the other end: an address that is nobody's.
        let client = request.extensions().get::<Connection>().map_or(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            |from| {
                let believed = from.believed(&self.trusted_proxies);
                client_address(from.peer.ip(), request.headers(), believed)
            },
        );
        RequestContext::new(
            incoming(request.headers()).unwrap_or_else(|| self.new_id()),
            client,
        )
    }

    fn new_id(&self) -> Arc<str> {
        // A call that needs randomness will fail by itself; one that does not may still be answered.
        self.env
            .uuid()
            .map_or_else(|_| Arc::from("none"), |id| Arc::from(id.to_string()))
    }
}

/// The name that the caller chose, if it is one that can stand in a log line as it is.
fn incoming(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let id = value.to_str().ok()?;
    let fits = (1..=MAX_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    fits.then(|| Arc::from(id))
}

impl Middleware for Identify {
    fn handle<F>(&self, mut request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let context = self.context(&request);
        let name = HeaderValue::from_str(&context.request_id);
        request.extensions_mut().insert(context);
        let call = Call::of(&request);
        request.extensions_mut().insert(call);
        let answer = next(request);
        Box::pin(async move {
            let mut response = answer.await?;
            if let Ok(name) = name {
                response.headers_mut().insert(X_REQUEST_ID, name);
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> Option<Arc<str>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                X_REQUEST_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        incoming(&headers)
    }

    #[test]
    fn a_plain_name_is_taken() {
        let longest = "a".repeat(128);
        for id in ["a", "0190-Aa_z.9", &longest] {
            assert_eq!(taken(&[id]).as_deref(), Some(id));
        }
    }

    #[test]
    fn any_other_name_is_replaced() {
        let too_long = "a".repeat(129);
        for id in ["", " a", "a b", "a\"b", "a;b", "a/b", "é", "a,b", &too_long] {
            assert_eq!(taken(&[id]), None, "{id}");
        }
        assert_eq!(taken(&[]), None);
        assert_eq!(taken(&["a", "a"]), None);
    }
}
