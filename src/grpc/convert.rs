//! Between the contract's messages and the plain data of the program.

use std::time::Duration;

use prost_types::Timestamp as ProtoTimestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    domain::{challenges::ProofOfWork, tokens::Tokens},
    env::Timestamp,
    error::{Error, FieldReason, Reason, Result},
    model::{
        account::{Account, Organization, Plan, Role},
        api_key::{ApiKey, ApiKeyKind},
        client::{Client, Clients},
        consent::Consent,
        id::{AccountId, ApiKeyId, ConsentId, GrantId, OrganizationId, SessionId},
        pow::{Algorithm, Challenge, Purpose},
        session::{Grant, Session},
    },
    pb::{v1, validate::among},
};

/// The collection of clients.
const CLIENTS: &str = "clients";

pub(super) fn timestamp(moment: Timestamp) -> ProtoTimestamp {
    let millis = moment.millis();
    ProtoTimestamp {
        seconds: moment.seconds(),
        nanos: i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or(0),
    }
}

pub(super) fn duration(length: Duration) -> Result<prost_types::Duration> {
    length.try_into().map_err(Error::internal)
}

/// A moment that a caller sent, to the millisecond.
pub(super) fn moment(sent: &ProtoTimestamp) -> Option<Timestamp> {
    // The range of RFC 3339 and of google.protobuf.Timestamp: the years 1 to 9999.
    let in_range = (-62_135_596_800..=253_402_300_799).contains(&sent.seconds)
        && (0..1_000_000_000).contains(&sent.nanos);
    in_range
        .then(|| Timestamp::from_millis(sent.seconds * 1000 + i64::from(sent.nanos) / 1_000_000))
}

pub(super) fn account(account: &Account) -> v1::Account {
    v1::Account {
        name: account.id.resource_name(),
        email: account.email.as_str().to_owned(),
        email_verified: account.email_verified,
        display_name: account.display_name.clone(),
        home_membership: Some(membership(account)),
        create_time: Some(timestamp(account.created_at)),
        update_time: Some(timestamp(account.updated_at)),
        etag: account.version.to_string(),
        disable_time: account.disabled_since().map(timestamp),
        administrator: account.administrator,
    }
}

/// The account's place in the organization that it was made in.
pub(super) fn membership(account: &Account) -> v1::Membership {
    let organization = account.organization.id.resource_name();
    let role = match account.role {
        Role::Owner => v1::Role::Owner,
        Role::Admin => v1::Role::Admin,
        Role::Member => v1::Role::Member,
    };
    v1::Membership {
        name: format!("{organization}/memberships/{}", account.id),
        account: account.id.resource_name(),
        organization,
        role: role.into(),
    }
}

pub(super) fn organization(organization: &Organization) -> v1::Organization {
    v1::Organization {
        name: organization.id.resource_name(),
        plan: plan(organization.plan).into(),
        create_time: Some(timestamp(organization.created_at)),
        disable_time: organization.disabled_at.map(timestamp),
    }
}

pub(super) fn plan(plan: Plan) -> v1::Plan {
    match plan {
        Plan::Free => v1::Plan::Free,
        Plan::Pro => v1::Plan::Pro,
    }
}

pub(super) fn session(session: &Session, current: bool) -> v1::Session {
    v1::Session {
        name: session.id.resource_name(),
        account: session.account_id.resource_name(),
        create_time: Some(timestamp(session.created_at)),
        expire_time: Some(timestamp(session.expires_at)),
        authentication_methods: session.amr.clone(),
        client_address: session.client_address.clone(),
        user_agent: session.user_agent.clone(),
        current,
    }
}

pub(super) fn tokens(tokens: Tokens) -> v1::SessionTokens {
    let grant = &tokens.grant;
    v1::SessionTokens {
        access_token: tokens.access_token.to_string(),
        access_token_expire_time: Some(timestamp(tokens.access_expires_at)),
        refresh_token_expire_time: tokens
            .refresh
            .is_some()
            .then(|| timestamp(grant.expires_at)),
        refresh_token: tokens
            .refresh
            .map(|token| token.to_string())
            .unwrap_or_default(),
        token_type: "bearer".to_owned(),
        scopes: grant.scopes.as_slice().to_vec(),
        grant: grant.id.resource_name(),
    }
}

