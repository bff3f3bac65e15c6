//! The control socket: how `countersign admin` reaches a server that has the database to itself.
//!
//! Whoever connects to it may do anything to any account. So the file is for its owner alone, and the kernel
//! is asked who is at the other end (`SO_PEERCRED`): the user that runs the server, or root. Both can read
//! the database anyway.

use std::{
    convert::Infallible,
    fs::{self, File, Permissions},
    future::Future,
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, client::conn::http2::SendRequest, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tower::ServiceExt as _;

use super::{
    ACCEPT_PAUSE, complain, dispatch::GrpcService, drain, http, options::ServerOptions, report,
};

/// The name of the socket in the data folder.
const SOCKET: &str = "control.sock";
/// Its name until it is for the owner alone. No longer than the other one, so that both paths fit or neither.
const DRAFT: &str = "control.new";
/// Read and write by the owner alone.
const MODE: u32 = 0o600;
/// The longest path of a socket, in bytes: `sun_path` has 108, and the last one is zero (unix(7)).
const LONGEST_PATH: usize = 107;
/// How many connections are open at once; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may stay without a call in flight, so that forgotten ones do not fill their places
/// for ever. Long enough for somebody to read what they are asked to confirm.
const IDLE_LIMIT: Duration = Duration::from_secs(300);
/// How long a stop waits for calls in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client waits for a whole answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer that a client reads, in bytes: a page of the largest accounts has room in it.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;
/// What is said when a time is over.
const NO_ANSWER: &str = "the server does not answer";
const ROOT: u32 = 0;

/// A bound control socket.
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
    /// The users who may connect.
    users: [u32; 2],
    idle_limit: Duration,
}

/// The name in the file system, which goes with the socket.
struct SocketFile {
    path: PathBuf,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

impl ControlSocket {
    /// Listens in this folder, in place of a socket that an earlier server has left there. The folder must be
    /// this process's own (its lock is held): nobody else listens in it.
    ///
    /// # Errors
    /// The folder takes no sockets.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let short = ShortPath::of(folder)?;
        let (path, draft) = (short.path.join(SOCKET), short.path.join(DRAFT));
        match fs::remove_file(&draft) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        // Under its real name it is never open to others, not even for a moment.
        let listener = UnixListener::bind(&draft)?;
        fs::set_permissions(&draft, Permissions::from_mode(MODE))?;
        fs::rename(&draft, &path)?;
        Ok(Self {
            listener,
            file: SocketFile {
                path: folder.join(SOCKET),
            },
            users: [ROOT, rustix::process::geteuid().as_raw()],
            idle_limit: IDLE_LIMIT,
        })
    }

    /// Serves until `shutdown`, then removes the socket and lets calls in flight finish, but not for long.
    pub async fn serve(self, service: GrpcService, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            file,
            users,
            idle_limit,
        } = self;
        let stop = CancellationToken::new();
        let mut connections = JoinSet::new();
        let mut failures = 0;
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => report(ended),
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) if is_one_of(&users, &stream) => {
                        connections.spawn(speak(stream, service.clone(), idle_limit, stop.clone()));
                    }
                    Ok(_) => tracing::warn!("another user connected to the control socket; refused"),
                    Err(cause) => {
                        complain(&mut failures, &cause);
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop((listener, file));
        stop.cancel();
        drain(connections, DRAIN_TIMEOUT).await;
    }
}

/// Whether the other end is one of these users, as the kernel knows it.
fn is_one_of(users: &[u32], stream: &UnixStream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| users.contains(&peer.uid()))
}

async fn speak(
    stream: UnixStream,
    service: GrpcService,
    idle_limit: Duration,
    stop: CancellationToken,
) {
    let (calls, in_flight) = watch::channel(0);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let call = InFlight::count(&calls);
        let answer = service.clone().oneshot(request.map(Body::new));
        async move {
            let _call = call;
            answer.await
        }
    });
    let http2 = http::http2(&ServerOptions::default());
    let mut connection = pin!(http2.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        // Nothing is in flight, and a client that has not even begun would not hear a farewell.
        () = idle(in_flight, idle_limit) => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(cause) = ended {
        tracing::debug!(%cause, "a connection to the control socket broke");
    }
}

