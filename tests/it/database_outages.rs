//! A network between the server and Postgres that swallows everything, and comes back.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use countersign::{
    error::Reason,
    model::id::AccountId,
    pb::v1::{CheckAccessRequest, DeleteSessionRequest},
};
use sea_orm::ConnectionTrait as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Barrier, Notify, watch},
    time::timeout,
};

use crate::{
    store_contract::{Base, on_postgres},
    support::{TestApp, all_at_once, reason, with_bearer},
};

const CONNECTIONS: u32 = 4;
/// More calls than connections.
const CALLS: usize = 12;

/// A network that can be cut without either end being told. What was connected before stays dead.
#[derive(Clone)]
pub(crate) struct Network {
    address: SocketAddr,
    outages: Arc<watch::Sender<u32>>,
    loses_commit: Arc<AtomicBool>,
}

impl Network {
    /// A network, and the URL of the database behind it.
    pub(crate) async fn before_database(base: &Base) -> (Self, String) {
        let mut url = url::Url::parse(&base.url().unwrap()).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let mut servers = tokio::net::lookup_host(server).await.unwrap();
        let network = Self::before(servers.next().unwrap()).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(network.address.port())).unwrap();
        (network, url.to_string())
    }

    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let network = Self {
            address: listener.local_addr().unwrap(),
            outages: Arc::new(watch::Sender::new(0)),
            loses_commit: Arc::default(),
        };
        let this = network.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let this = this.clone();
                tokio::spawn(async move { this.forward(client, server).await });
            }
        });
        network
    }

    async fn forward(&self, mut client: TcpStream, server: SocketAddr) {
        let mut outages = self.outages.subscribe();
        if !is_down(*outages.borrow_and_update()) {
            let mut server = TcpStream::connect(server).await.unwrap();
            tokio::select! {
                // What comes after the cut passes no more.
                biased;
                _ = outages.changed() => {}
                () = self.pass_on(&mut client, &mut server) => return,
            }
            // Neither end hears of it: both sockets stay open, and nobody reads them.
            std::future::pending::<()>().await;
        }
        std::future::pending::<()>().await;
    }

    /// Until one end closes, or the answer to a commit is lost.
    async fn pass_on(&self, client: &mut TcpStream, server: &mut TcpStream) {
        let (mut said, mut answer) = ([0; 16_384], [0; 16_384]);
        loop {
            tokio::select! {
                read = client.read(&mut said) => {
                    let Ok(length @ 1..) = read else { return };
                    server.write_all(&said[..length]).await.unwrap();
                    let commits = said[..length].windows(7).any(|word| word == b"COMMIT\0");
                    if commits && self.loses_commit.swap(false, Relaxed) {
                        assert!(server.read(&mut answer).await.unwrap() > 0);
                        self.cut();
                        return;
                    }
                }
                read = server.read(&mut answer) => {
                    let Ok(length @ 1..) = read else { return };
                    if client.write_all(&answer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Closes the connection of the next commit when Postgres has answered it, and is down from then on.
    fn lose_next_commit(&self) {
        self.loses_commit.store(true, Relaxed);
    }

    pub(crate) fn cut(&self) {
        self.outages.send_modify(|count| *count += 1);
    }

    pub(crate) fn mend(&self) {
        self.cut();
    }
}

/// An odd count: the network is down.
fn is_down(count: u32) -> bool {
    count % 2 == 1
}

/// A server whose database lies behind a network.
async fn behind_network(base: &Base) -> (TestApp, Network) {
    let (network, url) = Network::before_database(base).await;
    let app = TestApp::with(|config| {
        config.database.url = url.into();
        config.database.connections = CONNECTIONS;
    })
    .await;
    (app, network)
}

/// Every connection is in use, and every one of them is swallowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_holds_no_connection_for_good() {
    on_postgres(|base| async move {
        let (app, network) = behind_network(&base).await;
        let everybody = (0..CALLS).map(|n| format!("person{n}@example.com"));
        let everybody: Vec<String> = everybody.collect();
        let sign_ups = everybody
            .iter()
            .map(|email| app.try_sign_up(email, "correct horse battery"));
        for signed_up in all_at_once(sign_ups).await {
            signed_up.unwrap();
        }

        network.cut();
        // Callers that wait, and others that go away while their statement is under way.
        let reads = (0..CALLS).map(|_| app.parts.store.ping());
        let writes = everybody
            .iter()
            .map(|email| app.try_log_in(email, "correct horse battery"));
        let (reads, writes, _) = timeout(Duration::from_secs(20), async {
            tokio::join!(
                all_at_once(reads),
                all_at_once(writes),
                all_at_once(
                    (0..CALLS).map(|_| timeout(Duration::from_millis(200), app.parts.store.ping()))
                )
            )
        })
        .await
        .expect("something waits without an end");
        for read in reads {
            assert_eq!(read.unwrap_err().reason(), Reason::StorageUnavailable);
        }
        for write in writes {
            assert_eq!(reason(&write.unwrap_err()), "STORAGE_UNAVAILABLE");
        }

        network.mend();
        let log_ins = everybody
            .iter()
            .map(|email| app.try_log_in(email, "correct horse battery"));
        let log_ins = timeout(Duration::from_secs(5), all_at_once(log_ins)).await;
        for logged_in in log_ins.expect("the database is not used again within 5 s of the network")
        {
            logged_in.unwrap();
        }
    })
    .await;
}

/// A short outage while nobody calls: connections that rest are dead without anybody having noticed.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_at_rest_are_replaced_at_once() {
    on_postgres(|base| async move {
        let (app, network) = behind_network(&base).await;
        let pings = all_at_once((0..CALLS).map(|_| app.parts.store.ping())).await;
        assert!(pings.into_iter().all(|ping| ping.is_ok()));
        network.cut();
        network.mend();
        // They are tried out when they have rested for a second; before that, the first one fails.
        let first = timeout(Duration::from_secs(5), app.parts.store.ping()).await;
        drop(first.expect("a wait without an end"));
        for _ in 0..2 * CONNECTIONS {
            let ping = timeout(Duration::from_secs(2), app.parts.store.ping()).await;
            ping.expect("a dead connection was lent").unwrap();
        }
    })
    .await;
}

/// One limit, and not another one for its rollback.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_swallowed_is_waited_for_once() {
    on_postgres(|base| async move {
        let (app, network) = behind_network(&base).await;
        let write = app.parts.store.write(move |tx| {
            Box::pin(async move {
                tx.has_administrator().await?;
                network.cut();
                tx.has_administrator().await
            })
        });
        let written = timeout(Duration::from_secs(6), write).await;
        let refused = written.expect("it waits for its rollback").unwrap_err();
        assert_eq!(refused.reason(), Reason::StorageUnavailable);
    })
    .await;
}

/// What is begun must be undone, and that has a limit, too.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_cut_off_come_to_an_end() {
    on_postgres(|base| async move {
        let (app, network) = behind_network(&base).await;
        let store = app.parts.store.clone();
        let mut transactions = Vec::new();
        for _ in 0..CONNECTIONS {
            let store = store.clone();
            let begun = Arc::new(Notify::new());
            let has_begun = Arc::clone(&begun);
            let transaction = tokio::spawn(async move {
                store
                    .write(move |tx| {
                        Box::pin(async move {
                            tx.has_administrator().await?;
                            begun.notify_one();
                            std::future::pending::<countersign::error::Result<()>>().await
                        })
                    })
                    .await
            });
            has_begun.notified().await;
            transactions.push(transaction);
        }
        network.cut();
        for transaction in transactions {
            transaction.abort();
        }
        network.mend();
        let ping = timeout(Duration::from_secs(5), store.ping()).await;
        ping.expect("a rollback holds a connection").unwrap();
    })
    .await;
}

