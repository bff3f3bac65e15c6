//! Reads the body of a call to a face: the content type, the size, the text and its members. What is wrong with it names
//! every field at fault and no value.

use std::borrow::Cow;

use axum::extract::Request;
use http::HeaderMap;
use http_body::Body as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use super::contract::Contract;
use crate::{
    error::{Error, FieldReason, FieldViolation, Reason, Result},
    rest::{call::Call, form, json, unary},
};

/// The content type of JSON (RFC 8259 section 11).
pub(super) const JSON: &str = "application/json";
/// The content type of a form (RFC 6749 appendix B).
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// More than these in one body help nobody.
const MOST_VIOLATIONS: usize = 16;
/// A longer name is not repeated to the caller.
const LONGEST_NAME: usize = 64;

/// The members of a body, by name, whether it came as JSON or as a form.
pub(super) type Members = Map<String, Value>;

/// Reads a body of JSON, with the caller that sent it, if that may call the rpc which the body is for.
///
/// # Errors
/// The content type is another, the caller is refused, the body is too large, or it is not such a request.
pub(super) async fn read<T: DeserializeOwned>(
    contract: &Contract,
    rpc: &'static str,
    request: Request,
) -> Result<(Call, T)> {
    let (call, members) = read_members(contract, rpc, request, &[JSON]).await?;
    Ok((call, typed(members)?))
}

/// Reads a body in one of these content types, like [`read`].
///
/// # Errors
/// The content type is another, the caller is refused, the body is too large, or it is no object and no form.
pub(super) async fn read_members(
    contract: &Contract,
    rpc: &'static str,
    request: Request,
    content_types: &[&'static str],
) -> Result<(Call, Members)> {
    let (parts, body) = request.into_parts();
    let content_type = content_type(&parts.headers)
        .and_then(|sent| content_types.iter().find(|known| **known == sent))
        .ok_or_else(|| unary::unsupported(&parts.headers, content_types))?;
    let call = contract.authorize(Call::of(&parts), rpc).await?;
    let bytes = unary::read_body(body, unary::LARGEST_BODY).await?;
    let members = if *content_type == FORM {
        parameters(&bytes)?
    } else {
        object(&bytes)?
    };
    Ok((call, members))
}

/// Reads a JSON body that may be left out, like [`read`]. An empty one says nothing, and needs no content type.
///
/// # Errors
/// The caller is refused; or there is a body, and it is not JSON, too large, or not such a request.
pub(super) async fn read_optional<T: DeserializeOwned>(
    contract: &Contract,
    rpc: &'static str,
    request: Request,
) -> Result<(Call, T)> {
    let (parts, body) = request.into_parts();
    let is_json = content_type(&parts.headers).as_deref() == Some(JSON);
    // Where a length is stated, there is no need to wait for the body.
    if !is_json && body.size_hint().lower() > 0 {
        return Err(unary::unsupported(&parts.headers, &[JSON]));
    }
    let call = contract.authorize(Call::of(&parts), rpc).await?;
    let bytes = unary::read_body(body, unary::LARGEST_BODY).await?;
    let members = match (bytes.is_empty(), is_json) {
        (true, _) => Map::new(),
        (false, true) => object(&bytes)?,
        (false, false) => return Err(unary::unsupported(&parts.headers, &[JSON])),
    };
    Ok((call, typed(members)?))
}

/// A member that is text.
pub(super) fn text<'m>(members: &'m Members, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}

/// A member that is a list of texts, or one text.
pub(super) fn texts(members: &Members, name: &str) -> Vec<String> {
    let all = match members.get(name) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        other => other
            .and_then(Value::as_str)
            .into_iter()
            .collect::<Vec<_>>(),
    };
    all.into_iter().map(str::to_owned).collect()
}

/// The request that the members make. `null` is an absent member. A member that the request does not know is refused
/// where its type says `deny_unknown_fields`, else ignored.
///
/// # Errors
/// The fields that are missing, unknown or of the wrong type, all of them up to a limit.
pub(super) fn typed<T: DeserializeOwned>(members: Members) -> Result<T> {
    let mut body = Value::Object(members);
    without_lists(&mut body);
    let mut found: Vec<FieldViolation> = Vec::new();
    // serde stops at the first flaw; mending it shows the next one.
    while found.len() < MOST_VIOLATIONS {
        let cause = match serde_path_to_error::deserialize::<_, T>(&body) {
            Ok(request) if found.is_empty() => return Ok(request),
            Ok(_) => break,
            Err(cause) => cause,
        };
        let (field, flaw) = flaw(cause.path(), &cause.inner().to_string());
        let mended = mend(&mut body, &field, flaw);
        if flaw == Flaw::Null && mended {
            continue;
        }
        if mended || found.is_empty() {
            found.push(violation(field.join("."), flaw));
        }
        if !mended {
            break;
        }
    }
    Err(Error::invalid(found))
}

