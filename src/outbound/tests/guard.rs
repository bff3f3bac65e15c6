//! Whatever a URL says, no server of the inside is reached.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::net::TcpListener;
use url::Url;

use super::support::*;
use crate::outbound::{Bounds, FetchErrorKind, Options, connect::Resolve};

/// This machine, in every spelling that URLs know.
const THIS_MACHINE: [&str; 46] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x0000007f.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.1",
    "00000000177.0.0.1",
    "127.0x1",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "%31%32%37%2e0%2e0%2e1",
    "①②⑦.0.0.1",
    "①②⑦.⓪.⓪.①",
    "⑫7.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "12\u{ad}7.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::0.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:127.0.0.1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "app.localhost",
    "a.b.LocalHost.",
    "loc%61lhost",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛocal\u{ad}host",
];

/// Addresses of the inside that are not this machine's own, or are its own in a form that is none of the above.
const INSIDE: [&str; 52] = [
    "0.0.0.0",
    "0",
    "0x0",
    "0.1",
    "[::]",
    "10.0.0.1",
    "10.1",
    "012.0.0.1",
    "0xa.0.0.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "0254.020.1",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    "１９２.168.0.1",
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169。254。169。254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0.0.0.0]",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[100::1]",
    "[5f00::1]",
];

/// URLs that mean this machine in another way than by their host, or take it for something else; `PORT` is the canary's.
const TRICKS: [&str; 24] = [
    "https://example.com@127.0.0.1:PORT/",
    "https://example.com:443@127.0.0.1:PORT/",
    "https://example.com%2f@127.0.0.1:PORT/",
    "https://@127.0.0.1:PORT/",
    "https://:@[::1]:PORT/",
    "https://127.0.0.1:PORT\\@example.com/",
    "https://127.0.0.1:PORT#@example.com/",
    "https://127.0.0.1:PORT/#",
    "https://127.0.0.1:PORT?@example.com/",
    "https:127.0.0.1:PORT/",
    "https:/127.0.0.1:PORT/",
    "https:////127.0.0.1:PORT/",
    "https:\\\\127.0.0.1:PORT/",
    "ht\ntps://127.0.\t0.1:PORT/",
    " https://127.0.0.1:PORT/ ",
    "https://[::1%25lo]:PORT/",
    "https://[fe80::1%25eth0]:PORT/",
    "https://127.0.0.1%00.example.com:PORT/",
    "https://127.0.0.1 .example.com:PORT/",
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_GET%20/",
    "file://127.0.0.1/etc/passwd",
];

fn at_port(hosts: &[&str], port: u16) -> Vec<String> {
    let url = |host: &&str| {
        let url = format!("https://{host}:{port}/client.json");
        assert!(Url::parse(&url).is_ok(), "{url}");
        url
    };
    hosts.iter().map(url).collect()
}

/// Fetches each, and gives those that did not fail before a connection.
async fn not_refused(options: Options, resolved: &[&str], urls: &[String]) -> Vec<String> {
    let outbound = outbound(options, resolved).await;
    let mut through = Vec::new();
    for text in urls {
        let Ok(url) = Url::parse(text) else { continue };
        let fetched = outbound.get(&url, None, Bounds::default()).await;
        match fetched.map_err(|error| error.kind) {
            Err(
                FetchErrorKind::NotHttps
                | FetchErrorKind::InvalidUrl
                | FetchErrorKind::NotPublic
                | FetchErrorKind::Unresolved(_),
            ) => {}
            other => through.push(format!("{text}: {other:?}")),
        }
    }
    through
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_reaches_anything() {
    let canary = Canary::everywhere().await;
    let mut urls = at_port(&THIS_MACHINE, canary.port);
    urls.extend(at_port(&INSIDE, canary.port));
    let port = canary.port.to_string();
    urls.extend(TRICKS.map(|url| url.replace("PORT", &port)));
    // A name that is looked up, and so may be some of the above, is this machine.
    let through = not_refused(Options::default(), &["127.0.0.1"], &urls).await;
    assert_eq!(through, Vec::<String>::new());
    assert_eq!(canary.hits().await, 0);
}

/// The test above tells something: the canary is where those spellings lead, once this machine may be reached.
#[tokio::test]
async fn every_spelling_of_this_machine_reaches_it_where_that_is_allowed() {
    let canary = Canary::everywhere().await;
    let urls = at_port(&THIS_MACHINE, canary.port);
    let through = not_refused(on_loopback(), &[], &urls).await;
    assert_eq!(through.len(), THIS_MACHINE.len(), "{through:#?}");
    assert_eq!(canary.hits().await, THIS_MACHINE.len());
}

/// Only 127.0.0.2 may be reached here, in the place of a public address: a guard that fails leaves the machine alone.
#[tokio::test]
async fn a_name_with_an_inner_address_among_others_reaches_nothing() {
    for resolved in [
        &["127.0.0.1"][..],
        &["127.0.0.2", "127.0.0.1"],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2", "::ffff:127.0.0.1"],
        &["127.0.0.2", "64:ff9b::7f00:1"],
        &["127.0.0.2", "10.0.0.1"],
        &["127.0.0.2", "0.0.0.0"],
    ] {
        let canary = Canary::everywhere().await;
        let outbound = outbound(allowing("127.0.0.2/32"), resolved).await;
        let url = format!("https://client.example:{}/", canary.port);
        let failed = failure(&outbound, &url).await;
        assert!(matches!(failed, FetchErrorKind::NotPublic), "{resolved:?}");
        assert_eq!(canary.hits().await, 0, "{resolved:?}");
    }
}

/// Gives the first of these addresses to the first question, the second to the second, and so on.
fn rebinding(addresses: &'static [&'static str]) -> (Resolve, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolve: Resolve = Arc::new(move |_| {
        let address: IpAddr = addresses[count.fetch_add(1, Ordering::SeqCst)]
            .parse()
            .unwrap();
        Box::pin(async move { Ok(vec![address]) })
    });
    (resolve, asked)
}

