//! `AccountService`: sign up, and look after accounts.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        Domain, accounts::AccountChange, organizations::NewMember, password_change::PasswordChange,
        sign_up::SignUp,
    },
    grpc::{auth, convert},
    pb::v1::{
        ChangePasswordRequest, ChangePasswordResponse, CreateAccountRequest, CreateAccountResponse,
        DeleteAccountRequest, DeleteAccountResponse, GetAccountRequest, GetAccountResponse,
        ProvisionAccountRequest, ProvisionAccountResponse, UpdateAccountRequest,
        UpdateAccountResponse, account_service_server::AccountService,
    },
};

/// The account service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl AccountService for Service {
    async fn create_account(
        &self,
        request: Request<CreateAccountRequest>,
    ) -> std::result::Result<Response<CreateAccountResponse>, Status> {
        let origin = auth::origin(&self.domain, &request);
        let client_id = &request.get_ref().session_client_id;
        let session =
            convert::client(&self.domain.clients, "session_client_id", client_id)?.cloned();
        let mut message = request.into_inner();
        let sign_up = SignUp {
            session,
            api_key: convert::kind(message.api_key_kind()),
            password: convert::secret(&mut message.password),
            email: message.email,
            display_name: message.display_name,
            request_id: convert::request_id(&message.request_id),
            work: message.proof_of_work.map(convert::proof_of_work),
        };
        let made = self.domain.accounts.sign_up(sign_up, origin).await?;
        let (session, tokens) = made.session.unzip();
        let (key, secret) = made.api_key.unzip();
        Ok(Response::new(CreateAccountResponse {
            account: Some(convert::account(&made.account)),
            session: session.map(|session| convert::session(&session, false)),
            tokens: tokens.map(convert::tokens),
            api_key: key.map(|key| convert::api_key(&key)),
            api_key_secret: secret.map(|secret| secret.to_string()).unwrap_or_default(),
        }))
    }

    async fn provision_account(
        &self,
        request: Request<ProvisionAccountRequest>,
    ) -> std::result::Result<Response<ProvisionAccountResponse>, Status> {
        let caller = auth::caller(&request)?;
        let origin = auth::origin(&self.domain, &request);
        let mut message = request.into_inner();
        let organization = convert::organization_id(&message.parent, Some(caller.organization_id))?;
        let client_id = &message.session_client_id;
        let session =
            convert::client(&self.domain.clients, "session_client_id", client_id)?.cloned();
        let member = NewMember {
            session,
            password: convert::secret(&mut message.password),
            email: message.email,
            display_name: message.display_name,
            request_id: convert::request_id(&message.request_id),
        };
        let (account, session) = self
            .domain
            .organizations
            .provision_account(&caller, organization, member, origin)
            .await?;
        let (session, tokens) = session.unzip();
        Ok(Response::new(ProvisionAccountResponse {
            account: Some(convert::account(&account)),
            session: session.map(|session| convert::session(&session, false)),
            tokens: tokens.map(convert::tokens),
        }))
    }

    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> std::result::Result<Response<GetAccountResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::account_id(&request.get_ref().name, caller.account_id)?;
        let account = self.domain.accounts.get(&caller, id).await?;
        Ok(Response::new(GetAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn update_account(
        &self,
        request: Request<UpdateAccountRequest>,
    ) -> std::result::Result<Response<UpdateAccountResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let sent = message.account.unwrap_or_default();
        let id = convert::account_id(&sent.name, caller.account_id)?;
        let mask = message.update_mask.map(|mask| mask.paths);
        let change = AccountChange {
            display_name: convert::masks_display_name(mask.as_deref(), &sent.display_name)?
                .then_some(sent.display_name),
            expected_version: convert::version(&sent.etag)?,
        };
        let account = self.domain.accounts.update(&caller, id, change).await?;
        Ok(Response::new(UpdateAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> std::result::Result<Response<DeleteAccountResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let id = convert::account_id(&message.name, caller.account_id)?;
        self.domain
            .accounts
            .delete(&caller, id, convert::version(&message.etag)?)
            .await?;
        Ok(Response::new(DeleteAccountResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> std::result::Result<Response<ChangePasswordResponse>, Status> {
        let (caller, client) = (
            auth::caller(&request)?,
            auth::origin(&self.domain, &request),
        );
        let mut message = request.into_inner();
        let id = convert::account_id(&message.name, caller.account_id)?;
        let change = PasswordChange {
            current: convert::secret(&mut message.current_password),
            new: convert::secret(&mut message.new_password),
            keep_api_keys: message.keep_api_keys,
        };
        let (session, tokens) = self
            .domain
            .accounts
            .change_password(&caller, id, change, client)
            .await?;
        Ok(Response::new(ChangePasswordResponse {
            session: Some(convert::session(&session, false)),
            tokens: Some(convert::tokens(tokens)),
        }))
    }
}
