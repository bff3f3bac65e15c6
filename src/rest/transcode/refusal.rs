//! A refusal as `google.rpc.Status` in JSON (AIP-193), with the HTTP status of its reason.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Response};
use serde_json::{Value, json};

use crate::{
    pb::{ERROR_DOMAIN, LIMIT, LIMIT_CALLS, LIMIT_WINDOW_SECONDS},
    rest::{challenge, fault::Fault, pace, unary},
};

/// The answer for a failure; `headers` are sent along.
pub(super) fn response(
    fault: &Fault,
    request_id: Option<&str>,
    headers: HeaderMap,
) -> Response<Body> {
    let body = body(fault, request_id).to_string();
    let mut response = unary::json_response(fault.http_status(), body.into());
    response.headers_mut().extend(headers);
    let status = response.status();
    challenge::ask_for_bearer(response.headers_mut(), status, fault.reason);
    pace::announce(response.headers_mut(), fault);
    response
}

fn body(fault: &Fault, request_id: Option<&str>) -> Value {
    let mut info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": fault.reason.meaning().name,
        "domain": ERROR_DOMAIN,
    });
    if let Some(limit) = &fault.limit {
        // A map of strings to strings, also where they are numbers.
        info["metadata"] = json!({
            LIMIT: limit.name,
            LIMIT_CALLS: limit.calls.to_string(),
            LIMIT_WINDOW_SECONDS: limit.window_seconds.to_string(),
        });
    }
    let mut details = vec![info];
    if !fault.violations.is_empty() {
        let violations: Vec<_> = fault
            .violations
            .iter()
            .map(|violation| {
                json!({
                    "field": violation.field,
                    "description": violation.description,
                    "reason": violation.reason,
                })
            })
            .collect();
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": violations,
        }));
    }
    if let Some(wait) = fault.retry_after {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": duration(wait),
        }));
    }
    if let Some(id) = request_id {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RequestInfo",
            "requestId": id,
        }));
    }
    json!({
        "code": fault.grpc_code as i32,
        "message": fault.message,
        "details": details,
    })
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
