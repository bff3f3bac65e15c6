//! What the answers of all faces have in common.

use std::marker::PhantomData;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CACHE_CONTROL};
use serde::Serialize;

use crate::{
    error::Reason,
    rest::{challenge, fault::Fault, pace},
};

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

/// A refusal: its body in the face's words, its status, and when to try again.
pub(super) fn refusal(fault: &Fault, status: StatusCode, body: impl Serialize) -> Response {
    let mut response = answer(status, body);
    pace::announce(response.headers_mut(), fault);
    response
}

/// The refusal of a face that takes Bearer; RFC 9110 section 15.5.2 asks every 401 for a challenge.
pub(super) fn bearer_refusal(fault: &Fault, status: StatusCode, body: impl Serialize) -> Response {
    let mut response = refusal(fault, status, body);
    challenge::ask_for_bearer(response.headers_mut(), status, fault.reason);
    response
}

/// How a face says no.
pub(super) trait Words {
    /// The face's answer to a fault.
    fn refuse(fault: &Fault) -> Response;
}

/// A refusal in the words of a face.
pub(super) struct Refusal<W> {
    fault: Fault,
    words: PhantomData<W>,
}

impl<W> From<Fault> for Refusal<W> {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            words: PhantomData,
        }
    }
}

impl<W: Words> IntoResponse for Refusal<W> {
    fn into_response(self) -> Response {
        W::refuse(&self.fault)
    }
}

/// The same fault with the fields under the names that the face gives them, `(contract, face)`.
pub(super) fn rename(fault: &Fault, names: &[(&str, &'static str)]) -> Fault {
    let mut fault = fault.clone();
    for violation in &mut fault.violations {
        if let Some((_, name)) = names.iter().find(|(field, _)| violation.field == *field) {
            violation.field = (*name).into();
        }
    }
    if let (Reason::InvalidField, [first, ..]) = (fault.reason, fault.violations.as_slice()) {
        fault.message = format!("{} {}.", first.field, first.description);
    }
    fault
}
