//! Where settings come from.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf};

/// What settings are read from, the weakest first: the file, the environment, the command line.
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) file: Option<PathBuf>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// The settings in these environment variables, and in the file that `COUNTERSIGN_CONFIG` names.
    pub fn environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self {
            environment: variables.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same, with this file instead of the one that the environment names.
    #[must_use]
    pub fn file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    /// The same, with a setting from the command line: the key above all sections, and its value.
    #[must_use]
    pub fn flag(mut self, key: &'static str, value: Option<String>) -> Self {
        self.flags.extend(value.map(|value| (key, value)));
        self
    }
}

/// Not the values, among which are secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Source {
    /// The program.
    #[default]
    Default,
    /// The configuration file at this path.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// The file that the environment variable of this name names.
    VariableFile(String, PathBuf),
    /// The flag of the command line with this name.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) | Self::VariableFile(name, _) => write!(f, "variable {name}"),
            Self::Flag(key) => write!(f, "flag --{}", key.replace('_', "-")),
        }
    }
}

/// Where each value that is not a default comes from.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Source>);

impl Origins {
    /// Where the value of this key comes from.
    #[must_use]
    pub fn of(&self, key: &str) -> Source {
        self.0.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn note(&mut self, key: &str, source: Source) {
        self.0.insert(key.to_owned(), source);
    }
}

/// Settings that cannot be used, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what} — {advice}")]
pub struct ConfigError {
    what: String,
    advice: String,
}

impl ConfigError {
    pub(super) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }
}
