//! The calls of the contract that the faces are made of.

use axum::Extension;
use http::{Request, Uri};
use tonic::Status;
use tower::ServiceExt as _;

use crate::{
    env::Timestamp,
    error::{Error, Reason, Result},
    model::{
        cookie,
        id::{AccountId, ApiKeyId, OrganizationId},
        request::AuthorizeOnly,
    },
    pb::v1::{
        self, account_service_client::AccountServiceClient,
        api_key_service_client::ApiKeyServiceClient,
        challenge_service_client::ChallengeServiceClient,
        identity_provider_service_client::IdentityProviderServiceClient,
        o_auth_service_client::OAuthServiceClient, session_service_client::SessionServiceClient,
    },
    rest::{call::Call, channel::Channel},
};

/// The rpcs that a face calls with what stands in a body.
pub(super) mod rpc {
    pub(in super::super) const CREATE_ACCOUNT: &str =
        "/countersign.v1.AccountService/CreateAccount";
    pub(in super::super) const CREATE_API_KEY: &str = "/countersign.v1.ApiKeyService/CreateApiKey";
    pub(in super::super) const CREATE_SESSION: &str =
        "/countersign.v1.SessionService/CreateSession";
    pub(in super::super) const FINISH_SIGN_IN: &str =
        "/countersign.v1.IdentityProviderService/FinishSignIn";
    pub(in super::super) const REFRESH_SESSION: &str =
        "/countersign.v1.SessionService/RefreshSession";
    pub(in super::super) const REVOKE_REFRESH_TOKEN: &str =
        "/countersign.v1.SessionService/RevokeRefreshToken";
    pub(in super::super) const ISSUE_TOKENS: &str = "/countersign.v1.OAuthService/IssueTokens";
    pub(in super::super) const INTROSPECT_TOKEN: &str =
        "/countersign.v1.OAuthService/IntrospectToken";
    pub(in super::super) const REVOKE_TOKEN: &str = "/countersign.v1.OAuthService/RevokeToken";
    pub(in super::super) const REGISTER_CLIENT: &str =
        "/countersign.v1.OAuthService/RegisterClient";
    pub(in super::super) const UPDATE_CLIENT_REGISTRATION: &str =
        "/countersign.v1.OAuthService/UpdateClientRegistration";
    pub(in super::super) const GET_USER_INFO: &str = "/countersign.v1.OAuthService/GetUserInfo";
    /// Takes every credential that is good.
    pub(in super::super) const CHECK_ACCESS: &str =
        "/countersign.v1.AuthorizationService/CheckAccess";
}

