//! From the members of a body to a typed request, naming every field at fault and no value.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

use crate::error::{self, Error, FieldReason, FieldViolation};

/// More than these in one body help nobody.
const MOST_VIOLATIONS: usize = 16;
/// A longer name is not repeated to the caller.
const LONGEST_NAME: usize = 64;

/// The members of a body, by name, whether it came as JSON or as a form.
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// The members of a body.
    pub(super) fn new(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The request that the members make. `null` is an absent member. A member that the request does not know is
    /// refused where its type says `deny_unknown_fields`, else ignored.
    ///
    /// # Errors
    /// The fields that are missing, unknown or of the wrong type, all of them up to a limit.
    pub(super) fn typed<T: DeserializeOwned>(mut self) -> error::Result<T> {
        let mut found: Vec<FieldViolation> = Vec::new();
        loop {
            let flaw = match T::deserialize(Object(&self.0)) {
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
        Err(Error::invalid(found))
    }

    fn mend(&mut self, flaw: &Flaw) -> bool {
        let Some((object, name)) = self.place(&flaw.field) else {
            return false;
        };
        match flaw.kind {
            FlawKind::Unknown => object.remove(name).is_some(),
            FlawKind::Missing | FlawKind::NotText => {
                object.insert(name.to_owned(), Value::String(String::new()));
                true
            }
            FlawKind::Other => false,
        }
    }

    /// The object that has this field, and its name there. What stands in an object of the body is named
    /// after that too: `pow.nonce`.
    fn place<'a>(&mut self, field: &'a str) -> Option<(&mut Map<String, Value>, &'a str)> {
        match field.split_once('.') {
            Some((outer, inner)) if !self.0.contains_key(field) => {
                let object = self.0.get_mut(outer)?.as_object_mut()?;
                Some((object, inner))
            }
            _ => Some((&mut self.0, field)),
        }
    }
}

/// Members as serde reads them: those of the body, or of an object in it.
struct Object<'de>(&'de Map<String, Value>);

impl<'de> Deserializer<'de> for Object<'de> {
    type Error = Flaw;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Flaw> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        let is_absent = |name: &str, value: &Value| value.is_null() && fields.contains(&name);
        let members = self
            .0
            .iter()
            .filter(|(name, value)| !is_absent(name, value))
            .map(|(name, value)| (name.as_str(), Member { name, value }));
        visitor.visit_map(MapDeserializer::new(members))
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

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Flaw> {
        let Value::Object(members) = self.value else {
            return Err(Flaw {
                field: Cow::Owned(self.name.to_owned()),
                kind: FlawKind::Other,
            });
        };
        Object(members)
            .deserialize_struct(name, fields, visitor)
            .map_err(|flaw| flaw.inside(self.name))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A field at fault. Serde's own errors quote the value, which may be a password.
#[derive(Debug)]
struct Flaw {
    field: Cow<'static, str>,
    kind: FlawKind,
}

impl Flaw {
    /// The flaw as the one that holds this object sees it.
    fn inside(self, object: &str) -> Self {
        Self {
            field: Cow::Owned(format!("{object}.{}", self.field)),
            ..self
        }
    }
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
                Self::new(flaw.field, FieldReason::UnknownField, "is not known here")
            }
            FlawKind::Unknown => Self::new(
                "body",
                FieldReason::UnknownField,
                "has a field that is not known here",
            ),
            FlawKind::Missing => Self::new(flaw.field, FieldReason::Required, "is required"),
            FlawKind::NotText => Self::new(flaw.field, FieldReason::WrongType, "must be a string"),
            FlawKind::Other => {
                Self::new(flaw.field, FieldReason::WrongType, "is of the wrong type")
            }
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

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self {
            field: Cow::Owned(field.to_owned()),
            kind: FlawKind::Unknown,
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
mod tests;
