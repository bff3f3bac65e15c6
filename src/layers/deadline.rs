//! The deadline of every call: the server's own, or the caller's when that is sooner.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::HeaderMap;
use tokio::time::timeout;

use super::{
    around::{Answer, Middleware, answer},
    call::{Call, Dialect},
};
use crate::error::{Error, FieldReason, FieldViolation, Reason};

/// Ends a call whose answer has not begun in time. The service's future is dropped then, but that undoes
/// nothing: a write that was handed to the database may still be carried out, and a use case that goes on by
/// itself finishes. The caller learns only that nobody knows, as with a connection that breaks.
#[derive(Clone)]
pub(super) struct Deadline {
    longest: Duration,
}

impl Deadline {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest }
    }
}

impl Middleware for Deadline {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let dialect = Call::of(&request).dialect;
        let callers = match callers_deadline(dialect, request.headers()) {
            Ok(callers) => callers,
            Err(malformed) => return answer(Error::from(malformed)),
        };
        let wait = callers.map_or(self.longest, |callers| callers.min(self.longest));
        let answer = next(request);
        Box::pin(async move {
            match timeout(wait, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Error::new(Reason::DeadlineExceeded).into_response()),
            }
        })
    }
}

/// A deadline that cannot be read: its header, and how it is written.
struct Malformed {
    name: &'static str,
    form: &'static str,
}

impl From<Malformed> for Error {
    fn from(Malformed { name, form }: Malformed) -> Self {
        let violation = FieldViolation::new(name, FieldReason::InvalidFormat, form);
        Self::new(Reason::MalformedRequest).violating(violation)
    }
}

fn callers_deadline(dialect: Dialect, headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let (name, form, read): (_, _, fn(&str) -> Option<Duration>) = match dialect {
        Dialect::Grpc | Dialect::GrpcWeb { .. } => (
            "grpc-timeout",
            "must be at most eight digits and a unit: H, M, S, m, u or n",
            grpc_timeout,
        ),
        Dialect::Connect => (
            "connect-timeout-ms",
            "must be at most ten digits",
            connect_timeout,
        ),
        Dialect::Rest => return Ok(None),
    };
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(read)
        .map(Some)
        .ok_or(Malformed { name, form })
}

/// `1*8DIGIT` and a unit, as the gRPC protocol over HTTP/2 writes it.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount = digits_up_to(8, digits)?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// At most ten digits of milliseconds, as the Connect protocol writes it.
fn connect_timeout(text: &str) -> Option<Duration> {
    digits_up_to(10, text).map(Duration::from_millis)
}

fn digits_up_to(most: usize, digits: &str) -> Option<u64> {
    let fits = digits.len() <= most && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_in_every_unit() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("0u", Duration::ZERO),
            ("7n", Duration::from_nanos(7)),
        ] {
            assert_eq!(grpc_timeout(text), Some(expected));
        }
    }

    #[test]
    fn malformed_timeouts_are_refused() {
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "1 S",
            "999999999S",
            "1é",
            "é",
            "1.5S",
        ] {
            assert_eq!(grpc_timeout(text), None, "{text}");
        }
        for text in ["", "1m", "-1", "+1", "12345678901"] {
            assert_eq!(connect_timeout(text), None, "{text}");
        }
        assert_eq!(
            connect_timeout("9999999999"),
            Some(Duration::from_millis(9_999_999_999))
        );
    }
}
