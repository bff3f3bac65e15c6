use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::*;
use crate::crypto::test_env::{self, START};

pub(super) const ISSUER: &str = "https://id.example.org";
pub(super) const AUDIENCE: &str = "https://api.example.org";
pub(super) const GRANT: &str = "0198c0de-0000-7000-8000-000000000001";
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// One RSA key for all tests: making it takes long.
static RSA: LazyLock<SigningKey> = LazyLock::new(|| record(Algorithm::Rs256));

fn master() -> MasterKey {
    MasterKey::new(Zeroizing::new([0xab; 32]))
}

fn record(algorithm: Algorithm) -> SigningKey {
    make_key(algorithm, &master(), &test_env::still(), START, START).unwrap()
}

fn ring(records: &[SigningKey]) -> KeyRing {
    KeyRing::new(KeyRing::load(&master(), records, START).unwrap())
}

/// A ring with a key of each algorithm.
pub(super) fn both() -> KeyRing {
    ring(&[record(Algorithm::Es256), RSA.clone()])
}

pub(super) fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        audience: Some(AUDIENCE),
        now: START,
        leeway: Duration::from_secs(5),
    }
}

/// The claims of a good token.
pub(super) fn claims() -> Map<String, Value> {
    let Value::Object(claims) = json!({
        "iss": ISSUER, "aud": AUDIENCE, "iat": START.seconds(), "exp": START.after(HOUR).seconds(),
        "jti": "a-token", "grant_id": GRANT, "sub": "someone@example.org", "scope": [1],
    }) else {
        unreachable!()
    };
    claims
}

impl KeyRing {
    /// The one key of this algorithm.
    pub(super) fn key(&self, algorithm: Algorithm) -> Arc<Key> {
        let keys = self.0.load();
        let key = keys
            .keys
            .iter()
            .find(|key| key.record.algorithm == algorithm);
        Arc::clone(key.unwrap())
    }
}

impl Key {
    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) fn jwk(&self) -> &Value {
        &self.public.jwk
    }
}

fn sign(ring: &KeyRing, now: Timestamp) -> String {
    ring.sign(Algorithm::Es256, TokenType::AccessToken, &claims(), now)
        .unwrap()
}

