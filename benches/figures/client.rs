//! A client over real sockets: gRPC on HTTP/2, and REST on one kept HTTP/1.1 connection.

use std::time::Instant;

use bytes::Bytes;
use countersign::pb::v1::{
    GetAccountRequest, account_service_client::AccountServiceClient,
    session_service_client::SessionServiceClient,
};
use http::{Request, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::Channel;

use crate::{
    jobs::{self, Person},
    load,
};

pub(crate) struct Client {
    channel: Channel,
    person: Person,
}

impl Client {
    pub(crate) async fn of(person: &Person) -> Self {
        Self {
            channel: load::connect(person.address).await,
            person: person.clone(),
        }
    }

    /// Reads the account over gRPC, so many times.
    pub(crate) async fn native(&self, calls: usize) {
        let mut accounts = AccountServiceClient::new(self.channel.clone());
        for _ in 0..calls {
            let request = GetAccountRequest {
                name: "accounts/me".to_owned(),
            };
            let request = jobs::with(request, &self.person.bearer);
            accounts.get_account(request).await.expect("an answer");
        }
    }

    /// Reads the account over REST, so many times on one new connection.
    pub(crate) async fn rest(&self, path: &str, calls: usize) {
        let bearer = self.person.bearer.to_str().expect("text");
        let stream = TcpStream::connect(self.person.address)
            .await
            .expect("a connection");
        let (mut rest, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        for _ in 0..calls {
            let request = Request::get(path)
                .header("host", "localhost")
                .header(AUTHORIZATION, bearer);
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
    pub(crate) async fn log_in_until(&self, deadline: Instant) -> usize {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let mut count = 0;
        while Instant::now() < deadline {
            let request = self.person.log_in();
            sessions.create_session(request).await.expect("a session");
            count += 1;
        }
        count
    }
}
