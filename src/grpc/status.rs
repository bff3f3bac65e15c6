//! How an error looks in gRPC: a status with the details of `google.rpc`.

use std::time::Duration;

use prost::Message as _;
use prost_types::Any;
use tonic::{Status, metadata::MetadataMap};

use crate::{
    error::{Detail, Error},
    pb::RETRY_PUSHBACK,
};

/// The status with its details: the reason, the fields at fault and when to try again. The cause never stands there.
#[must_use]
pub fn render(error: &Error) -> Status {
    let details = tonic_types::Status {
        code: error.code() as i32,
        message: error.message(),
        details: error.details().map(|detail| any(&detail)).collect(),
    };
    let mut metadata = MetadataMap::new();
    if let Some(wait) = error.retry_delay() {
        metadata.insert(RETRY_PUSHBACK, pushback(wait).into());
    }
    let encoded = details.encode_to_vec().into();
    Status::with_details_and_metadata(error.code(), details.message, encoded, metadata)
}

/// What ends a stream that has begun: it is in the trailers, where nobody renders it later.
#[must_use]
pub fn of_stream(status: Status) -> Status {
    match Error::in_status(&status) {
        Some(error) => {
            error.log();
            render(error)
        }
        None => status,
    }
}

fn any(detail: &Detail<'_>) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{}", detail.name()),
        value: detail.encoded(),
    }
}

/// Whole milliseconds, rounded up so that a client that obeys is not refused again, in 32 bits with a sign (gRPC A6).
fn pushback(wait: Duration) -> i32 {
    i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::error::Reason;

    #[test]
    fn a_wait_is_told_to_the_retries_of_grpc() {
        for (wait, millis) in [
            (Duration::ZERO, "0"),
            (Duration::from_nanos(1), "1"),
            (Duration::from_millis(1_500), "1500"),
            (Duration::from_secs(30 * 86_400), "2147483647"),
        ] {
            let status = render(&Error::new(Reason::RateLimited).retry_after(wait));
            assert_eq!(status.metadata().get(RETRY_PUSHBACK).unwrap(), millis);
            assert_eq!(
                status.get_details_retry_info().unwrap().retry_delay,
                Some(wait)
            );
        }
        let status = render(&Reason::CredentialInvalid.into());
        assert!(status.metadata().is_empty());
        assert!(status.get_details_retry_info().is_none());
    }
}
