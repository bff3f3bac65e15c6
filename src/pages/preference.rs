//! What a request prefers: which language, and whether a page or data.

use std::{borrow::Cow, iter};

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_LANGUAGE},
};

use super::{
    browser,
    messages::{self, Messages},
};

/// The parameter by which a client says which languages its user reads, the preferred first (OpenID Connect Core
/// section 3.1.2.1).
pub(super) const UI_LOCALES: &str = "ui_locales";

/// The messages in the language that a request asks for: by its query, else as somebody chose in this browser before, else
/// as the client asks, else by its headers, else in English.
pub(super) fn language(
    query: Option<&str>,
    headers: &HeaderMap,
    of_client: &[String],
) -> &'static Messages {
    let asked = named(UI_LOCALES, query);
    let asked = asked.iter().flat_map(|tags| tags.split_whitespace());
    let accepted = weighted(headers, &ACCEPT_LANGUAGE);
    let mut accepted: Vec<_> = accepted.filter(|(_, weight)| *weight > 0.0).collect();
    accepted.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    asked
        .chain(browser::language(headers))
        .chain(of_client.iter().map(String::as_str))
        .chain(accepted.into_iter().map(|(tag, _)| tag))
        .find_map(look_up)
        .unwrap_or(&messages::all()[0])
}

/// The values of this parameter in a query.
pub(super) fn named<'q>(parameter: &str, query: Option<&'q str>) -> Vec<Cow<'q, str>> {
    let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let named = parameters.filter(|(name, _)| name == parameter);
    named.map(|(_, value)| value).collect()
}

/// The query without this parameter, ready for more.
pub(super) fn without(parameter: &str, query: Option<&str>) -> String {
    let parameters = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut kept = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters.filter(|(name, _)| name != parameter))
        .finish();
    if !kept.is_empty() {
        kept.push('&');
    }
    kept
}

/// RFC 4647 section 3.4: the language of the tag, or of what is left when its end is cut off, part by part.
fn look_up(tag: &str) -> Option<&'static Messages> {
    let all = messages::all();
    if tag == "*" {
        return all.first();
    }
    iter::successors(Some(tag), |tag| Some(tag.rsplit_once('-')?.0))
        .find_map(|tag| all.iter().find(|one| one.tag().eq_ignore_ascii_case(tag)))
}

/// Whether a request would rather have HTML than JSON. Browsers name it; who accepts anything reads data.
pub(super) fn is_html(headers: &HeaderMap) -> bool {
    let weight_of = |wanted| {
        weighted(headers, &ACCEPT)
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map_or(0.0, |(_, weight)| weight)
    };
    weight_of("text/html") > weight_of("application/json")
}

/// What the lines of a header list, each with its weight (RFC 9110 section 12.4.2).
fn weighted<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a str, f32)> + use<'a> {
    let lines = headers.get_all(name).iter();
    let members = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let read = |member: &'a str| {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut weights = parts.filter_map(|part| {
            let (name, weight) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| weight.trim().parse())
        });
        match weights.next() {
            None => Some((name, 1.0)),
            // One that cannot be read asks for nothing.
            Some(weight) => Some((name, weight.ok()?)),
        }
    };
    members.filter_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (name.clone(), line.parse().unwrap()));
        lines.collect()
    }

    #[test]
    fn the_language_is_the_one_that_is_asked_for() {
        for (query, accepted, tag) in [
            (None, &[][..], "en"),
            (None, &["de"], "de"),
            (None, &["de-AT"], "de"),
            (None, &["DE-at"], "de"),
            (None, &["zh-Hant-TW, ar-EG-x-mine;q=0.5"], "ar"),
            (None, &["fr, es;q=0.8, de;q=0.9"], "de"),
            (None, &["es;q=0.8", "de; q=0.9"], "de"),
            (None, &["es;q=0, de;q=0.1"], "de"),
            (None, &["fr, *;q=0.5, de;q=0.1"], "en"),
            (None, &["fr"], "en"),
            (None, &["de;q=high", "es;q=0.1"], "es"),
            (None, &["de;q=NaN", "es;q=0.1"], "es"),
            (None, &[", ;q=1,"], "en"),
            (Some("ui_locales=ar"), &["de"], "ar"),
            (Some("state=x&ui_locales=fr-CA+es-MX%20de"), &["ar"], "es"),
            (Some("ui_locales=fr"), &["de"], "de"),
            (Some("ui_locales="), &["de"], "de"),
            (Some("ui_locales=-"), &["de"], "de"),
        ] {
            let language = language(query, &headers(ACCEPT_LANGUAGE, accepted), &[]);
            assert_eq!(language.tag(), tag, "{query:?} {accepted:?}");
        }
    }

    #[test]
    fn browsers_get_pages_and_programs_data() {
        for (accepted, expected) in [
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("text/html", true),
            ("Text/HTML;charset=utf-8, application/json;q=0.9", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.9", false),
            ("application/json, text/html, */*", false),
            ("text/html;q=0", false),
            ("text/html;q=x", false),
            ("text/*", false),
            ("", false),
        ] {
            assert_eq!(
                is_html(&headers(ACCEPT, &[accepted])),
                expected,
                "{accepted}"
            );
        }
        assert!(!is_html(&HeaderMap::new()));
    }
}
