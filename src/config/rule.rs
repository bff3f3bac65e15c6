//! Rules that a value breaks although it can be read.

use std::ops::RangeInclusive;

use url::Url;

use super::setting::Scalar;
use crate::model::oauth::redirect::is_secure;

/// A rule that a setting breaks.
#[derive(Debug)]
pub(super) struct Broken {
    /// The key of the setting.
    pub(super) key: &'static str,
    /// What it must be: a clause that starts with "it must".
    pub(super) must: String,
}

/// Whether a text is where browsers and secrets are sent to: https, or this machine, without fragment (RFC 6749 section 3.1).
pub(super) fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_secure(&url) && url.fragment().is_none())
}

/// Holds a setting to a rule.
pub(super) fn require(
    kept: bool,
    key: &'static str,
    must: impl Into<String>,
) -> Result<(), Broken> {
    if kept {
        Ok(())
    } else {
        Err(Broken {
            key,
            must: must.into(),
        })
    }
}

/// Holds a setting to a range.
pub(super) fn within<T: PartialOrd + Scalar>(
    key: &'static str,
    value: &T,
    range: RangeInclusive<T>,
) -> Result<(), Broken> {
    let (least, greatest) = (range.start().print(), range.end().print());
    require(
        range.contains(value),
        key,
        format!("it must lie between {least} and {greatest}"),
    )
}
