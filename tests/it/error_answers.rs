//! Errors as they come out of the whole program, in every dialect: a change of any of them is a change that callers see.
//! What each reason looks like is held by a test beside the code.

use std::fmt::Write as _;

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::config::{Config, Sources};
use http::{HeaderMap, Method, Request, Version, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use regex::Regex;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::support::{PASSWORD, TestApp};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const GRPC: &str = "application/grpc";
const CREATE_SESSION: &str = "/countersign.v1.SessionService/CreateSession";
const GET_SESSION: &str = "/countersign.v1.SessionService/GetSession";
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Calls, and what they were answered.
struct Answers {
    app: TestApp,
    shown: String,
}

impl Answers {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with(change).await;
        app.sign_up("ann").await;
        Self {
            app,
            shown: String::new(),
        }
    }

    async fn send(&mut self, request: Request<Body>) {
        let is_head = request.method() == Method::HEAD;
        writeln!(
            self.shown,
            "{} {} {:?}",
            request.method(),
            request.uri(),
            request
                .headers()
                .iter()
                .map(|(name, value)| format!(
                    "{name}: {}",
                    String::from_utf8_lossy(value.as_bytes())
                ))
                .collect::<Vec<_>>(),
        )
        .unwrap();
        let mut request = request;
        request
            .headers_mut()
            .insert("x-request-id", "request-7".parse().unwrap());
        let (head, body) = self.app.raw(request).await.into_parts();
        let (body, trailers) = read(body).await;
        let length = body.len().to_string();
        let mut headers = head.headers;
        if !is_head
            && headers
                .get(CONTENT_LENGTH)
                .is_some_and(|stated| stated.as_bytes() == length.as_bytes())
        {
            headers.remove(CONTENT_LENGTH);
        }
        let body = match std::str::from_utf8(&body) {
            Ok(text) if !text.contains('\0') => text.to_owned(),
            _ => format!("base64 {}", STANDARD.encode(&body)),
        };
        writeln!(
            self.shown,
            "{}\n{}{body}\n{}",
            head.status.as_u16(),
            fields(&headers),
            fields(&trailers),
        )
        .unwrap();
    }

    async fn call(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await;
    }

    async fn post(&mut self, target: &str, content_type: &str, body: impl Into<Body>) {
        self.call("POST", target, &[("content-type", content_type)], body)
            .await;
    }

    /// A call of gRPC, in HTTP/2.
    async fn grpc(&mut self, target: &str, headers: &[(&str, &str)], body: impl Into<Body>) {
        let mut request = Request::post(target).version(Version::HTTP_2);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", GRPC);
        }
        self.send(request.body(body.into()).unwrap()).await;
    }

    /// What has been answered, without what differs from run to run.
    fn shown(self) -> String {
        let work = Regex::new(r#"^(x-countersign-[a-z]*): .*"#).unwrap();
        work.replace_all(&self.shown, "$1").into_owned()
    }
}

/// The body and the trailers. Like hyper, it reads nothing after those: the body of a stream that fails does not end.
async fn read(mut body: Body) -> (Vec<u8>, HeaderMap) {
    let mut data = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(more) => data.extend_from_slice(&more),
            Err(frame) => return (data, frame.into_trailers().unwrap()),
        }
    }
    (data, HeaderMap::new())
}

/// Lets the pages of one origin call.
fn with_browsers(config: &mut Config) {
    let origins = ("COUNTERSIGN_CORS_ORIGINS", "https://app.example.com");
    let sources = Sources::environment([(origins.0.into(), origins.1.into())]);
    config.cors = Config::load(&sources).unwrap().cors;
}

