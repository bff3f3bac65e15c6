//! Refusals that no service gives: in gRPC's words where the call is gRPC, else in the words of whoever
//! owns the path.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{HeaderValue, header::CONTENT_TYPE};

use super::call::{Call, Dialect};
use crate::{error::Error, grpc::status::to_status};

/// Writes a refusal of a Connect or REST call: the status, the body, and the line in the log.
pub type RenderRefusal = Arc<dyn Fn(&Call, &Error) -> Response + Send + Sync>;

/// The answer to a call that is refused before or instead of its service.
pub(crate) fn refuse(call: &Call, error: &Error, render: &RenderRefusal) -> Response {
    match call.dialect {
        Dialect::Grpc => to_status(error).into_http(),
        Dialect::GrpcWeb { text } => grpc_web(error, text),
        Dialect::Connect | Dialect::Rest => render(call, error),
    }
}

/// The status stands in the headers, where grpc-web clients look when there is no body.
fn grpc_web(error: &Error, text: bool) -> Response {
    let mut response = to_status(error).into_http::<Body>();
    let content_type = if text {
        "application/grpc-web-text+proto"
    } else {
        "application/grpc-web+proto"
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
