use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use josekit::jws::HS256;
use serde_json::json;

use super::*;
use crate::crypto::jose::PrivateKey;

/// A set of these keys, named by their places.
fn set(keys: &[&PrivateKey]) -> Value {
    let named = keys.iter().enumerate().map(|(place, key)| {
        let mut jwk = key.public().jwk;
        jwk["kid"] = json!(place.to_string());
        jwk
    });
    json!({"keys": named.collect::<Vec<_>>()})
}

fn parse(set: &Value) -> Result<ForeignKeys, JwksError> {
    ForeignKeys::parse(set.to_string().as_bytes())
}

fn input(header: &Value) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(&json!({"sub": "somebody"})))
}

fn signed(key: &PrivateKey, header: &Value) -> String {
    key.signer().unwrap().sign_input(input(header)).unwrap()
}

fn check(keys: &ForeignKeys, token: &str) -> Result<(), ForeignTokenError> {
    let token = ForeignToken::parse(token)?;
    assert_eq!(token.subject(), Some("somebody"));
    keys.verify(&token)
}

fn pair() -> (PrivateKey, PrivateKey) {
    let make = |algorithm| PrivateKey::generate(algorithm).unwrap();
    (make(Algorithm::Es256), make(Algorithm::Rs256))
}

#[test]
fn what_the_owner_of_a_key_signs_is_theirs() {
    let (es256, rs256) = pair();
    let keys = parse(&set(&[&es256, &rs256])).unwrap();
    for (key, header) in [
        (&es256, json!({"alg": "ES256", "kid": "0"})),
        (&rs256, json!({"alg": "RS256", "kid": "1"})),
        (&rs256, json!({"alg": "RS256", "kid": "1", "typ": "JWT"})),
        (
            &rs256,
            json!({"alg": "RS256", "kid": "1", "typ": "client-authentication+jwt"}),
        ),
        // The only one of its algorithm need not be named.
        (&es256, json!({"alg": "ES256", "typ": "application/jwt"})),
    ] {
        assert_eq!(check(&keys, &signed(key, &header)), Ok(()), "{header}");
    }
}

#[test]
fn what_others_have_signed_is_not() {
    use ForeignTokenError::{Header, Malformed, Signature, UnknownKey};
    let (es256, rs256) = pair();
    let (stranger, _) = pair();
    let keys = parse(&set(&[&es256, &rs256])).unwrap();
    for (key, header, error) in [
        (&stranger, json!({"alg": "ES256", "kid": "0"}), Signature),
        (&es256, json!({"alg": "ES256", "kid": "1"}), UnknownKey),
        (&es256, json!({"alg": "RS256", "kid": "0"}), UnknownKey),
        (&rs256, json!({"alg": "ES256", "kid": "1"}), UnknownKey),
        (&rs256, json!({"alg": "PS256", "kid": "1"}), UnknownKey),
        (&rs256, json!({"alg": "RS256", "kid": "2"}), UnknownKey),
        (
            &es256,
            json!({"alg": "ES256", "kid": "0", "crit": ["exp"]}),
            Header,
        ),
        (
            &es256,
            json!({"alg": "ES256", "kid": "0", "typ": "at+jwt"}),
            Header,
        ),
        (&es256, json!({"alg": "ES256", "kid": 0}), Header),
        (&es256, json!({"kid": "0"}), Header),
    ] {
        assert_eq!(check(&keys, &signed(key, &header)), Err(error), "{header}");
    }
    // A key from the token itself is not looked at.
    let own = json!({"alg": "ES256", "kid": "0", "jwk": stranger.public().jwk, "jku": "https://evil.example/"});
    assert_eq!(check(&keys, &signed(&stranger, &own)), Err(Signature));
    let good = signed(&es256, &json!({"alg": "ES256", "kid": "0"}));
    let (body, signature) = good.rsplit_once('.').unwrap();
    for token in [
        format!("{body}."),
        format!("{body}.{}", signature.get(2..).unwrap()),
    ] {
        assert_eq!(check(&keys, &token), Err(Signature));
    }
    for token in [
        "",
        "a.b",
        "a.b.c",
        body,
        &format!("{good}.x"),
        &"x".repeat(9_000),
    ] {
        assert_eq!(check(&keys, token), Err(Malformed), "{token}");
    }
}

