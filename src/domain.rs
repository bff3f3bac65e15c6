//! Use cases. Each one owns its transaction; nothing here knows how a call arrived.

pub mod accounts;
pub mod administration;
pub mod api_keys;
mod authorization;
pub mod challenges;
pub mod credentials;
mod cursor;
pub mod devices;
pub mod grants;
mod key_uses;
pub mod members;
pub mod password_change;
pub mod sessions;
pub mod sign_up_rate;
pub mod signing_keys;
pub mod throttle;
pub mod tokens;

use std::{sync::Arc, time::Duration};

use crate::{
    crypto::{keyring::KeyRing, passwords::Passwords, seal::MasterKey},
    domain::{
        challenges::WorkSettings, credentials::CredentialCache, key_uses::KeyUses,
        sign_up_rate::SignUpRate, signing_keys::SigningKeys, throttle::Throttle,
    },
    env::Env,
    error::Result,
    limits::Limits,
    metrics::{HashingLoad, Metrics},
    model::{access, client::Clients},
    store::Store,
};

/// What the use cases promise, from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer of every token, and the audience of the service's own (RFC 8414 section 2).
    pub issuer: String,
    /// Who else the tokens are for.
    pub audiences: Vec<String>,
    /// The clients that people sign in with.
    pub clients: Clients,
    /// How long a rotated refresh token may be sent again by a client that lost the answer. Sessions of
    /// the contract itself have one client, whoever shows their token.
    pub refresh_retry_window: Duration,
    /// Whether other nodes may use the same database; then what they revoke is seen a little later.
    pub multi_node: bool,
    /// Whether there is a way to send mail.
    pub sends_mail: bool,
    /// The most live sessions of one account.
    pub sessions: u64,
    /// The most accounts of one organization.
    pub organization_accounts: u64,
    /// The work that sign-ups need.
    pub work: WorkSettings,
    /// Who may make which request to the services behind a proxy.
    pub access_rules: access::Rules,
}

/// Keys that never leave the process, derived from the master key.
#[derive(Clone)]
pub struct DerivedKeys {
    /// Makes the successor of a refresh token, so that a retry gets the same one.
    pub refresh_successor: [u8; 32],
    /// Signs page tokens.
    pub cursor: [u8; 32],
    /// Signs challenges.
    pub challenge: [u8; 32],
    /// Spreads networks over the cells in which their sign-ups are counted.
    pub sign_up_rate: [u8; 32],
    /// Signs the values of known devices.
    pub device: [u8; 32],
    /// Numbers what attempts to log in are counted by.
    pub throttle: [u8; 32],
}

impl DerivedKeys {
    /// The keys that follow from a master key. Each is good for its own purpose alone.
    #[must_use]
    pub fn from_master(master: &MasterKey) -> Self {
        Self {
            refresh_successor: master.derive("refresh token successor v1"),
            cursor: master.derive("page token v1"),
            challenge: master.derive("challenge v1"),
            sign_up_rate: master.derive("sign-up rate v1"),
            device: master.derive("known device v1"),
            throttle: master.derive("log-in limit v1"),
        }
    }
}

/// Everything that the use cases work with.
pub struct Domain {
    env: Env,
    store: Store,
    passwords: Passwords,
    signing_keys: SigningKeys,
    key_ring: KeyRing,
    keys: DerivedKeys,
    settings: Settings,
    credentials: Arc<CredentialCache>,
    sign_up_rate: SignUpRate,
    key_uses: KeyUses,
    limits: Arc<Limits>,
    throttle: Arc<Throttle>,
    metrics: Metrics,
}

impl Domain {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(
        env: Env,
        store: Store,
        passwords: Passwords,
        (signing_keys, key_ring): (SigningKeys, KeyRing),
        keys: DerivedKeys,
        settings: Settings,
        (limits, metrics): (Arc<Limits>, Metrics),
    ) -> Self {
        let credentials = Arc::new(CredentialCache::new(settings.multi_node));
        let sign_up_rate =
            SignUpRate::new(settings.work.thresholds, keys.sign_up_rate, env.clone());
        let throttle = Arc::new(Throttle::new(
            Arc::clone(&limits),
            keys.throttle,
            env.clone(),
            store.clone(),
            settings.multi_node,
        ));
        Self {
            env,
            store,
            passwords,
            signing_keys,
            key_ring,
            keys,
            settings,
            credentials,
            sign_up_rate,
            key_uses: KeyUses::new(),
            limits,
            throttle,
            metrics,
        }
    }

    /// The public keys, as JSON (RFC 7517 section 5).
    #[must_use]
    pub fn jwks(&self) -> bytes::Bytes {
        self.key_ring.jwks()
    }

    /// Whether clients reach the service over https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.settings.issuer.starts_with("https://")
    }

    /// How busy hashing is.
    #[must_use]
    pub fn hashing(&self) -> HashingLoad {
        let load = self.passwords.load();
        HashingLoad {
            queued: load.queued,
            running: load.running,
            threads: self.passwords.threads(),
            memory: load.arena_kib * 1024,
            shed: self.passwords.shed(),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// Whether a write was committed since this was last asked.
    pub fn took_write(&self) -> bool {
        self.store.took_write()
    }

    /// Whether the database takes writes, by one that changes nothing.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`, `OVERLOADED`: it does not.
    pub async fn try_write(&self) -> Result<()> {
        self.store.try_write().await
    }
}
