//! Sets the cookie that an answer asks for, whatever its dialect.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use http::{HeaderValue, header::SET_COOKIE};

use super::around::{Answer, Middleware};
use crate::model::cookie::Cookie;

/// Writes a [`Cookie`] into the headers.
#[derive(Clone)]
pub(super) struct Cookies;

impl Middleware for Cookies {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let answer = next(request);
        Box::pin(async move {
            let mut response = answer.await?;
            let cookie = response.extensions_mut().remove::<Cookie>();
            if let Some(Ok(cookie)) = cookie.map(|cookie| HeaderValue::try_from(cookie.to_string()))
            {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        })
    }
}
