//! Filters of lists (AIP-160). A filter here is a conjunction of `field = value` and of text to search for.

use std::collections::HashSet;

use aip_160::{Comparable, Comparator, Expression, Member, parse_filter};

use crate::{
    error::{Error, FieldReason, Result},
    grpc::convert::segment,
    model::{administration::GrantFilter, id::AccountId},
};

/// One part of a filter.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Term {
    /// `field = value`.
    Equals {
        /// The path of the field.
        field: String,
        /// The value, without quotes.
        value: String,
    },
    /// Text without a field.
    Text(String),
}

impl Term {
    /// What the part is about; none for text.
    fn field(&self) -> Option<&str> {
        match self {
            Self::Equals { field, .. } => Some(field),
            Self::Text(_) => None,
        }
    }
}

/// The parts of a filter, all of which must hold.
///
/// # Errors
/// `INVALID_FIELD`, with what is accepted, for a filter that is not one, says more than such a conjunction, or says
/// something about a field, or looks for text, twice.
pub(super) fn terms(filter: &str, accepted: &'static str) -> Result<Vec<Term>> {
    let parsed = parse_filter(filter).map_err(|_| invalid(accepted))?;
    let mut terms = Vec::new();
    if let Some(expression) = parsed.expression {
        collect(&expression, &mut terms).ok_or_else(|| invalid(accepted))?;
    }
    let fields: HashSet<_> = terms.iter().map(Term::field).collect();
    if fields.len() < terms.len() {
        return Err(invalid(accepted));
    }
    Ok(terms)
}

/// Which grants or consents of all accounts.
///
/// # Errors
/// `INVALID_FIELD` for a filter that says something else.
pub(super) fn of_grants(filter: &str) -> Result<GrantFilter> {
    const ACCEPTED: &str = "must be account = \"accounts/ID\" and client_id = \"ID\", each at most once and joined by AND";
    let mut found = GrantFilter::default();
    for term in terms(filter, ACCEPTED)? {
        match term {
            Term::Equals { field, value } if field == "account" => {
                let id = segment(&value, AccountId::COLLECTION).and_then(|id| id.parse().ok());
                found.account = Some(id.ok_or_else(|| invalid(ACCEPTED))?);
            }
            Term::Equals { field, value } if field == "client_id" => {
                found.client_id = Some(value);
            }
            _ => return Err(invalid(ACCEPTED)),
        }
    }
    Ok(found)
}

/// What a caller reads whose filter cannot be used.
pub(super) fn invalid(accepted: &'static str) -> Error {
    Error::invalid_field("filter", FieldReason::InvalidFormat, accepted)
}

/// `true` or `false`.
pub(super) fn boolean(value: &str, accepted: &'static str) -> Result<bool> {
    value.parse().map_err(|_| invalid(accepted))
}

/// None for an expression that is not a conjunction of parts.
fn collect(expression: &Expression, terms: &mut Vec<Term>) -> Option<()> {
    match expression {
        Expression::And(parts) => parts
            .iter()
            .try_for_each(|part| collect(part, terms).ok_or(()))
            .ok(),
        // Words side by side are one text.
        Expression::Sequence(words) => {
            let words: Option<Vec<_>> = words.iter().map(text).collect();
            terms.push(Term::Text(words?.join(" ")));
            Some(())
        }
        Expression::Restriction(restriction) if restriction.comparator == Comparator::Equal => {
            terms.push(Term::Equals {
                field: restriction.comparable.field_path()?,
                value: restriction.arg.as_value()?.as_str().to_owned(),
            });
            Some(())
        }
        Expression::Global(_) => {
            terms.push(Term::Text(text(expression)?));
            Some(())
        }
        Expression::Restriction(_) | Expression::Or(_) | Expression::Not(_) => None,
    }
}

/// Text as it was written: `example.com` is a member of a field to the grammar.
fn text(expression: &Expression) -> Option<String> {
    let Expression::Global(Comparable::Member(Member { value, fields })) = expression else {
        return None;
    };
    let parts: Vec<_> = std::iter::once(value)
        .chain(fields)
        .map(aip_160::Value::as_str)
        .collect();
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equals(field: &str, value: &str) -> Term {
        let (field, value) = (field.to_owned(), value.to_owned());
        Term::Equals { field, value }
    }

    #[test]
    fn a_filter_is_fields_and_text() {
        let text = |text: &str| Term::Text(text.to_owned());
        for (filter, terms) in [
            ("", vec![]),
            ("  ", vec![]),
            ("disabled = true", vec![equals("disabled", "true")]),
            (
                "plan=PLAN_PRO AND disabled = false",
                vec![equals("plan", "PLAN_PRO"), equals("disabled", "false")],
            ),
            (
                r#"organization = "organizations/1" AND "100 % \"sure\"""#,
                vec![
                    equals("organization", "organizations/1"),
                    text(r#"100 % "sure""#),
                ],
            ),
            ("ada@example.com", vec![text("ada@example.com")]),
            ("Ada Lovelace", vec![text("Ada Lovelace")]),
            (r#""a AND b""#, vec![text("a AND b")]),
        ] {
            assert_eq!(super::terms(filter, "").unwrap(), terms, "{filter}");
        }
    }

    #[test]
    fn what_is_more_than_that_is_refused() {
        for filter in [
            "disabled = ",
            "a OR b",
            "NOT disabled = true",
            "-ada",
            "disabled != true",
            "disabled:true",
            "now()",
            "disabled = true AND disabled = true",
            "ann AND bob",
            "a = b(c)",
            "\"",
            "(",
            &"(".repeat(500),
        ] {
            assert!(terms(filter, "").is_err(), "{filter}");
        }
    }
}
