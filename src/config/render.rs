//! Settings as text that can be read back.

use super::{
    Config, Loaded,
    setting::{Entry, Section},
};

/// The column at which the source of a value stands.
const SOURCE_COLUMN: usize = 48;

/// A configuration file that sets every setting to its default, and explains it.
#[must_use]
pub fn show_defaults() -> String {
    let mut text = "# The settings of Countersign and their defaults. A file needs only the lines that differ.\n\
         # The environment variable named below a setting wins over the file. A secret can also be kept in\n\
         # a file of its own, which the variable with `_FILE` at its end names.\n"
        .to_owned();
    render(&mut Config::default(), &mut text, |text, entry| {
        text.push('\n');
        comment(text, entry.doc);
        let file = if entry.setting.is_secret() {
            " or …_FILE"
        } else {
            ""
        };
        text.push_str(&format!("# ({}{file})\n", entry.variable()));
        text.push_str(&format!("{}\n", assignment(entry)));
    });
    text
}

/// The settings that are in force, and where each comes from. Secrets are not shown.
#[must_use]
pub fn show_effective(loaded: &Loaded) -> String {
    let mut config = loaded.config.clone();
    config.issuer = Some(config.issuer_at(config.listen));
    if config.keys.given_master_key().is_none() {
        config.keys.key_file = Some(config.key_file());
    }
    config.metrics.listen = config.metrics.listen.or(config.metrics.listen_at());
    let mut text = String::new();
    render(&mut config, &mut text, |text, entry| {
        let source = loaded.origins.of(&entry.key());
        text.push_str(&format!(
            "{:<SOURCE_COLUMN$} # {source}\n",
            assignment(entry)
        ));
    });
    text
}

/// Writes every setting below the header of its section.
fn render(config: &mut Config, text: &mut String, write: impl Fn(&mut String, &Entry<'_>)) {
    let mut section = "";
    for entry in config.entries("") {
        if entry.section != section {
            section = entry.section;
            text.push('\n');
            comment(text, Config::section_doc(section));
            text.push_str(&format!("[{section}]\n"));
        }
        write(text, &entry);
    }
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(&format!("#{line}\n"));
    }
}

fn assignment(entry: &Entry<'_>) -> String {
    format!("{} = {}", entry.name, entry.setting.show())
}
