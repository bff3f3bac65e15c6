use super::*;

const GOOD: [&str; 12] = [
    "https://app.example.com/callback",
    "https://app.example.com",
    "https://app.example.com:8443/cb?tenant=1",
    "https://203.0.113.7/cb",
    "https://[2001:db8::1]/cb",
    "http://localhost/callback",
    "http://localhost:33418/",
    "http://127.0.0.1:8080/cb",
    "http://[::1]/cb",
    "https://claude.ai/api/mcp/auth_callback",
    "https://xn--bcher-kva.example/cb",
    "https://app.example.com/a/../b",
];

#[test]
fn what_real_clients_register_is_taken() {
    for uri in GOOD {
        assert_eq!(check(uri, false), Ok(()), "{uri}");
        assert_eq!(check(uri, true), Ok(()), "{uri}");
    }
    for uri in [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "com.example.app:/oauth2redirect",
        "vscode://vscode.github-authentication/did-authenticate",
    ] {
        assert_eq!(check(uri, true), Ok(()), "{uri}");
        // Any program on the machine can claim the scheme, and with it what only a secret protects.
        assert!(check(uri, false).is_err(), "{uri}");
    }
}

#[test]
fn what_sends_people_elsewhere_cannot_be_registered() {
    for uri in [
        "",
        "/callback",
        "//app.example.com/cb",
        "https://",
        "https:///cb",
        "https://app.example.com/cb#",
        "https://app.example.com/cb#x",
        "https://user@app.example.com/cb",
        "https://user:pass@app.example.com/cb",
        "https://app.example.com@evil.example/cb",
        "https://app.example.com\\@evil.example/cb",
        "https://APP.example.com/cb",
        "HTTPS://app.example.com/cb",
        "https://app.example.com:/cb",
        "https://app.example.com:099/cb",
        "https://app.example.com:99999/cb",
        "https://bücher.example/cb",
        "https://app.example.com/c b",
        "https://app.example.com/cb\n",
        "https://0x7f.1/cb",
        "http://app.example.com/cb",
        "http://localhost.evil.example/cb",
        "http://localhost@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.1/cb",
        "http://0.0.0.0/cb",
        "http://[::]/cb",
        "http://localhost:99999/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "blob:https://x",
        "vbscript:x",
        "about:blank",
        "ws://localhost/",
        "ftp://localhost/",
        "JavaScript:alert(1)",
        "https:app.example.com",
    ] {
        assert!(check(uri, true).is_err(), "{uri}");
    }
}

#[test]
fn a_port_of_this_machine_is_any() {
    for (registered, requested) in [
        (
            "http://localhost/callback",
            "http://localhost:61234/callback",
        ),
        (
            "http://localhost:1/callback",
            "http://localhost:61234/callback",
        ),
        ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:9/cb?x=1"),
        ("http://[::1]:80/cb", "http://[::1]/cb"),
        ("http://localhost", "http://localhost:5"),
    ] {
        assert!(matches(registered, requested), "{requested}");
    }
}

#[test]
fn people_decide_about_a_place_and_not_about_a_path() {
    for (uri, place) in [
        (
            "https://app.example.com/callback?x=1",
            "https://app.example.com",
        ),
        (
            "https://app.example.com:8443/cb",
            "https://app.example.com:8443",
        ),
        ("http://localhost:61234/callback", "http://localhost"),
        ("http://127.0.0.1/cb", "http://127.0.0.1"),
        ("https://localhost:9/cb", "https://localhost:9"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
        ("com.example.app:/oauth2redirect", "com.example.app:"),
    ] {
        assert_eq!(destination(uri), place, "{uri}");
    }
}

/// More than 400 spellings of what looks like a registered URI: none but itself passes.
#[test]
fn no_other_spelling_is_the_registered_uri() {
    let mut tried = 0;
    for registered in GOOD {
        for other in spellings(registered) {
            if other == registered {
                continue;
            }
            tried += 1;
            let is_local = registered.starts_with("http:");
            assert!(
                !matches(registered, &other)
                    || is_local && without_port(&other) == without_port(registered),
                "{registered} → {other}"
            );
        }
        assert!(matches(registered, registered));
    }
    assert!(tried > 400, "{tried}");
}

/// The host, and what follows the port.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(authority, |(host, _)| host);
    Some((host, path))
}

