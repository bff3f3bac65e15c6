//! What a 401 asks for (RFC 9110 section 11.6.1): one form for the contract's paths, Connect and faces.

use http::{HeaderMap, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

use crate::error::Reason;

/// The challenge of RFC 6750 section 3, which says nothing more to a call without a credential.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"countersign\"");
/// The same, for a token that was sent and is not accepted (RFC 6750 section 3.1).
const BEARER_INVALID: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"countersign\", error=\"invalid_token\"");
/// The same, for a credential whose scheme is missing or not accepted.
const BEARER_SCHEME: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"countersign\", error=\"invalid_token\", error_description=\"The scheme before the credential is missing or not accepted\"",
);
/// The challenge of RFC 7617 section 2.
const BASIC: HeaderValue =
    HeaderValue::from_static("Basic realm=\"countersign\", charset=\"UTF-8\"");

/// Asks for a token, when the answer is a 401.
pub(super) fn ask_for_bearer(headers: &mut HeaderMap, status: StatusCode, reason: Reason) {
    if status == StatusCode::UNAUTHORIZED {
        let challenge = match reason {
            Reason::CredentialInvalid => BEARER_INVALID,
            Reason::CredentialSchemeInvalid => BEARER_SCHEME,
            // A wrong password or refresh token stood in the body: no access token was refused.
            _ => BEARER,
        };
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
}

/// Offers Basic beside the token, when the answer is a 401 to the credential of the call.
pub(super) fn offer_basic(headers: &mut HeaderMap, status: StatusCode, reason: Reason) {
    let of_the_call = matches!(
        reason,
        Reason::CredentialMissing | Reason::CredentialInvalid | Reason::CredentialSchemeInvalid
    );
    if status == StatusCode::UNAUTHORIZED && of_the_call {
        headers.append(WWW_AUTHENTICATE, BASIC);
    }
}

/// Offers Basic beside a token that is asked for, in the same line: older proxies pass on one line alone, and the last
/// would be it. RFC 9110 section 11.6.1 allows a list.
pub(super) fn offer_basic_beside(headers: &mut HeaderMap) {
    let both = headers
        .get(WWW_AUTHENTICATE)
        .map(|bearer| [bearer.as_bytes(), b", ", BASIC.as_bytes()].concat());
    if let Some(Ok(both)) = both.map(HeaderValue::try_from) {
        headers.insert(WWW_AUTHENTICATE, both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges(status: u16, reason: Reason) -> Vec<String> {
        let mut headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        ask_for_bearer(&mut headers, status, reason);
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
}
