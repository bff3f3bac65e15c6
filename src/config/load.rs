//! Settings from their sources, layer upon layer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    Config, ConfigError, Origins, Source, Sources,
    nearest::nearest,
    rule::Broken,
    setting::{Section, Setting},
    variables,
};

/// The most of a wrong value that an error repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// Settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Where they come from.
    pub origins: Origins,
}

/// What a setting is called.
pub(super) struct Name {
    pub(super) key: String,
    pub(super) variable: String,
    pub(super) is_secret: bool,
}

/// A value as its source spells it.
pub(super) enum Given {
    Text(String),
    Typed(Value),
}

impl Loaded {
    /// The files that hold the master key and the key of the certificate, whatever names them.
    #[must_use]
    pub fn key_files(&self) -> Vec<PathBuf> {
        let config = &self.config;
        let master = if config.keys.given_master_key().is_none() {
            Some(config.key_file())
        } else {
            match self.origins.of("keys.master_key") {
                Source::VariableFile(_, path) | Source::File(path) => Some(path),
                _ => None,
            }
        };
        master.into_iter().chain(config.tls.key.clone()).collect()
    }

    /// The settings from these sources, checked.
    ///
    /// # Errors
    /// A source cannot be read, holds an unknown key, or gives a value that is not allowed.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let mut loader = Loader::new();
        let file = match &sources.file {
            Some(file) => Some(file.clone()),
            None => variables::named_file(&sources.environment),
        };
        if let Some(file) = file {
            loader.read_file(&file)?;
        }
        for (key, source, text) in variables::read(&loader.names, &sources.environment)? {
            loader.apply(&key, source, Given::Text(text))?;
        }
        for (key, text) in &sources.flags {
            loader.apply(key, Source::Flag(key), Given::Text(text.clone()))?;
        }
        loader.finish(sources)
    }
}

struct Loader {
    names: Vec<Name>,
    loaded: Loaded,
}

impl Loader {
    fn new() -> Self {
        let mut config = Config::default();
        let names = config
            .entries("")
            .into_iter()
            .map(|entry| Name {
                key: entry.key(),
                variable: entry.variable(),
                is_secret: entry.setting.is_secret(),
            })
            .collect();
        Self {
            names,
            loaded: Loaded {
                config,
                origins: Origins::default(),
            },
        }
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| {
            ConfigError::new(
                format!(
                    "cannot read the configuration file {}: {error}",
                    path.display()
                ),
                "name a readable file with --config or COUNTERSIGN_CONFIG",
            )
        })?;
        let table = text
            .parse::<Table>()
            .map_err(|error| syntax_error(path, &text, &error))?;
        for (key, value) in leaves("", table) {
            self.require_known(&key, path)?;
            self.apply(&key, Source::File(path.to_owned()), Given::Typed(value))?;
        }
        Ok(())
    }

    fn require_known(&self, key: &str, path: &Path) -> Result<(), ConfigError> {
        if self.names.iter().any(|name| name.key == key) {
            return Ok(());
        }
        if is_section(key) {
            return Err(ConfigError::new(
                format!(
                    "`{key}` is a section and not a setting (file {})",
                    path.display()
                ),
                format!("write its settings below a line `[{key}]`"),
            ));
        }
        let keys = self.names.iter().map(|name| name.key.as_str());
        let sections = keys.clone().filter_map(|key| Some(key.split_once('.')?.0));
        Err(ConfigError::new(
            format!(
                "there is no setting `{}` (file {})",
                key.escape_debug(),
                path.display()
            ),
            format!(
                "the nearest is `{}`; `countersign config show-defaults` lists all",
                nearest(key, keys.chain(sections))
            ),
        ))
    }

    fn apply(&mut self, key: &str, source: Source, given: Given) -> Result<(), ConfigError> {
        let mut entries = self.loaded.config.entries("").into_iter();
        if let Some(entry) = entries.find(|entry| entry.key() == key) {
            read(entry.setting, &given)
                .map_err(|must| not_allowed(key, &source, &shown(entry.setting, &given), must))?;
        }
        self.loaded.origins.note(key, source);
        Ok(())
    }

    fn finish(mut self, sources: &Sources) -> Result<Loaded, ConfigError> {
        let Loaded { config, origins } = &mut self.loaded;
        if config.data_dir.as_os_str().is_empty() {
            let source = origins.of("data_dir");
            // In the file it is the default; elsewhere, the value of a variable that is not set.
            if matches!(source, Source::Variable(_) | Source::Flag(_)) {
                let must = "it must name a folder; unset it for the one in your home folder";
                return Err(not_allowed("data_dir", &source, "\"\"", must.to_owned()));
            }
            config.data_dir = default_data_dir(sources)?;
        }
        config.check().map_err(|broken| {
            let Broken { key, must } = broken;
            let entries = Config::entries(config, "");
            let value = entries
                .iter()
                .find(|entry| entry.key() == key)
                .map_or_else(String::new, |entry| entry.setting.show().to_string());
            not_allowed(key, &origins.of(key), &value, must)
        })?;
        Ok(self.loaded)
    }
}

fn read(setting: &mut dyn Setting, given: &Given) -> Result<(), String> {
    match given {
        Given::Text(text) => setting.read_text(text),
        Given::Typed(value) => setting.read_value(value),
    }
}

/// What was given, as an error may repeat it.
fn shown(setting: &dyn Setting, given: &Given) -> String {
    match given {
        _ if setting.is_secret() => "***".to_owned(),
        Given::Text(text) => format!("{text:?}"),
        Given::Typed(value) => value.to_string(),
    }
}

fn not_allowed(key: &str, source: &Source, value: &str, must: String) -> ConfigError {
    let value: String = value
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN_CHARS)
        .collect();
    ConfigError::new(
        format!("the setting `{key}` cannot be {value} ({source})"),
        must,
    )
}

/// The line, but never its text, which may be a secret.
fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    ConfigError::new(
        format!(
            "{} is not TOML: line {line}: {}",
            path.display(),
            error.message()
        ),
        "correct the line; `countersign config show-defaults` prints a file to start from",
    )
}

/// Every value in a table with its dotted key. An empty table is a value when no setting can be in it.
fn leaves(prefix: &str, table: Table) -> Vec<(String, Value)> {
    table
        .into_iter()
        .flat_map(|(name, value)| {
            let key = match prefix {
                "" => name,
                prefix => format!("{prefix}.{name}"),
            };
            match value {
                Value::Table(table) if !table.is_empty() || is_section(&key) => leaves(&key, table),
                value => vec![(key, value)],
            }
        })
        .collect()
}

fn is_section(key: &str) -> bool {
    Config::default()
        .entries("")
        .iter()
        .any(|entry| !key.is_empty() && entry.section == key)
}

/// The place that the XDG base directory specification gives to a program's data.
fn default_data_dir(sources: &Sources) -> Result<PathBuf, ConfigError> {
    let absolute = |name| {
        variables::value(&sources.environment, name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(data) = absolute("XDG_DATA_HOME") {
        Ok(data.join("countersign"))
    } else if let Some(home) = absolute("HOME") {
        Ok(home.join(".local/share/countersign"))
    } else if rustix::process::geteuid().is_root() {
        Ok(PathBuf::from("/var/lib/countersign"))
    } else {
        Err(ConfigError::new(
            "there is no home folder to keep data in",
            "name a folder with --data-dir or COUNTERSIGN_DATA_DIR",
        ))
    }
}
