//! Signatures: nothing but those of our keys, each with its own algorithm.

use super::*;

#[test]
fn an_unsigned_token_is_refused() {
    let lab = Lab::new();
    for alg in ["none", "None", "NONE", "ES256"] {
        let header = encode(changed(lab.header(), "alg", Some(json!(alg))));
        let claims = lab.parts()[1];
        lab.refuses("no signature", &format!("{header}.{claims}."));
        lab.refuses("no third part", &format!("{header}.{claims}"));
    }
}

/// What stands before the point in a DER public key (RFC 5480 section 2).
const SPKI_OF_P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

#[test]
fn the_public_key_is_no_shared_secret() {
    let lab = Lab::new();
    for algorithm in Algorithm::ALL {
        let jwk = lab.ring.key(algorithm).jwk().clone();
        let member = |name: &str| {
            let text = jwk[name].as_str().unwrap_or_default();
            BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let point = [&[4], &member("x")[..], &member("y")].concat();
        let der = [SPKI_OF_P256, &point].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64_STANDARD.encode(&der)
        );
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": jwk["kid"]});
        for key in [
            jwk.to_string().into_bytes(),
            pem.trim_end().into(),
            pem.into_bytes(),
            lab.ring.jwks().to_vec(),
            jwk["kid"].as_str().unwrap().into(),
            point,
            der,
            member("x"),
            member("n"),
            Vec::new(),
        ] {
            lab.refuses("HS256", &hs256(&key, &header, &json!(claims())));
        }
    }
}

#[test]
fn a_foreign_key_is_not_trusted() {
    let lab = Lab::new();
    let own = PrivateKey::generate(Algorithm::Es256).unwrap();
    let jwk = own.public().jwk;
    let claims = encode(json!(claims()).to_string());
    for header in [
        lab.header(),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": jwk["kid"]}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": jwk["kid"], "jwk": jwk}),
        json!({"alg": "ES256", "typ": "at+jwt", "kid": lab.kid(), "jwk": jwk}),
        json!({"alg": "ES256", "typ": "at+jwt", "jwk": jwk}),
    ] {
        let input = format!("{}.{claims}", encode(header.to_string()));
        let token = own.signer().unwrap().sign_input(input).unwrap();
        lab.refuses("the signature of a foreign key", &token);
    }
}

#[test]
fn each_key_keeps_its_own_algorithm() {
    let lab = Lab::new();
    let claims = encode(json!(claims()).to_string());
    let [es, rs] = Algorithm::ALL.map(|algorithm| lab.ring.key(algorithm));
    for (alg, named, signs) in [
        ("ES256", &rs, &rs),
        ("RS256", &es, &es),
        ("ES256", &es, &rs),
        ("RS256", &rs, &es),
        ("ES256", &rs, &es),
        ("RS256", &es, &rs),
    ] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": named.jwk()["kid"]});
        let input = format!("{}.{claims}", encode(header.to_string()));
        lab.refuses(alg, &signs.signer().sign_input(input).unwrap());
    }
}

/// The order of P-256's base point.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

#[test]
fn no_degenerate_signature_is_accepted() {
    let lab = Lab::new();
    let order: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&ORDER[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let (zero, mut one) = ([0; 32], [0; 32]);
    one[31] = 1;
    let real = BASE64_URL_SAFE_NO_PAD.decode(lab.parts()[2]).unwrap();
    let (r, s) = real.split_at(32);
    let der = [&[0x30, 0x44, 0x02, 0x20], r, &[0x02, 0x20], s].concat();
    let signatures: [Vec<u8>; 17] = [
        vec![],
        vec![0],
        [zero, zero].concat(),
        [zero, one].concat(),
        [one, zero].concat(),
        [one, one].concat(),
        [order.as_slice(), &order].concat(),
        [order.as_slice(), s].concat(),
        [r, &order].concat(),
        [r, &zero].concat(),
        [&zero, s].concat(),
        [s, r].concat(),
        vec![255; 64],
        real[..63].to_vec(),
        [&real[..], &[0]].concat(),
        [&real[..], &real].concat(),
        der,
    ];
    let tried = lab.refuses_all(signatures.map(|bytes| ("signature", lab.with_signature(bytes))));
    assert_eq!(tried, 17);
    for length in [0, 1, 255, 256, 257] {
        let key = lab.ring.key(Algorithm::Rs256);
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": key.jwk()["kid"]});
        for byte in [0, 1, 255] {
            let signature = encode(vec![byte; length]);
            let (header, claims) = (encode(header.to_string()), lab.parts()[1]);
            lab.refuses("RSA", &format!("{header}.{claims}.{signature}"));
        }
    }
}

#[test]
fn parts_of_two_tokens_make_none() {
    let lab = Lab::new();
    let mut others = claims();
    others.insert(
        "grant_id".into(),
        json!("0198c0de-0000-7000-8000-000000000002"),
    );
    let other = lab
        .ring
        .sign(Algorithm::Es256, TokenType::AccessToken, &others, START)
        .unwrap();
    let rsa = lab
        .ring
        .sign(Algorithm::Rs256, TokenType::AccessToken, &claims(), START)
        .unwrap();
    let [header, claims, signature] = lab.parts();
    let [other, rsa] = [&other, &rsa].map(|token| token.split('.').collect::<Vec<_>>());
    lab.refuses_all([
        ("claims", format!("{header}.{}.{signature}", other[1])),
        ("signature", format!("{header}.{claims}.{}", other[2])),
        ("header", format!("{}.{claims}.{signature}", rsa[0])),
        ("RSA signature", format!("{header}.{claims}.{}", rsa[2])),
        (
            "header and signature",
            format!("{}.{}.{}", rsa[0], other[1], rsa[2]),
        ),
        ("order", format!("{claims}.{header}.{signature}")),
    ]);
}
