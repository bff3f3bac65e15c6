//! Which request a proxy asks about.

use std::fmt;

use http::{HeaderMap, HeaderName};

/// What the operator of nginx sets, as its documentation of `auth_request` has it.
const NGINX: [HeaderName; 2] = [
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];
/// What Caddy and Traefik set themselves.
const OTHERS: [HeaderName; 2] = [
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-uri"),
];

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The method and target of the request that the proxy asks about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Original<'h> {
    pub(super) method: &'h str,
    pub(super) uri: &'h str,
}

/// Why it is not known which request the proxy asks about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Problem {
    /// Neither pair of headers is there.
    Unnamed,
    /// A header is there without its other half, more than once, or not in ASCII.
    Unreadable,
    /// Both pairs are there and differ: one of them was written by the client.
    Contradictory,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unnamed => "without X-Original-Method and X-Original-URI, or X-Forwarded-Method and X-Forwarded-Uri",
            Self::Unreadable => "whose method or URI comes alone, twice or not in ASCII",
            Self::Contradictory => "whose X-Original-* and X-Forwarded-* contradict each other",
        })
    }
}

impl<'h> Original<'h> {
    /// The request that these headers name.
    ///
    /// A proxy writes one of the pairs, and the client may have written the other. Whichever it was, they have to agree,
    /// so that a client which names a request in the other pair can only be refused.
    pub(super) fn of(headers: &'h HeaderMap) -> Result<Self, Problem> {
        match (pair(headers, &NGINX)?, pair(headers, &OTHERS)?) {
            (Some(one), Some(other)) if one != other => Err(Problem::Contradictory),
            (Some(original), _) | (None, Some(original)) => Ok(original),
            (None, None) => Err(Problem::Unnamed),
        }
    }
}

fn pair<'h>(
    headers: &'h HeaderMap,
    [method, uri]: &[HeaderName; 2],
) -> Result<Option<Original<'h>>, Problem> {
    match (only(headers, method)?, only(headers, uri)?) {
        (Some(method), Some(uri)) => Ok(Some(Original { method, uri })),
        (None, None) => Ok(None),
        _ => Err(Problem::Unreadable),
    }
}

/// The host that the client called, for what it is told alone: a client may have written it itself.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    only(headers, &X_FORWARDED_HOST).ok().flatten()
}

/// The one value of a header.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Problem::Unreadable),
        (Some(_), Some(_)) => Err(Problem::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&'static str, &[u8])]) -> Result<(String, String), Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.to_vec().try_into().unwrap());
        }
        Original::of(&headers).map(|found| (found.method.to_owned(), found.uri.to_owned()))
    }

    #[test]
    fn either_pair_names_the_request_and_both_must_agree() {
        let get = Ok(("GET".to_owned(), "/a?b".to_owned()));
        let nginx: [(_, &[u8]); 2] = [("x-original-method", b"GET"), ("x-original-uri", b"/a?b")];
        let others: [(_, &[u8]); 2] =
            [("x-forwarded-method", b"GET"), ("x-forwarded-uri", b"/a?b")];
        assert_eq!(of(&nginx), get);
        assert_eq!(of(&others), get);
        assert_eq!(of(&[nginx, others].concat()), get);
    }

    #[test]
    fn a_request_that_is_not_named_once_is_not_known() {
        let nginx: [(_, &[u8]); 2] = [("x-original-method", b"GET"), ("x-original-uri", b"/a")];
        assert_eq!(of(&[]), Err(Problem::Unnamed));
        for (more, problem) in [
            (&[("x-original-uri", &b"/a"[..])][..], Problem::Unreadable),
            (&[("x-original-method", b"GET")], Problem::Unreadable),
            (&[("x-forwarded-uri", b"/a")], Problem::Unreadable),
            (&[("x-forwarded-method", b"GET")], Problem::Unreadable),
            (
                &[("x-forwarded-method", b"GET"), ("x-forwarded-uri", b"/b")],
                Problem::Contradictory,
            ),
            (
                &[("x-forwarded-method", b"PUT"), ("x-forwarded-uri", b"/a")],
                Problem::Contradictory,
            ),
        ] {
            assert_eq!(of(&[&nginx[..], more].concat()), Err(problem), "{more:?}");
        }
        assert_eq!(of(&nginx[..1]), Err(Problem::Unreadable));
        assert_eq!(of(&nginx[1..]), Err(Problem::Unreadable));
        let not_ascii: [(_, &[u8]); 2] = [nginx[0], ("x-original-uri", b"/\xc3\xa9")];
        assert_eq!(of(&not_ascii), Err(Problem::Unreadable));
    }
}
