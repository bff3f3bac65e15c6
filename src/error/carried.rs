//! How an error travels: out of a handler of tonic as the source of a status, and from there to where it is rendered in
//! the extensions of an answer. Nothing of it is encoded on the way.

use std::{error::Error as StdError, fmt, iter, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::{Extensions, header::CONTENT_LENGTH};
use tonic::{Code, Status};

use super::{Error, Reason};

impl Error {
    /// The error that a status of ours stands for. A body on its way through tonic may have wrapped it.
    #[must_use]
    pub fn in_status(status: &Status) -> Option<&Self> {
        iter::successors(status.source(), |cause| (*cause).source())
            .find_map(|cause| cause.downcast_ref())
    }

    /// The error that an answer carries.
    #[must_use]
    pub fn carried_by(extensions: &Extensions) -> Option<Self> {
        let status = || extensions.get::<Status>().filter(|s| s.code() != Code::Ok);
        extensions
            .get::<Self>()
            .cloned()
            .or_else(|| status().map(|status| status.clone().into()))
    }

    /// The status that is not ours but tonic's own.
    #[must_use]
    pub fn foreign(&self) -> Option<&Status> {
        let Foreign(status) = self.source()?.downcast_ref()?;
        Some(status)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut status = Self::new(error.code(), error.message());
        status.set_source(Arc::new(error));
        status
    }
}

/// A status that is not ours gets the closest reason of its code, and none of its words.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::in_status(&status)
            .cloned()
            .unwrap_or_else(|| Self::new(closest_reason(status.code())).because(Foreign(status)))
    }
}

/// An answer that is still to be rendered.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.http_status().into_response();
        for (name, value) in self.headers.iter().flat_map(|headers| headers.iter()) {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A rendered error in place of the answer that carried it. The headers that this has already stand.
#[must_use]
pub fn fill(carrier: Response, rendered: Response) -> Response {
    let (mut carrier, _) = carrier.into_parts();
    let (mut head, body) = rendered.into_parts();
    carrier.headers.remove(CONTENT_LENGTH);
    head.headers.extend(carrier.headers);
    head.extensions = carrier.extensions;
    Response::from_parts(head, body)
}

/// A status that tonic made.
#[derive(Debug)]
struct Foreign(Status);

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Foreign {}

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
    fn a_status_of_ours_is_the_error_itself() {
        let error = Error::invalid_field("email", FieldReason::Required, "is required");
        let status = Status::from(error.clone().because("a cause"));
        assert_eq!(status.message(), error.message());
        assert!(status.details().is_empty());
        let response = status.into_http::<()>();
        let carried = Error::carried_by(response.extensions()).unwrap();
        assert_eq!(carried.violations(), error.violations());
        assert_eq!(carried.cause(), "a cause");
        assert!(Error::carried_by(Status::ok("").into_http::<()>().extensions()).is_none());
    }

    #[test]
    fn a_status_that_is_not_ours_says_nothing_of_its_cause() {
        for (code, reason) in [
            (Code::Unknown, Reason::Internal),
            (Code::AlreadyExists, Reason::Internal),
            (Code::Aborted, Reason::Internal),
            (Code::NotFound, Reason::MethodNotFound),
        ] {
            let error = Error::from(Status::new(code, "a row of some table"));
            assert_eq!(
                (error.reason(), error.code()),
                (reason, reason.meaning().grpc)
            );
            assert_eq!(error.message(), reason.meaning().message);
            assert_eq!(error.foreign().unwrap().code(), code);
        }
    }
}
