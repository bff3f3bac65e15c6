//! Opens sessions and issues the tokens in them.

use std::net::IpAddr;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{
    crypto::{keyring::TokenType, secrets},
    domain::Domain,
    env::Timestamp,
    error::Result,
    model::{
        account::Account,
        scope::{self, Scopes},
        session::{Profile, RefreshToken, Session},
        signing_key::Algorithm,
    },
};

/// What refresh tokens start with.
pub const REFRESH_PREFIX: &str = "cs_rt_";

/// The longest that a client's name for itself is kept, in characters.
const USER_AGENT_CHARS: usize = 200;

/// Who signs in: the address and the program.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address.
    pub address: String,
    /// The program, as it named itself.
    pub user_agent: String,
    /// What an earlier log-in handed out to know the device by, when it was sent.
    pub device: Option<String>,
}

impl Client {
    /// The client at this address that names itself so; of the name, what is printable and short.
    #[must_use]
    pub fn new(address: String, user_agent: &str) -> Self {
        let printable = user_agent.chars().filter(|char| !char.is_control());
        Self {
            address,
            user_agent: printable.take(USER_AGENT_CHARS).collect(),
            device: None,
        }
    }

    /// The address to count by; none when the transport knew none.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    /// The same client, which sent this to be known by.
    #[must_use]
    pub fn on_device(self, device: Option<String>) -> Self {
        Self { device, ..self }
    }
}

/// What a program keeps to act as the account.
#[derive(Clone)]
pub struct Tokens {
    /// The credential of each call, a JWT; docs/TOKENS.md says what it claims.
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// Gets the next one, in profiles that refresh, with the time when it ends.
    pub refresh: Option<(Zeroizing<String>, Timestamp)>,
    /// What they may do.
    pub scopes: Scopes,
}

/// A session that is about to be written, with its tokens.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) refresh: Option<RefreshToken>,
    pub(super) tokens: Tokens,
}

impl Domain {
    /// Makes a session and its first tokens; nothing is written yet.
    pub(super) fn open_session(
        &self,
        account: &Account,
        profile: Profile,
        client: Client,
    ) -> Result<Opened> {
        let now = self.env.now();
        let session = Session {
            id: self.env.uuid()?.into(),
            account_id: account.id,
            profile,
            scopes: default_scopes(profile),
            created_at: now,
            refreshed_at: now,
            expires_at: now.after(self.settings.session_lifetime(profile)),
            revoked_at: None,
            client_address: client.address,
            user_agent: client.user_agent,
        };
        let secret = if profile.refreshes() {
            Some(secrets::generate(REFRESH_PREFIX, &self.env)?)
        } else {
            None
        };
        let refresh = secret.as_ref().map(|secret| RefreshToken {
            hash: secret.hash,
            session_id: session.id,
            created_at: now,
            consumed_at: None,
        });
        let text = secret.map(|secret| Zeroizing::new(secret.text.expose_secret().to_owned()));
        let tokens = self.issue(account, &session, text, now)?;
        Ok(Opened {
            session,
            refresh,
            tokens,
        })
    }

    /// Issues an access token for a session, beside the refresh token that goes with it.
    pub(super) fn issue(
        &self,
        account: &Account,
        session: &Session,
        refresh: Option<Zeroizing<String>>,
        now: Timestamp,
    ) -> Result<Tokens> {
        let lifetime = self.settings.access_lifetime(session.profile);
        let access_expires_at = now.after(lifetime).min(session.expires_at);
        let claims = self.claims(account, session, access_expires_at, now)?;
        let access_token = Zeroizing::new(self.key_ring.sign(
            Algorithm::Es256,
            token_type(session.profile),
            &claims,
            now,
        )?);
        self.expect(&access_token, session.id, access_expires_at);
        Ok(Tokens {
            access_token,
            access_expires_at,
            refresh: refresh.map(|secret| (secret, session.expires_at)),
            scopes: session.scopes.clone(),
        })
    }

    /// The claims of an access token (RFC 9068 section 2.2), or the ones that SMTPD documents.
    fn claims(
        &self,
        account: &Account,
        session: &Session,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Map<String, Value>> {
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.settings.issuer)),
            ("aud".to_owned(), self.audience()),
            ("iat".to_owned(), json!(now.seconds())),
            ("exp".to_owned(), json!(expires_at.seconds())),
            ("jti".to_owned(), json!(self.env.uuid()?)),
            ("sid".to_owned(), json!(session.id.uuid())),
        ]);
        let own = match session.profile {
            Profile::Smtpd => json!({
                "account_id": account.organization_id.uuid(),
                "id": account.id.uuid(),
                "is_account_verified": account.email_verified,
                "name": account.display_name,
                "scope": smtpd_scopes(&session.scopes),
                "sub": account.email.as_str(),
                "subject": account.email.as_str(),
            }),
            Profile::Native
            | Profile::MailKite
            | Profile::MoMail
            | Profile::MailTd
            | Profile::MailTdPro => json!({
                "sub": account.id.uuid(),
                "client_id": session.profile.as_str(),
                "scope": session.scopes.to_string(),
            }),
        };
        if let Value::Object(own) = own {
            claims.extend(own);
        }
        Ok(claims)
    }

    /// This server, alone or among others (RFC 7519 section 4.1.3).
    fn audience(&self) -> Value {
        let settings = &self.settings;
        if settings.audiences.is_empty() {
            return json!(settings.issuer);
        }
        std::iter::once(&settings.issuer)
            .chain(&settings.audiences)
            .map(String::as_str)
            .collect()
    }
}

/// SMTPD documents claims that are not those of RFC 9068: `scope` is a list of numbers, and there is no `client_id`.
fn token_type(profile: Profile) -> TokenType {
    match profile {
        Profile::Smtpd => TokenType::Jwt,
        Profile::Native
        | Profile::MailKite
        | Profile::MoMail
        | Profile::MailTd
        | Profile::MailTdPro => TokenType::AccessToken,
    }
}

fn default_scopes(profile: Profile) -> Scopes {
    match profile {
        Profile::Smtpd => Scopes::one(scope::ADMIN),
        Profile::MailKite => Scopes::one(scope::MCP),
        Profile::MailTd => Scopes::mailbox(),
        Profile::Native | Profile::MoMail | Profile::MailTdPro => Scopes::full(),
    }
}

/// SMTPD writes scopes as numbers.
fn smtpd_scopes(scopes: &Scopes) -> Vec<u8> {
    let number = |scope: &String| match scope.as_str() {
        scope::ADMIN => Some(1),
        scope::MCP => Some(2),
        _ => None,
    };
    scopes.as_slice().iter().filter_map(number).collect()
}
