//! The table of <https://protobuf.dev/programming-guides/json>, row by row. `test_json.py` compares the fields of
//! the contract with Google's own reader.

use prost_reflect::{
    DescriptorPool, DynamicMessage, MessageDescriptor,
    prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
        FileDescriptorProto, field_descriptor_proto::Type,
    },
};
use serde_json::{Value, json};

use super::*;

/// A message with one field of each type, named after it, and `list` of int32.
fn each_type() -> MessageDescriptor {
    let fields = [
        ("int32", Type::Int32, None),
        ("sint32", Type::Sint32, None),
        ("sfixed32", Type::Sfixed32, None),
        ("uint32", Type::Uint32, None),
        ("fixed32", Type::Fixed32, None),
        ("int64", Type::Int64, None),
        ("sint64", Type::Sint64, None),
        ("sfixed64", Type::Sfixed64, None),
        ("uint64", Type::Uint64, None),
        ("fixed64", Type::Fixed64, None),
        ("float", Type::Float, None),
        ("double", Type::Double, None),
        ("bool", Type::Bool, None),
        ("string", Type::String, None),
        ("bytes", Type::Bytes, None),
        ("enum", Type::Enum, Some(".test.Color")),
        (
            "timestamp",
            Type::Message,
            Some(".google.protobuf.Timestamp"),
        ),
        ("duration", Type::Message, Some(".google.protobuf.Duration")),
        (
            "field_mask",
            Type::Message,
            Some(".google.protobuf.FieldMask"),
        ),
        ("list", Type::Int32, None),
    ];
    let fields = (1..)
        .zip(fields)
        .map(|(number, (name, kind, type_name))| FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(kind.into()),
            type_name: type_name.map(str::to_owned),
            // LABEL_REPEATED, else LABEL_OPTIONAL.
            label: Some(if name == "list" { 3 } else { 1 }),
            ..Default::default()
        });
    let colors = ["UNSPECIFIED", "RED"].into_iter().zip(0..);
    let color = EnumDescriptorProto {
        name: Some("Color".to_owned()),
        value: colors
            .map(|(name, number)| EnumValueDescriptorProto {
                name: Some(name.to_owned()),
                number: Some(number),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("test.proto".to_owned()),
        package: Some("test".to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: ["timestamp", "duration", "field_mask"]
            .map(|name| format!("google/protobuf/{name}.proto"))
            .to_vec(),
        message_type: vec![DescriptorProto {
            name: Some("EachType".to_owned()),
            field: fields.collect(),
            ..Default::default()
        }],
        enum_type: vec![color],
        ..Default::default()
    };
    let mut pool = DescriptorPool::global();
    pool.add_file_descriptor_proto(file).unwrap();
    pool.get_message_by_name("test.EachType").unwrap()
}

fn read_text(message: &MessageDescriptor, body: &str) -> Result<DynamicMessage> {
    read(message, parse(message, body.as_bytes())?)
}

/// What the reader makes of a value, as canonical JSON; none when it refuses it.
fn canonical(message: &MessageDescriptor, field: &str, value: &str) -> Option<Value> {
    let read = read_text(message, &format!("{{\"{field}\":{value}}}")).ok()?;
    let mut written: Value = serde_json::from_slice(&write(&read).unwrap()).unwrap();
    let field = message.get_field_by_name(field).unwrap();
    Some(written[field.json_name()].take())
}

/// Each of these spellings, with spaces between, is read as this value.
#[track_caller]
fn takes(message: &MessageDescriptor, fields: &[&str], value: Value, spellings: &str) {
    for field in fields {
        for spelling in spellings.split_whitespace() {
            let got = canonical(message, field, spelling);
            assert_eq!(got.as_ref(), Some(&value), "{field}: {spelling}");
        }
    }
}

#[track_caller]
fn refuses(message: &MessageDescriptor, fields: &[&str], spellings: &str) {
    for field in fields {
        for spelling in spellings.split_whitespace() {
            let got = canonical(message, field, spelling);
            assert_eq!(got, None, "{field}: {spelling}");
        }
    }
}

const SIGNED_32: &[&str] = &["int32", "sint32", "sfixed32"];
const UNSIGNED_32: &[&str] = &["uint32", "fixed32"];
const SIGNED_64: &[&str] = &["int64", "sint64", "sfixed64"];
const UNSIGNED_64: &[&str] = &["uint64", "fixed64"];
const NO_WHOLE_NUMBER: &str = r#"
    "" "\u00201" "1\u0020" "1\n" "+1" "01" "1." ".5" "1e" "0x1" "1_0" "\uff11" "one" "null" "NaN" "Infinity"
    "1.5" 1.5 1e-1 "15e-2" true [1] {} "1e400" 1e300 "1e300"
"#;

#[test]
fn whole_numbers_of_32_bits() {
    let message = each_type();
    for fields in [SIGNED_32, UNSIGNED_32] {
        takes(&message, fields, json!(0), r#"0 "0" -0 "-0" -0.0 0e9 null"#);
        takes(
            &message,
            fields,
            json!(1),
            r#"1 "1" 1.0 "1.0" 1e0 "1e0" "10e-1" 10E-1"#,
        );
        takes(
            &message,
            fields,
            json!(100),
            r#"1E2 "1e2" 1e+2 "1.0E+2" 100.00"#,
        );
        takes(
            &message,
            fields,
            json!(i32::MAX),
            r#"2147483647 "2147483647" 2147483647.0"#,
        );
        refuses(&message, fields, NO_WHOLE_NUMBER);
    }
    takes(
        &message,
        SIGNED_32,
        json!(i32::MIN),
        r#"-2147483648 "-2147483648" -2147483648.0"#,
    );
    refuses(
        &message,
        SIGNED_32,
        r#"2147483648 -2147483649 2147483648.0 "3e9""#,
    );
    takes(
        &message,
        UNSIGNED_32,
        json!(u32::MAX),
        r#"4294967295 "4294967295" 4294967295.0"#,
    );
    refuses(
        &message,
        UNSIGNED_32,
        r#"-1 "-1" -1.0 4294967296 4294967296.0"#,
    );
}

#[test]
fn whole_numbers_of_64_bits() {
    let message = each_type();
    for fields in [SIGNED_64, UNSIGNED_64] {
        takes(&message, fields, json!("0"), "0 -0 null");
        takes(&message, fields, json!("1"), r#"1 "1" 1.0 "1.0" 1e0 "1e0""#);
        takes(
            &message,
            fields,
            json!("1000000000000000000"),
            r#"1e18 "1e18""#,
        );
        // A double would be another number.
        let exact = json!("9007199254740993");
        takes(
            &message,
            fields,
            exact,
            r#"9007199254740993 "9007199254740993""#,
        );
        let largest = json!("9223372036854775807");
        takes(
            &message,
            fields,
            largest,
            r#"9223372036854775807 "9223372036854775807""#,
        );
        refuses(&message, fields, NO_WHOLE_NUMBER);
    }
    let lowest = json!("-9223372036854775808");
    takes(
        &message,
        SIGNED_64,
        lowest,
        r#"-9223372036854775808 "-9223372036854775808""#,
    );
    refuses(
        &message,
        SIGNED_64,
        r#"9223372036854775808 "9223372036854775808" 9223372036854775808.0 1e19
           -9223372036854775809 "-9223372036854775809" -1e19"#,
    );
    let largest = json!("18446744073709551615");
    takes(
        &message,
        UNSIGNED_64,
        largest,
        r#"18446744073709551615 "18446744073709551615""#,
    );
    takes(
        &message,
        UNSIGNED_64,
        json!("10000000000000000000"),
        r#"1e19 "1e19""#,
    );
    refuses(
        &message,
        UNSIGNED_64,
        r#"-1 "-1" 18446744073709551616 "18446744073709551616" 18446744073709551616.0 1e20"#,
    );
}

#[test]
fn floating_point_numbers() {
    let message = each_type();
    let fields = &["float", "double"];
    takes(
        &message,
        fields,
        json!(1.5),
        r#"1.5 "1.5" 15e-1 "15E-1" 0.15e1"#,
    );
    takes(&message, fields, json!(-1.0), r#"-1 "-1" -1.0 -1e0"#);
    takes(&message, fields, json!(0.0), r#"0 "0" null"#);
    for name in ["NaN", "Infinity", "-Infinity"] {
        takes(&message, fields, json!(name), &format!("\"{name}\""));
        refuses(&message, fields, name);
    }
    refuses(
        &message,
        fields,
        r#""" "\u00201" "+1" "1." ".5" "0x1" "inf" "nan" "infinity" "+Infinity" true [1] 1e400 "1e400""#,
    );
    takes(&message, &["double"], json!(1e300), r#"1e300 "1e300""#);
    refuses(&message, &["float"], r#"1e39 "1e39" "-1e39""#);
}

#[test]
fn enums_by_name_or_number() {
    let message = each_type();
    takes(&message, &["enum"], json!("RED"), r#""RED" 1 1.0 10e-1"#);
    takes(
        &message,
        &["enum"],
        json!("UNSPECIFIED"),
        r#""UNSPECIFIED" 0 -0 null"#,
    );
    // An open enum keeps a number without a name; field rules refuse it where they say so.
    takes(&message, &["enum"], json!(7), "7 7.0");
    refuses(
        &message,
        &["enum"],
        r#""red" "1" "" 1.5 2147483648 true [1]"#,
    );
}

#[test]
fn booleans_strings_and_bytes() {
    let message = each_type();
    takes(&message, &["bool"], json!(true), "true");
    takes(&message, &["bool"], json!(false), "false null");
    refuses(&message, &["bool"], r#""true" 1 0 "" "1" "#);
    takes(&message, &["string"], json!("1"), r#""1" "\u0031""#);
    takes(&message, &["string"], json!(""), r#""" null"#);
    refuses(&message, &["string"], r#"1 true ["a"] {}"#);
    takes(&message, &["bytes"], json!("+/+/"), r#""+/+/" "-_-_""#);
    takes(
        &message,
        &["bytes"],
        json!("+w=="),
        r#""+w==" "-w==" "+w" "-w""#,
    );
    takes(&message, &["bytes"], json!(""), r#""" null"#);
    refuses(&message, &["bytes"], r#""a\u0020b=" "*" "a" 1"#);
}

#[test]
fn moments() {
    let message = each_type();
    for (moment, spellings) in [
        (
            "1972-01-01T10:00:20Z",
            r#""1972-01-01T11:30:20+01:30" "1972-01-01T10:00:20.000Z""#,
        ),
        (
            "1972-01-01T10:00:20.021Z",
            r#""1972-01-01T10:00:20.021000Z""#,
        ),
        ("1972-01-01T10:00:20.000000001Z", ""),
        ("0001-01-01T00:00:00Z", ""),
        ("9999-12-31T23:59:59.999999999Z", ""),
    ] {
        let spellings = format!("\"{moment}\" {spellings}");
        takes(&message, &["timestamp"], json!(moment), &spellings);
    }
    refuses(
        &message,
        &["timestamp"],
        r#""" 0 "1972-01-01" "1972-01-01T10:00:20" "1972-01-01t10:00:20Z" "1972-01-01T10:00:20z"
           "1972-01-01\u002010:00:20Z" "1972-02-30T10:00:20Z" "1972-01-01T10:00:20.Z"
           "1972-01-01T10:00:20.0000000001Z" "0000-01-01T00:00:00Z" "10000-01-01T00:00:00Z"
           "9999-12-31T23:59:59-01:00" "0001-01-01T00:00:00+01:00" {"seconds":1}"#,
    );
}

#[test]
fn durations_and_masks() {
    let message = each_type();
    takes(
        &message,
        &["duration"],
        json!("1s"),
        r#""1s" "1.0s" "1.000000000s""#,
    );
    takes(&message, &["duration"], json!("-1.500s"), r#""-1.5s""#);
    takes(
        &message,
        &["duration"],
        json!("0.000000001s"),
        r#""0.000000001s""#,
    );
    takes(
        &message,
        &["duration"],
        json!("315576000000s"),
        r#""315576000000s""#,
    );
    refuses(
        &message,
        &["duration"],
        r#""" 1 "1" "1\u0020s" "1.s" ".5s" "+1s" "1e2s" "1m" "0.0000000001s" "315576000001s" {"seconds":1}"#,
    );
    takes(
        &message,
        &["field_mask"],
        json!("displayName,a.bC"),
        r#""displayName,a.bC""#,
    );
    takes(&message, &["field_mask"], json!(""), r#""""#);
    refuses(
        &message,
        &["field_mask"],
        r#""display_name" 1 ["displayName"]"#,
    );
}

#[test]
fn members() {
    let message = each_type();
    for body in [
        r#"{"fieldMask":"a"}"#,
        r#"{"field_mask":"a"}"#,
        r#"{"list":[1,"2",3.0]}"#,
        r#"{"list":null}"#,
        "{}",
    ] {
        assert!(read_text(&message, body).is_ok(), "{body}");
    }
    for body in [
        r#"{"fieldMask":"a","field_mask":"a"}"#,
        r#"{"int32":1,"int32":1}"#,
        r#"{"Int32":1}"#,
        r#"{"other":1}"#,
        r#"{"list":[1,null]}"#,
        r#"{"list":1}"#,
        r#"{"list":[1.5]}"#,
        "[]",
        "null",
        "",
    ] {
        assert!(read_text(&message, body).is_err(), "{body}");
    }
}

#[test]
fn a_number_that_is_refused_is_named_without_its_value() {
    let error = read_text(&each_type(), r#"{"int32":"1.5"}"#).unwrap_err();
    assert_eq!(error.message(), "int32 must be a whole number of 32 bits.");
}
