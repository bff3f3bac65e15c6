use std::path::PathBuf;

use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::UnixSocket, sync::oneshot, task::JoinHandle};
use tower::service_fn;

use super::*;

/// Says 204 to everything.
fn service() -> GrpcService {
    GrpcService::new(service_fn(async |_| {
        let mut response = hyper::Response::new(Body::empty());
        *response.status_mut() = hyper::StatusCode::NO_CONTENT;
        Ok(response)
    }))
}

struct Served {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Served {
    fn start(socket: ControlSocket) -> Self {
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(socket.serve(service(), async {
            let _ = stopped.await;
        }));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

async fn call(service: GrpcService) -> u16 {
    let mut request = hyper::Request::new(Body::empty());
    *request.uri_mut() = "http://countersign/a.B/C".parse().unwrap();
    service.oneshot(request).await.unwrap().status().as_u16()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_socket_is_for_its_owner_alone_and_goes_when_the_server_stops() {
    let folder = TempDir::new().unwrap();
    assert!(connect(folder.path()).await.unwrap().is_none());
    let served = Served::start(ControlSocket::bind(folder.path()).unwrap());
    assert_eq!(mode(&folder.path().join(SOCKET)), 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let service = connect(folder.path()).await.unwrap().unwrap();
    assert_eq!(call(service.clone()).await, 204);
    // An open connection does not keep the server.
    served.stop().await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(call(service).await, 200, "a refusal of gRPC");
    assert!(connect(folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_socket_that_a_killed_server_left_is_replaced() {
    let folder = TempDir::new().unwrap();
    let ControlSocket { listener, file, .. } = ControlSocket::bind(folder.path()).unwrap();
    drop(listener);
    std::mem::forget(file);
    assert!(folder.path().join(SOCKET).exists());
    assert!(connect(folder.path()).await.unwrap().is_none());
    let served = Served::start(ControlSocket::bind(folder.path()).unwrap());
    assert_eq!(
        call(connect(folder.path()).await.unwrap().unwrap()).await,
        204
    );
    served.stop().await;
}

#[tokio::test]
async fn another_user_gets_no_answer() {
    let folder = TempDir::new().unwrap();
    let mut socket = ControlSocket::bind(folder.path()).unwrap();
    // As if somebody else ran the server: neither of these is the user of this test.
    socket.users = [u32::MAX, u32::MAX - 1];
    let served = Served::start(socket);
    let refused = match connect(folder.path()).await {
        Ok(service) => call(service.unwrap()).await != 204,
        Err(_) => true,
    };
    assert!(refused);
    served.stop().await;
}

#[tokio::test]
async fn a_folder_with_a_long_name_has_a_socket_too() {
    let parent = TempDir::new().unwrap();
    let folder: PathBuf = parent.path().join("x".repeat(120));
    fs::create_dir(&folder).unwrap();
    let served = Served::start(ControlSocket::bind(&folder).unwrap());
    assert_eq!(call(connect(&folder).await.unwrap().unwrap()).await, 204);
    served.stop().await;
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for_without_end() {
    let folder = TempDir::new().unwrap();
    let _silent = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let service = connect_patiently(folder.path(), Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    let mut request = hyper::Request::new(Body::empty());
    *request.uri_mut() = "http://countersign/a.B/C".parse().unwrap();
    let answer = service.oneshot(request).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::Unavailable, NO_ANSWER)
    );
}

#[tokio::test]
async fn a_server_whose_queue_is_full_is_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let silent = UnixSocket::new_stream().unwrap();
    silent.bind(folder.path().join(SOCKET)).unwrap();
    let _silent = silent.listen(0).unwrap();
    let _first = UnixStream::connect(folder.path().join(SOCKET))
        .await
        .unwrap();
    let refused = connect(folder.path()).await.err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn connections_without_calls_do_not_keep_others_out_for_ever() {
    let folder = TempDir::new().unwrap();
    let mut socket = ControlSocket::bind(folder.path()).unwrap();
    socket.idle_limit = Duration::from_millis(1);
    let served = Served::start(socket);
    let mut idle = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        let stream = UnixStream::connect(folder.path().join(SOCKET)).await;
        idle.push(stream.unwrap());
    }
    for mut stream in idle {
        // The server hangs up, on the one that had to wait for a place too.
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
    served.stop().await;
}

#[tokio::test]
async fn a_connection_with_a_call_in_flight_is_not_idle() {
    let (calls, in_flight) = watch::channel(0);
    let call = InFlight::count(&calls);
    let mut idle = pin!(idle(in_flight, Duration::ZERO));
    assert!(timeout(Duration::ZERO, idle.as_mut()).await.is_err());
    drop(call);
    idle.await;
}

#[test]
fn a_client_speaks_to_the_user_that_runs_the_server_alone() {
    assert_eq!(servers_users(1000, 1000), [1000, 1000]);
    // Not to whoever has the folder, nor to root: neither is the one who was asked to run it.
    assert_eq!(servers_users(1000, 1001), [1000, 1000]);
    assert_eq!(servers_users(ROOT, 1000), [ROOT, 1000]);
}
