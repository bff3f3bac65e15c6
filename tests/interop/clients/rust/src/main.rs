//! Signs somebody in with the crates `oauth2` and `openidconnect`: prints where to send the browser, reads from its input where
//! the browser came back, and prints what it has learnt.
//!
//! `countersign-oauth-clients (oauth2 | openidconnect) ISSUER CLIENT_ID REDIRECT_URI`

use std::{collections::HashMap, env, error::Error, io};

use oauth2::{AuthUrl, RevocationUrl, StandardRevocableToken, TokenUrl, basic::BasicClient};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
    core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims},
    reqwest::{blocking, redirect},
    url::Url,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kind, issuer, client_id, redirect_uri] =
        <[String; 4]>::try_from(arguments).map_err(|_| "four arguments")?;
    let http = blocking::ClientBuilder::new()
        .redirect(redirect::Policy::none())
        .build()?;
    match kind.as_str() {
        "oauth2" => with_oauth2(&http, &issuer, client_id, redirect_uri),
        "openidconnect" => with_openidconnect(&http, issuer, client_id, redirect_uri),
        _ => Err("oauth2 or openidconnect".into()),
    }
}

/// Sends the browser there, and gives the code that it comes back with.
fn code(address: &Url, state: &CsrfToken) -> Result<AuthorizationCode> {
    println!("{address}");
    let mut back = String::new();
    io::stdin().read_line(&mut back)?;
    let back = Url::parse(back.trim())?;
    let parameters: HashMap<_, _> = back.query_pairs().into_owned().collect();
    if parameters.get("state") != Some(state.secret()) {
        return Err("the state is another's".into());
    }
    let code = parameters.get("code").ok_or("there is no code")?;
    Ok(AuthorizationCode::new(code.clone()))
}

fn with_openidconnect(
    http: &blocking::Client,
    issuer: String,
    client_id: String,
    redirect_uri: String,
) -> Result<()> {
    let metadata = CoreProviderMetadata::discover(&IssuerUrl::new(issuer)?, http)?;
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(client_id), None)
        .set_redirect_uri(RedirectUrl::new(redirect_uri)?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let code = code(&address, &state)?;
    let tokens = client
        .exchange_code(code)?
        .set_pkce_verifier(verifier)
        .request(http)?;
    let id_token = tokens.id_token().ok_or("there is no ID token")?;
    let checks = client.id_token_verifier();
    let claims = id_token.claims(&checks, &nonce)?;
    let expected = claims.access_token_hash().ok_or("there is no at_hash")?;
    let key = id_token.signing_key(&checks)?;
    let found = AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg()?, key)?;
    if found != *expected {
        return Err("the access token is another's".into());
    }
    let subject = claims.subject().clone();
    let user: CoreUserInfoClaims = client
        .user_info(tokens.access_token().clone(), Some(subject.clone()))?
        .request(http)?;
    println!(
        "{} {}",
        subject.as_str(),
        user.email().ok_or("there is no address")?.as_str()
    );
    Ok(())
}

fn with_oauth2(
    http: &blocking::Client,
    issuer: &str,
    client_id: String,
    redirect_uri: String,
) -> Result<()> {
    let client = BasicClient::new(ClientId::new(client_id))
        .set_auth_uri(AuthUrl::new(format!("{issuer}/oauth/authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?)
        .set_redirect_uri(RedirectUrl::new(redirect_uri)?)
        .set_revocation_url(RevocationUrl::new(format!("{issuer}/oauth/revoke"))?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("mcp".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let code = code(&address, &state)?;
    let tokens = client
        .exchange_code(code)
        .set_pkce_verifier(verifier)
        .request(http)?;
    let refresh = tokens.refresh_token().ok_or("there is no refresh token")?;
    let next = client.exchange_refresh_token(refresh).request(http)?;
    let account = http
        .get(format!("{issuer}/v1/accounts/me"))
        .bearer_auth(next.access_token().secret())
        .send()?
        .error_for_status()?
        .text()?;
    let revoked = StandardRevocableToken::from(next.access_token());
    // The crate refuses a plain address here, which is right everywhere but on this machine.
    let refused = client.revoke_token(revoked).err();
    println!(
        "{} {}",
        account.contains("accounts/"),
        matches!(refused, Some(oauth2::ConfigurationError::InsecureUrl(_)))
    );
    Ok(())
}
