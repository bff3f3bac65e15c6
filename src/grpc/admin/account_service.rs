//! `countersign.admin.v1.AccountService`: any account.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::{Reason, Result},
    grpc::{
        auth, convert,
        filter::{self, Term},
    },
    model::{
        administration::{AccountFilter, SearchText, WhichAccount},
        id::AccountId,
    },
    pb::admin::v1::{
        DeleteAccountRequest, DeleteAccountResponse, DisableAccountRequest, DisableAccountResponse,
        EnableAccountRequest, EnableAccountResponse, GetAccountRequest, GetAccountResponse,
        GrantAdministratorRequest, GrantAdministratorResponse, ListAccountsRequest,
        ListAccountsResponse, RevokeAdministratorRequest, RevokeAdministratorResponse,
        account_service_server::AccountService,
    },
};

const ACCEPTED: &str = "must be text, organization = \"organizations/ID\", disabled = true and administrator = true, \
                        each at most once and joined by AND";

/// The service over the use cases.
pub(in crate::grpc) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(in crate::grpc) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl AccountService for Service {
    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> std::result::Result<Response<ListAccountsResponse>, Status> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let filter = account_filter(&message.filter)?;
        let (accounts, next_page_token) = self
            .domain
            .administration
            .accounts(&filter, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListAccountsResponse {
            accounts: accounts.iter().map(convert::account).collect(),
            next_page_token,
        }))
    }

    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> std::result::Result<Response<GetAccountResponse>, Status> {
        auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.administration.account(&which).await?;
        Ok(Response::new(GetAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> std::result::Result<Response<DeleteAccountResponse>, Status> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        self.domain
            .administration
            .delete_account(who, &which)
            .await?;
        Ok(Response::new(DeleteAccountResponse {}))
    }

    async fn disable_account(
        &self,
        request: Request<DisableAccountRequest>,
    ) -> std::result::Result<Response<DisableAccountResponse>, Status> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self
            .domain
            .administration
            .disable_account(who, &which)
            .await?;
        Ok(Response::new(DisableAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn enable_account(
        &self,
        request: Request<EnableAccountRequest>,
    ) -> std::result::Result<Response<EnableAccountResponse>, Status> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self
            .domain
            .administration
            .enable_account(who, &which)
            .await?;
        Ok(Response::new(EnableAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn grant_administrator(
        &self,
        request: Request<GrantAdministratorRequest>,
    ) -> std::result::Result<Response<GrantAdministratorResponse>, Status> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self
            .domain
            .administration
            .grant_administrator(who, &which)
            .await?;
        Ok(Response::new(GrantAdministratorResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn revoke_administrator(
        &self,
        request: Request<RevokeAdministratorRequest>,
    ) -> std::result::Result<Response<RevokeAdministratorResponse>, Status> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self
            .domain
            .administration
            .revoke_administrator(who, &which)
            .await?;
        Ok(Response::new(RevokeAdministratorResponse {
            account: Some(convert::account(&account)),
        }))
    }
}

/// The account that a resource name means, whose last part is an id or an e-mail address.
fn which_account(name: &str) -> Result<WhichAccount> {
    let named = convert::segment(name, AccountId::COLLECTION).map(WhichAccount::named);
    named.ok_or_else(|| Reason::AccountNotFound.into())
}

fn account_filter(filter: &str) -> Result<AccountFilter> {
    let mut found = AccountFilter::default();
    for term in filter::terms(filter, ACCEPTED)? {
        match term {
            Term::Text(text) => found.text = SearchText::new(&text),
            Term::Equals { field, value } => match field.as_str() {
                "organization" => {
                    let id = convert::organization_id(&value, None);
                    found.organization = Some(id.map_err(|_| filter::invalid(ACCEPTED))?);
                }
                "disabled" => found.disabled = Some(filter::boolean(&value, ACCEPTED)?),
                "administrator" => found.administrator = Some(filter::boolean(&value, ACCEPTED)?),
                _ => return Err(filter::invalid(ACCEPTED)),
            },
        }
    }
    Ok(found)
}
