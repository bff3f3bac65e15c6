//! JSON as it comes from outside: read strictly, so that no two readers can understand it differently.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a body is not JSON that can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(serde_json::Error);

/// Reads one JSON value and nothing after it. A member name that comes twice is refused (RFC 8259
/// section 4 leaves its meaning open), and so is nesting deeper than 128.
///
/// # Errors
/// The body is not such a value; the error never quotes a value from it.
pub fn parse(body: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice::<Strict>(body)
        .map(|strict| strict.0)
        .map_err(JsonError)
}

/// A value whose objects have no member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a member name comes twice"));
            }
            let Strict(value) = members.next_value()?;
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_is_read() {
        let value = parse(br#"{"a":[1,-2,0.5,null,true,"x"],"b":{"c":""}}"#).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"a": [1, -2, 0.5, null, true, "x"], "b": {"c": ""}})
        );
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for body in [
            "",
            "{",
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            "{} {}",
            "{\"a\":\"\u{1}\"}",
            "NaN",
            &deep,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
