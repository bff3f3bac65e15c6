//! `/oauth/authorize` (OAuth 2.1 section 3.1): a client sends somebody's browser here.

use askama::Template;
use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use http::{StatusCode, Uri, request::Parts};

use super::{Pages, browser::Browser, consent, layout::Layout, sign_in};
use crate::{
    error::Result,
    pb::v1::{StartAuthorizationRequest, StartAuthorizationResponse},
    rest::{call::Call, form},
};

/// Where clients send browsers.
pub(super) const AUTHORIZE: &str = "/oauth/authorize";

pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route(AUTHORIZE, get(authorize).post(authorize_by_form))
        .with_state(pages)
}

/// OpenID Connect Core section 3.1.2.1 wants both methods.
async fn authorize_by_form(State(pages): State<Pages>, request: Request) -> Result<Response> {
    pages.as_query(AUTHORIZE, request).await
}

/// Starts an authorization, and sends the browser to its page.
async fn authorize(State(pages): State<Pages>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let message = request_of(&parts.uri)?;
    let is_silent = message
        .prompt
        .split_ascii_whitespace()
        .any(|prompt| prompt == "none");
    let call = Call::of(&parts).without_credential();
    let started = pages.0.contract.start_authorization(&call, message).await?;
    let Some(authorization) = started.authorization else {
        return pages.tell_client(&parts, &started, is_silent).await;
    };
    let browser = Browser::known_or_new(&parts.headers, pages.0.secure, &pages.0.env)?;
    let path = sign_in::path(&browser, &authorization.name);
    pages.see_other(&path, browser.cookie(pages.0.secure))
}

/// What a query asks for; what is not known is ignored (OAuth 2.1 section 3.1).
fn request_of(uri: &Uri) -> Result<StartAuthorizationRequest> {
    let query = uri.query().unwrap_or_default();
    let mut message = StartAuthorizationRequest::default();
    for (name, value) in form::parameters(query.as_bytes())? {
        let field = match name.as_str() {
            "response_type" => &mut message.response_type,
            "client_id" => &mut message.client_id,
            "redirect_uri" => &mut message.redirect_uri,
            "scope" => &mut message.scope,
            "state" => &mut message.state,
            "code_challenge" => &mut message.code_challenge,
            "code_challenge_method" => &mut message.code_challenge_method,
            "response_mode" => &mut message.response_mode,
            "prompt" => &mut message.prompt,
            "max_age" => &mut message.max_age,
            "login_hint" => &mut message.login_hint,
            "ui_locales" => &mut message.ui_locales,
            "nonce" => &mut message.nonce,
            "claims" => &mut message.claims,
            "display" => &mut message.display,
            "id_token_hint" => &mut message.id_token_hint,
            "acr_values" => &mut message.acr_values,
            "request" => &mut message.request,
            "request_uri" => &mut message.request_uri,
            "resource" => {
                message.resources.push(value);
                continue;
            }
            _ => continue,
        };
        *field = value;
    }
    Ok(message)
}

/// What a client got wrong, for a person who is to decide whether to go back to it.
#[derive(Template)]
#[template(path = "wrong_request.html", config = "src/pages/askama.toml")]
struct WrongRequest<'a> {
    layout: Layout<'a>,
    destination: String,
    description: &'a str,
    redirect_uri: &'a str,
}

impl Pages {
    /// Sends the browser back with an error. Anybody can register a client: whoever has not signed in here, and did not ask
    /// for silence, is shown where it goes first, so that this server sends nobody anywhere for a stranger (RFC 9700
    /// section 4.11.2).
    async fn tell_client(
        &self,
        parts: &Parts,
        wrong: &StartAuthorizationResponse,
        is_silent: bool,
    ) -> Result<Response> {
        let redirect_uri = wrong.redirect_uri.as_str();
        if is_silent || self.signed_in(parts).await?.is_some() {
            return self.see_other(redirect_uri, []);
        }
        let t = self.language(parts, &[]);
        let page = WrongRequest {
            layout: self.0.look.layout(t).keeping(parts.uri.query()),
            destination: consent::destination_text(t, redirect_uri),
            description: &wrong.error_description,
            redirect_uri,
        };
        Ok(self.0.look.answer(StatusCode::BAD_REQUEST, &page))
    }
}
