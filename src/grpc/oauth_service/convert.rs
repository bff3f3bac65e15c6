//! Between OAuth's messages and the plain data of the program.

use serde_json::Value;

use crate::{
    domain::{
        oauth::{Issued, LiveToken, LogOut, NewRegistration, Pending, UserInfo},
        tokens::ClientToken,
    },
    error::{Error, FieldReason, Reason, Result},
    grpc::convert::{segment, timestamp},
    model::{
        id::AuthorizationId,
        oauth::{
            authorization::{Parameters, Prompt, Step},
            metadata::Metadata,
            registration::RegisteredClient,
        },
    },
    pb::v1,
};

pub(super) fn metadata(sent: Option<v1::ClientMetadata>) -> Result<Metadata> {
    let sent = sent.unwrap_or_default();
    let jwks = match sent.jwks.as_str() {
        "" => None,
        text => Some(serde_json::from_str(text).map_err(|_| {
            let rule = "must be a JSON object";
            Error::invalid_field("metadata.jwks", FieldReason::InvalidFormat, rule)
        })?),
    };
    Ok(Metadata {
        redirect_uris: sent.redirect_uris,
        client_name: sent.client_name,
        grant_types: sent.grant_types,
        response_types: sent.response_types,
        token_endpoint_auth_method: sent.token_endpoint_auth_method,
        scope: sent.scope,
        client_uri: sent.client_uri,
        logo_uri: sent.logo_uri,
        tos_uri: sent.tos_uri,
        policy_uri: sent.policy_uri,
        contacts: sent.contacts,
        application_type: sent.application_type,
        software_id: sent.software_id,
        software_version: sent.software_version,
        id_token_signed_response_alg: sent.id_token_signed_response_alg,
        require_pkce: sent.require_pkce,
        jwks_uri: sent.jwks_uri,
        jwks,
        post_logout_redirect_uris: sent.post_logout_redirect_uris,
    })
}

fn metadata_to_proto(metadata: Metadata) -> v1::ClientMetadata {
    v1::ClientMetadata {
        redirect_uris: metadata.redirect_uris,
        client_name: metadata.client_name,
        grant_types: metadata.grant_types,
        response_types: metadata.response_types,
        token_endpoint_auth_method: metadata.token_endpoint_auth_method,
        scope: metadata.scope,
        client_uri: metadata.client_uri,
        logo_uri: metadata.logo_uri,
        tos_uri: metadata.tos_uri,
        policy_uri: metadata.policy_uri,
        contacts: metadata.contacts,
        application_type: metadata.application_type,
        software_id: metadata.software_id,
        software_version: metadata.software_version,
        id_token_signed_response_alg: metadata.id_token_signed_response_alg,
        require_pkce: metadata.require_pkce,
        jwks_uri: metadata.jwks_uri,
        jwks: metadata
            .jwks
            .map(|jwks| Value::Object(jwks).to_string())
            .unwrap_or_default(),
        post_logout_redirect_uris: metadata.post_logout_redirect_uris,
    }
}

/// A registration, with the secrets that are shown now.
pub(super) fn registration(made: NewRegistration) -> v1::ClientRegistration {
    let shown = |secret: Option<zeroize::Zeroizing<String>>| {
        secret.map(|secret| secret.to_string()).unwrap_or_default()
    };
    v1::ClientRegistration {
        client_secret: shown(made.secret),
        registration_access_token: shown(made.registration_token),
        ..registered(made.client)
    }
}

/// A registration without secrets.
pub(super) fn registered(client: RegisteredClient) -> v1::ClientRegistration {
    v1::ClientRegistration {
        client_id: client.client_id(),
        client_secret: String::new(),
        create_time: Some(timestamp(client.created_at)),
        registration_access_token: String::new(),
        metadata: Some(metadata_to_proto(client.metadata)),
    }
}

pub(super) fn parameters(sent: v1::StartAuthorizationRequest) -> Parameters {
    Parameters {
        response_type: sent.response_type,
        scope: sent.scope,
        state: sent.state,
        code_challenge: sent.code_challenge,
        code_challenge_method: sent.code_challenge_method,
        resources: sent.resources,
        response_mode: sent.response_mode,
        prompt: sent.prompt,
        max_age: sent.max_age,
        login_hint: sent.login_hint,
        ui_locales: sent.ui_locales,
        nonce: sent.nonce,
        id_token_hint: sent.id_token_hint,
        request: sent.request,
        request_uri: sent.request_uri,
    }
}