fn kid(token: &str) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn published(ring: &KeyRing) -> Vec<String> {
    let jwks: Value = serde_json::from_slice(&ring.jwks()).unwrap();
    let kids = jwks["keys"].as_array().unwrap().iter();
    kids.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_good_token_of_either_algorithm_is_accepted() {
    let ring = both();
    for algorithm in Algorithm::ALL {
        let token = ring
            .sign(algorithm, TokenType::AccessToken, &claims(), START)
            .unwrap();
        let read = AccessClaims {
            client_id: String::new(),
            audience: vec![AUDIENCE.to_owned()],
            grant_id: GRANT.parse().unwrap(),
            jti: "a-token".into(),
            issued_at: START,
            expires_at: START.after(HOUR),
        };
        assert_eq!(ring.verify(&token, &expected()).unwrap(), read);
    }
}

#[test]
fn every_damaged_token_is_refused() {
    let ring = both();
    for algorithm in Algorithm::ALL {
        let token = ring
            .sign(algorithm, TokenType::AccessToken, &claims(), START)
            .unwrap();
        for damaged in damage(&token) {
            let refused = ring.verify(&damaged, &expected()).expect_err(&damaged);
            assert_eq!(refused.reason(), Reason::CredentialInvalid);
        }
    }
}

/// Every truncation and case flip; suffixes; and at every place three other characters of the alphabet (the
/// neighbours, which differ in the fewest bits), a character out of it, one more and one less.
fn damage(token: &str) -> Vec<String> {
    let mut all: Vec<String> = (0..token.len())
        .map(|end| token[..end].to_owned())
        .collect();
    all.extend(["A", "=", ".", " ", "\n", "\0", "é"].map(|suffix| format!("{token}{suffix}")));
    all.extend([" ", "A", ".", "\t"].map(|start| format!("{start}{token}")));
    all.extend([token.to_uppercase(), token.to_lowercase()]);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (at, old) in token.char_indices() {
        let (before, after) = (&token[..at], &token[at + 1..]);
        let flipped = if old.is_ascii_lowercase() {
            old.to_ascii_uppercase()
        } else {
            old.to_ascii_lowercase()
        };
        let place = alphabet.find(old).unwrap_or(0);
        let others = [1, 2, 3, 62].map(|step| alphabet.as_bytes()[(place + step) % 64].into());
        let mut others: Vec<char> = others.into();
        others.extend([flipped, '=', '+', '.', ' ']);
        others.retain(|&new| new != old);
        all.extend(others.iter().map(|new| format!("{before}{new}{after}")));
        all.push(format!("{before}{after}"));
        all.push(format!("{before}{old}{old}{after}"));
    }
    // Doubling or taking away one of two equal neighbours can be done in either place; none gives the token.
    all.retain(|damaged| damaged != token);
    all
}

#[test]
fn a_token_for_several_audiences_is_accepted_by_each() {
    let ring = both();
    let mut claims = claims();
    claims.insert("aud".into(), json!(["https://other.example.org", AUDIENCE]));
    let token = ring
        .sign(Algorithm::Es256, TokenType::AccessToken, &claims, START)
        .unwrap();
    assert!(ring.verify(&token, &expected()).is_ok());
}

#[test]
fn a_token_lives_from_its_issue_to_its_last_second() {
    let ring = both();
    let token = sign(&ring, START);
    let at = |now| ring.verify(&token, &Expected { now, ..expected() }).is_ok();
    let end = START.after(HOUR);
    assert!(at(START) && at(end.before(Duration::from_millis(1))));
    assert!(!at(end) && !at(end.after(Duration::from_secs(1))));
    let early = START.before(expected().leeway);
    assert!(at(early));
    assert!(!at(early.before(Duration::from_millis(1))));
}

#[test]
fn a_key_is_published_then_signs_then_verifies_then_is_gone() {
    let mut old = record(Algorithm::Es256);
    let new = SigningKey {
        active_at: START.after(HOUR),
        ..record(Algorithm::Es256)
    };
    old.retired_at = Some(START.after(HOUR));
    old.expires_at = Some(START.after(3 * HOUR));
    let ring = ring(&[new.clone(), old.clone()]);
    let verify = |token: &str, now| ring.verify(token, &Expected { now, ..expected() }).is_ok();
    let mut long = claims();
    long.insert("exp".into(), START.after(9 * HOUR).seconds().into());
    let sign = |now| {
        ring.sign(Algorithm::Es256, TokenType::AccessToken, &long, now)
            .unwrap()
    };

    assert_eq!(published(&ring), [new.kid.clone(), old.kid.clone()]);
    let early = sign(START.after(HOUR).before(Duration::from_millis(1)));
    let late = sign(START.after(HOUR));
    assert_eq!(
        (kid(&early), kid(&late)),
        (old.kid.clone(), new.kid.clone())
    );
    // The next key's tokens are accepted before its time, a retired key's until its end.
    assert!(verify(&late, START) && verify(&early, START.after(2 * HOUR)));
    assert!(!verify(&early, START.after(3 * HOUR)));
    assert!(verify(&late, START.after(3 * HOUR)));

    ring.refresh(START.after(2 * HOUR));
    assert_eq!(published(&ring), [new.kid.clone(), old.kid.clone()]);
    ring.refresh(START.after(3 * HOUR));
    assert_eq!(published(&ring), std::slice::from_ref(&new.kid));
    // A clock that was wrong has taken nothing away.
    ring.refresh(START);
    assert_eq!(published(&ring), [new.kid, old.kid]);
    assert!(verify(&early, START));
}

#[test]
fn the_newest_active_key_signs() {
    let old = record(Algorithm::Es256);
    let new = SigningKey {
        active_at: START.after(Duration::from_secs(1)),
        ..record(Algorithm::Es256)
    };
    let ring = ring(&[old.clone(), RSA.clone(), new.clone()]);
    assert_eq!(kid(&sign(&ring, START)), old.kid);
    assert_eq!(kid(&sign(&ring, START.after(HOUR))), new.kid);
}

#[test]
fn without_an_active_key_nothing_is_signed() {
    let ring = ring(&[record(Algorithm::Es256)]);
    for (algorithm, now) in [
        (Algorithm::Rs256, START),
        (Algorithm::Es256, START.before(HOUR)),
    ] {
        let refused = ring
            .sign(algorithm, TokenType::AccessToken, &claims(), now)
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::Internal);
    }
}

