use std::{fs, path::Path, sync::Arc};

use countersign::server::{
    BindError, Server,
    options::{ServerOptions, TlsFiles},
    tls::Reload,
};
use rcgen::generate_simple_self_signed;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::support::*;

struct Pair {
    cert: String,
    key: String,
}

fn pair() -> Pair {
    let pair = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    Pair {
        cert: pair.cert.pem(),
        key: pair.signing_key.serialize_pem(),
    }
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

fn write(folder: &Path, pair: &Pair) {
    let files = files(folder);
    fs::write(files.cert, &pair.cert).unwrap();
    fs::write(files.key, &pair.key).unwrap();
}

fn options(folder: &TempDir) -> ServerOptions {
    ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: Some(files(folder.path())),
        ..ServerOptions::default()
    }
}

/// Connects and trusts this certificate alone.
async fn connect(
    server: &Running,
    trusted: &Pair,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_on(server.connect().await, trusted, protocols).await
}

async fn connect_on(
    stream: TcpStream,
    trusted: &Pair,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let cert = CertificateDer::from_pem_slice(trusted.cert.as_bytes()).unwrap();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
}

#[tokio::test]
async fn tls_speaks_h2_and_http1_by_alpn() {
    let folder = TempDir::new().unwrap();
    let pair = pair();
    write(folder.path(), &pair);
    let server = start(options(&folder)).await;

    let stream = connect(&server, &pair, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut client, _connection) = http2(stream).await;
    let answer = whole(client.send_request(get_request("/hello")).await.unwrap()).await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=63072000"
    );

    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&server, &pair, protocols).await.unwrap();
        let answer = http1(
            &mut stream,
            "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

/// The header of the proxy comes in the clear, ahead of the client's TLS.
#[tokio::test]
async fn a_proxy_header_comes_before_tls() {
    let folder = TempDir::new().unwrap();
    let pair = pair();
    write(folder.path(), &pair);
    let server = start(ServerOptions {
        proxy_protocol: vec!["127.0.0.0/8".parse().unwrap()],
        ..options(&folder)
    })
    .await;
    let mut stream = server.connect().await;
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\xb7\xa3\x01\xbb";
    stream.write_all(header).await.unwrap();
    let mut stream = connect_on(stream, &pair, &["http/1.1"]).await.unwrap();
    let answer = http1(
        &mut stream,
        "GET /context HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(
        answer.contains("\"client_address\":\"203.0.113.9\""),
        "{answer}"
    );
    // And TLS alone is no header.
    assert!(connect(&server, &pair, &["http/1.1"]).await.is_err());
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &pair());
    let server = start(options(&folder)).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nsecret=42")
        .await
        .unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("use an https:// URL.\n"), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (pair(), pair());
    write(folder.path(), &old);
    let server = start(options(&folder)).await;
    let certificate = server.certificate.clone().unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Unchanged);

    // Half-way through being replaced: the new certificate with the old key, then half a key.
    let files = files(folder.path());
    fs::write(&files.cert, &new.cert).unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Kept);
    assert_eq!(certificate.reload_if_changed().await, Reload::Kept);
    fs::write(&files.key, &new.key[..new.key.len() / 2]).unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Kept);
    fs::remove_file(&files.key).unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Kept);
    connect(&server, &old, &["h2"]).await.unwrap();

    fs::write(&files.key, &new.key).unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Replaced);
    assert_eq!(certificate.reload_if_changed().await, Reload::Unchanged);
    connect(&server, &new, &["h2"]).await.unwrap();
    assert!(connect(&server, &old, &["h2"]).await.is_err());
}

#[tokio::test]
async fn the_old_pair_put_back_is_good_again() {
    let folder = TempDir::new().unwrap();
    let old = pair();
    write(folder.path(), &old);
    let server = start(options(&folder)).await;
    let certificate = server.certificate.clone().unwrap();
    fs::write(files(folder.path()).cert, "junk").unwrap();
    assert_eq!(certificate.reload_if_changed().await, Reload::Kept);
    write(folder.path(), &old);
    assert_eq!(certificate.reload_if_changed().await, Reload::Replaced);
}

async fn refused(options: ServerOptions) -> String {
    match Server::bind(options).await {
        Ok(_) => panic!("it listens"),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn what_keeps_the_server_from_listening_is_said_in_one_line() {
    let folder = TempDir::new().unwrap();
    let taken = start(ServerOptions::default()).await.address;
    let plain = |listen: &str| ServerOptions {
        listen: listen.parse().unwrap(),
        ..ServerOptions::default()
    };
    assert!(matches!(
        Server::bind(plain(&taken.to_string())).await,
        Err(BindError::PortInUse(address)) if address == taken
    ));
    assert!(
        refused(plain("192.0.2.1:0"))
            .await
            .contains("does not have the address")
    );
    let missing = refused(options(&folder)).await;
    assert!(
        missing.contains("cannot read") && missing.contains("cert.pem"),
        "{missing}"
    );
    let (one, other) = (pair(), pair());
    for (cert, key, expected) in [
        ("", one.key.as_str(), "cert.pem holds no certificate"),
        (&one.key, &one.key, "cert.pem holds no certificate"),
        (&one.cert, "junk", "key.pem holds no private key"),
        (&one.cert, &one.cert, "key.pem holds no private key"),
        (&one.cert, &other.key, "is not the key of the certificate"),
    ] {
        let pair = Pair {
            cert: cert.into(),
            key: key.into(),
        };
        write(folder.path(), &pair);
        let line = refused(options(&folder)).await;
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}
