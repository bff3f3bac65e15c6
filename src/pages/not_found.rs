//! What a browser is shown where nothing is.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{Reader, layout::Layout};

#[derive(Template)]
#[template(path = "not_found.html", config = "src/pages/askama.toml")]
struct NotFound<'a> {
    layout: Layout<'a>,
    issuer: &'a str,
    request_id: &'a str,
}

impl Reader {
    /// The page at an address that has none, for the call of this id.
    #[must_use]
    pub fn not_found(&self, request_id: &str) -> Response {
        let shared = &*self.pages.0;
        let page = NotFound {
            layout: shared.look.layout(self.language),
            issuer: &shared.issuer,
            request_id,
        };
        shared.look.answer(StatusCode::NOT_FOUND, &page)
    }
}
