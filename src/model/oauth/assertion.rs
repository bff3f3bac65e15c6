//! Client assertions: signed statements by which clients say who they are (RFC 7523 section 3, RFC 7523bis).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{env::Timestamp, model::audience::Audience};

/// The only type of assertion (RFC 7523 section 2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The furthest that an assertion's end may be away.
const LONGEST: Duration = Duration::from_secs(3600);
/// How far another clock may be ahead of ours.
const LEEWAY: Duration = Duration::from_secs(60);
/// The longest id of an assertion, in bytes.
const LONGEST_ID: usize = 512;

/// What is left to see to of an assertion whose claims are right: that it is used once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// The id of the assertion.
    pub jti: String,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    jti: String,
}

/// Checks what an assertion that the client has signed says. It is for this server alone, by the name of its issuer (RFC
/// 7523bis) or of its token endpoint, which older clients use: one that is also for others could be shown here by them.
///
/// # Errors
/// What is wrong, for the log.
pub fn check(
    claims: &Map<String, Value>,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
) -> Result<Once, &'static str> {
    let claims: Claims = serde_json::from_value(Value::Object(claims.clone()))
        .map_err(|_| "a claim is missing or of the wrong type")?;
    if claims.iss != client_id || claims.sub != client_id {
        return Err("it is about somebody else");
    }
    let audience = claims.aud.names();
    let token_endpoint = format!("{issuer}/oauth/token");
    let is_own = |name: &String| name == issuer || *name == token_endpoint;
    if audience.is_empty() || !audience.iter().all(is_own) {
        return Err("it is for another audience");
    }
    let ahead = now.after(LEEWAY).seconds();
    if claims.exp <= now.seconds() {
        return Err("it has expired");
    }
    if claims.exp > now.after(LONGEST).after(LEEWAY).seconds() {
        return Err("it lives too long");
    }
    if [claims.nbf, claims.iat]
        .into_iter()
        .flatten()
        .any(|begin| begin > ahead)
    {
        return Err("it begins in the future");
    }
    if claims.jti.is_empty() || claims.jti.len() > LONGEST_ID {
        return Err("its id is empty or too long");
    }
    Ok(Once {
        jti: claims.jti,
        exp: claims.exp,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example/t";
    const NOW: i64 = 1_700_000_000;

    fn claims(member: &str, value: Value) -> Map<String, Value> {
        let mut claims = json!({
            "iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "1",
        });
        claims[member] = value;
        let Value::Object(mut claims) = claims else {
            unreachable!()
        };
        claims.retain(|_, value| !value.is_null());
        claims
    }

    fn read(claims: &Map<String, Value>) -> Result<Once, &'static str> {
        check(claims, "app", ISSUER, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn an_assertion_is_the_clients_for_this_server_and_for_now() {
        for (member, value) in [
            ("x", json!(1)),
            ("aud", json!([ISSUER])),
            ("aud", json!("https://id.example/t/oauth/token")),
            ("exp", json!(NOW + 1)),
            ("exp", json!(NOW + 3600)),
            ("iat", Value::Null),
            ("iat", json!(NOW + 60)),
            ("nbf", json!(NOW - 9)),
        ] {
            assert!(
                read(&claims(member, value.clone())).is_ok(),
                "{member}: {value}"
            );
        }
    }

    #[test]
    fn any_other_is_refused() {
        for (member, value) in [
            ("iss", json!("other")),
            ("iss", Value::Null),
            ("sub", json!("other")),
            ("sub", Value::Null),
            ("aud", Value::Null),
            ("aud", json!("https://id.example")),
            ("aud", json!("https://id.example/t/")),
            ("aud", json!("https://id.example/t/oauth/introspect")),
            ("aud", json!([])),
            ("aud", json!([ISSUER, "https://other.example"])),
            ("exp", Value::Null),
            ("exp", json!(NOW)),
            ("exp", json!(NOW + 3661)),
            ("exp", json!(i64::MAX)),
            ("exp", json!("1700000060")),
            ("iat", json!(NOW + 61)),
            ("nbf", json!(NOW + 61)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("jti", json!("x".repeat(513))),
            ("jti", json!(1)),
        ] {
            assert!(
                read(&claims(member, value.clone())).is_err(),
                "{member}: {value}"
            );
        }
    }
}