/// One port on two addresses of this machine.
async fn same_port(one: &str, other: &str) -> (TcpListener, TcpListener) {
    loop {
        let first = listener(&format!("{one}:0")).await;
        let port = first.local_addr().unwrap().port();
        // Another program may have it there.
        if let Ok(second) = TcpListener::bind((other, port)).await {
            return (first, second);
        }
    }
}

/// Only 127.0.0.2 may be reached here, in the place of a public address.
#[tokio::test]
async fn a_name_that_changes_its_address_is_connected_to_where_it_was_looked_at() {
    let authority = Authority::new();
    let file = authority.file();
    let (allowed, inside) = same_port("127.0.0.2", "127.0.0.1").await;
    let tls = Some(authority.tls_for("client.example"));
    let server = Server::start(allowed, tls, ok("{}").into(), Then::Close);
    let canary = Canary::at(inside);
    let (resolve, asked) = rebinding(&["127.0.0.2", "127.0.0.1", "127.0.0.1"]);
    let outbound = resolving(Authority::trusted(&file, "127.0.0.2/32"), resolve).await;
    let url = format!("https://client.example:{}/", server.port());

    assert_eq!(get(&outbound, &url).await.unwrap().body, "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // The name is looked at anew for each request, and what it was before counts for nothing.
    let failed = failure(&outbound, &url).await;
    assert!(matches!(failed, FetchErrorKind::NotPublic), "{failed}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let canary = Canary::everywhere().await;
    for status in ["301", "302", "303", "307", "308"] {
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
            canary.port
        );
        let server = Server::plain(answer, Then::Close).await;
        let outbound = outbound(on_loopback(), &[]).await;
        let failed = failure(&outbound, &server.url()).await;
        assert!(
            matches!(failed, FetchErrorKind::Status(told) if told.as_str() == status),
            "{failed}"
        );
        let url = Url::parse(&server.url()).unwrap();
        let posted = outbound.post_form(&url, &[("a", "b")], None, Bounds::default());
        assert_eq!(posted.await.unwrap().status.as_str(), status);
    }
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn plain_http_is_for_this_machine_where_that_is_allowed() {
    let server = Server::plain(ok("{}"), Then::Close).await;
    let port = server.port();
    let (address, name) = (server.url(), format!("http://localhost:{port}/"));
    let elsewhere = Options {
        loopback: true,
        ..allowing("192.0.2.1/32")
    };
    for (options, url, works) in [
        (on_loopback(), &address, true),
        (on_loopback(), &name, true),
        (Options::default(), &address, false),
        (Options::default(), &name, false),
        // A network that is allowed is one of other machines.
        (allowing("127.0.0.0/8"), &address, false),
        (
            elsewhere.clone(),
            &"http://client.example/".to_owned(),
            false,
        ),
        (elsewhere, &"http://192.0.2.1/".to_owned(), false),
    ] {
        let outbound = outbound(options, &["192.0.2.1"]).await;
        match get(&outbound, url).await {
            Ok(document) => assert!(works && document.body == "{}", "{url}"),
            Err(error) => assert!(
                !works && matches!(error.kind, FetchErrorKind::NotHttps),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_url_with_a_user_or_a_fragment_is_not_fetched() {
    let server = Server::plain(ok("{}"), Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let address = server.address;
    for url in [
        format!("http://ann@{address}/"),
        format!("http://:secret@{address}/"),
        format!("http://{address}/#"),
        format!("http://{address}/#keys"),
    ] {
        let failed = failure(&outbound, &url).await;
        assert!(matches!(failed, FetchErrorKind::InvalidUrl), "{url}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn an_error_names_the_host_and_no_address() {
    let outbound = outbound(Options::default(), &["10.11.12.13"]).await;
    let error = get(&outbound, "https://client.example/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "client.example: its address is not public; `outbound.allow_networks` allows private ones"
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let outbound = outbound(Options::default(), &[]).await;
    let failed = failure(&outbound, "https://client.example/").await;
    assert!(matches!(failed, FetchErrorKind::Unresolved(_)), "{failed}");
}
