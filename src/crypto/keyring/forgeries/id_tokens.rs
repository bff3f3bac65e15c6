//! What comes back as an ID token and is none.

use super::*;

const SOMEBODY: &str = "0190a0a0-0000-7000-8000-000000000001";

/// The claims of an ID token, with one of them changed or taken away.
fn id_claims_but(name: &str, value: Option<Value>) -> String {
    let claims = json!({
        "iss": ISSUER, "sub": SOMEBODY, "aud": "mkc_1", "iat": START.seconds(), "exp": START.after(HOUR).seconds(),
    });
    changed(claims, name, value)
}

impl Lab {
    /// Any claims as a JWT of this type, signed with the real key.
    fn typed(&self, typ: &str, claims: impl AsRef<[u8]>) -> String {
        let header = json!({"alg": "ES256", "typ": typ, "kid": self.kid()});
        self.signed(header.to_string(), claims)
    }

    /// Whom a text names, or why it names nobody.
    fn subject(&self, token: &str) -> Result<Option<String>, Reason> {
        let read = self.ring.id_token_hint(token, ISSUER, START);
        let hint = read.map_err(|error| error.reason())?;
        Ok(hint.map(|hint| {
            assert_eq!(hint.audience, "mkc_1");
            hint.subject
        }))
    }
}

#[test]
fn an_id_token_names_its_subject_however_old_it_is() {
    let lab = Lab::new();
    for (name, value) in [
        ("nonce", Some(json!("x"))),
        ("exp", Some(json!(0))),
        ("exp", None),
    ] {
        let token = lab.typed("JWT", id_claims_but(name, value));
        assert_eq!(lab.subject(&token), Ok(Some(SOMEBODY.to_owned())), "{name}");
    }
}

#[test]
fn no_other_text_names_anybody() {
    let lab = Lab::new();
    let good = lab.typed("JWT", id_claims_but("nonce", None));
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let other = encode(id_claims_but("sub", Some(json!("another"))));
    let unsigned = encode(json!({"alg": "none", "typ": "JWT", "kid": lab.kid()}).to_string());
    let public = lab.ring.jwks();
    let mac_header = json!({"alg": "HS256", "typ": "JWT", "kid": lab.kid()});
    let own_claims = serde_json::from_str(&id_claims_but("nonce", None)).unwrap();
    let tried = [
        ("an access token", lab.token.clone()),
        // Each of the two alone tells an access token from it.
        (
            "its type",
            lab.typed("at+jwt", id_claims_but("nonce", None)),
        ),
        (
            "its grant",
            lab.typed("JWT", id_claims_but("grant_id", Some(json!(GRANT)))),
        ),
        (
            "another issuer",
            lab.typed(
                "JWT",
                id_claims_but("iss", Some(json!("https://evil.example"))),
            ),
        ),
        ("no issuer", lab.typed("JWT", id_claims_but("iss", None))),
        ("nobody", lab.typed("JWT", id_claims_but("sub", None))),
        ("for nobody", lab.typed("JWT", id_claims_but("aud", None))),
        (
            "for several",
            lab.typed("JWT", id_claims_but("aud", Some(json!(["mkc_1", "mkc_2"])))),
        ),
        (
            "a list",
            lab.typed("JWT", id_claims_but("sub", Some(json!([SOMEBODY])))),
        ),
        ("other claims", format!("{header}.{other}.{signature}")),
        ("no signature", format!("{input}.")),
        ("none", format!("{unsigned}.{other}.")),
        (
            "a public key as a secret",
            hs256(&public, &mac_header, &own_claims),
        ),
        (
            "a logout token",
            lab.typed("logout+jwt", id_claims_but("nonce", None)),
        ),
        ("empty", String::new()),
        ("text", "ann@example.com".to_owned()),
    ];
    for (what, token) in tried {
        assert_eq!(
            lab.subject(&token),
            Err(Reason::CredentialInvalid),
            "{what}"
        );
    }
}

/// Nobody can tell what a key has signed that is not there any more; that much goes for ID tokens alone.
#[test]
fn an_unknown_key_names_nobody() {
    let lab = Lab::new();
    let signed_by_another = |typ: &str| {
        let header = json!({"alg": "ES256", "typ": typ, "kid": "another"});
        lab.signed(header.to_string(), id_claims_but("nonce", None))
    };
    assert_eq!(lab.subject(&signed_by_another("JWT")), Ok(None));
    assert_eq!(
        lab.subject(&signed_by_another("at+jwt")),
        Err(Reason::CredentialInvalid)
    );
}

/// The reverse: nothing that an ID token says makes it an access token.
#[test]
fn an_id_token_is_no_access_token() {
    let lab = Lab::new();
    for claims in [
        id_claims_but("nonce", None),
        json!(claims()).to_string(),
        changed(json!(claims()), "account_id", Some(Value::Null)),
    ] {
        lab.refuses("an ID token", &lab.typed("JWT", claims));
    }
}
