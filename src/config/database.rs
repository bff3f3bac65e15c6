//! Where data is kept.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    rule::{Broken, require, within},
    setting::settings,
};

settings! {
    /// Where data is kept: SQLite in the data folder, or Postgres.
    pub struct Database {
        /// The URL of a Postgres database, `postgres://user:password@host:5432/name`. Empty: SQLite in
        /// the data folder.
        url: SecretString = SecretString::default(),
        /// The most connections to Postgres, 1 to 1000.
        connections: u32 = 10,
        /// The connections that read SQLite, 1 to 64; one more writes.
        readers: u32 = 4,
        /// Whether the server brings an older schema up to date when it starts. Otherwise run
        /// `countersign migrate` first.
        auto_migrate: bool = true,
    }
}

impl Database {
    /// Whether data is kept in Postgres.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        !self.url.expose_secret().is_empty()
    }

    /// The engine, and the host where that is another process; nothing of the URL that may be secret.
    #[must_use]
    pub fn place(&self) -> String {
        if !self.is_postgres() {
            return "SQLite".to_owned();
        }
        let url = Url::parse(self.url.expose_secret()).ok();
        let host = url.and_then(|url| {
            let parameter = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
                matches!(&*name, "host" | "hostaddr").then(|| value.into_owned())
            };
            let named = url.host_str().filter(|host| !host.is_empty());
            named
                .map(ToOwned::to_owned)
                .or_else(|| url.query_pairs().find_map(parameter))
        });
        host.map_or_else(
            || "Postgres".to_owned(),
            |host| format!("Postgres at {host}"),
        )
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            !self.is_postgres() || is_postgres_url(self.url.expose_secret()),
            "database.url",
            "it must be postgres://user:password@host:5432/name, or empty for SQLite in the data folder",
        )?;
        within("database.connections", &self.connections, 1..=1_000)?;
        within("database.readers", &self.readers, 1..=64)
    }
}

fn is_postgres_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}
