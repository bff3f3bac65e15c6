//! Puts the parts of a server together.

use std::{fs, num::NonZero, path::PathBuf, sync::Arc, thread};

use secrecy::ExposeSecret as _;

use super::{
    StartError,
    access::access_rules,
    data_dir,
    health::Health,
    outbound::outbound,
    telemetry::telemetry,
    transports::{self, Transports},
};
use crate::{
    config::{self, ChallengeAlgorithm, Config, ProofOfWork},
    crypto::{
        keyring::KeyRing,
        passwords::{self, HashingOptions, Passwords},
        seal::MasterKey,
    },
    domain::{
        self, DerivedKeys, Domain, Settings,
        challenges::{WorkPolicy, WorkSettings},
        sign_up_rate::Thresholds,
        signing_keys::{KeyPolicy, StoredKeys},
    },
    env::Env,
    error::{Error, Reason},
    grpc::GrpcService,
    jobs::Jobs,
    layers::HttpService,
    limits::{Limits, Quotas},
    mail::Mailer,
    metrics::{Exposition, HashingLoad, Metrics},
    model::{
        client::{Clients, Lifetimes},
        oauth::resource::Resources,
        pow::{Algorithm, Argon2Cost},
        throttle::Rules,
    },
    outbound::Outbound,
    store::{self, ConnectError, SchemaState, Store},
    telemetry::Telemetry,
};

const DATABASE_FILE: &str = "countersign.db";

/// Everything that a server is made of, but its socket.
pub struct Parts {
    /// Answers requests of every transport, behind every layer.
    pub http: HttpService,
    /// What happens without a request.
    pub jobs: Jobs,
    /// Tells whether the database answers.
    pub health: Health,
    /// The database.
    pub store: Store,
    /// The services, to whoever runs the server: every call administers, and none is limited.
    pub operator: GrpcService,
    /// What is counted.
    pub metrics: Metrics,
    /// The counts as text.
    pub exposition: Arc<Exposition>,
    /// Where traces of calls go.
    pub telemetry: Telemetry,
}

impl Parts {
    /// Builds the parts of the server that is reached at this issuer.
    ///
    /// # Errors
    /// Something that they need is not there.
    pub async fn build(config: &Config, issuer: &str, env: Env) -> Result<Self, StartError> {
        // A file that cannot be used is told before anything is made.
        data_dir::find_master_key(config)?;
        let outbound = outbound(config, env.clone()).await?;
        let store = open_store(config, env.clone()).await?;
        bring_up_to_date(config, &store).await?;
        let master = master_key(config, &store, &env).await?;
        signing_keys(config, &store, &master, &env)
            .ensure()
            .await
            .map_err(refused)?;
        let telemetry = telemetry(config, &env)?;
        Self::assemble((config, issuer), env, store, &master, outbound, telemetry).await
    }

    /// The parts over a database as a server has left it: changes no schema and makes no key.
    ///
    /// # Errors
    /// The database is not as this version wants it, or has no key; or something else that they need is not there.
    pub(super) async fn over_existing(
        config: &Config,
        issuer: &str,
        env: Env,
    ) -> Result<Self, StartError> {
        if !config.database.is_postgres() && !database_file(config).exists() {
            return Err(StartError::new(
                format!("there is no data file {}", database_file(config).display()),
                "start the server once, or name the folder of its data with --data-dir",
            ));
        }
        let outbound = outbound(config, env.clone()).await?;
        let store = open_store(config, env.clone()).await?;
        let built = async {
            let advice = "run `countersign migrate`, or start the server once";
            require_current(&store, advice).await?;
            let master = existing_master_key(config, &store).await?;
            let master = master.ok_or_else(|| never_started(config))?;
            let untraced = Telemetry::off();
            Self::assemble(
                (config, issuer),
                env,
                store.clone(),
                &master,
                outbound,
                untraced,
            )
            .await
        };
        let built = built.await;
        if built.is_err() {
            store.close().await;
        }
        built
    }

