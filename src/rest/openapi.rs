//! `GET /openapi.json`: every REST path in one OpenAPI 3.1 document, which is checked in and served as it is.

#[cfg(test)]
mod generate;

#[cfg(test)]
pub(crate) use generate::{
    Credential, FaceOperation, FaceResponse, QueryParameter, RequestBody, document,
};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::StatusCode;

use super::unary;

/// What `generate` writes; a test of the faces says when it is out of date.
const DOCUMENT: &[u8] = include_bytes!("openapi/openapi.json");

/// Serves the document at `/openapi.json`.
pub fn router() -> Router {
    let answer = async || unary::json_response(StatusCode::OK, Bytes::from_static(DOCUMENT));
    Router::new().route("/openapi.json", get(answer))
}
