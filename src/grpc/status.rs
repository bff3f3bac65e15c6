//! How a refusal looks on the wire: one function, for every service and every transport.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    error::Error,
    pb::{ERROR_DOMAIN, LIMIT, LIMIT_CALLS, LIMIT_WINDOW_SECONDS},
};

/// The status with its `google.rpc` details: the reason, the fields at fault and when to try again.
/// The cause goes to the log, once, and never to the caller.
#[must_use]
pub fn to_status(error: &Error) -> Status {
    let meaning = error.reason().meaning();
    log(error);
    let mut details = ErrorDetails::with_error_info(meaning.name, ERROR_DOMAIN, metadata(error));
    for violation in error.violations() {
        details.add_bad_request_violation(violation.field.clone(), violation.description.clone());
    }
    if let Some(wait) = error.retry_delay() {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(meaning.grpc, error.message(), details)
}

/// What `google.rpc.ErrorInfo` says beside the reason: the limit that was reached.
fn metadata(error: &Error) -> HashMap<String, String> {
    let Some(limit) = error.limit() else {
        return HashMap::new();
    };
    HashMap::from([
        (LIMIT.to_owned(), limit.name.clone().into_owned()),
        (LIMIT_CALLS.to_owned(), limit.calls.to_string()),
        (
            LIMIT_WINDOW_SECONDS.to_owned(),
            limit.window_seconds.to_string(),
        ),
    ])
}

fn log(error: &Error) {
    let meaning = error.reason().meaning();
    let cause = error.cause();
    match meaning.level {
        tracing::Level::ERROR => tracing::error!(reason = meaning.name, cause, "refused"),
        tracing::Level::WARN => tracing::warn!(reason = meaning.name, cause, "refused"),
        tracing::Level::INFO => tracing::info!(reason = meaning.name, cause, "refused"),
        _ => tracing::debug!(reason = meaning.name, cause, "refused"),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        to_status(&error)
    }
}
