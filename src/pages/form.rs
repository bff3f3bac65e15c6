//! The form with which somebody signs in or makes an account, and what is wrong with what they sent.

use askama::Template;
use axum::{body::Body, response::Response};
use http::{HeaderMap, StatusCode};

use super::{
    browser, federated::ProviderButton, layout::Layout, messages::Messages, preference,
    sign_in::Visit,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    pb::v1::Authorization,
    rest::{form, unary},
};

/// The parameter by which the address of a page says which form it has.
const FORM: &str = "form";
/// Names the form with which somebody makes an account.
pub(super) const REGISTER: &str = "register";

/// What a form sends. What is not sent is empty.
#[derive(Default)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) provider: String,
    pub(super) tag: String,
    pub(super) email: String,
    pub(super) password: String,
    pub(super) challenge_id: String,
    pub(super) nonce: String,
}

impl Form {
    /// # Errors
    /// The content type is another, the body is too large, or it is no form.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self> {
        if unary::media_type(headers).as_deref() != Some(form::FORM) {
            return Err(unary::unsupported(headers, &[form::FORM]));
        }
        let bytes = unary::read_body(body, unary::LARGEST_BODY).await?;
        let mut sent = Self::default();
        for (name, value) in form::parameters(&bytes)? {
            match name.as_str() {
                "action" => sent.action = value,
                "provider" => sent.provider = value,
                "tag" => sent.tag = value,
                "email" => sent.email = value,
                "password" => sent.password = value,
                "challenge_id" => sent.challenge_id = value,
                "nonce" => sent.nonce = value,
                _ => {}
            }
        }
        Ok(sent)
    }
}

/// What the form shows.
pub(super) struct Shown {
    registers: bool,
    email: String,
    error: Option<Error>,
}

impl Shown {
    /// The form with which somebody signs in.
    pub(super) fn sign_in(email: String) -> Self {
        Self {
            registers: false,
            email,
            error: None,
        }
    }

    /// The form with which somebody makes an account.
    pub(super) fn register(email: String) -> Self {
        Self {
            registers: true,
            ..Self::sign_in(email)
        }
    }

    /// The same form after it was refused. Nothing that was typed is lost but the password.
    pub(super) fn after(self, error: Error) -> Self {
        Self {
            error: Some(error),
            ..self
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/pages/askama.toml")]
struct SignIn<'a> {
    layout: Layout<'a>,
    client: &'a str,
    tag: String,
    registers: bool,
    email: &'a str,
    problem: Problem,
    needs_work: bool,
    providers: &'a [ProviderButton],
}

impl SignIn<'_> {
    /// Which of the two fields is to be filled in first.
    fn begins_with_email(&self) -> bool {
        self.problem.email.is_some() || self.email.is_empty()
    }

    /// The ids of what is to be read with the field of the e-mail address.
    fn email_notes(&self) -> Option<String> {
        notes([
            (
                "problem",
                self.problem.form.is_some() && self.begins_with_email(),
            ),
            ("email-error", self.problem.email.is_some()),
        ])
    }

    /// The ids of what is to be read with the field of the password.
    fn password_notes(&self) -> Option<String> {
        notes([
            (
                "problem",
                self.problem.form.is_some() && !self.begins_with_email(),
            ),
            ("password-error", self.problem.password.is_some()),
            ("password-hint", self.registers),
        ])
    }
}

fn notes<const N: usize>(ids: [(&str, bool); N]) -> Option<String> {
    let shown = ids.into_iter().filter(|(_, is_shown)| *is_shown);
    let shown: Vec<_> = shown.map(|(id, _)| id).collect();
    (!shown.is_empty()).then(|| shown.join(" "))
}

/// What is wrong, in the language of the person, each where it belongs.
#[derive(Default)]
struct Problem {
    form: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

impl Problem {
    fn any(&self) -> bool {
        self.form.is_some() || self.email.is_some() || self.password.is_some()
    }

    /// What this error comes to. `needs_work` is whether every sign-up takes work, and not those alone from a busy network.
    fn of(t: &Messages, error: &Error, shown: &Shown, needs_work: bool) -> Self {
        let mut problem = Self::default();
        match error.reason() {
            Reason::InvalidField => problem.add_fields(t, error, shown.registers),
            Reason::PasswordTooCommon => problem.password = Some(t.password_too_common()),
            Reason::EmailAlreadyExists => problem.email = Some(t.email_taken()),
            Reason::InvalidCredentials => problem.form = Some(t.wrong_credentials()),
            Reason::ChallengeRequired if needs_work => problem.form = Some(t.work_always()),
            Reason::ChallengeRequired => problem.form = Some(t.work_required()),
            Reason::ChallengeInvalid => problem.form = Some(t.work_invalid()),
            _ => problem.form = Some(wait(t, error)),
        }
        problem
    }

