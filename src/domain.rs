//! Use cases. Each one owns its transaction; nothing here knows how a call arrived.

pub mod accounts;
pub mod administration;
pub mod api_keys;
pub mod authorization;
pub mod caller;
pub mod challenges;
pub mod credentials;
pub mod devices;
pub mod grants;
mod key_uses;
mod log_in;
pub mod organizations;
mod page_tokens;
pub mod password_change;
mod refresh;
mod request_ids;
pub mod sessions;
pub mod sign_up;
pub mod sign_up_rate;
pub mod signing_keys;
pub mod throttle;
pub mod tokens;

use std::{sync::Arc, time::Duration};

use self::{
    accounts::Accounts,
    administration::Administration,
    api_keys::ApiKeys,
    authorization::Authorization,
    challenges::{Challenges, WorkSettings},
    credentials::Credentials,
    devices::Devices,
    grants::Grants,
    organizations::Organizations,
    page_tokens::PageTokens,
    request_ids::RequestIds,
    sessions::Sessions,
    sign_up_rate::SignUpRate,
    signing_keys::{SigningKeys, StoredKeys},
    throttle::Throttle,
    tokens::TokenIssuer,
};
use crate::{
    crypto::{keyring::KeyRing, passwords::Passwords, seal::MasterKey},
    env::Env,
    limits::Limits,
    metrics::Metrics,
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
    /// Hides the ids of requests, and makes the secrets that follow from them.
    pub request: [u8; 32],
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
            request: master.derive("request id v1"),
            cursor: master.derive("page token v1"),
            challenge: master.derive("challenge v1"),
            sign_up_rate: master.derive("sign-up rate v1"),
            device: master.derive("known device v1"),
            throttle: master.derive("log-in limit v1"),
        }
    }
}

/// What every use case works with.
#[derive(Clone)]
struct Context {
    env: Env,
    store: Store,
    credentials: Credentials,
    pages: PageTokens,
    request_ids: RequestIds,
}

/// The use cases, by what they are about.
pub struct Domain {
    /// Accounts: sign up, read, change, delete.
    pub accounts: Arc<Accounts>,
    /// Sessions: log in, refresh, read, log out.
    pub sessions: Sessions,
    /// Grants: read, take back.
    pub grants: Grants,
    /// The clients that people sign in with.
    pub clients: Clients,
    /// API keys: make, read, rotate, revoke.
    pub api_keys: Arc<ApiKeys>,
    /// Organizations: read, list members, provision accounts.
    pub organizations: Organizations,
    /// What administrators do.
    pub administration: Administration,
    /// Signing keys: list, rotate, revoke.
    pub signing_keys: SigningKeys,
    /// Challenges: issue, check.
    pub challenges: Arc<Challenges>,
    /// Decides for services behind a proxy.
    pub authorization: Authorization,
    /// Finds the caller of a credential.
    pub credentials: Credentials,
    /// Finds the account that knows a device.
    pub devices: Devices,
    /// Whether clients reach the service over https.
    pub is_https: bool,
}

impl Domain {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(
        env: Env,
        store: Store,
        passwords: Arc<Passwords>,
        (stored_keys, key_ring): (StoredKeys, KeyRing),
        keys: DerivedKeys,
        settings: Settings,
        (limits, metrics): (Arc<Limits>, Metrics),
    ) -> Self {
        let issuer = settings.issuer;
        let is_https = issuer.starts_with("https://");
        let credentials = Credentials::new(
            (env.clone(), store.clone()),
            key_ring.clone(),
            issuer.clone(),
            Arc::clone(&limits),
            settings.multi_node,
        );
        let devices = Devices {
            key: keys.device,
            env: env.clone(),
        };
        let throttle = Arc::new(Throttle::new(
            (Arc::clone(&limits), metrics.clone()),
            devices.clone(),
            keys.throttle,
            (env.clone(), store.clone()),
            settings.multi_node,
        ));
        let request_ids = RequestIds::new(keys.request);
        let tokens = Arc::new(TokenIssuer {
            env: env.clone(),
            request_ids: request_ids.clone(),
            key_ring: key_ring.clone(),
            credentials: credentials.clone(),
            issuer: issuer.clone(),
            audiences: settings.audiences,
        });
        let challenges = Arc::new(Challenges {
            env: env.clone(),
            store: store.clone(),
            passwords: Arc::clone(&passwords),
            limits,
            metrics: metrics.clone(),
            key: keys.challenge,
            sign_up_rate: SignUpRate::new(settings.work.thresholds, keys.sign_up_rate, env.clone()),
            work: settings.work,
        });
        let context = Context {
            env: env.clone(),
            store: store.clone(),
            credentials: credentials.clone(),
            pages: PageTokens::new(keys.cursor),
            request_ids: request_ids.clone(),
        };
        let api_keys = Arc::new(ApiKeys {
            context: context.clone(),
        });
        let accounts = Arc::new(Accounts {
            context: context.clone(),
            passwords: Arc::clone(&passwords),
            throttle: Arc::clone(&throttle),
            tokens: Arc::clone(&tokens),
            challenges: Arc::clone(&challenges),
            api_keys: Arc::clone(&api_keys),
            clients: settings.clients.clone(),
            issuer,
            sends_mail: settings.sends_mail,
        });
        Self {
            sessions: Sessions {
                context: context.clone(),
                clients: settings.clients.clone(),
                passwords,
                throttle,
                tokens,
                metrics,
                most: settings.sessions,
                refresh_retry_window: settings.refresh_retry_window,
                successor_key: keys.refresh_successor,
            },
            grants: Grants {
                context: context.clone(),
            },
            clients: settings.clients,
            api_keys,
            organizations: Organizations {
                context: context.clone(),
                accounts: Arc::clone(&accounts),
                most: settings.organization_accounts,
            },
            accounts,
            administration: Administration { context },
            signing_keys: SigningKeys {
                env,
                stored: stored_keys,
                key_ring,
                credentials: credentials.clone(),
            },
            challenges,
            authorization: Authorization {
                store,
                rules: settings.access_rules,
            },
            credentials,
            devices,
            is_https,
        }
    }
}
