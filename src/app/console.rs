//! What `countersign admin` does: it calls the admin services as whoever runs the server. Over the control socket
//! of a running server, or else in process, on the database itself.

mod line;

use std::io;

use http::Uri;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

pub use self::line::{AccountLine, KeyLine, Line, OrganizationLine};
use super::{StartError, data_dir::FolderLock, open_existing, parts::Parts};
use crate::{
    config::Config,
    env::Env,
    error::Reason,
    grpc::GrpcService,
    model::{
        account::Plan,
        id::{AccountId, OrganizationId},
    },
    pb::admin::v1::{
        self, DeleteAccountRequest, DeleteOrganizationRequest, DisableAccountRequest,
        DisableOrganizationRequest, EnableAccountRequest, EnableOrganizationRequest,
        GetAccountRequest, GetOrganizationRequest, GrantAdministratorRequest, ListAccountsRequest,
        ListOrganizationsRequest, ListSigningKeysRequest, Organization, RevokeAdministratorRequest,
        RevokeSigningKeyRequest, RotateSigningKeysRequest, UpdateOrganizationRequest,
        account_service_client::AccountServiceClient,
        organization_service_client::OrganizationServiceClient,
        signing_key_service_client::SigningKeyServiceClient,
    },
    server::control,
    store::Store,
};

/// The authority of every call; nobody looks at it.
const ORIGIN: &str = "http://countersign";
/// The largest page that the contract gives.
const PAGE: usize = 100;

/// The account or the organization that somebody means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// An account, by the name `accounts/{id}` or `accounts/{e-mail}`.
    Account(String),
    /// An organization, by the name `organizations/{id}`.
    Organization(String),
}

impl Target {
    /// What an e-mail address or a resource name means.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, StartError> {
        let is_name = |collection: &str| {
            text.strip_prefix(collection)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|id| !id.is_empty())
        };
        if is_name(AccountId::COLLECTION) {
            Ok(Self::Account(text.to_owned()))
        } else if is_name(OrganizationId::COLLECTION) {
            Ok(Self::Organization(text.to_owned()))
        } else if text.contains('@') {
            Ok(Self::Account(format!("{}/{text}", AccountId::COLLECTION)))
        } else {
            Err(StartError::new(
                format!(
                    "`{}` names neither an account nor an organization",
                    text.escape_debug()
                ),
                "give an e-mail address, accounts/ID or organizations/ID",
            ))
        }
    }
}

/// Which accounts to list; every filter narrows.
#[derive(Clone, Debug, Default)]
pub struct AccountSearch {
    /// In the e-mail address or the display name.
    pub text: String,
    /// Those of this organization.
    pub organization: String,
    /// Those that are disabled.
    pub disabled_only: bool,
    /// Administrators.
    pub administrators_only: bool,
}

/// Which organizations to list; every filter narrows.
#[derive(Clone, Debug, Default)]
pub struct OrganizationSearch {
    /// In the e-mail address or the display name of the owner.
    pub text: String,
    /// Those on this plan.
    pub plan: Option<Plan>,
    /// Those that are disabled.
    pub disabled_only: bool,
}

/// The way to the admin services.
pub struct Console {
    accounts: AccountServiceClient<GrpcService>,
    organizations: OrganizationServiceClient<GrpcService>,
    signing_keys: SigningKeyServiceClient<GrpcService>,
    opened: Option<Opened>,
}

/// What the command line has opened itself, because no server serves it.
struct Opened {
    store: Store,
    _lock: Option<FolderLock>,
}

impl Console {
    /// Connects to the server that has the database to itself, or opens the database. Makes none, and changes
    /// neither its schema nor its keys: that is for the server to do.
    ///
    /// # Errors
    /// There is no database, or it is somebody else's, cannot be reached, or is not as this version wants it.
    pub async fn open(config: &Config, env: Env) -> Result<Self, StartError> {
        if !config.database.is_postgres()
            && let Some(service) = control::connect(&config.data_dir)
                .await
                .map_err(|cause| no_way_in(config, &cause))?
        {
            return Ok(Self::over(service, None));
        }
        let lock = open_existing(config)?;
        let issuer = config.issuer_at(config.listen);
        let parts = Parts::over_existing(config, issuer.as_str(), env).await?;
        let opened = Opened {
            store: parts.store,
            _lock: lock,
        };
        Ok(Self::over(parts.operator, Some(opened)))
    }

    fn over(service: GrpcService, opened: Option<Opened>) -> Self {
        let origin = Uri::from_static(ORIGIN);
        Self {
            accounts: AccountServiceClient::with_origin(service.clone(), origin.clone()),
            organizations: OrganizationServiceClient::with_origin(service.clone(), origin.clone()),
            signing_keys: SigningKeyServiceClient::with_origin(service, origin),
            opened,
        }
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let Some(opened) = self.opened {
            opened.store.close().await;
        }
    }

