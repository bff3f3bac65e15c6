//! The form of a token, and what it claims.

use super::*;

#[test]
fn a_token_is_three_parts_of_base64url_and_nothing_around_them() {
    let lab = Lab::new();
    let token = &lab.token;
    let [header, claims, signature] = lab.parts();
    let padded = |part: &str| BASE64_URL_SAFE.encode(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    let standard =
        |part: &str| BASE64_STANDARD.encode(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    let flattened = json!({"protected": header, "payload": claims, "signature": signature});
    let general =
        json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]});
    let tried = lab.refuses_all([
        ("empty", String::new()),
        ("dots", "..".into()),
        ("more dots", "....".into()),
        ("one part", header.into()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{token}.{signature}")),
        (
            "five parts",
            format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        ),
        (
            "JWE",
            format!("{}....", encode(r#"{"alg":"dir","enc":"A256GCM"}"#)),
        ),
        ("empty header", format!(".{claims}.{signature}")),
        ("empty claims", format!("{header}..{signature}")),
        ("Bearer", format!("Bearer {token}")),
        ("space before", format!(" {token}")),
        ("newline after", format!("{token}\n")),
        ("NUL after", format!("{token}\0")),
        ("newline inside", format!("{header}.{claims}.\n{signature}")),
        ("quoted", format!("\"{token}\"")),
        ("padded", format!("{header}.{claims}.{}", padded(signature))),
        (
            "standard base64",
            format!("{header}.{claims}.{}", standard(signature)),
        ),
        ("flattened JSON", flattened.to_string()),
        ("general JSON", general.to_string()),
        ("percent", token.replace('.', "%2E")),
        ("wide dots", token.replace('.', "\u{ff0e}")),
        ("long", format!("{token}{}", "A".repeat(4096))),
        ("longer", "A".repeat(1 << 20)),
        ("many dots", ".".repeat(4096)),
    ]);
    assert_eq!(tried, 25);
}

#[test]
fn a_long_token_is_refused_even_when_it_is_good() {
    let lab = Lab::new();
    let room = |count: usize| lab.claims_but("name", json!("x".repeat(count)));
    let fits = (0..4096)
        .rev()
        .map(room)
        .find(|token| token.len() <= 4096)
        .unwrap();
    assert!(fits.len() > 4090);
    lab.ring.verify(&fits, &expected()).unwrap();
    lab.refuses("4097 bytes", &room(4000));
}

#[test]
fn every_claim_is_required_and_has_its_type() {
    let lab = Lab::new();
    let names = ["iss", "aud", "iat", "exp", "jti", "grant_id"];
    for name in names {
        lab.refuses(name, &lab.claims_but(name, None));
        let odd = [
            json!(null),
            json!(true),
            json!({}),
            json!([]),
            json!(""),
            json!(1.5),
            json!([1]),
        ];
        for value in odd {
            lab.refuses(name, &lab.claims_but(name, value));
        }
    }
    let exp = START.after(HOUR).seconds();
    for value in [
        json!(exp.to_string()),
        json!(exp as f64),
        json!(1e300),
        json!(u64::MAX),
        json!(-exp),
        json!([exp]),
    ] {
        lab.refuses("exp", &lab.claims_but("exp", value.clone()));
        lab.refuses(
            "iat",
            &lab.claims_but(
                "iat",
                match value {
                    // In the past is where it may be.
                    Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
                        json!(null)
                    }
                    value => value,
                },
            ),
        );
    }
}

#[test]
fn claims_of_others_are_refused() {
    let lab = Lab::new();
    let others = [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{ISSUER}/"))),
        ("iss", json!(ISSUER.to_uppercase())),
        ("iss", json!([ISSUER])),
        ("aud", json!(ISSUER)),
        ("aud", json!(format!("{AUDIENCE}/"))),
        ("aud", json!(AUDIENCE.to_uppercase())),
        ("aud", json!([ISSUER, "x"])),
        ("aud", json!([[AUDIENCE]])),
        ("aud", json!([AUDIENCE, 1])),
        ("aud", json!({AUDIENCE: 1})),
        ("aud", json!(format!("{AUDIENCE} {ISSUER}"))),
        ("grant_id", json!("someone")),
        ("grant_id", json!(format!("{GRANT}0"))),
        ("grant_id", json!(format!("grants/{GRANT}"))),
        ("grant_id", json!([GRANT])),
        ("exp", json!(START.seconds())),
        ("exp", json!(START.before(HOUR).seconds())),
        ("exp", json!(0)),
        ("exp", json!(i64::MIN)),
        ("iat", json!(START.after(HOUR).seconds())),
        ("iat", json!(START.seconds() + 6)),
        ("iat", json!(i64::MAX)),
    ];
    let tried = lab.refuses_all(others.map(|(name, value)| (name, lab.claims_but(name, value))));
    assert_eq!(tried, 23);
}

#[test]
fn claims_are_one_object_that_names_each_member_once() {
    let lab = Lab::new();
    let good = json!(claims()).to_string();
    let inside = &good[1..good.len() - 1];
    let bodies = [
        format!(r#"{{{inside},"exp":9999999999}}"#),
        format!(r#"{{"exp":9999999999,{inside}}}"#),
        format!(r#"{{{inside},"aud":"{AUDIENCE}"}}"#),
        format!(r#"{{{inside},"grant_id":"{GRANT}"}}"#),
        format!(r#"{{{inside},"sub":"another"}}"#),
        format!(r#"{{{inside},"\u0065xp":9999999999}}"#),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good[..good.len() - 1].to_owned(),
        json!(good).to_string(),
        "null".into(),
        "1".into(),
        "{}".into(),
        "[]".into(),
        String::new(),
        "[".repeat(1000),
    ];
    let tried = lab.refuses_all(bodies.map(|claims| ("claims", lab.with_claims(claims))));
    assert_eq!(tried, 17);
}
