//! Proof Key for Code Exchange (RFC 7636), by S256 alone (OAuth 2.1 section 7.5.1).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The only method (RFC 7636 section 4.3); `plain` protects nothing.
pub const S256: &str = "S256";

/// Whether a text can be a challenge of S256: base64url of 32 bytes, without padding.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == 32)
}

/// The challenge of a verifier.
#[must_use]
pub fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// Whether the challenge was made of this verifier: 43 to 128 unreserved characters (RFC 7636 section 4.1).
#[must_use]
pub fn verifies(verifier: &str, challenge: &str) -> bool {
    let is_unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved);
    let made = self::challenge(verifier);
    is_verifier && bool::from(made.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_verifies() {
        assert!(is_challenge(CHALLENGE));
        assert!(verifies(VERIFIER, CHALLENGE));
    }

    #[test]
    fn every_other_verifier_is_refused() {
        for verifier in ["", "a", &"a".repeat(42), &"a".repeat(129), &"é".repeat(30)] {
            assert!(!verifies(verifier, &challenge(verifier)), "{verifier}");
        }
        let foreign = format!("{}+", "a".repeat(43));
        assert!(!verifies(&foreign, &challenge(&foreign)));
        assert!(verifies(&"~".repeat(43), &challenge(&"~".repeat(43))));
        assert!(!verifies(&VERIFIER.replace('d', "e"), CHALLENGE));
        // The verifier itself is no challenge: that would be `plain`.
        assert!(!verifies(VERIFIER, VERIFIER));
    }

    #[test]
    fn a_challenge_is_32_bytes() {
        for text in [
            "",
            "abc",
            &CHALLENGE[1..],
            &format!("{CHALLENGE}="),
            &format!("{CHALLENGE}A"),
        ] {
            assert!(!is_challenge(text), "{text}");
        }
    }
}
