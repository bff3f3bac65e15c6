//! `/livez` and `/readyz`, for whoever restarts the process or sends it traffic.

use std::{future::Future, time::Duration};

use axum::{Json, Router, response::IntoResponse, routing::get};
use http::StatusCode;
use serde_json::json;
use tokio::time::timeout;

/// A probe that takes longer is a no.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /livez` answers while the process does anything at all. `GET /readyz` asks `probe` whether calls can
/// be served, and answers 200 `{"status":"ready"}` or 503 `{"status":"unavailable"}`.
pub fn router<P, F>(probe: P) -> Router
where
    P: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = bool> + Send,
{
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(move || readiness(probe())))
}

async fn readiness(probe: impl Future<Output = bool>) -> impl IntoResponse {
    if timeout(PROBE_TIMEOUT, probe).await.unwrap_or(false) {
        (StatusCode::OK, Json(json!({"status": "ready"})))
    } else {
        let body = json!({"status": "unavailable"});
        (StatusCode::SERVICE_UNAVAILABLE, Json(body))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(router: Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_live_process_says_so_even_when_it_cannot_serve() {
        let router = router(pending);
        assert_eq!(get(router, "/livez").await, (200, "ok".into()));
    }

    #[tokio::test]
    async fn readiness_is_what_the_probe_says() {
        let yes = get(router(async || true), "/readyz").await;
        assert_eq!(yes, (200, r#"{"status":"ready"}"#.into()));
        let no = get(router(async || false), "/readyz").await;
        assert_eq!(no, (503, r#"{"status":"unavailable"}"#.into()));
    }
}
