//! `/sign-in/{authorization}/{tag}`: the page of an authorization, for the browser that it was started in. Somebody signs in or
//! makes an account, says yes or no, and is sent back to the client.

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::get,
};
use http::request::Parts;

use super::{
    Pages,
    browser::{self, Browser},
    contract::SignedIn,
    federated::Purpose,
    form::{Form, REGISTER, Shown},
    messages::Messages,
    preference, with_cookies,
};
use crate::{
    error::{Error, Reason, Result},
    model::cookie::Cookie,
    pb::v1::{Authorization, AuthorizationStep, CreateAccountRequest, DenialReason, ProofOfWork},
    rest::call::Call,
};

/// What every page of an authorization begins with.
pub(super) const PREFIX: &str = "/sign-in/";

const COLLECTION: &str = "authorizations/";

pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/sign-in/{authorization}/{tag}", get(show).post(submit))
        .with_state(pages)
}

/// Where the page of this authorization is, in this browser.
pub(super) fn path(browser: &Browser, name: &str) -> String {
    let id = name.strip_prefix(COLLECTION).unwrap_or(name);
    format!("{PREFIX}{id}/{}", browser.tag(&["address", id]))
}

type Address = Path<(String, String)>;

async fn show(
    State(pages): State<Pages>,
    Path((id, tag)): Address,
    request: Request,
) -> Result<Response> {
    let (parts, _) = request.into_parts();
    Visit::new(&pages, id, &tag, parts)?.show().await
}

async fn submit(
    State(pages): State<Pages>,
    Path((id, tag)): Address,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let visit = Visit::new(&pages, id, &tag, parts)?;
    browser::require_own_form(&visit.parts.headers, &pages.0.issuer)?;
    let form = Form::read(&visit.parts.headers, body).await?;
    if !visit.has_tag(&form) {
        // A form from before somebody signed in or out: the page as it is now.
        return visit.again([]);
    }
    match visit.submit(form).await {
        // The page says so to whoever comes by, too.
        Err(error) if error.reason() == Reason::AuthorizationNotFound => visit.again([]),
        answer => answer,
    }
}

/// A browser at the page of an authorization that was started in it.
pub(super) struct Visit<'p> {
    pub(super) pages: &'p Pages,
    pub(super) parts: Parts,
    pub(super) browser: Browser,
    pub(super) id: String,
    pub(super) path: String,
}

impl<'p> Visit<'p> {
    /// # Errors
    /// `AUTHORIZATION_NOT_FOUND` where the address was made for another browser, or for none.
    fn new(pages: &'p Pages, id: String, tag: &str, parts: Parts) -> Result<Self> {
        let visit = Self::by_browser(pages, id, parts)?;
        if visit.browser.has_tag(&["address", &visit.id], tag) {
            Ok(visit)
        } else {
            Err(Reason::AuthorizationNotFound.into())
        }
    }

    /// For whoever has shown otherwise that this browser began the authorization.
    ///
    /// # Errors
    /// `AUTHORIZATION_NOT_FOUND` where the browser is not known.
    pub(super) fn by_browser(pages: &'p Pages, id: String, parts: Parts) -> Result<Self> {
        let browser =
            Browser::known(&parts.headers, pages.0.secure).ok_or(Reason::AuthorizationNotFound)?;
        Ok(Self {
            path: path(&browser, &id),
            pages,
            parts,
            browser,
            id,
        })
    }

    /// The answer with a page, whose language is kept where somebody has just chosen it.
    pub(super) fn finish(&self, page: Response, t: &Messages) -> Result<Response> {
        let is_chosen =
            !preference::named(preference::UI_LOCALES, self.parts.uri.query()).is_empty();
        let cookie = is_chosen.then(|| browser::language_cookie(t, self.pages.0.secure));
        with_cookies(page, cookie)
    }

    fn name(&self) -> String {
        format!("{COLLECTION}{}", self.id)
    }

    pub(super) fn session(&self) -> Option<&str> {
        browser::session(&self.parts.headers, self.pages.0.secure)
    }

    /// Calls of whoever is signed in.
    pub(super) fn call(&self) -> Call {
        let signed_in = self.pages.session_call(&self.parts);
        signed_in.unwrap_or_else(|| self.anonymous())
    }

    /// Calls of nobody.
    pub(super) fn anonymous(&self) -> Call {
        Call::of(&self.parts).without_credential()
    }

    /// What the forms of this page show that they are its own, and of the person who is signed in.
    pub(super) fn form_tag(&self) -> String {
        self.browser.tag(&self.form_texts())
    }

    fn form_texts(&self) -> [&str; 3] {
        ["form", &self.id, self.session().unwrap_or_default()]
    }

    fn has_tag(&self, form: &Form) -> bool {
        self.browser.has_tag(&self.form_texts(), &form.tag)
    }

    /// The page once more, with what these cookies change.
    pub(super) fn again(&self, cookies: impl IntoIterator<Item = Cookie>) -> Result<Response> {
        self.pages.see_other(&self.path, cookies)
    }

    /// The authorization as whoever is signed in would decide it. A session that has ended is none.
    async fn authorization(&self) -> Result<Authorization> {
        let contract = &self.pages.0.contract;
        match contract.authorization(&self.call(), self.name()).await {
            Err(error) if error.reason() == Reason::CredentialInvalid => {
                contract.authorization(&self.anonymous(), self.name()).await
            }
            found => found,
        }
    }

