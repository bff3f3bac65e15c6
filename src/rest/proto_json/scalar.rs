//! The spellings of a scalar that the ProtoJSON page takes (<https://protobuf.dev/programming-guides/json>).
//! `prost-reflect` takes fewer of some (`"1e2"`, an enum as `1.0`) and more of others (`"+1"`, `"inf"`, whole
//! numbers that do not fit), so each scalar gets the one spelling that it reads exactly.

use prost_reflect::Kind;
use serde_json::{Number, Value};

/// A double or float may be one of these, in quotes.
const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];
/// A moment or a duration has at most nanoseconds.
const FRACTION_DIGITS: usize = 9;
/// -2^63, the lower end of 64 bits.
const LOWEST: f64 = i64::MIN as f64;

/// Rewrites a value for a field of this kind. False when it is a number, moment or duration in a spelling that
/// ProtoJSON does not take; values of another type are left for the reader to refuse.
pub(super) fn normalize(kind: &Kind, value: &mut Value) -> bool {
    let number = match (kind, &*value) {
        (Kind::Double | Kind::Float, Value::String(text)) if NOT_FINITE.contains(&&**text) => {
            return true;
        }
        (Kind::Double | Kind::Float, Value::String(text)) => parse_number(text),
        (kind, Value::String(text)) if is_whole(kind) => {
            parse_number(text).as_ref().and_then(whole)
        }
        // Quoted, an enum is a name.
        (kind, Value::Number(number)) if is_whole(kind) || matches!(kind, Kind::Enum(_)) => {
            whole(number)
        }
        (Kind::Message(message), Value::String(text))
            if matches!(
                message.full_name(),
                "google.protobuf.Timestamp" | "google.protobuf.Duration"
            ) =>
        {
            return fits_nanoseconds(text);
        }
        _ => return true,
    };
    let is_number = number.is_some();
    if let Some(number) = number {
        *value = number.into();
    }
    is_number
}

fn is_whole(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Double
            | Kind::Float
            | Kind::Bool
            | Kind::String
            | Kind::Bytes
            | Kind::Message(_)
            | Kind::Enum(_)
    )
}

/// The JSON number (RFC 8259 section 6) that the whole text is.
pub(in crate::rest) fn parse_number(text: &str) -> Option<Number> {
    let is_trimmed = text.trim().len() == text.len();
    is_trimmed
        .then(|| serde_json::from_str(text).ok())
        .flatten()
}

/// The number without a fraction or exponent. With one it was read as a double, as JSON numbers are (RFC 8259
/// section 6); digits alone are exact to 64 bits.
fn whole(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return Some(number.clone());
    }
    // Digits just below the range of 64 bits are read as its lower end.
    let is_whole = |double: &f64| double.fract() == 0.0 && *double > LOWEST;
    let double = number.as_f64().filter(is_whole)?;
    let digits = format!("{double:.0}");
    let signed = digits.parse::<i64>().map(Number::from);
    signed
        .or_else(|_| digits.parse::<u64>().map(Number::from))
        .ok()
}

fn fits_nanoseconds(text: &str) -> bool {
    text.split_once('.').is_none_or(|(_, rest)| {
        rest.bytes().take_while(u8::is_ascii_digit).count() <= FRACTION_DIGITS
    })
}
