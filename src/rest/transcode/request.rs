//! A REST request, put together as the one JSON object of the rpc's message: body, then query, then
//! path. What the path says stands: the body of a resource may repeat its name, which is not read.

use std::slice;

use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind};
use serde_json::{Map, Value};

use super::{
    route::{Body, FieldPath, Route, resolve},
    template::SplitPath,
};
use crate::{
    error::{Error, FieldReason, FieldViolation, Result},
    rest::{percent, proto_json, unary},
};

type Object = Map<String, Value>;

/// The message that a request stands for.
pub(super) fn message(
    route: &Route,
    parts: &Parts,
    path: &SplitPath<'_>,
    body: &Bytes,
) -> Result<DynamicMessage> {
    let mut object = from_body(route, &parts.headers, body)?;
    for (name, value) in pairs(parts.uri.query().unwrap_or_default())? {
        add_parameter(route, &mut object, &name, value)?;
    }
    for (field, value) in route.captures(path) {
        let value = value.ok_or_else(|| {
            violation(
                field,
                FieldReason::InvalidFormat,
                "must be percent-encoded UTF-8 (RFC 3986)",
            )
        })?;
        set(&mut object, field, value)?;
    }
    proto_json::read(&route.rpc.input, Value::Object(object))
}

/// Whether the path takes a body like the one that is announced. One without a length may turn out to be empty,
/// which is known when it has been read.
pub(super) fn check_announced(
    route: &Route,
    headers: &HeaderMap,
    body: &impl http_body::Body,
) -> Result<()> {
    if body.size_hint().lower() == 0 {
        return Ok(());
    }
    check_content(route, headers)
}

fn check_content(route: &Route, headers: &HeaderMap) -> Result<()> {
    if matches!(route.body, Body::None) {
        return Err(proto_json::malformed(
            proto_json::BODY,
            FieldReason::NotAllowed,
            "must be empty here",
        ));
    }
    let is_json = unary::media_type(headers).as_deref() == Some("application/json");
    if !is_json || unary::compression(headers).is_some() {
        return Err(unary::unsupported(headers, &["application/json"]));
    }
    Ok(())
}

fn from_body(route: &Route, headers: &HeaderMap, body: &Bytes) -> Result<Object> {
    if body.is_empty() {
        return match &route.body {
            Body::Field { field, required } if *required => Err(violation(
                slice::from_ref(field),
                FieldReason::Required,
                "is required",
            )),
            _ => Ok(Object::new()),
        };
    }
    check_content(route, headers)?;
    let value = parse(route, body)?;
    match (&route.body, value) {
        (Body::Field { field, required }, Value::Null) if *required => Err(violation(
            slice::from_ref(field),
            FieldReason::Required,
            "is required",
        )),
        (Body::Field { field, .. }, value) => Ok([(field.json_name().to_owned(), value)]
            .into_iter()
            .collect()),
        (_, Value::Object(object)) => unbound(route, object),
        _ => Err(proto_json::no_object()),
    }
}

fn parse(route: &Route, body: &Bytes) -> Result<Value> {
    match &route.body {
        Body::Field { field, .. } => proto_json::parse_field(field, body),
        Body::None | Body::Message => proto_json::parse(&route.rpc.input, body),
    }
}

/// With `body: "*"` the body holds every field but those in the path.
fn unbound(route: &Route, object: Object) -> Result<Object> {
    for name in object.keys() {
        if let Some(field) = proto_json::field(&route.rpc.input, name)
            && route.is_bound(slice::from_ref(&field))
        {
            return Err(violation(
                &[field],
                FieldReason::NotAllowed,
                "is set by the path",
            ));
        }
    }
    Ok(object)
}

/// The parameters of a query, decoded.
fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let rule = "must be percent-encoded UTF-8 (RFC 3986)";
            let name = percent::decode_query(name)
                .ok_or_else(|| proto_json::malformed("query", FieldReason::InvalidFormat, rule))?;
            let value = percent::decode_query(value).ok_or_else(|| {
                invalid(proto_json::shown(&name), FieldReason::InvalidFormat, rule)
            })?;
            Ok((name.into_owned(), value.into_owned()))
        })
        .collect()
}

