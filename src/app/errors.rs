//! How errors look to whoever called, in each dialect.

#[cfg(test)]
mod tests;

use axum::response::Response;

use crate::{
    error::Error,
    grpc::status::to_status,
    layers::call::{Call, Dialect},
    rest::{connect, faces, fault::Fault, transcode},
};

/// A refusal of a layer, in the words of whoever owns the path.
pub(super) fn refuse(call: &Call, error: &Error) -> Response {
    let status = to_status(error);
    if call.dialect == Dialect::Connect {
        return connect::refuse(status);
    }
    let fault = Fault::from_status(&status);
    faces::refuse(call.target(), call.is_json, &fault)
        .unwrap_or_else(|| transcode::refuse(&fault, &call.request_id))
}
