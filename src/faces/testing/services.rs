//! Stand-ins for the contract's services.

use std::sync::{Arc, Mutex, MutexGuard};

use http::HeaderMap;
use tonic::{Response, Status};

use crate::{
    error::Error,
    model::request::RequestContext,
    pb::v1::{
        self, account_service_server::AccountService, session_service_server::SessionService,
    },
};

pub(in crate::faces) const ACCOUNT_ID: &str = "19ab52c7-da60-4dd2-af27-19f17d6afe37";
pub(in crate::faces) const ORGANIZATION_ID: &str = "811affc1-66c7-4982-b39e-29f9536b4720";
/// 2024-01-15T10:30:00.000Z.
pub(in crate::faces) const CREATED: i64 = 1_705_314_600_000;
/// 2024-04-07T22:08:13.539Z.
pub(in crate::faces) const NOW: i64 = 1_712_527_693_539;
const ACCESS_LIFETIME: i64 = 3_600_000;

/// A message that arrived at a service.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::faces) enum Message {
    CreateAccount(v1::CreateAccountRequest),
    ProvisionAccount(v1::ProvisionAccountRequest),
    GetAccount(v1::GetAccountRequest),
    DeleteAccount(v1::DeleteAccountRequest),
    CreateSession(v1::CreateSessionRequest),
    RefreshSession(v1::RefreshSessionRequest),
    DeleteSession(v1::DeleteSessionRequest),
    RevokeRefreshToken(v1::RevokeRefreshTokenRequest),
    CreateApiKey(v1::CreateApiKeyRequest),
    GetApiKey(v1::GetApiKeyRequest),
    ListApiKeys(v1::ListApiKeysRequest),
    DeleteApiKey(v1::DeleteApiKeyRequest),
    CreateChallenge(v1::CreateChallengeRequest),
}

/// A call that arrived at a service.
#[derive(Clone, Debug)]
pub(in crate::faces) struct Seen {
    pub(in crate::faces) message: Message,
    pub(in crate::faces) headers: HeaderMap,
    pub(in crate::faces) context: Option<RequestContext>,
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
pub(in crate::faces) struct Services(Arc<Mutex<State>>);

impl Services {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Refuses every call from now on.
    pub(in crate::faces) fn refuse(&self, refusal: impl Fn() -> Error + Send + 'static) {
        self.state().refusal = Some(Box::new(refusal));
    }

    /// Leaves everything out of every answer from now on.
    pub(in crate::faces) fn answer_nothing(&self) {
        self.state().answers = Answers::Empty;
    }

    /// What has arrived.
    pub(in crate::faces) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub(super) fn answer<M, A: Default>(
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

pub(super) fn time(millis: i64) -> Option<prost_types::Timestamp> {
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
        home_membership: Some(v1::Membership {
            organization: format!("organizations/{ORGANIZATION_ID}"),
            role: v1::Role::Owner.into(),
            ..v1::Membership::default()
        }),
        create_time: time(CREATED),
        update_time: time(CREATED + 1),
        etag: "1".to_owned(),
        ..v1::Account::default()
    })
}

fn organization() -> Option<v1::Organization> {
    Some(v1::Organization {
        name: format!("organizations/{ORGANIZATION_ID}"),
        plan: v1::Plan::Pro.into(),
        ..v1::Organization::default()
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
        grant: String::new(),
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

    async fn provision_account(
        &self,
        request: tonic::Request<v1::ProvisionAccountRequest>,
    ) -> Result<Response<v1::ProvisionAccountResponse>, Status> {
        let answer = v1::ProvisionAccountResponse {
            account: account(&request.get_ref().email, ""),
            session: session(),
            tokens: tokens(),
        };
        self.answer(request, Message::ProvisionAccount, answer)
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
        request: tonic::Request<v1::DeleteAccountRequest>,
    ) -> Result<Response<v1::DeleteAccountResponse>, Status> {
        let answer = v1::DeleteAccountResponse {};
        self.answer(request, Message::DeleteAccount, answer)
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
            organization: organization(),
            ..v1::CreateSessionResponse::default()
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

    async fn delete_session(
        &self,
        request: tonic::Request<v1::DeleteSessionRequest>,
    ) -> Result<Response<v1::DeleteSessionResponse>, Status> {
        self.answer(
            request,
            Message::DeleteSession,
            v1::DeleteSessionResponse {},
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
