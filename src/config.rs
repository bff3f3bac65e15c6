//! The settings: one struct per concern, filled from defaults, then a TOML file, then the environment.
//!
//! Each setting is declared once, in its section, with its comment and its default. From there come the
//! key in the file, the variable `COUNTERSIGN_<SECTION>_<FIELD>`, the list that `countersign config
//! show-defaults` prints, and the list that an unknown key is compared with.

mod admin;
mod authz;
mod clients;
mod cors;
mod database;
mod duration;
mod federation;
mod issuer;
mod keys;
mod limits;
mod load;
mod log;
mod mail;
mod metrics;
mod nearest;
mod oauth;
mod organizations;
mod otel;
mod outbound;
mod pages;
mod passwords;
mod proxies;
mod render;
mod rule;
mod server;
mod setting;
mod signup;
mod source;
mod tls;
mod tokens;
mod variables;

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;

pub use self::{
    admin::Admin,
    authz::{Access, AccessRule, AccessSegment, Authz},
    clients::{OAuthClient, OAuthClients},
    cors::{Cors, Origin},
    database::Database,
    federation::{Federation, IdentityProvider, IdentityProviders, ProviderKind},
    issuer::Issuer,
    keys::{Keys, decode_master_key, encode_master_key},
    limits::Limits,
    load::Loaded,
    log::{LogFilter, LogFormat},
    mail::Mail,
    metrics::Metrics,
    oauth::OAuth,
    organizations::Organizations,
    otel::{Otel, Ratio},
    outbound::Outbound,
    pages::Pages,
    passwords::Passwords,
    render::{show_defaults, show_effective},
    server::Server,
    signup::{ChallengeAlgorithm, ProofOfWork, Signup},
    source::{ConfigError, Origins, Source, Sources},
    tls::Tls,
    tokens::Tokens,
};
use self::{
    rule::{Broken, require},
    setting::settings,
};

settings! {
    /// Every setting of the program.
    pub struct Config {
        /// The IP address and port to listen on. Port 0 takes any free port.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)),
        /// The folder of the database, the key file and the lock; made when it is missing.
        /// Empty: `$XDG_DATA_HOME/countersign`, else `~/.local/share/countersign`, and for root without
        /// a home `/var/lib/countersign`.
        data_dir: PathBuf = PathBuf::new(),
        /// The URL under which clients reach this server: the `iss` of every token and the start of every
        /// link. It must be https, except on this machine's own addresses.
        /// Empty: made from the address that the server listens on.
        issuer: Option<Issuer> = None,
        /// The proxies whose `Forwarded` and `X-Forwarded-*` headers are believed, as a list of networks
        /// such as `10.0.0.0/8` or single addresses; separated by commas in the environment.
        trusted_proxies: Vec<IpNet> = Vec::new(),
        /// What is logged: `off`, `error`, `warn`, `info`, `debug` or `trace`, and levels for parts of the
        /// program after it, such as `info,countersign::grpc=debug`. Libraries are never logged.
        log: LogFilter = LogFilter::default(),
        /// How log lines look: `text` or `json`.
        log_format: LogFormat = LogFormat::Text,
    }
    sections {
        database: Database,
        tls: Tls,
        server: Server,
        cors: Cors,
        tokens: Tokens,
        passwords: Passwords,
        keys: Keys,
        mail: Mail,
        outbound: Outbound,
        limits: Limits,
        organizations: Organizations,
        signup: Signup,
        oauth: OAuth,
        federation: Federation,
        authz: Authz,
        pages: Pages,
        metrics: Metrics,
        otel: Otel,
        admin: Admin,
    }
}

impl Config {
    /// The settings from these sources, checked.
    ///
    /// # Errors
    /// A source cannot be read, holds an unknown key, or gives a value that is not allowed.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Loaded::from_sources(sources).map(|loaded| loaded.config)
    }

    /// The issuer: the configured one, or else the URL of the address that the server listens on.
    #[must_use]
    pub fn issuer_at(&self, listening: SocketAddr) -> Issuer {
        self.issuer
            .clone()
            .unwrap_or_else(|| Issuer::of_address(listening, self.tls.is_enabled()))
    }

    /// The file that holds the key which seals the signing keys.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        match &self.keys.key_file {
            Some(path) => path.clone(),
            None => self.data_dir.join("master.key"),
        }
    }

    fn check(&self) -> Result<(), Broken> {
        self.check_issuer()?;
        self.check_proxies()?;
        self.database.check()?;
        self.tls.check()?;
        self.server.check()?;
        self.tokens.check()?;
        self.passwords.check()?;
        self.keys.check()?;
        self.mail.check()?;
        self.outbound.check()?;
        self.limits.check()?;
        self.organizations.check()?;
        self.signup.check()?;
        self.oauth.check()?;
        self.check_clients()?;
        self.federation.check()?;
        self.authz.check()?;
        self.pages.check()?;
        self.metrics.check()?;
        self.otel.check()
    }

    /// Each client that introspects tokens does so for something that tokens can be for.
    fn check_clients(&self) -> Result<(), Broken> {
        let issuer = self.issuer_at(self.listen);
        let resources: Vec<_> = std::iter::once(issuer.as_str())
            .chain(self.oauth.resources.iter().map(String::as_str))
            .chain(self.tokens.audiences.iter().map(String::as_str))
            .collect();
        let checked = self.oauth.clients.check(&resources);
        checked.or_else(|must| require(false, "oauth.clients", must))
    }

    fn check_proxies(&self) -> Result<(), Broken> {
        proxies::check("trusted_proxies", &self.trusted_proxies)?;
        require(
            !self.server.proxy_protocol || !self.trusted_proxies.is_empty(),
            "server.proxy_protocol",
            "it must stand beside `trusted_proxies`, whose headers are the only ones that are read",
        )
    }

    /// RFC 8414 section 2: an issuer uses https. This machine's own addresses are for trying things out.
    fn check_issuer(&self) -> Result<(), Broken> {
        let everywhere = self.listen.ip().is_unspecified() && !self.tls.is_enabled();
        require(
            self.issuer.is_some() || !everywhere,
            "issuer",
            "it must be set to listen on every address without TLS: the https URL under which clients reach this \
             server through a proxy, or http://localhost:PORT in a container for this machine alone",
        )?;
        let issuer = self.issuer_at(self.listen);
        require(
            issuer.is_https() || !issuer.is_public(),
            "issuer",
            "it must be the https URL under which clients reach this server, such as https://id.example.com; \
             http is for loopback addresses alone",
        )
    }
}