    async fn assemble(
        (config, issuer): (&Config, &str),
        env: Env,
        store: Store,
        master: &MasterKey,
        outbound: Outbound,
        telemetry: Telemetry,
    ) -> Result<Self, StartError> {
        let signing_keys = signing_keys(config, &store, master, &env);
        let key_ring = KeyRing::new(signing_keys.load().await.map_err(wrong_key)?);
        let mailer = mailer(config)?;
        let settings = settings(config, issuer, mailer.is_some())?;
        let (metrics, mut exposition) = Metrics::new(&env);
        let limits = Arc::new(limits(&config.limits, &env, &metrics));
        let passwords = Arc::new(passwords(config, &env)?);
        let hashing = Arc::clone(&passwords);
        exposition.watch_hashing(move || hashing_load(&hashing));
        let domain = Arc::new(Domain::new(
            domain::Parts {
                env: env.clone(),
                store: store.clone(),
                passwords,
                stored_keys: signing_keys,
                key_ring,
                keys: DerivedKeys::from_master(master),
                limits: Arc::clone(&limits),
                metrics: metrics.clone(),
                outbound: Arc::new(outbound),
            },
            settings,
        ));
        let exposition = Arc::new(exposition);
        let Transports {
            http,
            health,
            operator,
        } = transports::build(
            (config, issuer),
            &domain,
            &store,
            &limits,
            &env,
            (&metrics, &exposition),
            &telemetry,
        )?;
        let jobs = Jobs::new(domain, store.clone(), env, mailer);
        Ok(Self {
            http,
            jobs,
            health,
            store,
            operator,
            metrics,
            exposition,
            telemetry,
        })
    }
}

/// How busy hashing is.
fn hashing_load(passwords: &Passwords) -> HashingLoad {
    let load = passwords.load();
    HashingLoad {
        queued: load.queued,
        running: load.running,
        threads: passwords.threads(),
        memory: load.arena_kib * 1024,
        shed: passwords.shed(),
    }
}

/// The file of SQLite.
pub(super) fn database_file(config: &Config) -> PathBuf {
    config.data_dir.join(DATABASE_FILE)
}

/// The database of these settings.
pub(super) fn database(config: &Config) -> store::Database {
    let settings = &config.database;
    if settings.is_postgres() {
        store::Database::Postgres {
            url: settings.url.clone(),
            connections: settings.connections,
        }
    } else {
        store::Database::Sqlite {
            path: database_file(config),
            readers: settings.readers,
        }
    }
}

/// Opens the database; changes no schema.
pub(super) async fn open_store(config: &Config, env: Env) -> Result<Store, StartError> {
    let has_data = has_data(config);
    if has_data && fs::metadata(database_file(config)).is_ok_and(|file| file.len() == 0) {
        // Before SQLite looks at it: it would remove the WAL, which may hold what is missing.
        return Err(emptied(config));
    }
    let database = database(config);
    let store = Store::connect(store::Options { database }, env)
        .await
        .map_err(storage)?;
    if has_data && store.is_empty().await.map_err(storage)? {
        store.close().await;
        return Err(emptied(config));
    }
    Ok(store)
}

/// Whether a server has used the file of SQLite: it is there, and so is the key file, which is made last.
fn has_data(config: &Config) -> bool {
    let is_used = !config.database.is_postgres() && config.key_file().exists();
    is_used && database_file(config).exists()
}

/// Starting over would say of every account that it does not exist.
fn emptied(config: &Config) -> StartError {
    StartError::new(
        format!(
            "the data file {} holds nothing, although the key file {} is of a server that has used it",
            database_file(config).display(),
            config.key_file().display()
        ),
        "restore the data file from a backup, or remove it to begin without any accounts",
    )
}

/// Brings the schema up to date, or refuses an older one where that is wished.
pub(super) async fn bring_up_to_date(config: &Config, store: &Store) -> Result<(), StartError> {
    if config.database.auto_migrate {
        return store.migrate().await.map_err(storage);
    }
    let advice = "run `countersign migrate`, or set database.auto_migrate";
    require_current(store, advice).await
}

/// Refuses a schema that is not the one of this version; what to do about an older one is in `advice`.
async fn require_current(store: &Store, advice: &str) -> Result<(), StartError> {
    match store.schema().await.map_err(storage)? {
        SchemaState::Current => Ok(()),
        SchemaState::Pending(changes) => Err(StartError::new(
            format!("the database lacks {} changes of its schema", changes.len()),
            advice,
        )),
        SchemaState::Newer(change) => Err(storage(ConnectError::NewerSchema { change })),
    }
}

