//! A bare tonic server in a process of its own: what the machine, HTTP/2 and protobuf cost without us.

use std::{
    convert::Infallible,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    task::{Context, Poll},
    time::Duration,
};

use countersign::pb::v1::{Account, GetAccountRequest, GetAccountResponse, Membership};
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

/// Says that this program is to be the server, with the address as the next argument.
pub(crate) const ARGUMENT: &str = "--echo";

/// The server as a process. It ends with this value.
pub(crate) struct Echo {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let address = crate::server::free_address();
        let program = std::env::current_exe().expect("this program");
        let process = Command::new(program)
            .args([ARGUMENT, &address.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("the echo starts");
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { process, address }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers `GetAccount` with the same account until the process is ended.
pub(crate) async fn serve(address: &str) {
    let address = address.parse().expect("an address");
    let server = Server::builder().add_service(Service);
    server.serve(address).await.expect("the echo serves");
}

#[derive(Clone)]
struct Service;

impl NamedService for Service {
    const NAME: &str = "countersign.v1.AccountService";
}

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(grpc.unary(Answer, request).await)
        })
    }
}

/// As large an answer as that of the service.
struct Answer;

impl UnaryService<GetAccountRequest> for Answer {
    type Response = GetAccountResponse;
    type Future = std::future::Ready<Result<Response<GetAccountResponse>, Status>>;

    fn call(&mut self, request: Request<GetAccountRequest>) -> Self::Future {
        let moment = Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_000_000,
        });
        let account = Account {
            name: request.into_inner().name,
            email: "benchmark@example.com".to_owned(),
            home_membership: Some(Membership {
                name: "accounts/01a21fb7-7273-74d8-9c9b-1ca94b719736/memberships/home".to_owned(),
                ..Membership::default()
            }),
            etag: "1".to_owned(),
            create_time: moment,
            update_time: moment,
            ..Account::default()
        };
        std::future::ready(Ok(Response::new(GetAccountResponse {
            account: Some(account),
        })))
    }
}
