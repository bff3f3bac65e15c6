//! Cookies that a service sets, on their way to the browser: no document of a product forbids them, and no
//! handler of a face has to know of them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

/// The cookies of one answer, filled as the services of the call answer.
#[derive(Clone, Default)]
pub(super) struct Cookies(Arc<Mutex<Vec<HeaderValue>>>);

impl Cookies {
    /// Keeps what a service set.
    pub(super) fn keep(&self, metadata: &HeaderMap) {
        let set = metadata.get_all(SET_COOKIE).iter().cloned();
        self.values().extend(set);
    }

    fn values(&self) -> std::sync::MutexGuard<'_, Vec<HeaderValue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the cookies on to the caller of a face.
pub(super) async fn hand_on(mut request: Request, next: Next) -> Response {
    let cookies = Cookies::default();
    request.extensions_mut().insert(cookies.clone());
    let mut response = next.run(request).await;
    for cookie in cookies.values().drain(..) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