/// The cookie that an answer is to set.
pub(super) type Cookie = Extension<cookie::Cookie>;
/// Who logged in, and the cookie that is to be set.
pub(super) type LoggedIn = (v1::CreateSessionResponse, Option<Cookie>);

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

    fn api_keys(&self) -> ApiKeyServiceClient<Channel> {
        ApiKeyServiceClient::new(self.0.clone())
    }

    fn challenges(&self) -> ChallengeServiceClient<Channel> {
        ChallengeServiceClient::new(self.0.clone())
    }

    fn providers(&self) -> IdentityProviderServiceClient<Channel> {
        IdentityProviderServiceClient::new(self.0.clone())
    }

    fn oauth(&self) -> OAuthServiceClient<Channel> {
        OAuthServiceClient::new(self.0.clone())
    }

    fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.0.clone())
    }

    /// Whether the caller may call this rpc, which is asked before the body is read: a refusal that needs no body
    /// does not wait for one. It counts as the call, and the rpc itself is not authorized again.
    pub(super) async fn authorize(&self, call: Call, rpc: &'static str) -> Result<Call> {
        let (metadata, extensions, ()) = call.request(()).into_parts();
        let mut request = Request::post(Uri::from_static(rpc))
            .body(tonic::body::Body::empty())
            .map_err(Error::internal)?;
        *request.headers_mut() = metadata.into_headers();
        *request.extensions_mut() = extensions;
        request.extensions_mut().insert(AuthorizeOnly);
        let answer = self.0.clone().oneshot(request).await?;
        Ok(call.authorized_by(answer.into_parts().0.extensions))
    }

    /// Signs up.
    pub(super) async fn create_account(
        &self,
        call: &Call,
        message: v1::CreateAccountRequest,
    ) -> Result<v1::CreateAccountResponse> {
        let answer = self.accounts().create_account(call.request(message)).await;
        inner(answer)
    }

    /// Gets the challenge for a sign-up.
    pub(super) async fn create_challenge(&self, call: &Call) -> Result<v1::Challenge> {
        let message = v1::CreateChallengeRequest {
            purpose: v1::ChallengePurpose::SignUp.into(),
        };
        let request = call.request(message);
        let answer = self.challenges().create_challenge(request).await;
        present(inner(answer)?.challenge, "challenge")
    }

    /// Makes an account in the organization of whoever calls.
    pub(super) async fn provision_account(
        &self,
        call: &Call,
        message: v1::ProvisionAccountRequest,
    ) -> Result<v1::ProvisionAccountResponse> {
        let request = call.request(message);
        let answer = self.accounts().provision_account(request).await;
        inner(answer)
    }

    /// The account that calls.
    pub(super) async fn me(&self, call: &Call) -> Result<v1::Account> {
        self.account(call, "accounts/me".to_owned()).await
    }

    /// Reads the account of this name.
    pub(super) async fn account(&self, call: &Call, name: String) -> Result<v1::Account> {
        let message = v1::GetAccountRequest { name };
        let answer = self.accounts().get_account(call.request(message)).await;
        present(inner(answer)?.account, "account")
    }

    /// Deletes the account of this name.
    pub(super) async fn delete_account(&self, call: &Call, name: String) -> Result<()> {
        let message = v1::DeleteAccountRequest {
            name,
            etag: String::new(),
        };
        let answer = self.accounts().delete_account(call.request(message)).await;
        inner(answer).map(drop)
    }

    /// Makes an API key.
    pub(super) async fn create_api_key(
        &self,
        call: &Call,
        key: v1::ApiKey,
    ) -> Result<v1::CreateApiKeyResponse> {
        let message = v1::CreateApiKeyRequest {
            api_key: Some(key),
            request_id: String::new(),
        };
        let answer = self.api_keys().create_api_key(call.request(message)).await;
        inner(answer)
    }

    /// The live API keys of this kind, the newest first.
    pub(super) async fn api_keys_of_kind(
        &self,
        call: &Call,
        kind: v1::ApiKeyKind,
    ) -> Result<Vec<v1::ApiKey>> {
        let (mut keys, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = v1::ListApiKeysRequest {
                page_size: 100,
                page_token,
                filter: format!("kind = {}", kind.as_str_name()),
            };
            let answer = self.api_keys().list_api_keys(call.request(message)).await;
            let page = inner(answer)?;
            keys.extend(page.api_keys);
            if page.next_page_token.is_empty() {
                return Ok(keys);
            }
            page_token = page.next_page_token;
        }
    }

    /// Reads the API key of this name.
    pub(super) async fn api_key(&self, call: &Call, name: String) -> Result<v1::ApiKey> {
        let message = v1::GetApiKeyRequest { name };
        let answer = self.api_keys().get_api_key(call.request(message)).await;
        present(inner(answer)?.api_key, "api_key")
    }

    /// Revokes the API key of this name.
    pub(super) async fn delete_api_key(&self, call: &Call, name: String) -> Result<()> {
        let message = v1::DeleteApiKeyRequest { name };
        let answer = self.api_keys().delete_api_key(call.request(message)).await;
        inner(answer).map(drop)
    }

    /// Logs in.
    pub(super) async fn create_session(
        &self,
        call: &Call,
        email: String,
        password: String,
        client_id: &str,
    ) -> Result<LoggedIn> {
        let message = v1::CreateSessionRequest {
            email,
            password,
            client_id: client_id.to_owned(),
            // A browser's stands in its cookie.
            device_token: String::new(),
            request_id: String::new(),
        };
        let answer = self
            .sessions()
            .create_session(call.request(message))
            .await?;
        let (_, made, mut extensions) = answer.into_parts();
        Ok((made, extensions.remove::<cookie::Cookie>().map(Extension)))
    }

    /// Signs in with what another provider has given.
    pub(super) async fn finish_sign_in(
        &self,
        call: &Call,
        message: v1::FinishSignInRequest,
    ) -> Result<v1::FinishSignInResponse> {
        let answer = self.providers().finish_sign_in(call.request(message)).await;
        inner(answer).map_err(|error| error.without_prefix("proof."))
    }

    /// Gets the next access token.
    pub(super) async fn refresh_session(
        &self,
        call: &Call,
        refresh_token: String,
    ) -> Result<v1::SessionTokens> {
        let bad_token = bad_token(refresh_token.is_empty());
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
    ) -> Result<()> {
        let bad_token = bad_token(refresh_token.is_empty());
        let message = v1::RevokeRefreshTokenRequest { refresh_token };
        let request = call.request(message);
        let answer = self.sessions().revoke_refresh_token(request).await;
        inner(answer).map(drop).map_err(bad_token)
    }

    /// Logs the session of the call's own token out.
    pub(super) async fn revoke_current_session(&self, call: &Call) -> Result<()> {
        let message = v1::DeleteSessionRequest {
            name: "sessions/current".to_owned(),
        };
        let answer = self.sessions().delete_session(call.request(message)).await;
        inner(answer).map(drop)
    }

    /// Issues tokens to an OAuth client.
    pub(super) async fn issue_tokens(
        &self,
        call: &Call,
        message: v1::IssueTokensRequest,
    ) -> Result<v1::IssueTokensResponse> {
        inner(self.oauth().issue_tokens(call.request(message)).await)
    }

    /// Tells an OAuth client whether a token is live.
    pub(super) async fn introspect_token(
        &self,
        call: &Call,
        message: v1::IntrospectTokenRequest,
    ) -> Result<v1::IntrospectTokenResponse> {
        inner(self.oauth().introspect_token(call.request(message)).await)
    }

    /// Revokes a token of an OAuth client.
    pub(super) async fn revoke_token(
        &self,
        call: &Call,
        message: v1::RevokeTokenRequest,
    ) -> Result<()> {
        inner(self.oauth().revoke_token(call.request(message)).await).map(drop)
    }

    /// Tells the caller who its account is.
    pub(super) async fn user_info(&self, call: &Call) -> Result<v1::GetUserInfoResponse> {
        let request = call.request(v1::GetUserInfoRequest {});
        inner(self.oauth().get_user_info(request).await)
    }

    /// Registers an OAuth client.
    pub(super) async fn register_client(
        &self,
        call: &Call,
        metadata: v1::ClientMetadata,
    ) -> Result<v1::ClientRegistration> {
        let message = v1::RegisterClientRequest {
            metadata: Some(metadata),
        };
        let answer = self.oauth().register_client(call.request(message)).await;
        let registered = inner(answer).map_err(registered_fields)?;
        present(registered.registration, "registration")
    }

    /// Reads the registration of an OAuth client.
    pub(super) async fn client_registration(
        &self,
        call: &Call,
        client_id: String,
        registration_access_token: String,
    ) -> Result<v1::ClientRegistration> {
        let message = v1::GetClientRegistrationRequest {
            client_id,
            registration_access_token,
        };
        let request = call.request(message);
        let answer = self.oauth().get_client_registration(request).await;
        let found = inner(answer).map_err(wrong_registration)?;
        present(found.registration, "registration")
    }

    /// Replaces the registration of an OAuth client.
    pub(super) async fn update_client_registration(
        &self,
        call: &Call,
        message: v1::UpdateClientRegistrationRequest,
    ) -> Result<v1::ClientRegistration> {
        let request = call.request(message);
        let answer = self.oauth().update_client_registration(request).await;
        let changed = inner(answer).map_err(registered_fields)?;
        present(changed.registration, "registration")
    }

    /// Deletes the registration of an OAuth client.
    pub(super) async fn delete_client_registration(
        &self,
        call: &Call,
        client_id: String,
        registration_access_token: String,
    ) -> Result<()> {
        let message = v1::DeleteClientRegistrationRequest {
            client_id,
            registration_access_token,
        };
        let request = call.request(message);
        let answer = self.oauth().delete_client_registration(request).await;
        inner(answer).map(drop).map_err(wrong_registration)
    }
}

