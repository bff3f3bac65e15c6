//! What browsers load: the hosted pages, rendered here and whole without scripts, and the scripts that make some of
//! them, and pages of others, do more.

mod api_reference;
mod assets;
mod brand;
#[cfg(test)]
mod generate;
mod home;
mod layout;
mod messages;
mod not_found;
mod preference;

use std::{path::PathBuf, sync::Arc};

use axum::Router;
use http::{Request, header::InvalidHeaderValue};

pub use self::brand::LogoError;
use self::{brand::Brand, layout::Look, messages::Messages};
use crate::model::brand::BrandColor;

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
    /// Whether there is an API reference at `/docs`.
    pub api_reference: bool,
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

/// The hosted pages.
#[derive(Clone)]
pub struct Pages(Arc<Shared>);

struct Shared {
    issuer: String,
    api_reference: bool,
    look: Look,
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
    pub fn new(options: Options) -> Result<Self, PagesError> {
        let brand = Brand::new(options.name, options.logo_file.as_deref(), options.color)?;
        Ok(Self(Arc::new(Shared {
            issuer: options.issuer,
            api_reference: options.api_reference,
            look: Look::new(brand)?,
        })))
    }

    /// Every page, and the scripts of `/assets/`.
    pub fn router(&self) -> Router {
        let pages = assets::router().merge(home::router(self.clone()));
        if self.0.api_reference {
            pages.merge(api_reference::router())
        } else {
            pages
        }
    }

    /// Who sent this request, if it is somebody who reads pages and not a program that reads data.
    #[must_use]
    pub fn reader<B>(&self, request: &Request<B>) -> Option<Reader> {
        let headers = request.headers();
        preference::is_html(headers).then(|| Reader {
            pages: self.clone(),
            language: preference::language(request.uri().query(), headers),
        })
    }
}
