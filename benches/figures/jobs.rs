//! The jobs, as clients do them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use countersign::pb::v1::{
    ApiKey, CheckAccessRequest, CreateAccountRequest, CreateApiKeyRequest, CreateSessionRequest,
    GetAccountRequest, RefreshSessionRequest, account_service_client::AccountServiceClient,
    api_key_service_client::ApiKeyServiceClient,
    authorization_service_client::AuthorizationServiceClient,
    session_service_client::SessionServiceClient,
};
use tonic::{Code, Request, metadata::AsciiMetadataValue};

use crate::load::{self, Outcome, Shape};

const PASSWORD: &str = "correct horse battery";
const CLIENT: &str = "countersign";
/// Between a refused log-in and the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) address: SocketAddr,
    email: String,
    /// What calls with their access token send as `authorization`.
    pub(crate) bearer: AsciiMetadataValue,
}

impl Person {
    pub(crate) async fn signs_up(address: SocketAddr, email: &str) -> Self {
        let request = CreateAccountRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            session_client_id: CLIENT.to_owned(),
            ..CreateAccountRequest::default()
        };
        let mut accounts = AccountServiceClient::new(load::connect(address).await);
        let made = accounts.create_account(request).await.expect("an account");
        let tokens = made.into_inner().tokens.expect("tokens");
        Self {
            address,
            email: email.to_owned(),
            bearer: bearer(&tokens.access_token),
        }
    }

    /// What calls with a new API key send as `authorization`.
    pub(crate) async fn api_key(&self) -> AsciiMetadataValue {
        let request = CreateApiKeyRequest {
            api_key: Some(ApiKey {
                display_name: "benchmark".to_owned(),
                ..ApiKey::default()
            }),
            ..CreateApiKeyRequest::default()
        };
        let mut keys = ApiKeyServiceClient::new(load::connect(self.address).await);
        let made = keys.create_api_key(with(request, &self.bearer)).await;
        bearer(&made.expect("a key").into_inner().secret)
    }

    /// What they send to log in.
    pub(crate) fn log_in(&self) -> CreateSessionRequest {
        CreateSessionRequest {
            email: self.email.clone(),
            password: PASSWORD.to_owned(),
            client_id: CLIENT.to_owned(),
            ..CreateSessionRequest::default()
        }
    }
}

fn bearer(credential: &str) -> AsciiMetadataValue {
    format!("Bearer {credential}").parse().expect("a header")
}

/// A message of whoever has this credential.
pub(crate) fn with<T>(message: T, bearer: &AsciiMetadataValue) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("authorization", bearer.clone());
    request
}

/// Reads one's own account.
pub(crate) async fn get_account(
    address: SocketAddr,
    shape: Shape,
    bearer: &AsciiMetadataValue,
) -> Outcome {
    load::run(address, shape, |channel, _, meter| {
        let mut accounts = AccountServiceClient::new(channel);
        let bearer = bearer.clone();
        async move {
            let mut laps = meter.start();
            while laps.goes_on() {
                let request = GetAccountRequest {
                    name: "accounts/me".to_owned(),
                };
                let answer = accounts.get_account(with(request, &bearer)).await;
                answer.expect("an account");
                laps.count();
            }
        }
    })
    .await
}

/// Asks who may make a request.
pub(crate) async fn check_access(
    address: SocketAddr,
    shape: Shape,
    bearer: &AsciiMetadataValue,
) -> Outcome {
    load::run(address, shape, |channel, _, meter| {
        let mut authorization = AuthorizationServiceClient::new(channel);
        let bearer = bearer.clone();
        async move {
            let mut laps = meter.start();
            while laps.goes_on() {
                let request = CheckAccessRequest {
                    method: "GET".to_owned(),
                    path: "/".to_owned(),
                };
                let answer = authorization.check_access(with(request, &bearer)).await;
                answer.expect("an answer");
                laps.count();
            }
        }
    })
    .await
}

/// Signs in and then refreshes again and again, with a new refresh token each time.
pub(crate) async fn rotate(person: &Person, shape: Shape) -> Outcome {
    let mut tokens = Vec::new();
    let mut sessions = SessionServiceClient::new(load::connect(person.address).await);
    for _ in 0..shape.connections * shape.streams {
        let made = sessions.create_session(person.log_in()).await;
        let made = made.expect("a session").into_inner().tokens;
        tokens.push(made.expect("tokens").refresh_token);
    }
    let tokens = Arc::new(tokens);
    load::run(person.address, shape, |channel, number, meter| {
        let mut sessions = SessionServiceClient::new(channel);
        let mut refresh_token = tokens[number].clone();
        async move {
            let mut laps = meter.start();
            while laps.goes_on() {
                let request = RefreshSessionRequest {
                    refresh_token: std::mem::take(&mut refresh_token),
                    ..RefreshSessionRequest::default()
                };
                let answer = sessions.refresh_session(request).await.expect("tokens");
                let made = answer.into_inner().tokens.expect("tokens");
                refresh_token = made.refresh_token;
                laps.count();
            }
        }
    })
    .await
}

/// Logs in again and again, beside more who do than there is room for.
pub(crate) async fn log_in(person: &Person, shape: Shape) -> Outcome {
    load::run(person.address, shape, |channel, _, meter| {
        let mut sessions = SessionServiceClient::new(channel);
        let request = person.log_in();
        async move {
            let mut laps = meter.start();
            while laps.goes_on() {
                let answer = sessions.create_session(request.clone()).await;
                // The surplus is told to come back later.
                if let Err(refused) = answer {
                    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
                    tokio::time::sleep(PAUSE).await;
                }
                laps.count();
            }
        }
    })
    .await
}