/// A call that is in flight until this is dropped.
struct InFlight(watch::Sender<usize>);

impl InFlight {
    fn count(calls: &watch::Sender<usize>) -> Self {
        calls.send_modify(|count| *count += 1);
        Self(calls.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Returns when no call has been in flight for so long.
async fn idle(mut in_flight: watch::Receiver<usize>, limit: Duration) {
    // The other end goes with the connection, and this with it.
    while in_flight.wait_for(|count| *count == 0).await.is_ok() {
        if timeout(limit, in_flight.changed()).await.is_err() {
            return;
        }
    }
}

/// Connects to the server that listens in this folder; none when no server does.
///
/// # Errors
/// There is a socket, but not for this user, or whoever is behind it is not the user that runs the server; or
/// it does not answer.
pub async fn connect(folder: &Path) -> io::Result<Option<GrpcService>> {
    let connected = timeout(CONNECT_TIMEOUT, connect_patiently(folder, CALL_TIMEOUT)).await;
    connected.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, NO_ANSWER))?
}

/// Connects; each call may take so long.
async fn connect_patiently(
    folder: &Path,
    call_timeout: Duration,
) -> io::Result<Option<GrpcService>> {
    let short = match ShortPath::of(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        short => short?,
    };
    let stream = match UnixStream::connect(short.path.join(SOCKET)).await {
        // Left by a server that was killed.
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        // Its queue is full.
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::Error::new(io::ErrorKind::TimedOut, NO_ANSWER));
        }
        stream => stream?,
    };
    let ourselves = rustix::process::geteuid().as_raw();
    let servers = servers_users(ourselves, fs::metadata(folder)?.uid());
    if !is_one_of(&servers, &stream) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the process behind it is another user's",
        ));
    }
    let (calls, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends with the last handle of `calls`; what breaks it is told to the call that it breaks.
    tokio::spawn(connection);
    let call = move |request: hyper::Request<Body>| {
        let answer = timeout(call_timeout, ask(calls.clone(), request));
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|_| unavailable(NO_ANSWER))) }
    };
    Ok(Some(GrpcService::new(tower::service_fn(call))))
}

/// Whom a client of this user takes for its server: itself. Root, who may do it for others, also whoever has
/// the data folder. Anybody else could have put a socket there to hear what an administrator wants.
fn servers_users(ourselves: u32, owner: u32) -> [u32; 2] {
    [ourselves, if ourselves == ROOT { owner } else { ourselves }]
}

/// The whole answer.
async fn ask(mut calls: SendRequest<Body>, request: hyper::Request<Body>) -> hyper::Response<Body> {
    let (head, body) = match calls.send_request(request).await {
        Ok(response) => response.into_parts(),
        Err(cause) => return unavailable(&cause.to_string()),
    };
    match Limited::new(body, LONGEST_ANSWER).collect().await {
        Ok(body) => hyper::Response::from_parts(head, Body::new(body)),
        Err(cause) => unavailable(&cause.to_string()),
    }
}

fn unavailable(why: &str) -> hyper::Response<Body> {
    Status::unavailable(why).into_http()
}

/// A folder under a name that leaves room for a socket in it: its own, or that of an open file, where its own
/// is too long.
struct ShortPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    fn of(folder: &Path) -> io::Result<Self> {
        if folder.join(SOCKET).as_os_str().len() <= LONGEST_PATH {
            return Ok(Self {
                path: folder.to_owned(),
                _folder: None,
            });
        }
        let folder = File::open(folder)?;
        Ok(Self {
            path: format!("/proc/self/fd/{}", folder.as_raw_fd()).into(),
            _folder: Some(folder),
        })
    }
}

#[cfg(test)]
mod tests;
