//! Where whoever is asked for a token learns how to get one (RFC 9728 section 5.1).

use http::{
    HeaderMap, HeaderValue,
    header::{Entry, WWW_AUTHENTICATE},
};

use super::{error_headers::BEARER_REALM, forward::AskedAbout};
use crate::model::{
    oauth::resource::{METADATA, metadata_url},
    scope,
};

/// The resources whose metadata challenges name: this server, and those that the operator has registered.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// The issuer, which is the resource that this server is.
    pub issuer: String,
    /// The others.
    pub resources: Vec<String>,
}

impl Challenges {
    /// Names the metadata of the resource that was called, and a scope that opens it, in every challenge for a token. A call
    /// that a proxy asks about was one of another resource: of that which is registered at its address, if any.
    pub fn complete(&self, headers: &mut HeaderMap, asked: Option<&AskedAbout>) {
        let Some(resource) = self.resource(asked) else {
            return;
        };
        if let Entry::Occupied(mut challenges) = headers.entry(WWW_AUTHENTICATE) {
            for challenge in challenges.iter_mut() {
                if let Some(complete) = completed(challenge, resource) {
                    *challenge = complete;
                }
            }
        }
    }

    fn resource(&self, asked: Option<&AskedAbout>) -> Option<&String> {
        let Some(asked) = asked else {
            return Some(&self.issuer);
        };
        let address = format!("{}{}", asked.host.as_deref()?, asked.target);
        std::iter::once(&self.issuer)
            .chain(&self.resources)
            .filter(|resource| covers(resource, &address))
            .max_by_key(|resource| resource.len())
    }
}

/// Whether a URL without its scheme is the resource, or below it.
fn covers(resource: &str, address: &str) -> bool {
    let Some((_, resource)) = resource.split_once("://") else {
        return false;
    };
    let below = address.strip_prefix(resource.trim_end_matches('/'));
    below.is_some_and(|below| below.is_empty() || below.starts_with(['/', '?']))
}

/// The challenge, if it asks for a token. The parameters stand in front: a list of schemes may follow.
fn completed(challenge: &HeaderValue, resource: &str) -> Option<HeaderValue> {
    let rest = challenge.to_str().ok()?.strip_prefix(BEARER_REALM)?;
    let url = metadata_url(resource, METADATA);
    let scope = match rest.contains("scope=") {
        true => String::new(),
        false => format!(", scope=\"{}\"", scope::MCP),
    };
    let complete = format!("{BEARER_REALM}, resource_metadata=\"{url}\"{scope}{rest}");
    HeaderValue::try_from(complete).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenges() -> Challenges {
        Challenges {
            issuer: "https://id.example/t".to_owned(),
            resources: vec![
                "https://api.example/".to_owned(),
                "https://api.example/mcp".to_owned(),
            ],
        }
    }

    fn completed_for(asked: Option<&AskedAbout>, lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(line));
        }
        challenges().complete(&mut headers, asked);
        let lines = headers.get_all(WWW_AUTHENTICATE).iter();
        lines
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn only_what_asks_for_a_token_is_completed() {
        let named = concat!(
            "Bearer realm=\"countersign\", ",
            "resource_metadata=\"https://id.example/.well-known/oauth-protected-resource/t\"",
        );
        for (line, complete) in [
            (
                "Bearer realm=\"countersign\", error=\"invalid_token\", Basic realm=\"x\"",
                format!("{named}, scope=\"mcp\", error=\"invalid_token\", Basic realm=\"x\""),
            ),
            (
                "Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"email\"",
                format!("{named}, error=\"insufficient_scope\", scope=\"email\""),
            ),
        ] {
            let lines = ["Basic realm=\"countersign\"", line];
            assert_eq!(completed_for(None, &lines), [lines[0].to_owned(), complete]);
        }
    }

    #[test]
    fn a_call_that_a_proxy_asks_about_is_one_of_the_resource_at_its_address() {
        let of = |host: Option<&str>, target: &str| {
            let asked = AskedAbout {
                host: host.map(Into::into),
                target: target.into(),
                is_json: false,
            };
            challenges().resource(Some(&asked)).cloned()
        };
        for (host, target, resource) in [
            (Some("api.example"), "/x", Some("https://api.example/")),
            (Some("api.example"), "/mcp", Some("https://api.example/mcp")),
            (
                Some("api.example"),
                "/mcp?a",
                Some("https://api.example/mcp"),
            ),
            (
                Some("api.example"),
                "/mcp/x",
                Some("https://api.example/mcp"),
            ),
            (Some("api.example"), "/mcpx", Some("https://api.example/")),
            (Some("id.example"), "/t/x", Some("https://id.example/t")),
            (Some("id.example"), "/x", None),
            (Some("api.example.evil"), "/mcp", None),
            (Some("other.example"), "/mcp", None),
            (None, "/mcp", None),
        ] {
            assert_eq!(of(host, target).as_deref(), resource, "{host:?} {target}");
        }
    }
}
