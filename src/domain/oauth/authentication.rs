//! A client says who it is (OAuth 2.1 section 2.4): by what it has signed, by its secret, or not at all, as it has registered. Its
//! secret may come in the header or in the form, whichever of the two it has named.

use std::net::IpAddr;

use subtle::ConstantTimeEq as _;

use super::{
    OAuth,
    client_keys::{Fetches, is_strangers},
    failed,
};
use crate::{
    crypto::{foreign::ForeignToken, secrets},
    error::{Error, FieldReason, Result},
    model::{
        client::Client,
        oauth::{
            assertion::{self, JWT_BEARER},
            metadata::AuthMethod,
        },
    },
};

/// Who a client says it is.
#[derive(Clone, Copy)]
pub struct ClientCredentials<'c> {
    /// The `client_id`; an assertion names it, too.
    pub id: &'c str,
    /// Its secret; empty when none was sent.
    pub secret: &'c str,
    /// What it has signed of itself; empty when nothing was sent.
    pub assertion: &'c str,
    /// Of which kind that is.
    pub assertion_type: &'c str,
    /// Where the call comes from.
    pub address: IpAddr,
}

impl<'c> ClientCredentials<'c> {
    /// Whether they say anything of who calls.
    pub(super) fn name_somebody(&self) -> bool {
        !self.id.is_empty() || !self.assertion.is_empty()
    }

    /// What the client has signed, if it is one way alone (OAuth 2.1 section 2.4).
    fn signed(&self) -> Result<Option<ForeignToken<'c>>> {
        if self.assertion.is_empty() && self.assertion_type.is_empty() {
            return Ok(None);
        }
        if !self.secret.is_empty() {
            let rule = "must not come beside a secret";
            return Err(Error::invalid_field(
                "client_assertion",
                FieldReason::NotAllowed,
                rule,
            ));
        }
        if self.assertion_type != JWT_BEARER {
            let rule = "must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            return Err(Error::invalid_field(
                "client_assertion_type",
                FieldReason::InvalidValue,
                rule,
            ));
        }
        let signed = ForeignToken::parse(self.assertion);
        signed
            .map(Some)
            .map_err(|cause| failed("client_assertion").because(cause))
    }
}

impl OAuth {
    /// The client that calls. Each client at an address has a rate of its own, so that those behind one address do not
    /// wait for each other.
    pub(super) async fn authenticate(&self, sent: ClientCredentials<'_>) -> Result<Client> {
        let signed = sent.signed();
        let id = match &signed {
            // RFC 7521 section 4.2: the assertion says who it is.
            Ok(Some(signed)) if sent.id.is_empty() => signed.subject().unwrap_or_default(),
            _ => sent.id,
        };
        self.limit(id, sent.address)?;
        let id = id.to_owned();
        let signed = signed?;
        let client = self.client(&id).await?;
        let client = client.ok_or_else(|| failed("client_id"))?;
        match (client.metadata.method(), signed) {
            (Some(AuthMethod::PrivateKeyJwt), Some(signed)) => {
                self.prove(&client, &signed, sent.address).await?;
            }
            (Some(AuthMethod::PrivateKeyJwt), _) | (_, Some(_)) => {
                return Err(failed("client_assertion"));
            }
            (_, None) if !has_secret(&client, sent.secret) => return Err(failed("client_secret")),
            (_, None) => {}
        }
        Ok(client)
    }

    /// Spends a call of what this client has at its address.
    pub(super) fn limit(&self, client_id: &str, address: IpAddr) -> Result<()> {
        let number = secrets::hash(client_id)
            .first_chunk()
            .map_or(0, |half| u128::from_be_bytes(*half));
        self.limits.token_client(number, address)
    }

    /// Holds the client to what it has signed. Its keys are fetched for claims alone that would do.
    async fn prove(
        &self,
        client: &Client,
        signed: &ForeignToken<'_>,
        address: IpAddr,
    ) -> Result<()> {
        let now = self.context.env.now();
        let issuer = &self.settings.resources.issuer;
        let once = assertion::check(signed.claims(), &client.id, issuer, now);
        let once = once.map_err(|cause| failed("client_assertion").because(cause))?;
        let fetches = Fetches {
            outbound: &self.outbound,
            limited: is_strangers(client).then_some((&*self.limits, address)),
        };
        self.client_keys
            .verify(client, signed, fetches, now)
            .await
            .map_err(|cause| failed("client_assertion").because(cause))?;
        if self.client_keys.use_once(client, &once, now) {
            Ok(())
        } else {
            Err(failed("client_assertion").because("it was used before"))
        }
    }
}

/// Whether this is the client's secret. One without a secret shows none.
fn has_secret(client: &Client, secret: &str) -> bool {
    match (&client.secret_hash, secret) {
        (None, secret) => client.is_public() && secret.is_empty(),
        (Some(_), "") => false,
        (Some(hash), secret) => secrets::hash(secret).ct_eq(hash).into(),
    }
}
