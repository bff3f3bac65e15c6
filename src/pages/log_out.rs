//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0): a client sends somebody's browser here, to sign out. At `/sign-out`
//! they say yes: nobody is signed out by a mere link, and nobody is sent to a stranger's page without seeing where it is.

use askama::Template;
use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use http::{StatusCode, Uri, request::Parts};
use url::form_urlencoded;

use super::{
    Pages,
    browser::{self, Browser},
    consent,
    form::Form,
    layout::Layout,
    preference, with_cookies,
};
use crate::{
    error::{Reason, Result},
    pb::v1::{Account, ResolveLogOutRequest, ResolveLogOutResponse},
    rest::{call::Call, form},
};

/// Where clients send browsers.
pub(super) const LOG_OUT: &str = "/oauth/logout";
/// Where people sign out.
pub(super) const SIGN_OUT: &str = "/sign-out";

pub(super) fn router(pages: Pages) -> Router {
    Router::new()
        .route(LOG_OUT, get(log_out).post(log_out_by_form))
        .route(SIGN_OUT, get(show).post(submit))
        .with_state(pages)
}

/// Section 2 wants both methods.
async fn log_out_by_form(State(pages): State<Pages>, request: Request) -> Result<Response> {
    pages.as_query(LOG_OUT, request).await
}

/// Signs out whom an ID token of theirs names, which no stranger has. Anybody else is asked.
async fn log_out(State(pages): State<Pages>, request: Request) -> Result<Response> {
    let visit = Visit::new(&pages, request.into_parts().0).await?;
    if visit.is_meant() {
        visit.sign_out().await
    } else {
        pages.see_other(&visit.page(), [])
    }
}

async fn show(State(pages): State<Pages>, request: Request) -> Result<Response> {
    let visit = Visit::new(&pages, request.into_parts().0).await?;
    visit.show()
}

async fn submit(State(pages): State<Pages>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    browser::require_own_form(&parts.headers, &pages.0.issuer)?;
    let form = Form::read(&parts.headers, body).await?;
    let visit = Visit::new(&pages, parts).await?;
    if visit.has_tag(&form) {
        visit.sign_out().await
    } else {
        // A form from before somebody signed in or out: the page as it is now.
        pages.see_other(&visit.page(), [])
    }
}

/// What a query asks for; what is not known is ignored.
fn request_of(uri: &Uri) -> Result<ResolveLogOutRequest> {
    let query = uri.query().unwrap_or_default();
    let mut message = ResolveLogOutRequest::default();
    for (name, value) in form::parameters(query.as_bytes())? {
        match name.as_str() {
            "id_token_hint" => message.id_token_hint = value,
            "client_id" => message.client_id = value,
            "post_logout_redirect_uri" => message.post_logout_redirect_uri = value,
            "state" => message.state = value,
            _ => {}
        }
    }
    Ok(message)
}

#[derive(Template)]
#[template(path = "sign_out.html", config = "src/pages/askama.toml")]
struct SignOut<'a> {
    layout: Layout<'a>,
    client: &'a str,
    destination: Option<String>,
    redirect_uri: &'a str,
    /// The address of whoever is signed in.
    account: Option<&'a str>,
    tag: String,
}

/// A browser that is to be signed out.
struct Visit<'p> {
    pages: &'p Pages,
    parts: Parts,
    asked: ResolveLogOutRequest,
    answer: ResolveLogOutResponse,
    signed_in: Option<Account>,
}

impl<'p> Visit<'p> {
    /// # Errors
    /// The client or where it wants to have the person sent is not known: then nobody is sent anywhere.
    async fn new(pages: &'p Pages, parts: Parts) -> Result<Self> {
        let asked = request_of(&parts.uri)?;
        let anonymous = Call::of(&parts).without_credential();
        let contract = &pages.0.contract;
        Ok(Self {
            answer: contract.resolve_log_out(&anonymous, asked.clone()).await?,
            signed_in: pages.signed_in(&parts).await?,
            pages,
            parts,
            asked,
        })
    }

    /// Whether the client has shown that it means whoever is signed in.
    fn is_meant(&self) -> bool {
        let signed_in = self.signed_in.as_ref();
        signed_in.is_some_and(|account| account.name == self.answer.account)
    }

    /// Where somebody is asked, without the ID token, whose address says who they are.
    fn page(&self) -> String {
        let (answer, asked) = (&self.answer, &self.asked);
        let mut query = form_urlencoded::Serializer::new(String::new());
        // Without an ID token that can be read, a URI that needs one would be refused there.
        let (uri, state) = if answer.redirect_uri.is_empty() {
            ("", "")
        } else {
            (&*asked.post_logout_redirect_uri, &*asked.state)
        };
        for (name, value) in [
            ("client_id", &*answer.client_id),
            ("post_logout_redirect_uri", uri),
            ("state", state),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        for languages in preference::named(preference::UI_LOCALES, self.parts.uri.query()) {
            query.append_pair(preference::UI_LOCALES, &languages);
        }
        match query.finish().as_str() {
            "" => SIGN_OUT.to_owned(),
            query => format!("{SIGN_OUT}?{query}"),
        }
    }

    fn form_texts(&self) -> [&str; 2] {
        let session = browser::session(&self.parts.headers, self.pages.0.secure);
        ["sign-out", session.unwrap_or_default()]
    }

    fn has_tag(&self, form: &Form) -> bool {
        let browser = Browser::known(&self.parts.headers, self.pages.0.secure);
        browser.is_some_and(|known| known.has_tag(&self.form_texts(), &form.tag))
    }

    /// Ends the session of this browser, and sends it where the client wants. A session that cannot be ended now is kept.
    async fn sign_out(&self) -> Result<Response> {
        if let Some(call) = self.pages.session_call(&self.parts)
            && let Err(error) = self.pages.0.contract.sign_out(&call).await
            && error.reason() != Reason::CredentialInvalid
        {
            return Err(error);
        }
        let signed_out = [browser::no_session(self.pages.0.secure)];
        match self.answer.redirect_uri.as_str() {
            "" => self.pages.see_other(&self.page(), signed_out),
            redirect_uri => self.pages.see_other(redirect_uri, signed_out),
        }
    }

    /// Asks whoever is signed in, and tells anybody else that nobody is. Anybody can register a client: they are not sent on
    /// before they have seen where it goes (RFC 9700 section 4.11.2).
    fn show(&self) -> Result<Response> {
        let (shared, answer, query) = (&self.pages.0, &self.answer, self.parts.uri.query());
        let browser = Browser::known_or_new(&self.parts.headers, shared.secure, &shared.env)?;
        let t = self.pages.language(&self.parts, &[]);
        let page = SignOut {
            layout: shared.look.layout(t).keeping(query),
            client: match answer.client_name.as_str() {
                "" => &answer.client_id,
                name => name,
            },
            destination: (!answer.redirect_uri.is_empty())
                .then(|| consent::destination_text(t, &answer.redirect_uri)),
            redirect_uri: &answer.redirect_uri,
            account: self.signed_in.as_ref().map(|account| &*account.email),
            tag: browser.tag(&self.form_texts()),
        };
        let page = shared.look.answer(StatusCode::OK, &page);
        with_cookies(page, browser.cookie(shared.secure))
    }
}
