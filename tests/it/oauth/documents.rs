//! Clients whose id is the URL of a document (client ID metadata documents).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{config::Issuer, pb::admin::v1 as admin_v1};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// The host of a document, on this machine.
pub(super) struct Host {
    pub(super) client_id: String,
    /// The head without its end, and the body.
    answer: Arc<Mutex<(String, String)>>,
    hits: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Host {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client_id = format!("http://{}/client.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((String::new(), String::new())));
        let hits = Arc::new(Mutex::new(0));
        let (answers, counter) = (Arc::clone(&answer), Arc::clone(&hits));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *counter.lock().unwrap() += 1;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let (head, body) = answers.lock().unwrap().clone();
                let length = body.len();
                let text = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        let host = Self {
            client_id,
            answer,
            hits,
            task,
        };
        host.says("200 OK", host.document());
        host
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "client_id": self.client_id,
            "client_name": "Editor",
            "redirect_uris": [CALLBACK, "http://localhost/callback"],
            "token_endpoint_auth_method": "none",
        })
    }

    pub(super) fn says(&self, head: &str, document: Value) {
        *self.answer.lock().unwrap() = (head.to_owned(), document.to_string());
    }

    pub(super) fn hits(&self) -> usize {
        *self.hits.lock().unwrap()
    }

    pub(super) fn client(&self) -> Client {
        Client {
            id: self.client_id.clone(),
            secret: String::new(),
            registration_token: String::new(),
        }
    }

    pub(super) async fn stops(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

async fn refused(app: &TestApp, client: &Client) -> String {
    let answer = app
        .post_json("/v1/authorizations:start", client.request())
        .await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(
        answer.text().contains("CLIENT_NOT_FOUND"),
        "{}",
        answer.text()
    );
    answer.json()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_document_is_a_client_on_every_leg_and_its_host_may_go_away() {
    let app = app().await;
    let mut host = Host::start().await;
    let client = host.client();
    let here = app.sign_up("ann").await.logs_in().await;
    let request = client.request_with(json!({"redirect_uri": "http://localhost:61234/callback"}));
    let name = start(&app, request).await;
    host.stops().await;
    let asked = app.get(&format!("/v1/{name}")).send().await.json();
    assert_eq!(asked["authorization"]["clientName"], "Editor");
    assert_eq!(asked["authorization"]["clientId"], json!(client.id));
    let code = parameter(
        &approve(&app, &here.tokens.access_token, &name).await,
        "code",
    );
    let mut form = client.exchange(&code);
    form.retain(|(name, _)| *name != "redirect_uri");
    form.push(("redirect_uri", "http://localhost:61234/callback"));
    let granted = token(&app, &form).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let granted = granted.json();
    assert!(opens(&app, &granted["access_token"]).await);
    assert_eq!(
        refresh(&app, &client, &granted["refresh_token"])
            .await
            .status,
        200
    );
    assert_eq!(host.hits(), 1);
}

#[tokio::test]
async fn what_is_no_document_of_the_client_is_not_taken_and_not_kept() {
    let app = app().await;
    let host = Host::start().await;
    let client = host.client();
    let with = |member: &str, value: Value| {
        let mut document = host.document();
        document[member] = value;
        document
    };
    let bad = [
        ("404 Not Found", host.document()),
        ("302 Found\r\nlocation: /other", host.document()),
        ("200 OK", json!([])),
        ("200 OK", json!("x".repeat(17 << 10))),
        (
            "200 OK",
            with("client_id", json!("https://app.example.com/client.json")),
        ),
        ("200 OK", with("client_secret", json!("x"))),
        ("200 OK", with("client_name", json!("Ed\u{2066}itor"))),
        (
            "200 OK",
            with("token_endpoint_auth_method", json!("client_secret_basic")),
        ),
        (
            "200 OK",
            with("redirect_uris", json!(["http://evil.example/"])),
        ),
    ];
    for (index, (head, document)) in bad.into_iter().enumerate() {
        host.says(head, document);
        let message = refused(&app, &client).await;
        assert!(message.contains("document"), "{message}");
        // Whatever it was, no address of the host is told.
        assert!(!message.contains("127.0.0.1"), "{message}");
        assert_eq!(host.hits(), index + 1);
    }
    host.says("200 OK", host.document());
    start(&app, client.request()).await;
}

#[tokio::test]
async fn a_document_is_fetched_again_when_it_is_not_fresh() {
    let app = app().await;
    let mut host = Host::start().await;
    let client = host.client();
    host.says("200 OK\r\ncache-control: max-age=3600", host.document());
    for _ in 0..3 {
        start(&app, client.request()).await;
    }
    assert_eq!(host.hits(), 1);
    app.clock.advance(HOUR);
    // What it says now is what holds.
    let mut changed = host.document();
    changed["redirect_uris"] = json!(["https://other.example/cb"]);
    host.says("200 OK", changed);
    let answer = app
        .post_json("/v1/authorizations:start", client.request())
        .await;
    assert_eq!((answer.status, host.hits()), (400, 2), "{}", answer.text());

    let again = client.request_with(json!({"redirect_uri": "https://other.example/cb"}));
    host.stops().await;
    app.clock.advance(HOUR);
    // The last one does for a day.
    start(&app, again).await;
    app.clock.advance(24 * HOUR);
    refused(&app, &client).await;
}

#[tokio::test]
async fn a_server_with_a_public_name_reaches_nothing_on_its_own_machine() {
    let app = TestApp::with(|config| {
        config.issuer = Some(Issuer::of_address("192.0.2.10:443".parse().unwrap(), true));
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let host = Host::start().await;
    let (_, rest) = host.client_id.split_once("://").unwrap();
    let port = rest.split(['/', ':']).nth(1).unwrap();
    for name in ["127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]"] {
        for scheme in ["http", "https"] {
            let id = format!("{scheme}://{name}:{port}/client.json");
            let client = Client {
                id,
                ..host.client()
            };
            let call = app.post("/v1/authorizations:start").json(client.request());
            let call = call.from("10.0.0.1").header("x-forwarded-proto", "https");
            let answer = call.send().await;
            assert!(
                answer.text().contains("CLIENT_NOT_FOUND"),
                "{}",
                answer.text()
            );
        }
    }
    assert_eq!(host.hits(), 0);
}

#[tokio::test]
async fn documents_can_be_switched_off() {
    let app = TestApp::with(|config| config.oauth.client_documents = false).await;
    let host = Host::start().await;
    refused(&app, &host.client()).await;
    assert_eq!(host.hits(), 0);
}

/// An administrator sees it beside those that registered themselves, and cuts it off.
#[tokio::test]
async fn a_client_with_a_document_is_listed_and_deleted_by_its_name() {
    let app = app().await;
    let host = Host::start().await;
    let client = host.client();
    let registered = app.registers("other").await;
    app.clock.advance(Duration::from_secs(1));
    let granted = tokens(&app, &client, &app.sign_up("ann").await).await;
    let name = format!("clients/{}", client.id.replace('/', "%2F"));
    let list = admin_v1::ListClientsRequest::default;
    let mut operator = app.operator_of_clients();
    let listed = operator.list_clients(list()).await.unwrap().into_inner();
    let names: Vec<_> = listed.clients.iter().map(|client| &client.name).collect();
    assert_eq!(names, [&name, &registered]);
    assert_eq!(listed.clients[0].display_name, "Editor");
    let page = admin_v1::ListClientsRequest {
        page_size: 1,
        ..list()
    };
    let token = operator.list_clients(page).await.unwrap().into_inner();
    let next = admin_v1::ListClientsRequest {
        page_token: token.next_page_token,
        ..list()
    };
    let next = operator.list_clients(next).await.unwrap().into_inner();
    assert_eq!(next.clients[0].name, registered);

    // People name it in the same way, also in a path.
    let session = app.sign_up("bob").await.logs_in().await;
    let read = app.get(&format!("/v1/{name}"));
    let read = read.bearer(&session.tokens.access_token).send().await;
    assert_eq!(read.json()["client"]["name"], name, "{}", read.text());

    assert!(opens(&app, &granted["access_token"]).await);
    let delete = || admin_v1::DeleteClientRequest { name: name.clone() };
    operator.delete_client(delete()).await.unwrap();
    assert!(!opens(&app, &granted["access_token"]).await);
    assert_error(
        &refresh(&app, &client, &granted["refresh_token"]).await,
        401,
        "invalid_client",
    );
    let again = operator.delete_client(delete()).await.unwrap_err();
    assert_eq!(again.code(), tonic::Code::NotFound);
    // It may ask again, and then everybody is asked.
    let started = start(&app, client.request()).await;
    let asked = app.get(&format!("/v1/{started}"));
    let asked = asked.bearer(&session.tokens.access_token).send().await;
    assert_eq!(
        asked.json()["authorization"]["nextStep"],
        "AUTHORIZATION_STEP_CONSENT"
    );
}

#[tokio::test]
async fn what_was_asked_before_a_deletion_is_over_too() {
    let app = app().await;
    let host = Host::start().await;
    let client = host.client();
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let code = code(&app, &session, client.request()).await;
    let name = format!("clients/{}", client.id.replace('/', "%2F"));
    let delete = admin_v1::DeleteClientRequest { name };
    app.operator_of_clients()
        .delete_client(delete)
        .await
        .unwrap();
    start(&app, client.request()).await;
    assert_error(
        &token(&app, &client.exchange(&code)).await,
        400,
        "invalid_grant",
    );
}

/// Whoever gets hold of a document, or of a registration, does not get the codes of those who have allowed the client before.
#[tokio::test]
async fn people_are_asked_again_before_they_are_sent_to_another_host() {
    let app = app().await;
    let host = Host::start().await;
    const FRESH: &str = "200 OK\r\ncache-control: max-age=60";
    host.says(FRESH, host.document());
    let elsewhere = json!({"redirect_uri": "https://other.example/callback"});
    let registered = register(&app, json!({"redirect_uris": [CALLBACK]})).await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let step = async |request: Value| {
        let name = start(&app, request).await;
        let read = app
            .get(&format!("/v1/{name}"))
            .bearer(&session)
            .send()
            .await;
        read.json()["authorization"]["nextStep"].clone()
    };
    for client in [&registered, &host.client()] {
        code(&app, &session, client.request()).await;
        assert_eq!(step(client.request()).await, "AUTHORIZATION_STEP_NONE");
    }
    let mut changed = host.document();
    changed["redirect_uris"] = json!([CALLBACK, "https://other.example/callback"]);
    host.says(FRESH, changed);
    let metadata = json!({"redirect_uris": [CALLBACK, "https://other.example/callback"]});
    let token = &registered.registration_token;
    let put = manage(&app, Method::PUT, &registered.id, token, Some(metadata)).await;
    assert_eq!(put.status, 200, "{}", put.text());
    app.clock.advance(HOUR / 6);
    for client in [&registered, &host.client()] {
        let asked = step(client.request_with(elsewhere.clone())).await;
        assert_eq!(asked, "AUTHORIZATION_STEP_CONSENT");
        code(&app, &session, client.request_with(elsewhere.clone())).await;
        // Each place was allowed by itself, and stays so.
        for request in [client.request(), client.request_with(elsewhere.clone())] {
            assert_eq!(step(request).await, "AUTHORIZATION_STEP_NONE");
        }
    }
}
