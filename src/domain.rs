//! Use cases. Each one owns its transaction; nothing here knows how a call arrived.

pub mod accounts;
pub mod administration;
pub mod api_keys;
pub mod authorization;
pub mod caller;
pub mod challenges;
pub mod credentials;
pub mod devices;
pub mod federation;
pub mod grants;
mod key_uses;
mod log_in;
pub mod oauth;
pub mod organizations;
mod page_tokens;
pub mod password_change;
mod refresh;
mod remote;
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
    federation::Federation,
    grants::Grants,
    oauth::OAuth,
    organizations::Organizations,
    page_tokens::PageTokens,
    refresh::RefreshTokens,
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
    model::{access, client::Clients, identity::IdentityProvider},
    outbound::Outbound,
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
    /// How OAuth behaves.
    pub oauth: oauth::Settings,
    /// The other providers that people may sign in with.
    pub identity_providers: Vec<IdentityProvider>,
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
    pub sessions: Arc<Sessions>,
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
    /// OAuth: registrations, authorizations, tokens.
    pub oauth: OAuth,
    /// Signs people in with accounts at other providers.
    pub federation: Federation,
    /// Finds the caller of a credential.
    pub credentials: Credentials,
    /// Finds the account that knows a device.
    pub devices: Devices,
    /// Whether clients reach the service over https.
    pub is_https: bool,
}

/// What the use cases are over.
pub struct Parts {
    /// Time and randomness.
    pub env: Env,
    /// The database.
    pub store: Store,
    /// Hashes passwords.
    pub passwords: Arc<Passwords>,
    /// The signing keys in the database.
    pub stored_keys: StoredKeys,
    /// The signing keys in use.
    pub key_ring: KeyRing,
    /// Keys that never leave the process.
    pub keys: DerivedKeys,
    /// How often who may call.
    pub limits: Arc<Limits>,
    /// What is counted.
    pub metrics: Metrics,
    /// Opens connections to servers that others name.
    pub outbound: Arc<Outbound>,
}

impl Parts {
    fn credentials(&self, settings: &Settings) -> Credentials {
        Credentials::new(
            (self.env.clone(), self.store.clone()),
            self.key_ring.clone(),
            settings.issuer.clone(),
            Arc::clone(&self.limits),
        )
    }

    fn throttle(&self, devices: Devices, settings: &Settings) -> Throttle {
        Throttle::new(
            (Arc::clone(&self.limits), self.metrics.clone()),
            devices,
            self.keys.throttle,
            (self.env.clone(), self.store.clone()),
            settings.multi_node,
        )
    }

    fn challenges(&self, work: WorkSettings) -> Challenges {
        let key = self.keys.sign_up_rate;
        Challenges {
            env: self.env.clone(),
            store: self.store.clone(),
            passwords: Arc::clone(&self.passwords),
            limits: Arc::clone(&self.limits),
            metrics: self.metrics.clone(),
            key: self.keys.challenge,
            sign_up_rate: SignUpRate::new(work.thresholds, key, self.env.clone()),
            work,
        }
    }

    fn tokens(&self, context: &Context, settings: &Settings) -> TokenIssuer {
        TokenIssuer {
            env: self.env.clone(),
            request_ids: context.request_ids.clone(),
            key_ring: self.key_ring.clone(),
            credentials: context.credentials.clone(),
            issuer: settings.issuer.clone(),
            audiences: settings.audiences.clone(),
        }
    }

    fn refresh_tokens(
        &self,
        context: &Context,
        settings: &Settings,
        tokens: &Arc<TokenIssuer>,
    ) -> RefreshTokens {
        RefreshTokens {
            context: context.clone(),
            tokens: Arc::clone(tokens),
            retry_window: settings.refresh_retry_window,
            successor_key: self.keys.refresh_successor,
        }
    }

    fn oauth(
        &self,
        context: &Context,
        settings: &Settings,
        tokens: &Arc<TokenIssuer>,
        refresh_tokens: &Arc<RefreshTokens>,
    ) -> OAuth {
        OAuth {
            context: context.clone(),
            settings: settings.oauth.clone(),
            built_in: settings.clients.clone(),
            tokens: Arc::clone(tokens),
            refresh_tokens: Arc::clone(refresh_tokens),
            limits: Arc::clone(&self.limits),
            outbound: Arc::clone(&self.outbound),
            client_keys: oauth::ClientKeys::default(),
        }
    }

    fn signing_keys(&self, context: &Context) -> SigningKeys {
        SigningKeys {
            env: self.env.clone(),
            stored: self.stored_keys.clone(),
            key_ring: self.key_ring.clone(),
            credentials: context.credentials.clone(),
        }
    }
}

impl Domain {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let context = Context {
            env: parts.env.clone(),
            store: parts.store.clone(),
            credentials: parts.credentials(&settings),
            pages: PageTokens::new(parts.keys.cursor),
            request_ids: RequestIds::new(parts.keys.request),
        };
        let devices = Devices {
            key: parts.keys.device,
            env: parts.env.clone(),
        };
        let throttle = Arc::new(parts.throttle(devices.clone(), &settings));
        let tokens = Arc::new(parts.tokens(&context, &settings));
        let challenges = Arc::new(parts.challenges(settings.work));
        let refresh_tokens = Arc::new(parts.refresh_tokens(&context, &settings, &tokens));
        let api_keys = Arc::new(ApiKeys {
            context: context.clone(),
        });
        let accounts = Arc::new(Accounts {
            context: context.clone(),
            passwords: Arc::clone(&parts.passwords),
            throttle: Arc::clone(&throttle),
            tokens: Arc::clone(&tokens),
            challenges: Arc::clone(&challenges),
            api_keys: Arc::clone(&api_keys),
            clients: settings.clients.clone(),
            issuer: settings.issuer.clone(),
            sends_mail: settings.sends_mail,
        });
        let oauth = parts.oauth(&context, &settings, &tokens, &refresh_tokens);
        let signing_keys = parts.signing_keys(&context);
        let sessions = Arc::new(Sessions {
            context: context.clone(),
            clients: settings.clients.clone(),
            passwords: Arc::clone(&parts.passwords),
            throttle: Arc::clone(&throttle),
            tokens: Arc::clone(&tokens),
            metrics: parts.metrics.clone(),
            most: settings.sessions,
            refresh_tokens,
        });
        let federation = Federation::new(
            (context.clone(), parts.metrics, parts.outbound),
            (Arc::clone(&accounts), Arc::clone(&sessions)),
            Arc::clone(&throttle),
            settings.identity_providers,
        );
        Self {
            oauth,
            federation,
            organizations: Organizations {
                context: context.clone(),
                accounts: Arc::clone(&accounts),
                passwords: Arc::clone(&parts.passwords),
                throttle: Arc::clone(&throttle),
                tokens: Arc::clone(&tokens),
                most: settings.organization_accounts,
            },
            grants: Grants {
                context: context.clone(),
            },
            administration: Administration {
                context: context.clone(),
            },
            authorization: Authorization {
                store: parts.store.clone(),
                rules: settings.access_rules,
            },
            signing_keys,
            credentials: context.credentials,
            sessions,
            is_https: settings.issuer.starts_with("https://"),
            clients: settings.clients,
            accounts,
            api_keys,
            challenges,
            devices,
        }
    }
}
