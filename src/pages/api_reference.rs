//! `GET /docs`: `/openapi.json` to read and try. It is Swagger UI, which `swagger-ui-dist` brings along, on a page and
//! under a policy of ours; it asks nobody but this server.

use std::convert::Infallible;

use askama::Template;
use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use swagger_ui_dist::{ApiDefinition, OpenApiSource, generate_routes};
use tower::ServiceExt as _;

use super::{assets::JAVASCRIPT, layout, messages::Messages, preference};

/// Its scripts and styles are files, and none of them makes another.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
/// They are large, and change with the program alone.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const START: &str = include_str!("api_reference.js");

#[derive(Template)]
#[template(path = "api_reference.html", config = "src/pages/askama.toml")]
struct ApiReference {
    t: &'static Messages,
}

/// The page, and what it loads.
pub(super) fn router() -> Router {
    let files = generate_routes(ApiDefinition {
        uri_prefix: "/docs",
        api_definition: OpenApiSource::Uri("/openapi.json"),
        title: None,
    });
    let start = || async { ([(CONTENT_TYPE, JAVASCRIPT)], START).into_response() };
    Router::new()
        .route("/docs/swagger-ui.css", get(file))
        .route("/docs/swagger-ui-bundle.js", get(file))
        .with_state(files)
        .route("/docs/start.js", get(start))
        .route("/docs", get(page))
}

async fn page(uri: Uri, headers: HeaderMap) -> Response {
    let t = preference::language(uri.query(), &headers, &[]);
    layout::answer(StatusCode::OK, POLICY, &ApiReference { t })
}

/// One of the two files that are needed, of those that the crate serves.
async fn file(State(files): State<Router>, request: Request) -> Result<Response, Infallible> {
    let mut answer = files.oneshot(request).await?;
    answer.headers_mut().insert(CACHE_CONTROL, KEPT);
    Ok(answer)
}
