use std::time::Duration;

use countersign::server::{Server, options::ServerOptions};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::support::*;

const END_STREAM_AND_HEADERS: u8 = 5;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A request for `/hello` in HPACK: three entries of the static table, and `:authority: a`.
const GET_HELLO: &[u8] = b"\x82\x86\x04\x06/hello\x41\x01a";
/// `:method: GET` without the pseudo-headers that must stand beside it.
const MALFORMED: &[u8] = b"\x82";

/// The error code of the server's farewell.
async fn goaway(stream: &mut TcpStream) -> u32 {
    loop {
        let (kind, payload) = read_frame(stream).await;
        if kind == GOAWAY {
            return u32::from_be_bytes(payload[4..8].try_into().unwrap());
        }
    }
}

async fn setting(server: &Running, wanted: u16) -> Option<u32> {
    let (kind, payload) = read_frame(&mut h2(server).await).await;
    assert_eq!(kind, SETTINGS);
    payload
        .chunks(6)
        .find(|chunk| chunk[..2] == wanted.to_be_bytes())
        .map(|chunk| u32::from_be_bytes(chunk[2..].try_into().unwrap()))
}

#[tokio::test]
async fn streams_and_header_lists_are_limited_for_every_client() {
    let usual = start(ServerOptions::default()).await;
    assert_eq!(setting(&usual, 3).await, Some(200));
    assert_eq!(setting(&usual, 6).await, Some(16 * 1024));
    let few = ServerOptions {
        max_streams: 7,
        max_header_list: 9000,
        ..ServerOptions::default()
    };
    let few = start(few).await;
    assert_eq!(setting(&few, 3).await, Some(7));
    assert_eq!(setting(&few, 6).await, Some(9000));
}

