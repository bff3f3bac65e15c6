//! proto3 JSON, strictly: an unknown member, a member given under both of its names and a value of
//! the wrong type are refused by name, and never with the value. `prost-reflect` reads and writes the
//! messages; `scalar` comes before it, for the spellings of numbers that it reads otherwise than ProtoJSON.
//!
//! Answers always have every scalar and list of a message, also where it is empty or zero, so that
//! the shape of an answer does not depend on its values; absent messages and timestamps are left
//! out. That is `always_print_primitive_fields` of other transcoders, and what `/openapi.json` says.

mod scalar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde::de::value::MapDeserializer;
use serde_json::{Map, Value};

pub(super) use self::scalar::parse_number;
use super::json::{self, JsonError};
use crate::{
    error::{Error, FieldReason, FieldViolation, Reason, Result},
    pb::validate::among,
};

/// What is at fault where no field is.
pub(super) const BODY: &str = "body";

/// Longer names are not worth repeating to the caller.
const LONGEST_NAME: usize = 64;

/// Reads the JSON of a message; a member that comes twice is named as the contract names it.
pub(super) fn parse(message: &MessageDescriptor, body: &[u8]) -> Result<Value> {
    json::parse(body).map_err(|cause| unreadable(cause, Some(message.clone()), ""))
}

/// The same for the JSON of one field of a message, which the names start with.
pub(super) fn parse_field(field: &FieldDescriptor, body: &[u8]) -> Result<Value> {
    json::parse(body).map_err(|cause| unreadable(cause, plain_message(field), field.name()))
}

fn unreadable(cause: JsonError, message: Option<MessageDescriptor>, path: &str) -> Error {
    let repeated = cause.repeated().map(|members| {
        let names = child(path, &proto_names(message, members));
        malformed(&names, FieldReason::GivenTwice, "must be given once")
    });
    let unreadable = || {
        let rule = format!("must be JSON: {cause}");
        malformed(BODY, FieldReason::InvalidFormat, rule)
    };
    repeated.unwrap_or_else(unreadable).because(cause)
}

/// The dotted path of proto names, as far as the members are fields.
fn proto_names(mut message: Option<MessageDescriptor>, path: &str) -> String {
    let names = path.split('.').map(|name| {
        let field = message.as_ref().and_then(|message| field(message, name));
        message = field.as_ref().and_then(plain_message);
        field.map_or_else(|| name.to_owned(), |field| field.name().to_owned())
    });
    names.collect::<Vec<_>>().join(".")
}

/// Reads a message.
pub(super) fn read(message: &MessageDescriptor, mut value: Value) -> Result<DynamicMessage> {
    prepare(message, &mut value, "")?;
    DynamicMessage::deserialize(message.clone(), &value)
        .map_err(|_| wrong_value(message, &value, ""))
}

/// Writes a message.
pub(super) fn write(message: &DynamicMessage) -> Result<Bytes> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let mut text = Vec::with_capacity(512);
    let mut writer = serde_json::Serializer::new(&mut text);
    message
        .serialize_with_options(&mut writer, &options)
        .map_err(Error::internal)?;
    Ok(text.into())
}

/// The field under either of its names.
pub(super) fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_json_name(name)
        .or_else(|| message.get_field_by_name(name))
}

/// The message that a field holds member by member in JSON; none for scalars and for messages with
/// a form of their own, such as `google.protobuf.Timestamp`.
pub(super) fn plain_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_map() && is_plain(&message) => Some(message),
        _ => None,
    }
}

fn is_plain(message: &MessageDescriptor) -> bool {
    message.package_name() != "google.protobuf"
}

