use super::*;

const RULED: &str = r#"
    message Ruled {
      string text = 1 [(buf.validate.field).string = {max_len: 3 pattern: "^a$"}];
      Other other = 2 [(buf.validate.field).required = true];
    }
    message Other { repeated string list = 1; }
"#;
const DESCRIPTION: &str =
    r#"option (pattern_descriptions) = {pattern: "^a$" description: "must be a"};"#;

/// A contract, and what the build says of it.
const UNKNOWN_RULES: &[(&str, &str)] = &[
    (
        r#"message M { option (buf.validate.message).cel = {id: "a" expression: "true"}; }"#,
        "countersign.v1.M: unknown rule buf.validate.message.cel",
    ),
    (
        r#"message M { option (buf.validate.message).oneof = {fields: ["a"]}; string a = 1; }"#,
        "countersign.v1.M: unknown rule buf.validate.message.oneof",
    ),
    (
        "message M { oneof one { option (buf.validate.oneof).required = true; string a = 1; } }",
        "countersign.v1.M.one: unknown rule buf.validate.oneof.required",
    ),
    (
        "message M { string a = 1 [(buf.validate.field).required = true]; }",
        "countersign.v1.M.a: unknown rule required",
    ),
    (
        "message M { repeated M a = 1 [(buf.validate.field).required = true]; }",
        "countersign.v1.M.a: unknown rule required",
    ),
    (
        "message M { string a = 1 [(buf.validate.field).ignore = IGNORE_ALWAYS]; }",
        "countersign.v1.M.a: unknown rule ignore",
    ),
    (
        r#"message M { string a = 1 [(buf.validate.field).cel = {id: "a" expression: "true"}]; }"#,
        "countersign.v1.M.a: unknown rule cel",
    ),
    (
        "message M { string a = 1 [(buf.validate.field).string.email = true]; }",
        "countersign.v1.M.a: unknown rule string.email",
    ),
    (
        "message M { int32 a = 1 [(buf.validate.field).int32.lt = 3]; }",
        "countersign.v1.M.a: unknown rule int32.lt",
    ),
    (
        "message M { int32 a = 1 [(buf.validate.field).int32 = {gte: 0 lt: 3}]; }",
        "countersign.v1.M.a: unknown rule int32.lt",
    ),
    (
        "message M { int64 a = 1 [(buf.validate.field).int64.gte = 3]; }",
        "countersign.v1.M.a: unknown rule int64",
    ),
    (
        "message M { bytes a = 1 [(buf.validate.field).bytes.max_len = 3]; }",
        "countersign.v1.M.a: unknown rule bytes",
    ),
    (
        "enum E { A = 0; } message M { E a = 1 [(buf.validate.field).enum = {in: [0]}]; }",
        "countersign.v1.M.a: unknown rule enum.in",
    ),
    (
        "message M { repeated string a = 1 [(buf.validate.field).repeated.unique = true]; }",
        "countersign.v1.M.a: unknown rule repeated.unique",
    ),
    (
        "message M { repeated int32 a = 1 [(buf.validate.field).repeated.items.int32.gte = 1]; }",
        "countersign.v1.M.a: unknown rule repeated.items.int32",
    ),
    (
        "message M { map<string, string> a = 1 [(buf.validate.field).map.max_pairs = 3]; }",
        "countersign.v1.M.a: maps have no rules yet",
    ),
    (
        "message M { google.protobuf.Any a = 1 [(buf.validate.field).any.in = \"x\"]; }",
        "countersign.v1.M.a: unknown rule any",
    ),
    (
        "message M { google.protobuf.Timestamp a = 1 [(buf.validate.field).required = true]; }",
        "countersign.v1.M.a: unknown rule required",
    ),
    (
        "message M { message Inner { string a = 1 [(buf.validate.field).string.uuid = true]; } }",
        "countersign.v1.M.Inner.a: unknown rule string.uuid",
    ),
    (
        r#"
            extend buf.validate.StringRules {
              optional bool shouted = 51001 [(buf.validate.predefined).cel = {id: "a" expression: "true"}];
            }
            "#,
        "countersign.v1.shouted: unknown rule buf.validate.predefined.cel",
    ),
    (
        r#"
            extend buf.validate.StringRules { optional bool shouted = 51001; }
            message M { string a = 1 [(buf.validate.field).string.(shouted) = true]; }
            "#,
        "countersign.v1.M.a: unknown rule countersign.v1.shouted",
    ),
];

/// What the build makes of a contract with this text in its one file.
fn built(text: &str) -> std::result::Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let file = folder.path().join("ruled.proto");
    let head = r#"
        syntax = "proto3";
        package countersign.v1;
        import "buf/validate/validate.proto";
        import "countersign/v1/options.proto";
        import "google/protobuf/any.proto";
        import "google/protobuf/timestamp.proto";
    "#;
    std::fs::write(&file, format!("{head}{text}")).unwrap();
    let third_party = format!("{proto}/third_party");
    let includes = [folder.path(), proto.as_ref(), third_party.as_ref()];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file(&file).unwrap();
    let pool = compiler.descriptor_pool();
    validators(&pool).map_err(|error| error.to_string())
}

#[test]
fn known_rules_become_checks() {
    let code = built(&format!("{DESCRIPTION}{RULED}")).unwrap();
    assert!(code.contains("max_len: Some(3)"), "{code}");
    assert!(code.contains(r#"pattern!("^a$", "must be a")"#), "{code}");
    assert!(code.contains(r#"nested(self.other.as_ref(), &at.field("other"), true, found);"#));
}

#[test]
fn a_pattern_without_a_description_fails_the_build() {
    let unsaid = built(RULED).unwrap_err();
    assert_eq!(
        unsaid,
        "countersign.v1.Ruled.text: countersign.v1.pattern_descriptions does not describe ^a$"
    );
}

#[test]
fn an_unknown_rule_anywhere_fails_the_build() {
    for (text, place_and_rule) in UNKNOWN_RULES {
        assert_eq!(built(text).unwrap_err(), *place_and_rule, "{text}");
    }
}
