//! `countersign.admin.v1.OrganizationService`: any organization.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::{Error, FieldReason, Result},
    grpc::{
        auth, convert,
        filter::{self, Term},
    },
    model::{
        account::Plan,
        administration::{OrganizationFilter, OrganizationOverview, SearchText},
    },
    pb::{
        admin,
        admin::v1::{
            DeleteOrganizationRequest, DeleteOrganizationResponse, DisableOrganizationRequest,
            DisableOrganizationResponse, EnableOrganizationRequest, EnableOrganizationResponse,
            GetOrganizationRequest, GetOrganizationResponse, ListOrganizationsRequest,
            ListOrganizationsResponse, UpdateOrganizationRequest, UpdateOrganizationResponse,
            organization_service_server::OrganizationService,
        },
        v1,
    },
};

const ACCEPTED: &str =
    "must be text, plan = PLAN_PRO and disabled = true, each at most once and joined by AND";

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
impl OrganizationService for Service {
    async fn list_organizations(
        &self,
        request: Request<ListOrganizationsRequest>,
    ) -> std::result::Result<Response<ListOrganizationsResponse>, Status> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let filter = organization_filter(&message.filter)?;
        let (organizations, next_page_token) = self
            .domain
            .administration
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
    ) -> std::result::Result<Response<GetOrganizationResponse>, Status> {
        auth::administrator(&request)?;
        let id = convert::organization_id(&request.get_ref().name, None)?;
        let found = self.domain.administration.organization(id).await?;
        Ok(Response::new(GetOrganizationResponse {
            organization: Some(organization(&found)),
        }))
    }

    async fn update_organization(
        &self,
        request: Request<UpdateOrganizationRequest>,
    ) -> std::result::Result<Response<UpdateOrganizationResponse>, Status> {
        let who = auth::administrator(&request)?;
        let message = request.into_inner();
        let sent = message.organization.unwrap_or_default();
        let id = convert::organization_id(&sent.name, None)?;
        let mask = message.update_mask.map(|mask| mask.paths);
        let changed = match chosen_plan(mask.as_deref(), plan(sent.plan()))? {
            Some(plan) => self.domain.administration.set_plan(who, id, plan).await?,
            None => self.domain.administration.organization(id).await?,
        };
        Ok(Response::new(UpdateOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }

    async fn delete_organization(
        &self,
        request: Request<DeleteOrganizationRequest>,
    ) -> std::result::Result<Response<DeleteOrganizationResponse>, Status> {
        let who = auth::administrator(&request)?;
        let id = convert::organization_id(&request.get_ref().name, None)?;
        self.domain
            .administration
            .delete_organization(who, id)
            .await?;
        Ok(Response::new(DeleteOrganizationResponse {}))
    }

    async fn disable_organization(
        &self,
        request: Request<DisableOrganizationRequest>,
    ) -> std::result::Result<Response<DisableOrganizationResponse>, Status> {
        let who = auth::administrator(&request)?;
        let id = convert::organization_id(&request.get_ref().name, None)?;
        let changed = self
            .domain
            .administration
            .disable_organization(who, id)
            .await?;
        Ok(Response::new(DisableOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }

    async fn enable_organization(
        &self,
        request: Request<EnableOrganizationRequest>,
    ) -> std::result::Result<Response<EnableOrganizationResponse>, Status> {
        let who = auth::administrator(&request)?;
        let id = convert::organization_id(&request.get_ref().name, None)?;
        let changed = self
            .domain
            .administration
            .enable_organization(who, id)
            .await?;
        Ok(Response::new(EnableOrganizationResponse {
            organization: Some(organization(&changed)),
        }))
    }
}

fn organization(overview: &OrganizationOverview) -> admin::v1::Organization {
    let organization = &overview.organization;
    let owner = overview.owner.as_ref();
    admin::v1::Organization {
        name: organization.id.resource_name(),
        plan: convert::plan(organization.plan).into(),
        owner: owner.map_or_else(String::new, |(id, _)| id.resource_name()),
        owner_email: owner.map_or_else(String::new, |(_, email)| email.as_str().to_owned()),
        account_count: i32::try_from(overview.accounts).unwrap_or(i32::MAX),
        create_time: Some(convert::timestamp(organization.created_at)),
        disable_time: organization.disabled_at.map(convert::timestamp),
    }
}

fn organization_filter(filter: &str) -> Result<OrganizationFilter> {
    let mut found = OrganizationFilter::default();
    for term in filter::terms(filter, ACCEPTED)? {
        match term {
            Term::Text(text) => found.text = SearchText::new(&text),
            Term::Equals { field, value } => match field.as_str() {
                "plan" => {
                    let wanted = v1::Plan::from_str_name(&value).and_then(plan);
                    found.plan = Some(wanted.ok_or_else(|| filter::invalid(ACCEPTED))?);
                }
                "disabled" => found.disabled = Some(filter::boolean(&value, ACCEPTED)?),
                _ => return Err(filter::invalid(ACCEPTED)),
            },
        }
    }
    Ok(found)
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
