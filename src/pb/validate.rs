//! What a field rule of the contract means. `build.rs` writes an implementation of [`Validate`] for
//! every message, from the `buf.validate` options in the proto.

use std::{borrow::Cow, sync::LazyLock};

use prost_types::{Duration, FieldMask};
use regex::Regex;

use crate::error::{FieldReason, FieldViolation};

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

    fn violation(
        &self,
        reason: FieldReason,
        description: impl Into<Cow<'static, str>>,
    ) -> FieldViolation {
        FieldViolation::new(self.text(), reason, description)
    }
}

/// A pattern that is compiled at its first use. One that does not compile matches nothing.
struct Pattern {
    regex: LazyLock<Option<Regex>>,
    /// What it asks for.
    description: &'static str,
}

impl Pattern {
    fn matches(&self, value: &str) -> bool {
        self.regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(value))
    }
}

macro_rules! pattern {
    ($source:literal, $description:literal) => {
        Pattern {
            regex: LazyLock::new(|| Regex::new($source).ok()),
            description: $description,
        }
    };
}

/// The `string` rules of one field; lengths are in code points.
struct StringRule {
    min_len: Option<usize>,
    max_len: Option<usize>,
    max_bytes: Option<usize>,
    pattern: Option<&'static Pattern>,
    r#in: Option<&'static [&'static str]>,
}

fn string(value: &str, at: &Path<'_>, rule: &StringRule, found: &mut Vec<FieldViolation>) {
    // Bytes first: it bounds the work that the other checks do.
    if let Some(limit) = rule.max_bytes.filter(|limit| value.len() > *limit) {
        let description = format!("must be at most {limit} bytes long");
        return found.push(at.violation(FieldReason::TooLong, description));
    }
    let length = value.chars().count();
    let violation = if rule.min_len.is_some() && value.is_empty() {
        at.violation(FieldReason::Required, "is required")
    } else if let Some(least) = rule.min_len.filter(|least| length < *least) {
        let description = format!("must be at least {least} characters long");
        at.violation(FieldReason::TooShort, description)
    } else if let Some(limit) = rule.max_len.filter(|limit| length > *limit) {
        let description = format!("must be at most {limit} characters long");
        at.violation(FieldReason::TooLong, description)
    } else if let Some(pattern) = rule.pattern.filter(|pattern| !pattern.matches(value)) {
        at.violation(FieldReason::InvalidFormat, pattern.description)
    } else if let Some(known) = rule.r#in.filter(|known| !known.contains(&value)) {
        let description = format!("must be among: {}", known.join(", "));
        at.violation(FieldReason::InvalidValue, description)
    } else {
        return;
    };
    found.push(violation);
}

fn strings(
    values: &[String],
    at: &Path<'_>,
    max: usize,
    item: &StringRule,
    found: &mut Vec<FieldViolation>,
) {
    if values.len() > max {
        let description = format!("must have at most {max} items");
        return found.push(at.violation(FieldReason::TooManyItems, description));
    }
    for value in values {
        string(value, at, item, found);
    }
}

fn at_least(value: i32, least: i32, at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    if value < least {
        let description = format!("must be at least {least}");
        found.push(at.violation(FieldReason::OutOfRange, description));
    }
}

fn defined(known: bool, names: &[&str], at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    if !known {
        found.push(at.violation(FieldReason::InvalidValue, among(names)));
    }
}

/// What a value must be that has one of these names; to be unspecified is to say nothing.
pub(crate) fn among(names: &[&str]) -> String {
    let said = names.iter().filter(|name| !name.ends_with("_UNSPECIFIED"));
    format!(
        "must be among: {}",
        said.copied().collect::<Vec<_>>().join(", ")
    )
}

fn not_in(value: i32, refused: &[(i32, &str)], at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    if let Some((_, name)) = refused.iter().find(|(number, _)| *number == value) {
        let description = format!("must not be {name}");
        found.push(at.violation(FieldReason::InvalidValue, description));
    }
}

fn within(
    value: Option<&Duration>,
    least: i64,
    most: i64,
    at: &Path<'_>,
    found: &mut Vec<FieldViolation>,
) {
    let is_within = |value: &Duration| {
        let value = (value.seconds, value.nanos);
        ((least, 0)..=(most, 0)).contains(&value)
    };
    if !value.is_none_or(is_within) {
        let description = format!("must be at least {least} and at most {most} seconds");
        found.push(at.violation(FieldReason::OutOfRange, description));
    }
}

fn names_only(
    value: Option<&FieldMask>,
    known: &[&str],
    at: &Path<'_>,
    found: &mut Vec<FieldViolation>,
) {
    let is_known = |path: &String| known.contains(&&**path);
    if !value.is_none_or(|mask| mask.paths.iter().all(is_known)) {
        let description = format!("must name only what can be changed: {}", known.join(", "));
        found.push(at.violation(FieldReason::InvalidValue, description));
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
        None if required => found.push(at.violation(FieldReason::Required, "is required")),
        None => {}
    }
}

fn nested_list<M: Validate>(values: &[M], at: &Path<'_>, found: &mut Vec<FieldViolation>) {
    for value in values {
        value.validate(at, found);
    }
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));