    fn add_fields(&mut self, t: &Messages, error: &Error, registers: bool) {
        for violation in error.violations() {
            let is_missing = violation.reason == FieldReason::Required.name();
            match violation.field.as_ref() {
                "email" if is_missing => self.email = Some(t.email_missing()),
                "email" => self.email = Some(t.email_invalid()),
                "password" if is_missing && !registers => {
                    self.password = Some(t.password_missing());
                }
                "password" => self.password = Some(t.password_invalid()),
                _ => {}
            }
        }
        if !self.any() {
            self.form = Some(t.something_broke());
        }
    }
}

/// What to do about what went wrong at another provider.
pub(super) fn at_provider(t: &Messages, (provider, reason): (&ProviderButton, Reason)) -> String {
    let name = provider.display_name.as_str();
    match reason {
        Reason::EmailAlreadyExists => t.identity_not_linked(name),
        Reason::IdentityInvalid | Reason::IdentityAlreadyLinked | Reason::InvalidCredentials => {
            t.identity_invalid(name)
        }
        Reason::IdentityProviderUnavailable => t.identity_provider_unavailable(name),
        reason => wait(t, &reason.into()),
    }
}

/// What to do about an error that nobody at a page has made.
pub(super) fn wait(t: &Messages, error: &Error) -> String {
    match (error.reason(), error.retry_delay()) {
        (Reason::RateLimited, delay) => {
            let seconds = delay.map_or(1, |delay| delay.as_secs() + 1);
            t.too_many_tries(seconds.div_ceil(60))
        }
        (Reason::Overloaded | Reason::StorageUnavailable | Reason::DeadlineExceeded, _) => t.busy(),
        _ => t.something_broke(),
    }
}

impl Visit<'_> {
    /// The form that the address names, with what was typed in the one before, or else what the client has said.
    pub(super) fn first_form(&self, authorization: &Authorization) -> Shown {
        let asked = preference::named(FORM, self.parts.uri.query());
        let typed = if asked.is_empty() {
            None
        } else {
            browser::typed_email(&self.parts.headers, self.pages.0.secure)
        };
        let email = typed.unwrap_or_else(|| authorization.login_hint.clone());
        if asked == [REGISTER] {
            Shown::register(email)
        } else {
            Shown::sign_in(email)
        }
    }

    /// Sends the browser on to the page with this form. Were it the answer to the one before, Back and a reload would ask whether
    /// to send that again. What was typed comes along in a cookie: an address stands in histories and logs.
    pub(super) fn go_to_form(&self, form: &str, email: &str) -> Result<Response> {
        let kept = preference::without(FORM, self.parts.uri.query());
        let location = format!("{}?{kept}{FORM}={form}", self.path);
        let typed = browser::typed_email_cookie(email, self.pages.0.secure);
        self.pages.see_other(&location, typed)
    }

    /// The page on which somebody signs in or makes an account.
    pub(super) fn ask_to_sign_in(
        &self,
        authorization: &Authorization,
        shown: Shown,
    ) -> Result<Response> {
        let t = self.pages.language(&self.parts, &authorization.ui_locales);
        let look = &self.pages.0.look;
        let (status, problem, lacks_work) = match &shown.error {
            Some(error) => {
                error.log();
                let problem = Problem::of(t, error, &shown, self.pages.0.sign_up_needs_work);
                let lacks_work = matches!(
                    error.reason(),
                    Reason::ChallengeRequired | Reason::ChallengeInvalid
                );
                (error.http_status(), problem, lacks_work)
            }
            None => {
                let form = self.trouble().map(|trouble| at_provider(t, trouble));
                let problem = Problem {
                    form,
                    ..Problem::default()
                };
                (StatusCode::OK, problem, false)
            }
        };
        let page = SignIn {
            layout: look.layout(t).keeping(self.parts.uri.query()),
            client: &authorization.client_name,
            tag: self.form_tag(),
            registers: shown.registers,
            email: &shown.email,
            problem,
            providers: &self.pages.0.providers,
            needs_work: shown.registers && (lacks_work || self.pages.0.sign_up_needs_work),
        };
        self.finish(look.answer(status, &page), t)
    }
}
