//! The page on which somebody allows a client to use their account, or does not.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use url::Url;

use super::{form::at_provider, layout::Layout, messages::Messages, sign_in::Visit};
use crate::{error::Result, model::oauth::redirect::is_this_machine, pb::v1::Authorization};

#[derive(Template)]
#[template(path = "consent.html", config = "src/pages/askama.toml")]
struct Consent<'a> {
    layout: Layout<'a>,
    client: &'a str,
    /// The host of the document that says who the client is.
    document_host: Option<String>,
    destination: String,
    account: &'a str,
    /// What went wrong when an identity was to be linked.
    problem: Option<String>,
    scopes: Vec<Scope>,
    resources: &'a [String],
    tag: String,
}

struct Scope {
    text: String,
    is_new: bool,
}

impl Visit<'_> {
    /// The page on which somebody decides.
    pub(super) async fn ask_for_consent(&self, authorization: &Authorization) -> Result<Response> {
        let account = self.pages.0.contract.me(&self.call()).await?;
        let t = self.pages.language(&self.parts, &authorization.ui_locales);
        let look = &self.pages.0.look;
        // Anybody may call themselves anything; only the hosts are known.
        let client = match authorization.client_name.as_str() {
            "" => &authorization.client_id,
            name => name,
        };
        let some_were_allowed = authorization.new_scopes.len() < authorization.scopes.len();
        let scopes = authorization.scopes.iter().map(|scope| Scope {
            text: meaning(t, scope),
            is_new: some_were_allowed && authorization.new_scopes.contains(scope),
        });
        let page = Consent {
            layout: look.layout(t).keeping(self.parts.uri.query()),
            client,
            document_host: Url::parse(&authorization.client_id)
                .ok()
                .and_then(|url| authority(&url)),
            destination: destination_text(t, &authorization.redirect_uri),
            account: &account.email,
            problem: self.trouble().map(|trouble| at_provider(t, trouble)),
            scopes: scopes.collect(),
            resources: &authorization.resources,
            tag: self.form_tag(),
        };
        self.finish(look.answer(StatusCode::OK, &page), t)
    }
}

/// What a scope lets a client do, in plain words.
fn meaning(t: &Messages, scope: &str) -> String {
    match scope {
        "account" | "mcp" | "admin" => t.scope_account(),
        "openid" => t.scope_openid(),
        "profile" => t.scope_profile(),
        "email" => t.scope_email(),
        "offline_access" => t.scope_offline_access(),
        other => other.to_owned(),
    }
}

/// Where a redirect URI leads, in full and in words: a host, this device, or a program on it.
pub(super) fn destination_text(t: &Messages, redirect_uri: &str) -> String {
    let Ok(url) = Url::parse(redirect_uri) else {
        return redirect_uri.to_owned();
    };
    match authority(&url) {
        Some(authority) if is_this_machine(&url) => t.this_device(&authority),
        Some(authority) if ["http", "https"].contains(&url.scheme()) => authority,
        _ => t.program_on_this_device(&format!("{}:", url.scheme())),
    }
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}
