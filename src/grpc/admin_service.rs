//! `AdminService`: any account and any organization, for administrators.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::{Error, FieldReason, Reason, Result},
    grpc::{auth, convert},
    model::{
        account::Plan,
        administration::{
            AccountFilter, OrganizationFilter, OrganizationOverview, SearchText, WhichAccount,
        },
        id::{AccountId, OrganizationId},
        signing_key::{Phase, SigningKey},
    },
    pb::v1::{
        self, DeleteOrganizationRequest, DeleteOrganizationResponse, DisableAccountRequest,
        DisableAccountResponse, DisableOrganizationRequest, DisableOrganizationResponse,
        EnableAccountRequest, EnableAccountResponse, EnableOrganizationRequest,
        EnableOrganizationResponse, GetOrganizationRequest, GetOrganizationResponse,
        GrantAdministratorRequest, GrantAdministratorResponse, InspectAccountRequest,
        InspectAccountResponse, ListOrganizationsRequest, ListOrganizationsResponse,
        ListSigningKeysRequest, ListSigningKeysResponse, RemoveAccountRequest,
        RemoveAccountResponse, RevokeAdministratorRequest, RevokeAdministratorResponse,
        RevokeSigningKeyRequest, RevokeSigningKeyResponse, RotateSigningKeysRequest,
        RotateSigningKeysResponse, SearchAccountsRequest, SearchAccountsResponse,
        UpdateOrganizationRequest, UpdateOrganizationResponse, admin_service_server::AdminService,
    },
};

/// The collection of signing keys.
const SIGNING_KEYS: &str = "signingKeys";

type Answer<T> = std::result::Result<Response<T>, Status>;

