//! OAuth clients (RFC 6749 section 2): the programs that people sign in with, and what holds for each.

use std::{sync::Arc, time::Duration};

use crate::model::{
    oauth::{metadata::Metadata, redirect},
    scope::{self, Scopes},
};

/// This service's own client.
pub const COUNTERSIGN: &str = "countersign";
/// The client of MailKite's API.
pub const MAILKITE: &str = "mailkite";
/// The client of SMTPD's API.
pub const SMTPD: &str = "smtpd";
/// The client of `MoMail`'s API.
pub const MOMAIL: &str = "momail";
/// The client of Mail.td's e-mail tokens.
pub const MAILTD: &str = "mailtd";
/// The client of Mail.td's Pro tokens.
pub const MAILTD_PRO: &str = "mailtd-pro";

/// The hosted pages.
pub const PAGES: &str = "pages";

/// The ids of the built-in clients.
const BUILT_IN: [&str; 7] = [
    COUNTERSIGN,
    MAILKITE,
    SMTPD,
    MOMAIL,
    MAILTD,
    MAILTD_PRO,
    PAGES,
];

/// A client and its policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// Its id, as `client_id` in tokens and requests.
    pub id: String,
    /// What people know it by.
    pub display_name: String,
    /// How it gets tokens.
    pub grant_types: Vec<GrantType>,
    /// What a grant to it may do when nothing else was asked for.
    pub scopes: Scopes,
    /// How long an access token lives.
    pub access_token_lifetime: Duration,
    /// How long a grant lives, counted from the sign-in.
    pub grant_lifetime: Duration,
    /// Whether each refresh token is good for one refresh (RFC 9700 section 4.14.2).
    pub rotates_refresh_tokens: bool,
    /// What its access tokens claim.
    pub claims: Claims,
    /// Whether a new sign-in ends the refreshing of the account's earlier grants to it.
    pub replaces_grants: bool,
    /// Whether its grants go on when their session has ended.
    pub grants_outlive_session: bool,
    /// Whether who signs up with it gets a mail of welcome.
    pub welcomes: bool,
    /// Whether who signs up with it is held to the rules of Mail.td's document: proof of work, and a limit of its own.
    pub strict_sign_up: bool,
    /// What it says of itself: nothing, where it is built in.
    pub metadata: Metadata,
    /// The SHA-256 of its secret, for those that show one.
    pub secret_hash: Option<[u8; 32]>,
    /// The resources whose tokens it may introspect, whoever's they are.
    pub resources: Vec<String>,
}

impl Client {
    /// A client of OAuth, from what it says of itself.
    #[must_use]
    pub fn of_metadata(
        id: String,
        metadata: Metadata,
        secret_hash: Option<[u8; 32]>,
        lifetimes: Lifetimes,
    ) -> Self {
        let has = |grant: &GrantType| {
            metadata
                .grant_types
                .iter()
                .any(|name| name == grant.as_str())
        };
        let name = metadata.client_name.clone();
        Self {
            display_name: if name.is_empty() { id.clone() } else { name },
            id,
            grant_types: GrantType::OAUTH.into_iter().filter(has).collect(),
            scopes: metadata.default_scopes(),
            access_token_lifetime: lifetimes.access_token,
            grant_lifetime: lifetimes.grant,
            rotates_refresh_tokens: true,
            claims: Claims::Rfc9068,
            replaces_grants: false,
            // Whoever signs out of a browser does not sign their programs out.
            grants_outlive_session: true,
            welcomes: false,
            strict_sign_up: false,
            metadata,
            secret_hash,
            resources: Vec::new(),
        }
    }

    /// The redirect URI that a request means (OAuth 2.1 section 4.1.1): one of those that are registered, or the only one
    /// where it names none.
    #[must_use]
    pub fn redirect_uri(&self, requested: &str) -> Option<String> {
        let registered = &self.metadata.redirect_uris;
        match (requested, registered.as_slice()) {
            ("", [only]) => Some(only.clone()),
            _ => registered
                .iter()
                .any(|uri| redirect::matches(uri, requested))
                .then(|| requested.to_owned()),
        }
    }

    /// Whether it may introspect tokens that are for one of these.
    #[must_use]
    pub fn serves(&self, audience: &[String]) -> bool {
        self.resources
            .iter()
            .any(|resource| audience.contains(resource))
    }

    /// Whether people may be sent here after they have signed out (OpenID Connect RP-Initiated Logout section 3): only to what
    /// is registered for that.
    #[must_use]
    pub fn is_post_logout_redirect_uri(&self, requested: &str) -> bool {
        let mut registered = self.metadata.post_logout_redirect_uris.iter();
        registered.any(|uri| redirect::matches(uri, requested))
    }

