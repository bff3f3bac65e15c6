//! `countersign doctor` before a server that is well, and before what goes wrong around one.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
};

use serde_json::Value;

use super::{Person, Said};

/// What the checks of this name came to, and what was found.
fn findings(said: &Said, check: &str) -> Vec<(String, String)> {
    let all: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    all.iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| (text(finding, "severity"), text(finding, "found")))
        .collect()
}

#[track_caller]
fn assert_found(said: &Said, check: &str, severity: &str, part: &str) {
    let found = findings(said, check);
    let is_meant = |(is, text): &(String, String)| is == severity && text.contains(part);
    assert!(found.iter().any(is_meant), "{check}: {found:?}");
}

impl Person {
    fn asks_doctor(&self, variables: &[(&str, &str)]) -> Said {
        self.runs_with(variables, &["doctor", "--json"])
    }
}

#[test]
fn a_server_that_is_well_is_found_well() {
    let person = Person::new();
    let server = person.serves(&[]);
    let issuer = ("COUNTERSIGN_ISSUER", server.url());
    let said = person.asks_doctor(&[issuer]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    for check in [
        "settings",
        "open files",
        "disk",
        "database",
        "mail",
        "issuer",
        "clock",
        "gRPC",
        "grpc-web",
        "headers",
        "request id",
    ] {
        assert_found(&said, check, "ok", "");
    }
    assert!(
        !said.out.contains("warning") && !said.out.contains("failed"),
        "{}",
        said.out
    );
    let said = person.runs_with(&[issuer], &["doctor"]);
    assert!(
        said.out
            .contains("ok       gRPC        native gRPC gets through\n"),
        "{}",
        said.out
    );
}

#[test]
fn a_server_that_does_not_run_is_not_found() {
    let person = Person::new();
    let said = person.asks_doctor(&[("COUNTERSIGN_ISSUER", "http://127.0.0.1:1")]);
    assert_eq!(said.code, Some(2));
    assert_found(
        &said,
        "issuer",
        "failed",
        "nobody answers at http://127.0.0.1:1",
    );
    assert!(said.err.contains("1 check has failed"), "{}", said.err);
    let said = person.runs_with(&[("COUNTERSIGN_ISSUER", "http://127.0.0.1:1")], &["doctor"]);
    assert!(said.out.contains("-> start the server"), "{}", said.out);
}

#[test]
fn an_issuer_that_the_server_does_not_have_is_wrong() {
    let person = Person::new();
    let server = person.serves(&[]);
    let elsewhere = server.url().replace("127.0.0.1", "localhost");
    let said = person.asks_doctor(&[("COUNTERSIGN_ISSUER", &elsewhere)]);
    assert_eq!(said.code, Some(2));
    assert_found(
        &said,
        "issuer",
        "failed",
        &format!("calls itself {}", server.url()),
    );

    let other = Proxy::listen();
    let url = other.url.clone();
    other.answers("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let said = person.asks_doctor(&[("COUNTERSIGN_ISSUER", &url)]);
    assert_found(&said, "issuer", "failed", "is not this server");
}

#[test]
fn a_proxy_that_loses_http_2_and_headers_is_found_and_so_is_a_wrong_clock() {
    let (person, proxy) = (Person::new(), Proxy::listen());
    let url = proxy.url.clone();
    let issuer = ("COUNTERSIGN_ISSUER", url.as_str());
    let server = person.tries_to_serve(&[issuer], &[]);
    let server = server.unwrap_or_else(|said| panic!("{}", said.err));
    let (_, listening) = server.first.split_once(" listens on ").unwrap();
    proxy.forwards(listening.split(',').next().unwrap().to_owned());
    let said = person.asks_doctor(&[issuer]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert_found(&said, "issuer", "ok", "");
    assert_found(&said, "gRPC", "failed", "HTTP/2 does not get through");
    assert_found(&said, "grpc-web", "ok", "");
    assert_found(&said, "headers", "failed", "Authorization header is lost");
    assert_found(&said, "request id", "warning", "lost or replaced");
    assert_found(&said, "clock", "failed", "s apart");
}

#[test]
fn a_dead_mail_server_is_found() {
    let person = Person::new();
    let url = ("COUNTERSIGN_MAIL_SMTP_URL", "smtp://ann:s3cret@127.0.0.1:1");
    let said = person.asks_doctor(&[url]);
    assert_found(&said, "mail", "failed", "the mail server cannot be used");
    assert!(!said.out.contains("s3cret"), "{}", said.out);
}

#[test]
fn settings_that_nobody_should_serve_strangers_with_are_found() {
    let person = Person::new();
    let said = person.asks_doctor(&[
        ("COUNTERSIGN_LIMITS_ENABLED", "false"),
        ("COUNTERSIGN_METRICS_LISTEN", "0.0.0.0:9464"),
        ("COUNTERSIGN_ISSUER", "https://id.example.invalid"),
    ]);
    assert_found(&said, "limits", "warning", "guess passwords");
    assert_found(&said, "metrics", "warning", "0.0.0.0:9464");
    assert_found(&said, "proxy", "failed", "no proxy is trusted");
}

#[test]
fn too_few_open_files_are_found() {
    let person = Person::new();
    let program = person.command(&[]);
    let limited = "ulimit -n 300 && exec \"$0\" doctor --json";
    let mut command = Command::new("sh");
    command.arg("-c").arg(limited).arg(program.get_program());
    command.env_clear().env("HOME", person.home.path());
    let said = Said::from(command.output().unwrap());
    assert_found(&said, "open files", "warning", "140 connections fit");
}

/// Stands before a server, as a proxy that speaks HTTP/1.1 alone and knows few headers.
struct Proxy {
    listener: TcpListener,
    url: String,
}

impl Proxy {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    fn answers(self, answer: &'static str) {
        self.serve(move |mut client, _| {
            let _ = client.write_all(answer.as_bytes());
        });
    }

    fn forwards(self, server: String) {
        self.serve(move |mut client, request| {
            let lines = request.split("\r\n").filter(|line| {
                let line = line.to_ascii_lowercase();
                !["authorization:", "x-request-id:", "connection:"]
                    .iter()
                    .any(|lost| line.starts_with(lost))
            });
            let request = lines.collect::<Vec<_>>().join("\r\n");
            let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            let mut behind = TcpStream::connect(&server).unwrap();
            behind.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            behind.read_to_end(&mut answer).unwrap();
            let end = answer
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
            let head = String::from_utf8(answer[..end].to_vec()).unwrap();
            let head = head
                .split("\r\n")
                .map(|line| match line.starts_with("date:") {
                    true => "date: Sun, 06 Nov 1994 08:49:37 GMT",
                    false => line,
                });
            let head = head.collect::<Vec<_>>().join("\r\n");
            let _ = client.write_all(head.as_bytes());
            let _ = client.write_all(&answer[end..]);
        });
    }

    /// Reads one request from each connection; HTTP/2 is none.
    fn serve(self, answer: impl Fn(TcpStream, String) + Send + 'static) {
        thread::spawn(move || {
            for client in self.listener.incoming() {
                let mut client = client.unwrap();
                let mut read = [0; 16_384];
                let length = client.read(&mut read).unwrap_or(0);
                let request = String::from_utf8_lossy(&read[..length]).into_owned();
                if length > 0 && !request.starts_with("PRI ") {
                    answer(client, request);
                }
            }
        });
    }
}
