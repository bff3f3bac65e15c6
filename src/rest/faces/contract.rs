//! The calls of the contract that the faces are made of.

use tonic::Status;

use super::call::Call;
use crate::{
    env::Timestamp,
    error::{Error, Reason},
    model::id::{AccountId, OrganizationId},
    pb::v1::{
        self, account_service_client::AccountServiceClient,
        session_service_client::SessionServiceClient,
    },
    rest::{channel::Channel, fault::Fault},
};

/// The contract's services, in this process.
#[derive(Clone)]
pub(super) struct Contract(Channel);

impl Contract {
    /// The services behind this channel.
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.0.clone())
    }

    fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.0.clone())
    }

    /// Signs up.
    pub(super) async fn create_account(
        &self,
        call: &Call,
        message: v1::CreateAccountRequest,
    ) -> Result<v1::CreateAccountResponse, Fault> {
        let answer = self.accounts().create_account(call.request(message)).await;
        inner(answer)
    }

    /// The account that calls.
    pub(super) async fn me(&self, call: &Call) -> Result<v1::Account, Fault> {
        let message = v1::GetAccountRequest {
            name: "accounts/me".to_owned(),
        };
        let answer = self.accounts().get_account(call.request(message)).await;
        present(inner(answer)?.account, "account")
    }

    /// Logs in.
    pub(super) async fn create_session(
        &self,
        call: &Call,
        email: String,
        password: String,
        profile: v1::SessionProfile,
    ) -> Result<v1::CreateSessionResponse, Fault> {
        let message = v1::CreateSessionRequest {
            email,
            password,
            profile: profile.into(),
            // A browser's stands in its cookie.
            device_token: String::new(),
        };
        let answer = self.sessions().create_session(call.request(message)).await;
        if let Ok(made) = &answer {
            call.keep_cookies(made.metadata());
        }
        inner(answer)
    }

    /// Gets the next access token.
    pub(super) async fn refresh_session(
        &self,
        call: &Call,
        refresh_token: String,
    ) -> Result<v1::SessionTokens, Fault> {
        // Neither face can hand out a new refresh token.
        let message = v1::RefreshSessionRequest {
            refresh_token,
            keep_refresh_token: true,
        };
        let answer = self.sessions().refresh_session(call.request(message)).await;
        present(inner(answer).map_err(bad_token)?.tokens, "tokens")
    }

    /// Logs the session of a refresh token out.
    pub(super) async fn revoke_refresh_token(
        &self,
        call: &Call,
        refresh_token: String,
    ) -> Result<(), Fault> {
        let message = v1::RevokeRefreshTokenRequest { refresh_token };
        let request = call.request(message);
        let answer = self.sessions().revoke_refresh_token(request).await;
        inner(answer).map(drop).map_err(bad_token)
    }

    /// Logs the session of the call's own token out.
    pub(super) async fn revoke_current_session(&self, call: &Call) -> Result<(), Fault> {
        let message = v1::RevokeSessionRequest {
            name: "sessions/current".to_owned(),
        };
        let answer = self.sessions().revoke_session(call.request(message)).await;
        inner(answer).map(drop)
    }
}

fn inner<M>(answer: Result<tonic::Response<M>, Status>) -> Result<M, Fault> {
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| Fault::from_status(&status))
}

/// A refresh token of a length that no refresh token has is a wrong one like any other; a missing
/// one stays a missing field.
fn bad_token(fault: Fault) -> Fault {
    let is_missing = |fault: &Fault| {
        fault
            .violations
            .iter()
            .any(|violation| violation.description == "is required")
    };
    if fault.reason == Reason::InvalidField && !is_missing(&fault) {
        Reason::RefreshTokenInvalid.into()
    } else {
        fault
    }
}

/// A message that the contract promises in an answer.
pub(super) fn present<M>(message: Option<M>, name: &'static str) -> Result<M, Fault> {
    message.ok_or_else(|| broken(name))
}

/// The moment that a field of an answer holds.
pub(super) fn moment(
    field: Option<prost_types::Timestamp>,
    name: &'static str,
) -> Result<Timestamp, Fault> {
    let field = present(field, name)?;
    let whole = Timestamp::from_seconds(field.seconds).millis();
    let millis = whole.saturating_add(i64::from(field.nanos / 1_000_000));
    Ok(Timestamp::from_millis(millis))
}

/// The id in an account's resource name.
pub(super) fn account_id(name: &str) -> Result<AccountId, Fault> {
    bare(name, AccountId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| broken("account name"))
}

/// The id in an organization's resource name.
pub(super) fn organization_id(name: &str) -> Result<OrganizationId, Fault> {
    bare(name, OrganizationId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| broken("organization name"))
}

fn bare<'a>(name: &'a str, collection: &str) -> Option<&'a str> {
    name.strip_prefix(collection)?.strip_prefix('/')
}

fn broken(what: &'static str) -> Fault {
    tracing::error!(what, "an answer of the contract lacks this");
    Error::new(Reason::Internal).into()
}
