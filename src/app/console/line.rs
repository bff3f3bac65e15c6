//! Accounts and organizations, to be shown.

use serde::Serialize;
use tonic::Status;

use super::{StartError, empty, refused};
use crate::{
    env::Timestamp,
    model::account::Plan,
    pb::{admin, v1},
};

/// An account, to be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountLine {
    /// The resource name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether mail to it has been shown to reach its owner.
    pub email_verified: bool,
    /// What to call the person.
    pub display_name: String,
    /// The organization that it belongs to.
    pub organization: String,
    /// Whether it administers the server.
    pub administrator: bool,
    /// When it was made (RFC 3339).
    pub create_time: String,
    /// When it was disabled, itself or with its organization.
    pub disable_time: Option<String>,
}

/// An organization, to be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationLine {
    /// The resource name.
    pub name: String,
    /// What it has paid for: `free` or `pro`.
    pub plan: &'static str,
    /// The account that owns it.
    pub owner: String,
    /// The e-mail address of the owner; empty when the owner's account is gone.
    pub owner_email: String,
    /// How many accounts belong to it.
    pub account_count: i32,
    /// When it was made (RFC 3339).
    pub create_time: String,
    /// When it was disabled.
    pub disable_time: Option<String>,
}

/// A signing key, to be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyLine {
    /// The key id.
    pub kid: String,
    /// How it signs.
    pub algorithm: String,
    /// Where it is in its life: `next`, `active` or `retired`.
    pub phase: &'static str,
    /// When it was made (RFC 3339).
    pub create_time: String,
    /// When it starts to sign.
    pub active_time: String,
    /// When it stops to sign.
    pub retire_time: Option<String>,
    /// When it stops to verify.
    pub expire_time: Option<String>,
}

impl From<&admin::v1::SigningKey> for KeyLine {
    fn from(key: &admin::v1::SigningKey) -> Self {
        Self {
            kid: key.name.rsplit('/').next().unwrap_or_default().to_owned(),
            algorithm: key.algorithm.clone(),
            phase: match key.phase() {
                admin::v1::SigningKeyPhase::Next => "next",
                admin::v1::SigningKeyPhase::Active => "active",
                admin::v1::SigningKeyPhase::Retired => "retired",
                admin::v1::SigningKeyPhase::Unspecified => "unknown",
            },
            create_time: key.create_time.map(moment).unwrap_or_default(),
            active_time: key.active_time.map(moment).unwrap_or_default(),
            retire_time: key.retire_time.map(moment),
            expire_time: key.expire_time.map(moment),
        }
    }
}

/// One of the two.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Line {
    /// An account.
    Account(AccountLine),
    /// An organization.
    Organization(OrganizationLine),
}

impl Line {
    pub(super) fn account(answer: Result<Option<v1::Account>, Status>) -> Result<Self, StartError> {
        let account = answer.map_err(|status| refused(&status))?;
        let line = account.as_ref().map(AccountLine::from);
        line.map(Self::Account).ok_or_else(empty)
    }

    pub(super) fn organization(
        answer: Result<Option<admin::v1::Organization>, Status>,
    ) -> Result<Self, StartError> {
        let organization = answer.map_err(|status| refused(&status))?;
        let line = organization.as_ref().map(OrganizationLine::from);
        line.map(Self::Organization).ok_or_else(empty)
    }
}

impl From<&v1::Account> for AccountLine {
    fn from(account: &v1::Account) -> Self {
        Self {
            name: account.name.clone(),
            email: account.email.clone(),
            email_verified: account.email_verified,
            display_name: account.display_name.clone(),
            organization: account
                .home_membership
                .as_ref()
                .map(|home| home.organization.clone())
                .unwrap_or_default(),
            administrator: account.administrator,
            create_time: account.create_time.map(moment).unwrap_or_default(),
            disable_time: account.disable_time.map(moment),
        }
    }
}

impl From<&admin::v1::Organization> for OrganizationLine {
    fn from(organization: &admin::v1::Organization) -> Self {
        let plan = match organization.plan() {
            v1::Plan::Pro => Plan::Pro,
            v1::Plan::Free | v1::Plan::Unspecified => Plan::Free,
        };
        Self {
            name: organization.name.clone(),
            plan: plan.as_str(),
            owner: organization.owner.clone(),
            owner_email: organization.owner_email.clone(),
            account_count: organization.account_count,
            create_time: organization.create_time.map(moment).unwrap_or_default(),
            disable_time: organization.disable_time.map(moment),
        }
    }
}

/// The plan in the words of the contract.
pub(super) fn plan(plan: Plan) -> v1::Plan {
    match plan {
        Plan::Free => v1::Plan::Free,
        Plan::Pro => v1::Plan::Pro,
    }
}

fn moment(sent: prost_types::Timestamp) -> String {
    let millis = sent.seconds.saturating_mul(1000);
    Timestamp::from_millis(millis.saturating_add(i64::from(sent.nanos) / 1_000_000)).to_rfc3339()
}
