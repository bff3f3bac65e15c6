//! Tells a caller who was refused what will do: when to call again, by `Retry-After` (RFC 9110 section 10.2.3),
//! and `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) where a limit was reached; and
//! after a 415 what is accepted, by `Accept` or `Accept-Encoding` (RFC 9110 section 15.5.16).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};

use crate::{error::Reason, rest::fault::Fault};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds what the fault says about waiting, and about what is accepted.
pub(super) fn announce(headers: &mut HeaderMap, fault: &Fault) {
    if fault.reason == Reason::UnsupportedMediaType {
        accept(headers, fault);
    }
    let Some(seconds) = fault.retry_after_seconds() else {
        return;
    };
    headers.insert(RETRY_AFTER, seconds.into());
    let Some(limit) = &fault.limit else { return };
    let policy = format!(
        "\"{}\";q={};w={}",
        limit.name, limit.calls, limit.window_seconds
    );
    let state = format!("\"{}\";r=0;t={seconds}", limit.name);
    // The names are ours and plain.
    if let (Ok(policy), Ok(state)) = (HeaderValue::try_from(policy), HeaderValue::try_from(state)) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, state);
    }
}

fn accept(headers: &mut HeaderMap, fault: &Fault) {
    let refuses = |header: &str| {
        let mut violations = fault.violations.iter();
        violations.any(|violation| violation.field == header)
    };
    if refuses(CONTENT_TYPE.as_str()) {
        let types = match fault.takes_forms {
            true => "application/json, application/x-www-form-urlencoded",
            false => "application/json",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(types));
    }
    if refuses(CONTENT_ENCODING.as_str()) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}
