//! `GET /docs/OAUTH.md` and the other guides: the documents of `docs/` of this very version, as plain text.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// The names of the guides, and what they say.
const GUIDES: [(&str, &str); 10] = [
    (
        "/docs/ADMINISTRATION.md",
        include_str!("../../docs/ADMINISTRATION.md"),
    ),
    ("/docs/ERRORS.md", include_str!("../../docs/ERRORS.md")),
    (
        "/docs/FEDERATION.md",
        include_str!("../../docs/FEDERATION.md"),
    ),
    (
        "/docs/FORWARD-AUTH.md",
        include_str!("../../docs/FORWARD-AUTH.md"),
    ),
    ("/docs/HTTP.md", include_str!("../../docs/HTTP.md")),
    ("/docs/MCP.md", include_str!("../../docs/MCP.md")),
    ("/docs/OAUTH.md", include_str!("../../docs/OAUTH.md")),
    (
        "/docs/OPERATIONS.md",
        include_str!("../../docs/OPERATIONS.md"),
    ),
    ("/docs/SECURITY.md", include_str!("../../docs/SECURITY.md")),
    ("/docs/TOKENS.md", include_str!("../../docs/TOKENS.md")),
];

/// All guides.
pub(super) fn router() -> Router {
    GUIDES
        .into_iter()
        .fold(Router::new(), |router, (path, text)| {
            router.route(path, get(move || async move { answer(text) }))
        })
}

fn answer(text: &'static str) -> Response {
    // As plain text every browser shows it.
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, text).into_response()
}
