//! Authorization requests (OAuth 2.1 section 4.1.1): read once, kept until somebody decides.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{metadata::CODE, pkce, redirect, resource::Resources};
use crate::{
    env::Timestamp,
    model::{
        client::{Client, GrantType},
        id::{AccountId, AuthorizationId, GrantId, SessionId},
        scope::Scopes,
        session::Session,
    },
};

/// The longest `nonce`, in bytes: the ID token that repeats it is bounded, too.
const LONGEST_NONCE: usize = 255;

/// The `acr` of every log-in. OpenID Connect Core section 2 gives meaning to this value alone: that level 1 of ISO/IEC 29115 is
/// not promised. A password that was typed up to a month ago promises no more, and what other values mean would have to be
/// agreed upon with each client.
pub const ACR: &str = "0";

/// The parameters of an authorization request as they came; empty ones are absent (OAuth 2.1 section 3.1).
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// RFC 6749 section 3.1.1.
    pub response_type: String,
    /// RFC 6749 section 3.3.
    pub scope: String,
    /// RFC 6749 section 4.1.1.
    pub state: String,
    /// RFC 7636 section 4.3.
    pub code_challenge: String,
    /// RFC 7636 section 4.3.
    pub code_challenge_method: String,
    /// RFC 8707 section 2.1.
    pub resources: Vec<String>,
    /// OAuth 2.0 Multiple Response Type Encoding Practices section 2.1.
    pub response_mode: String,
    /// OpenID Connect Core section 3.1.2.1, as are those that follow.
    pub prompt: String,
    /// The most seconds since the log-in.
    pub max_age: String,
    /// The e-mail address of the person.
    pub login_hint: String,
    /// The languages of the person.
    pub ui_locales: String,
    /// Comes back in the ID token.
    pub nonce: String,
    /// An ID token of the person who is expected.
    pub id_token_hint: String,
    /// RFC 9101, which is not supported.
    pub request: String,
    /// RFC 9101, which is not supported.
    pub request_uri: String,
}

/// What a client asks for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What the client wants to do, separated by spaces.
    pub scope: String,
    /// Comes back as it is.
    pub state: String,
    /// The challenge of PKCE, by S256; empty where a client that may do without sent none.
    pub code_challenge: String,
    /// Whom the tokens are for; empty for the audience of the configuration.
    pub audience: Vec<String>,
    /// What is asked of the page.
    pub prompts: Vec<Prompt>,
    /// The most seconds since the log-in.
    pub max_age: Option<u32>,
    /// The e-mail address of the person.
    pub login_hint: String,
    /// The languages of the person, the best first.
    pub ui_locales: Vec<String>,
    /// Comes back in the ID token; empty where the client sent none.
    pub nonce: String,
    /// The account that is expected, where the client has named one by an ID token.
    pub expected_account: Option<Uuid>,
}

/// What a client asks of the page (OpenID Connect Core section 3.1.2.1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Show none.
    None,
    /// Have the person log in again.
    Login,
    /// Ask the person again.
    Consent,
    /// Let the person choose an account, which is logging in again.
    SelectAccount,
}

impl Prompt {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::None, Self::Login, Self::Consent, Self::SelectAccount];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prompt| prompt.as_str() == name)
    }
}

/// What is wrong with an authorization request whose client and redirect URI are right: for the client to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RedirectError {
    /// The code of RFC 6749 section 4.1.2.1, or of an extension.
    pub error: &'static str,
    /// What is wrong, for developers.
    pub description: Cow<'static, str>,
}

const fn wrong(error: &'static str, description: &'static str) -> RedirectError {
    let description = Cow::Borrowed(description);
    RedirectError { error, description }
}

impl AuthorizationRequest {
    /// Reads the parameters of a client whose redirect URI was found to be its own, but for `id_token_hint`, which takes keys to
    /// be read.
    ///
    /// # Errors
    /// What the client is to know.
    pub fn read(
        parameters: Parameters,
        redirect_uri: String,
        client: &Client,
        resources: &Resources,
    ) -> Result<Self, RedirectError> {
        if !parameters.request.is_empty() {
            return Err(wrong("request_not_supported", "request is not supported"));
        }
        if !parameters.request_uri.is_empty() {
            return Err(wrong(
                "request_uri_not_supported",
                "request_uri is not supported",
            ));
        }
        match parameters.response_type.as_str() {
            CODE => {}
            "" => return Err(wrong("invalid_request", "response_type is required")),
            _ => {
                return Err(wrong(
                    "unsupported_response_type",
                    "response_type must be code",
                ));
            }
        }
        if !["", "query"].contains(&parameters.response_mode.as_str()) {
            return Err(wrong("invalid_request", "response_mode must be query"));
        }
        if !client.may(GrantType::AuthorizationCode) {
            return Err(wrong(
                "unauthorized_client",
                "the client may not use authorization codes",
            ));
        }
        check_challenge(&parameters, client)?;
        if parameters.nonce.len() > LONGEST_NONCE {
            return Err(wrong("invalid_request", "nonce is too long"));
        }
        let (mut prompts, mut max_age) =
            (prompts(&parameters.prompt)?, max_age(&parameters.max_age)?);
        // Nobody can have logged in this very moment: it is another way to ask for a new log-in.
        if max_age == Some(0) {
            prompts.push(Prompt::Login);
            max_age = None;
        }
        Ok(Self {
            redirect_uri,
            scope: scopes(&parameters.scope, client)?.to_string(),
            audience: resources
                .audiences(&parameters.resources)
                .map_err(|unknown| RedirectError {
                    error: "invalid_target",
                    description: unknown.to_string().into(),
                })?,
            prompts,
            max_age,
            ui_locales: parameters
                .ui_locales
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            state: parameters.state,
            code_challenge: parameters.code_challenge,
            login_hint: parameters.login_hint,
            nonce: parameters.nonce,
            expected_account: None,
        })
    }

