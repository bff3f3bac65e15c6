//! The path of a request to another service, read so that no two programs can understand it differently.
//!
//! The rules are asked about what is read here, and the service answers for what it reads itself. Wherever the two
//! could differ, somebody could ask for one path and get another, so every spelling that any program is known to read
//! in its own way is refused.

/// The longest path that is read, in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A path that two programs could read differently, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the path of the request {0}")]
pub struct AmbiguousPath(&'static str);

/// The decoded segments of a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestPath(Vec<String>);

impl RequestPath {
    /// Reads the path of a request target in origin form (RFC 9112 section 3.2.1): what stands before the query,
    /// percent-decoded once. One slash at the end makes no difference.
    ///
    /// # Errors
    /// It could be read in more than one way, or is longer than 8 KiB.
    pub fn parse(target: &str) -> Result<Self, AmbiguousPath> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        if path.len() > MAX_BYTES {
            return Err(AmbiguousPath("is too long"));
        }
        let path = path
            .strip_prefix('/')
            .ok_or(AmbiguousPath("does not start with a slash"))?;
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/')
            .map(segment)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The segments, decoded.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

fn segment(encoded: &str) -> Result<String, AmbiguousPath> {
    if !encoded.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AmbiguousPath("has characters that must be percent-encoded"));
    }
    let text = decode(encoded).ok_or(AmbiguousPath("is not percent-encoded UTF-8"))?;
    // Some merge the slashes around nothing, all resolve one or two dots, and Windows drops dots and space from an end.
    if text
        .trim_matches(|c: char| c == '.' || c.is_whitespace())
        .is_empty()
    {
        return Err(AmbiguousPath("has a segment of nothing, dots or space"));
    }
    // An encoded slash may move the border of a segment, an encoded `?` or `#` its end; Windows takes a backslash for
    // a slash; Java servers cut `;parameters` off before they look for `..`.
    if text.contains(['/', '\\', ';', '?', '#']) {
        return Err(AmbiguousPath("has a character that separates"));
    }
    if text.contains(char::is_control) {
        return Err(AmbiguousPath("has a control character"));
    }
    if is_encoded(&text) {
        return Err(AmbiguousPath("is percent-encoded twice"));
    }
    Ok(text)
}

/// RFC 3986 section 2.1, strictly and once; none when a `%` is not followed by two hex digits or the octets are not
/// UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            octets.push(octet(after)?);
            rest = after.get(2..)?;
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    String::from_utf8(octets).ok()
}

/// Whether decoding once more would change the text.
fn is_encoded(text: &str) -> bool {
    text.match_indices('%')
        .any(|(place, _)| octet(&text.as_bytes()[place + 1..]).is_some())
}

/// The octet that the two hex digits at the start of a text stand for.
fn octet(text: &[u8]) -> Option<u8> {
    let digit = |place: usize| char::from(*text.get(place)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(target: &str) -> Option<Vec<String>> {
        RequestPath::parse(target).ok().map(|path| path.0)
    }

    #[test]
    fn each_segment_is_decoded_once() {
        for (target, expected) in [
            ("/", &[][..]),
            ("/?a=/../b", &[]),
            ("/a", &["a"]),
            ("/a/", &["a"]),
            ("/a/b?c=%zz//..;", &["a", "b"]),
            ("/%61dmin", &["admin"]),
            ("/a%20b/%C3%A9", &["a b", "é"]),
            ("/.well-known/x.y", &[".well-known", "x.y"]),
            ("/100%25", &["100%"]),
            ("/a:b@c!$&'()*+,=~", &["a:b@c!$&'()*+,=~"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(segments(target), Some(expected), "{target}");
        }
    }

    /// Each of these is read in another way by some server, proxy or framework, or is no path.
    const AMBIGUOUS: &[&str] = &[
        // No path at all.
        "",
        "?",
        "*",
        "a",
        "a/b",
        "http://h/a",
        "//h/a",
        "\\a",
        " /a",
        "%2fa",
        // Empty segments.
        "//",
        "///",
        "//a",
        "/a//b",
        "/a//",
        "/a///",
        // Dots, plain and encoded.
        "/.",
        "/..",
        "/./a",
        "/../a",
        "/a/..",
        "/a/../",
        "/a/../b",
        "/a/.",
        "/%2e",
        "/%2E%2e",
        "/.%2e/a",
        "/a/%2e./b",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/public/%2e%2e/admin",
        "/a/..?b",
        "/..%00",
        "/..%20",
        "/...",
        "/%20",
        "/a/%20/b",
        // Separators, plain and encoded.
        "/a%2fb",
        "/a%2Fb",
        "/public%2f..%2fadmin",
        "/a\\b",
        "/a%5cb",
        "/a%5C..%5Cb",
        "/..\\a",
        "/%5c",
        "/%2f",
        "/a;b",
        "/a;/b",
        "/..;/a",
        "/a/..;x=1/b",
        "/a;jsessionid=1",
        "/a%3bb",
        "/%3B",
        "/a%3fb",
        "/a%3F/../b",
        "/a#b",
        "/a%23b",
        "/#",
        // Control characters, plain and encoded.
        "/a%00",
        "/%00",
        "/a%0ab",
        "/a%0d%0aX:%20y",
        "/a%09",
        "/a%1f",
        "/a%7f",
        "/a%C2%85b",
        "/a\u{0}",
        "/a\tb",
        "/a\nb",
        "/a\u{7f}",
        // What is not a path in ASCII.
        "/a b",
        "/é",
        "/\u{ff0e}\u{ff0e}/a",
        "/a\u{2215}b",
        "/a\u{202e}b",
        // Broken encodings, and octets that are not UTF-8.
        "/%",
        "/a%",
        "/%4",
        "/%zz",
        "/%+1",
        "/%-1",
        "/% 1",
        "/%u002e",
        "/%c0%af",
        "/%c0%ae%c0%ae/a",
        "/%e0%80%af",
        "/%ff",
        "/%c3",
        "/%ed%a0%80",
        "/%f4%90%80%80",
        // Encoded twice.
        "/%2561dmin",
        "/%252e%252e/a",
        "/a%252fb",
        "/a%255cb",
        "/%25252e",
        "/%2500",
        "/a%253b",
        "/%25%36%31",
    ];

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for target in AMBIGUOUS {
            assert_eq!(segments(target), None, "{target:?}");
        }
        assert!(segments(&format!("/{}", "a".repeat(MAX_BYTES - 1))).is_some());
        assert!(segments(&format!("/{}", "a".repeat(MAX_BYTES))).is_none());
        assert!(segments(&format!("/a?{}", "b".repeat(MAX_BYTES))).is_some());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(target in ".*") {
            let _ = segments(&target);
        }

        #[test]
        fn what_is_read_is_safe_however_it_was_spelt(target in "/([a-b./;?#%\\\\]|%2[0-9a-f]|%5c|%25){0,12}") {
            for text in segments(&target).unwrap_or_default() {
                prop_assert!(!["", ".", ".."].contains(&text.as_str()));
                prop_assert!(!text.contains(['/', '\\', ';', '?', '#']));
                // Whoever decodes once more reads the same.
                prop_assert!(decode(&text).is_none_or(|again| again == text));
            }
        }
    }
}
