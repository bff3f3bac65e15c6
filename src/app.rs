//! The composition root: the only place that builds things.

mod access;
mod backup;
mod clients;
mod console;
pub mod data_dir;
mod descriptors;
mod doctor;
pub mod errors;
mod federation;
mod health;
mod metrics;
mod outbound;
mod parts;
mod pow;
mod start_error;
mod telemetry;
mod transports;

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use self::{
    backup::{Restored, back_up, move_to, restore, verify},
    console::{
        AccountLine, AccountSearch, Console, KeyLine, Line, OrganizationLine, OrganizationSearch,
        Target,
    },
    doctor::{Finding, Severity, examine},
    parts::Parts,
    pow::{Algorithm, GivenChallenge, solve_challenge},
    start_error::StartError,
};
use self::{
    data_dir::{DataDir, FolderLock},
    parts::open_store,
};
use crate::{
    config::{Config, Loaded},
    env::Env,
    server::{Server, control::ControlSocket, tls::Certificate},
    store::{SchemaState, Store},
};
pub use crate::{
    model::account::Plan,
    store::{Backup, Contents, Ended},
};

/// How long a stop takes at most, from the signal on: ten seconds, less what the threads that still work
/// are given at the very end.
const LONGEST_STOP: Duration = Duration::from_secs(9);

/// A server that is ready to serve.
pub struct App {
    server: Server,
    /// Where metrics are read, when that is a listener of its own.
    metrics_server: Option<Server>,
    parts: Parts,
    url: String,
    control: Option<ControlSocket>,
    has_accounts: bool,
    has_administrator: bool,
    /// Kept until the end: one process per data folder.
    _lock: Option<FolderLock>,
}

impl App {
    /// Takes the address and builds the server.
    ///
    /// # Errors
    /// Something that it needs is not there.
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        let lock = open_folder(&config)?;
        let server = Server::bind(transports::server_options(&config))
            .await
            .map_err(|error| parts::listening(&error))?;
        let metrics_server = metrics::listen(&config).await?;
        let issuer = config.issuer_at(server.local_addr());
        let parts = Parts::build(&config, issuer.as_str(), env).await?;
        let reader = parts.store.read();
        let has_accounts = reader.has_accounts().await.map_err(parts::refused)?;
        let has_administrator = reader.has_administrator().await.map_err(parts::refused)?;
        announce(&config, issuer.as_str(), server.local_addr());
        Ok(Self {
            url: issuer.as_str().to_owned(),
            server: server.counted_by(parts.metrics.clone()),
            metrics_server,
            control: control_socket(&config),
            has_accounts,
            has_administrator,
            parts,
            _lock: lock,
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// The address of the listener of `/metrics`, when it has its own.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_server.as_ref().map(Server::local_addr)
    }

    /// The URL under which clients reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate that clients are shown, when it speaks TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.server.certificate()
    }

    /// Whether anybody has signed up.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        self.has_accounts
    }

    /// Whether anybody administers it who can log in.
    #[must_use]
    pub fn has_administrator(&self) -> bool {
        self.has_administrator
    }

    /// Serves until told to stop, then lets the calls in flight end and closes the database. That takes
    /// at most nine seconds: what has not ended by then, such as a database that does not answer, is left.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), StartError> {
        self.serve_and_stop_within(LONGEST_STOP, shutdown).await
    }

    async fn serve_and_stop_within(
        self,
        longest_stop: Duration,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), StartError> {
        let Parts {
            http,
            jobs,
            health,
            store,
            operator,
            metrics: _,
            exposition,
            telemetry,
        } = self.parts;
        let (health, jobs) = (Arc::new(health), Arc::new(jobs));
        let (checked, running) = (Arc::clone(&health), Arc::clone(&jobs));
        let stop = CancellationToken::new();
        let background = tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            tokio::join!(running.run(), checked.run());
        }));
        let stopping = CancellationToken::new();
        let shutdown = async {
            shutdown.await;
            stopping.cancel();
            health.stop();
        };
        let counted = async {
            if let Some(server) = self.metrics_server {
                let service = metrics::service(exposition);
                server.serve(service, stopping.cancelled()).await;
            }
        };
        let control = async {
            if let Some(socket) = self.control {
                socket.serve(operator, stopping.cancelled()).await;
            }
        };
        let ended = async {
            tokio::join!(self.server.serve(http, shutdown), counted, control);
            stop.cancel();
            // A job that is cut short is tried again at the next start.
            let _ = background.await;
            jobs.finish().await;
            store.close().await;
        };
        let mut too_late = pin!(async {
            stopping.cancelled().await;
            sleep(longest_stop).await;
        });
        tokio::select! {
            biased;
            () = ended => {}
            () = &mut too_late => {
                tracing::error!(
                    "the database did not close in time; leaving it, which loses nothing that was acknowledged"
                );
                return Ok(());
            }
        }
        // Last, for all that came before is traced.
        tokio::select! {
            () = telemetry.stop() => {}
            () = too_late => {}
        }
        Ok(())
    }
}

