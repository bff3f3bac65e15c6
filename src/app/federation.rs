//! The identity providers that the operator sets up, with their secrets.

use std::fs;

use secrecy::SecretString;
use url::Url;
use zeroize::Zeroizing;

use super::StartError;
use crate::{
    config::{self, Config, ProviderKind},
    model::identity::{GOOGLE, IdentityProvider, Protocol},
};

const ADVICE: &str = "correct it in federation.providers";

/// The providers of the settings.
///
/// # Errors
/// A file of theirs cannot be used.
pub(super) fn configured(config: &Config) -> Result<Vec<IdentityProvider>, StartError> {
    config.federation.providers.0.iter().map(read).collect()
}

fn read(settings: &config::IdentityProvider) -> Result<IdentityProvider, StartError> {
    let protocol = match settings.kind {
        ProviderKind::GitHub => Protocol::GitHub {
            user_endpoint: url(&settings.user_endpoint)?,
            emails_endpoint: url(&settings.emails_endpoint)?,
        },
        ProviderKind::Google | ProviderKind::Oidc => Protocol::OpenIdConnect {
            issuer: settings.issuer.clone(),
            jwks_uri: optional(&settings.jwks_uri)?,
            userinfo_endpoint: optional(&settings.userinfo_endpoint)?,
            is_google: settings.kind == ProviderKind::Google || settings.issuer == GOOGLE,
        },
    };
    Ok(IdentityProvider {
        id: settings.id.clone(),
        display_name: settings.display_name.clone(),
        client_id: settings.client_id.clone(),
        client_secret: secret(settings)?,
        scope: settings.scope.clone(),
        email_domains: settings.email_domains.clone(),
        authorization_endpoint: optional(&settings.authorization_endpoint)?,
        token_endpoint: optional(&settings.token_endpoint)?,
        protocol,
    })
}

fn optional(text: &str) -> Result<Option<Url>, StartError> {
    Some(text)
        .filter(|text| !text.is_empty())
        .map(url)
        .transpose()
}

fn url(text: &str) -> Result<Url, StartError> {
    text.parse()
        .map_err(|error| StartError::new(format!("{text} is no URL: {error}"), ADVICE))
}

fn secret(settings: &config::IdentityProvider) -> Result<SecretString, StartError> {
    let (id, path) = (&settings.id, settings.client_secret_file.display());
    let text = fs::read_to_string(&settings.client_secret_file).map_err(|error| {
        let problem = format!("cannot read {path} for the identity provider `{id}`: {error}");
        StartError::new(problem, "name a readable file in federation.providers")
    })?;
    let text = Zeroizing::new(text);
    if text.trim().is_empty() {
        let problem =
            format!("{path} is empty, and holds no secret of the identity provider `{id}`");
        return Err(StartError::new(problem, ADVICE));
    }
    Ok(text.trim().to_owned().into())
}
