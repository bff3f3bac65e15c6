//! A log that nobody reads, and what stands in one beside the requests.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use rustix::process::Signal;

use super::{Person, Server};

/// Each is a line of the log: more than the pipe and the buffer hold.
const CALLS: usize = 6_000;
const AT_A_TIME: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends so many calls without a credential, and reads that all are refused.
fn calls_for_nothing(stream: &mut TcpStream, calls: usize) {
    let call = b"GET /v1/accounts/me HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(&call.repeat(calls)).unwrap();
    let (mut answers, mut buffer) = (Vec::new(), [0; 65_536]);
    let refused = |answers: &[u8]| {
        let line = b"HTTP/1.1 401 ";
        answers.windows(line.len()).filter(|it| it == line).count()
    };
    while refused(&answers) < calls || !answers.ends_with(b"}") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server hung up");
        answers.extend_from_slice(&buffer[..read]);
    }
}

fn dropped_lines(server: &Server) -> u64 {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut dropped = lines.filter(|(name, _)| *name == "countersign_log_lines_dropped_total");
    dropped.next().unwrap().1.parse().unwrap()
}

#[test]
fn no_call_waits_for_whoever_reads_the_log() {
    let variables = [
        ("COUNTERSIGN_METRICS_ENABLED", "true"),
        ("COUNTERSIGN_METRICS_ON_MAIN_PORT", "true"),
        ("COUNTERSIGN_LIMITS_ENABLED", "false"),
    ];
    let started = Person::new().tries_to_serve(&variables, &[]);
    let server = started.unwrap_or_else(|said| panic!("{}", said.err));
    assert_eq!(dropped_lines(&server), 0);
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..CALLS / AT_A_TIME {
        calls_for_nothing(&mut stream, AT_A_TIME);
    }
    assert!(dropped_lines(&server) > 0);
    drop(stream);
    assert_eq!(server.stops_on(Signal::TERM).code, Some(0));
}

#[test]
fn lines_name_their_trace_and_a_collector_that_hangs_does_not_keep_a_server_from_stopping() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let started = Person::new().tries_to_serve(&[("COUNTERSIGN_OTEL_ENDPOINT", &endpoint)], &[]);
    let mut server = started.unwrap_or_else(|said| panic!("{}", said.err));
    server.logs("traces are sent");
    assert_eq!(server.status("GET /v1/accounts/me", ""), 401);
    let line = server.logs("/v1/accounts/me");
    let (_, trace) = line.split_once("trace_id=").unwrap();
    assert!(
        trace.bytes().take(32).all(|byte| byte.is_ascii_hexdigit()),
        "{line}"
    );
    let said = server.stops_on(Signal::TERM);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("did not take the last traces"),
        "{}",
        said.err
    );
    // Nothing of the libraries in between.
    assert!(
        said.err.lines().all(|line| line.contains(" countersign::")),
        "{}",
        said.err
    );
}
