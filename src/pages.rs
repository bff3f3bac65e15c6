//! What browsers load: the hosted pages, rendered here and whole without scripts, and the scripts that make some of
//! them, and pages of others, do more.

mod api_reference;
mod assets;
mod authorize;
mod brand;
mod browser;
mod consent;
mod contract;
mod error;
mod federated;
mod form;
#[cfg(test)]
mod generate;
mod guides;
mod home;
mod layout;
mod log_out;
mod messages;
mod preference;
mod sign_in;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderValue, Request, StatusCode,
    header::{InvalidHeaderValue, LOCATION, SET_COOKIE},
    request::Parts,
};
use url::Url;

use self::{brand::Brand, contract::Contract, layout::Look, messages::Messages};
pub use self::{brand::LogoError, error::owns, federated::ProviderButton};
use crate::{
    env::Env,
    error::{Error, Reason, Result},
    model::{brand::BrandColor, cookie::Cookie},
    pb::v1::Account,
    rest::{call::Call, channel::Channel, form as rest_form, unary},
};

/// What the pages are told by the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL under which clients reach this server, without a slash at its end.
    pub issuer: String,
    /// Whose pages they are.
    pub name: String,
    /// The file of a logo, SVG or PNG.
    pub logo_file: Option<PathBuf>,
    /// The colour of buttons and links.
    pub color: BrandColor,
    /// Whether there are an API reference and guides at `/docs`.
    pub api_reference: bool,
    /// Whether clients may register themselves.
    pub open_registration: bool,
    /// How long somebody stays signed in.
    pub session_lifetime: Duration,
    /// Whether every sign-up takes proof of work.
    pub sign_up_needs_work: bool,
    /// The other providers that people may sign in with.
    pub providers: Vec<ProviderButton>,
}

/// Why there can be no pages.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// The logo cannot be shown.
    #[error(transparent)]
    Logo(#[from] LogoError),
    /// The policy of the pages is no header; no build that starts has such a one.
    #[error("the policy of the pages is no header: {0}")]
    Policy(#[from] InvalidHeaderValue),
}

/// In bytes: a longer query is taken by some proxies and not by others.
const LONGEST_QUERY: usize = 16 * 1024;

/// The hosted pages.
#[derive(Clone)]
pub struct Pages(Arc<Shared>);

struct Shared {
    issuer: String,
    /// Whether browsers come over https.
    secure: bool,
    api_reference: bool,
    open_registration: bool,
    session_lifetime: Duration,
    sign_up_needs_work: bool,
    providers: Vec<ProviderButton>,
    look: Look,
    contract: Contract,
    env: Env,
}

/// Somebody who reads pages, in a language of theirs.
pub struct Reader {
    pages: Pages,
    language: &'static Messages,
}

impl Pages {
    /// Reads the logo, and makes what all pages share.
    ///
    /// # Errors
    /// The logo cannot be read or shown.
    pub fn new(
        options: Options,
        channel: Channel,
        env: Env,
    ) -> std::result::Result<Self, PagesError> {
        let look = look(&options)?;
        Ok(Self(Arc::new(Shared {
            secure: options.issuer.starts_with("https:"),
            issuer: options.issuer,
            api_reference: options.api_reference,
            open_registration: options.open_registration,
            session_lifetime: options.session_lifetime,
            sign_up_needs_work: options.sign_up_needs_work,
            providers: options.providers,
            look,
            contract: Contract::new(channel),
            env,
        })))
    }

    /// Every page, and the scripts of `/assets/`.
    pub fn router(&self) -> Router {
        let pages = assets::router()
            .merge(home::router(self.clone()))
            .merge(authorize::router(self.clone()))
            .merge(sign_in::router(self.clone()))
            .merge(federated::router(self.clone()))
            .merge(log_out::router(self.clone()));
        if self.0.api_reference {
            pages.merge(api_reference::router()).merge(guides::router())
        } else {
            pages
        }
    }

    /// The languages that the pages speak (BCP 47).
    #[must_use]
    pub fn languages() -> Vec<&'static str> {
        messages::all().iter().map(Messages::tag).collect()
    }

    /// Who sent this request, if it is somebody who reads pages and not a program that reads data.
    #[must_use]
    pub fn reader<B>(&self, request: &Request<B>) -> Option<Reader> {
        let headers = request.headers();
        preference::is_html(headers).then(|| Reader {
            pages: self.clone(),
            language: preference::language(request.uri().query(), headers, &[]),
        })
    }

    /// The language of a page, of which its client may know one.
    fn language(&self, parts: &Parts, of_client: &[String]) -> &'static Messages {
        preference::language(parts.uri.query(), &parts.headers, of_client)
    }

    /// Calls of whoever is signed in in this browser.
    fn session_call(&self, parts: &Parts) -> Option<Call> {
        let token = browser::session(&parts.headers, self.0.secure)?;
        // What no header takes is no session.
        Call::of(parts).with_bearer(token).ok()
    }

    /// Who is signed in in this browser. A session that has ended is none.
    async fn signed_in(&self, parts: &Parts) -> Result<Option<Account>> {
        let Some(call) = self.session_call(parts) else {
            return Ok(None);
        };
        match self.0.contract.me(&call).await {
            Err(error) if error.reason() == Reason::CredentialInvalid => Ok(None),
            found => found.map(Some),
        }
    }

    /// Sends another site's form on as the query of this path, for browsers bring no cookie with such a form.
    async fn as_query(&self, path: &str, request: axum::extract::Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        if unary::media_type(&parts.headers).as_deref() != Some(rest_form::FORM) {
            return Err(unary::unsupported(&parts.headers, &[rest_form::FORM]));
        }
        let bytes = unary::read_body(body, unary::LARGEST_BODY).await?;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(rest_form::parameters(&bytes)?)
            .finish();
        if query.len() > LONGEST_QUERY {
            return Err(Reason::MessageTooLarge.into());
        }
        self.see_other(&format!("{path}?{query}"), [])
    }

    /// Sends a browser on by GET, whatever it came by (RFC 9700 section 4.12), with these cookies. A path is one of this
    /// server.
    fn see_other(
        &self,
        location: &str,
        cookies: impl IntoIterator<Item = Cookie>,
    ) -> Result<Response> {
        let root = if location.starts_with('/') {
            &self.0.look.root
        } else {
            ""
        };
        let location =
            HeaderValue::try_from(format!("{root}{location}")).map_err(Error::internal)?;
        let answer = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
        with_cookies(answer, cookies)
    }
}

/// Whose the pages are, under the path of the issuer.
fn look(options: &Options) -> std::result::Result<Look, PagesError> {
    let brand = Brand::new(
        options.name.clone(),
        options.logo_file.as_deref(),
        options.color,
    )?;
    let path = Url::parse(&options.issuer).map(|url| url.path().to_owned());
    let root = path.unwrap_or_default().trim_end_matches('/').to_owned();
    Ok(Look::new(brand, root)?)
}

/// Reads what the pages need, as [`Pages::new`] does.
///
/// # Errors
/// The logo cannot be read or shown.
pub fn check(options: &Options) -> std::result::Result<(), PagesError> {
    look(options).map(drop)
}

/// The answer, which lets a browser keep these cookies.
fn with_cookies(
    mut answer: Response,
    cookies: impl IntoIterator<Item = Cookie>,
) -> Result<Response> {
    for cookie in cookies {
        let cookie = HeaderValue::try_from(cookie.to_string()).map_err(Error::internal)?;
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}
