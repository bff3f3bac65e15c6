//! A provider, as this server talks to it: OpenID Connect, and what GitHub has instead.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::{Proof, Start};
use crate::{
    crypto::foreign::{ForeignKeys, ForeignToken},
    domain::remote::Remote,
    env::Timestamp,
    error::{Error, FieldReason, Reason, Result},
    model::{
        identity::{
            Identity, IdentityProvider, Protocol,
            id_token::{self, Expected},
        },
        oauth::{pkce::S256, redirect::with_parameters},
    },
    outbound::{Bounds, Outbound},
};

/// A provider and what is known of it.
pub(super) struct Provider {
    pub(super) settings: IdentityProvider,
    metadata: Mutex<Remote<Metadata>>,
    keys: Mutex<Remote<ForeignKeys>>,
}

/// What is read of its metadata (OpenID Connect Discovery section 3).
#[derive(Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What a token endpoint answers (RFC 6749 section 5).
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    access_token: String,
    id_token: String,
    error: String,
}

/// What GitHub's API tells of an account.
#[derive(Deserialize)]
struct GitHubUser {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct GitHubEmail {
    email: String,
    primary: bool,
    verified: bool,
}

/// Somebody of whom the provider may still know the address.
pub(super) struct Identified {
    pub(super) identity: Identity,
    claims: Map<String, Value>,
    access_token: String,
}

impl Provider {
    pub(super) fn new(settings: IdentityProvider) -> Self {
        Self {
            settings,
            metadata: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// Where a browser signs in (OpenID Connect Core section 3.1.2.1).
    pub(super) async fn authorization_uri(
        &self,
        start: Start<'_>,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<String> {
        let endpoint = match &self.settings.authorization_endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.metadata(outbound, now).await?.authorization_endpoint,
        };
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", start.redirect_uri),
            ("scope", &self.settings.scope),
            ("state", start.state),
            ("code_challenge", start.code_challenge),
            ("code_challenge_method", S256),
        ];
        if !start.nonce.is_empty() {
            parameters.push(("nonce", start.nonce));
        }
        Ok(with_parameters(endpoint.as_str(), &parameters))
    }

    /// Who somebody is, by what the provider has given them. Their address may still be with the provider.
    pub(super) async fn identify(
        &self,
        proof: Proof<'_>,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<Identified> {
        let is_openid = matches!(self.settings.protocol, Protocol::OpenIdConnect { .. });
        let is_token = !proof.id_token.is_empty();
        if is_token != proof.code.is_empty() || is_token && !is_openid {
            return Err(Error::invalid_field(
                "proof.id_token",
                FieldReason::InvalidValue,
                "must come without a code, or a code without it, and a code where the provider has no ID tokens",
            ));
        }
        if is_token {
            let claims = self.read_id_token(proof.id_token, proof.nonce, outbound, now);
            return self.identified(claims.await?, String::new());
        }
        let tokens = self.exchange(proof, outbound, now).await?;
        match &self.settings.protocol {
            Protocol::OpenIdConnect { .. } => {
                let claims = self.read_id_token(&tokens.id_token, proof.nonce, outbound, now);
                self.identified(claims.await?, tokens.access_token)
            }
            Protocol::GitHub { user_endpoint, .. } => {
                let user: GitHubUser = self
                    .api(user_endpoint, &tokens.access_token, outbound)
                    .await?;
                let name = user.name.unwrap_or(user.login);
                // The number stays when the name changes, and is never given to somebody else.
                let subject = user.id.to_string();
                let identity = self.settings.person(subject, ("", false), false, &name);
                Ok(Identified {
                    identity,
                    claims: Map::new(),
                    access_token: tokens.access_token,
                })
            }
        }
    }

    fn identified(&self, claims: Map<String, Value>, access_token: String) -> Result<Identified> {
        let identity = self.settings.identity(&claims);
        let identity = identity.ok_or_else(|| invalid("the ID token has no subject"))?;
        Ok(Identified {
            identity,
            claims,
            access_token,
        })
    }

