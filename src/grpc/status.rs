//! How a refusal looks on the wire: one function, for every service and every transport.

use std::{collections::HashMap, time::Duration};

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    error::Error,
    pb::{ERROR_DOMAIN, LIMIT, LIMIT_CALLS, LIMIT_WINDOW_SECONDS, RETRY_PUSHBACK},
};

/// The status with its `google.rpc` details: the reason, the fields at fault and when to try again.
/// The cause goes to the log, once, and never to the caller.
#[must_use]
pub fn to_status(error: &Error) -> Status {
    let meaning = error.reason().meaning();
    log(error);
    let mut details = ErrorDetails::with_error_info(meaning.name, ERROR_DOMAIN, metadata(error));
    if !error.violations().is_empty() {
        details.set_bad_request(violations(error));
    }
    let Some(wait) = error.retry_delay() else {
        return Status::with_error_details(meaning.grpc, error.message(), details);
    };
    details.set_retry_info(Some(wait));
    let mut status = Status::with_error_details(meaning.grpc, error.message(), details);
    status
        .metadata_mut()
        .insert(RETRY_PUSHBACK, pushback(wait).into());
    status
}

fn violations(error: &Error) -> Vec<FieldViolation> {
    let violations = error.violations().iter();
    violations
        .map(|violation| FieldViolation {
            field: violation.field.clone().into_owned(),
            description: violation.description.clone().into_owned(),
            reason: violation.reason.clone().into_owned(),
            localized_message: None,
        })
        .collect()
}

/// Whole milliseconds, rounded up so that a client that obeys is not refused again, in 32 bits with a sign (gRPC A6).
fn pushback(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{FieldReason, Reason};

    #[test]
    fn a_wait_is_told_to_the_retries_of_grpc() {
        for (wait, millis) in [
            (Duration::ZERO, "0"),
            (Duration::from_nanos(1), "1"),
            (Duration::from_millis(1_500), "1500"),
            (Duration::from_secs(30 * 86_400), "2147483647"),
        ] {
            let status = to_status(&Error::new(Reason::RateLimited).retry_after(wait));
            assert_eq!(status.metadata().get(RETRY_PUSHBACK).unwrap(), millis);
            assert_eq!(
                status.get_details_retry_info().unwrap().retry_delay,
                Some(wait)
            );
        }
        let status = to_status(&Reason::CredentialInvalid.into());
        assert!(status.metadata().is_empty());
        assert!(status.get_details_retry_info().is_none());
    }

    #[test]
    fn a_field_at_fault_says_which_rule_it_breaks() {
        let invalid = Error::invalid_field("email", FieldReason::Required, "is required");
        let taken = Error::new(Reason::EmailAlreadyExists).on_field("email");
        for (error, reason) in [(invalid, "REQUIRED"), (taken, "EMAIL_ALREADY_EXISTS")] {
            let details = to_status(&error).get_details_bad_request().unwrap();
            assert_eq!(details.field_violations[0].reason, reason);
        }
    }
}