#[test]
fn replaced_keys_count_at_once_for_every_clone() {
    let ring = ring(&[record(Algorithm::Es256)]);
    let (clone, token) = (ring.clone(), sign(&ring, START));
    let other = record(Algorithm::Es256);
    let keys = KeyRing::load(&master(), std::slice::from_ref(&other), START);
    ring.replace(keys.unwrap());
    assert!(clone.verify(&token, &expected()).is_err());
    assert_eq!(published(&clone), [other.kid]);
}

#[test]
fn another_master_key_opens_nothing() {
    let other = MasterKey::new(Zeroizing::new([0xcd; 32]));
    let record = record(Algorithm::Es256);
    let refused = KeyRing::load(&other, std::slice::from_ref(&record), START).unwrap_err();
    assert!(matches!(&refused, LoadError::WrongKey { kid, .. } if *kid == record.kid));
}

#[test]
fn a_row_cannot_pass_another_key_for_its_own() {
    let (one, two) = (record(Algorithm::Es256), record(Algorithm::Es256));
    let swapped = SigningKey {
        sealed: two.sealed,
        ..one.clone()
    };
    let refused = KeyRing::load(&master(), &[swapped], START).unwrap_err();
    assert!(matches!(refused, LoadError::WrongKey { .. }));
    let other_algorithm = SigningKey {
        algorithm: Algorithm::Rs256,
        ..one.clone()
    };
    let refused = KeyRing::load(&master(), &[other_algorithm], START).unwrap_err();
    assert!(matches!(refused, LoadError::WrongKey { .. }));
    // Even sealed anew for the row, it is not the key that the id names.
    let private = PrivateKey::generate(Algorithm::Es256).unwrap();
    let context = seal_context(Algorithm::Es256, &one.kid);
    let sealed = master().seal(&test_env::still(), &context, &private.to_bytes());
    let resealed = SigningKey {
        sealed: sealed.unwrap(),
        ..one
    };
    let refused = KeyRing::load(&master(), &[resealed], START).unwrap_err();
    assert!(matches!(refused, LoadError::Mislabelled { .. }));
}

#[test]
fn the_published_set_has_the_public_members_and_no_other() {
    let jwks: Value = serde_json::from_slice(&both().jwks()).unwrap();
    let members: Vec<Vec<&str>> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| {
            key.as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect()
        })
        .collect();
    assert_eq!(
        members,
        [
            vec!["crv", "kty", "x", "y", "use", "alg", "kid"],
            vec!["e", "kty", "n", "use", "alg", "kid"],
        ]
    );
    assert_eq!(jwks["keys"][0]["use"], "sig");
}

#[test]
fn nothing_shows_a_private_key() {
    let records = [record(Algorithm::Es256), RSA.clone()];
    let ring = ring(&records);
    let keys = KeyRing::load(&master(), &records, START).unwrap();
    let shown = format!(
        "{ring:?} {ring:#?} {keys:?} {:?}",
        String::from_utf8_lossy(&ring.jwks())
    );
    for record in records {
        let context = seal_context(record.algorithm, &record.kid);
        let private = master().open(&context, &record.sealed).unwrap();
        for form in private.windows(12).flat_map(forms) {
            assert!(
                !shown.contains(&form) || is_public(&ring, &form),
                "{form} in {shown}"
            );
        }
        assert!(shown.contains(&record.kid));
    }
}

/// Twelve bytes in the ways in which they could be shown.
fn forms(bytes: &[u8]) -> [String; 3] {
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}");
    [
        hex,
        list.trim_matches(['[', ']']).to_owned(),
        BASE64_URL_SAFE_NO_PAD.encode(bytes),
    ]
}

/// The public numbers stand in a private key too.
fn is_public(ring: &KeyRing, form: &str) -> bool {
    String::from_utf8_lossy(&ring.jwks()).contains(form)
}
