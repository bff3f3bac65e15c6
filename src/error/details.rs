//! What an error says beside its reason, as the messages of `google.rpc`: in protobuf, and in proto3 JSON.

use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};
use tonic_types::pb::{BadRequest, ErrorInfo, RetryInfo, bad_request};

use super::{Error, FieldViolation};
use crate::pb::{ERROR_DOMAIN, LIMIT, LIMIT_CALLS, LIMIT_WINDOW_SECONDS};

/// One message of `google.rpc`.
#[derive(Clone, Copy, Debug)]
pub enum Detail<'e> {
    /// When to try again.
    RetryInfo(Duration),
    /// The reason, and the limit that was reached.
    ErrorInfo(&'e Error),
    /// The fields at fault.
    BadRequest(&'e [FieldViolation]),
}

impl Error {
    /// Everything that it says, in the order of its protobuf.
    pub fn details(&self) -> impl Iterator<Item = Detail<'_>> {
        let fields = Some(self.violations()).filter(|fields| !fields.is_empty());
        [
            self.retry_delay().map(Detail::RetryInfo),
            Some(Detail::ErrorInfo(self)),
            fields.map(Detail::BadRequest),
        ]
        .into_iter()
        .flatten()
    }

    /// The limit in the metadata of `google.rpc.ErrorInfo`: strings, also where they are numbers.
    fn metadata(&self) -> Option<[(&'static str, String); 3]> {
        self.limit().map(|limit| {
            [
                (LIMIT, limit.name.clone().into_owned()),
                (LIMIT_CALLS, limit.calls.to_string()),
                (LIMIT_WINDOW_SECONDS, limit.window_seconds.to_string()),
            ]
        })
    }
}

impl Detail<'_> {
    /// The full name of the message.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RetryInfo(_) => "google.rpc.RetryInfo",
            Self::ErrorInfo(_) => "google.rpc.ErrorInfo",
            Self::BadRequest(_) => "google.rpc.BadRequest",
        }
    }

    /// The message in protobuf.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        match self {
            Self::RetryInfo(wait) => RetryInfo {
                retry_delay: prost_types::Duration::try_from(*wait).ok(),
            }
            .encode_to_vec(),
            Self::ErrorInfo(error) => {
                let metadata = error.metadata().into_iter().flatten();
                ErrorInfo {
                    reason: error.reason().meaning().name.to_owned(),
                    domain: ERROR_DOMAIN.to_owned(),
                    metadata: metadata.map(|(k, v)| (k.to_owned(), v)).collect(),
                }
                .encode_to_vec()
            }
            Self::BadRequest(fields) => BadRequest {
                field_violations: fields
                    .iter()
                    .map(|violation| bad_request::FieldViolation {
                        field: violation.field.clone().into_owned(),
                        description: violation.description.clone().into_owned(),
                        reason: violation.reason.clone().into_owned(),
                        localized_message: None,
                    })
                    .collect(),
            }
            .encode_to_vec(),
        }
    }

    /// The members of the message in proto3 JSON, behind those that are there.
    pub fn write(&self, object: &mut serde_json::Map<String, Value>) {
        let mut member = |name: &str, value: Value| object.insert(name.to_owned(), value);
        match self {
            Self::RetryInfo(wait) => {
                member("retryDelay", duration(*wait).into());
            }
            Self::ErrorInfo(error) => {
                member("reason", error.reason().meaning().name.into());
                member("domain", ERROR_DOMAIN.into());
                if let Some(metadata) = error.metadata() {
                    member("metadata", metadata.into_iter().collect());
                }
            }
            Self::BadRequest(fields) => {
                let fields = fields.iter().map(|violation| {
                    json!({
                        "field": violation.field,
                        "description": violation.description,
                        "reason": violation.reason,
                    })
                });
                member("fieldViolations", fields.collect());
            }
        }
    }
}

/// proto3 JSON of a `google.protobuf.Duration`: seconds, with 0, 3, 6 or 9 digits of a fraction.
fn duration(wait: Duration) -> String {
    let (seconds, nanos) = (wait.as_secs(), wait.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{seconds}.{:06}s", nanos / 1_000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_proto3_json() {
        for (wait, text) in [
            (Duration::from_secs(1), "1s"),
            (Duration::from_millis(1_500), "1.500s"),
            (Duration::from_micros(7), "0.000007s"),
            (Duration::from_nanos(1), "0.000000001s"),
        ] {
            assert_eq!(duration(wait), text);
        }
    }
}
