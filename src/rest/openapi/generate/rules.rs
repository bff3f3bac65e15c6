//! The field rules of the contract as keywords of JSON Schema.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value as ProtoValue};
use serde_json::{Value, json};

use crate::rest::contract::extension;

/// Adds what the rules of a field ask of its value.
pub(super) fn apply(schema: &mut Value, field: &FieldDescriptor) {
    let Some(rules) = extension(&field.options(), "buf.validate.field") else {
        return;
    };
    let rule = |name| inner(&rules, name);
    if let Some(list) = rule("repeated") {
        copy(schema, &list, "max_items", "maxItems");
        if let Some(string) = inner(&list, "items").and_then(|items| inner(&items, "string")) {
            apply_string(&mut schema["items"], &string);
        }
    }
    if let Some(string) = rule("string") {
        apply_string(schema, &string);
    }
    if let Some(number) = rule("int32") {
        copy(schema, &number, "gte", "minimum");
    }
    if let (Some(rules), Kind::Enum(kind)) = (rule("enum"), field.kind()) {
        let numbers = list(&rules, "not_in").into_iter();
        let refused: Vec<_> = numbers
            .filter_map(|number| Some(kind.get_value(number.as_i32()?)?.name().to_owned()))
            .collect();
        if !refused.is_empty() {
            schema["not"] = json!({"enum": refused});
        }
    }
    let most = rule("duration").and_then(|rules| inner(&rules, "lte"));
    if let Some(seconds) = most.and_then(|most| most.get_field_by_name("seconds")?.as_i64()) {
        schema["pattern"] = seconds_up_to(seconds).into();
    }
    if let Some(mask) = rule("field_mask") {
        schema["pattern"] = mask_of(&texts(&mask, "in")).into();
    }
}

fn apply_string(schema: &mut Value, rules: &DynamicMessage) {
    copy(schema, rules, "min_len", "minLength");
    // A code point is at least one octet, so this says no less than the rule.
    copy(schema, rules, "max_bytes", "maxLength");
    copy(schema, rules, "max_len", "maxLength");
    copy(schema, rules, "pattern", "pattern");
    let known = texts(rules, "in");
    if !known.is_empty() {
        schema["enum"] = known.into();
    }
    // JSON Schema has no word for it; a code point has four bytes at most.
    let number = |name| value(rules, name).and_then(|value| value.as_u64());
    let text = schema["description"].as_str().unwrap_or_default();
    if let Some(bytes) = number("max_bytes").filter(|_| !text.contains(" bytes"))
        && number("max_len").is_none_or(|characters| characters * 4 > bytes)
    {
        schema["description"] = format!("{text}\n\nAt most {bytes} bytes of UTF-8.").into();
    }
}

fn value(rules: &DynamicMessage, name: &str) -> Option<ProtoValue> {
    let value = rules.get_field_by_name(name)?.into_owned();
    rules.has_field_by_name(name).then_some(value)
}

fn inner(rules: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    value(rules, name)?.as_message().cloned()
}

fn list(rules: &DynamicMessage, name: &str) -> Vec<ProtoValue> {
    let list = value(rules, name).and_then(|list| list.as_list().map(<[ProtoValue]>::to_vec));
    list.unwrap_or_default()
}

fn texts(rules: &DynamicMessage, name: &str) -> Vec<String> {
    let texts = list(rules, name).into_iter();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn copy(schema: &mut Value, rules: &DynamicMessage, rule: &str, keyword: &str) {
    schema[keyword] = match value(rules, rule) {
        Some(ProtoValue::U64(limit)) => limit.into(),
        Some(ProtoValue::I32(limit)) => limit.into(),
        Some(ProtoValue::String(pattern)) => portable(&pattern).into(),
        _ => return,
    };
}

/// JSON Schema asks for ECMA-262 patterns; many readers of it know no `\p{…}`. The rest of our patterns means the same
/// there and here: classes, groups and anchors of the whole text.
fn portable(pattern: &str) -> String {
    pattern.replace(r"\p{Cc}", r"\u0000-\u001f\u007f-\u009f")
}

/// The pattern of a duration from 0 to so many seconds.
fn seconds_up_to(most: i64) -> String {
    let digits = most.to_string();
    let shorter = digits.len() - 1;
    let mut below = vec![format!("[0-9]{{1,{}}}", shorter.max(1))];
    for (index, digit) in digits
        .bytes()
        .enumerate()
        .filter(|(_, digit)| *digit > b'0')
    {
        let (before, after) = (&digits[..index], shorter - index);
        let largest = char::from(digit - 1);
        below.push(format!("{before}[0-{largest}][0-9]{{{after}}}"));
    }
    let below = below.join("|");
    format!(r"^0*(({below})(\.[0-9]{{1,9}})?|{digits}(\.0{{1,9}})?)s$")
}

/// The pattern of a mask of these paths, under either of their names.
fn mask_of(paths: &[String]) -> String {
    let mut names = Vec::new();
    for path in paths {
        let camel = camel_case(path);
        if camel != *path {
            names.push(camel);
        }
        names.push(path.replace('*', r"\*"));
    }
    let names = names.join("|");
    format!("^(({names})?,)*({names})?$")
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
        camel
    })
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn a_duration_ends_at_its_limit() {
        let pattern = Regex::new(&seconds_up_to(2_592_000)).unwrap();
        for good in [
            "0s",
            "1.5s",
            "999999s",
            "2591999.999999999s",
            "2592000s",
            "2592000.000s",
            "007s",
        ] {
            assert!(pattern.is_match(good), "{good}");
        }
        for bad in [
            "-1s",
            "2592000.1s",
            "2592001s",
            "2600000s",
            "3000000s",
            "10000000s",
            "1",
            "1.0000000001s",
        ] {
            assert!(!pattern.is_match(bad), "{bad}");
        }
    }

    #[test]
    fn a_mask_takes_both_names() {
        let pattern = mask_of(&["display_name".to_owned(), "*".to_owned()]);
        let pattern = Regex::new(&pattern).unwrap();
        for good in ["", "displayName", "display_name,*", "*,"] {
            assert!(pattern.is_match(good), "{good}");
        }
        for bad in ["email", "displayName email", "displaynam", ",x"] {
            assert!(!pattern.is_match(bad), "{bad}");
        }
    }
}
