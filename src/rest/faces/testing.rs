//! Stand-ins for the contract's services, and a caller, for the tests of the faces.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use serde_json::Value;
use tonic::{Response, Status, service::Routes};
use tower::{ServiceExt as _, util::BoxCloneSyncService};

use crate::{
    env::{Clock, Env, RandomnessUnavailable, Rng, Timestamp},
    error::Error,
    model::request::RequestContext,
    pb::v1::{
        self,
        account_service_server::{AccountService, AccountServiceServer},
        session_service_server::{SessionService, SessionServiceServer},
    },
};

pub(super) const ACCOUNT_ID: &str = "19ab52c7-da60-4dd2-af27-19f17d6afe37";
pub(super) const ORGANIZATION_ID: &str = "811affc1-66c7-4982-b39e-29f9536b4720";
/// 2024-01-15T10:30:00.000Z.
pub(super) const CREATED: i64 = 1_705_314_600_000;
/// 2024-04-07T22:08:13.539Z.
pub(super) const NOW: i64 = 1_712_527_693_539;
const ACCESS_LIFETIME: i64 = 3_600_000;

/// A message that arrived at a service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    CreateAccount(v1::CreateAccountRequest),
    GetAccount(v1::GetAccountRequest),
    CreateSession(v1::CreateSessionRequest),
    RefreshSession(v1::RefreshSessionRequest),
    RevokeSession(v1::RevokeSessionRequest),
    RevokeRefreshToken(v1::RevokeRefreshTokenRequest),
}

/// A call that arrived at a service.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) message: Message,
    pub(super) headers: HeaderMap,
    pub(super) context: Option<RequestContext>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    refusal: Option<Box<dyn Fn() -> Error + Send>>,
    answers: Answers,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Answers {
    #[default]
    Whole,
    Empty,
}

/// The services: they keep what they are sent and answer one well-known account and session.
#[derive(Clone, Default)]
pub(super) struct Services(Arc<Mutex<State>>);

impl Services {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Refuses every call from now on.
    pub(super) fn refuse(&self, refusal: impl Fn() -> Error + Send + 'static) {
        self.state().refusal = Some(Box::new(refusal));
    }

    /// Leaves everything out of every answer from now on.
    pub(super) fn answer_nothing(&self) {
        self.state().answers = Answers::Empty;
    }

    /// What has arrived.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    fn answer<M, A: Default>(
        &self,
        request: tonic::Request<M>,
        wrap: fn(M) -> Message,
        answer: A,
    ) -> Result<Response<A>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let mut state = self.state();
        state.seen.push(Seen {
            message: wrap(message),
            headers: metadata.into_headers(),
            context: extensions.get().cloned(),
        });
        match (&state.refusal, state.answers) {
            (Some(refusal), _) => Err(refusal().into()),
            (None, Answers::Whole) => Ok(Response::new(answer)),
            (None, Answers::Empty) => Ok(Response::new(A::default())),
        }
    }
}

fn time(millis: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: millis / 1000,
        nanos: i32::try_from(millis % 1000).unwrap() * 1_000_000,
    })
}

fn account(email: &str, display_name: &str) -> Option<v1::Account> {
    Some(v1::Account {
        name: format!("accounts/{ACCOUNT_ID}"),
        email: email.to_owned(),
        email_verified: false,
        display_name: display_name.to_owned(),
        organization: format!("organizations/{ORGANIZATION_ID}"),
        organization_owner: true,
        create_time: time(CREATED),
        update_time: time(CREATED + 1),
        etag: "1".to_owned(),
    })
}

fn session() -> Option<v1::Session> {
    Some(v1::Session {
        name: "sessions/0190163d-8694-739b-aea5-966c26f8ad91".to_owned(),
        create_time: time(NOW),
        ..v1::Session::default()
    })
}

fn tokens() -> Option<v1::SessionTokens> {
    Some(v1::SessionTokens {
        access_token: "the-access-token".to_owned(),
        access_token_expire_time: time(NOW + ACCESS_LIFETIME),
        refresh_token: "the-refresh-token".to_owned(),
        refresh_token_expire_time: time(NOW + 30 * 24 * ACCESS_LIFETIME),
        token_type: "bearer".to_owned(),
        scopes: vec!["mcp".to_owned()],
    })
}

#[tonic::async_trait]
impl AccountService for Services {
    async fn create_account(
        &self,
        request: tonic::Request<v1::CreateAccountRequest>,
    ) -> Result<Response<v1::CreateAccountResponse>, Status> {
        let sent = request.get_ref();
        let answer = v1::CreateAccountResponse {
            account: account(&sent.email, &sent.display_name),
            session: session(),
            tokens: tokens(),
            api_key: None,
            api_key_secret: "mk_live_secret".to_owned(),
        };
        self.answer(request, Message::CreateAccount, answer)
    }

    async fn get_account(
        &self,
        request: tonic::Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let answer = v1::GetAccountResponse {
            account: account("jack.truong@jameshardie.com", "Jack Truong"),
        };
        self.answer(request, Message::GetAccount, answer)
    }

    async fn update_account(
        &self,
        _request: tonic::Request<v1::UpdateAccountRequest>,
    ) -> Result<Response<v1::UpdateAccountResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn delete_account(
        &self,
        _request: tonic::Request<v1::DeleteAccountRequest>,
    ) -> Result<Response<v1::DeleteAccountResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn change_password(
        &self,
        _request: tonic::Request<v1::ChangePasswordRequest>,
    ) -> Result<Response<v1::ChangePasswordResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }
}