    /// What is to be done next: by somebody, or at once.
    async fn show(&self) -> Result<Response> {
        let authorization = self.authorization().await?;
        match (authorization.next_step(), authorization.non_interactive) {
            (AuthorizationStep::None, _) => self.approve().await,
            (AuthorizationStep::Consent, true) => self.deny(DenialReason::ConsentRequired).await,
            (AuthorizationStep::Consent, false) => self.ask_for_consent(&authorization).await,
            (_, true) => self.deny(DenialReason::LoginRequired).await,
            (_, false) => self.ask_to_sign_in(&authorization, self.first_form(&authorization)),
        }
    }

    async fn submit(&self, form: Form) -> Result<Response> {
        if !form.provider.is_empty() {
            return self.go_to_provider(&form.provider).await;
        }
        match form.action.as_str() {
            "sign-in" => self.sign_in(form).await,
            "register" => self.register(form).await,
            "show-sign-in" => self.go_to_form("sign-in", &form.email),
            "show-register" => self.go_to_form(REGISTER, &form.email),
            "allow" => self.approve().await,
            "deny" => self.deny(DenialReason::Unspecified).await,
            "sign-out" => {
                self.end_session().await;
                self.again([browser::no_session(self.pages.0.secure)])
            }
            _ => self.again([]),
        }
    }

    async fn sign_in(&self, form: Form) -> Result<Response> {
        let (email, contract) = (form.email.clone(), &self.pages.0.contract);
        let signed_in = contract
            .sign_in(&self.anonymous(), form.email, form.password)
            .await;
        match signed_in {
            Ok(signed_in) => {
                let trouble = self.trouble();
                let is_taken = |(_, reason): &(_, Reason)| *reason == Reason::EmailAlreadyExists;
                let to_link = trouble.filter(is_taken).map(|(provider, _)| &*provider.id);
                self.signed_in(signed_in, to_link).await
            }
            Err(error) => self.ask_again(Shown::sign_in(email), error).await,
        }
    }

    async fn register(&self, form: Form) -> Result<Response> {
        let (email, contract) = (form.email.clone(), &self.pages.0.contract);
        let message = CreateAccountRequest {
            email: form.email,
            password: form.password,
            proof_of_work: (!form.nonce.is_empty()).then_some(ProofOfWork {
                challenge_id: form.challenge_id,
                nonce: form.nonce,
            }),
            ..CreateAccountRequest::default()
        };
        match contract.register(&self.anonymous(), message).await {
            Ok(signed_in) => self.signed_in(signed_in, None).await,
            Err(error) => self.ask_again(Shown::register(email), error).await,
        }
    }

    /// Somebody has signed in: with a session of their own, beside which the one before in this browser ends. They go on to
    /// the provider whose identity they link.
    pub(super) async fn signed_in(
        &self,
        signed_in: SignedIn,
        to_link: Option<&str>,
    ) -> Result<Response> {
        self.end_session().await;
        let shared = &self.pages.0;
        let mut location = self.path.clone();
        if let Some(provider) = to_link {
            let uri = self.provider_uri(provider, Purpose::Link, &signed_in.token);
            match uri.await {
                Ok(uri) => location = uri,
                // They are signed in all the same.
                Err(error) => error.log(),
            }
        }
        let session =
            browser::session_cookie(signed_in.token, shared.session_lifetime, shared.secure);
        let cookies = [session].into_iter().chain(signed_in.device);
        self.pages.see_other(&location, cookies)
    }

    /// Ends the session of this browser. One that has ended already is no matter, and one that cannot be ended now ends by
    /// itself.
    async fn end_session(&self) {
        if self.session().is_some()
            && let Err(error) = self.pages.0.contract.sign_out(&self.call()).await
        {
            error.log();
        }
    }

    /// The form once more, with what is wrong. It answers the form that was sent, so that its status says that this was refused.
    /// A browser without scripts may send that again at a reload, which asks for nothing but what somebody has asked for already;
    /// once they have signed in, its tag is none.
    async fn ask_again(&self, shown: Shown, error: Error) -> Result<Response> {
        let authorization = self.authorization().await?;
        self.ask_to_sign_in(&authorization, shown.after(error))
    }

    async fn approve(&self) -> Result<Response> {
        let contract = &self.pages.0.contract;
        match contract.approve(&self.call(), self.name()).await {
            Ok(redirect_uri) => self.pages.see_other(&redirect_uri, []),
            // They signed out, or their session ended, or is too old by now.
            Err(error) if is_about_session(&error) => self.again([]),
            Err(error) => Err(error),
        }
    }

    async fn deny(&self, reason: DenialReason) -> Result<Response> {
        let contract = &self.pages.0.contract;
        let redirect_uri = contract
            .deny(&self.anonymous(), self.name(), reason)
            .await?;
        self.pages.see_other(&redirect_uri, [])
    }
}

fn is_about_session(error: &Error) -> bool {
    matches!(
        error.reason(),
        Reason::CredentialMissing
            | Reason::CredentialInvalid
            | Reason::LogInRequired
            | Reason::PermissionDenied
    )
}
