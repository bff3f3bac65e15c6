//! Headers that tell browsers to be careful with an answer.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
};

use super::{
    Connection,
    around::{Answer, Middleware},
    call::{Call, Dialect},
};

/// Two years, in the header's seconds (RFC 6797).
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds the headers to every answer but native gRPC's, which no browser reads.
#[derive(Clone)]
pub(super) struct SecurityHeaders;

impl Middleware for SecurityHeaders {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        if Call::of(&request).dialect == Dialect::Grpc {
            return Box::pin(next(request));
        }
        let tls = request
            .extensions()
            .get::<Connection>()
            .is_some_and(|connection| connection.tls);
        let answer = next(request);
        Box::pin(async move {
            let mut response = answer.await?;
            protect(response.headers_mut(), tls);
            Ok(response)
        })
    }
}

fn protect(headers: &mut HeaderMap, tls: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    // Most answers hold secrets; what may be kept says so itself.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, TWO_YEARS);
    }
}