#[tonic::async_trait]
impl SessionService for Services {
    async fn create_session(
        &self,
        request: tonic::Request<v1::CreateSessionRequest>,
    ) -> Result<Response<v1::CreateSessionResponse>, Status> {
        let answer = v1::CreateSessionResponse {
            session: session(),
            tokens: tokens(),
            account: account("user@example.com", "John Doe"),
        };
        self.answer(request, Message::CreateSession, answer)
    }

    async fn refresh_session(
        &self,
        request: tonic::Request<v1::RefreshSessionRequest>,
    ) -> Result<Response<v1::RefreshSessionResponse>, Status> {
        let answer = v1::RefreshSessionResponse { tokens: tokens() };
        self.answer(request, Message::RefreshSession, answer)
    }

    async fn get_session(
        &self,
        _request: tonic::Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn list_sessions(
        &self,
        _request: tonic::Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        Err(Status::unimplemented("no face calls this"))
    }

    async fn revoke_session(
        &self,
        request: tonic::Request<v1::RevokeSessionRequest>,
    ) -> Result<Response<v1::RevokeSessionResponse>, Status> {
        self.answer(
            request,
            Message::RevokeSession,
            v1::RevokeSessionResponse {},
        )
    }

    async fn revoke_refresh_token(
        &self,
        request: tonic::Request<v1::RevokeRefreshTokenRequest>,
    ) -> Result<Response<v1::RevokeRefreshTokenResponse>, Status> {
        self.answer(
            request,
            Message::RevokeRefreshToken,
            v1::RevokeRefreshTokenResponse {},
        )
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        // Some time passes between the making of a token and its answer.
        Timestamp::from_millis(NOW + 3)
    }

    fn monotonic(&self) -> Instant {
        panic!("faces measure nothing")
    }
}

impl Rng for Still {
    fn fill(&self, _buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        Err(RandomnessUnavailable)
    }
}

/// Calls the faces.
pub(super) struct Caller {
    router: Router,
    pub(super) services: Services,
}

/// What a face answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    /// All values of a header.
    pub(super) fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect()
    }
}

impl Caller {
    /// A caller of all faces, in front of services of its own.
    pub(super) fn new() -> Self {
        let services = Services::default();
        let mut routes = Routes::new(AccountServiceServer::new(services.clone()));
        routes = routes.add_service(SessionServiceServer::new(services.clone()));
        let channel = BoxCloneSyncService::new(routes.prepare());
        let env = Env::new(Arc::new(Still), Arc::new(Still));
        Self {
            router: super::router(channel, env),
            services,
        }
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert_eq!(parts.headers["cache-control"], "no-store");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// Sends a body of any kind.
    pub(super) async fn post(&self, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Sends JSON.
    pub(super) async fn json(&self, path: &str, body: Value) -> Answer {
        self.post(path, "application/json", body.to_string()).await
    }

    /// Sends a form.
    pub(super) async fn form(&self, path: &str, body: &'static str) -> Answer {
        self.post(path, "application/x-www-form-urlencoded", body)
            .await
    }
}

/// Bodies that no face may accept on a path that takes these two fields in JSON, with the status
/// that answers them.
pub(super) fn bad_bodies(first: &str, second: &str) -> Vec<(&'static str, Vec<u8>, u16)> {
    const JSON: &str = "application/json";
    let pair = format!(r#"{{"{first}":"user@example.com","{second}":"secure_password_123"}}"#);
    let with = |more: &str| pair.replacen('{', &format!("{{{more},"), 1).into_bytes();
    let large = |size: usize| {
        let padding = size - pair.len();
        format!("{pair}{}", " ".repeat(padding)).into_bytes()
    };
    vec![
        (JSON, b"".to_vec(), 400),
        (JSON, b"{".to_vec(), 400),
        (JSON, b"[]".to_vec(), 400),
        (JSON, b"null".to_vec(), 400),
        (JSON, b"\"hunter2\"".to_vec(), 400),
        (JSON, b"{}".to_vec(), 400),
        (JSON, format!("{pair}{pair}").into_bytes(), 400),
        (JSON, with(&format!(r#""{first}":"hunter2""#)), 400),
        (JSON, with(r#""hunter":"hunter2""#), 400),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "123").into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "null").into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "[\"hunter2\"]")
                .into_bytes(),
            400,
        ),
        (
            JSON,
            pair.replace("\"secure_password_123\"", "\"\"").into_bytes(),
            400,
        ),
        (JSON, pair.replace("secure", "\u{1}").into_bytes(), 400),
        (
            JSON,
            pair.as_bytes().iter().chain(b"\xff").copied().collect(),
            400,
        ),
        (JSON, large((64 << 10) + 1), 413),
        ("text/plain", pair.clone().into_bytes(), 415),
        ("application/jsonp", pair.clone().into_bytes(), 415),
        (
            "application/json; charset=latin1",
            pair.clone().into_bytes(),
            415,
        ),
        ("", pair.clone().into_bytes(), 415),
    ]
}

/// Ways to send JSON that every face accepts.
pub(super) const GOOD_CONTENT_TYPES: [&str; 4] = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=\"UTF-8\"",
];
