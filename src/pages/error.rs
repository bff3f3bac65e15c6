//! What a browser is shown when a page cannot be.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

use super::{Reader, authorize, form, layout::Layout, log_out, sign_in};
use crate::error::{Error, Reason};

#[derive(Template)]
#[template(path = "not_found.html", config = "src/pages/askama.toml")]
struct NotFound<'a> {
    layout: Layout<'a>,
    issuer: &'a str,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "error.html", config = "src/pages/askama.toml")]
struct Failed<'a> {
    layout: Layout<'a>,
    title: String,
    advice: String,
    /// For whoever makes the client, in English.
    detail: String,
    request_id: &'a str,
}

/// Whether the page at this path shows its errors itself.
#[must_use]
pub fn owns(path: &str) -> bool {
    [authorize::AUTHORIZE, log_out::LOG_OUT, log_out::SIGN_OUT].contains(&path)
        || path.starts_with(sign_in::PREFIX)
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

    /// What went wrong at a page, and what to do, for the call of this id.
    #[must_use]
    pub fn error(&self, error: &Error, request_id: &str) -> Response {
        let (shared, t) = (&*self.pages.0, self.language);
        if error.reason() == Reason::MethodNotFound {
            return self.not_found(request_id);
        }
        let (title, advice) = match error.reason() {
            Reason::ClientNotFound => (t.client_unknown_title(), t.client_unknown_advice()),
            Reason::AuthorizationNotFound => (t.request_over_title(), t.request_over_advice()),
            Reason::InvalidField
            | Reason::MalformedRequest
            | Reason::MessageTooLarge
            | Reason::PermissionDenied => (t.request_wrong_title(), t.request_wrong_advice()),
            _ => (t.error_title(), form::wait(t, error)),
        };
        let page = Failed {
            layout: shared.look.layout(t),
            title,
            advice,
            detail: detail(error),
            request_id,
        };
        let mut answer = shared.look.answer(error.http_status(), &page);
        if let Some(delay) = error.retry_delay() {
            let seconds = HeaderValue::from(delay.as_secs() + 1);
            answer.headers_mut().insert(RETRY_AFTER, seconds);
        }
        answer
    }
}

/// What is wrong with a request, as the contract says it: the names of fields and their rules, and no value.
fn detail(error: &Error) -> String {
    let fields = error.violations().iter();
    let fields: Vec<_> = fields
        .map(|violation| format!("{} {}", violation.field, violation.description))
        .collect();
    if fields.is_empty() {
        error.message()
    } else {
        fields.join("; ")
    }
}
