//! Services that only remember what they were called with, behind a real channel.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use prost::Message;
use serde_json::Value;
use tonic::{Request, Response, Status, metadata::MetadataMap};
use tower::ServiceExt as _;

use super::channel::{self, Channel};
use crate::{
    error::{Error, fill},
    model::request::RequestContext,
    pb::v1::{
        self,
        account_service_server::{AccountService, AccountServiceServer},
        api_key_service_server::{ApiKeyService, ApiKeyServiceServer},
        session_service_server::{SessionService, SessionServiceServer},
    },
};

/// One call that arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) rpc: &'static str,
    pub(super) message: Bytes,
    pub(super) metadata: MetadataMap,
    pub(super) context: Option<RequestContext>,
}

impl Seen {
    /// The message that arrived.
    pub(super) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.message.clone()).unwrap()
    }
}

/// Every service of the contract.
#[derive(Clone, Default)]
pub(super) struct Fake {
    seen: Arc<Mutex<Vec<Seen>>>,
    reply: Arc<Mutex<Option<Result<Bytes, Status>>>>,
}

impl Fake {
    /// What the next calls get, instead of an empty message.
    pub(super) fn replies(&self, message: &impl Message) {
        *self.reply.lock().unwrap() = Some(Ok(message.encode_to_vec().into()));
    }

    /// How the next calls fail.
    pub(super) fn refuses(&self, status: impl Into<Status>) {
        *self.reply.lock().unwrap() = Some(Err(status.into()));
    }

    /// The calls since the last time.
    pub(super) fn calls(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The only call since the last time.
    pub(super) fn call(&self) -> Seen {
        let [seen] = self.calls().try_into().unwrap();
        seen
    }

    fn answer<Q: Message, A: Message + Default>(
        &self,
        rpc: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        self.seen.lock().unwrap().push(Seen {
            rpc,
            message: request.get_ref().encode_to_vec().into(),
            metadata: request.metadata().clone(),
            context: request.extensions().get().cloned(),
        });
        let reply = self.reply.lock().unwrap().clone();
        let message = reply.transpose()?.unwrap_or_default();
        let mut response = Response::new(A::decode(message).unwrap());
        response
            .metadata_mut()
            .insert("x-leading", "1".parse().unwrap());
        Ok(response)
    }

    /// The services behind a channel.
    pub(super) async fn channel(&self) -> Channel {
        let (_, health) = tonic_health::server::health_reporter();
        let router = tonic::service::Routes::new(AccountServiceServer::new(self.clone()))
            .add_service(SessionServiceServer::new(self.clone()))
            .add_service(ApiKeyServiceServer::new(self.clone()))
            .add_service(health)
            .prepare()
            .into_axum_router();
        channel::to(
            router
                .map_request(|request: http::Request<tonic::body::Body>| request.map(Body::new))
                .map_response(|response: http::Response<Body>| {
                    response.map(tonic::body::Body::new)
                }),
        )
    }
}

macro_rules! fake {
    ($service:ident { $($method:ident: $request:ident => $response:ident;)+ }) => {
        #[tonic::async_trait]
        impl $service for Fake {
            $(async fn $method(
                &self,
                request: Request<v1::$request>,
            ) -> Result<Response<v1::$response>, Status> {
                self.answer(stringify!($request), request)
            })+
        }
    };
}

fake!(AccountService {
    create_account: CreateAccountRequest => CreateAccountResponse;
    provision_account: ProvisionAccountRequest => ProvisionAccountResponse;
    get_account: GetAccountRequest => GetAccountResponse;
    update_account: UpdateAccountRequest => UpdateAccountResponse;
    delete_account: DeleteAccountRequest => DeleteAccountResponse;
    change_password: ChangePasswordRequest => ChangePasswordResponse;
});
fake!(SessionService {
    create_session: CreateSessionRequest => CreateSessionResponse;
    refresh_session: RefreshSessionRequest => RefreshSessionResponse;
    get_session: GetSessionRequest => GetSessionResponse;
    list_sessions: ListSessionsRequest => ListSessionsResponse;
    delete_session: DeleteSessionRequest => DeleteSessionResponse;
    revoke_refresh_token: RevokeRefreshTokenRequest => RevokeRefreshTokenResponse;
});
fake!(ApiKeyService {
    create_api_key: CreateApiKeyRequest => CreateApiKeyResponse;
    get_api_key: GetApiKeyRequest => GetApiKeyResponse;
    list_api_keys: ListApiKeysRequest => ListApiKeysResponse;
    update_api_key: UpdateApiKeyRequest => UpdateApiKeyResponse;
    rotate_api_key: RotateApiKeyRequest => RotateApiKeyResponse;
    delete_api_key: DeleteApiKeyRequest => DeleteApiKeyResponse;
});

/// Where the requests of the tests come from.
pub(super) fn context() -> RequestContext {
    RequestContext::new("request-7".into(), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
}

/// A request with a body of this type; none for no body.
pub(super) fn request(method: &str, uri: &str, body: Option<(&str, &str)>) -> http::Request<Body> {
    let builder = http::Request::builder()
        .method(method)
        .uri(uri)
        .extension(context());
    match body {
        Some((media_type, body)) => builder
            .header("content-type", media_type)
            .body(Body::from(body.to_owned())),
        None => builder.body(Body::empty()),
    }
    .unwrap()
}

/// The answer, with the error rendered that it may carry.
pub(super) fn rendered(
    response: http::Response<Body>,
    render: impl FnOnce(&Error) -> http::Response<Body>,
) -> http::Response<Body> {
    match Error::carried_by(response.extensions()) {
        Some(error) => fill(response, render(&error)),
        None => response,
    }
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: http::Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
