//! Tells a caller who was refused for now when to call again: `Retry-After` (RFC 9110 section 10.2.3), and
//! `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) where a limit was reached.

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

use crate::rest::fault::Fault;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds what the fault says about waiting.
pub(super) fn announce(headers: &mut HeaderMap, fault: &Fault) {
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