#[tokio::test]
async fn a_client_that_keeps_breaking_the_protocol_is_sent_away() {
    let server = start(ServerOptions::default()).await;
    let mut stream = h2(&server).await;
    for id in 0..100 {
        let broken = frame(HEADERS, END_STREAM_AND_HEADERS, id * 2 + 1, MALFORMED);
        stream.write_all(&broken).await.unwrap();
    }
    assert_eq!(goaway(&mut stream).await, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn rapid_resets_are_sent_away() {
    let server = start(ServerOptions::default()).await;
    let mut stream = h2(&server).await;
    let mut burst = Vec::new();
    for id in 0..100 {
        burst.extend(frame(
            HEADERS,
            END_STREAM_AND_HEADERS,
            id * 2 + 1,
            GET_HELLO,
        ));
        burst.extend(frame(RST_STREAM, 0, id * 2 + 1, &8_u32.to_be_bytes()));
    }
    stream.write_all(&burst).await.unwrap();
    assert_eq!(goaway(&mut stream).await, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn a_request_head_that_is_too_large_is_refused() {
    let server = start(ServerOptions::default()).await;
    let long = "a".repeat(17 * 1024);

    let request = format!("GET /hello HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n");
    let answer = http1(&mut server.connect().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let (mut client, _connection) = http2(server.connect().await).await;
    let mut request = get_request("/hello");
    request
        .headers_mut()
        .insert("x-long", long.parse().unwrap());
    let answer = client.send_request(request).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431));
    // The connection and everybody else's calls live on.
    let answer = client.send_request(get_request("/hello")).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn too_many_header_fields_are_refused() {
    let server = start(ServerOptions::default()).await;
    let many = "a: b\r\n".repeat(150);
    let request = format!("GET /hello HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    let answer = http1(&mut server.connect().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn one_more_connection_takes_the_place_of_the_one_that_is_idle_for_longest() {
    let options = ServerOptions {
        max_connections: 2,
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    http1(&mut second, HELLO).await;
    http1(&mut first, HELLO).await;

    let mut third = server.connect().await;
    assert!(http1(&mut third, HELLO).await.ends_with("hello"));
    assert_eq!(read_to_end(&mut second).await, b"");
    assert!(http1(&mut first, HELLO).await.ends_with("hello"));
}

#[tokio::test]
async fn while_all_connections_have_a_call_more_wait_their_turn() {
    let options = ServerOptions {
        max_connections: 2,
        ..ServerOptions::default()
    };
    let mut server = start(options).await;
    let gate = |who| format!("GET /gate HTTP/1.1\r\nhost: localhost\r\nx-who: {who}\r\n\r\n");
    let mut busy = Vec::new();
    for who in ["first", "second"] {
        let mut stream = server.connect().await;
        stream.write_all(gate(who).as_bytes()).await.unwrap();
        assert_eq!(server.arrival().await, who);
        busy.push(stream);
    }
    let mut third = server.connect().await;
    third.write_all(gate("third").as_bytes()).await.unwrap();
    server.gate.open.add_permits(2);
    assert_eq!(server.arrival().await, "third");
    for mut stream in busy {
        assert!(read_answer(&mut stream).await.ends_with("passed"));
    }
}

async fn connect_from(server: &Running, address: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let from: std::net::IpAddr = address.parse().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_client_holds_its_share_of_the_connections_and_sheds_its_own() {
    let options = ServerOptions {
        max_connections: 64,
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut other = connect_from(&server, "127.0.0.3").await;
    http1(&mut other, HELLO).await;
    let mut flood = Vec::new();
    for _ in 0..100 {
        let mut stream = connect_from(&server, "127.0.0.2").await;
        http1(&mut stream, HELLO).await;
        flood.push(stream);
    }
    let (shed, kept) = flood.split_at_mut(100 - 16);
    for stream in shed {
        assert_eq!(read_to_end(stream).await, b"");
    }
    for stream in kept {
        http1(stream, HELLO).await;
    }
    // The oldest of all, but of another client.
    assert!(http1(&mut other, HELLO).await.ends_with("hello"));
}

/// Otherwise one client that connects faster than the server accepts makes everybody else's attempts be dropped.
#[tokio::test]
async fn a_burst_of_connections_waits_in_the_queue_of_the_system() {
    let options = ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..ServerOptions::default()
    };
    let server = Server::bind(options).await.unwrap();
    let mut burst = Vec::new();
    for number in 0..500 {
        let connecting = TcpStream::connect(server.local_addr());
        let connected = timeout(PATIENCE, connecting).await;
        burst.push(connected.unwrap_or_else(|_| panic!("only {number} fit")));
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_held_to_no_share() {
    let options = ServerOptions {
        max_connections: 64,
        trusted_proxies: vec!["127.0.0.2/32".parse().unwrap()],
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut all = Vec::new();
    for _ in 0..50 {
        let mut stream = connect_from(&server, "127.0.0.2").await;
        http1(&mut stream, HELLO).await;
        all.push(stream);
    }
    for stream in &mut all {
        http1(stream, HELLO).await;
    }
}

#[tokio::test]
async fn a_silent_client_is_dropped() {
    let options = ServerOptions {
        handshake_timeout: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let server = start(options).await;
    for said in [&b""[..], b"P", &PREFACE[..20]] {
        let mut stream = server.connect().await;
        stream.write_all(said).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, b"");
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_dropped() {
    let options = ServerOptions {
        header_timeout: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: local")
        .await
        .unwrap();
    let answer = String::from_utf8(read_to_end(&mut stream).await).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_but_not_one_with_a_call() {
    let options = ServerOptions {
        idle_timeout: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let mut server = start(options).await;
    let (mut busy, _connection) = http2(server.connect().await).await;
    let waiting = tokio::spawn(busy.send_request(get_request("/gate")));
    server.arrival().await;

    let (_idle, closed) = http2(server.connect().await).await;
    timeout(PATIENCE, closed).await.unwrap().unwrap();

    server.gate.open.add_permits(1);
    let answer = whole(waiting.await.unwrap().unwrap()).await;
    assert_eq!(answer.text(), "passed");
}

#[tokio::test]
async fn an_old_connection_is_closed_when_its_calls_have_finished() {
    let options = ServerOptions {
        max_connection_age: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let mut server = start(options).await;
    let mut stream = h2(&server).await;
    stream
        .write_all(&frame(
            HEADERS,
            END_STREAM_AND_HEADERS,
            1,
            b"\x82\x86\x04\x05/gate\x41\x01a",
        ))
        .await
        .unwrap();
    server.arrival().await;
    assert_eq!(goaway(&mut stream).await, 0);
    server.gate.open.add_permits(1);
    loop {
        let (kind, payload) = read_frame(&mut stream).await;
        if kind == DATA {
            assert_eq!(payload, b"passed");
            break;
        }
    }
}
