//! What a browser is known by, and what it has to show: its cookies, and where a form comes from.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, header::ORIGIN};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::messages::Messages;
use crate::{
    env::Env,
    error::{Reason, Result},
    model::cookie::{self, Cookie},
};

/// The access token of the person who signed in.
const SESSION: &str = "countersign_session";
/// A secret of this browser's, from which follow the addresses and forms that are for it alone.
const BROWSER: &str = "countersign_browser";
/// The language that the person has chosen.
const LANGUAGE: &str = "countersign_language";
/// What the person has typed as their address, on the way from one form to another.
const EMAIL: &str = "countersign_email";
/// Longer than any address is, in bytes; a longer text would be more than some proxies take in a header.
const LONGEST_EMAIL: usize = 512;
/// Long enough for the way.
const EMAIL_KEPT: Duration = Duration::from_secs(60);
/// A year, which is as good as for ever.
const KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Fetch Metadata, of every browser of today over https and on this machine.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A block of SHA-256, which HMAC takes as it is.
type Secret = [u8; 64];

/// A browser, by its secret.
pub(super) struct Browser {
    secret: Secret,
    is_new: bool,
}

impl Browser {
    /// The browser that brings a secret; none if it brings no good one.
    pub(super) fn known(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let sent = cookie::find(headers, BROWSER, secure)?;
        let decoded = URL_SAFE_NO_PAD.decode(sent).ok()?;
        let secret = decoded.try_into().ok()?;
        Some(Self {
            secret,
            is_new: false,
        })
    }

    /// The browser that brings a secret, or one that is given a new one.
    pub(super) fn known_or_new(headers: &HeaderMap, secure: bool, env: &Env) -> Result<Self> {
        if let Some(known) = Self::known(headers, secure) {
            return Ok(known);
        }
        Ok(Self {
            secret: env.random()?,
            is_new: true,
        })
    }

    /// A text that is never made again.
    pub(super) fn once(env: &Env) -> Result<String> {
        let random: [u8; 16] = env.random()?;
        Ok(URL_SAFE_NO_PAD.encode(random))
    }

    /// The cookie that lets a new browser be known.
    pub(super) fn cookie(&self, secure: bool) -> Option<Cookie> {
        self.is_new.then(|| Cookie {
            name: BROWSER,
            value: URL_SAFE_NO_PAD.encode(self.secret),
            max_age: KEPT,
            secure,
        })
    }

    /// What this browser alone can show for these texts: in the address of a page that was opened in it, and in the forms
    /// of such a page (OWASP: signed double-submit cookie).
    pub(super) fn tag(&self, texts: &[&str]) -> String {
        let mut mac = Hmac::<Sha256>::new(&self.secret.into());
        for text in texts {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether this is that tag.
    pub(super) fn has_tag(&self, texts: &[&str], shown: &str) -> bool {
        self.tag(texts).as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

/// The access token of the person who signed in in this browser.
pub(super) fn session(headers: &HeaderMap, secure: bool) -> Option<&str> {
    cookie::find(headers, SESSION, secure).filter(|token| !token.is_empty())
}

/// Keeps somebody signed in.
pub(super) fn session_cookie(token: String, lifetime: Duration, secure: bool) -> Cookie {
    Cookie {
        name: SESSION,
        value: token,
        max_age: lifetime,
        secure,
    }
}

/// Takes the session away.
pub(super) fn no_session(secure: bool) -> Cookie {
    session_cookie(String::new(), Duration::ZERO, secure)
}

/// The tag of the language that was chosen in this browser.
pub(super) fn language(headers: &HeaderMap) -> Option<&str> {
    // Of no secret, so that either form will do.
    [true, false]
        .into_iter()
        .find_map(|secure| cookie::find(headers, LANGUAGE, secure))
}

/// Keeps the language that somebody has chosen.
pub(super) fn language_cookie(t: &Messages, secure: bool) -> Cookie {
    Cookie {
        name: LANGUAGE,
        value: t.tag().to_owned(),
        max_age: KEPT,
        secure,
    }
}

/// The address that was typed in the form before.
pub(super) fn typed_email(headers: &HeaderMap, secure: bool) -> Option<String> {
    let sent = URL_SAFE_NO_PAD.decode(cookie::find(headers, EMAIL, secure)?);
    String::from_utf8(sent.ok()?).ok()
}

/// Keeps the address that was typed for the form that is next.
pub(super) fn typed_email_cookie(email: &str, secure: bool) -> Option<Cookie> {
    (email.len() <= LONGEST_EMAIL).then(|| Cookie {
        name: EMAIL,
        value: URL_SAFE_NO_PAD.encode(email),
        max_age: EMAIL_KEPT,
        secure,
    })
}

/// Lets a form of this server's pages through: browsers say themselves where a form comes from, and no page can make them say
/// otherwise. One that says nothing is no browser of the last years, and is held to its cookies and tags alone.
///
/// # Errors
/// `PERMISSION_DENIED` for another site's form.
pub(super) fn require_own_form(headers: &HeaderMap, issuer: &str) -> Result<()> {
    let is_own = match headers.get(SEC_FETCH_SITE) {
        // `none` is the person's own doing, such as a page that is loaded again.
        Some(site) => site == "same-origin" || site == "none",
        None => headers
            .get(ORIGIN)
            .is_none_or(|origin| is_origin_of(origin, issuer)),
    };
    is_own
        .then_some(())
        .ok_or_else(|| Reason::PermissionDenied.into())
}

fn is_origin_of(origin: &HeaderValue, issuer: &str) -> bool {
    let own = url::Url::parse(issuer).map(|url| url.origin().ascii_serialization());
    own.is_ok_and(|own| origin.as_bytes() == own.as_bytes())
}
