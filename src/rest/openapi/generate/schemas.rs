//! The messages of the contract as JSON Schema 2020-12, with the field rules of the proto.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::{comments::Comments, rules};
use crate::{
    pb,
    rest::{
        contract::{Behavior, behaves},
        proto_json::plain_message,
    },
};

/// The option of a field that holds a secret.
const SENSITIVE: &str = "countersign.v1.sensitive";

/// Every message that REST speaks.
pub(super) struct Schemas<'c> {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
    requests: BTreeSet<String>,
    answers: BTreeSet<String>,
    comments: &'c Comments,
}

impl<'c> Schemas<'c> {
    pub(super) fn new(rpcs: &[MethodDescriptor], comments: &'c Comments) -> Self {
        let mut schemas = Self {
            messages: BTreeMap::new(),
            enums: BTreeMap::new(),
            requests: BTreeSet::new(),
            answers: BTreeSet::new(),
            comments,
        };
        for rpc in rpcs {
            let mut requests = BTreeSet::new();
            schemas.collect(&rpc.input(), &mut requests);
            schemas.requests.append(&mut requests);
            let mut answers = BTreeSet::new();
            schemas.collect(&rpc.output(), &mut answers);
            schemas.answers.append(&mut answers);
        }
        schemas
    }

    fn collect(&mut self, message: &MessageDescriptor, seen: &mut BTreeSet<String>) {
        if !seen.insert(message.full_name().to_owned()) {
            return;
        }
        self.messages.insert(
            name_of(message.package_name(), message.name()),
            message.clone(),
        );
        for field in message.fields() {
            if let Some(inner) = plain_message(&field) {
                self.collect(&inner, seen);
            }
            if let Kind::Enum(kind) = field.kind() {
                self.enums
                    .insert(name_of(kind.package_name(), kind.name()), kind);
            }
        }
    }

    /// `components.schemas`.
    pub(super) fn components(&self) -> Map<String, Value> {
        let messages = self
            .messages
            .iter()
            .map(|(name, message)| (name.clone(), self.message(message, |_| true)));
        let enums = self
            .enums
            .iter()
            .map(|(name, kind)| (name.clone(), self.enumeration(kind)));
        messages.chain(enums).collect()
    }

    /// The schema of a message with some of its fields.
    pub(super) fn message(
        &self,
        message: &MessageDescriptor,
        keep: impl Fn(&FieldDescriptor) -> bool,
    ) -> Value {
        let fields: Vec<_> = message.fields().filter(keep).collect();
        let properties: Map<_, _> = fields
            .iter()
            .map(|field| (field.json_name().to_owned(), self.field(field)))
            .collect();
        let required: Vec<_> = fields
            .iter()
            .filter(|field| self.is_required(message, field))
            .map(FieldDescriptor::json_name)
            .collect();
        let mut schema = json!({
            "type": "object",
            "description": self.comments.of(&message.parent_file(), message.path()),
            "properties": properties,
        });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if self.requests.contains(message.full_name()) {
            // Unknown members are refused; answers stay open for what later versions add.
            schema["additionalProperties"] = false.into();
        }
        schema
    }

    /// In an answer every field without presence is there, also where it is empty. A message that
    /// travels both ways promises only what a request must have.
    fn is_required(&self, message: &MessageDescriptor, field: &FieldDescriptor) -> bool {
        let only_answer = !self.requests.contains(message.full_name())
            && self.answers.contains(message.full_name());
        behaves(field, Behavior::Required) || only_answer && !field.supports_presence()
    }

    /// The schema of one field, with its rules and its description.
    pub(super) fn field(&self, field: &FieldDescriptor) -> Value {
        let mut schema = if field.is_list() {
            json!({"type": "array", "items": kind(&field.kind())})
        } else {
            kind(&field.kind())
        };
        schema["description"] = self.comments.of(&field.parent_file(), field.path()).into();
        rules::apply(&mut schema, field);
        if behaves(field, Behavior::OutputOnly) {
            schema["readOnly"] = true.into();
        }
        if is_secret(field) {
            schema["format"] = "password".into();
        }
        schema
    }

    fn enumeration(&self, kind: &EnumDescriptor) -> Value {
        let values: Vec<_> = kind.values().collect();
        let names: Vec<_> = values.iter().map(|value| value.name()).collect();
        let file = kind.parent_file();
        let mut text = self.comments.of(&file, kind.path()).to_owned();
        for value in &values {
            let comment = self.comments.of(&file, value.path()).replace('\n', " ");
            text.push_str(&format!("\n- `{}`: {comment}", value.name()));
        }
        json!({"type": "string", "enum": names, "description": text})
    }
}

/// What a message, an enum or a service is called here: its name, after the package where that is not the main one.
pub(super) fn name_of(package: &str, name: &str) -> String {
    match package.strip_prefix(pb::PACKAGES) {
        None | Some("v1") => name.to_owned(),
        Some(other) => format!("{other}.{name}"),
    }
}

fn is_secret(field: &FieldDescriptor) -> bool {
    field.options().extensions().any(|(extension, value)| {
        extension.full_name() == SENSITIVE && value.as_bool() == Some(true)
    })
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Double | Kind::Float => json!({"type": "number"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX})
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({"type": "integer", "format": "uint32", "minimum": 0, "maximum": u32::MAX})
        }
        // proto3 JSON writes 64 bits as text, for readers whose numbers have only 53.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
            json!({"type": "string", "pattern": "^-?[0-9]{1,20}$"})
        }
        Kind::Enum(kind) => reference(&name_of(kind.package_name(), kind.name())),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
            "google.protobuf.Duration" => {
                json!({"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"})
            }
            "google.protobuf.FieldMask" => json!({"type": "string"}),
            _ => reference(&name_of(message.package_name(), message.name())),
        },
    }
}

/// A reference to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
