//! What a field rule of the contract means. `build.rs` writes an implementation of [`Validate`] for
//! every message, from the `buf.validate` options in the proto.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use crate::error::FieldViolation;

/// A message that can tell which of its fields break a rule.
pub trait Validate {
    /// Adds a violation for every field that breaks a rule; `at` is where the message stands.
    fn validate(&self, at: &Path<'_>, found: &mut Vec<FieldViolation>);
}

/// Where a value stands in a message, as a dotted path of proto field names.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    field: &'static str,
}

impl Path<'_> {
    /// The message that was sent.
    pub const ROOT: Path<'static> = Path {
        parent: None,
        field: "",
    };

    fn field<'a>(&'a self, field: &'static str) -> Path<'a> {
        Path {
            parent: Some(self),
            field,
        }
    }

    fn text(&self) -> String {
        match self.parent {
            Some(parent) if parent.parent.is_some() => format!("{}.{}", parent.text(), self.field),
            _ => self.field.to_owned(),
        }
    }

    fn violation(&self, description: impl Into<Cow<'static, str>>) -> FieldViolation {
        FieldViolation::new(self.text(), description)
    }
}

/// Control characters break logs, mail headers and terminals; this pattern is worth words of its own.
const NO_CONTROL_CHARACTERS: &str = r"^[^\p{Cc}]*$";

/// What an e-mail address looks like at first sight; `model::email` reads it in full.
const EMAIL_ADDRESS: &str = r"^[^\p{Cc}]+@[^\p{Cc}@]+[.。．｡][^\p{Cc}@]+$";

/// What carries opaque ids: no spaces, nothing to escape.
const VISIBLE_ASCII: &str = "^[!-~]*$";

/// A pattern that is compiled at its first use. One that does not compile matches nothing.
struct Pattern {
    source: &'static str,
    regex: LazyLock<Option<Regex>>,
}

impl Pattern {
    fn matches(&self, value: &str) -> bool {
        self.regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(value))
    }

    fn description(&self) -> Cow<'static, str> {
        match self.source {
            NO_CONTROL_CHARACTERS => "must not contain control characters".into(),
            EMAIL_ADDRESS => "must be an e-mail address like name@example.com".into(),
            VISIBLE_ASCII => "must be visible ASCII".into(),
            source => format!("must match {source}").into(),
        }
    }
}

macro_rules! pattern {
    ($source:literal) => {
        Pattern {
            source: $source,
            regex: LazyLock::new(|| Regex::new($source).ok()),
        }
    };
}

/// The `string` rules of one field; lengths are in code points.
struct StringRule {
    min_len: Option<usize>,
    max_len: Option<usize>,
    max_bytes: Option<usize>,
    pattern: Option<&'static Pattern>,
}

fn string(value: &str, at: &Path<'_>, rule: &StringRule, found: &mut Vec<FieldViolation>) {
    // Bytes first: it bounds the work that the other checks do.
    if let Some(limit) = rule.max_bytes.filter(|limit| value.len() > *limit) {
        return found.push(at.violation(format!("must be at most {limit} bytes long")));
    }
    let length = value.chars().count();
    if rule.min_len.is_some() && value.is_empty() {
        found.push(at.violation("is required"));
    } else if let Some(least) = rule.min_len.filter(|least| length < *least) {
        found.push(at.violation(format!("must be at least {least} characters long")));
    } else if let Some(limit) = rule.max_len.filter(|limit| length > *limit) {
        found.push(at.violation(format!("must be at most {limit} characters long")));
    } else if let Some(pattern) = rule.pattern.filter(|pattern| !pattern.matches(value)) {
        found.push(at.violation(pattern.description()));
    }
}

fn strings(
    values: &[String],
    at: &Path<'_>,
    max: usize,
    item: &StringRule,
    found: &mut Vec<FieldViolation>,
) {
    if values.len() > max {
        return found.push(at.violation(format!("must have at most {max} items")));
    }
    for value in values {
        string(value, at, item, found);
    }
}

fn at_least(value: i32, least: i32, at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    if value < least {
        found.push(at.violation(format!("must be at least {least}")));
    }
}

fn defined(known: bool, at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    if !known {
        found.push(at.violation("must be a value that the contract names"));
    }
}

fn nested<M: Validate>(
    value: Option<&M>,
    at: &Path<'_>,
    required: bool,
    found: &mut Vec<FieldViolation>,
) {
    match value {
        Some(message) => message.validate(at, found),
        None if required => found.push(at.violation("is required")),
        None => {}
    }
}

fn nested_list<M: Validate>(values: &[M], at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    for value in values {
        value.validate(at, found);
    }
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));