pub(super) fn grant(grant: &Grant, current: bool) -> v1::Grant {
    v1::Grant {
        name: grant.id.resource_name(),
        session: grant.session_id.resource_name(),
        account: grant.account_id.resource_name(),
        client_id: grant.client_id.clone(),
        scopes: grant.scopes.as_slice().to_vec(),
        create_time: Some(timestamp(grant.created_at)),
        refresh_time: Some(timestamp(grant.refreshed_at)),
        expire_time: Some(timestamp(grant.expires_at)),
        current,
    }
}

pub(super) fn consent(consent: Consent) -> v1::Consent {
    v1::Consent {
        name: consent.id.resource_name(),
        client_id: consent.client_id,
        client_name: consent.client_name,
        scopes: consent.scopes.as_slice().to_vec(),
        resources: consent.audience,
        create_time: Some(timestamp(consent.created_at)),
        update_time: Some(timestamp(consent.updated_at)),
        account: consent.account_id.resource_name(),
        destination: consent.destination,
    }
}

/// # Errors
/// `CONSENT_NOT_FOUND`.
pub(super) fn consent_id(name: &str) -> Result<ConsentId> {
    segment(name, ConsentId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Reason::ConsentNotFound.into())
}

pub(super) fn api_key(key: &ApiKey) -> v1::ApiKey {
    v1::ApiKey {
        name: key.id.resource_name(),
        account: key.account_id.resource_name(),
        display_name: key.display_name.clone(),
        kind: kind_to_proto(key.kind).into(),
        scopes: key.scopes.as_slice().to_vec(),
        create_time: Some(timestamp(key.created_at)),
        expire_time: key.expires_at.map(timestamp),
        hint: key.hint.clone(),
        // The minute of a use may have begun before the key was made.
        last_use_time: key
            .last_used_at
            .map(|used| timestamp(used.max(key.created_at))),
        successor: key
            .successor_id
            .map(ApiKeyId::resource_name)
            .unwrap_or_default(),
    }
}

/// The client that was asked for; none when it was left open.
pub(super) fn client<'c>(
    clients: &'c Clients,
    field: &'static str,
    id: &str,
) -> Result<Option<&'c Client>> {
    if id.is_empty() {
        return Ok(None);
    }
    let unknown = || {
        let known: Vec<_> = clients.iter().map(|client| client.id.as_str()).collect();
        Error::invalid_field(field, FieldReason::InvalidValue, among(&known))
    };
    clients.find(id).map(Some).ok_or_else(unknown)
}

/// The id of a request (AIP-155); none when it was left open.
pub(super) fn request_id(id: &str) -> Option<Uuid> {
    // The field rules let nothing else through.
    id.parse().ok()
}

/// The kind of key that was asked for; none when it was left open.
pub(super) fn kind(kind: v1::ApiKeyKind) -> Option<ApiKeyKind> {
    match kind {
        v1::ApiKeyKind::Unspecified => None,
        v1::ApiKeyKind::Standard => Some(ApiKeyKind::Standard),
        v1::ApiKeyKind::Mailkite => Some(ApiKeyKind::MailKite),
        v1::ApiKeyKind::Mailtd => Some(ApiKeyKind::MailTd),
    }
}

fn kind_to_proto(kind: ApiKeyKind) -> v1::ApiKeyKind {
    match kind {
        ApiKeyKind::Standard => v1::ApiKeyKind::Standard,
        ApiKeyKind::MailKite => v1::ApiKeyKind::Mailkite,
        ApiKeyKind::MailTd => v1::ApiKeyKind::Mailtd,
    }
}

pub(super) fn challenge(id: String, challenge: &Challenge) -> v1::Challenge {
    let (algorithm, memory_kib, iterations) = match challenge.algorithm {
        Algorithm::Sha256 => (v1::ChallengeAlgorithm::Sha256, 0, 0),
        Algorithm::Argon2id(cost) => (
            v1::ChallengeAlgorithm::Argon2id,
            cost.memory_kib,
            cost.iterations,
        ),
    };
    // The configuration allows far less than an int32 holds.
    let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    v1::Challenge {
        id,
        salt: challenge.puzzle().salt,
        difficulty: challenge.difficulty.into(),
        algorithm: algorithm.into(),
        expire_time: Some(timestamp(challenge.expires_at)),
        memory_kib: small(memory_kib),
        iterations: small(iterations),
    }
}

