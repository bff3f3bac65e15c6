//! The scripts that the hosted pages use, and that pages of others may use too.

use std::sync::Arc;

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};

use crate::model::etag;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
/// RFC 9239 section 6.1.1.
pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
/// Kept, but asked for each time: the scripts import one another, and a page must not mix two versions.
const REVALIDATED: &str = "no-cache";

/// The path of each script, and its text: what improves the pages, and the solver of proof-of-work challenges.
const SCRIPTS: [(&str, &str); 5] = [
    ("/assets/pages.js", include_str!("assets/pages.js")),
    ("/assets/pow.js", include_str!("assets/pow.js")),
    (
        "/assets/pow-worker.js",
        include_str!("assets/pow-worker.js"),
    ),
    (
        "/assets/pow-sha256.js",
        include_str!("assets/pow-sha256.js"),
    ),
    (
        "/assets/pow-argon2id.js",
        include_str!("assets/pow-argon2id.js"),
    ),
];

/// `GET /assets/pages.js` and `GET /assets/pow.js`, and the scripts that they import.
pub(super) fn router() -> Router {
    SCRIPTS
        .into_iter()
        .fold(Router::new(), |router, (path, text)| {
            let etag: Arc<str> = etag::strong(text.as_bytes()).into();
            let answer = async move |headers: HeaderMap| script(text, &etag, &headers);
            router.route(path, get(answer))
        })
}

fn script(text: &'static str, etag: &str, request: &HeaderMap) -> Response {
    let headers = [
        (ETAG, etag),
        (CACHE_CONTROL, REVALIDATED),
        // Any page may read what anybody can fetch: nothing here depends on who asks, and no cookie is looked at.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
    ];
    let known = request.get_all(IF_NONE_MATCH).iter();
    if etag::is_known(etag, known.filter_map(|line| line.to_str().ok())) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, JAVASCRIPT)], text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use http::{Method, Request};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(method: Method, path: &str, known: &[&str]) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        for line in known {
            request = request.header(IF_NONE_MATCH, *line);
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 64 * 1024).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, text)
    }

    #[tokio::test]
    async fn every_script_is_served_as_it_is() {
        for (path, text) in SCRIPTS {
            let (status, headers, body) = ask(Method::GET, path, &[]).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, text), "{path}");
            for (name, value) in [
                (CONTENT_TYPE, JAVASCRIPT),
                (CACHE_CONTROL, "no-cache"),
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
            ] {
                assert_eq!(headers[&name], value, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn a_script_that_the_browser_has_is_not_sent_again() {
        let tag = etag::strong(SCRIPTS[0].1.as_bytes());
        let weak = format!("W/{tag}");
        let listed = format!("\"other\", {tag}");
        for known in [
            &[tag.as_str()][..],
            &[&weak],
            &[&listed],
            &["\"other\"", &tag],
            &["*"],
        ] {
            let (status, headers, body) = ask(Method::GET, "/assets/pages.js", known).await;
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::NOT_MODIFIED, ""),
                "{known:?}"
            );
            // A page of another origin could not read it otherwise.
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(headers[ETAG], tag);
        }
        for known in [&["\"other\""][..], &[""], &["x, ,"], &[&tag[1..]]] {
            let (status, ..) = ask(Method::GET, "/assets/pow.js", known).await;
            assert_eq!(status, StatusCode::OK, "{known:?}");
        }
    }

    #[tokio::test]
    async fn only_what_is_listed_is_served_and_only_read() {
        for path in ["/assets/", "/assets/pow.rs", "/assets/../assets.rs"] {
            assert_eq!(
                ask(Method::GET, path, &[]).await.0,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let (status, headers, body) = ask(Method::HEAD, "/assets/pow.js", &[]).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
        assert_eq!(headers[CONTENT_TYPE], JAVASCRIPT);
        assert_eq!(
            ask(Method::POST, "/assets/pow.js", &[]).await.0,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}
