//! Who may make which request to a service behind a proxy: the operator's rules, by path and method.

mod path;

use crate::model::scope::Scopes;

pub use path::{AmbiguousPath, RequestPath};

/// One segment of a rule's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any one segment.
    Any,
    /// The id of the account that the request is about.
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
pub struct Rule {
    /// The methods that it is about; none for every method.
    pub methods: Vec<String>,
    /// The segments that the path starts with.
    pub path: Vec<Segment>,
    /// Who may.
    pub access: Access,
    /// The scopes that a credential needs: the full account has them all.
    pub scopes: Scopes,
}

/// What a rule says about one segment, the more exact first. In the order of their steps, the first of several rules that
/// match a path is the one that says the most about it.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Step<'r> {
    Literal(&'r str),
    Wildcard,
    End,
}

impl Rule {
    fn matches(&self, path: &RequestPath) -> bool {
        let start = path.segments().get(..self.path.len());
        start.is_some_and(|start| {
            self.path
                .iter()
                .zip(start)
                .all(|(segment, text)| match segment {
                    Segment::Literal(literal) => literal == text,
                    Segment::Any | Segment::Account => true,
                })
        })
    }

    fn takes(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|taken| taken == method)
    }

    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let segments = self.path.iter().map(|segment| match segment {
            Segment::Literal(literal) => Step::Literal(literal),
            Segment::Any | Segment::Account => Step::Wildcard,
        });
        segments.chain([Step::End])
    }

    /// What stands in the place of the account's id.
    #[must_use]
    pub fn account<'p>(&self, path: &'p RequestPath) -> Option<&'p str> {
        let place = self
            .path
            .iter()
            .position(|segment| *segment == Segment::Account)?;
        path.segments().get(place).map(String::as_str)
    }
}

/// Every rule of the operator.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// These rules. Of two for the same path and method, one is never asked.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|one, other| {
            let by_path = one.steps().cmp(other.steps());
            by_path.then_with(|| one.methods.is_empty().cmp(&other.methods.is_empty()))
        });
        Self(rules)
    }

    /// The rule for a request. The path alone decides which rules are asked: the most literal one from the left, then
    /// the longest. A method that they do not take is not looked up in rules about a shorter path, so that a rule
    /// which opens a path for `GET` leaves no other method to a broader one.
    #[must_use]
    pub fn find(&self, method: &str, path: &RequestPath) -> Option<&Rule> {
        let (_, rules) = self
            .0
            .split_at(self.0.iter().position(|rule| rule.matches(path))?);
        let best = rules.first()?;
        rules
            .iter()
            .take_while(|rule| rule.steps().eq(best.steps()))
            .find(|rule| rule.takes(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(methods: &[&str], path: &str, access: Access) -> Rule {
        let segment = |text: &str| match text {
            "*" => Segment::Any,
            "{account_id}" => Segment::Account,
            text => Segment::Literal(text.to_owned()),
        };
        Rule {
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            path: path
                .split('/')
                .filter(|text| !text.is_empty())
                .map(segment)
                .collect(),
            access,
            scopes: Scopes::full(),
        }
    }

    fn found(rules: &[Rule], method: &str, path: &str) -> Option<Access> {
        // In whatever order they were written.
        let answers = [rules.to_vec(), rules.iter().rev().cloned().collect()].map(|rules| {
            let path = RequestPath::parse(path).unwrap();
            Rules::new(rules)
                .find(method, &path)
                .map(|rule| rule.access)
        });
        assert_eq!(answers[0], answers[1]);
        answers[0]
    }

    #[test]
    fn a_prefix_is_of_whole_segments() {
        let rules = [rule(&[], "/reports", Access::Authenticated)];
        for path in ["/reports", "/reports/", "/reports/2026/a", "/%72eports"] {
            assert_eq!(
                found(&rules, "GET", path),
                Some(Access::Authenticated),
                "{path}"
            );
        }
        for path in ["/", "/report", "/reports2", "/Reports", "/a/reports"] {
            assert_eq!(found(&rules, "GET", path), None, "{path}");
        }
    }

    #[test]
    fn the_most_literal_rule_from_the_left_wins_and_then_the_longest() {
        let rules = [
            rule(&[], "/", Access::Anyone),
            rule(&[], "/api", Access::Authenticated),
            rule(&[], "/api/*/public", Access::Anyone),
            rule(&[], "/api/admin", Access::Nobody),
            rule(&[], "/api/accounts/{account_id}/messages", Access::Account),
            rule(&[], "/api/accounts/all/messages", Access::Pro),
        ];
        for (path, access) in [
            ("/", Access::Anyone),
            ("/x", Access::Anyone),
            ("/api", Access::Authenticated),
            ("/api/x", Access::Authenticated),
            ("/api/x/public/y", Access::Anyone),
            ("/api/admin", Access::Nobody),
            ("/api/admin/public", Access::Nobody),
            ("/api/accounts/7/messages/1", Access::Account),
            ("/api/accounts/all/messages", Access::Pro),
            ("/api/accounts/7", Access::Authenticated),
        ] {
            assert_eq!(found(&rules, "GET", path), Some(access), "{path}");
        }
    }

    #[test]
    fn a_method_that_the_best_path_does_not_take_is_taken_by_no_other() {
        let rules = [
            rule(&[], "/", Access::Anyone),
            rule(&["GET"], "/notes", Access::Authenticated),
            rule(&["PUT"], "/files", Access::Pro),
            rule(&[], "/files", Access::Authenticated),
        ];
        for (method, path, access) in [
            ("GET", "/notes/1", Some(Access::Authenticated)),
            ("DELETE", "/notes/1", None),
            ("get", "/notes/1", None),
            ("PUT", "/files/1", Some(Access::Pro)),
            ("GET", "/files/1", Some(Access::Authenticated)),
            ("DELETE", "/", Some(Access::Anyone)),
        ] {
            assert_eq!(found(&rules, method, path), access, "{method} {path}");
        }
    }

    #[test]
    fn the_account_is_what_stands_in_its_place() {
        let rule = rule(&[], "/api/accounts/{account_id}/messages", Access::Account);
        let path = RequestPath::parse("/api/accounts/a%20b/messages/1").unwrap();
        assert_eq!(rule.account(&path), Some("a b"));
    }
}
