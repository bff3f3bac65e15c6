//! Percent-encoding (RFC 3986 section 2.1), read strictly and once.

use std::borrow::Cow;

/// Decodes one value; none when a `%` is not followed by two hex digits or the octets are not UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    decode_but(text, None)
}

/// Decodes everything but an encoded `/`, which stays as it was sent: the value spans several
/// segments, and a decoded one would move their borders (`google.api.http`).
pub(super) fn decode_segments(text: &str) -> Option<Cow<'_, str>> {
    decode_but(text, Some(b'/'))
}

/// Decodes a name or value of a query, in which `+` is a space.
pub(super) fn decode_query(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        decode(&spaced).map(|value| Cow::Owned(value.into_owned()))
    } else {
        decode(text)
    }
}

fn decode_but(text: &str, kept: Option<u8>) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            octets.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        match octet(digits)? {
            octet if Some(octet) == kept => octets.extend_from_slice(&rest[..3]),
            octet => octets.push(octet),
        }
        rest = after;
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

fn octet(digits: &[u8]) -> Option<u8> {
    let mut octet = 0;
    for digit in digits {
        octet = octet << 4 | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
    }
    Some(octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_octet_is_decoded_once() {
        assert_eq!(decode("a%20b%2525").as_deref(), Some("a b%25"));
        assert_eq!(decode("%C3%A9%2f").as_deref(), Some("é/"));
        assert_eq!(decode_segments("a%2Fb%2f%41").as_deref(), Some("a%2Fb%2fA"));
        assert_eq!(decode_query("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
    }

    #[test]
    fn what_is_not_percent_encoding_is_refused() {
        for text in ["%", "%4", "%zz", "%+1", "%ff", "a%é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
