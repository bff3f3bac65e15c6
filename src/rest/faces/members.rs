//! From the members of a body to a typed request, naming every field at fault and no value.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use crate::{
    error::{Error, FieldViolation},
    rest::fault::Fault,
};

/// More than these in one body help nobody.
const MOST_VIOLATIONS: usize = 16;
/// A longer name is not repeated to the caller.
const LONGEST_NAME: usize = 64;

/// What becomes of a member that the request does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unknown {
    /// It is refused: a misspelt optional field would otherwise be dropped in silence.
    Refused,
    /// It is ignored, as RFC 6749 section 3.2 has it for forms.
    Ignored,
}

/// The members of a body, by name.
pub(super) struct Members {
    object: Map<String, Value>,
    unknown: Unknown,
}

impl Members {
    /// The members of a body.
    pub(super) fn new(object: Map<String, Value>, unknown: Unknown) -> Self {
        Self { object, unknown }
    }

    /// Whether they came as a form.
    pub(super) fn is_form(&self) -> bool {
        self.unknown == Unknown::Ignored
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name).and_then(Value::as_str)
    }

    /// The request that the members make. `null` is an absent member.
    ///
    /// # Errors
    /// The fields that are missing, unknown or of the wrong type, all of them up to a limit.
    pub(super) fn typed<T: DeserializeOwned>(mut self) -> Result<T, Fault> {
        let mut found: Vec<FieldViolation> = Vec::new();
        loop {
            let flaw = match T::deserialize(Object(&self)) {
                Ok(request) if found.is_empty() => return Ok(request),
                Ok(_) => break,
                Err(flaw) => flaw,
            };
            // Serde stops at the first flaw; mending it shows the next one.
            let is_mended =
                self.mend(&flaw) && !found.iter().any(|known| known.field == flaw.field);
            if is_mended || found.is_empty() {
                found.push(flaw.into());
            }
            if !is_mended || found.len() == MOST_VIOLATIONS {
                break;
            }
        }
        Err(Error::invalid(found).into())
    }

    fn mend(&mut self, flaw: &Flaw) -> bool {
        match flaw.kind {
            FlawKind::Unknown => self.object.remove(flaw.field.as_ref()).is_some(),
            FlawKind::Missing | FlawKind::NotText => {
                let text = Value::String(String::new());
                self.object.insert(flaw.field.clone().into_owned(), text);
                true
            }
            FlawKind::Other => false,
        }
    }

    fn entries(&self) -> impl Iterator<Item = (&str, Member<'_>)> {
        self.object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.as_str(), Member { name, value }))
    }
}

/// The members as serde reads them.
struct Object<'de>(&'de Members);

impl<'de> Deserializer<'de> for Object<'de> {
    type Error = Flaw;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_map(MapDeserializer::new(self.0.entries()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        let is_known = |name: &str| fields.contains(&name);
        if self.0.unknown == Unknown::Refused
            && let Some(name) = self.0.object.keys().find(|name| !is_known(name))
        {
            return Err(Flaw {
                field: Cow::Owned(name.clone()),
                kind: FlawKind::Unknown,
            });
        }
        visitor.visit_map(MapDeserializer::new(
            self.0.entries().filter(|(name, _)| is_known(name)),
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One member and its name.
struct Member<'de> {
    name: &'de str,
    value: &'de Value,
}

impl<'de> IntoDeserializer<'de, Flaw> for Member<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Member<'de> {
    type Error = Flaw;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        self.value.deserialize_any(visitor).map_err(|_| Flaw {
            field: Cow::Owned(self.name.to_owned()),
            kind: FlawKind::Other,
        })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(Flaw {
                field: Cow::Owned(self.name.to_owned()),
                kind: FlawKind::NotText,
            }),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A field at fault. Serde's own errors quote the value, which may be a password.
#[derive(Debug)]
struct Flaw {
    field: Cow<'static, str>,
    kind: FlawKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum FlawKind {
    Unknown,
    Missing,
    NotText,
    Other,
}

impl From<Flaw> for FieldViolation {
    fn from(flaw: Flaw) -> Self {
        match flaw.kind {
            FlawKind::Unknown if is_repeatable(&flaw.field) => {
                Self::new(flaw.field, "is not known here")
            }
            FlawKind::Unknown => Self::new("body", "has a field that is not known here"),
            FlawKind::Missing => Self::new(flaw.field, "is required"),
            FlawKind::NotText => Self::new(flaw.field, "must be a string"),
            FlawKind::Other => Self::new(flaw.field, "is of the wrong type"),
        }
    }
}

/// Whether a name that the caller made up may stand in an answer.
fn is_repeatable(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic())
}

impl serde::de::Error for Flaw {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self {
            field: Cow::Borrowed("body"),
            kind: FlawKind::Other,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            field: Cow::Borrowed(field),
            kind: FlawKind::Missing,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not as it should be", self.field)
    }
}

impl std::error::Error for Flaw {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        email: String,
        password: String,
        #[serde(rename = "displayName")]
        display_name: Option<String>,
    }

    fn read(body: Value, unknown: Unknown) -> Result<Sample, Vec<(String, String)>> {
        let Value::Object(object) = body else {
            panic!("not an object")
        };
        Members::new(object, unknown).typed().map_err(|fault| {
            fault
                .violations
                .into_iter()
                .map(|violation| (violation.field.into(), violation.description.into()))
                .collect()
        })
    }

    #[test]
    fn null_is_an_absent_member() {
        let sample = read(
            json!({"email": "a", "password": "", "displayName": null}),
            Unknown::Refused,
        );
        assert_eq!(
            sample,
            Ok(Sample {
                email: "a".into(),
                password: String::new(),
                display_name: None
            })
        );
        let found = read(json!({"email": "a", "password": null}), Unknown::Refused).unwrap_err();
        assert_eq!(found, [("password".into(), "is required".into())]);
    }

    #[test]
    fn every_field_at_fault_is_named_and_no_value() {
        let body = json!({"email": ["hunter2"], "displayName": 7, "nmae": "hunter2", "e v": 1});
        let mut found = read(body, Unknown::Refused).unwrap_err();
        found.sort();
        let named = |field: &str, description: &str| (field.to_owned(), description.to_owned());
        assert_eq!(
            found,
            [
                named("body", "has a field that is not known here"),
                named("displayName", "must be a string"),
                named("email", "must be a string"),
                named("nmae", "is not known here"),
                named("password", "is required"),
            ]
        );
    }

    #[test]
    fn a_flood_of_unknown_members_is_answered_briefly() {
        let object = (0..5000).map(|n| (format!("f{n}"), Value::Null)).collect();
        let found = read(Value::Object(object), Unknown::Refused).unwrap_err();
        assert_eq!(found.len(), MOST_VIOLATIONS);
    }

    #[test]
    fn a_form_may_say_more_than_is_asked() {
        let body = json!({"email": "a", "password": "b", "client_id": "c"});
        assert!(read(body, Unknown::Ignored).is_ok());
    }
}
