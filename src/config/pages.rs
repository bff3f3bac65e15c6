//! The hosted pages.

use std::{path::PathBuf, time::Duration};

use super::{
    duration::{days, minutes},
    rule::{Broken, require, within},
    setting::{Scalar, settings},
};
use crate::model::brand::{BrandColor, BrandColorRefused};

/// In characters: a longer name leaves no room for anything else on a phone.
const LONGEST_NAME: usize = 40;

settings! {
    /// The pages that people see in a browser.
    pub struct Pages {
        /// Whose pages they are: the name of the service or of the company behind it, 1 to 40 characters.
        name: String = "Countersign".to_owned(),
        /// The file of a logo that stands above every page, SVG or PNG, of at most 12 KiB. Give it no background, for
        /// pages are light or dark. Empty: the name.
        logo_file: Option<PathBuf> = None,
        /// The colour of buttons and links, `#rrggbb`. One with which text would be hard to read is refused.
        color: BrandColor = BrandColor::default(),
        /// Whether `/docs` is a reference of the API, to read and try.
        api_reference: bool = true,
        /// How long somebody stays signed in on the pages, in the browser that they signed in with, 5m to 365d.
        session_lifetime: Duration = days(14),
    }
}

impl Pages {
    pub(super) fn check(&self) -> Result<(), Broken> {
        let length = self.name.chars().count();
        let is_blank = self.name.trim().is_empty();
        require(
            !is_blank && length <= LONGEST_NAME && !self.name.contains(char::is_control),
            "pages.name",
            format!(
                "it must have 1 to {LONGEST_NAME} characters, none of them a control character"
            ),
        )?;
        within(
            "pages.session_lifetime",
            &self.session_lifetime,
            minutes(5)..=days(365),
        )
    }
}

impl Scalar for BrandColor {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|cause: BrandColorRefused| format!("it {cause}"))
    }

    fn print(&self) -> String {
        self.color().to_string()
    }
}