/// Nobody knows whether such a commit has happened. What it could have ended is asked for again; all else is served
/// from memory on, or every outage would end in a stampede.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_forgets_what_it_could_have_ended_alone() {
    on_postgres(|base| async move {
        let (app, network) = behind_network(&base).await;
        let ann = app.sign_up("ann").await;
        let (lost, kept) = (ann.logs_in().await, ann.logs_in().await);
        assert!(lost.is_in().await && kept.is_in().await);
        network.lose_next_commit();
        let name = lost.session.clone();
        let revoke = with_bearer(DeleteSessionRequest { name }, &kept.tokens.access_token);
        let refused = app.sessions().delete_session(revoke).await.unwrap_err();
        assert_eq!(reason(&refused), "STORAGE_UNAVAILABLE");
        // The network is down: only what is remembered passes on to the rules, of which there are none.
        let check = CheckAccessRequest {
            method: "GET".to_owned(),
            path: "/".to_owned(),
        };
        let check = with_bearer(check, &kept.tokens.access_token);
        let mut authorization = app.authorization();
        let checked = timeout(Duration::from_secs(1), authorization.check_access(check)).await;
        let denied = checked.expect("a session that did not end was forgotten");
        assert_eq!(reason(&denied.unwrap_err()), "PERMISSION_DENIED");
        network.mend();
        assert!(!lost.is_in().await, "what was committed was not noticed");
        assert!(kept.is_in().await);
    })
    .await;
}

