//! Where data is kept.

use secrecy::{ExposeSecret, SecretString};

use super::{
    rule::{Broken, within},
    setting::settings,
};
use crate::model::postgres_url::PostgresUrl;

settings! {
    /// Where data is kept: SQLite in the data folder, or Postgres.
    pub struct Database {
        /// The URL of a Postgres database as libpq reads it, `postgres://user:password@host:5432/name`. Empty:
        /// SQLite in the data folder.
        url: SecretString = SecretString::default(),
        /// The most connections to Postgres, 1 to 1000.
        connections: u32 = 10,
        /// The connections that read SQLite, 1 to 64. Each serves one thread at a time, so that more than there are
        /// cores are of no use.
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

    /// The engine. Nothing of a URL: a password in which `@` is not encoded goes on where the host should be.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        if self.is_postgres() {
            "Postgres"
        } else {
            "SQLite"
        }
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        if self.is_postgres() {
            PostgresUrl::parse(self.url.expose_secret()).map_err(|cause| Broken {
                key: "database.url",
                must: format!(
                    "it must be postgres://user:password@host:5432/name, or empty for SQLite in the data folder, but {cause}"
                ),
            })?;
        }
        within("database.connections", &self.connections, 1..=1_000)?;
        within("database.readers", &self.readers, 1..=64)
    }
}