/// What a challenge is asked for.
pub(super) fn purpose(purpose: v1::ChallengePurpose) -> Purpose {
    match purpose {
        v1::ChallengePurpose::Unspecified | v1::ChallengePurpose::SignUp => Purpose::SignUp,
    }
}

pub(super) fn proof_of_work(sent: v1::ProofOfWork) -> ProofOfWork {
    ProofOfWork {
        challenge_id: sent.challenge_id,
        nonce: sent.nonce,
    }
}

/// The account that a resource name means; `me` is the caller's own.
pub(super) fn account_id(name: &str, own: AccountId) -> Result<AccountId> {
    match segment(name, AccountId::COLLECTION) {
        Some("me") => Ok(own),
        Some(id) => id.parse().map_err(|_| Reason::AccountNotFound.into()),
        None => Err(Reason::AccountNotFound.into()),
    }
}

/// The organization that a resource name means; `me` is the caller's own, where there is one.
pub(super) fn organization_id(name: &str, own: Option<OrganizationId>) -> Result<OrganizationId> {
    match segment(name, OrganizationId::COLLECTION) {
        Some("me") => own.ok_or_else(|| Reason::OrganizationNotFound.into()),
        Some(id) => id.parse().map_err(|_| Reason::OrganizationNotFound.into()),
        None => Err(Reason::OrganizationNotFound.into()),
    }
}

/// The session that a resource name means; `current` is the one that the call was made with, which
/// an API key does not have.
pub(super) fn session_id(name: &str, current: Option<SessionId>) -> Result<SessionId> {
    match segment(name, SessionId::COLLECTION) {
        Some("current") => current.ok_or_else(|| Reason::SessionNotFound.into()),
        Some(id) => id.parse().map_err(|_| Reason::SessionNotFound.into()),
        None => Err(Reason::SessionNotFound.into()),
    }
}

/// The grant that a resource name means; `current` is the one that the call was made with, which an API key does not
/// have.
pub(super) fn grant_id(name: &str, current: Option<GrantId>) -> Result<GrantId> {
    match segment(name, GrantId::COLLECTION) {
        Some("current") => current.ok_or_else(|| Reason::GrantNotFound.into()),
        Some(id) => id.parse().map_err(|_| Reason::GrantNotFound.into()),
        None => Err(Reason::GrantNotFound.into()),
    }
}

/// The API key that a resource name means.
pub(super) fn api_key_id(name: &str) -> Result<ApiKeyId> {
    segment(name, ApiKeyId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Reason::ApiKeyNotFound.into())
}

/// What follows the collection in a resource name.
pub(super) fn segment<'a>(name: &'a str, collection: &str) -> Option<&'a str> {
    name.strip_prefix(collection)?.strip_prefix('/')
}

/// The resource name of a client: its `client_id` is one segment of it.
pub(super) fn client_name(client_id: &str) -> String {
    let segment = client_id.replace('%', "%25").replace('/', "%2F");
    format!("{CLIENTS}/{segment}")
}

/// The `client_id` in a resource name.
pub(super) fn client_id(name: &str) -> String {
    let segment = segment(name, CLIENTS).unwrap_or_default();
    segment
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace("%25", "%")
}

/// The version behind an etag; none when none was sent.
pub(super) fn version(etag: &str) -> Result<Option<i64>> {
    match etag {
        "" => Ok(None),
        // An etag that was never ours cannot be the current one.
        etag => etag
            .parse()
            .map(Some)
            .map_err(|_| Error::new(Reason::EtagMismatch)),
    }
}

/// Moves a secret out of a message, so that it is wiped after use.
pub(super) fn secret(field: &mut String) -> Zeroizing<String> {
    Zeroizing::new(std::mem::take(field))
}

/// Whether the mask names the display name, the one field that can be changed. Without a mask every
/// field that was sent is meant (AIP-134).
pub(super) fn masks_display_name(mask: Option<&[String]>, sent: &str) -> Result<bool> {
    let Some(paths) = mask.filter(|paths| !paths.is_empty()) else {
        return Ok(!sent.is_empty());
    };
    match paths
        .iter()
        .find(|path| !matches!(path.as_str(), "display_name" | "*"))
    {
        Some(_) => Err(Error::invalid_field(
            "update_mask",
            FieldReason::InvalidValue,
            "must name only fields that can be changed: display_name",
        )),
        None => Ok(true),
    }
}
