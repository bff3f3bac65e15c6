//! What all pages share: their look, and the headers that keep them safe.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, InvalidHeaderValue, REFERRER_POLICY, VARY},
};
use sha2::{Digest as _, Sha256};

use super::{
    brand::Brand,
    messages::{self, Messages},
    preference,
};
use crate::error::Error;

const STYLE: &str = include_str!("style.css");
const HTML: &str = "text/html; charset=utf-8";

/// How every page of this server looks.
pub(super) struct Look {
    /// The path of this server, under which all others are; empty for most.
    pub(super) root: String,
    brand: Brand,
    /// The one style sheet, which stands in the page.
    style: String,
    /// What a browser may do with the page: show it, with this style.
    policy: HeaderValue,
}

/// What the template of every page needs.
pub(super) struct Layout<'a> {
    pub(super) t: &'static Messages,
    pub(super) brand: &'a Brand,
    pub(super) style: &'a str,
    /// What the paths of this server begin with.
    pub(super) root: &'a str,
    /// What the links to other languages keep of the query.
    pub(super) kept: String,
}

impl Layout<'_> {
    /// Every language that the page can be read in.
    pub(super) fn languages(&self) -> &'static [Messages] {
        messages::all()
    }

    /// The same for a page that its query makes what it is.
    pub(super) fn keeping(self, query: Option<&str>) -> Self {
        let kept = preference::without(preference::UI_LOCALES, query);
        Self { kept, ..self }
    }
}

impl Look {
    pub(super) fn new(brand: Brand, root: String) -> Result<Self, InvalidHeaderValue> {
        let style = brand.variables() + STYLE;
        let hash = STANDARD.encode(Sha256::digest(&style));
        // No form-action: Chromium holds the whole chain of redirects to it, and what a client does after the last one.
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; script-src 'self'; img-src 'self' data:; \
             connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        Ok(Self {
            policy: policy.try_into()?,
            root,
            brand,
            style,
        })
    }

    pub(super) fn layout(&self, t: &'static Messages) -> Layout<'_> {
        Layout {
            t,
            brand: &self.brand,
            style: &self.style,
            root: &self.root,
            kept: String::new(),
        }
    }

    /// The answer with a page of this look.
    pub(super) fn answer(&self, status: StatusCode, page: &impl Template) -> Response {
        answer(status, self.policy.clone(), page)
    }
}

/// The answer with a page under this policy. `layers::security_headers` adds what every answer has.
pub(super) fn answer(status: StatusCode, policy: HeaderValue, page: &impl Template) -> Response {
    let text = match page.render() {
        Ok(text) => text,
        Err(cause) => return Error::internal(cause).into_response(),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(HTML)),
        (CONTENT_SECURITY_POLICY, policy),
        // With `no-referrer` a browser would not even tell this server where a form comes from.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (
            VARY,
            HeaderValue::from_static("accept, accept-language, cookie"),
        ),
    ];
    (status, headers, text).into_response()
}
