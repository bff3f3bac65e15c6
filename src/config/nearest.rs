//! "Did you mean": the valid name that a wrong one most likely stands for.

/// The most similar of these names.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> &'a str {
    let wrong = words(wrong);
    names
        .map(|name| (similarity(&wrong, &words(name)), name))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
        .unwrap_or_default()
}

/// The words of a key or a variable. All variables begin with the same one, which says nothing.
fn words(name: &str) -> Vec<String> {
    name.to_lowercase()
        .split(['.', '_'])
        .filter(|word| !word.is_empty() && *word != "countersign")
        .map(ToOwned::to_owned)
        .collect()
}

/// How well the words of each name are found in the other, from 0 to 1: a right word in a wrong section
/// and a short form of a word are then near, which an edit distance of the whole names misses.
fn similarity(one: &[String], other: &[String]) -> f64 {
    f64::midpoint(found(one, other), found(other, one))
}

fn found(words: &[String], among: &[String]) -> f64 {
    let best = |word: &String| {
        among
            .iter()
            .map(|other| strsim::jaro_winkler(word, other))
            .fold(0.0, f64::max)
    };
    words.iter().map(best).sum::<f64>() / words.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, setting::Section};

    #[test]
    fn a_wrong_key_is_near_to_the_one_meant() {
        let mut config = Config::default();
        let keys: Vec<_> = config.entries("").iter().map(|entry| entry.key()).collect();
        for (wrong, meant) in [
            ("isuer", "issuer"),
            ("listne", "listen"),
            ("tokens.acces_lifetime", "tokens.access_lifetime"),
            ("databse.url", "database.url"),
            ("db_url", "database.url"),
            ("server.key_file", "keys.key_file"),
            ("tls.certificate", "tls.cert"),
            ("proxies", "trusted_proxies"),
            ("smtp_url", "mail.smtp_url"),
            ("limits.enable", "limits.enabled"),
        ] {
            assert_eq!(nearest(wrong, keys.iter().map(String::as_str)), meant);
        }
    }
}
