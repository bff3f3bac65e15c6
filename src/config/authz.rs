//! Who may make which request to the services behind a proxy.

use super::{
    rule::{Broken, require},
    setting::{Scalar, settings},
};
use crate::model::scope::KNOWN;

const FORM: &str =
    "it must be rules such as `/reports authenticated` or `GET|POST /notes pro scope:profile`";

settings! {
    /// What `GET /authz/forward` answers to a proxy that asks about a request (docs/FORWARD-AUTH.md).
    pub struct Authz {
        /// Who may make which request: `[METHOD|…] PATH ACCESS [scope:NAME]`. PATH holds for everything below it; `*` is any
        /// one segment, and `{account_id}` the account that `account` is about. ACCESS is `anyone`, `authenticated`, `pro`
        /// (the organization's plan), `account` (that account, and for the owner of a Pro organization each of its
        /// accounts) or `nobody`. The most literal path wins, then the longest; what no rule is about is denied. A
        /// credential needs the full account, or the scope that the rule names.
        rules: Vec<AccessRule> = vec![AccessRule::documented()],
    }
}

/// One segment of a rule's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessSegment {
    /// Exactly this text.
    Literal(String),
    /// `*`: any one segment.
    Any,
    /// `{account_id}`: the account that the request is about.
    Account,
}

/// Who may make a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody, also without a credential.
    Anyone,
    /// Every account.
    Authenticated,
    /// The accounts of organizations on the paid plan.
    Pro,
    /// Whoever reaches the account that the path names.
    Account,
    /// Nobody.
    Nobody,
}

/// Who may make the requests below a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessRule {
    text: String,
    /// The methods that it is about; none for every method. `GET` comes with `HEAD`.
    pub methods: Vec<String>,
    /// The segments that the path starts with.
    pub path: Vec<AccessSegment>,
    /// Who may.
    pub access: Access,
    /// The scope that is enough for it.
    pub scope: Option<String>,
}

impl AccessRule {
    /// The example of Mail.td's document: the messages of a mailbox.
    fn documented() -> Self {
        let literal = |text: &str| AccessSegment::Literal(text.to_owned());
        Self {
            text: "/api/accounts/{account_id}/messages account".to_owned(),
            methods: Vec::new(),
            path: vec![
                literal("api"),
                literal("accounts"),
                AccessSegment::Account,
                literal("messages"),
            ],
            access: Access::Account,
            scope: None,
        }
    }

    /// Whether both are about the same request and the same part of its path.
    fn clashes(&self, other: &Self) -> bool {
        let same_place = |(one, other): (&AccessSegment, &AccessSegment)| match (one, other) {
            (AccessSegment::Literal(one), AccessSegment::Literal(other)) => one == other,
            (AccessSegment::Literal(_), _) | (_, AccessSegment::Literal(_)) => false,
            _ => true,
        };
        let same_methods = self.methods.is_empty() && other.methods.is_empty();
        (same_methods
            || self
                .methods
                .iter()
                .any(|method| other.methods.contains(method)))
            && self.path.len() == other.path.len()
            && self.path.iter().zip(&other.path).all(same_place)
    }

    fn check(&self) -> Result<(), &'static str> {
        let accounts = self
            .path
            .iter()
            .filter(|segment| **segment == AccessSegment::Account);
        match (accounts.count(), self.access) {
            (1, Access::Account) => {}
            (0, Access::Account) => {
                return Err("it must name `{account_id}` in the path of `account`");
            }
            (0, _) => {}
            _ => {
                return Err(
                    "it must name `{account_id}` once, and only for `account`; `*` is any segment",
                );
            }
        }
        match (self.access, &self.scope) {
            (Access::Anyone | Access::Nobody, Some(_)) => {
                Err("it must name a scope only where a credential is asked for")
            }
            _ => Ok(()),
        }
    }
}

impl Scalar for AccessRule {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace().peekable();
        let methods = match words.next_if(|word| !word.starts_with('/')) {
            Some(word) => methods(word)?,
            None => Vec::new(),
        };
        let path = path(words.next().ok_or(FORM)?)?;
        let access = access(words.next().ok_or(FORM)?)?;
        let scope = words.next().map(scope).transpose()?;
        if words.next().is_some() {
            return Err(FORM.to_owned());
        }
        let rule = Self {
            text: text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
            methods,
            path,
            access,
            scope,
        };
        rule.check()?;
        Ok(rule)
    }

    fn print(&self) -> String {
        self.text.clone()
    }
}

impl Authz {
    pub(super) fn check(&self) -> Result<(), Broken> {
        for (place, rule) in self.rules.iter().enumerate() {
            let before = self.rules.iter().take(place);
            if let Some(other) = before.into_iter().find(|other| other.clashes(rule)) {
                let must = format!(
                    "it must have one rule for a path and method: `{}` and `{}` are about the same",
                    other.text, rule.text
                );
                return require(false, "authz.rules", must);
            }
        }
        Ok(())
    }
}