/// The master key of this database, which is made when nothing was sealed with it yet.
pub(super) async fn master_key(
    config: &Config,
    store: &Store,
    env: &Env,
) -> Result<MasterKey, StartError> {
    match existing_master_key(config, store).await? {
        Some(key) => Ok(key),
        None => data_dir::make_master_key(config, env).map(MasterKey::new),
    }
}

/// The master key of this database; none when nothing was sealed with it yet.
pub(super) async fn existing_master_key(
    config: &Config,
    store: &Store,
) -> Result<Option<MasterKey>, StartError> {
    let sealed = store.read().signing_keys().await.map_err(refused)?;
    // Looked for after the keys: whoever made them had a key file.
    let found = data_dir::find_master_key(config)?;
    if found.is_none() && !sealed.is_empty() {
        return Err(data_dir::missing_master_key(config));
    }
    Ok(found.map(MasterKey::new))
}

/// There is no key file, and nothing in the database that needs one: no server has used it yet.
fn never_started(config: &Config) -> StartError {
    StartError::new(
        format!(
            "there is no key file {}: no server has used this database yet",
            config.key_file().display()
        ),
        "start the server once",
    )
}

/// The signing keys of this database.
pub(super) fn signing_keys(
    config: &Config,
    store: &Store,
    master: &MasterKey,
    env: &Env,
) -> StoredKeys {
    let policy = KeyPolicy {
        rotation_age: config.keys.rotation_age,
        publish_before: config.keys.publish_before,
        retired_for: clients(config).longest_access_token_lifetime(),
    };
    StoredKeys::new(store.clone(), master.clone(), env.clone(), policy)
}

fn settings(config: &Config, issuer: &str, sends_mail: bool) -> Result<Settings, StartError> {
    Ok(Settings {
        issuer: issuer.to_owned(),
        audiences: config.tokens.audiences_beside(issuer),
        clients: clients(config),
        refresh_retry_window: config.tokens.refresh_retry_window,
        multi_node: config.database.is_postgres(),
        sends_mail,
        sessions: config.tokens.max_sessions.into(),
        organization_accounts: config.organizations.max_accounts.into(),
        work: work(&config.signup),
        access_rules: access_rules(config),
        oauth: oauth(config, issuer)?,
        identity_providers: super::federation::configured(config)?,
    })
}

fn clients(config: &Config) -> Clients {
    Clients::built_in(lifetimes(config))
}

fn lifetimes(config: &Config) -> Lifetimes {
    Lifetimes {
        access_token: config.tokens.access_lifetime,
        grant: config.tokens.refresh_lifetime,
        mailkite: config.tokens.mailkite_lifetime,
        mailtd: config.tokens.mailtd_lifetime,
        pages: config.pages.session_lifetime,
    }
}

fn oauth(config: &Config, issuer: &str) -> Result<domain::oauth::Settings, StartError> {
    let settings = &config.oauth;
    Ok(domain::oauth::Settings {
        clients: super::clients::configured(config, lifetimes(config))?,
        open_registration: settings.registration,
        client_documents: settings.client_documents,
        resources: Resources {
            issuer: issuer.to_owned(),
            registered: settings.resources.clone(),
            loopback: settings.loopback_resources || !config.issuer_at(config.listen).is_public(),
        },
        authorization_lifetime: settings.authorization_lifetime,
        code_lifetime: settings.code_lifetime,
        lifetimes: lifetimes(config),
    })
}

