//! What the server stands on: open files, the disk, the database and the mail server.

use std::{ops::RangeInclusive, time::Duration};

use rustix::fs::statvfs;
use tokio::time::timeout;

use super::{Finding, Severity};
use crate::{
    app::{StartError, data_dir::DataDir, descriptors, parts},
    config::Config,
    env::{Env, Timestamp},
    store::{SchemaState, Store},
};

/// The clocks of nodes may differ by so much without anybody noticing (see `domain::credentials`).
pub(super) const SKEW: Duration = Duration::from_secs(5);
/// How long to wait for a mail server.
const MAIL_LIMIT: Duration = Duration::from_secs(10);
/// Below this much free space, in bytes, the disk is about to be full.
const LITTLE_SPACE: u64 = 512 * 1024 * 1024;

pub(super) fn open_files(config: &Config) -> Finding {
    let wanted = config.server.max_connections;
    let limit = descriptors::hard_limit();
    let fitting = descriptors::fitting(limit, wanted);
    if fitting < wanted.into() {
        return Finding::warning(
            "open files",
            format!(
                "{fitting} connections fit into the limit of open files of this shell, and not {wanted}"
            ),
            "raise the hard limit (LimitNOFILE= of systemd, --ulimit nofile= of Docker), or lower server.max_connections",
        );
    }
    Finding::ok(
        "open files",
        format!("{wanted} connections fit into the limit of this shell"),
    )
}

pub(super) fn disk(config: &Config) -> Finding {
    let folder = &config.data_dir;
    match statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE_SPACE => Finding::warning(
            "disk",
            format!("less than 512 MiB are free below {}", folder.display()),
            "make space: on a full disk every write is refused",
        ),
        Ok(_) => Finding::ok("disk", format!("there is space below {}", folder.display())),
        Err(error) => Finding::warning(
            "disk",
            format!("{} cannot be looked at: {error}", folder.display()),
            "start the server once, which makes its data folder",
        ),
    }
}

pub(super) async fn database(config: &Config, env: &Env) -> Vec<Finding> {
    if !config.database.is_postgres() {
        return vec![sqlite(config)];
    }
    let checked = postgres(config, env).await;
    checked.unwrap_or_else(|error| vec![Finding::failed("database", error.what(), error.advice())])
}

async fn postgres(config: &Config, env: &Env) -> Result<Vec<Finding>, StartError> {
    let store = parts::open_store(config, env.clone()).await?;
    let mut findings = vec![schema(&store).await?];
    let asked_at = env.now();
    if let Some(its_time) = store.time().await.map_err(parts::refused)? {
        findings.push(clock("database's", its_time, asked_at..=env.now()));
    }
    if findings[0].severity == Severity::Ok
        && let Some(master) = parts::existing_master_key(config, &store).await?
    {
        let keys = parts::signing_keys(config, &store, &master, env);
        keys.load().await.map_err(parts::wrong_key)?;
        findings.push(Finding::ok("keys", "the key file opens the signing keys"));
    }
    store.close().await;
    Ok(findings)
}

/// The file is a running server's alone: opening it could change it.
fn sqlite(config: &Config) -> Finding {
    let file = parts::database_file(config);
    let shown = file.display();
    match file.try_exists() {
        Ok(true) if DataDir::is_in_use(&config.data_dir) => {
            Finding::ok("database", format!("a server uses {shown}"))
        }
        Ok(true) => Finding::warning(
            "database",
            format!("no server uses {shown}"),
            "start the server, which looks at it",
        ),
        Ok(false) => Finding::ok(
            "database",
            format!("there is no {shown} yet: the first start makes it"),
        ),
        Err(error) => Finding::failed(
            "database",
            format!("{shown} cannot be looked at: {error}"),
            "run this as the user that the server runs as",
        ),
    }
}

async fn schema(store: &Store) -> Result<Finding, StartError> {
    Ok(match store.schema().await.map_err(parts::storage)? {
        SchemaState::Current => {
            Finding::ok("database", "it can be used, and its schema is up to date")
        }
        SchemaState::Pending(changes) => Finding::warning(
            "database",
            format!("it lacks {} changes of its schema", changes.len()),
            "start the server, or run `countersign migrate`",
        ),
        SchemaState::Newer(change) => Finding::failed(
            "database",
            format!("a newer version has made the change {change}"),
            "run that version here too",
        ),
    })
}

/// How far a clock is from this machine's, where it was read.
pub(super) fn clock(whose: &str, time: Timestamp, ours: RangeInclusive<Timestamp>) -> Finding {
    let skew = ours.start().since(time).max(time.since(*ours.end()));
    let seconds = skew.as_secs();
    if skew > SKEW {
        return Finding::failed(
            "clock",
            format!("the {whose} clock and this machine's are {seconds} s apart"),
            "have both machines set by NTP: tokens and codes end by the clock",
        );
    }
    Finding::ok(
        "clock",
        format!("the {whose} clock agrees with this machine's"),
    )
}

pub(super) async fn mail(config: &Config) -> Finding {
    let mailer = match parts::mailer(config) {
        Ok(Some(mailer)) => mailer,
        Ok(None) => return Finding::ok("mail", "no mail server is set, so no mail is sent"),
        Err(error) => return Finding::failed("mail", error.what(), error.advice()),
    };
    let refused = match timeout(MAIL_LIMIT, mailer.test()).await {
        Ok(Ok(())) => return Finding::ok("mail", "the mail server takes connections"),
        Ok(Err(cause)) => cause.to_string(),
        Err(_) => "it does not answer in time".to_owned(),
    };
    Finding::failed(
        "mail",
        format!("the mail server cannot be used: {refused}"),
        "check host, port, user and password in mail.smtp_url, and that the mail server runs",
    )
}
