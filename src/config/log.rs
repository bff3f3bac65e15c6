//! What is logged, and how.

use tracing_subscriber::EnvFilter;

use super::{
    rule::{Broken, require},
    setting::Scalar,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

impl Scalar for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("it must be text or json".to_owned()),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}

pub(super) fn check(filter: &str) -> Result<(), Broken> {
    require(
        EnvFilter::builder().parse(filter).is_ok(),
        "log",
        "it must be filter directives such as `info` or `info,countersign=debug`",
    )
}
