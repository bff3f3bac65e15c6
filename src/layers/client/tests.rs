use http::HeaderValue;

use super::*;

const PROXY: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "fd00::/8"]
        .map(|network| network.parse().unwrap())
        .to_vec()
}

fn seen(peer: &str, headers: &[(&'static str, &str)]) -> IpAddr {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    client_address(ip(peer), &map, &trusted())
}

fn xff(value: &str) -> IpAddr {
    seen(PROXY, &[("x-forwarded-for", value)])
}

fn forwarded(value: &str) -> IpAddr {
    seen(PROXY, &[("forwarded", value)])
}

#[test]
fn a_thousand_spellings_from_an_untrusted_peer_are_the_peer() {
    let mut tried = 0;
    for address in [
        "6.6.6.6",
        "10.0.0.1",
        "127.0.0.1",
        "::1",
        "fd00::1",
        "unknown",
        "_x",
        "",
    ] {
        for (before, after) in [
            ("", ""),
            (" ", " "),
            ("\t", ""),
            ("\"", "\""),
            ("[", "]"),
            ("[", "]:80"),
            ("", ":80"),
            ("for=", ""),
            ("For=\"", "\""),
            ("for=", ";proto=https"),
            ("for=[", "]"),
            ("for=\"[", "]\""),
            ("", ", 10.0.0.1"),
            ("10.0.0.1, ", ""),
            (",", ","),
            ("::ffff:", ""),
            ("\"", ""),
            ("for=\"", ""),
        ] {
            let value = format!("{before}{address}{after}");
            for headers in [
                vec![("x-forwarded-for", value.as_str())],
                vec![("forwarded", value.as_str())],
                vec![
                    ("x-forwarded-for", "7.7.7.7"),
                    ("x-forwarded-for", value.as_str()),
                ],
                vec![
                    ("x-forwarded-for", value.as_str()),
                    ("x-forwarded-for", "7.7.7.7"),
                ],
                vec![("forwarded", "for=7.7.7.7"), ("forwarded", value.as_str())],
                vec![
                    ("x-forwarded-for", value.as_str()),
                    ("forwarded", value.as_str()),
                ],
                vec![
                    ("x-real-ip", value.as_str()),
                    ("cf-connecting-ip", value.as_str()),
                ],
                vec![
                    ("true-client-ip", value.as_str()),
                    ("x-client-ip", value.as_str()),
                ],
            ] {
                assert_eq!(
                    seen("203.0.113.9", &headers),
                    ip("203.0.113.9"),
                    "{headers:?}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried >= 1000, "{tried}");
}

#[test]
fn nothing_that_the_client_writes_before_the_proxy_counts() {
    for junk in [
        "\u{e9}",
        "6.6.6.6",
        "6.6.6.6, 7.7.7.7",
        "",
        "unknown",
        "\"",
        "for=6.6.6.6",
        "10.0.0.9",
        "fd00::2",
        ",,,",
    ] {
        for real in ["203.0.113.9", "2001:db8::1"] {
            assert_eq!(xff(&format!("{junk}, {real}")), ip(real), "{junk}");
            let lines = [("x-forwarded-for", junk), ("x-forwarded-for", real)];
            assert_eq!(seen(PROXY, &lines), ip(real), "{junk}");
        }
    }
}

#[test]
fn an_open_quote_cannot_swallow_what_the_proxy_wrote() {
    for junk in [
        "for=6.6.6.6;x=\"",
        "for=\"",
        "\"",
        "for=\"6.6.6.6",
        "for=6.6.6.6, for=\"a",
        "for=\"a\\",
        "\u{e9}",
        "",
    ] {
        for (element, real) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("proto=https;for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=203.0.113.9;by=\"a,b\"", "203.0.113.9"),
        ] {
            assert_eq!(forwarded(&format!("{junk}, {element}")), ip(real), "{junk}");
            let lines = [("forwarded", junk), ("forwarded", element)];
            assert_eq!(seen(PROXY, &lines), ip(real), "{junk}");
        }
    }
}

#[test]
fn the_rightmost_hop_that_is_not_trusted_is_the_client() {
    assert_eq!(xff("203.0.113.9"), ip("203.0.113.9"));
    assert_eq!(
        xff("6.6.6.6, 203.0.113.9,10.1.1.1 ,\t10.2.2.2"),
        ip("203.0.113.9")
    );
    assert_eq!(xff("203.0.113.9, fd00::7"), ip("203.0.113.9"));
    assert_eq!(xff("10.3.3.3, 10.1.1.1"), ip("10.3.3.3"));
    assert_eq!(
        forwarded("for=6.6.6.6, For=\"203.0.113.9:47011\";proto=https;by=10.0.0.1 , for=10.1.1.1"),
        ip("203.0.113.9")
    );
    assert_eq!(
        forwarded("proto=https ; for=\"[2001:db8::1]:4711\""),
        ip("2001:db8::1")
    );
    assert_eq!(forwarded("for=[2001:db8::1]"), ip("2001:db8::1"));
    assert_eq!(forwarded(r#"for="203.0.113\.9""#), ip("203.0.113.9"));
}

#[test]
fn ports_and_brackets_are_read() {
    for (text, address) in [
        ("203.0.113.9:80", "203.0.113.9"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
    ] {
        assert_eq!(xff(text), ip(address));
    }
}

#[test]
fn a_mapped_address_is_its_ipv4_address() {
    assert_eq!(seen("::ffff:203.0.113.9", &[]), ip("203.0.113.9"));
    assert_eq!(
        seen(
            "::ffff:10.0.0.1",
            &[("x-forwarded-for", "::ffff:203.0.113.9")]
        ),
        ip("203.0.113.9")
    );
    assert_eq!(xff("203.0.113.9, ::ffff:10.5.5.5"), ip("203.0.113.9"));
}

#[test]
fn an_unreadable_hop_is_the_trusted_proxy_that_reported_it() {
    for value in [
        "",
        "unknown",
        "_hidden",
        "203.0.113",
        "203.0.113.9.1",
        "0x7f.1",
        "203.0.113.9,",
        "203.0.113.9 6.6.6.6",
        "fe80::1%eth0",
        "[203.0.113.9]",
        "203.0.113.9:99999",
        "\"203.0.113.9\"",
        "é",
    ] {
        assert_eq!(xff(value), ip(PROXY), "{value}");
        let chain = format!("{value}, 10.9.9.9");
        assert_eq!(xff(&chain), ip("10.9.9.9"), "{chain}");
    }
    for value in [
        "",
        "for",
        "for=",
        "for=unknown",
        "for=_hidden",
        "proto=https",
        "for=203.0.113.9;for=6.6.6.6",
        "for=203.0.113.9 6.6.6.6",
        "for=\"203.0.113.9\"x",
        "for=203.0.113.9,",
        "for=203.0.113.9;",
        "for=203.0.113.9;;proto=https",
        "=1.2.3.4",
        "for =203.0.113.9",
        "for= 203.0.113.9",
        "203.0.113.9",
        "for=\"203.0.113.9\\",
        "é",
    ] {
        assert_eq!(forwarded(value), ip(PROXY), "{value}");
    }
}

#[test]
fn headers_that_disagree_are_both_ignored() {
    let both = |one, other| seen(PROXY, &[("x-forwarded-for", one), ("forwarded", other)]);
    assert_eq!(both("203.0.113.9", "for=203.0.113.9"), ip("203.0.113.9"));
    assert_eq!(both("203.0.113.9", "for=6.6.6.6"), ip(PROXY));
    assert_eq!(both("6.6.6.6", "for=203.0.113.9"), ip(PROXY));
    assert_eq!(both("6.6.6.6", "junk"), ip(PROXY));
}
