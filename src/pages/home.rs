//! `GET /`: where somebody begins who has just started the server, or was sent to it.

use askama::Template;
use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, header::VARY};
use serde_json::json;

use super::{Pages, layout::Layout, preference};

#[derive(Template)]
#[template(path = "home.html", config = "src/pages/askama.toml")]
struct Home<'a> {
    layout: Layout<'a>,
    issuer: &'a str,
    api_reference: bool,
    open_registration: bool,
}

/// The start page for browsers, and the same addresses as JSON for programs.
pub(super) fn router(pages: Pages) -> Router {
    Router::new().route("/", get(home)).with_state(pages)
}

async fn home(State(pages): State<Pages>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !preference::is_html(&parts.headers) {
        return pages.addresses();
    }
    let language = pages.language(&parts, &[]);
    let page = Home {
        layout: pages.0.look.layout(language),
        issuer: &pages.0.issuer,
        api_reference: pages.0.api_reference,
        open_registration: pages.0.open_registration,
    };
    pages.0.look.answer(StatusCode::OK, &page)
}

impl Pages {
    /// Where everything is, and nothing that helps to attack it: no version, and not whether anybody has an account.
    fn addresses(&self) -> Response {
        let issuer = &self.0.issuer;
        let mut body = json!({
            "issuer": issuer,
            "openid_configuration": format!("{issuer}/.well-known/openid-configuration"),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "openapi": format!("{issuer}/openapi.json"),
            "health": format!("{issuer}/readyz"),
        });
        if self.0.open_registration {
            body["registration_endpoint"] = format!("{issuer}/oauth/register").into();
        }
        if self.0.api_reference {
            // As the metadata of authorization servers calls it (RFC 8414 section 2).
            body["service_documentation"] = format!("{issuer}/docs").into();
        }
        ([(VARY, "accept")], Json(body)).into_response()
    }
}
