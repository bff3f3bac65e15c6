//! Parameters as forms and queries write them (RFC 6749 appendix B).

use url::form_urlencoded;

use super::json;
use crate::error::{Error, FieldReason, FieldViolation, Reason, Result};

/// The content type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// What may come more than once (RFC 8707 section 2).
const LIST: &str = "resource";

/// More parameters than these are nobody's.
const MOST: usize = 100;

/// Whether a parameter is a list.
#[must_use]
pub fn is_list(name: &str) -> bool {
    name == LIST
}

/// The parameters of a form or a query. One that comes twice is refused (RFC 6749 section 3.1), but for those of a list.
///
/// # Errors
/// A parameter comes twice or is not UTF-8, or there are too many of them.
pub fn parameters(text: &[u8]) -> Result<Vec<(String, String)>> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(text) {
        // The parser replaces what is not UTF-8, which would make different passwords equal.
        if [&name, &value].iter().any(|text| text.contains('\u{fffd}')) {
            let message = "The form is not UTF-8.";
            return Err(Error::new(Reason::MalformedRequest).with_message(message));
        }
        if parameters.len() == MOST {
            let message = "There are too many parameters.";
            return Err(Error::new(Reason::MalformedRequest).with_message(message));
        }
        let is_known = parameters.iter().any(|(known, _)| *known == name);
        if is_known && !is_list(&name) {
            return Err(given_twice(&name));
        }
        parameters.push((name.into_owned(), value.into_owned()));
    }
    Ok(parameters)
}

fn given_twice(name: &str) -> Error {
    let error = Error::new(Reason::MalformedRequest);
    if !json::is_repeatable(name) {
        return error.with_message("A parameter comes twice.");
    }
    error.violating(FieldViolation::new(
        name.to_owned(),
        FieldReason::GivenTwice,
        "must be given once",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_not_more_parameters_than_anybody_sends() {
        let of = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("p{number}=")).collect();
            parameters(names.join("&").as_bytes())
        };
        assert_eq!(of(MOST).unwrap().len(), MOST);
        assert!(of(MOST + 1).is_err());
    }

    #[test]
    fn a_parameter_comes_once_unless_it_is_a_list() {
        assert!(parameters(b"a=1&b=1").is_ok());
        assert!(parameters(b"a=1&a=1").is_err());
        assert_eq!(parameters(b"resource=1&resource=1").unwrap().len(), 2);
    }
}