/// No face takes a list, and serde would take one for an object.
fn without_lists(value: &mut Value) {
    match value {
        Value::Array(_) => *value = Value::Bool(false),
        Value::Object(members) => members.values_mut().for_each(without_lists),
        _ => {}
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flaw {
    Unknown,
    Missing,
    /// It is `null`, where text must be.
    Null,
    NotText,
    Other,
}

/// What serde found. Its words quote the value, which may be a password: only how they begin and end is looked at.
fn flaw(path: &Path, words: &str) -> (Vec<String>, Flaw) {
    let mut field: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            _ => None,
        })
        .collect();
    let missing = words
        .strip_prefix("missing field `")
        .and_then(|name| name.split('`').next());
    let flaw = match missing {
        Some(name) => {
            field.push(name.to_owned());
            Flaw::Missing
        }
        None if words.starts_with("unknown field `") => Flaw::Unknown,
        None if !words.ends_with("expected a string") => Flaw::Other,
        None if words.starts_with("invalid type: null") => Flaw::Null,
        None => Flaw::NotText,
    };
    (field, flaw)
}

/// Makes the field one that serde takes, or leaves it out.
fn mend(body: &mut Value, field: &[String], flaw: Flaw) -> bool {
    let Some((name, outer)) = field.split_last() else {
        return false;
    };
    let object = outer
        .iter()
        .try_fold(body, |value, name| value.get_mut(name));
    let Some(object) = object.and_then(Value::as_object_mut) else {
        return false;
    };
    match flaw {
        Flaw::Unknown | Flaw::Null => object.retain(|known, _| known != name),
        Flaw::Missing | Flaw::NotText => {
            object.insert(name.clone(), Value::String(String::new()));
        }
        Flaw::Other => return false,
    }
    true
}

fn violation(field: String, flaw: Flaw) -> FieldViolation {
    let (reason, rule) = match flaw {
        Flaw::Unknown if is_repeatable(&field) => (FieldReason::UnknownField, "is not known here"),
        Flaw::Unknown => {
            let rule = "has a field that is not known here";
            return FieldViolation::new("body", FieldReason::UnknownField, rule);
        }
        Flaw::Missing | Flaw::Null => (FieldReason::Required, "is required"),
        Flaw::NotText => (FieldReason::WrongType, "must be a string"),
        Flaw::Other => (FieldReason::WrongType, "is of the wrong type"),
    };
    let field = if field.is_empty() {
        "body".to_owned()
    } else {
        field
    };
    FieldViolation::new(field, reason, rule)
}

/// Whether a name that the caller made up may stand in an answer.
fn is_repeatable(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The parameters of a form or a query. One that comes twice is refused (RFC 6749 section 3.2).
///
/// # Errors
/// A parameter comes twice or is not UTF-8.
pub(super) fn parameters(text: &[u8]) -> Result<Members> {
    let mut members = Members::new();
    for (name, value) in form::parameters(text)? {
        match members.get_mut(&name) {
            Some(Value::Array(texts)) => texts.push(value.into()),
            _ if form::is_list(&name) => drop(members.insert(name, vec![value].into())),
            _ => drop(members.insert(name, value.into())),
        }
    }
    Ok(members)
}

/// The request could not be read, for this reason.
fn malformed(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Reason::MalformedRequest).with_message(message)
}

fn given_twice(name: &str) -> Error {
    let violation = FieldViolation::new(
        name.to_owned(),
        FieldReason::GivenTwice,
        "must be given once",
    );
    Error::new(Reason::MalformedRequest).violating(violation)
}

fn object(bytes: &[u8]) -> Result<Members> {
    match json::parse(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(malformed("The body must be a JSON object.")),
        Err(error) => Err(error.repeated().map_or_else(
            || malformed(format!("The body is not JSON: {error}.")),
            given_twice,
        )),
    }
}

/// The media type; `None` when there is not exactly one in UTF-8, or when the body is compressed.
fn content_type(headers: &HeaderMap) -> Option<String> {
    unary::media_type(headers).filter(|_| unary::compression(headers).is_none())
}

#[cfg(test)]
mod tests;