pub(super) fn authorization(pending: &Pending) -> v1::Authorization {
    let (authorization, request) = (&pending.authorization, &pending.authorization.request);
    v1::Authorization {
        name: authorization.id.resource_name(),
        client_id: pending.client.id.clone(),
        client_name: pending.client.metadata.client_name.clone(),
        client_uri: pending.client.metadata.client_uri.clone(),
        redirect_uri: request.redirect_uri.clone(),
        scopes: request.scopes().as_slice().to_vec(),
        new_scopes: pending.new_scopes.as_slice().to_vec(),
        resources: request.audience.clone(),
        next_step: match pending.next_step {
            Step::LogIn => v1::AuthorizationStep::LogIn,
            Step::Consent => v1::AuthorizationStep::Consent,
            Step::None => v1::AuthorizationStep::None,
        }
        .into(),
        non_interactive: request.prompts.contains(&Prompt::None),
        login_hint: request.login_hint.clone(),
        ui_locales: request.ui_locales.clone(),
        expire_time: Some(timestamp(authorization.expires_at)),
    }
}

/// The authorization that a resource name means.
pub(super) fn authorization_id(name: &str) -> Result<AuthorizationId> {
    segment(name, AuthorizationId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Reason::AuthorizationNotFound.into())
}

/// The error that the client gets for a denial.
pub(super) fn denial(reason: v1::DenialReason) -> &'static str {
    match reason {
        v1::DenialReason::Unspecified => "access_denied",
        v1::DenialReason::LoginRequired => "login_required",
        v1::DenialReason::ConsentRequired => "consent_required",
    }
}

pub(super) fn issued(issued: Issued) -> v1::IssueTokensResponse {
    let shown = |token: Option<zeroize::Zeroizing<String>>| {
        token.map(|token| token.to_string()).unwrap_or_default()
    };
    let tokens = issued.tokens;
    v1::IssueTokensResponse {
        access_token: tokens.access_token.to_string(),
        token_type: "Bearer".to_owned(),
        access_token_expire_time: Some(timestamp(tokens.access_expires_at)),
        refresh_token: shown(tokens.refresh),
        scopes: tokens.grant.scopes.as_slice().to_vec(),
        grant: tokens.grant.id.resource_name(),
        id_token: shown(issued.id_token),
    }
}

pub(super) fn user_info(info: &UserInfo<'_>) -> v1::GetUserInfoResponse {
    v1::GetUserInfoResponse {
        account: info.account_id.resource_name(),
        email: info.email.unwrap_or_default().to_owned(),
        email_verified: info.email_verified,
        display_name: info.name.unwrap_or_default().to_owned(),
    }
}

/// A token that belongs to no grant.
pub(super) fn issued_to_client(token: ClientToken) -> v1::IssueTokensResponse {
    v1::IssueTokensResponse {
        access_token: token.access_token.to_string(),
        token_type: "Bearer".to_owned(),
        access_token_expire_time: Some(timestamp(token.access_expires_at)),
        scopes: token.scopes.as_slice().to_vec(),
        ..v1::IssueTokensResponse::default()
    }
}

pub(super) fn log_out(found: LogOut) -> v1::ResolveLogOutResponse {
    let (client_id, client_name) = found
        .client
        .map(|client| (client.id, client.metadata.client_name))
        .unwrap_or_default();
    v1::ResolveLogOutResponse {
        client_id,
        client_name,
        redirect_uri: found.redirect_uri,
        account: found
            .account_id
            .map(|id| id.resource_name())
            .unwrap_or_default(),
    }
}

pub(super) fn live(found: LiveToken) -> v1::IntrospectTokenResponse {
    let token_type = if found.is_access_token { "Bearer" } else { "" };
    v1::IntrospectTokenResponse {
        active: true,
        scopes: found.scopes.as_slice().to_vec(),
        client_id: found.client_id,
        account: found
            .account_id
            .map(|id| id.resource_name())
            .unwrap_or_default(),
        audience: found.audience,
        create_time: Some(timestamp(found.issued_at)),
        expire_time: Some(timestamp(found.expires_at)),
        token_type: token_type.to_owned(),
    }
}
