//! What an ID token of a provider must say (OpenID Connect Core section 3.1.3.7).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::GOOGLE;
use crate::{env::Timestamp, model::audience::Audience};

/// How far the provider's clock may be ahead of ours, or behind it.
const LEEWAY: Duration = Duration::from_secs(60);

/// Whom the token must be from and for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// The provider.
    pub issuer: &'e str,
    /// What it knows this server by.
    pub client_id: &'e str,
    /// What the sign-in was started with; empty where that is not known.
    pub nonce: &'e str,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
}

/// Checks the claims of an ID token that the provider has signed.
///
/// # Errors
/// What is wrong, for the log.
pub fn check(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let claims: Claims = serde_json::from_value(Value::Object(claims.clone()))
        .map_err(|_| "a claim of the ID token is missing or of the wrong type")?;
    if !is_issuer(&claims.iss, expected.issuer) {
        return Err("the ID token is from another issuer");
    }
    if !is_for(&claims, expected.client_id) {
        return Err("the ID token is for another client");
    }
    if claims.exp <= now.seconds() - LEEWAY.as_secs().cast_signed() {
        return Err("the ID token has expired");
    }
    let ahead = now.after(LEEWAY).seconds();
    if claims.iat > ahead || claims.nbf.is_some_and(|begin| begin > ahead) {
        return Err("the ID token begins in the future");
    }
    if !expected.nonce.is_empty() && claims.nonce.as_deref() != Some(expected.nonce) {
        return Err("the ID token has another nonce");
    }
    Ok(())
}

/// Google's tokens may lack the scheme, as it documents.
fn is_issuer(iss: &str, issuer: &str) -> bool {
    iss == issuer || issuer == GOOGLE && iss == "accounts.google.com"
}

/// One that is also for others could be shown here by them, unless it was issued to this server.
fn is_for(claims: &Claims, client_id: &str) -> bool {
    match claims.aud.names() {
        [only] => only == client_id,
        names => {
            names.iter().any(|name| name == client_id) && claims.azp.as_deref() == Some(client_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn checked(changes: &[(&str, Value)], issuer: &str, nonce: &str) -> Result<(), &'static str> {
        let mut claims = json!({
            "iss": issuer, "sub": "1", "aud": "app", "exp": NOW + 60, "iat": NOW, "nonce": "n",
        });
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        let Value::Object(mut claims) = claims else {
            unreachable!()
        };
        claims.retain(|_, value| !value.is_null());
        let expected = Expected {
            issuer,
            client_id: "app",
            nonce,
        };
        check(&claims, expected, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn a_token_is_the_providers_for_this_server_and_for_now() {
        for changes in [
            &[][..],
            &[("aud", json!(["app"]))],
            &[("azp", json!("the app's app"))],
            &[("aud", json!(["app", "b"])), ("azp", json!("app"))],
            &[("exp", json!(NOW - 59))],
            &[("iat", json!(NOW + 60))],
            &[("iss", json!("accounts.google.com"))],
        ] {
            assert_eq!(checked(changes, GOOGLE, "n"), Ok(()), "{changes:?}");
        }
        assert_eq!(checked(&[("nonce", Value::Null)], GOOGLE, ""), Ok(()));
        assert_eq!(checked(&[], GOOGLE, ""), Ok(()));
    }

    #[test]
    fn every_other_token_is_refused() {
        for changes in [
            &[("iss", json!("https://accounts.google.com/"))][..],
            &[("iss", Value::Null)],
            &[("aud", json!("b"))],
            &[("aud", json!([]))],
            &[("aud", json!(["app", "b"]))],
            &[("aud", json!(["app", "b"])), ("azp", json!("b"))],
            &[("aud", Value::Null)],
            &[("exp", json!(NOW - 60))],
            &[("exp", Value::Null)],
            &[("exp", json!("soon"))],
            &[("iat", json!(NOW + 61))],
            &[("iat", Value::Null)],
            &[("nbf", json!(NOW + 61))],
            &[("nonce", json!("m"))],
            &[("nonce", Value::Null)],
        ] {
            assert!(checked(changes, GOOGLE, "n").is_err(), "{changes:?}");
        }
        // Google alone leaves the scheme out.
        let bare = [("iss", json!("id.example"))];
        assert!(checked(&bare, "https://id.example", "n").is_err());
    }
}
