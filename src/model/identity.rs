//! Who somebody is at another provider: federated identities.

pub mod id_token;

use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::id::{AccountId, LinkedIdentityId};
use crate::env::Timestamp;

/// How a provider tells who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// By an ID token (OpenID Connect Core).
    OpenIdConnect {
        /// The `iss` of its tokens, under which its metadata stands (OpenID Connect Discovery).
        issuer: String,
        /// Where its keys are; none where the metadata says so.
        jwks_uri: Option<Url>,
        /// Where it tells the address; none where the metadata says so.
        userinfo_endpoint: Option<Url>,
        /// Whether it is Google, which is believed about mailboxes of its own.
        is_google: bool,
    },
    /// By what its API answers to an access token, for GitHub has no ID tokens.
    GitHub {
        /// Tells the account.
        user_endpoint: Url,
        /// Lists the account's addresses.
        emails_endpoint: Url,
    },
}

/// A provider at which people may sign in.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    /// Its id here, which stands in paths.
    pub id: String,
    /// What people know it by.
    pub display_name: String,
    /// What it knows this server by.
    pub client_id: String,
    /// What this server shows it.
    pub client_secret: SecretString,
    /// What it is asked for.
    pub scope: String,
    /// Where browsers go; none where the metadata says so.
    pub authorization_endpoint: Option<Url>,
    /// Where codes are exchanged; none where the metadata says so.
    pub token_endpoint: Option<Url>,
    /// The domains whose addresses it is believed about, in lower case; `*` for all.
    pub email_domains: Vec<String>,
    /// How it tells who somebody is.
    pub protocol: Protocol,
}

/// Somebody, as a provider tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The provider's id in the settings.
    pub provider: String,
    /// Which provider it is, whatever the settings call it.
    pub issuer: String,
    /// Who it is there, for ever.
    pub subject: String,
    /// Their address; may be empty.
    pub email: String,
    /// Whether the provider has verified that the address is theirs, and is the one to say so.
    pub email_verified: bool,
    /// What to call them; may be empty.
    pub display_name: String,
}

/// An identity that signs in to an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkedIdentity {
    /// Its id.
    pub id: LinkedIdentityId,
    /// The account.
    pub account_id: AccountId,
    /// The provider's id in the settings.
    pub provider: String,
    /// Which provider it is, whatever the settings call it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// The address that the provider told when it was linked; may be empty.
    pub email: String,
    /// When it was linked.
    pub created_at: Timestamp,
}

/// The longest subject that is taken (OpenID Connect Core section 2), in characters of ASCII.
const LONGEST_SUBJECT: usize = 255;

/// The `iss` of Google's tokens.
pub const GOOGLE: &str = "https://accounts.google.com";

impl IdentityProvider {
    /// Which provider it is, whatever the settings call it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        match &self.protocol {
            Protocol::OpenIdConnect { issuer, .. } => issuer,
            Protocol::GitHub { user_endpoint, .. } => user_endpoint.as_str(),
        }
    }

    /// Who the claims of an ID token are about; none where they do not say so.
    #[must_use]
    pub fn identity(&self, claims: &Map<String, Value>) -> Option<Identity> {
        let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let subject = text("sub");
        let is_plain = subject.bytes().all(|byte| byte.is_ascii_graphic());
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT || !is_plain {
            return None;
        }
        // Apple writes it as a text.
        let is_verified = claims
            .get("email_verified")
            .is_some_and(|value| *value == true || *value == "true");
        let is_google = matches!(
            self.protocol,
            Protocol::OpenIdConnect {
                is_google: true,
                ..
            }
        );
        let hosts_it = is_google && google_hosts(text("email"), text("hd"));
        Some(self.person(
            subject.to_owned(),
            (text("email"), is_verified),
            hosts_it,
            text("name"),
        ))
    }

    /// Somebody with this subject. Whatever the provider says has been verified, it is believed about mailboxes that it hosts and
    /// about its domains alone.
    #[must_use]
    pub fn person(
        &self,
        subject: String,
        (email, is_verified): (&str, bool),
        hosts_it: bool,
        display_name: &str,
    ) -> Identity {
        Identity {
            provider: self.id.clone(),
            issuer: self.issuer().to_owned(),
            subject,
            email: email.to_owned(),
            email_verified: is_verified && (hosts_it || self.is_believed_about(email)),
            display_name: display_name.to_owned(),
        }
    }

    fn is_believed_about(&self, email: &str) -> bool {
        let domain = email
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_ascii_lowercase());
        let is_known = |known: &String| known == "*" || Some(known) == domain.as_ref();
        self.email_domains.iter().any(is_known)
    }
}

