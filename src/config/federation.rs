//! The other providers that people may sign in with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{
    rule::{Broken, is_endpoint, require},
    setting::{Setting, settings},
};
use crate::model::identity::GOOGLE;

const FORM: &str = "it must be tables of providers, `[[federation.providers]]` with `kind = \"google\"`, `\"github\"` or `\"oidc\"` and what docs/FEDERATION.md lists, or in the environment `[{kind = \"…\"}]`";

settings! {
    /// The other providers that people may sign in with.
    pub struct Federation {
        /// Google, GitHub, or whoever speaks OpenID Connect, in the order in which the sign-in page shows them.
        /// docs/FEDERATION.md lists what each has.
        providers: IdentityProviders = IdentityProviders::default(),
    }
}

impl Federation {
    pub(super) fn check(&self) -> Result<(), Broken> {
        let checked = self.providers.check();
        checked.or_else(|must| require(false, "federation.providers", must))
    }
}

/// What a provider is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, or a GitHub Enterprise Server.
    GitHub,
    /// Whoever speaks OpenID Connect.
    Oidc,
}

/// A provider. What is empty was not said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// What it is.
    pub kind: ProviderKind,
    /// What it is called in paths; without one, its kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What people know it by; Google and GitHub have one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it knows this server by.
    pub client_id: String,
    /// The file of the secret that it has given this server.
    pub client_secret_file: PathBuf,
    /// The domains whose addresses it is believed about; `*` for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_domains: Vec<String>,
    /// What it is asked for, separated by spaces.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The `iss` of its tokens, under which its metadata stands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Where browsers go, if its metadata does not say so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authorization_endpoint: String,
    /// Where codes are exchanged, if its metadata does not say so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token_endpoint: String,
    /// Where its keys are, if its metadata does not say so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    /// Where it tells the address of whoever has signed in, if its metadata does not say so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub userinfo_endpoint: String,
    /// Where GitHub's API tells the account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_endpoint: String,
    /// Where GitHub's API lists the addresses of the account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub emails_endpoint: String,
}

/// The providers that people may sign in with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentityProviders(pub Vec<IdentityProvider>);

impl IdentityProvider {
    /// With what goes without saying for its kind.
    #[must_use]
    pub fn completed(mut self) -> Self {
        let (id, name, scope) = match self.kind {
            ProviderKind::Google => ("google", "Google", "openid email profile"),
            ProviderKind::GitHub => ("github", "GitHub", "read:user user:email"),
            ProviderKind::Oidc => ("oidc", "", "openid email profile"),
        };
        fill(&mut self.id, id);
        fill(&mut self.display_name, name);
        fill(&mut self.scope, scope);
        self.email_domains
            .iter_mut()
            .for_each(|name| name.make_ascii_lowercase());
        match self.kind {
            ProviderKind::Google => fill(&mut self.issuer, GOOGLE),
            ProviderKind::GitHub => {
                let (page, api) = ("https://github.com/login/oauth", "https://api.github.com");
                fill(
                    &mut self.authorization_endpoint,
                    &format!("{page}/authorize"),
                );
                fill(&mut self.token_endpoint, &format!("{page}/access_token"));
                fill(&mut self.user_endpoint, &format!("{api}/user"));
                fill(&mut self.emails_endpoint, &format!("{api}/user/emails"));
            }
            ProviderKind::Oidc => {}
        }
        self
    }

    /// The provider must be completed.
    fn check(&self) -> Result<(), String> {
        let id = self.id.as_str();
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 32 || !id.bytes().all(is_plain) {
            return Err("it must have ids of 1 to 32 small letters, digits and `-`".to_owned());
        }
        self.check_members()
            .map_err(|must| format!("it must be right for the provider `{id}`: {must}"))
    }

    fn check_members(&self) -> Result<(), String> {
        for (name, value) in [
            ("client_id", &self.client_id),
            ("display_name", &self.display_name),
        ] {
            if value.trim().is_empty() || value.len() > 256 || value.contains(char::is_control) {
                return Err(format!("{name} has 1 to 256 characters"));
            }
        }
        let is_domain =
            |name: &String| name == "*" || !name.is_empty() && !name.contains(['@', '*', ' ']);
        if !self.email_domains.iter().all(is_domain) {
            return Err("email_domains are domains such as example.com, or `*` for all".to_owned());
        }
        let is_github = self.kind == ProviderKind::GitHub;
        let foreign: &[(&str, &String)] = if is_github {
            &[
                ("issuer", &self.issuer),
                ("jwks_uri", &self.jwks_uri),
                ("userinfo_endpoint", &self.userinfo_endpoint),
            ]
        } else {
            &[
                ("user_endpoint", &self.user_endpoint),
                ("emails_endpoint", &self.emails_endpoint),
            ]
        };
        if let Some((name, _)) = foreign.iter().find(|(_, value)| !value.is_empty()) {
            return Err(format!("{name} is nothing that this kind has"));
        }
        if !is_github && self.issuer.is_empty() {
            return Err("issuer is the https URL that its tokens name".to_owned());
        }
        for (name, value) in self.urls() {
            if !value.is_empty() && !is_endpoint(value) {
                return Err(format!("{name} is an https URL without fragment"));
            }
        }
        Ok(())
    }