#[test]
fn a_port_of_this_machine_changes_nothing_else() {
    for (registered, requested) in [
        ("http://localhost/callback", "http://localhost:9/evil"),
        ("http://localhost/callback", "http://localhost:9/callback/"),
        ("http://localhost/callback", "http://localhost:9/callback?x"),
        ("http://localhost/callback", "http://localhost:9/"),
        ("http://localhost/callback", "http://127.0.0.1:9/callback"),
        ("http://127.0.0.1/callback", "http://localhost:9/callback"),
        ("http://127.0.0.1/callback", "http://[::1]:9/callback"),
        ("http://localhost/callback", "https://localhost:9/callback"),
        ("https://localhost/callback", "https://localhost:9/callback"),
        (
            "http://localhost/callback",
            "http://localhost.evil.example:9/callback",
        ),
    ] {
        assert!(!matches(registered, requested), "{requested}");
    }
}

fn spellings(uri: &str) -> Vec<String> {
    let (scheme, rest) = uri.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let build = |scheme: &str, authority: &str, path: &str| format!("{scheme}://{authority}{path}");
    let mut all = vec![
        uri.to_uppercase(),
        format!("{uri}/"),
        format!("{uri}?"),
        format!("{uri}&"),
        format!("{uri}#"),
        format!("{uri}#x"),
        format!("{uri}%00"),
        format!("{uri}\0"),
        format!("{uri} "),
        format!(" {uri}"),
        format!("\t{uri}"),
        format!("{uri}\n"),
        format!("{uri}/../evil"),
        format!("{uri}/..;/evil"),
        format!("{uri}%2e%2e"),
        format!("{uri};x"),
        format!("{uri}?next=https://evil.example"),
        uri[..uri.len() - 1].to_owned(),
        uri.replace("://", ":/"),
        uri.replace("://", ":"),
        uri.replace("://", ":///"),
        uri.replace("://", ":\\\\"),
    ];
    for scheme in ["HTTPS", "Https", "javascript", "ftp", "http+x"] {
        all.push(build(scheme, authority, path));
    }
    for authority in [
        format!("evil@{authority}"),
        format!("{authority}@evil.example"),
        format!("{authority}:80@evil.example"),
        format!("{authority}%40evil.example"),
        format!("{authority}.evil.example"),
        format!("{authority}\\.evil.example"),
        format!("{authority}\\@evil.example"),
        format!("{authority};evil.example"),
        format!("{authority}."),
        format!("evil.{authority}"),
        format!("{authority}:"),
        format!("{authority}:0x50"),
        format!("{authority}:443"),
        format!("{authority}:99999"),
        format!("{authority}:80:80"),
        authority.to_uppercase(),
        "evil.example".to_owned(),
        "127.1".to_owned(),
        "2130706433".to_owned(),
        "0x7f.0.0.1".to_owned(),
        "[::ffff:127.0.0.1]".to_owned(),
        "localhost.".to_owned(),
        "LOCALHOST".to_owned(),
    ] {
        all.push(build(scheme, &authority, path));
    }
    all
}

#[test]
fn parameters_are_added_to_the_query_that_is_there() {
    for (uri, sent) in [
        (
            "https://a.example/cb",
            "https://a.example/cb?code=x&state=a+b%26",
        ),
        (
            "https://a.example/cb?t=1",
            "https://a.example/cb?t=1&code=x&state=a+b%26",
        ),
        (
            "https://a.example/cb?",
            "https://a.example/cb?code=x&state=a+b%26",
        ),
        ("cursor://cb", "cursor://cb?code=x&state=a+b%26"),
    ] {
        assert_eq!(
            with_parameters(uri, &[("code", "x"), ("state", "a b&")]),
            sent
        );
    }
}
