//! Whom a token is for.

use serde::Deserialize;

/// The `aud` of a token (RFC 7519 section 4.1.3): one text, or a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(untagged)]
pub enum Audience {
    /// One text.
    One(String),
    /// A list, which may be empty.
    Many(Vec<String>),
}

impl Audience {
    /// The names, however they were written.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(names) => names,
        }
    }

    /// The names, to keep.
    #[must_use]
    pub fn into_names(self) -> Vec<String> {
        match self {
            Self::One(only) => vec![only],
            Self::Many(names) => names,
        }
    }
}
