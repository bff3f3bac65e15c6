//! A client over real sockets: gRPC on HTTP/2, and REST on one kept HTTP/1.1 connection.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use countersign::pb::v1::{
    CreateAccountRequest, CreateSessionRequest, GetAccountRequest,
    account_service_client::AccountServiceClient, session_service_client::SessionServiceClient,
};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

use crate::{BEARER, server::Server};

const PASSWORD: &str = "correct horse battery";

pub(crate) struct Client {
    channel: Channel,
    address: SocketAddr,
    bearer: String,
}

impl Client {
    pub(crate) async fn new(server: &Server) -> Self {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", server.address)).expect("an endpoint");
        Self {
            channel: endpoint.connect().await.expect("a channel"),
            address: server.address,
            bearer: String::new(),
        }
    }

    pub(crate) fn with_token(self, token: String) -> Self {
        Self {
            bearer: format!("Bearer {token}"),
            ..self
        }
    }

    /// Signs up, and gives an access token.
    pub(crate) async fn sign_up(&self, email: &str) -> String {
        let request = CreateAccountRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            session_client_id: "countersign".to_owned(),
            ..CreateAccountRequest::default()
        };
        let made = AccountServiceClient::new(self.channel.clone())
            .create_account(request)
            .await;
        made.expect("an account")
            .into_inner()
            .tokens
            .expect("tokens")
            .access_token
    }

    /// Reads the account over gRPC, so many times.
    pub(crate) async fn native(&self, calls: usize) {
        let mut accounts = AccountServiceClient::new(self.channel.clone());
        for _ in 0..calls {
            let mut request = tonic::Request::new(GetAccountRequest {
                name: "accounts/me".to_owned(),
            });
            request
                .metadata_mut()
                .insert(BEARER, self.bearer.parse().expect("a header"));
            accounts.get_account(request).await.expect("an answer");
        }
    }

    /// Reads the account over REST, so many times on one new connection.
    pub(crate) async fn rest(&self, path: &str, calls: usize) {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let (mut rest, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        for _ in 0..calls {
            let request = Request::get(path)
                .header("host", "localhost")
                .header(BEARER, &self.bearer);
            rest.ready().await.expect("an open connection");
            let response = rest
                .send_request(request.body(Empty::<Bytes>::new()).expect("a request"))
                .await
                .expect("an answer");
            assert!(response.status().is_success(), "{}", response.status());
            response.into_body().collect().await.expect("a body");
        }
    }

    /// Logs in again and again, and counts.
    pub(crate) async fn log_in_until(&self, email: &str, deadline: Instant) -> usize {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let mut count = 0;
        while Instant::now() < deadline {
            let request = CreateSessionRequest {
                email: email.to_owned(),
                password: PASSWORD.to_owned(),
                client_id: "countersign".to_owned(),
                ..CreateSessionRequest::default()
            };
            sessions.create_session(request).await.expect("a session");
            count += 1;
        }
        count
    }
}