    /// At most so many accounts, the newest first, and whether there are more.
    ///
    /// # Errors
    /// A filter is not valid, or the call fails.
    pub async fn accounts(
        &mut self,
        search: &AccountSearch,
        limit: usize,
    ) -> Result<(Vec<AccountLine>, bool), StartError> {
        let mut terms = searched(&search.text);
        if !search.organization.is_empty() {
            terms.push(format!("organization = {}", quoted(&search.organization)));
        }
        if search.disabled_only {
            terms.push("disabled = true".to_owned());
        }
        if search.administrators_only {
            terms.push("administrator = true".to_owned());
        }
        let filter = terms.join(" AND ");
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListAccountsRequest {
                filter: filter.clone(),
                page_size: page_size(limit, lines.len()),
                page_token,
            };
            let answer = self.accounts.list_accounts(request).await;
            let page = answer.map_err(|status| refused(&status))?.into_inner();
            lines.extend(page.accounts.iter().map(AccountLine::from));
            page_token = page.next_page_token;
            if page_token.is_empty() || lines.len() >= limit {
                return Ok((lines, !page_token.is_empty()));
            }
        }
    }

    /// At most so many organizations, the newest first, and whether there are more.
    ///
    /// # Errors
    /// A filter is not valid, or the call fails.
    pub async fn organizations(
        &mut self,
        search: &OrganizationSearch,
        limit: usize,
    ) -> Result<(Vec<OrganizationLine>, bool), StartError> {
        let mut terms = searched(&search.text);
        if let Some(plan) = search.plan.map(line::plan) {
            terms.push(format!("plan = {}", plan.as_str_name()));
        }
        if search.disabled_only {
            terms.push("disabled = true".to_owned());
        }
        let filter = terms.join(" AND ");
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListOrganizationsRequest {
                filter: filter.clone(),
                page_size: page_size(limit, lines.len()),
                page_token,
            };
            let answer = self.organizations.list_organizations(request).await;
            let page = answer.map_err(|status| refused(&status))?.into_inner();
            lines.extend(page.organizations.iter().map(OrganizationLine::from));
            page_token = page.next_page_token;
            if page_token.is_empty() || lines.len() >= limit {
                return Ok((lines, !page_token.is_empty()));
            }
        }
    }

    /// What somebody means, as it is now.
    ///
    /// # Errors
    /// There is none, or the call fails.
    pub async fn look_up(&mut self, target: Target) -> Result<Line, StartError> {
        match target {
            Target::Account(name) => {
                let answer = self.accounts.get_account(GetAccountRequest { name }).await;
                Line::account(answer.map(|answer| answer.into_inner().account))
            }
            Target::Organization(name) => {
                let answer = self
                    .organizations
                    .get_organization(GetOrganizationRequest { name })
                    .await;
                Line::organization(answer.map(|answer| answer.into_inner().organization))
            }
        }
    }

    /// Disables an account or an organization.
    ///
    /// # Errors
    /// There is none, or the call fails.
    pub async fn disable(&mut self, target: Target) -> Result<Line, StartError> {
        match target {
            Target::Account(name) => {
                let answer = self
                    .accounts
                    .disable_account(DisableAccountRequest { name })
                    .await;
                Line::account(answer.map(|answer| answer.into_inner().account))
            }
            Target::Organization(name) => {
                let answer = self
                    .organizations
                    .disable_organization(DisableOrganizationRequest { name })
                    .await;
                Line::organization(answer.map(|answer| answer.into_inner().organization))
            }
        }
    }

    /// Enables an account or an organization.
    ///
    /// # Errors
    /// There is none, or the call fails.
    pub async fn enable(&mut self, target: Target) -> Result<Line, StartError> {
        match target {
            Target::Account(name) => {
                let answer = self
                    .accounts
                    .enable_account(EnableAccountRequest { name })
                    .await;
                Line::account(answer.map(|answer| answer.into_inner().account))
            }
            Target::Organization(name) => {
                let answer = self
                    .organizations
                    .enable_organization(EnableOrganizationRequest { name })
                    .await;
                Line::organization(answer.map(|answer| answer.into_inner().organization))
            }
        }
    }

    /// Deletes an account or an organization, with everything that belongs to it.
    ///
    /// # Errors
    /// There is none, or the call fails.
    pub async fn delete(&mut self, target: Target) -> Result<(), StartError> {
        let deleted = match target {
            Target::Account(name) => {
                let request = DeleteAccountRequest { name };
                self.accounts.delete_account(request).await.map(|_| ())
            }
            Target::Organization(name) => {
                let request = DeleteOrganizationRequest { name };
                self.organizations
                    .delete_organization(request)
                    .await
                    .map(|_| ())
            }
        };
        deleted.map_err(|status| refused(&status))
    }

    /// Makes an account an administrator, or takes that from it.
    ///
    /// # Errors
    /// There is no such account, it is an organization, or the call fails.
    pub async fn set_administrator(
        &mut self,
        target: Target,
        administrator: bool,
    ) -> Result<Line, StartError> {
        let Target::Account(name) = target else {
            return Err(StartError::new(
                "an organization cannot administer the server",
                "name an account, by its e-mail address or accounts/ID",
            ));
        };
        let account = if administrator {
            let request = GrantAdministratorRequest { name };
            let answer = self.accounts.grant_administrator(request).await;
            answer.map(|answer| answer.into_inner().account)
        } else {
            let request = RevokeAdministratorRequest { name };
            let answer = self.accounts.revoke_administrator(request).await;
            answer.map(|answer| answer.into_inner().account)
        };
        Line::account(account)
    }

    /// The signing keys, the oldest first.
    ///
    /// # Errors
    /// The call fails.
    pub async fn signing_keys(&mut self) -> Result<Vec<KeyLine>, StartError> {
        let answer = self
            .signing_keys
            .list_signing_keys(ListSigningKeysRequest {});
        let answer = answer.await.map_err(|status| refused(&status))?;
        Ok(key_lines(&answer.into_inner().signing_keys))
    }

    /// Publishes successors of the signing keys; all keys, and whether there was one to publish.
    ///
    /// # Errors
    /// The call fails.
    pub async fn rotate_signing_keys(&mut self) -> Result<(Vec<KeyLine>, bool), StartError> {
        let answer = self
            .signing_keys
            .rotate_signing_keys(RotateSigningKeysRequest {});
        let answer = answer
            .await
            .map_err(|status| refused(&status))?
            .into_inner();
        Ok((key_lines(&answer.signing_keys), answer.published))
    }

    /// Ends a signing key at once; the keys that are left.
    ///
    /// # Errors
    /// There is no such key, or the call fails.
    pub async fn revoke_signing_key(&mut self, kid: &str) -> Result<Vec<KeyLine>, StartError> {
        let request = RevokeSigningKeyRequest {
            name: format!("signingKeys/{kid}"),
        };
        let answer = self.signing_keys.revoke_signing_key(request).await;
        let answer = answer.map_err(|status| match status.code() {
            Code::InvalidArgument => StartError::new(
                format!(
                    "`{}` is no key that still signs or verifies",
                    kid.escape_debug()
                ),
                "`countersign keys list` shows those that do",
            ),
            _ => refused(&status),
        })?;
        Ok(key_lines(&answer.into_inner().signing_keys))
    }

    /// Changes the plan of an organization, or of the organization that an account belongs to.
    ///
    /// # Errors
    /// There is none, or the call fails.
    pub async fn set_plan(&mut self, target: Target, plan: Plan) -> Result<Line, StartError> {
        let name = match target {
            Target::Organization(name) => name,
            Target::Account(_) => match self.look_up(target).await? {
                Line::Account(account) => account.organization,
                Line::Organization(organization) => organization.name,
            },
        };
        let request = UpdateOrganizationRequest {
            organization: Some(Organization {
                name,
                plan: line::plan(plan).into(),
                ..Organization::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["plan".to_owned()],
            }),
        };
        let answer = self.organizations.update_organization(request).await;
        Line::organization(answer.map(|answer| answer.into_inner().organization))
    }
}

