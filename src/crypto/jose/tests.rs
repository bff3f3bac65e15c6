use super::*;

/// The example of RFC 7638 section 3.1.
#[test]
fn the_key_id_is_the_thumbprint_of_the_rfc() {
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_\
        BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2\
        QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6\
        WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let Value::Object(members) = json!({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256"})
    else {
        unreachable!()
    };
    let jwk = Jwk::from_map(members).unwrap();
    let public = PublicKey::new(Algorithm::Rs256, &jwk);
    assert_eq!(public.kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn a_key_comes_back_from_its_bytes() {
    let made = PrivateKey::generate(Algorithm::Es256).unwrap();
    let read = PrivateKey::from_bytes(Algorithm::Es256, &made.to_bytes()).unwrap();
    assert_eq!(made.public().kid, read.public().kid);
    assert_eq!(made.to_bytes(), read.to_bytes());
    assert!(PrivateKey::from_bytes(Algorithm::Rs256, &made.to_bytes()).is_err());
    assert!(PrivateKey::from_bytes(Algorithm::Es256, b"").is_err());
}

/// Others read the published key with readers of their own.
#[test]
fn the_published_key_verifies_tokens_without_our_code() {
    let mut claims = Map::new();
    claims.insert("sub".into(), "someone".into());
    let read_elsewhere = |key: &PrivateKey, verifier: &dyn JwsVerifier| {
        let token = key
            .signer()
            .unwrap()
            .sign(TokenType::AccessToken, &claims)
            .unwrap();
        let (payload, header) = josekit::jws::deserialize_compact(token, verifier).unwrap();
        assert_eq!(payload, br#"{"sub":"someone"}"#);
        assert_eq!(header.token_type(), Some("at+jwt"));
    };
    let jwk = |key: &PrivateKey| Jwk::from_bytes(key.public().jwk.to_string()).unwrap();
    let es256 = PrivateKey::generate(Algorithm::Es256).unwrap();
    read_elsewhere(&es256, &ES256.verifier_from_jwk(&jwk(&es256)).unwrap());
    let rs256 = PrivateKey::generate(Algorithm::Rs256).unwrap();
    read_elsewhere(&rs256, &RS256.verifier_from_jwk(&jwk(&rs256)).unwrap());
}

/// One signature in 256 has a number with a leading zero byte, which DER leaves out.
#[test]
fn signatures_of_every_shape_verify() {
    let key = PrivateKey::generate(Algorithm::Es256).unwrap();
    let (signer, verifier) = (key.signer().unwrap(), key.verifier().unwrap());
    let mut claims = Map::new();
    for number in 0..2000 {
        claims.insert("number".into(), number.into());
        let token = signer.sign(TokenType::AccessToken, &claims).unwrap();
        assert_eq!(token.rsplit_once('.').unwrap().1.len(), 86);
        let read = verifier.verify(&Compact::parse(&token).unwrap()).unwrap();
        assert_eq!(read, claims);
    }
}

#[test]
fn only_the_types_of_our_tokens_are_known() {
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        assert_eq!(TokenType::named(typ), Some(TokenType::AccessToken), "{typ}");
    }
    assert_eq!(TokenType::named("JWT"), Some(TokenType::Jwt));
    for typ in [
        "",
        "jwt",
        "JWT ",
        "at",
        "at+jwt ",
        "text/at+jwt",
        "application/jwt",
        "application/",
    ] {
        assert_eq!(TokenType::named(typ), None, "{typ}");
    }
}

#[test]
fn no_token_is_made_that_would_not_be_read() {
    let signer = PrivateKey::generate(Algorithm::Es256)
        .unwrap()
        .signer()
        .unwrap();
    let mut claims = Map::new();
    claims.insert("name".into(), "x".repeat(MAX_TOKEN_BYTES).into());
    assert!(signer.sign(TokenType::AccessToken, &claims).is_err());
}

#[test]
fn nothing_shows_a_private_key() {
    let key = PrivateKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(…)");
}