/// Says once what runs where. Of the database the engine alone: any part of its URL may be secret.
fn announce(config: &Config, issuer: &str, listening: SocketAddr) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %listening,
        issuer,
        database = config.database.engine(),
        data_dir = %config.data_dir.display(),
        "started"
    );
}

/// Looks at who may read the files that hold keys.
///
/// # Errors
/// Every user of the machine may use one of them.
pub fn check_key_files(loaded: &Loaded) -> Result<(), StartError> {
    loaded
        .key_files()
        .iter()
        .try_for_each(|path| data_dir::check_key_file(path))
}

/// Reads every file that the settings name, and what only their users can tell of them. Opens no database.
///
/// # Errors
/// A server could not start with them.
pub async fn check(loaded: &Loaded) -> Result<(), StartError> {
    let config = &loaded.config;
    check_key_files(loaded)?;
    data_dir::find_master_key(config)?;
    if let Some(files) = transports::tls_files(config) {
        let loaded = Certificate::load(files).await;
        loaded.map_err(|error| parts::listening(&error))?;
    }
    parts::mailer(config)?;
    outbound::outbound(config, Env::system()).await?;
    transports::check_pages(config, config.issuer_at(config.listen).as_str())?;
    transports::layer_options(config)?;
    Ok(())
}

/// Opens the data folder, for this process alone when the database is in it.
fn open_folder(config: &Config) -> Result<Option<FolderLock>, StartError> {
    let folder = DataDir::open(&config.data_dir)?;
    if config.database.is_postgres() {
        Ok(None)
    } else {
        folder.lock().map(Some)
    }
}

/// The same, unless there is no database in it, as in a folder whose name was misspelt: that must not become one.
fn open_existing(config: &Config) -> Result<Option<FolderLock>, StartError> {
    require_database(config)?;
    open_folder(config)
}

/// Whether there is a file of SQLite, where the data is in one.
fn require_database(config: &Config) -> Result<(), StartError> {
    // Whatever else keeps the file from being read is told when it is opened.
    if config.database.is_postgres() || parts::database_file(config).try_exists().unwrap_or(true) {
        return Ok(());
    }
    Err(StartError::new(
        format!(
            "there is no database in the data folder {}",
            config.data_dir.display()
        ),
        "name another folder with --data-dir, or start the server once to make a database",
    ))
}

/// Listens for `countersign admin`, where the database is this process's alone: Postgres can be reached
/// beside a server. Without a socket the server still serves.
fn control_socket(config: &Config) -> Option<ControlSocket> {
    if config.database.is_postgres() || !config.admin.socket {
        return None;
    }
    match ControlSocket::bind(&config.data_dir) {
        Ok(socket) => Some(socket),
        Err(cause) => {
            tracing::warn!(
                %cause,
                "there is no control socket in the data folder, so `countersign admin` needs the server stopped; \
                 `admin.socket = false` keeps this warning away"
            );
            None
        }
    }
}

/// What a migration did.
#[derive(Clone, Debug)]
pub struct MigrateReport {
    /// The changes that were made, the oldest first.
    pub applied: Vec<String>,
}

/// Brings the schema up to date.
///
/// # Errors
/// The database cannot be reached, or is newer than the program.
pub async fn migrate(config: &Config, env: Env) -> Result<MigrateReport, StartError> {
    let _lock = open_folder(config)?;
    let store = open_store(config, env).await?;
    let report = migrate_store(&store).await;
    store.close().await;
    report
}

async fn migrate_store(store: &Store) -> Result<MigrateReport, StartError> {
    let applied = match store.schema().await.map_err(parts::storage)? {
        SchemaState::Pending(changes) => changes,
        SchemaState::Current | SchemaState::Newer(_) => Vec::new(),
    };
    store.migrate().await.map_err(parts::storage)?;
    Ok(MigrateReport { applied })
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::sync::{Mutex, Notify};

    use super::*;

    /// As when a disk hangs: a transaction that does not end keeps the store from closing.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_that_hangs_does_not_keep_the_server_from_stopping() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            metrics: crate::config::Metrics {
                enabled: false,
                ..crate::config::Metrics::default()
            },
            ..Config::default()
        };
        let app = App::start(config, Env::system()).await.unwrap();
        let store = app.parts.store.clone();
        let begun = Arc::new(Notify::new());
        let has_begun = Arc::clone(&begun);
        let may_go_on = Arc::new(Mutex::new(()));
        let going_on = Arc::clone(&may_go_on).lock_owned().await;
        let stuck = tokio::spawn(async move {
            let hanging = store.write(move |_| {
                Box::pin(async move {
                    begun.notify_one();
                    drop(may_go_on.blocking_lock());
                    Ok(())
                })
            });
            hanging.await
        });
        has_begun.notified().await;

        let stopped = app.serve_and_stop_within(Duration::from_millis(50), ready(()));
        let patience = Duration::from_secs(5);
        tokio::time::timeout(patience, stopped)
            .await
            .unwrap()
            .unwrap();
        assert!(!stuck.is_finished());
        drop(going_on);
        stuck.await.unwrap().unwrap();
    }
}
