//! The keys of clients that sign who they are, and which of their assertions were used.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use moka::sync::Cache;
use serde_json::Value;
use url::Url;

use crate::{
    capped::Capped,
    crypto::{
        foreign::{ForeignKeys, ForeignToken, ForeignTokenError},
        secrets,
    },
    domain::remote::{Remote, RemoteError},
    env::Timestamp,
    limits::Limits,
    model::{
        client::Client,
        oauth::{assertion::Once, document, registration::RegisteredClient},
    },
    outbound::Outbound,
};

/// The most sets that are kept; the least used go first.
const MOST_SETS: u64 = 1_000;
/// The most assertions that are remembered; of more, those that end first go.
const MOST_ASSERTIONS: usize = 65_536;
/// Keeps the keys of clients in bounded memory, and remembers assertions until they end.
pub(in crate::domain) struct ClientKeys {
    sets: Cache<String, Arc<tokio::sync::Mutex<Remote<ForeignKeys>>>>,
    /// Those of clients that the operator has set up, and those of others, who could have the first forgotten otherwise.
    used: [Mutex<Capped<i64>>; 2],
}

/// How keys are fetched.
#[derive(Clone, Copy)]
pub(super) struct Fetches<'f> {
    pub(super) outbound: &'f Outbound,
    /// What holds whom to a number of fetches; nothing does for the keys of clients that the operator has set up.
    pub(super) limited: Option<(&'f Limits, IpAddr)>,
}

/// Whether the operator has not set the client up.
pub(super) fn is_strangers(client: &Client) -> bool {
    RegisteredClient::parse_client_id(&client.id).is_some() || document::url(&client.id).is_some()
}

/// Why the keys of a client do not prove an assertion, for the log alone: others could find out with it what this server
/// reaches.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproved {
    #[error("the client has no keys that can be used")]
    NoKeys,
    #[error("the client's keys are not to be had: {0}")]
    NotFetched(#[from] RemoteError),
    #[error("too many keys are fetched for this address")]
    TooMany,
    #[error("{0}")]
    NotSigned(#[from] ForeignTokenError),
}

impl Default for ClientKeys {
    fn default() -> Self {
        Self {
            sets: Cache::new(MOST_SETS),
            used: [(); 2].map(|()| Mutex::new(Capped::new(MOST_ASSERTIONS, i64::unsigned_abs))),
        }
    }
}

impl ClientKeys {
    /// Whether the client has signed an assertion.
    ///
    /// # Errors
    /// Why not.
    pub(super) async fn verify(
        &self,
        client: &Client,
        assertion: &ForeignToken<'_>,
        fetches: Fetches<'_>,
        now: Timestamp,
    ) -> Result<(), Unproved> {
        if let Some(jwks) = &client.metadata.jwks {
            let text = Value::Object(jwks.clone()).to_string();
            let keys = ForeignKeys::parse(text.as_bytes()).map_err(|_| Unproved::NoKeys)?;
            return Ok(keys.verify(assertion)?);
        }
        let url = Url::parse(&client.metadata.jwks_uri).map_err(|_| Unproved::NoKeys)?;
        // Those of one client do not wait for those of another, and fetch the keys once.
        let name = format!("{} {url}", client.id);
        let set = self.sets.get_with(name, Arc::default);
        verify(&mut *set.lock().await, &url, assertion, fetches, now).await
    }

    /// Notes that an assertion of the client was used. Whether it was not before.
    pub(super) fn use_once(&self, client: &Client, once: &Once, now: Timestamp) -> bool {
        let name = secrets::hash(&format!("{} {}", client.id, once.jti));
        let name = name
            .first_chunk()
            .map_or(0, |half| u128::from_be_bytes(*half));
        let used = &self.used[usize::from(is_strangers(client))];
        let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(name).is_some_and(|exp| exp > now.seconds()) {
            return false;
        }
        used.put(name, once.exp);
        true
    }
}

async fn verify(
    set: &mut Remote<ForeignKeys>,
    url: &Url,
    assertion: &ForeignToken<'_>,
    fetches: Fetches<'_>,
    now: Timestamp,
) -> Result<(), Unproved> {
    if let Some(verified) = set.verify(assertion, now) {
        return Ok(verified?);
    }
    if !set.may_ask(now) {
        return Err(Unproved::NoKeys);
    }
    // One address must not take all the places of `outbound`.
    if let Some((limits, address)) = fetches.limited {
        let admitted = limits.client_registration(address);
        admitted.map_err(|_| Unproved::TooMany)?;
    }
    let keys = set.fetch_keys(url, fetches.outbound, now).await?;
    Ok(keys.verify(assertion)?)
}