/// A server that has become a standby says so to a write; its connections are made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_session_is_not_lent_again() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| {
            base.configure(config);
            config.database.connections = 1;
        })
        .await;
        let by_hand = base.postgres_by_hand().await.unwrap();
        let make = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                    current_database()); END $$";
        by_hand.execute_unprepared(make).await.unwrap();
        by_hand.execute_unprepared(END_ALL_OTHERS).await.unwrap();
        let _ = app.parts.store.ping().await;
        let refused = app.try_sign_up("ann@example.com", "correct horse battery").await;
        assert_eq!(reason(&refused.unwrap_err()), "STORAGE_UNAVAILABLE");
        let writable = format!("{}?options=-c%20default_transaction_read_only%3Doff", base.url().unwrap());
        let by_hand = sea_orm::Database::connect(writable).await.unwrap();
        let undo = make.replace("SET default_transaction_read_only = on", "RESET default_transaction_read_only");
        by_hand.execute_unprepared(&undo).await.unwrap();
        app.try_sign_up("ann@example.com", "correct horse battery").await.unwrap();
    })
    .await;
}

const END_ALL_OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                              WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// As when Postgres restarts, or another server takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_use_case_whose_connection_is_closed_before_its_commit_is_begun_again() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| base.configure(config)).await;
        let by_hand = Arc::new(base.postgres_by_hand().await.unwrap());
        let begun = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&begun);
        let write = app.parts.store.write(move |tx| {
            Box::pin(async move {
                tx.lock_administrators().await?;
                if count.fetch_add(1, Relaxed) == 0 {
                    let ended = by_hand.execute_unprepared(END_ALL_OTHERS).await;
                    ended.unwrap();
                }
                tx.has_administrator().await
            })
        });
        assert!(!write.await.unwrap());
        assert_eq!(begun.load(Relaxed), 2);
    })
    .await;
}

/// What is read by itself is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_connection_is_closed_at_rest_is_done_again() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| base.configure(config)).await;
        let by_hand = base.postgres_by_hand().await.unwrap();
        let ann = app.sign_up("ann").await.logs_in().await;
        by_hand.execute_unprepared(END_ALL_OTHERS).await.unwrap();
        assert!(app.opens(&ann.tokens.access_token).await);
    })
    .await;
}

/// Postgres ends one of two that wait for each other; its use case is begun again.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_nobodys_error() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| base.configure(config)).await;
        let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
        let ids = [&ann, &bob].map(|it| it.account["accounts/".len()..].parse().unwrap());
        let both = Arc::new(Barrier::new(2));
        let begun = Arc::new(AtomicU32::new(0));
        let crossing = |first: AccountId, second: AccountId| {
            let (both, begun) = (Arc::clone(&both), Arc::clone(&begun));
            app.parts.store.write(move |tx| {
                Box::pin(async move {
                    tx.lock_account(first).await?;
                    if begun.fetch_add(1, Relaxed) < 2 {
                        both.wait().await;
                    }
                    tx.lock_account(second).await
                })
            })
        };
        let [ann, bob] = ids;
        let (one, other) = tokio::join!(crossing(ann, bob), crossing(bob, ann));
        assert!(one.unwrap().is_some() && other.unwrap().is_some());
        assert_eq!(begun.load(Relaxed), 3);
    })
    .await;
}