/// A name from outside, fit to be repeated: anything but a short plain name is left out.
pub(super) fn shown(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$');
    if path.len() <= LONGEST_NAME && path.chars().all(plain) {
        path.to_owned()
    } else {
        "(unreadable name)".to_owned()
    }
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The request cannot be read, for something that is wrong with this part of it.
pub(super) fn malformed(
    path: &str,
    reason: FieldReason,
    description: impl Into<Cow<'static, str>>,
) -> Error {
    Error::new(Reason::MalformedRequest).violating(FieldViolation::new(
        path.to_owned(),
        reason,
        description,
    ))
}

/// Refuses members that no field has, and fields under two names; normalizes the scalars.
fn prepare(message: &MessageDescriptor, value: &mut Value, path: &str) -> Result<()> {
    let (true, Value::Object(object)) = (is_plain(message), value) else {
        return Ok(());
    };
    for name in object.keys() {
        let Some(field) = field(message, name) else {
            return Err(malformed(
                &child(path, &shown(name)),
                FieldReason::UnknownField,
                "is not known",
            ));
        };
        if name != field.name() && object.contains_key(field.name()) {
            return Err(malformed(
                &child(path, field.name()),
                FieldReason::GivenTwice,
                "must be given once",
            ));
        }
    }
    for (name, value) in object {
        if let Some(field) = field(message, name) {
            let path = child(path, field.name());
            match value {
                Value::Array(items) if field.is_list() => items
                    .iter_mut()
                    .try_for_each(|item| prepare_field(&field, item, &path))?,
                value => prepare_field(&field, value, &path)?,
            }
        }
    }
    Ok(())
}

/// The body is JSON, and no object.
pub(super) fn no_object() -> Error {
    malformed(BODY, FieldReason::WrongType, "must be a JSON object")
}

fn prepare_field(field: &FieldDescriptor, value: &mut Value, path: &str) -> Result<()> {
    match plain_message(field) {
        Some(message) => prepare(&message, value, path),
        None if scalar::normalize(&field.kind(), value) => Ok(()),
        None => Err(invalid(path, expectation(&field.kind()))),
    }
}

/// Finds the value that could not be read. Only a refusal pays for this.
fn wrong_value(message: &MessageDescriptor, value: &Value, path: &str) -> Error {
    let Value::Object(object) = value else {
        return if path.is_empty() {
            no_object()
        } else {
            invalid(path, "must be an object")
        };
    };
    object
        .iter()
        .filter_map(|(name, value)| Some((field(message, name)?, value)))
        .find(|(field, value)| !is_readable(message, field, value))
        .map_or_else(
            || Error::new(Reason::MalformedRequest),
            |(field, value)| wrong_field(&field, value, &child(path, field.name())),
        )
}

fn is_readable(message: &MessageDescriptor, field: &FieldDescriptor, value: &Value) -> bool {
    let alone = [(field.json_name(), value)].into_iter();
    let alone = MapDeserializer::<_, serde_json::Error>::new(alone);
    DynamicMessage::deserialize(message.clone(), alone).is_ok()
}

fn wrong_field(field: &FieldDescriptor, value: &Value, path: &str) -> Error {
    match (plain_message(field), value) {
        (Some(_), Value::Array(_)) if !field.is_list() => invalid(path, "must be an object"),
        (Some(message), Value::Array(items)) => items
            .iter()
            .find(|item| DynamicMessage::deserialize(message.clone(), *item).is_err())
            .map_or_else(
                || invalid(path, "must be a list"),
                |item| wrong_value(&message, item, path),
            ),
        (Some(message), value) if !field.is_list() => wrong_value(&message, value, path),
        (_, value) if field.is_list() && !value.is_array() => invalid(path, "must be a list"),
        _ => invalid(path, expectation(&field.kind())),
    }
}

/// A value that is not of the JSON type that the field asks for.
fn invalid(path: &str, description: impl Into<Cow<'static, str>>) -> Error {
    Error::invalid(vec![FieldViolation::new(
        path.to_owned(),
        FieldReason::WrongType,
        description,
    )])
}

/// What a value of this kind must be, to follow after the name of a field.
fn expectation(kind: &Kind) -> Cow<'static, str> {
    let description = match kind {
        Kind::String => "must be a string",
        Kind::Bytes => "must be a string of base64",
        Kind::Bool => "must be true or false",
        Kind::Double | Kind::Float => "must be a number",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "must be a time as in RFC 3339",
            "google.protobuf.Duration" => "must be a duration in seconds, such as 1.5s",
            "google.protobuf.FieldMask" => "must be names of fields in lowerCamelCase, with commas",
            _ => "is of the wrong form",
        },
        Kind::Enum(kind) => {
            let values: Vec<_> = kind.values().collect();
            let names: Vec<_> = values.iter().map(|value| value.name()).collect();
            return among(&names).into();
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "must be a whole number of 32 bits",
        Kind::Uint32 | Kind::Fixed32 => "must be a whole number of 32 bits, not below 0",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "must be a whole number of 64 bits",
        Kind::Uint64 | Kind::Fixed64 => "must be a whole number of 64 bits, not below 0",
    };
    description.into()
}

/// Sets the member for a field, under whichever name it stood before.
pub(super) fn put(object: &mut Map<String, Value>, field: &FieldDescriptor, value: Value) {
    object.remove(field.name());
    object.insert(field.json_name().to_owned(), value);
}

/// The member for a field, under either of its names.
pub(super) fn member<'a>(
    object: &'a mut Map<String, Value>,
    field: &FieldDescriptor,
) -> Option<&'a mut Value> {
    let name = if object.contains_key(field.json_name()) {
        field.json_name()
    } else {
        field.name()
    };
    object.get_mut(name)
}
