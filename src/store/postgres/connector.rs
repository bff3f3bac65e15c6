//! Makes connections: to which server, in what state, and which of them are still good.

use std::{
    fmt,
    path::Path,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sea_orm::{
    SqlxError, SqlxPostgresConnector,
    sqlx::{
        self, ConnectOptions as _, Connection as _, PgConnection, Row as _,
        postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgSslMode},
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::failure::Failure;
use crate::{
    model::postgres_url::{Address, Host, PostgresUrl, Tls, TlsMode},
    store::{connect::ConnectError, schema::Migration},
};

/// How long to wait for one server, where the URL does not say.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A connection that was lent so long ago is tried out before it is lent again.
const TEST_AFTER: Duration = Duration::from_secs(1);
/// How long that may take.
const TEST_LIMIT: Duration = Duration::from_secs(1);
/// The age at which a connection is replaced, so that a new address of the server is found.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);
/// How many statements each connection keeps prepared.
const STATEMENTS: usize = 200;

/// What Postgres is told to end by itself: statements that take too long, and transactions in which nothing
/// happens, for their client has vanished. In milliseconds.
const LIMITS: [(&str, &str); 2] = [
    ("statement_timeout", "4000"),
    ("idle_in_transaction_session_timeout", "3000"),
];
/// A parameter of no meaning, by which a session shows that it took those of its start.
const MARK: (&str, &str) = ("countersign.session", "1");
/// Conditional statements are written for this isolation: each sees what was committed before it.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Where servers of the same machine put their sockets: Debian, and Postgres as it comes.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A connection to Postgres.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) raw: PgConnection,
    /// When it was made, in losses.
    generation: u64,
}

/// Knows the servers of a database.
pub(super) struct Connector {
    servers: Vec<PgConnectOptions>,
    /// The server that was good last.
    preferred: AtomicUsize,
    /// Run-time parameters from the URL.
    options: Vec<(String, String)>,
    /// Whether a server must take writes.
    writable: bool,
    /// How long to wait for one server.
    limit: Duration,
    /// Whether there is a pooler in between, which keeps no session for us.
    is_pooled: bool,
    /// What begins a transaction.
    begin: String,
    /// How often a connection was lost. Those that are older are not lent again.
    generation: AtomicU64,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The servers hold the password.
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// Connects once, to see what stands between.
    pub(super) async fn find(url: &PostgresUrl) -> Result<Self, ConnectError> {
        let mut connector = Self::new(url)?;
        let keeps_sessions = match connector.create().await {
            Ok(mut connection) => connector.has_mark(&mut connection.raw).await?,
            Err(failure) if failure.refuses_parameters() => false,
            Err(failure) => return Err(failure.into()),
        };
        if !keeps_sessions {
            connector.is_pooled = true;
            connector.begin = format!("{BEGIN}; {}", set_locally(&connector.parameters(&LIMITS)));
            connector.try_transaction().await?;
            tracing::info!(
                "a pooler stands before Postgres: every statement is run in a transaction"
            );
        }
        Ok(connector)
    }

    /// Begins a transaction, as every statement will.
    async fn try_transaction(&self) -> Result<(), ConnectError> {
        let mut connection = self.create().await?;
        let begin = sqlx::raw_sql(sqlx::AssertSqlSafe(self.begin.as_str()));
        let begun = timeout(self.limit, begin.execute(&mut connection.raw))
            .await
            .map_err(|_| Failure::no_answer())?;
        match begun.map_err(|cause| Failure::from(&cause)) {
            Ok(_) => Ok(()),
            Err(failure) if failure.refuses_parameters() => Err(ConnectError::Unsuitable {
                what: "the pooler before it takes no transactions".to_owned(),
                advice: "set pool_mode to transaction or session in PgBouncer, or name Postgres itself in the database URL",
            }),
            Err(failure) => Err(failure.into()),
        }
    }

    fn new(url: &PostgresUrl) -> Result<Self, ConnectError> {
        let servers = url.hosts.iter().map(|host| settings(url, host));
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            preferred: AtomicUsize::new(0),
            options: url.options.clone(),
            writable: url.writable,
            limit: url.connect_timeout.unwrap_or(CONNECT_LIMIT),
            is_pooled: false,
            begin: BEGIN.to_owned(),
            generation: AtomicU64::new(0),
        })
    }

    /// Whether no session is kept for us beyond a transaction.
    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// What begins a transaction.
    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// A connection without limits of the server.
    pub(super) async fn for_migration(&self) -> Result<Migration, ConnectError> {
        let pool = self.single().await?;
        let no_limits = LIMITS.map(|(name, _)| (name, "0"));
        // Names of prepared statements that a pooler has from others would stand in the way.
        let forget = self.is_pooled.then(|| "DEALLOCATE ALL".to_owned());
        let set = set_locally(&self.parameters(&no_limits));
        Ok(Migration {
            connection: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            begin: forget.iter().cloned().chain([set]).collect(),
            end: forget.into_iter().collect(),
        })
    }

    /// A connection of its own that can listen.
    pub(super) async fn listener(&self) -> Result<PgListener, Failure> {
        let listener = PgListener::connect_with(&self.single().await?).await;
        listener.map_err(|cause| Failure::from(&cause))
    }

    /// sqlx' own pool, of one connection to the server that was good last.
    async fn single(&self) -> Result<PgPool, Failure> {
        let mut server = self.server(self.preferred.load(Relaxed))?.clone();
        if !self.is_pooled {
            server = server.options(self.options.iter().cloned());
        }
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.limit)
            .test_before_acquire(false)
            .connect_with(server)
            .await
            .map_err(|cause| Failure::from(&cause))
    }

    /// How often a connection was lost.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Notes that a connection was lost.
    pub(super) fn lose(&self, connection: &Connection) {
        self.generation
            .fetch_max(connection.generation.saturating_add(1), Relaxed);
    }

    /// These parameters, and those of the URL, which win.
    fn parameters<'a>(&'a self, ours: &'a [(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let theirs = self.options.iter();
        let theirs = theirs.map(|(name, value)| (name.as_str(), value.as_str()));
        ours.iter().copied().chain(theirs).collect()
    }

    fn server(&self, at: usize) -> Result<&PgConnectOptions, Failure> {
        self.servers.get(at).ok_or_else(Failure::no_server)
    }

    async fn connect(&self, at: usize) -> Result<PgConnection, Failure> {
        let mut server = self.server(at)?.clone();
        if !self.is_pooled {
            let [first, second] = LIMITS;
            server = server.options(self.parameters(&[first, second, MARK]));
        }
        let connected = timeout(self.limit, async {
            let mut connection = server.connect().await?;
            if self.writable && show(&mut connection, "transaction_read_only").await? == "on" {
                return Ok(None);
            }
            Ok::<_, SqlxError>(Some(connection))
        });
        match connected.await {
            Ok(Ok(Some(connection))) => Ok(connection),
            Ok(Ok(None)) => Err(Failure::read_only()),
            Ok(Err(cause)) => Err(Failure::from(&cause)),
            Err(_) => Err(Failure::no_answer()),
        }
    }

    async fn has_mark(&self, connection: &mut PgConnection) -> Result<bool, ConnectError> {
        let sql = "SELECT coalesce(current_setting('countersign.session', true), '')";
        let row = timeout(self.limit, sqlx::raw_sql(sql).fetch_one(connection))
            .await
            .map_err(|_| Failure::no_answer())?;
        let value = row.and_then(|row| row.try_get::<String, _>(0));
        Ok(value.map_err(|cause| Failure::from(&cause))? == MARK.1)
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = Failure;

    /// Tries every server once, the one that was good last first.
    async fn create(&self) -> Result<Connection, Failure> {
        let generation = self.generation.load(Relaxed);
        let (first, count) = (self.preferred.load(Relaxed), self.servers.len());
        let mut failure = Failure::no_server();
        for at in (0..count).map(|step| (first + step) % count) {
            match self.connect(at).await {
                Ok(raw) => {
                    self.preferred.store(at, Relaxed);
                    return Ok(Connection { raw, generation });
                }
                Err(cause) => failure = cause,
            }
        }
        Err(failure)
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<Failure> {
        let is_old = connection.generation < self.generation.load(Relaxed);
        if is_old || metrics.age() > LONGEST_LIFE {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() < TEST_AFTER {
            return Ok(());
        }
        match timeout(TEST_LIMIT, connection.raw.ping()).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                self.lose(connection);
                Err(RecycleError::message("lost"))
            }
        }
    }
}

