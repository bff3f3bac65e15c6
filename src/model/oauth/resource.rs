//! Resource indicators (RFC 8707): whom tokens can be asked for.

use std::fmt;

use url::Url;

use super::redirect::is_this_machine;

/// The suffix of the metadata of a protected resource (RFC 9728 section 3).
pub const METADATA: &str = "oauth-protected-resource";

/// The longest resource that is named in an error, in bytes.
const LONGEST_SHOWN: usize = 200;

/// Where the metadata of a resource, or of an issuer, stands (RFC 9728 section 3.1, RFC 8414 section 3.1): between the host
/// and what follows it. A slash alone is left out.
#[must_use]
pub fn metadata_url(identifier: &str, suffix: &str) -> String {
    let (scheme, rest) = identifier
        .split_once("://")
        .unwrap_or(("https", identifier));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let behind = match behind.strip_prefix('/') {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => rest,
        _ => behind,
    };
    format!("{scheme}://{authority}/.well-known/{suffix}{behind}")
}

/// The resources that this server issues tokens for.
#[derive(Clone, Debug)]
pub struct Resources {
    /// This server itself.
    pub issuer: String,
    /// Those that the operator has registered.
    pub registered: Vec<String>,
    /// Whether whatever runs on this machine is one, too: for trying things out.
    pub loopback: bool,
}

impl Resources {
    /// The audience of tokens for the resource, as it was registered; none for one that this server does not know. An empty
    /// path is `/` (RFC 3986 section 6.2.3), and nothing else is read into it.
    #[must_use]
    pub fn audience(&self, requested: &str) -> Option<String> {
        let is_same = |known: &&String| {
            known.as_str() == requested
                || is_root_of(known, requested)
                || is_root_of(requested, known)
        };
        let known = std::iter::once(&self.issuer)
            .chain(&self.registered)
            .find(is_same);
        known
            .cloned()
            .or_else(|| (self.loopback && is_loopback(requested)).then(|| requested.to_owned()))
    }

    /// The audience of tokens for all of these resources, each once. Empty ones are absent.
    ///
    /// # Errors
    /// One of them is not known.
    pub fn audiences(&self, requested: &[String]) -> Result<Vec<String>, UnknownResource> {
        let mut audiences = Vec::new();
        for resource in requested.iter().filter(|resource| !resource.is_empty()) {
            let known = self.audience(resource);
            let known = known.ok_or_else(|| self.unknown(resource))?;
            if !audiences.contains(&known) {
                audiences.push(known);
            }
        }
        Ok(audiences)
    }

    fn unknown(&self, requested: &str) -> UnknownResource {
        let likeness = |known: &&String| strsim::jaro(known, requested);
        let nearest = std::iter::once(&self.issuer)
            .chain(&self.registered)
            .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        UnknownResource {
            requested: requested.to_owned(),
            nearest: nearest.cloned().unwrap_or_default(),
        }
    }
}

/// A resource that this server issues no tokens for. The resources that it knows are public: their metadata is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownResource {
    requested: String,
    nearest: String,
}

impl fmt::Display for UnknownResource {
    /// For developers, in the characters of RFC 6749 section 5.2.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
        let requested = self.requested.as_str();
        let shown = match requested.len() <= LONGEST_SHOWN && requested.bytes().all(is_plain) {
            true => requested,
            false => "it",
        };
        let nearest = &self.nearest;
        write!(
            f,
            "the resource is not registered here: {shown}; the nearest one that is: {nearest}"
        )
    }
}

/// Whether `with_slash` is `bare` with the path `/`.
fn is_root_of(bare: &str, with_slash: &str) -> bool {
    let authority = bare.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| !authority.contains(['/', '?']))
        && with_slash.strip_suffix('/') == Some(bare)
}

fn is_loopback(requested: &str) -> bool {
    let is_plain = requested.bytes().all(|byte| byte.is_ascii_graphic());
    let Ok(url) = Url::parse(requested) else {
        return false;
    };
    is_plain
        && is_this_machine(&url)
        && ["http", "https"].contains(&url.scheme())
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(loopback: bool) -> Resources {
        Resources {
            issuer: "https://id.example.com".to_owned(),
            registered: vec![
                "https://mcp.example.com/mcp".to_owned(),
                "https://api.example.com/".to_owned(),
            ],
            loopback,
        }
    }

    #[test]
    fn the_audience_is_the_registered_text() {
        for (requested, audience) in [
            ("https://id.example.com", "https://id.example.com"),
            ("https://id.example.com/", "https://id.example.com"),
            ("https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
            ("https://api.example.com", "https://api.example.com/"),
        ] {
            assert_eq!(
                resources(false).audience(requested).as_deref(),
                Some(audience),
                "{requested}"
            );
        }
    }

    #[test]
    fn the_metadata_stands_between_the_host_and_the_path() {
        for (identifier, url) in [
            ("https://a.example", "https://a.example/.well-known/x"),
            ("https://a.example/", "https://a.example/.well-known/x"),
            ("https://a.example/t", "https://a.example/.well-known/x/t"),
            (
                "https://a.example:8443/t/u/?v=/w",
                "https://a.example:8443/.well-known/x/t/u/?v=/w",
            ),
            ("https://a.example?v", "https://a.example/.well-known/x?v"),
            ("https://a.example/?v", "https://a.example/.well-known/x?v"),
            ("http://[::1]:80/t", "http://[::1]:80/.well-known/x/t"),
        ] {
            assert_eq!(metadata_url(identifier, "x"), url, "{identifier}");
        }
    }

    #[test]
    fn nothing_else_is_known() {
        for requested in [
            "",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com",
            "https://MCP.example.com/mcp",
            "https://mcp.example.com/mcp#x",
            "https://mcp.example.com/mcp?x",
            "http://localhost:3000/mcp",
            "https://id.example.com//",
            "https://api.example.com/x",
        ] {
            assert_eq!(resources(false).audience(requested), None, "{requested}");
        }
    }

    #[test]
    fn this_machine_is_one_where_that_is_wished() {
        for requested in [
            "http://localhost:3000/mcp",
            "http://127.0.0.1:8000/",
            "https://[::1]/mcp",
        ] {
            assert_eq!(
                resources(true).audience(requested).as_deref(),
                Some(requested),
                "{requested}"
            );
        }
        for requested in [
            "http://localhost.evil.example/",
            "http://evil.example/",
            "ws://localhost/",
            "http://localhost/#x",
            "http://u@localhost/",
            "http://local host/",
        ] {
            assert_eq!(resources(true).audience(requested), None, "{requested}");
        }
    }
}
