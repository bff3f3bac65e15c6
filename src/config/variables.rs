//! Settings in environment variables.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
};

use super::{ConfigError, Source, load::Name, nearest::nearest};

const PREFIX: &str = "COUNTERSIGN_";
const CONFIG: &str = "COUNTERSIGN_CONFIG";

type Variables = [(OsString, OsString)];

/// The value of a variable, when it is set.
pub(super) fn value<'a>(variables: &'a Variables, name: &str) -> Option<&'a OsStr> {
    variables
        .iter()
        .find(|(set, _)| set == name)
        .map(|(_, value)| value.as_os_str())
}

/// The configuration file that the environment names.
pub(super) fn named_file(variables: &Variables) -> Option<PathBuf> {
    value(variables, CONFIG)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// The settings in the environment: key, source and text.
pub(super) fn read(
    names: &[Name],
    variables: &Variables,
) -> Result<Vec<(String, Source, String)>, ConfigError> {
    let mut settings: Vec<(String, Source, String)> = Vec::new();
    for (variable, value) in variables {
        let variable = variable.to_string_lossy();
        if !is_ours(&variable, value, variables) {
            continue;
        }
        let (key, source, text) = read_one(names, &variable, value)?;
        if let Some((_, first, _)) = settings.iter().find(|(set, ..)| *set == key) {
            return Err(ConfigError::new(
                format!("the setting `{key}` is given twice ({first} and {variable})"),
                "unset one of the two",
            ));
        }
        settings.push((key, source, text));
    }
    Ok(settings)
}

fn is_ours(variable: &str, value: &OsStr, variables: &Variables) -> bool {
    variable.starts_with(PREFIX)
        && variable != CONFIG
        && !is_service_link(variable, value, variables)
}

/// Kubernetes tells every pod of each service in its namespace, a service `countersign` included, by
/// `COUNTERSIGN_SERVICE_HOST`, `COUNTERSIGN_PORT=tcp://…` and the like.
fn is_service_link(variable: &str, value: &OsStr, variables: &Variables) -> bool {
    let name = variable.trim_start_matches(PREFIX);
    let is_link = name.starts_with("SERVICE_HOST")
        || name.starts_with("SERVICE_PORT")
        || name.starts_with("PORT_")
        || (name == "PORT" && value.to_string_lossy().contains("://"));
    is_link && self::value(variables, "KUBERNETES_SERVICE_HOST").is_some()
}

fn read_one(
    names: &[Name],
    variable: &str,
    value: &OsStr,
) -> Result<(String, Source, String), ConfigError> {
    let name_of = || variable.to_owned();
    if let Some(name) = names.iter().find(|name| name.variable == variable) {
        let text = value.to_str().ok_or_else(|| {
            ConfigError::new(
                format!("the variable {variable} is not UTF-8"),
                "write it in UTF-8",
            )
        })?;
        let source = Source::Variable(name_of());
        return Ok((name.key.clone(), source, text.to_owned()));
    }
    let of_file = |name: &&Name| name.is_secret && file_variable(name) == variable;
    match names.iter().find(of_file) {
        Some(name) => Ok((
            name.key.clone(),
            Source::VariableFile(name_of(), value.into()),
            read_secret(variable, value)?,
        )),
        None => Err(unknown(names, variable)),
    }
}

fn file_variable(name: &Name) -> String {
    format!("{}_FILE", name.variable)
}

/// A secret without the line end that editors leave behind it.
fn read_secret(variable: &str, path: &OsStr) -> Result<String, ConfigError> {
    let mut text = fs::read_to_string(path).map_err(|error| {
        ConfigError::new(
            format!(
                "cannot read the secret in {} (variable {variable}): {error}",
                path.display()
            ),
            "name a readable file that holds the secret alone",
        )
    })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

fn unknown(names: &[Name], variable: &str) -> ConfigError {
    let mut valid = vec![CONFIG.to_owned()];
    for name in names {
        valid.push(name.variable.clone());
        if name.is_secret {
            valid.push(file_variable(name));
        }
    }
    ConfigError::new(
        format!(
            "there is no setting for the variable {}",
            variable.escape_debug()
        ),
        format!(
            "the nearest is {}; `countersign config show-defaults` lists all",
            nearest(variable, valid.iter().map(String::as_str))
        ),
    )
}