    /// Whether it has neither a secret nor keys.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.metadata.is_public()
    }

    /// Whether it may get tokens this way.
    #[must_use]
    pub fn may(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }
}

/// How a client gets tokens (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GrantType {
    /// With the e-mail address and the password of the account.
    Password,
    /// With a refresh token.
    RefreshToken,
    /// With the code of an authorization.
    AuthorizationCode,
    /// With nothing but what says who the client is.
    ClientCredentials,
}

impl GrantType {
    /// Those of the token endpoint.
    pub const OAUTH: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// The claims of a client's access tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claims {
    /// Those of RFC 9068 section 2.2.
    Rfc9068,
    /// Those that SMTPD documents.
    Smtpd,
}

/// How long tokens live, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// An access token of clients that refresh.
    pub access_token: Duration,
    /// A grant to clients that refresh.
    pub grant: Duration,
    /// MailKite's session token.
    pub mailkite: Duration,
    /// Mail.td's tokens.
    pub mailtd: Duration,
    /// A session at the hosted pages.
    pub pages: Duration,
}

/// The clients that this server knows.
#[derive(Clone, Debug)]
pub struct Clients {
    own: Arc<Client>,
    others: Arc<[Client]>,
}

impl Clients {
    /// The built-in clients: our own, and those of the products whose documents this server keeps.
    #[must_use]
    pub fn built_in(lifetimes: Lifetimes) -> Self {
        let own = Client {
            id: COUNTERSIGN.to_owned(),
            display_name: "Countersign".to_owned(),
            grant_types: vec![GrantType::Password, GrantType::RefreshToken],
            scopes: Scopes::full(),
            access_token_lifetime: lifetimes.access_token,
            grant_lifetime: lifetimes.grant,
            rotates_refresh_tokens: true,
            claims: Claims::Rfc9068,
            replaces_grants: false,
            grants_outlive_session: false,
            welcomes: false,
            strict_sign_up: false,
            metadata: Metadata::default(),
            secret_hash: None,
            resources: Vec::new(),
        };
        let unrefreshed = |lifetime| Client {
            access_token_lifetime: lifetime,
            grant_lifetime: lifetime,
            grant_types: vec![GrantType::Password],
            ..own.clone()
        };
        let clients = [
            Client {
                id: MAILKITE.to_owned(),
                display_name: "MailKite".to_owned(),
                scopes: Scopes::one(scope::MCP),
                welcomes: true,
                ..unrefreshed(lifetimes.mailkite)
            },
            Client {
                id: SMTPD.to_owned(),
                display_name: "SMTPD".to_owned(),
                scopes: Scopes::one(scope::ADMIN),
                rotates_refresh_tokens: false,
                claims: Claims::Smtpd,
                replaces_grants: true,
                ..own.clone()
            },
            Client {
                id: MOMAIL.to_owned(),
                display_name: "MoMail".to_owned(),
                rotates_refresh_tokens: false,
                ..own.clone()
            },
            Client {
                id: MAILTD.to_owned(),
                display_name: "Mail.td e-mail token".to_owned(),
                scopes: Scopes::mailbox(),
                strict_sign_up: true,
                ..unrefreshed(lifetimes.mailtd)
            },
            Client {
                id: MAILTD_PRO.to_owned(),
                display_name: "Mail.td Pro token".to_owned(),
                ..unrefreshed(lifetimes.mailtd)
            },
            Client {
                id: PAGES.to_owned(),
                display_name: "Sign-in pages".to_owned(),
                ..unrefreshed(lifetimes.pages)
            },
        ];
        Self {
            own: Arc::new(own),
            others: Arc::new(clients),
        }
    }

    /// Whether this is the id of a built-in client.
    #[must_use]
    pub fn is_built_in(id: &str) -> bool {
        BUILT_IN.contains(&id)
    }

    /// This service's own client, with which it opens sessions where none is named.
    #[must_use]
    pub fn own(&self) -> &Client {
        &self.own
    }

    /// The client with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Client> {
        self.iter().find(|client| client.id == id)
    }

    /// Every client.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        std::iter::once(&*self.own).chain(&*self.others)
    }

    /// The longest that an access token of any client lives: how long a retired key must verify.
    #[must_use]
    pub fn longest_access_token_lifetime(&self) -> Duration {
        let lifetimes = self.iter().map(|client| client.access_token_lifetime);
        lifetimes.max().unwrap_or_default()
    }
}