/// The administration service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl AdminService for Service {
    async fn search_accounts(
        &self,
        request: Request<SearchAccountsRequest>,
    ) -> Answer<SearchAccountsResponse> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let filter = AccountFilter {
            text: SearchText::new(&message.query),
            organization: organization_filter(&message.organization)?,
            disabled_only: message.disabled_only,
            administrators_only: message.administrators_only,
        };
        let (accounts, next_page_token) = self
            .domain
            .search_accounts(&filter, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(SearchAccountsResponse {
            accounts: accounts.iter().map(convert::account).collect(),
            next_page_token,
        }))
    }

    async fn inspect_account(
        &self,
        request: Request<InspectAccountRequest>,
    ) -> Answer<InspectAccountResponse> {
        auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.inspect_account(&which).await?;
        Ok(Response::new(InspectAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn disable_account(
        &self,
        request: Request<DisableAccountRequest>,
    ) -> Answer<DisableAccountResponse> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.disable_account(who, &which).await?;
        Ok(Response::new(DisableAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn enable_account(
        &self,
        request: Request<EnableAccountRequest>,
    ) -> Answer<EnableAccountResponse> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.enable_account(who, &which).await?;
        Ok(Response::new(EnableAccountResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn remove_account(
        &self,
        request: Request<RemoveAccountRequest>,
    ) -> Answer<RemoveAccountResponse> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        self.domain.remove_account(who, &which).await?;
        Ok(Response::new(RemoveAccountResponse {}))
    }

    async fn grant_administrator(
        &self,
        request: Request<GrantAdministratorRequest>,
    ) -> Answer<GrantAdministratorResponse> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.grant_administrator(who, &which).await?;
        Ok(Response::new(GrantAdministratorResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn revoke_administrator(
        &self,
        request: Request<RevokeAdministratorRequest>,
    ) -> Answer<RevokeAdministratorResponse> {
        let who = auth::administrator(&request)?;
        let which = which_account(&request.get_ref().name)?;
        let account = self.domain.revoke_administrator(who, &which).await?;
        Ok(Response::new(RevokeAdministratorResponse {
            account: Some(convert::account(&account)),
        }))
    }

    async fn list_organizations(
        &self,
        request: Request<ListOrganizationsRequest>,
    ) -> Answer<ListOrganizationsResponse> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let filter = OrganizationFilter {
            text: SearchText::new(&message.query),
            plan: plan(message.plan()),
            disabled_only: message.disabled_only,
        };
        let (organizations, next_page_token) = self
            .domain
            .organizations(&filter, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListOrganizationsResponse {
            organizations: organizations.iter().map(organization).collect(),
            next_page_token,
        }))
    }

    async fn get_organization(
        &self,
        request: Request<GetOrganizationRequest>,
    ) -> Answer<GetOrganizationResponse> {
        auth::administrator(&request)?;
        let id = organization_id(&request.get_ref().name)?;
        let found = self.domain.organization(id).await?;
        Ok(Response::new(GetOrganizationResponse {
            organization: Some(organization(&found)),
        }))
    }

    async fn update_organization(
        &self,
        request: Request<UpdateOrganizationRequest>,
    ) -> Answer<UpdateOrganizationResponse> {
        let who = auth::administrator(&request)?;
        let message = request.into_inner();
        let sent = message.organization.unwrap_or_default();
        let id = organization_id(&sent.name)?;
        let mask = message.update_mask.map(|mask| mask.paths);
        let changed = match chosen_plan(mask.as_deref(), plan(sent.plan()))? {
            Some(plan) => self.domain.set_plan(who, id, plan).await?,
            None => self.domain.organization(id).await?,
        };
        Ok(Response::new(UpdateOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }

    async fn disable_organization(
        &self,
        request: Request<DisableOrganizationRequest>,
    ) -> Answer<DisableOrganizationResponse> {
        let who = auth::administrator(&request)?;
        let id = organization_id(&request.get_ref().name)?;
        let changed = self.domain.disable_organization(who, id).await?;
        Ok(Response::new(DisableOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }

    async fn enable_organization(
        &self,
        request: Request<EnableOrganizationRequest>,
    ) -> Answer<EnableOrganizationResponse> {
        let who = auth::administrator(&request)?;
        let id = organization_id(&request.get_ref().name)?;
        let changed = self.domain.enable_organization(who, id).await?;
        Ok(Response::new(EnableOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }

    async fn delete_organization(
        &self,
        request: Request<DeleteOrganizationRequest>,
    ) -> Answer<DeleteOrganizationResponse> {
        let who = auth::administrator(&request)?;
        let id = organization_id(&request.get_ref().name)?;
        self.domain.delete_organization(who, id).await?;
        Ok(Response::new(DeleteOrganizationResponse {}))
    }

    async fn list_signing_keys(
        &self,
        request: Request<ListSigningKeysRequest>,
    ) -> Answer<ListSigningKeysResponse> {
        auth::administrator(&request)?;
        Ok(Response::new(ListSigningKeysResponse {
            signing_keys: signing_keys(self.domain.signing_keys().await?),
        }))
    }

    async fn rotate_signing_keys(
        &self,
        request: Request<RotateSigningKeysRequest>,
    ) -> Answer<RotateSigningKeysResponse> {
        let who = auth::administrator(&request)?;
        let published = self.domain.rotate_signing_keys(who).await?;
        Ok(Response::new(RotateSigningKeysResponse {
            signing_keys: signing_keys(self.domain.signing_keys().await?),
            published,
        }))
    }

    async fn revoke_signing_key(
        &self,
        request: Request<RevokeSigningKeyRequest>,
    ) -> Answer<RevokeSigningKeyResponse> {
        let who = auth::administrator(&request)?;
        let kid = convert::segment(&request.get_ref().name, SIGNING_KEYS).unwrap_or_default();
        self.domain.revoke_signing_key(who, kid).await?;
        Ok(Response::new(RevokeSigningKeyResponse {
            signing_keys: signing_keys(self.domain.signing_keys().await?),
        }))
    }
}

fn signing_keys(keys: Vec<(SigningKey, Phase)>) -> Vec<v1::SigningKey> {
    let line = |(key, phase): (SigningKey, Phase)| v1::SigningKey {
        name: format!("{SIGNING_KEYS}/{}", key.kid),
        algorithm: key.algorithm.as_str().to_owned(),
        phase: match phase {
            Phase::Next => v1::SigningKeyPhase::Next,
            Phase::Active => v1::SigningKeyPhase::Active,
            Phase::Retired => v1::SigningKeyPhase::Retired,
            Phase::Ended => v1::SigningKeyPhase::Unspecified,
        }
        .into(),
        create_time: Some(convert::timestamp(key.created_at)),
        active_time: Some(convert::timestamp(key.active_at)),
        retire_time: key.retired_at.map(convert::timestamp),
        expire_time: key.expires_at.map(convert::timestamp),
    };
    keys.into_iter().map(line).collect()
}

fn organization(overview: &OrganizationOverview) -> v1::Organization {
    let organization = &overview.organization;
    let email = overview.owner_email.as_ref();
    v1::Organization {
        name: organization.id.resource_name(),
        plan: convert::plan(organization.plan).into(),
        owner: organization.owner_id.resource_name(),
        owner_email: email.map_or_else(String::new, |email| email.as_str().to_owned()),
        account_count: i32::try_from(overview.accounts).unwrap_or(i32::MAX),
        create_time: Some(convert::timestamp(organization.created_at)),
        disable_time: organization.disabled_at.map(convert::timestamp),
    }
}

/// The plan that was sent; none when it was left open.
fn plan(sent: v1::Plan) -> Option<Plan> {
    match sent {
        v1::Plan::Unspecified => None,
        v1::Plan::Free => Some(Plan::Free),
        v1::Plan::Pro => Some(Plan::Pro),
    }
}

/// The plan to set, which is the one field that can be changed. Without a mask every field that was sent is
/// meant (AIP-134).
fn chosen_plan(mask: Option<&[String]>, sent: Option<Plan>) -> Result<Option<Plan>> {
    let Some(paths) = mask.filter(|paths| !paths.is_empty()) else {
        return Ok(sent);
    };
    if paths.iter().any(|path| path != "plan" && path != "*") {
        return Err(Error::invalid_field(
            "update_mask",
            FieldReason::InvalidValue,
            "must name only fields that can be changed: plan",
        ));
    }
    let missing = || {
        Error::invalid_field(
            "organization.plan",
            FieldReason::InvalidValue,
            "must be PLAN_FREE or PLAN_PRO",
        )
    };
    sent.map(Some).ok_or_else(missing)
}

/// The account that a resource name means, whose last part is an id or an e-mail address.
fn which_account(name: &str) -> Result<WhichAccount> {
    let named = convert::segment(name, AccountId::COLLECTION).map(WhichAccount::named);
    named.ok_or_else(|| Reason::AccountNotFound.into())
}

/// The organization whose accounts are asked for; none for those of all.
fn organization_filter(name: &str) -> Result<Option<OrganizationId>> {
    if name.is_empty() {
        return Ok(None);
    }
    organization_id(name).map(Some).map_err(|_| {
        Error::invalid_field(
            "organization",
            FieldReason::InvalidFormat,
            "must be organizations/ID, or empty",
        )
    })
}

/// The organization that a resource name means.
fn organization_id(name: &str) -> Result<OrganizationId> {
    convert::segment(name, OrganizationId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Reason::OrganizationNotFound.into())
}