    /// The same with the address, for which the provider is asked where its ID token does not hold it.
    pub(super) async fn complete(
        &self,
        found: Identified,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<Identity> {
        let Identified {
            identity,
            mut claims,
            access_token,
        } = found;
        if !identity.email.is_empty() || access_token.is_empty() {
            return Ok(identity);
        }
        if let Protocol::GitHub {
            emails_endpoint, ..
        } = &self.settings.protocol
        {
            let emails: Vec<GitHubEmail> =
                self.api(emails_endpoint, &access_token, outbound).await?;
            let primary = emails.into_iter().find(|email| email.primary);
            let (email, verified) = primary
                .map(|primary| (primary.email, primary.verified))
                .unwrap_or_default();
            let (subject, name) = (identity.subject, &identity.display_name);
            return Ok(self
                .settings
                .person(subject, (&email, verified), false, name));
        }
        // Most keep it for this endpoint where there is an access token beside the ID token (OpenID Connect Core section 5.4).
        let Some(endpoint) = self.userinfo_endpoint(outbound, now).await? else {
            return Ok(identity);
        };
        let mut more: Map<String, Value> = self.api(&endpoint, &access_token, outbound).await?;
        // Section 5.3.2: what is said of somebody else must not be used.
        if more.get("sub") != claims.get("sub") {
            return Err(invalid("the userinfo endpoint tells of somebody else"));
        }
        for name in ["email", "email_verified", "name"] {
            match more.remove(name) {
                Some(value) => claims.insert(name.to_owned(), value),
                // What is verified is the address beside it.
                None if name == "email_verified" => claims.remove(name),
                None => None,
            };
        }
        Ok(self.identified(claims, String::new())?.identity)
    }

    /// Where the address is told; none where nobody says so. Whose keys and token endpoint stand in the settings may have no metadata.
    async fn userinfo_endpoint(&self, outbound: &Outbound, now: Timestamp) -> Result<Option<Url>> {
        let Protocol::OpenIdConnect {
            jwks_uri,
            userinfo_endpoint,
            ..
        } = &self.settings.protocol
        else {
            return Ok(None);
        };
        let needs_no_metadata = jwks_uri.is_some() && self.settings.token_endpoint.is_some();
        if userinfo_endpoint.is_some() || needs_no_metadata {
            return Ok(userinfo_endpoint.clone());
        }
        Ok(self.metadata(outbound, now).await?.userinfo_endpoint)
    }

    async fn metadata(&self, outbound: &Outbound, now: Timestamp) -> Result<Metadata> {
        let issuer = self.settings.issuer();
        let mut metadata = self.metadata.lock().await;
        if let Some(fresh) = metadata.fresh(now) {
            return Ok(fresh.clone());
        }
        if !metadata.may_ask(now) {
            return Err(self.unavailable("its metadata could not be had a moment ago"));
        }
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let url = Url::parse(&url).map_err(Error::internal)?;
        let read = |text: &[u8]| {
            let metadata: Metadata =
                serde_json::from_slice(text).map_err(|_| "it is no metadata")?;
            // Section 4.3: nobody else's.
            if metadata.issuer == issuer {
                Ok(metadata)
            } else {
                Err("it is the metadata of another issuer")
            }
        };
        let bounds = Bounds::default();
        let found = metadata.fetch(&url, outbound, bounds, now, read).await;
        found.cloned().map_err(|cause| self.unavailable(cause))
    }

    /// Exchanges a code (RFC 6749 section 4.1.3).
    async fn exchange(
        &self,
        proof: Proof<'_>,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<TokenAnswer> {
        let settings = &self.settings;
        let is_openid = matches!(settings.protocol, Protocol::OpenIdConnect { .. });
        let (endpoint, in_form) = match &settings.token_endpoint {
            // GitHub wants the secret in the form; every server of OAuth takes it in the header (RFC 6749 section 2.3.1).
            Some(endpoint) => (endpoint.clone(), !is_openid),
            None => {
                let metadata = self.metadata(outbound, now).await?;
                let methods = metadata.token_endpoint_auth_methods_supported;
                let takes = |name: &str| methods.iter().any(|method| method == name);
                let in_form = takes("client_secret_post") && !takes("client_secret_basic");
                (metadata.token_endpoint, in_form)
            }
        };
        let secret = settings.client_secret.expose_secret();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", proof.code),
            ("redirect_uri", proof.redirect_uri),
        ];
        if !proof.code_verifier.is_empty() {
            form.push(("code_verifier", proof.code_verifier));
        }
        let authorization = if in_form {
            form.extend([
                ("client_id", &*settings.client_id),
                ("client_secret", secret),
            ]);
            None
        } else {
            Some(basic(&settings.client_id, secret)?)
        };
        let bounds = Bounds::default();
        let answer = outbound.post_form(&endpoint, &form, authorization, bounds);
        let answer = answer.await.map_err(|cause| self.unavailable(cause))?;
        let tokens: TokenAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
        match tokens.error.as_str() {
            "" if answer.status.is_success() => Ok(tokens),
            // The second is said of a verifier that is missing; the last two are GitHub's.
            "invalid_grant"
            | "invalid_request"
            | "bad_verification_code"
            | "redirect_uri_mismatch" => Err(invalid("the code is not taken")),
            error => {
                // What is wrong with the settings is for the operator to know.
                let known = error.chars().filter(char::is_ascii_graphic).take(64);
                let error: String = known.collect();
                Err(self.unavailable(format!(
                    "its token endpoint answers {} {error}",
                    answer.status
                )))
            }
        }
    }

