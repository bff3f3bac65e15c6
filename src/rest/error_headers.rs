//! The headers of errors, one form for the contract's paths, Connect and faces: what a 401 asks for (RFC 9110 section
//! 11.6.1), when to call again, and what is accepted.

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    },
};

use crate::error::{Error, Reason};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How every challenge for a token begins. Some clients look at the first scheme alone, and take it for none when nothing
/// follows it.
pub(super) const BEARER_REALM: &str = "Bearer realm=\"countersign\"";
/// The challenge of RFC 6750 section 3, which says nothing more to a call without a credential.
const BEARER: HeaderValue = HeaderValue::from_static(BEARER_REALM);
/// The same, for a token that was sent and is not accepted (RFC 6750 section 3.1).
const BEARER_INVALID: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"countersign\", error=\"invalid_token\"");
/// The same, for a credential whose scheme is missing or not accepted.
const BEARER_SCHEME: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"countersign\", error=\"invalid_token\", error_description=\"The scheme before the credential is missing or not accepted\"",
);
/// The same, for a token that may too little. The full account does everywhere (RFC 6750 section 3.1).
const BEARER_SCOPE: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"mcp\"",
);
/// The challenge of RFC 7617 section 2.
const BASIC: HeaderValue =
    HeaderValue::from_static("Basic realm=\"countersign\", charset=\"UTF-8\"");

/// Adds the headers of an error that is answered with this status.
pub(crate) fn add(headers: &mut HeaderMap, status: StatusCode, error: &Error) {
    ask_for_bearer(headers, status, error);
    say_what_will_do(headers, error);
}

/// Asks for a token when the answer is a 401, and for one with another scope where the scope was what was missing (RFC 6750
/// section 3.1).
pub(crate) fn ask_for_bearer(headers: &mut HeaderMap, status: StatusCode, error: &Error) {
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, bearer(error.reason()));
    } else if error.lacks_scope() {
        headers.insert(WWW_AUTHENTICATE, BEARER_SCOPE);
    }
}

/// What asks for a token.
pub(crate) fn bearer(reason: Reason) -> HeaderValue {
    match reason {
        Reason::CredentialInvalid => BEARER_INVALID,
        Reason::CredentialSchemeInvalid => BEARER_SCHEME,
        // A wrong password or refresh token stood in the body: no access token was refused.
        _ => BEARER,
    }
}

/// Offers Basic beside the token, when the answer is a 401 to the credential of the call.
pub(crate) fn offer_basic(headers: &mut HeaderMap, status: StatusCode, reason: Reason) {
    let of_the_call = matches!(
        reason,
        Reason::CredentialMissing | Reason::CredentialInvalid | Reason::CredentialSchemeInvalid
    );
    if status == StatusCode::UNAUTHORIZED && reason == Reason::ClientAuthenticationFailed {
        // It is a client's, which has no token to show.
        headers.insert(WWW_AUTHENTICATE, BASIC);
    } else if status == StatusCode::UNAUTHORIZED && of_the_call {
        headers.append(WWW_AUTHENTICATE, BASIC);
    }
}

/// What asks for a token and offers Basic in the same line: older proxies pass on one line alone, and the last would be
/// it. RFC 9110 section 11.6.1 allows a list.
pub(super) fn bearer_or_basic(reason: Reason) -> HeaderValue {
    let bearer = bearer(reason);
    let both = [bearer.as_bytes(), b", ", BASIC.as_bytes()].concat();
    HeaderValue::try_from(both).unwrap_or(bearer)
}

/// Tells a caller who was refused what will do: when to call again, by `Retry-After` (RFC 9110 section 10.2.3),
/// and `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) where a limit was reached; and
/// after a 415 what is accepted, by `Accept` or `Accept-Encoding` (RFC 9110 section 15.5.16).
fn say_what_will_do(headers: &mut HeaderMap, error: &Error) {
    if error.reason() == Reason::UnsupportedMediaType {
        accept(headers, error);
    }
    let Some(wait) = error.retry_delay() else {
        return;
    };
    // Rounded up, so that a client that obeys it is not refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(RETRY_AFTER, seconds.into());
    let Some(limit) = error.limit() else { return };
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

fn accept(headers: &mut HeaderMap, error: &Error) {
    let refuses = |header: &str| {
        let mut violations = error.violations().iter();
        violations.any(|violation| violation.field == header)
    };
    if refuses(CONTENT_TYPE.as_str()) {
        let types = match error.takes_forms() {
            true => "application/json, application/x-www-form-urlencoded",
            false => "application/json",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(types));
    }
    if refuses(CONTENT_ENCODING.as_str()) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges(status: u16, reason: Reason) -> Vec<String> {
        let mut headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        ask_for_bearer(&mut headers, status, &reason.into());
        offer_basic(&mut headers, status, reason);
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn only_a_refused_token_is_called_invalid() {
        let bearer = "Bearer realm=\"countersign\"".to_owned();
        let invalid = format!("{bearer}, error=\"invalid_token\"");
        let basic = "Basic realm=\"countersign\", charset=\"UTF-8\"".to_owned();
        let missing = challenges(401, Reason::CredentialMissing);
        assert_eq!(missing, [bearer.clone(), basic.clone()]);
        let refused = challenges(401, Reason::CredentialInvalid);
        assert_eq!(refused, [invalid, basic]);
        for reason in [Reason::InvalidCredentials, Reason::RefreshTokenInvalid] {
            assert_eq!(challenges(401, reason).join(""), bearer);
        }
        assert!(challenges(403, Reason::PermissionDenied).is_empty());
    }

    #[test]
    fn whoever_lacks_a_scope_is_told_which() {
        let mut headers = HeaderMap::new();
        let error = Error::new(Reason::PermissionDenied).for_want_of_scope();
        ask_for_bearer(&mut headers, error.http_status(), &error);
        let challenge = r#"Bearer realm="countersign", error="insufficient_scope", scope="mcp""#;
        assert_eq!(headers[WWW_AUTHENTICATE], challenge);
    }
}
