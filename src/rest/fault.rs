//! A refusal as REST reads it off a gRPC status; each face then renders it in its own words.

use std::time::Duration;

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    error::{Error, FieldViolation, Limit, Reason},
    pb::{ERROR_DOMAIN, LIMIT, LIMIT_CALLS, LIMIT_WINDOW_SECONDS},
};

/// Why a call failed, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Why, from the closed list.
    pub reason: Reason,
    /// The gRPC status; the one of the reason's row unless the service said another.
    pub grpc_code: Code,
    /// What to tell the caller. Never holds a value that the caller sent, nor a cause.
    pub message: String,
    /// The fields at fault, as dotted paths of proto field names.
    pub violations: Vec<FieldViolation>,
    /// How long to wait before trying again, where waiting helps.
    pub retry_after: Option<Duration>,
    /// The limit that was reached.
    pub limit: Option<Limit>,
    /// Whether a form would have been accepted beside JSON, where another media type was refused.
    pub takes_forms: bool,
}

impl Fault {
    /// What a status says. A status without our `ErrorInfo` comes from the transport, not from a
    /// service: it gets the closest reason of its code, and that reason's message.
    #[must_use]
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        match named_reason(&details) {
            Some(reason) => Self {
                reason,
                grpc_code: status.code(),
                message: status.message().to_owned(),
                violations: violations(&details),
                retry_after: details.retry_info().and_then(|info| info.retry_delay),
                limit: limit(&details),
                takes_forms: false,
            },
            None => Self::from_reason(closest_reason(status.code())),
        }
    }

    /// What an error of our own says.
    #[must_use]
    pub fn from_error(error: &Error) -> Self {
        Self {
            reason: error.reason(),
            grpc_code: error.reason().meaning().grpc,
            message: error.message(),
            violations: error.violations().to_vec(),
            retry_after: error.retry_delay(),
            limit: error.limit().cloned(),
            takes_forms: error.takes_forms(),
        }
    }

    /// The bare reason, with the words of its row.
    #[must_use]
    pub fn from_reason(reason: Reason) -> Self {
        let meaning = reason.meaning();
        Self {
            reason,
            grpc_code: meaning.grpc,
            message: meaning.message.to_owned(),
            violations: Vec::new(),
            retry_after: None,
            limit: None,
            takes_forms: false,
        }
    }

    /// The HTTP status on the contract's own REST paths; faces may document another.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.meaning().http)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// `Retry-After` in whole seconds (RFC 9110 section 10.2.3), rounded up so that a client that
    /// obeys it is not refused again.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        let wait = self.retry_after?;
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::from_error(&error)
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::from_reason(reason)
    }
}

fn named_reason(details: &ErrorDetails) -> Option<Reason> {
    details
        .error_info()
        .filter(|info| info.domain == ERROR_DOMAIN)
        .and_then(|info| Reason::from_name(&info.reason))
}

fn limit(details: &ErrorDetails) -> Option<Limit> {
    let metadata = &details.error_info()?.metadata;
    Some(Limit {
        name: metadata.get(LIMIT)?.clone().into(),
        calls: metadata.get(LIMIT_CALLS)?.parse().ok()?,
        window_seconds: metadata.get(LIMIT_WINDOW_SECONDS)?.parse().ok()?,
    })
}

fn violations(details: &ErrorDetails) -> Vec<FieldViolation> {
    details
        .bad_request()
        .map(|bad| bad.field_violations.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|violation| FieldViolation {
            field: violation.field.clone().into(),
            reason: violation.reason.clone().into(),
            description: violation.description.clone().into(),
        })
        .collect()
}

fn closest_reason(code: Code) -> Reason {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            Reason::MalformedRequest
        }
        Code::Unauthenticated => Reason::CredentialInvalid,
        Code::PermissionDenied => Reason::PermissionDenied,
        Code::NotFound | Code::Unimplemented => Reason::MethodNotFound,
        Code::ResourceExhausted => Reason::Overloaded,
        // tonic answers `CANCELLED` when a deadline ends.
        Code::DeadlineExceeded | Code::Cancelled => Reason::DeadlineExceeded,
        Code::Unavailable => Reason::StorageUnavailable,
        // A service of ours says what exists already or has changed; what else does is not known here.
        Code::AlreadyExists
        | Code::Aborted
        | Code::Ok
        | Code::Unknown
        | Code::Internal
        | Code::DataLoss => Reason::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FieldReason;

    #[test]
    fn a_status_of_ours_comes_back_whole() {
        let error = Error::invalid(vec![FieldViolation::new(
            "account.display_name",
            FieldReason::TooLong,
            "is too long",
        )])
        .retry_after(Duration::from_millis(1_200));
        let fault = Fault::from_error(&error);
        assert_eq!(fault, Fault::from_status(&Status::from(error)));
        assert_eq!(fault.message, "account.display_name is too long.");
        assert_eq!(fault.http_status(), StatusCode::BAD_REQUEST);
        assert_eq!(fault.retry_after_seconds(), Some(2));
    }

    #[test]
    fn every_reason_keeps_its_row() {
        for reason in Reason::ALL {
            let fault = Fault::from_status(&Status::from(Error::new(*reason)));
            assert_eq!(fault, Fault::from_reason(*reason));
            assert_eq!(fault.http_status().as_u16(), reason.meaning().http);
        }
    }

    #[test]
    fn a_strange_status_says_nothing_of_its_cause() {
        let fault = Fault::from_status(&Status::unknown("thread 'main' panicked at secret"));
        assert_eq!(fault, Fault::from_reason(Reason::Internal));
        for code in [Code::AlreadyExists, Code::Aborted] {
            let fault = Fault::from_status(&Status::new(code, "a row of some table"));
            assert_eq!(fault, Fault::from_reason(Reason::Internal));
        }
        let other = ErrorDetails::with_error_info("INTERNAL", "elsewhere", []);
        let status = Status::with_error_details(Code::NotFound, "row 7", other);
        assert_eq!(Fault::from_status(&status).reason, Reason::MethodNotFound);
    }
}
