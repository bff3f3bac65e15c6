//! What stands under `/.well-known/` (RFC 8615).

use axum::{Router, response::IntoResponse, routing::get};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// Verifiers may keep the keys for five minutes; the next key is published long before it signs.
const KEYS_CACHE: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json`: the public keys, as `application/jwk-set+json` (RFC 7517 section 8.5.2).
pub fn router(jwks: impl Fn() -> Bytes + Clone + Send + Sync + 'static) -> Router {
    let answer = move || {
        let keys = jwks();
        async move {
            (
                [
                    (CONTENT_TYPE, "application/jwk-set+json"),
                    (CACHE_CONTROL, KEYS_CACHE),
                ],
                keys,
            )
                .into_response()
        }
    };
    Router::new().route("/.well-known/jwks.json", get(answer))
}