fn add_parameter(route: &Route, object: &mut Object, name: &str, value: String) -> Result<()> {
    let field = match (&route.body, resolve(&route.rpc.input, name)) {
        (Body::None | Body::Field { .. }, Some(field)) => field,
        _ => {
            return Err(invalid(
                proto_json::shown(name),
                FieldReason::UnknownField,
                "is not a parameter of this path",
            ));
        }
    };
    if route.is_bound(&field) {
        return Err(violation(
            &field,
            FieldReason::NotAllowed,
            "is set by the path",
        ));
    }
    if matches!(&route.body, Body::Field { field: body, .. } if field.first() == Some(body)) {
        return Err(violation(
            &field,
            FieldReason::NotAllowed,
            "is set by the body",
        ));
    }
    let Some(last) = field.last().filter(|last| is_parameter(last)) else {
        return Err(violation(
            &field,
            FieldReason::NotAllowed,
            "cannot be given in the query",
        ));
    };
    let value = json_value(last, value);
    let inner = object_of(object, &field)?;
    match proto_json::member(inner, last) {
        Some(Value::Array(items)) => items.push(value),
        Some(_) => {
            return Err(violation(
                &field,
                FieldReason::GivenTwice,
                "must be given once",
            ));
        }
        None if last.is_list() => proto_json::put(inner, last, vec![value].into()),
        None => proto_json::put(inner, last, value),
    }
    Ok(())
}

fn is_parameter(field: &FieldDescriptor) -> bool {
    !field.is_map() && proto_json::plain_message(field).is_none()
}

/// Sets a field that the path names.
fn set(object: &mut Object, field: &FieldPath, value: String) -> Result<()> {
    let Some(last) = field.last() else {
        return Ok(());
    };
    let value = json_value(last, value);
    proto_json::put(object_of(object, field)?, last, value);
    Ok(())
}

/// The object that holds the last field of the path; the objects on the way to it are made.
fn object_of<'o>(object: &'o mut Object, path: &[FieldDescriptor]) -> Result<&'o mut Object> {
    let mut inner = object;
    for (depth, field) in path.iter().enumerate().take(path.len().saturating_sub(1)) {
        if matches!(proto_json::member(inner, field), None | Some(Value::Null)) {
            proto_json::put(inner, field, Object::new().into());
        }
        inner = proto_json::member(inner, field)
            .and_then(Value::as_object_mut)
            .ok_or_else(|| {
                violation(&path[..=depth], FieldReason::WrongType, "must be an object")
            })?;
    }
    Ok(inner)
}

/// The JSON form of a value that came as text.
fn json_value(field: &FieldDescriptor, text: String) -> Value {
    match field.kind() {
        Kind::Bool => text.parse().map_or(Value::String(text), Value::Bool),
        Kind::Enum(_) => proto_json::parse_number(&text).map_or(Value::String(text), Value::Number),
        Kind::Message(message) if message.full_name() == "google.protobuf.FieldMask" => {
            camel_case(&text).into()
        }
        Kind::Message(message) if message.full_name() == "google.protobuf.BoolValue" => {
            text.parse().map_or(Value::String(text), Value::Bool)
        }
        _ => text.into(),
    }
}

/// A field mask in a query may use proto names too (AIP-134); its JSON form has only the others.
fn camel_case(mask: &str) -> String {
    let mut camel = String::with_capacity(mask.len());
    let mut rest = mask.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.next_if(|next| c == '_' && next.is_ascii_lowercase()) {
            Some(next) => camel.push(next.to_ascii_uppercase()),
            None => camel.push(c),
        }
    }
    camel
}

fn violation(path: &[FieldDescriptor], reason: FieldReason, description: &'static str) -> Error {
    let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
    invalid(names.join("."), reason, description)
}

fn invalid(field: String, reason: FieldReason, description: &'static str) -> Error {
    Error::invalid(vec![FieldViolation::new(field, reason, description)])
}
