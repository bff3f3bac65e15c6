//! OAuth clients, and whom their tokens are for.

use std::time::Duration;

use url::Url;

use super::{
    clients::OAuthClients,
    duration::minutes,
    rule::{Broken, is_endpoint, require, within},
    setting::settings,
};

settings! {
    /// OAuth clients, and whom their tokens are for.
    pub struct OAuth {
        /// Whether clients may register themselves (RFC 7591), as those of MCP do.
        registration: bool = true,
        /// Whether a client may be the URL of a document that says who it is (client ID metadata documents), which is fetched then
        /// as `[outbound]` says.
        client_documents: bool = true,
        /// The services beside this one that clients can ask tokens for (RFC 8707), such as `https://mcp.example.com/mcp`:
        /// the `aud` of such a token is the text that stands here.
        resources: Vec<String> = Vec::new(),
        /// Clients that you set up yourself, beside those that register themselves: with a secret or keys they may get tokens of
        /// their own (`client_credentials`), and introspect the tokens of your services. docs/OAUTH.md lists what each has.
        clients: OAuthClients = OAuthClients::default(),
        /// Whether tokens can also be asked for whatever runs on this machine. They can anyway where the issuer is one of
        /// this machine's own names.
        loopback_resources: bool = false,
        /// Where clients send browsers, when it is a log-in page of yours instead of the hosted one; clients find it in the
        /// metadata. Empty: the hosted page.
        authorization_endpoint: String = String::new(),
        /// How long people have to log in and to decide, 1m to 1h.
        authorization_lifetime: Duration = minutes(10),
        /// How long the code of an approval can be redeemed, 1s to 10m.
        code_lifetime: Duration = minutes(1),
    }
}

impl OAuth {
    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.resources.iter().all(|resource| is_resource(resource)),
            "oauth.resources",
            "it must be absolute URLs in visible ASCII without fragment, such as https://mcp.example.com/mcp",
        )?;
        require(
            self.authorization_endpoint.is_empty() || is_endpoint(&self.authorization_endpoint),
            "oauth.authorization_endpoint",
            "it must be an https URL without fragment, such as https://login.example.com/authorize",
        )?;
        within(
            "oauth.authorization_lifetime",
            &self.authorization_lifetime,
            minutes(1)..=minutes(60),
        )?;
        within(
            "oauth.code_lifetime",
            &self.code_lifetime,
            Duration::from_secs(1)..=minutes(10),
        )
    }
}

/// RFC 8707 section 2.
fn is_resource(text: &str) -> bool {
    // Neither is allowed in a URL (RFC 3986 section 2), and a challenge names it in quotes.
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
    is_plain && Url::parse(text).is_ok_and(|url| url.has_host() && url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ones_own_is_reached_by_https() {
        let with = |text: &str| OAuth {
            authorization_endpoint: text.to_owned(),
            ..OAuth::default()
        };
        for good in [
            "",
            "https://login.example.com/authorize",
            "http://127.0.0.1:3918/authorize",
        ] {
            assert!(with(good).check().is_ok(), "{good}");
        }
        for bad in [
            "/authorize",
            "http://login.example.com/",
            "https://a.example/#x",
        ] {
            assert!(with(bad).check().is_err(), "{bad}");
        }
    }

    #[test]
    fn resources_are_absolute_urls() {
        let with = |text: &str| OAuth {
            resources: vec![text.to_owned()],
            ..OAuth::default()
        };
        for good in [
            "https://mcp.example.com/mcp",
            "https://a.example",
            "http://10.0.0.1:80/",
        ] {
            assert!(with(good).check().is_ok(), "{good}");
        }
        for bad in [
            "",
            "mcp",
            "/mcp",
            "https://a.example/#x",
            "https://a.example/ x",
            "urn:x",
            "https://a.example/\"x",
        ] {
            assert!(with(bad).check().is_err(), "{bad}");
        }
    }
}
