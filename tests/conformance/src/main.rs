//! The server under test of connectrpc's conformance suite: its service behind Countersign's listener, layers,
//! dispatch, gRPC, grpc-web and Connect. `tests/run interop` runs the suite; nothing else uses this program.

mod reasons;
mod service;

use std::{
    error::Error,
    fs,
    io::{Read as _, Write as _, stdin, stdout},
};

use axum::Router;
use countersign::{
    app::errors,
    env::Env,
    grpc::wire::Wire,
    layers::{self, HttpService, LayerOptions},
    metrics::Metrics,
    rest::{channel, connect::connect_service},
    server::{
        Server,
        dispatch::{GrpcService, dispatch},
        options::{ServerOptions, TlsFiles},
    },
};
use prost::Message;
use prost_reflect::DescriptorPool;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceExt as _;

use service::{
    Service,
    v1::{
        ServerCompatRequest, ServerCompatResponse, TlsCreds,
        conformance_service_server::ConformanceServiceServer,
    },
    with_trailers,
};

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/conformance.binpb"));

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = read_request()?;
    let largest = usize::try_from(wanted.message_receive_limit)?;
    let credentials = wanted.server_creds.filter(|_| wanted.use_tls);
    let folder = tempfile::tempdir()?;
    let tls = credentials.as_ref().map(|credentials| {
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        write(credentials, TlsFiles { cert, key })
    });
    let server = Server::bind(ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: tls.transpose()?,
        ..ServerOptions::default()
    })
    .await?;
    let mut terminated = signal(SignalKind::terminate())?;
    answer(&ServerCompatResponse {
        host: "127.0.0.1".into(),
        port: server.local_addr().port().into(),
        pem_cert: credentials.map(|creds| creds.cert).unwrap_or_default(),
    })?;
    let service = transports(largest)?;
    let shutdown = async {
        terminated.recv().await;
    };
    server.serve(service, shutdown).await;
    Ok(())
}

/// The suite's service on every transport.
fn transports(largest: usize) -> Result<HttpService, Box<dyn Error>> {
    let pool = DescriptorPool::decode(DESCRIPTORS)?;
    let routes = tonic::service::Routes::new(ConformanceServiceServer::new(Service)).prepare();
    let checked = Wire::new(routes, &pool, largest);
    let answers = checked.map_response(with_trailers);
    // Before grpc-web, which writes trailers into the body.
    let grpc = GrpcService::new(answers.map_response(reasons::off_services));
    let connect = connect_service(channel::to(grpc.clone()), &pool, largest)?;
    let (env, options) = (
        Env::system(),
        LayerOptions {
            max_message_size: largest.try_into()?,
            ..LayerOptions::default()
        },
    );
    let (metrics, _) = Metrics::new(&env);
    let service = dispatch(grpc, connect, Router::new());
    let service = errors::rendered(layers::inner(&options, service));
    let service = layers::outer(&env, &metrics, &options, service);
    Ok(HttpService::new(service.and_then(reasons::off_layers)))
}

fn write(credentials: &TlsCreds, files: TlsFiles) -> std::io::Result<TlsFiles> {
    fs::write(&files.cert, &credentials.cert)?;
    fs::write(&files.key, &credentials.key)?;
    Ok(files)
}

/// The suite talks in messages with their length before them.
fn read_request() -> Result<ServerCompatRequest, Box<dyn Error>> {
    let mut length = [0; 4];
    stdin().read_exact(&mut length)?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    stdin().read_exact(&mut message)?;
    Ok(ServerCompatRequest::decode(message.as_slice())?)
}

fn answer(response: &ServerCompatResponse) -> Result<(), Box<dyn Error>> {
    let message = response.encode_to_vec();
    let mut stdout = stdout();
    stdout.write_all(&u32::try_from(message.len())?.to_be_bytes())?;
    stdout.write_all(&message)?;
    Ok(stdout.flush()?)
}
