//! The OAuth clients that the operator sets up, with what stands in files of their own.

use std::{fs, path::Path};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::StartError;
use crate::{
    config::{Config, OAuthClient},
    crypto::{foreign::ForeignKeys, secrets},
    model::client::{Client, Lifetimes},
};

/// The fewest characters of a secret that nobody guesses: 128 bits in base64.
const SHORTEST_SECRET: usize = 22;
/// The most that a call can carry.
const LONGEST_SECRET: usize = 512;

/// The clients of the settings.
///
/// # Errors
/// A file of theirs cannot be used.
pub(super) fn configured(config: &Config, lifetimes: Lifetimes) -> Result<Vec<Client>, StartError> {
    let clients = config.oauth.clients.0.iter();
    clients.map(|client| read(client, lifetimes)).collect()
}

fn read(client: &OAuthClient, lifetimes: Lifetimes) -> Result<Client, StartError> {
    let metadata = client.metadata().configured();
    let mut metadata = metadata.map_err(|error| {
        let problem = format!(
            "the client `{}` cannot be used: {}",
            client.id,
            error.message()
        );
        StartError::new(problem, "correct it in oauth.clients")
    })?;
    if let Some(path) = &client.jwks_file {
        metadata.jwks = Some(jwks(client, path)?);
    }
    let secret = match &client.secret_file {
        Some(path) => Some(secrets::hash(&secret(client, path)?)),
        None => None,
    };
    Ok(Client {
        resources: client.resources.clone(),
        ..Client::of_metadata(client.id.clone(), metadata, secret, lifetimes)
    })
}

fn secret(client: &OAuthClient, path: &Path) -> Result<Zeroizing<String>, StartError> {
    let text = Zeroizing::new(contents(client, path)?);
    let secret = text.trim();
    let is_good = (SHORTEST_SECRET..=LONGEST_SECRET).contains(&secret.len())
        // Clients differ in whether they encode it for Basic, which makes no difference without this.
        && secret.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
    if is_good {
        Ok(Zeroizing::new(secret.to_owned()))
    } else {
        Err(StartError::new(
            format!(
                "{} is no secret for the client `{}`: it has 22 to 512 characters of visible ASCII, and no percent sign",
                path.display(),
                client.id
            ),
            "write one with `openssl rand -hex 32`, and give it to the client",
        ))
    }
}

fn jwks(client: &OAuthClient, path: &Path) -> Result<Map<String, Value>, StartError> {
    let text = contents(client, path)?;
    let wrong = |cause: String| {
        StartError::new(
            format!(
                "{} has no keys of the client `{}`: {cause}",
                path.display(),
                client.id
            ),
            "write the client's public keys into it, as a JWK set",
        )
    };
    ForeignKeys::parse(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

fn contents(client: &OAuthClient, path: &Path) -> Result<String, StartError> {
    fs::read_to_string(path).map_err(|error| {
        StartError::new(
            format!(
                "cannot read {} for the client `{}`: {error}",
                path.display(),
                client.id
            ),
            "name a readable file in oauth.clients",
        )
    })
}
