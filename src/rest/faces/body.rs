//! Reads the body of a call to a face: the content type, the size, the text and its members.

use std::borrow::Cow;

use axum::extract::Request;
use http::HeaderMap;
use http_body::Body as _;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{call::Call, contract::Contract, members::Members};
use crate::{
    error::{Error, FieldReason, FieldViolation, Reason, Result},
    rest::{json, unary},
};

/// The content type of JSON (RFC 8259 section 11).
pub(super) const JSON: &str = "application/json";
/// The content type of a form (RFC 6749 appendix B).
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Reads a body in one of these content types, with the caller that sent it, if that may call the rpc which the body
/// is for.
///
/// # Errors
/// The content type is another, the caller is refused, the body is too large, or it is no object and no form.
pub(super) async fn read(
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
    Ok((call, Members::new(members)))
}

/// Reads a JSON body that may be left out, like [`read`]. An empty one says nothing, and needs no content type.
///
/// # Errors
/// The caller is refused; or there is a body, and it is not JSON, too large, or no object.
pub(super) async fn read_optional(
    contract: &Contract,
    rpc: &'static str,
    request: Request,
) -> Result<(Call, Members)> {
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
    Ok((call, Members::new(members)))
}

/// The parameters of a form or a query. One that comes twice is refused (RFC 6749 section 3.2).
///
/// # Errors
/// A parameter comes twice or is not UTF-8.
pub(super) fn parameters(text: &[u8]) -> Result<Map<String, Value>> {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(text) {
        // The parser replaces what is not UTF-8, which would make different passwords equal.
        if [&name, &value].iter().any(|text| text.contains('\u{fffd}')) {
            return Err(malformed("The form is not UTF-8."));
        }
        if parameters.contains_key(name.as_ref()) {
            return Err(if json::is_repeatable(&name) {
                given_twice(&name)
            } else {
                malformed("A parameter comes twice.")
            });
        }
        parameters.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(parameters)
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

fn object(bytes: &[u8]) -> Result<Map<String, Value>> {
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