fn methods(word: &str) -> Result<Vec<String>, String> {
    let mut methods: Vec<_> = word.split('|').map(str::to_owned).collect();
    let is_method = |method: &String| {
        !method.is_empty()
            && method
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    };
    if !methods.iter().all(is_method) {
        return Err(format!(
            "{FORM}; methods are in capitals, with | between them"
        ));
    }
    // RFC 9110 section 9.3.2: HEAD is GET without the content.
    if methods.iter().any(|method| method == "GET")
        && !methods.iter().any(|method| method == "HEAD")
    {
        methods.push("HEAD".to_owned());
    }
    Ok(methods)
}

fn path(word: &str) -> Result<Vec<AccessSegment>, String> {
    let path = word.strip_prefix('/').ok_or(FORM)?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<AccessSegment, String> {
    match text {
        "*" => Ok(AccessSegment::Any),
        "{account_id}" => Ok(AccessSegment::Account),
        "" | "." | ".." => Err(
            "it must have paths without empty segments, dots or a slash at the end: `/reports` holds for all below it"
                .to_owned(),
        ),
        text if text.contains(['{', '}', '*', '%', '\\', ';', '?', '#']) => Err(
            "it must have paths in plain text, whose only variables are `*` and `{account_id}` as whole segments"
                .to_owned(),
        ),
        text => Ok(AccessSegment::Literal(text.to_owned())),
    }
}

fn access(word: &str) -> Result<Access, String> {
    match word {
        "anyone" => Ok(Access::Anyone),
        "authenticated" => Ok(Access::Authenticated),
        "pro" => Ok(Access::Pro),
        "account" => Ok(Access::Account),
        "nobody" => Ok(Access::Nobody),
        _ => Err(format!(
            "{FORM}; who may is anyone, authenticated, pro, account or nobody"
        )),
    }
}

fn scope(word: &str) -> Result<String, String> {
    word.strip_prefix("scope:")
        .filter(|name| KNOWN.contains(name))
        .map(str::to_owned)
        .ok_or_else(|| format!("{FORM}; the scopes are {}", KNOWN.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_and_printed() {
        let rule = AccessRule::parse("  GET|POST   /notes/*/new pro scope:profile ").unwrap();
        assert_eq!(rule.print(), "GET|POST /notes/*/new pro scope:profile");
        assert_eq!(rule.methods, ["GET", "POST", "HEAD"]);
        let literal = |text: &str| AccessSegment::Literal(text.to_owned());
        let path = [literal("notes"), AccessSegment::Any, literal("new")];
        assert_eq!(rule.path, path);
        assert_eq!(
            (rule.access, rule.scope.as_deref()),
            (Access::Pro, Some("profile"))
        );
        let root = AccessRule::parse("/ anyone").unwrap();
        assert_eq!((root.path.len(), root.methods.len()), (0, 0));
    }

    #[test]
    fn the_default_is_what_its_text_means() {
        let default = AccessRule::documented();
        assert_eq!(AccessRule::parse(&default.print()), Ok(default));
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for text in [
            "",
            "/reports",
            "reports anyone",
            "anyone /reports",
            "/reports everybody",
            "/reports anyone else",
            "get /reports anyone",
            "GET,POST /reports anyone",
            "GET| /reports anyone",
            "GET POST /reports anyone",
            "/reports/ anyone",
            "/reports//a anyone",
            "/reports/.. anyone",
            "/re%70orts anyone",
            "/reports* anyone",
            "/a;b anyone",
            "/a?b anyone",
            "/{id} authenticated",
            "/{account_id} authenticated",
            "/reports account",
            "/{account_id}/{account_id} account",
            "/reports authenticated profile",
            "/reports authenticated scope:nothing",
            "/reports authenticated scope:",
            "/reports anyone scope:profile",
            "/reports nobody scope:profile",
        ] {
            assert!(AccessRule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_rules_for_the_same_request_are_refused() {
        let clash = |one: &str, other: &str| {
            let rules = [one, other].map(|text| AccessRule::parse(text).unwrap());
            Authz {
                rules: rules.into(),
            }
            .check()
            .is_err()
        };
        for (one, other) in [
            ("/a anyone", "/a nobody"),
            ("/a/* authenticated", "/a/{account_id} account"),
            ("GET|PUT /a anyone", "PUT|POST /a nobody"),
            ("GET /a anyone", "HEAD /a nobody"),
        ] {
            assert!(clash(one, other), "{one}, {other}");
        }
        for (one, other) in [
            ("/a anyone", "/a/b nobody"),
            ("/a/* anyone", "/a/b nobody"),
            ("GET /a anyone", "/a nobody"),
            ("GET /a anyone", "POST /a nobody"),
        ] {
            assert!(!clash(one, other), "{one}, {other}");
        }
    }
}
