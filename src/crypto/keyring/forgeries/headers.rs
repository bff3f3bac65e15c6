//! Headers: nothing but the one that we write.

use super::*;

#[test]
fn no_other_algorithm_is_accepted() {
    let lab = Lab::new();
    let names = [
        "none",
        "None",
        "nOnE",
        "NONE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "ES384",
        "ES512",
        "ES256K",
        "RS256",
        "RS384",
        "PS256",
        "EdDSA",
        "es256",
        "ES256 ",
        "ES256,none",
    ];
    let tried = lab.refuses_all(names.map(|name| (name, lab.header_but("alg", json!(name)))));
    let odd = [
        json!(null),
        json!(256),
        json!(["ES256"]),
        json!({"ES256": 1}),
        json!(true),
    ];
    let odd = lab.refuses_all(odd.map(|alg| ("odd alg", lab.header_but("alg", alg))));
    lab.refuses("no alg", &lab.header_but("alg", None));
    assert_eq!(tried + odd, 23);
}

#[test]
fn a_header_that_says_more_is_refused() {
    let lab = Lab::new();
    let own = PrivateKey::generate(Algorithm::Es256).unwrap();
    let jwk = own.public().jwk;
    let extras = [
        ("jwk", jwk.clone()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("epk", jwk),
        ("nonce", json!("1")),
        ("", json!(1)),
    ];
    let tried = lab.refuses_all(extras.map(|(name, value)| (name, lab.header_but(name, value))));
    assert_eq!(tried, 17);
}

#[test]
fn only_known_keys_are_named() {
    let lab = Lab::new();
    let kid = lab.kid().as_str().unwrap().to_owned();
    let kids = [
        json!(""),
        json!("0"),
        json!(null),
        json!(0),
        json!([kid.clone()]),
        json!({"kid": kid}),
        json!("../../../../dev/null"),
        json!("/proc/self/environ"),
        json!("' OR '1'='1"),
        json!("a' UNION SELECT 'key'--"),
        json!("|id"),
        json!("https://evil.example/key"),
        json!(kid.to_lowercase()),
        json!(format!("{kid} ")),
        json!(format!("{kid}\0")),
        json!(&kid[1..]),
        json!(format!("{kid}=")),
    ];
    let tried = lab.refuses_all(kids.map(|kid| ("kid", lab.header_but("kid", kid))));
    lab.refuses("no kid", &lab.header_but("kid", None));
    assert_eq!(tried, 17);
}

#[test]
fn no_other_kind_of_token_passes_for_an_access_token() {
    let lab = Lab::new();
    let types = [
        json!("JWT"),
        json!("jwt"),
        json!("id_token"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("at"),
        json!("at+jwt "),
        json!("at-jwt"),
        json!("at+jwts"),
        json!(""),
        json!(null),
        json!("application/jwt"),
        json!("application/application/at+jwt"),
        json!(["at+jwt"]),
        json!(1),
    ];
    let tried = lab.refuses_all(types.map(|typ| ("typ", lab.header_but("typ", typ))));
    lab.refuses("no typ", &lab.header_but("typ", None));
    assert_eq!(tried, 15);
}

/// An ID token is signed with the same keys and has the type `JWT` too: its claims tell it from SMTPD's tokens.
#[test]
fn a_plain_jwt_passes_with_the_claims_that_smtpd_documents_alone() {
    let lab = Lab::new();
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": lab.kid()}).to_string();
    let with = |account_id: Option<Value>| {
        lab.signed(&header, changed(json!(claims()), "account_id", account_id))
    };
    let smtpds = with(Some(json!("an-organization")));
    lab.ring.verify(&smtpds, &expected()).unwrap();
    let tried = [None, Some(json!(null)), Some(json!(1)), Some(json!([]))];
    let tried = lab.refuses_all(tried.map(|id| ("account_id", with(id))));
    assert_eq!(tried, 4);
}

#[test]
fn a_header_is_one_object_that_names_each_member_once() {
    let lab = Lab::new();
    let good = lab.header().to_string();
    let inside = good.trim_matches(['{', '}']);
    let headers = [
        format!(r#"{{{inside},"alg":"ES256"}}"#),
        format!(r#"{{"alg":"none",{inside}}}"#),
        format!(r#"{{{inside},"alg":"none"}}"#),
        format!(r#"{{{inside},"kid":"0"}}"#),
        format!(r#"{{"kid":"0",{inside}}}"#),
        format!(r#"{{{inside},"typ":"at+jwt"}}"#),
        format!(r#"{{{inside},"\u0061lg":"none"}}"#),
        format!(r#"["ES256","at+jwt",{}]"#, lab.kid()),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("\u{feff}{good}"),
        good[..good.len() - 1].to_owned(),
        "null".into(),
        "1".into(),
        "\"ES256\"".into(),
        "{}".into(),
        "[]".into(),
        String::new(),
        "[".repeat(1000),
        format!(
            r#"{{{inside},"x":{}1{}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        ),
    ];
    let tried = lab.refuses_all(headers.map(|header| ("header", lab.with_header(header))));
    lab.refuses(
        "not UTF-8",
        &lab.with_header(b"{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"\xff\"}"),
    );
    assert_eq!(tried, 20);
}
