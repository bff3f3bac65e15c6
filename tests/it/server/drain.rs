use std::time::Duration;

use countersign::server::options::ServerOptions;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::support::*;

const GATE: &str = "GET /gate HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn calls_in_flight_finish_and_new_connections_are_refused() {
    let mut server = start(ServerOptions::default()).await;
    let address = server.address;
    let gate = server.gate.clone();
    let mut plain = server.connect().await;
    plain.write_all(GATE.as_bytes()).await.unwrap();
    let (mut client, closed) = http2(server.connect().await).await;
    let waiting = tokio::spawn(client.send_request(get_request("/gate")));
    server.arrival().await;
    server.arrival().await;

    let stopped = server.stop();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopped.is_finished());
    gate.open.add_permits(2);

    assert!(read_answer(&mut plain).await.ends_with("passed"));
    assert_eq!(
        whole(waiting.await.unwrap().unwrap()).await.text(),
        "passed"
    );
    timeout(PATIENCE, stopped).await.unwrap().unwrap();
    timeout(PATIENCE, closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_stop() {
    let server = start(ServerOptions::default()).await;
    let mut kept_alive = server.connect().await;
    http1(
        &mut kept_alive,
        "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    let silent = server.connect().await;
    let (mut client, _connection) = http2(server.connect().await).await;
    client.send_request(get_request("/hello")).await.unwrap();

    // Sooner than any of the timeouts that would close them.
    timeout(Duration::from_secs(4), server.stop())
        .await
        .unwrap()
        .unwrap();
    drop((kept_alive, silent));
}

#[tokio::test]
async fn a_client_that_never_closes_cannot_keep_the_server_from_stopping() {
    let options = ServerOptions {
        drain_timeout: Duration::from_millis(200),
        ..ServerOptions::default()
    };
    let mut server = start(options).await;
    let mut stuck = server.connect().await;
    stuck.write_all(GATE.as_bytes()).await.unwrap();
    // Opens a stream and then reads nothing: neither the farewell nor the ping after it is ever answered.
    let mut deaf = server.connect().await;
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    deaf.write_all(b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x04\x05/gate\x41\x01a")
        .await
        .unwrap();
    server.arrival().await;
    server.arrival().await;

    timeout(PATIENCE, server.stop()).await.unwrap().unwrap();
    drop((stuck, deaf));
}

#[tokio::test]
async fn a_full_server_still_stops() {
    let options = ServerOptions {
        max_connections: 1,
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut only = server.connect().await;
    http1(&mut only, "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let waiting = server.connect().await;

    timeout(Duration::from_secs(4), server.stop())
        .await
        .unwrap()
        .unwrap();
    drop((only, waiting));
}

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn what_has_arrived_on_kept_connections_is_answered() {
    const CONNECTIONS: usize = 400;
    let options = ServerOptions {
        max_connections: 10 * CONNECTIONS,
        ..ServerOptions::default()
    };
    let server = start(options).await;
    let mut kept = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = server.connect().await;
        http1(&mut stream, HELLO).await;
        kept.push(stream);
    }
    // One that has not said a word yet, and one in the middle of a head.
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    http1(&mut slow, HELLO).await;
    let (beginning, rest) = HELLO.split_at(20);
    slow.write_all(beginning.as_bytes()).await.unwrap();
    // The server hears of both at once.
    let stopped = server.stop();
    for stream in kept.iter_mut().chain([&mut silent]) {
        stream.write_all(HELLO.as_bytes()).await.unwrap();
    }
    slow.write_all(rest.as_bytes()).await.unwrap();
    let mut lost = 0;
    for mut stream in kept.into_iter().chain([silent, slow]) {
        let answer = String::from_utf8(read_to_end(&mut stream).await).unwrap();
        lost += usize::from(!answer.ends_with("hello") || !answer.contains("connection: close"));
    }
    assert_eq!(lost, 0, "of {CONNECTIONS}");
    timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_has_arrived_over_http2_is_answered() {
    let server = start(ServerOptions::default()).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let (mut client, connection) = http2(server.connect().await).await;
        whole(client.send_request(get_request("/hello")).await.unwrap()).await;
        clients.push((client, connection));
    }
    let calls: Vec<_> = clients
        .iter_mut()
        .map(|(client, _)| tokio::spawn(client.send_request(get_request("/hello"))))
        .collect();
    tokio::task::yield_now().await;
    let stopped = server.stop();
    for call in calls {
        let answer = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap();
        assert_eq!(whole(answer).await.text(), "hello");
    }
    timeout(PATIENCE, stopped).await.unwrap().unwrap();
}
