//! The rpcs that the pages are made of: those of any log-in page, through the same checks.

use tonic::{Response, Status};

use crate::{
    error::{Error, Result},
    model::{client::PAGES, cookie::Cookie},
    pb::v1::{
        self, account_service_client::AccountServiceClient,
        identity_provider_service_client::IdentityProviderServiceClient,
        o_auth_service_client::OAuthServiceClient, session_service_client::SessionServiceClient,
    },
    rest::{call::Call, channel::Channel},
};

/// The contract's services, in this process.
pub(super) struct Contract(Channel);

/// A session of a person at the pages.
pub(super) struct SignedIn {
    /// The access token that signs its calls.
    pub(super) token: String,
    /// What the browser is known by from now on, where that is said.
    pub(super) device: Option<Cookie>,
}

impl Contract {
    /// The services behind this channel.
    pub(super) fn new(channel: Channel) -> Self {
        Self(channel)
    }

    fn oauth(&self) -> OAuthServiceClient<Channel> {
        OAuthServiceClient::new(self.0.clone())
    }

    fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.0.clone())
    }

    fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.0.clone())
    }

    fn providers(&self) -> IdentityProviderServiceClient<Channel> {
        IdentityProviderServiceClient::new(self.0.clone())
    }

    pub(super) async fn start_authorization(
        &self,
        call: &Call,
        message: v1::StartAuthorizationRequest,
    ) -> Result<v1::StartAuthorizationResponse> {
        inner(
            self.oauth()
                .start_authorization(call.request(message))
                .await,
        )
    }

    pub(super) async fn authorization(
        &self,
        call: &Call,
        name: String,
    ) -> Result<v1::Authorization> {
        let message = v1::GetAuthorizationRequest { name };
        let answer = self.oauth().get_authorization(call.request(message)).await;
        inner(answer)?
            .authorization
            .ok_or_else(|| lacks("authorization"))
    }

    /// Where the browser goes with the code.
    pub(super) async fn approve(&self, call: &Call, name: String) -> Result<String> {
        let message = v1::ApproveAuthorizationRequest { name };
        let request = call.request(message);
        let answer = self.oauth().approve_authorization(request).await;
        Ok(inner(answer)?.redirect_uri)
    }

    /// Where the browser goes with the error.
    pub(super) async fn deny(
        &self,
        call: &Call,
        name: String,
        reason: v1::DenialReason,
    ) -> Result<String> {
        let message = v1::DenyAuthorizationRequest {
            name,
            reason: reason.into(),
        };
        let answer = self.oauth().deny_authorization(call.request(message)).await;
        Ok(inner(answer)?.redirect_uri)
    }

    pub(super) async fn sign_in(
        &self,
        call: &Call,
        email: String,
        password: String,
    ) -> Result<SignedIn> {
        let message = v1::CreateSessionRequest {
            email,
            password,
            client_id: PAGES.to_owned(),
            ..v1::CreateSessionRequest::default()
        };
        let answer = self.sessions().create_session(call.request(message)).await;
        let (_, made, mut extensions) = answer?.into_parts();
        signed_in(made.tokens, extensions.remove::<Cookie>())
    }

    pub(super) async fn register(
        &self,
        call: &Call,
        message: v1::CreateAccountRequest,
    ) -> Result<SignedIn> {
        let message = v1::CreateAccountRequest {
            session_client_id: PAGES.to_owned(),
            ..message
        };
        let answer = self.accounts().create_account(call.request(message)).await;
        signed_in(inner(answer)?.tokens, None)
    }

    /// Where the browser goes to sign in at a provider.
    pub(super) async fn start_sign_in(
        &self,
        call: &Call,
        message: v1::StartSignInRequest,
    ) -> Result<String> {
        let answer = self.providers().start_sign_in(call.request(message)).await;
        Ok(inner(answer)?.authorization_uri)
    }

    /// Signs in with what a provider has given.
    pub(super) async fn finish_sign_in(
        &self,
        call: &Call,
        name: String,
        proof: v1::IdentityProof,
    ) -> Result<SignedIn> {
        let message = v1::FinishSignInRequest {
            name,
            proof: Some(proof),
            client_id: PAGES.to_owned(),
        };
        let answer = self.providers().finish_sign_in(call.request(message)).await;
        signed_in(inner(answer)?.tokens, None)
    }

    /// Links what a provider has given to the account that calls.
    pub(super) async fn link_identity(
        &self,
        call: &Call,
        identity_provider: String,
        proof: v1::IdentityProof,
    ) -> Result<()> {
        let message = v1::CreateLinkedIdentityRequest {
            identity_provider,
            proof: Some(proof),
            // Another one may be signed in there, in this browser.
            expected_email: self.me(call).await?.email,
        };
        let request = call.request(message);
        let answer = self.providers().create_linked_identity(request).await;
        inner(answer).map(drop)
    }

    /// What a client's log-out request comes to.
    pub(super) async fn resolve_log_out(
        &self,
        call: &Call,
        message: v1::ResolveLogOutRequest,
    ) -> Result<v1::ResolveLogOutResponse> {
        inner(self.oauth().resolve_log_out(call.request(message)).await)
    }

    /// Ends the session of the call.
    pub(super) async fn sign_out(&self, call: &Call) -> Result<()> {
        let message = v1::DeleteSessionRequest {
            name: "sessions/current".to_owned(),
        };
        let answer = self.sessions().delete_session(call.request(message)).await;
        inner(answer).map(drop)
    }

    /// The account that calls.
    pub(super) async fn me(&self, call: &Call) -> Result<v1::Account> {
        let message = v1::GetAccountRequest {
            name: "accounts/me".to_owned(),
        };
        let answer = self.accounts().get_account(call.request(message)).await;
        inner(answer)?.account.ok_or_else(|| lacks("account"))
    }
}

fn signed_in(tokens: Option<v1::SessionTokens>, device: Option<Cookie>) -> Result<SignedIn> {
    let tokens = tokens.ok_or_else(|| lacks("tokens"))?;
    Ok(SignedIn {
        token: tokens.access_token,
        device,
    })
}

fn inner<M>(answer: std::result::Result<Response<M>, Status>) -> Result<M> {
    Ok(answer?.into_inner())
}

fn lacks(what: &'static str) -> Error {
    Error::internal(format!("an answer of the contract lacks this: {what}"))
}
