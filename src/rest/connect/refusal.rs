//! A refusal in the words of Connect: `{"code", "message", "details"}`.

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Any;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::metadata;
use crate::{
    error::{Error, Reason},
    rest::{
        challenge,
        fault::Fault,
        pace, proto_json,
        unary::{self, Refusal},
    },
};

const TYPE_PREFIX: &str = "type.googleapis.com/";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// What goes back instead of an answer.
pub(super) struct Failure {
    status: Status,
    /// The HTTP status, where it does not follow from the code.
    http: Option<StatusCode>,
    /// HTTP says it all: clients make their own error of its status.
    bodiless: bool,
    headers: HeaderMap,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status,
            http: None,
            bodiless: false,
            headers: metadata(refusal.headers, refusal.trailers),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Refusal::from(error).into()
    }
}

impl Failure {
    /// A refusal that was already put into a status.
    pub(super) fn of(status: Status) -> Self {
        Self {
            status,
            http: None,
            bodiless: false,
            headers: HeaderMap::new(),
        }
    }

    /// A refusal by HTTP itself, with the HTTP status of the reason.
    pub(super) fn plain(reason: Reason) -> Self {
        Self {
            http: StatusCode::from_u16(reason.meaning().http).ok(),
            ..Error::new(reason).into()
        }
    }

    /// The rpc is there, but not with this HTTP method.
    pub(super) fn not_allowed(safe: bool) -> Self {
        let methods = if safe { "GET, POST" } else { "POST" };
        Self::bodiless(Reason::HttpMethodNotAllowed, header::ALLOW, methods)
    }

    /// The content type is not one of unary Connect.
    pub(super) fn unsupported_codec() -> Self {
        let accepted = "application/json, application/proto";
        Self::bodiless(Reason::UnsupportedMediaType, ACCEPT_POST, accepted)
    }

    /// The message is compressed. Connect asks for `unimplemented` here, and for what is supported.
    pub(super) fn compressed(coding: &[u8]) -> Self {
        let mut failure = Self::from(Error::new(Reason::UnsupportedMediaType));
        let named =
            std::str::from_utf8(coding).map_or("(unreadable name)".into(), proto_json::shown);
        failure.status = Status::with_details(
            Code::Unimplemented,
            format!("The compression {named} is not supported; send messages as identity."),
            failure.status.details().to_vec().into(),
        );
        failure.with(header::ACCEPT_ENCODING, "identity")
    }

    fn bodiless(reason: Reason, name: HeaderName, value: &'static str) -> Self {
        let mut failure = Self::plain(reason).with(name, value);
        failure.bodiless = true;
        failure
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// The answer; `pool` knows the messages of `google.rpc`.
    pub(super) fn response(self, pool: &DescriptorPool) -> Response<Body> {
        let code = self.status.code();
        let body = json!({
            "code": code_name(code),
            "message": self.status.message(),
            "details": details(&self.status, pool),
        });
        let status = self.http.unwrap_or_else(|| http_status(code));
        let mut response = if self.bodiless {
            bodiless(status)
        } else {
            unary::json_response(status, body.to_string().into())
        };
        response.headers_mut().extend(self.headers);
        let fault = Fault::from_status(&self.status);
        challenge::ask_for_bearer(response.headers_mut(), status, fault.reason);
        pace::announce(response.headers_mut(), &fault);
        response
    }
}

fn bodiless(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn details(status: &Status, pool: &DescriptorPool) -> Vec<Value> {
    tonic_types::Status::decode(status.details())
        .map(|status| status.details)
        .unwrap_or_default()
        .iter()
        .map(|detail| self::detail(detail, pool))
        .collect()
}

fn detail(detail: &Any, pool: &DescriptorPool) -> Value {
    let name = detail
        .type_url
        .strip_prefix(TYPE_PREFIX)
        .unwrap_or(&detail.type_url);
    let mut shown = json!({"type": name, "value": STANDARD_NO_PAD.encode(&detail.value)});
    let message = pool
        .get_message_by_name(name)
        .and_then(|message| DynamicMessage::decode(message, detail.value.as_slice()).ok())
        .and_then(|message| serde_json::to_value(message).ok());
    if let Some(debug) = message {
        shown["debug"] = debug;
    }
    shown
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
        Code::Ok | Code::Unknown => "unknown",
    }
}

/// Section "Error codes" of the protocol.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
