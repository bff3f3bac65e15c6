//! Signing in with an account at another provider: the way there, and at `/sign-in/callback/{provider}` the way back.
//!
//! Nothing is kept of it on the server. What comes back is held to the browser that was sent out, by a tag in the `state`;
//! `nonce` and verifier follow from the browser's secret.

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::get,
};

use super::{Pages, browser::Browser, sign_in::Visit};
use crate::{
    error::{Error, Reason, Result},
    model::oauth::pkce,
    pb::v1,
    rest::form,
};

/// Answers of a provider at which nobody signed in (OpenID Connect Core section 3.1.2.6); one without any is like them.
const IS_NOBODY: [&str; 5] = [
    "",
    "login_required",
    "interaction_required",
    "account_selection_required",
    "consent_required",
];

/// What a browser is sent to a provider for.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Purpose {
    /// Somebody signs in.
    SignIn,
    /// Whoever has signed in links the identity to their account.
    Link,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Link => "link",
        }
    }
}

/// A provider, as the pages show it.
#[derive(Clone, Debug)]
pub struct ProviderButton {
    /// Its id, as in `identityProviders/{id}`.
    pub id: String,
    /// What people know it by.
    pub display_name: String,
}

/// One way to a provider and back.
struct Trip<'t> {
    provider: &'t str,
    authorization: &'t str,
    purpose: Purpose,
    /// Tells this trip from others.
    once: &'t str,
    /// Who links an identity.
    session: &'t str,
}

impl Trip<'_> {
    fn state(&self, browser: &Browser) -> String {
        let tag = browser.tag(&self.texts());
        let (authorization, purpose) = (self.authorization, self.purpose.as_str());
        format!("{authorization}.{purpose}.{}.{tag}", self.once)
    }

    fn texts(&self) -> [&str; 6] {
        let session = match self.purpose {
            Purpose::SignIn => "",
            Purpose::Link => self.session,
        };
        [
            "state",
            self.provider,
            self.authorization,
            self.purpose.as_str(),
            self.once,
            session,
        ]
    }

    fn nonce(&self, browser: &Browser) -> String {
        browser.tag(&["nonce", self.provider, self.once])
    }

    fn verifier(&self, browser: &Browser) -> String {
        browser.tag(&["verifier", self.provider, self.once])
    }
}

pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/sign-in/callback/{provider}", get(come_back))
        .with_state(pages)
}

impl Pages {
    fn callback(&self, provider: &str) -> String {
        format!("{}/sign-in/callback/{provider}", self.0.issuer)
    }

    pub(super) fn provider(&self, id: &str) -> Option<&ProviderButton> {
        self.0.providers.iter().find(|provider| provider.id == id)
    }
}

impl Visit<'_> {
    /// Where the browser goes to sign in at the provider. The session is that of whoever links an identity.
    pub(super) async fn provider_uri(
        &self,
        provider: &str,
        purpose: Purpose,
        session: &str,
    ) -> Result<String> {
        let shared = &self.pages.0;
        let trip = Trip {
            provider,
            authorization: &self.id,
            purpose,
            once: &Browser::once(&shared.env)?,
            session,
        };
        let message = v1::StartSignInRequest {
            name: format!("identityProviders/{provider}"),
            redirect_uri: self.pages.callback(provider),
            state: trip.state(&self.browser),
            nonce: trip.nonce(&self.browser),
            code_challenge: pkce::challenge(&trip.verifier(&self.browser)),
        };
        shared
            .contract
            .start_sign_in(&self.anonymous(), message)
            .await
    }

    pub(super) async fn go_to_provider(&self, provider: &str) -> Result<Response> {
        if self.pages.provider(provider).is_none() {
            return self.again([]);
        }
        match self.provider_uri(provider, Purpose::SignIn, "").await {
            Ok(uri) => self.pages.see_other(&uri, []),
            Err(error) => self.again_after(provider, &error),
        }
    }

    /// The page once more, with what went wrong at the provider.
    fn again_after(&self, provider: &str, error: &Error) -> Result<Response> {
        error.log();
        let reason = error.reason().meaning().name;
        let path = format!("{}?provider={provider}&reason={reason}", self.path);
        self.pages.see_other(&path, [])
    }

    /// The provider at which something has just gone wrong, and what.
    pub(super) fn trouble(&self) -> Option<(&ProviderButton, Reason)> {
        let query = self.parts.uri.query().unwrap_or_default();
        let sent = form::parameters(query.as_bytes()).ok()?;
        Some((
            self.pages.provider(value(&sent, "provider"))?,
            Reason::from_name(value(&sent, "reason"))?,
        ))
    }
}

/// What was sent under this name; empty where nothing was.
fn value<'s>(sent: &'s [(String, String)], name: &str) -> &'s str {
    let found = sent.iter().find(|(sent, _)| sent == name);
    found.map_or("", |(_, value)| value)
}

/// Somebody is sent back by a provider.
async fn come_back(
    State(pages): State<Pages>,
    Path(provider): Path<String>,
    request: Request,
) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let sent = form::parameters(parts.uri.query().unwrap_or_default().as_bytes())?;
    let mut state = value(&sent, "state").split('.');
    let (Some(authorization), Some(purpose), Some(once), Some(tag), None) = (
        state.next(),
        state.next(),
        state.next(),
        state.next(),
        state.next(),
    ) else {
        return Err(Reason::AuthorizationNotFound.into());
    };
    let purposes = [Purpose::SignIn, Purpose::Link].into_iter();
    let mut purposes = purposes.filter(|known| known.as_str() == purpose);
    let purpose = purposes.next().ok_or(Reason::AuthorizationNotFound)?;
    let visit = Visit::by_browser(&pages, authorization.to_owned(), parts)?;
    let trip = Trip {
        provider: &provider,
        authorization,
        purpose,
        once,
        session: visit.session().unwrap_or_default(),
    };
    // Another browser's, or nobody's: an attacker would have their own code redeemed here.
    if !visit.browser.has_tag(&trip.texts(), tag) {
        return Err(Reason::AuthorizationNotFound.into());
    }
    match (value(&sent, "code"), value(&sent, "error")) {
        // They changed their mind.
        ("", "access_denied") => visit.again([]),
        ("", error) => {
            let cause = format!("the provider answers {error:?}");
            // The others are about the settings, or about the provider (RFC 6749 section 4.1.2.1).
            let reason = if IS_NOBODY.contains(&error) {
                Reason::IdentityInvalid
            } else {
                Reason::IdentityProviderUnavailable
            };
            visit.again_after(&provider, &Error::from(reason).because(cause))
        }
        (code, _) => visit.arrive(&trip, code).await,
    }
}

impl Visit<'_> {
    async fn arrive(&self, trip: &Trip<'_>, code: &str) -> Result<Response> {
        let contract = &self.pages.0.contract;
        let name = format!("identityProviders/{}", trip.provider);
        let proof = v1::IdentityProof {
            code: code.to_owned(),
            redirect_uri: self.pages.callback(trip.provider),
            code_verifier: trip.verifier(&self.browser),
            nonce: trip.nonce(&self.browser),
            ..v1::IdentityProof::default()
        };
        match trip.purpose {
            Purpose::SignIn => {
                let nobody = self.anonymous();
                match contract.finish_sign_in(&nobody, name, proof).await {
                    Ok(signed_in) => self.signed_in(signed_in, None).await,
                    Err(error) => self.again_after(trip.provider, &error),
                }
            }
            Purpose::Link => match contract.link_identity(&self.call(), name, proof).await {
                Ok(()) => self.again([]),
                Err(error) => self.again_after(trip.provider, &error),
            },
        }
    }
}
