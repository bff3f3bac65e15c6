//! What the answers of all faces have in common.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use serde::Serialize;

use crate::{error::Error, rest::error_headers};

/// An answer. All of them hold a secret or a person's data, so none may be kept by a cache (RFC 6749
/// section 5.1).
pub(super) fn answer(status: StatusCode, body: impl Serialize) -> Response {
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(body)).into_response()
}

/// An answer that has nothing to say.
pub(super) fn nothing() -> Response {
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::NO_CONTENT, no_store).into_response()
}

/// An error: its body in the face's words, its status, and what the caller can do. RFC 9110 section 15.5.2 asks every 401
/// for a challenge.
pub(super) fn error(error: &Error, status: StatusCode, body: impl Serialize) -> Response {
    let mut response = answer(status, body);
    error_headers::add(response.headers_mut(), status, error);
    response
}
