//! An error in the words of Connect: `{"code", "message", "details"}`.

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::StatusCode;
use prost::Message as _;
use prost_types::Any;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

use crate::{
    error::{Detail, Error, Reason},
    rest::{error_headers, unary},
};

/// The answer to a call of Connect.
#[must_use]
pub fn render(error: &Error) -> Response {
    let code = error
        .foreign()
        .map_or_else(|| error.code(), |status| status.code());
    let status = error
        .stated_http_status()
        .unwrap_or_else(|| http_status(code));
    let mut response = if is_told_by_http(error) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    } else {
        unary::json_response(status, body(error, code).to_string().into())
    };
    error_headers::add(response.headers_mut(), status, error);
    if let Some(status) = error.foreign() {
        let metadata = unary::metadata(status.metadata().clone().into_headers());
        response.headers_mut().extend(metadata);
    }
    response
}

/// Clients make their own error of the HTTP status of a method or content type that the protocol does not have.
fn is_told_by_http(error: &Error) -> bool {
    let reasons = [Reason::HttpMethodNotAllowed, Reason::UnsupportedMediaType];
    error.stated_http_status().is_some() && reasons.contains(&error.reason())
}

fn body(error: &Error, code: Code) -> Value {
    let (message, details): (_, Vec<Value>) = match error.foreign() {
        Some(status) => (status.message().to_owned(), foreign_details(status)),
        None => (
            error.message(),
            error.details().map(|d| shown(&d)).collect(),
        ),
    };
    json!({"code": code_name(code), "message": message, "details": details})
}

/// The details of a status that is not ours, as they came.
fn foreign_details(status: &Status) -> Vec<Value> {
    let details = tonic_types::Status::decode(status.details())
        .unwrap_or_default()
        .details;
    let shown = |detail: &Any| {
        let name = detail.type_url.rsplit('/').next();
        json!({"type": name, "value": STANDARD_NO_PAD.encode(&detail.value)})
    };
    details.iter().map(shown).collect()
}

fn shown(detail: &Detail<'_>) -> Value {
    let mut debug = Map::new();
    detail.write(&mut debug);
    let value = STANDARD_NO_PAD.encode(detail.encoded());
    json!({"type": detail.name(), "value": value, "debug": debug})
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
