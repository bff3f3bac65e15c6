//! How long a request may take, and how many there are at once.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
};
use url::Url;

use super::support::*;
use crate::outbound::{
    Bounds, FetchErrorKind, Options, Outbound,
    connect::Resolve,
    slots::{ADMITTED, ADMITTED_PER_HOST, IN_ALL, PER_HOST},
};

/// So short that nobody waits for it, and long enough for this machine to get where the other end says nothing more.
const SHORT: Bounds = Bounds {
    time: Duration::from_millis(100),
    bytes: 1024,
};

async fn is_too_slow(outbound: &Outbound, url: &str) -> bool {
    let url = Url::parse(url).unwrap();
    let got = outbound.get(&url, None, SHORT).await;
    matches!(got.unwrap_err().kind, FetchErrorKind::TooSlow(time) if time == SHORT.time)
}

#[tokio::test]
async fn one_deadline_holds_from_the_name_to_the_last_byte() {
    let outbound = outbound(on_loopback(), &[]).await;
    for answer in [
        "",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1",
    ] {
        let server = Server::plain(answer, Then::Hang).await;
        assert!(is_too_slow(&outbound, &server.url()).await, "{answer}");
    }
    // Nobody accepts, so that TLS never begins.
    let silent = listener("127.0.0.1:0").await;
    let address = silent.local_addr().unwrap();
    assert!(is_too_slow(&outbound, &format!("https://{address}/")).await);
}

#[tokio::test]
async fn a_name_that_is_not_resolved_in_time_is_given_up() {
    let never: Resolve = Arc::new(|_| Box::pin(pending()));
    let outbound = resolving(Options::default(), never).await;
    assert!(is_too_slow(&outbound, "https://client.example/").await);
}

#[tokio::test]
async fn an_address_that_takes_no_connection_leaves_it_to_the_next() {
    let authority = Authority::new();
    let file = authority.file();
    let listener = listener("127.0.0.2:0").await;
    let tls = Some(authority.tls_for("client.example"));
    let server = Server::start(listener, tls, ok("{}").into(), Then::Close);
    let options = Authority::trusted(&file, "127.0.0.0/8");
    let outbound = outbound(options, &["127.0.0.3", "127.0.0.2"]).await;
    let url = format!("https://client.example:{}/", server.port());
    assert_eq!(get(&outbound, &url).await.unwrap().body, "{}");
}

/// A room in which no name is resolved before the gate is open, and the names that were asked for.
struct Waiting {
    outbound: Arc<Outbound>,
    asked: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
    requests: JoinSet<FetchErrorKind>,
}

impl Waiting {
    async fn new() -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let gate = Arc::new(Semaphore::new(0));
        let (names, open) = (Arc::clone(&asked), Arc::clone(&gate));
        let resolve: Resolve = Arc::new(move |name| {
            names.lock().unwrap().push(name);
            let open = Arc::clone(&open);
            Box::pin(async move {
                let _open = open.acquire().await;
                Err(io::ErrorKind::NotFound.into())
            })
        });
        Self {
            outbound: Arc::new(resolving(Options::default(), resolve).await),
            asked,
            gate,
            requests: JoinSet::new(),
        }
    }

    /// Starts requests to this host, and lets them go as far as they can.
    async fn start(&mut self, requests: usize, host: &str) {
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        for _ in 0..requests {
            let (outbound, url) = (Arc::clone(&self.outbound), url.clone());
            self.requests.spawn(async move {
                let got = outbound.get(&url, None, Bounds::default()).await;
                got.unwrap_err().kind
            });
        }
        for _ in 0..10 {
            yield_now().await;
        }
    }

    fn asked_for(&self, host: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|name| *name == host).count()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Opens the gate, and gives what came of every request.
    async fn finish(self) -> Vec<FetchErrorKind> {
        self.gate.add_permits(ADMITTED);
        self.requests.join_all().await
    }
}

#[tokio::test]
async fn requests_to_one_host_wait_for_each_other_and_not_others_for_them() {
    let mut waiting = Waiting::new().await;
    waiting.start(PER_HOST + 3, "one.example").await;
    waiting.start(1, "two.example").await;
    assert_eq!(waiting.asked_for("one.example"), PER_HOST);
    assert_eq!(waiting.asked_for("two.example"), 1);

    // One spelling counts as another.
    waiting.start(1, "ONE.example.").await;
    assert_eq!(waiting.asked_for("one.example"), PER_HOST);

    let ended = waiting.finish().await;
    assert_eq!(ended.len(), PER_HOST + 5);
    for kind in ended {
        assert!(matches!(kind, FetchErrorKind::Unresolved(_)), "{kind}");
    }
}

#[tokio::test]
async fn so_many_requests_are_under_way_in_all() {
    let mut waiting = Waiting::new().await;
    for host in 0..=IN_ALL / PER_HOST {
        waiting
            .start(PER_HOST, &format!("host{host}.example"))
            .await;
    }
    assert_eq!(waiting.asked(), IN_ALL);
    let asked = Arc::clone(&waiting.asked);
    waiting.finish().await;
    assert_eq!(asked.lock().unwrap().len(), IN_ALL + PER_HOST);
}

#[tokio::test]
async fn more_than_can_wait_fail_at_once() {
    let mut waiting = Waiting::new().await;
    waiting.start(ADMITTED_PER_HOST, "host0.example").await;
    // No more for one host, while others have places.
    let failed = failure(&waiting.outbound, "https://host0.example/").await;
    assert!(matches!(failed, FetchErrorKind::Busy), "{failed}");
    for host in 1..ADMITTED / ADMITTED_PER_HOST {
        let host = format!("host{host}.example");
        waiting.start(ADMITTED_PER_HOST, &host).await;
    }
    let failed = failure(&waiting.outbound, "https://two.example/").await;
    assert!(matches!(failed, FetchErrorKind::Busy), "{failed}");
    assert!(!failed.to_string().is_empty());

    let outbound = Arc::clone(&waiting.outbound);
    waiting.finish().await;
    let failed = failure(&outbound, "https://two.example/").await;
    assert!(matches!(failed, FetchErrorKind::Unresolved(_)), "{failed}");
}

#[tokio::test]
async fn the_wait_for_a_place_is_within_the_deadline() {
    let mut waiting = Waiting::new().await;
    waiting.start(PER_HOST, "one.example").await;
    assert!(is_too_slow(&waiting.outbound, "https://one.example/").await);
}
