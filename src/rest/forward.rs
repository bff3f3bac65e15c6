//! `GET /authz/forward`: decides for nginx (`auth_request`), Caddy (`forward_auth`) and Traefik (`ForwardAuth`) whether a
//! request of one of their clients may pass. A translator of `AuthorizationService.CheckAccess`, like the faces.
//!
//! The proxy sends the client's headers along with the method and path of its request, and passes the request on when
//! the answer is 200. Then the answer has every identity header, empty where there is nothing to say: a proxy that
//! copies them all overwrites what the client made up.
//!
//! Anybody may ask: the answer says nothing of anybody but the owner of the credential that was sent.

mod original;

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE},
    request::Parts,
};
use tonic::metadata::MetadataMap;

use self::original::Original;
use super::{channel::Channel, error_headers, unary};
use crate::{
    error::{Error, Reason, Result},
    model::request::RequestContext,
    pb::v1::{
        CheckAccessRequest, CheckAccessResponse, CredentialKind, Plan,
        authorization_service_client::AuthorizationServiceClient,
    },
};

/// Where proxies ask.
pub const PATH: &str = "/authz/forward";

/// What a proxy must copy to the service, and take from its client.
pub const IDENTITY_HEADERS: [&str; 7] = [
    "x-countersign-account",
    "x-countersign-organization",
    "x-countersign-email",
    "x-countersign-email-verified",
    "x-countersign-plan",
    "x-countersign-scopes",
    "x-countersign-credential",
];

/// How a browser came to make a request: `navigate` when a person follows a link (Fetch Metadata, section 2.3).
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The request that a proxy asks about, whose client reads the error that stands beside this in the extensions of an answer.
#[derive(Clone)]
pub struct AskedAbout {
    /// The host, where the proxy tells it by `X-Forwarded-Host`.
    pub host: Option<Arc<str>>,
    /// The path and the query.
    pub target: Arc<str>,
    /// Whether its body says that it is JSON.
    pub is_json: bool,
}

/// The path of forward-auth; calls go through `channel`.
pub fn router(channel: Channel) -> Router {
    Router::new()
        .route(PATH, get(decide).fallback(another_method))
        .with_state(channel)
}

async fn decide(State(channel): State<Channel>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let passed = check(channel, &parts).await.and_then(|found| pass(&found));
    passed.unwrap_or_else(|error| refuse(error, &parts.headers))
}

async fn another_method(request: Request) -> Response {
    let allowed = HeaderValue::from_static("GET, HEAD");
    let error = Error::new(Reason::HttpMethodNotAllowed).with_header(ALLOW, allowed);
    refuse(error, request.headers())
}

async fn check(channel: Channel, parts: &Parts) -> Result<CheckAccessResponse> {
    let original = Original::of(&parts.headers).map_err(|problem| {
        tracing::warn!("a proxy asks about a request {problem}; see docs/FORWARD-AUTH.md");
        Error::new(Reason::PermissionDenied)
    })?;
    let mut request = tonic::Request::new(CheckAccessRequest {
        method: original.method.to_owned(),
        path: original.uri.to_owned(),
    });
    let mut headers = HeaderMap::new();
    for value in parts.headers.get_all(AUTHORIZATION) {
        headers.append(AUTHORIZATION, value.clone());
    }
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        request.extensions_mut().insert(context.clone());
    }
    let answer = AuthorizationServiceClient::new(channel)
        .check_access(request)
        .await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| understood(status.into()))
}

/// A method or path that is none is denied like any other that must not pass: nginx makes a 500 of every status but
/// 401 and 403.
fn understood(error: Error) -> Error {
    match error.reason() {
        Reason::InvalidField | Reason::MalformedRequest | Reason::MessageTooLarge => {
            Reason::PermissionDenied.into()
        }
        _ => error,
    }
}

/// The request may pass, as this caller.
fn pass(identity: &CheckAccessResponse) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in IDENTITY_HEADERS.into_iter().zip(values(identity)) {
        let value = HeaderValue::try_from(value).map_err(Error::internal)?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// The values of the identity headers, in their order.
fn values(identity: &CheckAccessResponse) -> [String; 7] {
    let id = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let verified = match (identity.email.as_str(), identity.email_verified) {
        ("", _) => "",
        (_, true) => "true",
        (_, false) => "false",
    };
    let plan = match identity.plan() {
        Plan::Unspecified => "",
        Plan::Free => "free",
        Plan::Pro => "pro",
    };
    let credential = match identity.credential_kind() {
        CredentialKind::Unspecified => "",
        CredentialKind::Session => "session",
        CredentialKind::ApiKey => "api-key",
        CredentialKind::EmailToken => "email-token",
    };
    [
        id(&identity.account),
        id(&identity.organization),
        encoded(&identity.email),
        verified.to_owned(),
        plan.to_owned(),
        identity.scopes.join(" "),
        credential.to_owned(),
    ]
}

/// An e-mail address as one word of visible ASCII: every other octet of its UTF-8, and `%` itself, is percent-encoded
/// (RFC 3986 section 2.1). Nearly every address is its own encoding.
fn encoded(email: &str) -> String {
    let mut word = String::with_capacity(email.len());
    for byte in email.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            word.push(char::from(byte));
        } else {
            word.push_str(&format!("%{byte:02X}"));
        }
    }
    word
}

/// The error in the form of whoever owns the path of the request that the proxy asks about: its client reads it. Who is
/// asked for what is decided here.
fn refuse(error: Error, headers: &HeaderMap) -> Response {
    let asked = Original::of(headers).ok().map(|original| {
        Extension(AskedAbout {
            host: original::host(headers).map(Into::into),
            target: original.uri.into(),
            is_json: unary::media_type(headers).as_deref() == Some("application/json"),
        })
    });
    let challenge = match error.http_status() {
        StatusCode::UNAUTHORIZED if may_be_asked(headers) => {
            Some(error_headers::bearer_or_basic(error.reason()))
        }
        StatusCode::UNAUTHORIZED => Some(error_headers::bearer(error.reason())),
        _ => None,
    };
    let error = match challenge {
        Some(challenge) => error.with_header(WWW_AUTHENTICATE, challenge),
        None => error,
    };
    (asked, error).into_response()
}

/// Whether a person or a program can be asked for a user name and password. A browser would open a dialog for what the
/// script of a page fetches; the script asks its person itself.
fn may_be_asked(headers: &HeaderMap) -> bool {
    headers
        .get(SEC_FETCH_MODE)
        .is_none_or(|mode| mode == "navigate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_word_that_can_be_decoded() {
        for (email, word) in [
            ("ann@example.com", "ann@example.com"),
            ("a+b=c%d@example.com", "a+b=c%25d@example.com"),
            ("éva@exämple.com", "%C3%A9va@ex%C3%A4mple.com"),
            ("\"a b\"@example.com", "\"a%20b\"@example.com"),
            ("", ""),
        ] {
            assert_eq!(encoded(email), word);
        }
    }

    #[test]
    fn without_a_caller_every_header_is_there_and_empty() {
        let response = pass(&CheckAccessResponse::default()).unwrap();
        for name in IDENTITY_HEADERS {
            assert_eq!(response.headers()[name], "", "{name}");
        }
    }
}