async fn show(connection: &mut PgConnection, parameter: &'static str) -> Result<String, SqlxError> {
    let sql = format!("SHOW {parameter}");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(connection);
    row.await?.try_get(0)
}

/// A statement that sets parameters until the end of the transaction.
fn set_locally(parameters: &[(&str, &str)]) -> String {
    let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', "''");
    let calls: Vec<String> = parameters
        .iter()
        .map(|(name, value)| {
            format!(
                "set_config(E'{}', E'{}', true)",
                quoted(name),
                quoted(value)
            )
        })
        .collect();
    format!("SELECT {}", calls.join(", "))
}

/// How to reach one server. Nothing comes from a password file. Of libpq's variables, what sqlx reads is
/// overwritten, but for `PGUSER` where the URL names no user, and the files of certificates.
fn settings(url: &PostgresUrl, host: &Host) -> Result<PgConnectOptions, ConnectError> {
    let settings = PgConnectOptions::new_without_pgpass();
    if settings.get_options().is_some() {
        return Err(ConnectError::StrayOptions);
    }
    let user = match &url.user {
        Some(user) => user.clone(),
        None => settings.get_username().to_owned(),
    };
    let password = url
        .password
        .as_ref()
        .map_or("", |password| password.expose_secret());
    let settings = settings
        .port(host.port)
        .username(&user)
        .password(password)
        .database(url.database.as_ref().unwrap_or(&user))
        .application_name(url.application_name.as_deref().unwrap_or("countersign"))
        // A pooler would refuse it, and no column is a float.
        .extra_float_digits(None)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    Ok(match &host.address {
        Address::Tcp(name) => with_tls(settings.host(name), &url.tls),
        // Nobody listens in on a socket.
        Address::Folder(folder) => settings.socket(folder).ssl_mode(PgSslMode::Disable),
        Address::Local => settings
            .socket(local_folder(host.port))
            .ssl_mode(PgSslMode::Disable),
    })
}

fn local_folder(port: u16) -> &'static str {
    let has_socket = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_FOLDERS
        .into_iter()
        .find(has_socket)
        .unwrap_or(SOCKET_FOLDERS[0])
}

fn with_tls(settings: PgConnectOptions, tls: &Tls) -> PgConnectOptions {
    let mut settings = settings.ssl_mode(match tls.mode {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    });
    if let Some(file) = &tls.root_certificate {
        settings = settings.ssl_root_cert(file);
    }
    if let Some((certificate, key)) = &tls.identity {
        settings = settings.ssl_client_cert(certificate).ssl_client_key(key);
    }
    settings
}