fn fields(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    if let Some(status) = Status::from_header_map(headers)
        && !status.details().is_empty()
    {
        let details = status.get_error_details();
        lines.push(format!(
            "{:?} {:?} {:?}\n",
            details.error_info(),
            details.bad_request(),
            details.retry_info()
        ));
    }
    lines.sort();
    lines.concat()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

/// `CreateSessionRequest` with this e-mail address and password.
fn log_in(email: &str, password: &str) -> Vec<u8> {
    let field = |tag: u8, text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[tag, length], text.as_bytes()].concat()
    };
    frame(&[field(0x0a, email), field(0x12, password)].concat())
}

#[tokio::test]
async fn grpc() {
    let mut answers = Answers::new(|_| {}).await;
    let wrong = log_in("ann@example.com", "not the password");
    answers.grpc(CREATE_SESSION, &[], wrong.clone()).await;
    answers.grpc(CREATE_SESSION, &[], log_in("ann", "")).await;
    answers
        .grpc(CREATE_SESSION, &[], frame(&[0x0a, 0x7f, 1]))
        .await;
    answers.grpc(CREATE_SESSION, &[], "").await;
    answers
        .grpc(CREATE_SESSION, &[], [wrong.clone(), wrong.clone()].concat())
        .await;
    answers.grpc(CREATE_SESSION, &[], vec![1, 0, 0, 0, 0]).await;
    answers
        .grpc(CREATE_SESSION, &[], vec![0, 0, 255, 255, 255])
        .await;
    answers
        .grpc(CREATE_SESSION, &[], vec![0, 0, 0, 0, 9, 1])
        .await;
    answers
        .grpc(CREATE_SESSION, &[("grpc-encoding", "gzip")], wrong.clone())
        .await;
    answers
        .grpc(CREATE_SESSION, &[("grpc-timeout", "soon")], wrong.clone())
        .await;
    answers
        .grpc(CREATE_SESSION, &[("content-length", "70000")], "")
        .await;
    answers.grpc(GET_SESSION, &[], frame(&[])).await;
    answers
        .grpc(
            GET_SESSION,
            &[("authorization", "Bearer nonsense")],
            frame(&[]),
        )
        .await;
    answers
        .grpc(GET_SESSION, &[("authorization", "nonsense")], frame(&[]))
        .await;
    answers
        .grpc("/countersign.v1.SessionService/Nothing", &[], frame(&[]))
        .await;
    answers.grpc("/a.B/C", &[], frame(&[])).await;
    answers.grpc("/livez", &[], frame(&[])).await;
    answers.grpc(CHECK, &[], frame(&[0x0a, 1, b'x'])).await;
    answers
        .grpc("/grpc.health.v1.Health/Nothing", &[], frame(&[]))
        .await;
    answers
        .grpc(CHECK, &[("content-type", "application/grpc+json")], "")
        .await;
    answers
        .call("GET", CHECK, &[("content-type", GRPC)], "")
        .await;
    answers.post(CHECK, GRPC, "").await;
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    answers.grpc(reflection, &[], vec![0, 0, 0, 0, 9, 1]).await;
    answers.grpc(reflection, &[], frame(&[0x0a, 0x7f, 1])).await;
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn grpc_web() {
    let mut answers = Answers::new(with_browsers).await;
    let wrong = log_in("ann@example.com", "not the password");
    let text = STANDARD.encode(&wrong);
    for (content_type, body) in [
        ("application/grpc-web+proto", wrong),
        ("application/grpc-web-text", text.clone().into_bytes()),
        ("application/grpc-web", b"".to_vec()),
        ("application/grpc-web+json", b"".to_vec()),
    ] {
        answers
            .post(CREATE_SESSION, content_type, body.clone())
            .await;
        let origin = ("origin", "https://app.example.com");
        let headers = [("content-type", content_type), origin];
        answers
            .call("POST", CREATE_SESSION, &headers, body.clone())
            .await;
        let headers = [("content-type", content_type), ("grpc-timeout", "soon")];
        answers.call("POST", CREATE_SESSION, &headers, body).await;
        answers.post("/a.B/C", content_type, frame(&[])).await;
        answers
            .call("GET", CREATE_SESSION, &[("content-type", content_type)], "")
            .await;
    }
    let headers = [
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web+proto"),
    ];
    answers.call("POST", CREATE_SESSION, &headers, text).await;
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn connect() {
    let mut answers = Answers::new(with_browsers).await;
    for body in [
        r#"{"email":"ann@example.com","password":"not the password"}"#,
        r#"{"email":"ann","password":""}"#,
        r#"{"email":"ann","email":"ann"}"#,
        r#"{"mail":"ann"}"#,
        "{",
        "",
    ] {
        answers.post(CREATE_SESSION, JSON, body).await;
    }
    answers
        .post(CREATE_SESSION, "application/proto", "\u{a}\u{7f}a")
        .await;
    answers.post(CREATE_SESSION, "text/plain", "").await;
    answers.post("/a.B/C", JSON, "{}").await;
    answers
        .post("/countersign.v1.SessionService/Nothing", JSON, "{}")
        .await;
    answers.post(CHECK, JSON, r#"{"service":"x"}"#).await;
    answers.call("GET", CREATE_SESSION, &[], "").await;
    answers.call("HEAD", GET_SESSION, &[], "").await;
    answers.call("PUT", GET_SESSION, &[], "").await;
    answers
        .call(
            "GET",
            &format!("{GET_SESSION}?encoding=json&message=%7B%7D"),
            &[],
            "",
        )
        .await;
    answers
        .call(
            "GET",
            &format!("{GET_SESSION}?encoding=xml&message=%7B%7D"),
            &[],
            "",
        )
        .await;
    answers
        .call(
            "GET",
            &format!("{GET_SESSION}?encoding=json&message=%7B%7D&compression=gzip"),
            &[],
            "",
        )
        .await;
    let json = ("content-type", JSON);
    for header in [
        ("content-encoding", "gzip"),
        ("connect-protocol-version", "2"),
        ("connect-timeout-ms", "soon"),
        ("content-length", "70000"),
        ("authorization", "Bearer nonsense"),
        ("authorization", "nonsense"),
        ("origin", "https://app.example.com"),
    ] {
        answers
            .call("POST", GET_SESSION, &[json, header], "{}")
            .await;
    }
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn rest() {
    let mut answers = Answers::new(with_browsers).await;
    for body in [
        r#"{"email":"ann@example.com","password":"not the password"}"#,
        r#"{"email":"ann","password":""}"#,
        r#"{"email":"ann","email":"ann"}"#,
        r#"{"mail":"ann"}"#,
        "[]",
        "{",
        "",
    ] {
        answers.post("/v1/sessions", JSON, body).await;
    }
    answers.post("/v1/sessions", "text/plain", "hello").await;
    answers
        .post(
            "/v1/accounts",
            JSON,
            format!(r#"{{"email":"ann@example.com","password":"{PASSWORD}"}}"#),
        )
        .await;
    for (method, target) in [
        ("GET", "/nowhere"),
        ("HEAD", "/nowhere"),
        ("HEAD", "/v1/sessions/current"),
        ("PUT", "/v1/accounts"),
        ("POST", "/livez"),
        ("POST", "/openapi.json"),
        ("POST", "/.well-known/jwks.json"),
        ("GET", "/v1/sessions/current"),
        ("GET", "/v1/sessions?x=y"),
    ] {
        answers.call(method, target, &[], "").await;
    }
    for header in [
        ("content-length", "70000"),
        ("authorization", "Bearer nonsense"),
        ("authorization", "nonsense"),
        ("origin", "https://app.example.com"),
    ] {
        answers.call("GET", "/v1/sessions", &[header], "").await;
    }
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn heads_that_are_invalid() {
    let mut answers = Answers::new(|_| {}).await;
    for content_type in [GRPC, "application/grpc-web", JSON] {
        for (target, header) in [
            (GET_SESSION, ("transfer-encoding", "gzip, chunked")),
            (GET_SESSION, ("host", "a b")),
            ("/v1/sessions", ("host", "a b")),
            ("/auth/login", ("host", "a b")),
            ("/oauth/token", ("host", "a b")),
        ] {
            answers
                .call(
                    "POST",
                    target,
                    &[("content-type", content_type), header],
                    "",
                )
                .await;
        }
    }
    insta::assert_snapshot!(answers.shown());
}

/// A log-in that no face reads to its end.
fn too_long() -> String {
    format!(
        r#"{{"email":"ann@example.com","password":"{}"}}"#,
        "x".repeat(70_000)
    )
}

#[tokio::test]
async fn momail() {
    let mut answers = Answers::new(|_| {}).await;
    let long = too_long();
    for body in [
        r#"{"email":"ann@example.com","password":"not the password"}"#,
        r#"{"email":"ann","password":""}"#,
        r#"{"email":"ann","email":"ann"}"#,
        r#"{"mail":"ann","email":7}"#,
        r#"{"mail !":"ann","email":null,"password":[]}"#,
        "[]",
        "{",
        "",
        &long,
    ] {
        answers.post("/auth/login", JSON, body.to_owned()).await;
        answers
            .post("/v1/auth/register", JSON, body.to_owned())
            .await;
    }
    let taken = format!(r#"{{"email":"ann@example.com","password":"{PASSWORD}","name":"Ann"}}"#);
    answers.post("/auth/register", JSON, taken.clone()).await;
    answers
        .post("/auth/register", JSON, taken.replace("Ann", " "))
        .await;
    answers
        .post(
            "/auth/register",
            JSON,
            taken.replace("Ann", &"x".repeat(200)),
        )
        .await;
    answers
        .post(
            "/auth/register",
            JSON,
            taken.replace('}', r#","pow":{"id":"x","nonce":"1"}}"#),
        )
        .await;
    answers
        .post(
            "/auth/register",
            JSON,
            taken.replace('}', r#","pow":{"id":1,"x":"1"}}"#),
        )
        .await;
    answers
        .post("/auth/register", JSON, taken.replace('}', r#","pow":7}"#))
        .await;
    answers.post("/auth/login", FORM, "email=x").await;
    answers
        .call(
            "POST",
            "/auth/login",
            &[("content-type", JSON), ("content-encoding", "gzip")],
            "x",
        )
        .await;
    answers
        .post("/auth/refresh", JSON, r#"{"refreshToken":"nonsense"}"#)
        .await;
    answers
        .post("/auth/refresh", JSON, r#"{"refreshToken":""}"#)
        .await;
    answers.post("/auth/logout", JSON, "").await;
    answers
        .call(
            "POST",
            "/auth/logout",
            &[("authorization", "Bearer nonsense")],
            "",
        )
        .await;
    answers
        .call("POST", "/auth/logout", &[("authorization", "nonsense")], "")
        .await;
    answers.call("GET", "/auth/login", &[], "").await;
    answers.call("HEAD", "/auth/login", &[], "").await;
    answers.call("GET", "/auth/nothing", &[], "").await;
    answers.call("HEAD", "/auth/nothing", &[], "").await;
    insta::assert_snapshot!(answers.shown());
}

const GRANT: &str = "/oauth/token?grant_type=password";

/// Path, content type and body of calls that a client of SMTPD or of OAuth may make.
const TOKEN_CALLS: &[(&str, &str, &str)] = &[
    (
        GRANT,
        JSON,
        r#"{"username":"ann@example.com","password":"wrong"}"#,
    ),
    (GRANT, FORM, "username=ann%40example.com&password=wrong"),
    (GRANT, JSON, r#"{"username":"ann","password":7}"#),
    (GRANT, JSON, r#"{"email_address":"ann","password":"x"}"#),
    (
        GRANT,
        JSON,
        r#"{"email":"ann","username":"bob","password":"x"}"#,
    ),
    (GRANT, JSON, r#"{"password":"x"}"#),
    (GRANT, JSON, r#"{"username":"ann"}"#),
    (GRANT, FORM, "username=ann&username=ann"),
    (GRANT, FORM, "a%20b=ann&a%20b=ann"),
    (GRANT, FORM, "username=%ff"),
    (GRANT, FORM, "grant_type=other&username=a&password=b"),
    (GRANT, JSON, "{"),
    (GRANT, "text/plain", "x"),
    ("/oauth/token", JSON, r#"{"username":"ann","password":"x"}"#),
    ("/oauth/token", JSON, r#"{"grant_type":"password"}"#),
    ("/oauth/token", FORM, "grant_type=implicit"),
    ("/oauth/token", FORM, "username=ann"),
    ("/oauth/token", FORM, "a=b&a=c"),
    ("/oauth/token", "text/plain", "x"),
    ("/oauth/token?grant_type=password&grant_type=x", FORM, "a=b"),
    ("/oauth/token?grant_type=other", FORM, "a=b"),
    (
        "/oauth/token?grant_type=refresh_token",
        FORM,
        "refresh_token=nonsense",
    ),
    (
        "/oauth/token?grant_type=refresh_token",
        JSON,
        r#"{"refresh_token":"nonsense"}"#,
    ),
    ("/oauth/token?grant_type=refresh_token", JSON, "{}"),
    ("/oauth/revoke", JSON, r#"{"refresh_token":"nonsense"}"#),
    ("/oauth/revoke", JSON, r#"{"refresh_token":""}"#),
    ("/oauth/revoke", JSON, "{}"),
    ("/oauth/revoke", FORM, "refresh_token=nonsense"),
    ("/oauth/revoke", FORM, "refresh_token="),
    ("/oauth/revoke", FORM, "token=nonsense"),
    ("/oauth/revoke", FORM, "token=a.b.c"),
    ("/oauth/revoke", FORM, "token="),
    ("/oauth/revoke", FORM, "token=a&refresh_token=b"),
    ("/oauth/revoke", FORM, "token_type_hint=x"),
    ("/oauth/revoke", FORM, ""),
    ("/oauth/revoke?grant_type=password", FORM, "token=a"),
    ("/oauth/revoke", "text/plain", "x"),
    ("/oauth/nothing", JSON, "x"),
];

#[tokio::test]
async fn smtpd_and_oauth() {
    let mut answers = Answers::new(|_| {}).await;
    for (target, content_type, body) in TOKEN_CALLS {
        answers.post(target, content_type, *body).await;
    }
    for (method, target) in [
        ("GET", "/oauth/token"),
        ("GET", "/oauth/revoke"),
        ("POST", "/oauth/me"),
        ("GET", "/oauth/me"),
        ("HEAD", "/oauth/me"),
        ("GET", "/oauth/x"),
        ("GET", "/oauth/token?grant_type=password"),
    ] {
        answers.call(method, target, &[], "").await;
    }
    answers
        .call(
            "GET",
            "/oauth/me",
            &[("authorization", "Bearer nonsense")],
            "",
        )
        .await;
    answers
        .call("GET", "/oauth/me", &[("authorization", "nonsense")], "")
        .await;
    answers
        .call("GET", "/oauth/me", &[("content-length", "70000")], "")
        .await;
    answers
        .call(
            "POST",
            "/oauth/token",
            &[("content-length", "70000"), ("content-type", FORM)],
            "",
        )
        .await;
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn mailkite() {
    let mut answers = Answers::new(|_| {}).await;
    for body in [
        r#"{"email":"ann@example.com","password":"not the password"}"#,
        r#"{"email":"ann@example.com","password":"correct horse battery staple"}"#,
        r#"{"email":"ann","password":"short"}"#,
        r#"{"email":"ann","mail":"x","password":7}"#,
        r#"{"email":"bob@example.com","password":"password123","pow":{"id":"x","nonce":""}}"#,
        r#"{"email":"bob@example.com","password":"password123"}"#,
        "[]",
        "{",
        "",
    ] {
        answers.post("/api/auth/login", JSON, body).await;
        answers.post("/api/auth/signup", JSON, body).await;
    }
    answers.post("/api/auth/login", "text/plain", "x").await;
    answers.call("GET", "/api/auth/login", &[], "").await;
    answers.call("GET", "/api/auth/nothing", &[], "").await;
    insta::assert_snapshot!(answers.shown());
}

/// What a client of Mail.td may send.
const MAILTD_BODIES: &[&str] = &[
    r#"{"address":"ann@example.com","password":"not the password"}"#,
    r#"{"address":"bob@example.com","password":"correct horse battery"}"#,
    r#"{"address":"ann","password":"short"}"#,
    r#"{"email":"ann","mail":"x","password":7}"#,
    r#"{"address":"b@example.com","password":"correct horse battery","pow":{"id":"x","nonce":""}}"#,
    r#"{"address":"b@example.com","password":"correct horse battery","pow":{"id":"x","nonce":"1","y":2}}"#,
    r#"{"address":"b@example.com","password":"correct horse battery","pow":{"id":"x","nonce":"1"}}"#,
    "[]",
    "{",
    "",
];

#[tokio::test]
async fn mailtd() {
    let mut answers = Answers::new(|_| {}).await;
    for body in MAILTD_BODIES {
        for target in [
            "/api/accounts",
            "/api/token",
            "/api/user/login",
            "/api/user/tokens",
        ] {
            answers.post(target, JSON, *body).await;
        }
        answers
            .call(
                "POST",
                "/api/accounts",
                &[("content-type", JSON), ("authorization", "Bearer nonsense")],
                *body,
            )
            .await;
    }
    answers.post("/api/token", "text/plain", "x").await;
    answers.post("/api/user/tokens", "text/plain", "x").await;
    for (method, target) in [
        ("GET", "/api/token"),
        ("GET", "/api/nothing"),
        ("GET", "/api/accounts/x"),
        ("DELETE", "/api/accounts/x"),
        ("GET", "/api/user/tokens"),
        ("DELETE", "/api/user/tokens/x"),
        ("POST", "/api/challenge"),
        ("HEAD", "/api/nothing"),
    ] {
        answers.call(method, target, &[], "").await;
        answers
            .call(method, target, &[("authorization", "nonsense")], "")
            .await;
    }
    insta::assert_snapshot!(answers.shown());
}

#[tokio::test]
async fn forward_auth() {
    let mut answers = Answers::new(|_| {}).await;
    for uri in [
        "/v1/sessions",
        "/auth/login",
        "/oauth/me",
        "/oauth/token",
        "/oauth/token?grant_type=x",
        "/api/auth/login",
        "/api/token",
        "//x",
        "",
    ] {
        for more in [
            None,
            Some(("sec-fetch-mode", "navigate")),
            Some(("sec-fetch-mode", "cors")),
            Some(("authorization", "Bearer nonsense")),
            Some(("authorization", "nonsense")),
            Some(("content-type", JSON)),
            Some(("content-type", GRPC)),
            Some(("content-length", "70000")),
        ] {
            let mut headers = vec![("x-original-method", "GET"), ("x-original-uri", uri)];
            headers.extend(more);
            answers.call("GET", "/authz/forward", &headers, "").await;
        }
    }
    answers
        .call("GET", "/authz/forward", &[("x-original-method", "GET")], "")
        .await;
    answers.call("GET", "/authz/forward", &[], "").await;
    answers.call("POST", "/authz/forward", &[], "").await;
    answers.call("HEAD", "/authz/forward", &[], "").await;
    answers
        .call(
            "PUT",
            "/authz/forward",
            &[
                ("x-original-method", "GET"),
                ("x-original-uri", "/auth/login"),
            ],
            "",
        )
        .await;
    insta::assert_snapshot!(answers.shown());
}