/// The part of a filter that looks for text; none when there is nothing to look for.
fn searched(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        Vec::new()
    } else {
        vec![quoted(text)]
    }
}

/// Text as a string of AIP-160.
fn quoted(text: &str) -> String {
    aip_160::Value::String(text.to_owned()).to_string()
}

fn key_lines(keys: &[v1::SigningKey]) -> Vec<KeyLine> {
    keys.iter().map(KeyLine::from).collect()
}

/// How many to ask for, when there are so many already.
fn page_size(limit: usize, have: usize) -> i32 {
    i32::try_from(limit.saturating_sub(have).clamp(1, PAGE)).unwrap_or_default()
}

/// There is a socket, but it is not for this user, or no server answers behind it.
fn no_way_in(config: &Config, cause: &io::Error) -> StartError {
    StartError::new(
        format!(
            "cannot use the control socket in the data folder {}: {cause}",
            config.data_dir.display()
        ),
        match cause.kind() {
            io::ErrorKind::PermissionDenied => "run this as the user that runs the server",
            _ => "see whether the server runs, and try again",
        },
    )
}

/// What a refusal of the service says, and what to do about it.
fn refused(status: &Status) -> StartError {
    let reason = status
        .get_details_error_info()
        .and_then(|info| Reason::from_name(&info.reason));
    let advice = match reason {
        Some(Reason::AccountNotFound) => "`countersign admin accounts --search TEXT` finds it",
        Some(Reason::OrganizationNotFound) => {
            "`countersign admin organizations --search TEXT` finds it"
        }
        Some(Reason::InvalidField) => "correct it",
        _ if status.code() == Code::Unavailable => "see whether the server runs, and try again",
        _ => "see the server's log",
    };
    StartError::new(status.message().trim_end_matches('.'), advice)
}

/// An answer without what was asked for: the server is of another version.
fn empty() -> StartError {
    super::parts::refused(crate::error::Error::internal(
        "the server's answer is empty",
    ))
}
