//! Servers of others, and names of theirs, on this machine.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair,
    generate_simple_self_signed,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::{
    env::Env,
    outbound::{Bounds, Document, FetchError, FetchErrorKind, Options, Outbound, connect::Resolve},
};

/// The room with these options. A name that is looked up has these addresses.
pub(super) async fn outbound(options: Options, addresses: &[&str]) -> Outbound {
    let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    resolving(
        options,
        Arc::new(move |_| {
            let found = addresses.clone();
            Box::pin(async { Ok(found) })
        }),
    )
    .await
}

/// The room with these options and this resolver.
pub(super) async fn resolving(options: Options, resolve: Resolve) -> Outbound {
    Outbound {
        resolve,
        ..Outbound::new(options, Env::system()).await.unwrap()
    }
}

/// Options of a server that is itself on loopback.
pub(super) fn on_loopback() -> Options {
    Options {
        loopback: true,
        ..Options::default()
    }
}

/// Options with this network allowed.
pub(super) fn allowing(network: &str) -> Options {
    Options {
        allow_networks: vec![network.parse().unwrap()],
        ..Options::default()
    }
}

pub(super) async fn get(outbound: &Outbound, url: &str) -> Result<Document, FetchError> {
    let url = Url::parse(url).unwrap();
    outbound.get(&url, None, Bounds::default()).await
}

/// Why nothing came of it.
pub(super) async fn failure(outbound: &Outbound, url: &str) -> FetchErrorKind {
    get(outbound, url).await.unwrap_err().kind
}

/// What a server does when it has answered.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Closes as it should.
    Close,
    /// Closes the socket, in TLS without saying so.
    Cut,
    /// Says nothing more.
    Hang,
}

/// A server with one answer.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The requests that came, as text; an empty one for a connection that brought none.
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server in plain HTTP.
    pub(super) async fn plain(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        Self::start(listener("127.0.0.1:0").await, None, answer.into(), then)
    }

    pub(super) fn start(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        answer: Vec<u8>,
        then: Then,
    ) -> Self {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let address = listener.local_addr().unwrap();
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, answer, seen) = (tls.clone(), answer.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let served = match tls {
                        None => respond(stream, &answer, then).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => respond(stream, &answer, then).await,
                            Err(_) => String::new(),
                        },
                    };
                    seen.lock().unwrap().push(served);
                });
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests that were answered.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one request, answers, and gives the request.
async fn respond(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &[u8],
    then: Then,
) -> String {
    let request = read_request(&mut stream).await;
    // A client that has enough goes away.
    let _ = stream.write_all(answer).await;
    let _ = stream.flush().await;
    match then {
        Then::Close => {
            let _ = stream.shutdown().await;
        }
        Then::Cut => {}
        Then::Hang => std::future::pending().await,
    }
    request
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

pub(super) async fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).await.unwrap()
}

/// A server that nobody may reach, on every address of this machine.
pub(super) struct Canary {
    pub(super) port: u16,
    peers: mpsc::UnboundedReceiver<SocketAddr>,
    task: JoinHandle<()>,
}

impl Canary {
    pub(super) async fn everywhere() -> Self {
        Self::at(listener("[::]:0").await)
    }

    pub(super) fn at(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (sender, peers) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((_, peer)) = listener.accept().await {
                sender.send(canonical(peer)).unwrap();
            }
        });
        Self { port, peers, task }
    }

    /// How many connections came. Connections are accepted in their order, so that one of our own is the last.
    pub(super) async fn hits(mut self) -> usize {
        let own = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let own = own.local_addr().unwrap();
        let mut hits = 0;
        while self.peers.recv().await.unwrap() != own {
            hits += 1;
        }
        self.task.abort();
        hits
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An authority that others do not know.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate in a file.
    pub(super) fn file(&self) -> NamedTempFile {
        file(&self.0.pem())
    }

    /// TLS with a certificate for this name, or for this address.
    pub(super) fn tls_for(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, issuer)
            .unwrap();
        acceptor(certificate.der().clone(), &key)
    }

    /// Options that trust it, with this network allowed.
    pub(super) fn trusted(file: &NamedTempFile, network: &str) -> Options {
        Options {
            trusted_roots_file: Some(file.path().to_owned()),
            ..allowing(network)
        }
    }
}

/// TLS with a certificate for this name that nobody has signed.
pub(super) fn self_signed(name: &str) -> TlsAcceptor {
    let made = generate_simple_self_signed([name.to_owned()]).unwrap();
    acceptor(made.cert.der().clone(), &made.signing_key)
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config).into()
}

pub(super) fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    io::Write::write_all(&mut file.as_file(), text.as_bytes()).unwrap();
    file
}

/// A whole answer with this body.
pub(super) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}
