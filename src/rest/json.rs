//! JSON as it comes from outside: read strictly, so that no two readers can understand it differently.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A longer name is not repeated to the caller.
const LONGEST_NAME: usize = 64;

/// Why a body is not JSON that can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct JsonError {
    cause: serde_json::Error,
    repeated: Option<String>,
}

impl JsonError {
    /// The member that comes twice, with dots between it and those that it stands in; none when
    /// something else is wrong, and when the name is not plain enough to be repeated to the caller.
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        self.repeated.as_deref().filter(|path| is_repeatable(path))
    }
}

/// Whether a name that the caller made up may stand in an answer: short plain names with dots between.
pub(crate) fn is_repeatable(path: &str) -> bool {
    let is_plain = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    path.len() <= LONGEST_NAME && path.split('.').all(is_plain)
}

/// Reads one JSON value and nothing after it. A member name that comes twice is refused (RFC 8259
/// section 4 leaves its meaning open), and so is nesting deeper than 128.
///
/// # Errors
/// The body is not such a value; the error never quotes a value from it.
pub fn parse(body: &[u8]) -> Result<Value, JsonError> {
    let repeated = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(body);
    Strict(&repeated)
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|cause| JsonError {
            cause,
            repeated: repeated.take(),
        })
}

/// Reads a value whose objects have no member twice, and keeps the path of the one that has.
#[derive(Clone, Copy)]
struct Strict<'p>(&'p RefCell<Option<String>>);

impl Strict<'_> {
    /// On the way out of the member that comes twice: the names of those around it.
    fn stands_in(self, name: &str) {
        if let Some(path) = self.0.borrow_mut().as_mut() {
            *path = format!("{name}.{path}");
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
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
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.replace(Some(name));
                return Err(A::Error::custom("a member name comes twice"));
            }
            let value = members
                .next_value_seed(self)
                .inspect_err(|_| self.stands_in(&name))?;
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

    #[test]
    fn a_member_that_comes_twice_is_named_when_its_name_is_plain() {
        let long = "a".repeat(LONGEST_NAME + 1);
        for (body, named) in [
            (r#"{"email":1,"b":{},"email":2}"#, Some("email")),
            (r#"{"a":{"b_1":1,"b_1":1}}"#, Some("a.b_1")),
            (r#"{"a":[{},{"b":1,"b":1}]}"#, Some("a.b")),
            (r#"{"hunter 2":1,"hunter 2":1}"#, None),
            (r#"{"a.b":{"c":1,"c":1}}"#, Some("a.b.c")),
            (r#"{"":1,"":1}"#, None),
            (&format!(r#"{{"{long}":1,"{long}":1}}"#), None),
            (r#"{"a":1"#, None),
            (r#"{} {}"#, None),
        ] {
            let error = parse(body.as_bytes()).unwrap_err();
            assert_eq!(error.repeated(), named, "{body}");
        }
    }
}