    async fn read_id_token(
        &self,
        text: &str,
        nonce: &str,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<Map<String, Value>> {
        let token = ForeignToken::parse(text).map_err(invalid)?;
        let expected = Expected {
            issuer: self.settings.issuer(),
            client_id: &self.settings.client_id,
            nonce,
        };
        // Before the keys, which are fetched for claims alone that would do.
        id_token::check(token.claims(), expected, now).map_err(invalid)?;
        self.verify(&token, outbound, now).await?;
        Ok(token.claims().clone())
    }

    async fn verify(
        &self,
        token: &ForeignToken<'_>,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<()> {
        let mut keys = self.keys.lock().await;
        if let Some(verified) = keys.verify(token, now) {
            return verified.map_err(invalid);
        }
        if !keys.may_ask(now) {
            return Err(self.unavailable("its keys could not be had a moment ago"));
        }
        let url = match &self.settings.protocol {
            Protocol::OpenIdConnect {
                jwks_uri: Some(url),
                ..
            } => url.clone(),
            _ => self.metadata(outbound, now).await?.jwks_uri,
        };
        let found = keys.fetch_keys(&url, outbound, now).await;
        let found = found.map_err(|cause| self.unavailable(cause))?;
        found.verify(token).map_err(invalid)
    }

    async fn api<T: DeserializeOwned>(
        &self,
        endpoint: &Url,
        access_token: &str,
        outbound: &Outbound,
    ) -> Result<T> {
        let bearer = HeaderValue::try_from(format!("Bearer {access_token}"));
        let bearer = bearer.map_err(|_| self.unavailable("its access token is none"))?;
        let answer = outbound.get(endpoint, Some(bearer), Bounds::default());
        let answer = answer.await.map_err(|cause| self.unavailable(cause))?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.unavailable("its API answers something else"))
    }

    /// The operator reads which provider it is, and why.
    fn unavailable(&self, cause: impl std::fmt::Display) -> Error {
        let provider = &self.settings.id;
        Error::from(Reason::IdentityProviderUnavailable)
            .because(format!("identity provider `{provider}`: {cause}"))
    }
}

/// RFC 6749 section 2.3.1: each part is encoded as in a form.
fn basic(id: &str, secret: &str) -> Result<HeaderValue> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = BASE64_STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
    HeaderValue::try_from(format!("Basic {pair}")).map_err(Error::internal)
}

/// The person is told that they are not confirmed, and the operator why.
fn invalid(cause: impl std::fmt::Display) -> Error {
    Error::from(Reason::IdentityInvalid).because(cause.to_string())
}