    /// What the client wants to do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_stored(&self.scope)
    }

    /// Where the person goes with an answer, which says who gives it (RFC 9207 section 2).
    #[must_use]
    pub fn answer(&self, issuer: &str, parameters: &[(&str, &str)]) -> String {
        answer(&self.redirect_uri, &self.state, issuer, parameters)
    }
}

/// Where the person goes with an answer: it repeats `state`, and says who gives it (RFC 9207 section 2).
#[must_use]
pub fn answer(
    redirect_uri: &str,
    state: &str,
    issuer: &str,
    parameters: &[(&str, &str)],
) -> String {
    let mut all = parameters.to_vec();
    if !state.is_empty() {
        all.push(("state", state));
    }
    all.push(("iss", issuer));
    redirect::with_parameters(redirect_uri, &all)
}

/// OAuth 2.1 section 4.1.1: PKCE is for every client, but for those with a secret that have lifted it. What they send is checked
/// all the same.
fn check_challenge(parameters: &Parameters, client: &Client) -> Result<(), RedirectError> {
    let is_sent =
        !parameters.code_challenge.is_empty() || !parameters.code_challenge_method.is_empty();
    if !is_sent && !client.metadata.requires_pkce() {
        return Ok(());
    }
    if parameters.code_challenge.is_empty() {
        return Err(wrong("invalid_request", "code_challenge is required"));
    }
    // An absent method is `plain` (RFC 7636 section 4.3).
    if parameters.code_challenge_method != pkce::S256 {
        return Err(wrong(
            "invalid_request",
            "code_challenge_method must be S256",
        ));
    }
    if !pkce::is_challenge(&parameters.code_challenge) {
        return Err(wrong(
            "invalid_request",
            "code_challenge must be base64url of a SHA-256",
        ));
    }
    Ok(())
}

/// What is not known is left out, and refused when nothing is left (RFC 6749 section 3.3).
fn scopes(asked: &str, client: &Client) -> Result<Scopes, RedirectError> {
    let scopes = if asked.trim().is_empty() {
        client.scopes.clone()
    } else {
        Scopes::grantable(asked)
    };
    if scopes.is_empty() {
        return Err(wrong("invalid_scope", "none of the scopes is known here"));
    }
    Ok(scopes)
}

fn prompts(asked: &str) -> Result<Vec<Prompt>, RedirectError> {
    let prompts: Option<Vec<_>> = asked.split_ascii_whitespace().map(Prompt::named).collect();
    let prompts = prompts.ok_or(wrong("invalid_request", "prompt is not known here"))?;
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        return Err(wrong("invalid_request", "prompt=none must stand alone"));
    }
    Ok(prompts)
}

fn max_age(asked: &str) -> Result<Option<u32>, RedirectError> {
    if asked.is_empty() {
        return Ok(None);
    }
    let seconds = asked
        .parse()
        .map_err(|_| wrong("invalid_request", "max_age must be a number of seconds"));
    seconds.map(Some)
}

/// An authorization request, and what has become of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    /// Who asks.
    pub client_id: String,
    /// For what.
    pub request: AuthorizationRequest,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it is too late to decide.
    pub expires_at: Timestamp,
    /// When somebody decided.
    pub decided_at: Option<Timestamp>,
    /// Who approved it.
    pub approval: Option<Approval>,
    /// The grant that its code was redeemed for.
    pub grant_id: Option<GrantId>,
}

/// An approval, and the code that was given for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// The account that approved.
    pub account_id: AccountId,
    /// The session that it did so in.
    pub session_id: SessionId,
    /// The SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// When the code ends.
    pub code_expires_at: Timestamp,
}

/// What is missing for an approval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Somebody has to log in, or to log in again.
    LogIn,
    /// The person has to say yes.
    Consent,
    /// Nothing.
    None,
}

impl Authorization {
    /// Whether somebody may still decide.
    #[must_use]
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.decided_at.is_none() && now < self.expires_at
    }

    /// What is missing for an approval in this session, by an account that has consented to these scopes before. Any program
    /// on a machine can pass for a public client that is called back there, so that for those the person is asked each
    /// time (RFC 8252 section 8.6).
    #[must_use]
    pub fn next_step(
        &self,
        client: &Client,
        session: Option<&Session>,
        consented: &Scopes,
        now: Timestamp,
    ) -> Step {
        let has = |prompt| self.request.prompts.contains(&prompt);
        let logs_in_again = has(Prompt::Login) || has(Prompt::SelectAccount);
        let is_new_enough = |session: &&Session| {
            let oldest = self
                .request
                .max_age
                .map(|age| now.before(std::time::Duration::from_secs(age.into())));
            oldest.is_none_or(|oldest| oldest <= session.created_at)
                && (!logs_in_again || self.created_at <= session.created_at)
        };
        let expected = self.request.expected_account;
        let is_expected = |session: &&Session| {
            expected.is_none_or(|account| account == session.account_id.uuid())
        };
        if session.filter(is_expected).filter(is_new_enough).is_none() {
            return Step::LogIn;
        }
        let is_known = !client.is_public() || redirect::leaves_machine(&self.request.redirect_uri);
        if !is_known || has(Prompt::Consent) || !self.request.scopes().without(consented).is_empty()
        {
            return Step::Consent;
        }
        Step::None
    }
}

#[cfg(test)]
mod tests;
