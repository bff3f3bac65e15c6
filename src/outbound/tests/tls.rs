//! Who is believed to be who they say.

use std::path::Path;

use super::support::*;
use crate::{
    env::Env,
    outbound::{FetchErrorKind, Options, Outbound},
};

const NAME: &str = "client.example";

async fn https(tls: tokio_rustls::TlsAcceptor) -> Server {
    let listener = listener("127.0.0.1:0").await;
    Server::start(listener, Some(tls), ok("{}").into(), Then::Close)
}

#[tokio::test]
async fn a_server_of_an_additional_authority_is_believed_by_its_name_or_address() {
    let authority = Authority::new();
    let file = authority.file();
    let options = Authority::trusted(&file, "127.0.0.0/8");
    let outbound = outbound(options, &["127.0.0.1"]).await;
    for (certified, host) in [
        (NAME, NAME),
        (NAME, "Client.EXAMPLE."),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        let server = https(authority.tls_for(certified)).await;
        let url = format!("https://{host}:{}/", server.port());
        assert_eq!(get(&outbound, &url).await.unwrap().body, "{}", "{url}");
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let authority = Authority::new();
    let file = authority.file();
    let options = Authority::trusted(&file, "127.0.0.0/8");
    let outbound = outbound(options, &["127.0.0.1"]).await;
    for (why, tls) in [
        ("another name", authority.tls_for("other.example")),
        ("another authority", Authority::new().tls_for(NAME)),
        ("no authority", self_signed(NAME)),
    ] {
        let server = https(tls).await;
        let url = format!("https://{NAME}:{}/", server.port());
        let failed = failure(&outbound, &url).await;
        assert!(matches!(failed, FetchErrorKind::Tls(_)), "{why}: {failed}");
        assert!(server.requests().iter().all(String::is_empty), "{why}");
    }
    // It takes connections and speaks no TLS.
    let canary = Canary::everywhere().await;
    let url = format!("https://{NAME}:{}/", canary.port);
    let failed = failure(&outbound, &url).await;
    assert!(matches!(failed, FetchErrorKind::Tls(_)), "{failed}");
}

/// Without the setting, the public authorities are the only ones.
#[tokio::test]
async fn an_authority_that_nobody_named_is_not_believed() {
    let server = https(Authority::new().tls_for("localhost")).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let url = format!("https://localhost:{}/", server.port());
    let failed = failure(&outbound, &url).await;
    assert!(matches!(failed, FetchErrorKind::Tls(_)), "{failed}");
}

/// The end of such a body is the end of the connection, which TLS says and an attacker cannot.
#[tokio::test]
async fn a_body_that_somebody_cut_is_not_taken_for_whole() {
    let authority = Authority::new();
    let file = authority.file();
    let options = Authority::trusted(&file, "127.0.0.0/8");
    let outbound = outbound(options, &["127.0.0.1"]).await;
    let answer = "HTTP/1.1 200 OK\r\n\r\n{\"redirect_uris\": [";
    for (then, whole) in [(Then::Close, true), (Then::Cut, false)] {
        let listener = listener("127.0.0.1:0").await;
        let tls = Some(authority.tls_for(NAME));
        let server = Server::start(listener, tls, answer.into(), then);
        let url = format!("https://{NAME}:{}/", server.port());
        match get(&outbound, &url).await {
            Ok(_) => assert!(whole),
            Err(error) => assert!(
                !whole && matches!(error.kind, FetchErrorKind::Http(_)),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_told() {
    let with = async |path: &Path| {
        let options = Options {
            trusted_roots_file: Some(path.to_owned()),
            ..Options::default()
        };
        let Err(error) = Outbound::new(options, Env::system()).await else {
            panic!("{} was taken", path.display());
        };
        error.to_string()
    };
    assert!(
        with(Path::new("missing.pem"))
            .await
            .starts_with("cannot read missing.pem: ")
    );
    for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nA"] {
        let said = with(file(text).path()).await;
        assert!(said.contains("holds no certificate; "), "{said}");
    }
    let empty = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let said = with(empty.path()).await;
    assert!(said.contains("cannot be trusted: "), "{said}");
}