/// The work that sign-ups need. Every figure has been held to its range.
fn work(settings: &config::Signup) -> WorkSettings {
    let bits = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
    let (algorithm, difficulty, ceiling) = match settings.algorithm {
        ChallengeAlgorithm::Sha256 => (
            Algorithm::Sha256,
            settings.difficulty,
            settings.difficulty_ceiling,
        ),
        ChallengeAlgorithm::Argon2id => (
            Algorithm::Argon2id(Argon2Cost {
                memory_kib: settings.argon2_memory_kib,
                iterations: 1,
            }),
            settings.argon2_difficulty,
            settings.argon2_difficulty_ceiling,
        ),
    };
    WorkSettings {
        policy: match settings.proof_of_work {
            ProofOfWork::MailTd => WorkPolicy::MailTd,
            ProofOfWork::All => WorkPolicy::All,
            ProofOfWork::Adaptive => WorkPolicy::OverLimit,
        },
        algorithm,
        difficulty: bits(difficulty),
        ceiling: bits(ceiling),
        thresholds: Thresholds {
            network: settings.network_threshold,
            server: settings.server_threshold,
        },
        lifetime: settings.challenge_lifetime,
    }
}

/// The limits, unless they are switched off. Every figure has been held to its range.
fn limits(settings: &config::Limits, env: &Env, metrics: &Metrics) -> Limits {
    if !settings.enabled {
        return Limits::disabled();
    }
    let calls = |calls: u32| NonZero::new(calls).unwrap_or(NonZero::<u32>::MIN);
    let quotas = Quotas {
        public: calls(settings.public_per_second),
        free: calls(settings.free_per_second),
        pro: calls(settings.pro_per_second),
        creation: settings.creation_interval,
        pro_creation: calls(settings.pro_creation_per_second),
        failed_credentials: calls(settings.failed_credentials_per_second),
        client_registration: settings.client_registration_interval,
        log_in: Rules {
            free: settings.log_in_free_failures,
            first_delay: settings.log_in_first_delay,
            longest_delay: settings.log_in_longest_delay,
            untrusted: settings.log_in_untrusted,
            untrusted_refill: settings.log_in_untrusted_refill,
            client: settings.log_in_client_failures,
        },
    };
    Limits::new(env, &quotas).counted_by(metrics)
}

fn passwords(config: &Config, env: &Env) -> Result<Passwords, StartError> {
    let settings = &config.passwords;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let options = HashingOptions {
        memory_kib: settings.memory_kib,
        iterations: settings.iterations,
        threads: match settings.threads {
            0 => cores,
            threads => usize::try_from(threads).unwrap_or(cores),
        },
        queue: usize::try_from(settings.queue).unwrap_or(usize::MAX),
        ..HashingOptions::default()
    };
    Passwords::start(options, env.clone()).map_err(|cause| {
        let advice = match cause {
            passwords::StartError::Thread(_) => {
                "raise the limits of processes and memory of this user, or lower passwords.threads"
            }
            _ => "correct the [passwords] section",
        };
        StartError::new(cause.to_string(), advice)
    })
}

pub(super) fn mailer(config: &Config) -> Result<Option<Mailer>, StartError> {
    if !config.mail.is_enabled() {
        return Ok(None);
    }
    Mailer::new(config.mail.smtp_url.expose_secret(), &config.mail.from)
        .map(Some)
        .map_err(|cause| StartError::new(cause.to_string(), "correct the [mail] section"))
}

/// A database that cannot be used.
pub(super) fn storage(cause: ConnectError) -> StartError {
    one_line(&cause.to_string(), "see the [database] section")
}

/// Keys that cannot be loaded: this master key does not open them, or the database does not answer.
pub(super) fn wrong_key(cause: Error) -> StartError {
    if cause.reason() == Reason::StorageUnavailable {
        return refused(cause);
    }
    StartError::new(
        what_failed(&cause),
        "start with the key file that belongs to this database, or restore it from a copy",
    )
}

/// A use case that failed at the start.
pub(super) fn refused(cause: Error) -> StartError {
    StartError::new(what_failed(&cause), "check the database and start again")
}

/// What an operator can act on: the cause, where there is one, and not the words for callers.
fn what_failed(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// An address that cannot be listened on.
pub(super) fn listening(cause: &impl std::fmt::Display) -> StartError {
    one_line(&cause.to_string(), "correct it")
}

/// Splits a text that says what to do after its last semicolon.
pub(super) fn one_line(text: &str, otherwise: &str) -> StartError {
    match text.rsplit_once("; ") {
        Some((what, advice)) => StartError::new(what, advice),
        None => StartError::new(text, otherwise),
    }
}
