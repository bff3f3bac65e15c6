use std::{net::IpAddr, time::Duration};

use countersign::{layers::LayerOptions, server::options::ServerOptions};
use ipnet::IpNet;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::support::*;

const LOOPBACK: &str = "127.0.0.0/8";

/// A server on which the connections of these proxies begin with a PROXY header.
async fn behind(proxies: &str) -> Running {
    behind_with(proxies, ServerOptions::default()).await
}

async fn behind_with(proxies: &str, options: ServerOptions) -> Running {
    let trusted: Vec<IpNet> = vec![proxies.parse().unwrap()];
    let layers = LayerOptions {
        trusted_proxies: trusted.clone(),
        https_only: true,
        ..LayerOptions::default()
    };
    let options = ServerOptions {
        proxy_protocol: trusted,
        ..options
    };
    start_with(options, layers).await
}

/// A header of version 2 with this command and family.
fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    [&signature[..], &[command, family], &length, block].concat()
}

/// For this client, which came over TLS or not.
fn header_for(client: &str, tls: bool) -> Vec<u8> {
    let (mut block, family) = match client.parse().unwrap() {
        IpAddr::V4(address) => ([address.octets(), [127, 0, 0, 1]].concat(), 0x11),
        IpAddr::V6(address) => ([address.octets(), [0; 16]].concat(), 0x21),
    };
    block.extend([0xb7, 0xa3, 0x1f, 0x90]);
    block.extend([0x20, 0, 5, u8::from(tls), 0, 0, 0, 0]);
    header(0x21, family, &block)
}

/// What the server answers to a question that comes after these bytes.
async fn asks(server: &Running, first: &[u8], path: &str, lines: &str) -> String {
    let mut stream = server.connect().await;
    stream.write_all(first).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n");
    http1(&mut stream, &request).await
}

/// Whether a server has closed a connection without a word.
async fn is_closed(mut stream: TcpStream) -> bool {
    read_to_end(&mut stream).await.is_empty()
}

fn says(address: &str) -> String {
    format!("\"client_address\":\"{address}\"")
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_proxy_names() {
    let server = behind(LOOPBACK).await;
    for (client, address) in [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ] {
        let answer = asks(&server, &header_for(client, true), "/context", "").await;
        assert!(answer.contains(&says(address)), "{answer}");
    }
}

#[tokio::test]
async fn every_call_of_a_connection_has_its_client_over_http2_too() {
    let server = behind(LOOPBACK).await;
    let mut stream = server.connect().await;
    stream
        .write_all(&header_for("203.0.113.9", true))
        .await
        .unwrap();
    let (mut client, _connection) = http2(stream).await;
    for _ in 0..2 {
        let answer = client.send_request(get_request("/context")).await.unwrap();
        let answer = whole(answer).await;
        assert_eq!(answer.json()["client_address"], "203.0.113.9");
    }
}

/// The client of a proxy that passes bytes on writes the headers of HTTP itself.
#[tokio::test]
async fn what_the_named_client_says_of_itself_is_not_believed() {
    let server = behind(LOOPBACK).await;
    for spoof in [
        "x-forwarded-for: 6.6.6.6\r\n",
        "forwarded: for=6.6.6.6;proto=https\r\n",
        "x-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
    ] {
        let first = header_for("203.0.113.9", true);
        let answer = asks(&server, &first, "/context", spoof).await;
        assert!(answer.contains(&says("203.0.113.9")), "{spoof}: {answer}");
        let first = header_for("203.0.113.9", false);
        let answer = asks(&server, &first, "/context", spoof).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{spoof}: {answer}");
    }
}

/// As when a proxy of HTTP stands before one that passes bytes on.
#[tokio::test]
async fn a_named_client_that_is_a_trusted_proxy_is_believed_in_turn() {
    let server = behind(LOOPBACK).await;
    let first = header_for("127.0.0.2", false);
    let lines = "x-forwarded-for: 6.6.6.6, 203.0.113.9\r\nx-forwarded-proto: https\r\n";
    let answer = asks(&server, &first, "/context", lines).await;
    assert!(answer.contains(&says("203.0.113.9")), "{answer}");
    let lines = "x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: http\r\n";
    for tls in [false, true] {
        let answer = asks(&server, &header_for("127.0.0.2", tls), "/context", lines).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}

#[tokio::test]
async fn without_a_named_client_it_is_the_proxy_and_no_header_is_believed() {
    let server = behind(LOOPBACK).await;
    let spoof = "x-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n";
    for first in [
        header(0x20, 0, b""),
        header(0x21, 0, b""),
        header(0x21, 0x31, &[0; 216]),
    ] {
        let answer = asks(&server, &first, "/livez", spoof).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let answer = asks(&server, &first, "/context", spoof).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    let secure = header(0x21, 0, &[0x20, 0, 5, 1, 0, 0, 0, 0]);
    let answer = asks(&server, &secure, "/context", spoof).await;
    assert!(answer.contains(&says("127.0.0.1")), "{answer}");
    assert!(answer.contains("strict-transport-security"), "{answer}");
}

#[tokio::test]
async fn a_trusted_proxy_that_sends_no_good_header_is_sent_away() {
    let server = behind(LOOPBACK).await;
    for first in [
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.9 127.0.0.1 47011 8080\r\n".to_vec(),
        header(0x21, 0x11, &[0; 11]),
        header(0x2f, 0x11, &[0; 12]),
        header(0x21, 0, &[0; 5000]),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(&first).await.unwrap();
        assert!(is_closed(stream).await, "{first:?}");
    }
    // A look whether anybody listens.
    let mut stream = server.connect().await;
    stream.shutdown().await.unwrap();
    assert!(is_closed(stream).await);
}

#[tokio::test]
async fn a_proxy_that_does_not_finish_its_header_is_dropped() {
    let options = ServerOptions {
        handshake_timeout: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let server = behind_with(LOOPBACK, options).await;
    let whole = header_for("203.0.113.9", true);
    for said in [0, 1, 16, whole.len() - 1, whole.len()] {
        let mut stream = server.connect().await;
        stream.write_all(&whole[..said]).await.unwrap();
        assert!(is_closed(stream).await, "{said} bytes");
    }
}

#[tokio::test]
async fn nobody_else_can_choose_an_address_by_a_header() {
    let untrusting = behind("10.0.0.0/8").await;
    let first = header_for("6.6.6.6", true);
    let answer = asks(&untrusting, &first, "/context", "").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // They are served like everybody, as a probe is that comes straight from the machine.
    let answer = asks(&untrusting, b"", "/livez", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let switched_off = start_with(
        ServerOptions::default(),
        LayerOptions {
            trusted_proxies: vec![LOOPBACK.parse().unwrap()],
            ..LayerOptions::default()
        },
    )
    .await;
    let answer = asks(&switched_off, &first, "/context", "").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