    fn urls(&self) -> [(&'static str, &str); 7] {
        [
            ("issuer", &self.issuer),
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("jwks_uri", &self.jwks_uri),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("user_endpoint", &self.user_endpoint),
            ("emails_endpoint", &self.emails_endpoint),
        ]
    }
}

fn fill(setting: &mut String, default: &str) {
    if setting.is_empty() {
        default.clone_into(setting);
    }
}

impl IdentityProviders {
    fn check(&self) -> Result<(), String> {
        for (place, provider) in self.0.iter().enumerate() {
            provider.check()?;
            let before = self.0.iter().take(place);
            if before.into_iter().any(|other| other.id == provider.id) {
                return Err(format!("it must have the id `{}` once", provider.id));
            }
        }
        Ok(())
    }
}

impl Setting for IdentityProviders {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            self.0.clear();
            return Ok(());
        }
        let table: Table = format!("providers = {text}")
            .parse()
            .map_err(|_| FORM.to_owned())?;
        self.read_value(table.get("providers").ok_or(FORM)?)
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        let read: Vec<IdentityProvider> = value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| format!("{FORM}: {}", error.message()))?;
        self.0 = read.into_iter().map(IdentityProvider::completed).collect();
        Ok(())
    }

    fn show(&self) -> Value {
        let shown = self.0.iter().map(|provider| {
            // Nothing in it is a secret, but the names of files.
            Value::try_from(provider).unwrap_or_else(|_| Value::String(provider.id.clone()))
        });
        Value::Array(shown.collect())
    }

    /// What was meant for a file of its own, and written here, must not come up in an error.
    fn is_secret(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IdentityProviders, String> {
        let mut providers = IdentityProviders::default();
        providers.read_text(text)?;
        providers.check()?;
        Ok(providers)
    }

    #[test]
    fn google_and_github_need_a_client_and_its_secret() {
        let two = r#"[{kind = "google", client_id = "g", client_secret_file = "/g"}, {kind = "github", client_id = "h", client_secret_file = "/h"}]"#;
        let IdentityProviders(two) = read(two).unwrap();
        let ids: Vec<_> = two
            .iter()
            .map(|one| (&*one.id, &*one.display_name))
            .collect();
        assert_eq!(ids, [("google", "Google"), ("github", "GitHub")]);
        assert_eq!(two[0].issuer, "https://accounts.google.com");
        assert_eq!(two[1].emails_endpoint, "https://api.github.com/user/emails");
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        let text = r#"[{kind = "oidc", id = "work", display_name = "Work", client_id = "c", client_secret_file = "/s", issuer = "https://id.example"}]"#;
        let providers = read(text).unwrap();
        assert_eq!(read(&providers.show().to_string()), Ok(providers));
        assert_eq!(read(" "), Ok(IdentityProviders::default()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for provider in [
            "",
            r#"kind = "google""#,
            r#"kind = "google", client_id = "", client_secret_file = "/s""#,
            r#"kind = "facebook", client_id = "c", client_secret_file = "/s""#,
            r#"kind = "google", client_id = "c", client_secret = "x""#,
            r#"kind = "google", client_id = "c", client_secret_file = "/s", id = "a/b""#,
            r#"kind = "google", client_id = "c", client_secret_file = "/s", user_endpoint = "https://a.example/""#,
            r#"kind = "github", client_id = "c", client_secret_file = "/s", issuer = "https://a.example/""#,
            r#"kind = "github", client_id = "c", client_secret_file = "/s", token_endpoint = "http://a.example/""#,
            r#"kind = "oidc", client_id = "c", client_secret_file = "/s", issuer = "https://a.example""#,
            r#"kind = "github", client_id = "c", client_secret_file = "/s", email_domains = ["@a.example"]"#,
            r#"kind = "oidc", display_name = "A", client_id = "c", client_secret_file = "/s""#,
            r#"kind = "oidc", display_name = "A", client_id = "c", client_secret_file = "/s", issuer = "http://a.example""#,
        ] {
            let read = read(&format!("[{{{provider}}}]"));
            let must = read.expect_err(provider);
            assert!(must.starts_with("it must "), "{must}");
        }
        let one = r#"{kind = "google", client_id = "c", client_secret_file = "/s"}"#;
        assert!(read(&format!("[{one}, {one}]")).is_err());
        assert!(read("google").is_err());
    }
}
