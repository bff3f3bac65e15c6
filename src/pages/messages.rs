//! What the hosted pages say, in every language of `locales/`. `build.rs` makes one method of each message.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::{CharacterDirection, LanguageIdentifier};

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// The messages of one language.
pub(super) struct Messages {
    tag: &'static str,
    language: LanguageIdentifier,
    bundle: FluentBundle<FluentResource>,
}

/// The messages of every language, the first of them English.
pub(super) fn all() -> &'static [Messages; LANGUAGES.len()] {
    static ALL: LazyLock<[Messages; LANGUAGES.len()]> =
        LazyLock::new(|| LANGUAGES.map(|(tag, text)| Messages::new(tag, text)));
    &ALL
}

impl Messages {
    fn new(tag: &'static str, text: &str) -> Self {
        let language: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language.clone()]);
        // The build has read every file, and refuses what could not be used here.
        let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(text.to_owned());
        bundle.add_resource_overriding(resource);
        Self {
            tag,
            language,
            bundle,
        }
    }

    /// The tag of the language (BCP 47).
    pub(super) fn tag(&self) -> &'static str {
        self.tag
    }

    /// The direction that its text runs in, as HTML names it.
    pub(super) fn direction(&self) -> &'static str {
        match self.language.character_direction() {
            CharacterDirection::RTL => "rtl",
            _ => "ltr",
        }
    }

    /// A variable keeps its own direction: it stands between U+2068 and U+2069.
    fn text<const N: usize>(&self, id: &str, variables: [(&str, FluentValue<'_>); N]) -> String {
        let message = self.bundle.get_message(id);
        let Some(pattern) = message.and_then(|message| message.value()) else {
            return id.to_owned();
        };
        let variables = FluentArgs::from_iter(variables);
        self.bundle
            .format_pattern(pattern, Some(&variables), &mut Vec::new())
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_everything() {
        for messages in all() {
            let tag = messages.tag();
            let intro = messages.home_intro("https://id.example.com");
            assert!(
                intro.contains("\u{2068}https://id.example.com\u{2069}"),
                "{tag}"
            );
            assert_ne!(messages.home_title(), "home-title", "{tag}");
            assert_eq!(messages.language.to_string(), tag);
        }
    }

    #[test]
    fn a_language_runs_in_its_own_direction() {
        let of = |tag| Messages::new(tag, "").direction();
        assert_eq!(["ar", "he", "fa"].map(of), ["rtl"; 3]);
        assert_eq!(["en", "de", "es", "pt-BR"].map(of), ["ltr"; 4]);
    }
}