/// What is said of an id or a registration access token in a form that none has: it is a wrong one like any other.
fn wrong_registration(error: Error) -> Error {
    match error.reason() {
        Reason::InvalidField => Reason::CredentialInvalid.into(),
        _ => error,
    }
}

/// What is wrong with the metadata of a client, under the names that they have by themselves.
fn registered_fields(error: Error) -> Error {
    error.without_prefix("metadata.")
}

fn inner<M>(answer: std::result::Result<tonic::Response<M>, Status>) -> Result<M> {
    Ok(answer?.into_inner())
}

/// What is said of a refresh token in a form that none has: it is a wrong one like any other. A missing one
/// stays a missing field.
fn bad_token(is_missing: bool) -> impl FnOnce(Error) -> Error {
    move |error| match error.reason() {
        Reason::InvalidField if !is_missing => Reason::RefreshTokenInvalid.into(),
        _ => error,
    }
}

/// A message that the contract promises in an answer.
pub(super) fn present<M>(message: Option<M>, name: &'static str) -> Result<M> {
    message.ok_or_else(|| broken(name))
}

/// The moment that a field of an answer holds.
pub(super) fn moment(
    field: Option<prost_types::Timestamp>,
    name: &'static str,
) -> Result<Timestamp> {
    let field = present(field, name)?;
    let whole = Timestamp::from_seconds(field.seconds).millis();
    let millis = whole.saturating_add(i64::from(field.nanos / 1_000_000));
    Ok(Timestamp::from_millis(millis))
}

/// The id in an account's resource name.
pub(super) fn account_id(name: &str) -> Result<AccountId> {
    bare(name, AccountId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| broken("account name"))
}

/// The id in an API key's resource name.
pub(super) fn api_key_id(name: &str) -> Result<ApiKeyId> {
    bare(name, ApiKeyId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| broken("API key name"))
}

/// The id in an organization's resource name.
pub(super) fn organization_id(name: &str) -> Result<OrganizationId> {
    bare(name, OrganizationId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| broken("organization name"))
}

fn bare<'a>(name: &'a str, collection: &str) -> Option<&'a str> {
    name.strip_prefix(collection)?.strip_prefix('/')
}

fn broken(what: &'static str) -> Error {
    Error::internal(format!("an answer of the contract lacks this: {what}"))
}

#[cfg(test)]
mod tests;