/// RFC 8725 section 2.1.
#[test]
fn no_algorithm_makes_a_secret_of_a_public_key() {
    let (es256, rs256) = pair();
    let keys = parse(&set(&[&es256, &rs256])).unwrap();
    for alg in ["none", "None", "NONE", ""] {
        let token = format!("{}.", input(&json!({"alg": alg, "kid": "0"})));
        assert_eq!(check(&keys, &token), Err(ForeignTokenError::UnknownKey));
    }
    let public = rs256.public().jwk;
    for secret in [
        public.to_string().into_bytes(),
        public["n"].as_str().unwrap().as_bytes().to_vec(),
        BASE64_URL_SAFE_NO_PAD
            .decode(public["n"].as_str().unwrap())
            .unwrap(),
    ] {
        let mac = HS256.signer_from_bytes(secret).unwrap();
        let input = input(&json!({"alg": "HS256", "kid": "1"}));
        let mac = josekit::jws::JwsSigner::sign(&mac, input.as_bytes()).unwrap();
        for alg in ["HS256", "RS256"] {
            let input = self::input(&json!({"alg": alg, "kid": "1"}));
            let token = format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(&mac));
            assert!(check(&keys, &token).is_err(), "{alg}");
        }
    }
}

#[test]
fn a_key_that_is_none_of_ours_is_left_out() {
    let (es256, rs256) = pair();
    let good = es256.public().jwk;
    let with = |jwk: &Value, member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        jwk
    };
    let rsa = rs256.public().jwk;
    let number = |bytes: usize| json!(BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; bytes]));
    for other in [
        json!({}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": good["x"]}),
        with(&good, "crv", json!("P-384")),
        with(&good, "crv", json!("secp256k1")),
        with(&good, "use", json!("enc")),
        with(&good, "alg", json!("ES384")),
        with(&good, "alg", json!("RS256")),
        // Not on the curve.
        with(&good, "x", number(32)),
        with(&good, "x", number(31)),
        with(&good, "y", json!(7)),
        with(&rsa, "n", number(128)),
        with(&rsa, "n", number(2048)),
        with(&rsa, "e", number(9)),
        with(&rsa, "alg", json!("PS256")),
    ] {
        let alone = json!({"keys": [other.clone()]});
        assert_eq!(parse(&alone).err(), Some(JwksError::NoKey), "{other}");
        // A set may have keys for others beside those for us.
        assert!(parse(&json!({"keys": [other, good]})).is_ok());
    }
}

#[test]
fn a_set_is_bounded_and_says_one_thing() {
    let (es256, rs256) = pair();
    let jwk = es256.public().jwk;
    let many = json!({"keys": vec![json!({}); MOST_KEYS + 1]});
    for (set, error) in [
        (json!([]), JwksError::NoSet),
        (json!({}), JwksError::NoSet),
        (json!({"keys": {}}), JwksError::NoSet),
        (json!({"keys": ["x"]}), JwksError::NoSet),
        (json!({"keys": []}), JwksError::NoKey),
        (many, JwksError::NoSet),
        (
            json!({"keys": [jwk], "x": "y".repeat(MOST_BYTES)}),
            JwksError::NoSet,
        ),
        (json!({"keys": [jwk, jwk]}), JwksError::SameId),
        (
            json!({"keys": [{"kty": "oct", "k": "AAAA"}, jwk]}),
            JwksError::Private,
        ),
    ] {
        assert_eq!(parse(&set).err(), Some(error));
    }
    let mut private = jwk.clone();
    private["d"] = json!("AAAA");
    assert_eq!(
        parse(&json!({"keys": [private]})).err(),
        Some(JwksError::Private)
    );
    // RFC 7517 section 4.5: keys of different kinds may share a name.
    let mut rsa = rs256.public().jwk;
    rsa["kid"] = jwk["kid"].clone();
    assert!(parse(&json!({"keys": [jwk, rsa]})).is_ok());
}