/// Google hosts the mailbox itself, so that whoever has the account has the mailbox. Any other address was once shown to
/// Google, and may have another owner by now.
fn google_hosts(email: &str, hosted_domain: &str) -> bool {
    !hosted_domain.is_empty() || email.to_ascii_lowercase().ends_with("@gmail.com")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider(issuer: &str, email_domains: &[&str]) -> IdentityProvider {
        IdentityProvider {
            id: "p".to_owned(),
            display_name: String::new(),
            client_id: String::new(),
            client_secret: String::new().into(),
            scope: String::new(),
            authorization_endpoint: None,
            token_endpoint: None,
            email_domains: email_domains.iter().map(|&name| name.to_owned()).collect(),
            protocol: Protocol::OpenIdConnect {
                issuer: issuer.to_owned(),
                jwks_uri: None,
                userinfo_endpoint: None,
                is_google: issuer == GOOGLE,
            },
        }
    }

    fn is_verified(issuer: &str, email_domains: &[&str], claims: Value) -> bool {
        let Value::Object(claims) = claims else {
            unreachable!()
        };
        let identity = provider(issuer, email_domains).identity(&claims);
        identity.unwrap().email_verified
    }

    #[test]
    fn an_address_is_verified_only_where_the_provider_says_so() {
        let claims = |verified: Value| json!({"sub": "1", "email": "a@b.example", "email_verified": verified});
        let of = |verified: Value| is_verified("https://i.example", &["*"], claims(verified));
        assert!(of(json!(true)) && of(json!("true")));
        for no in [
            json!(false),
            json!("false"),
            json!(1),
            json!("1"),
            Value::Null,
        ] {
            assert!(!of(no.clone()), "{no}");
        }
        let silent = json!({"sub": "1", "email": "a@b.example"});
        assert!(!is_verified("https://i.example", &["*"], silent));
    }

    #[test]
    fn a_provider_is_believed_about_its_domains_alone() {
        let claims = |email: &str| json!({"sub": "1", "email": email, "email_verified": true, "hd": "b.example"});
        let of = |domains: &[&str], email: &str| {
            is_verified("https://i.example", domains, claims(email))
        };
        assert!(of(&["b.example"], "a@B.example"));
        for (domains, email) in [
            (&[][..], "a@b.example"),
            (&["b.example"], "a@c.b.example"),
            (&["b.example"], "a@gmail.com"),
            (&["b.example"], "b.example"),
        ] {
            assert!(!of(domains, email), "{domains:?} {email}");
        }
    }

    #[test]
    fn google_is_believed_about_mailboxes_of_its_own() {
        let claims = |email: &str, hd: &str| json!({"sub": "1", "email": email, "email_verified": true, "hd": hd});
        let of = |email: &str, hd: &str| is_verified(GOOGLE, &[], claims(email, hd));
        assert!(of("A@Gmail.com", "") && of("a@b.example", "b.example"));
        assert!(!of("a@b.example", "") && !of("a@notgmail.com", ""));
    }

    #[test]
    fn nobody_is_somebody_without_a_subject() {
        for sub in [
            json!(""),
            json!(1),
            Value::Null,
            json!("é"),
            json!("a\u{0}"),
            json!("a".repeat(256)),
        ] {
            let Value::Object(claims) = json!({"sub": sub}) else {
                unreachable!()
            };
            assert_eq!(
                provider("https://i.example", &[]).identity(&claims),
                None,
                "{sub}"
            );
        }
    }
}
