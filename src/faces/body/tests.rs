use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    email: String,
    password: String,
    #[serde(rename = "displayName")]
    display_name: Option<String>,
}

fn read<T: DeserializeOwned>(body: Value) -> std::result::Result<T, Vec<(String, String)>> {
    let Value::Object(object) = body else {
        panic!("not an object")
    };
    typed(object).map_err(|error| {
        error
            .violations()
            .iter()
            .map(|violation| {
                (
                    violation.field.to_string(),
                    violation.description.to_string(),
                )
            })
            .collect()
    })
}

#[test]
fn null_is_an_absent_member() {
    let sample = read(json!({"email": "a", "password": "", "displayName": null}));
    assert_eq!(
        sample,
        Ok(Sample {
            email: "a".into(),
            password: String::new(),
            display_name: None
        })
    );
    let found = read::<Sample>(json!({"email": "a", "password": null})).unwrap_err();
    assert_eq!(found, [("password".into(), "is required".into())]);
}

#[test]
fn every_field_at_fault_is_named_and_no_value() {
    let body = json!({"email": ["hunter2"], "displayName": 7, "nmae": "hunter2", "e v": 1});
    let mut found = read::<Sample>(body).unwrap_err();
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

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Outer {
    email: String,
    inner: Option<Inner>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Inner {
    id: String,
    nonce: String,
}

#[test]
fn an_object_in_a_body_is_read_and_its_flaws_are_named_after_it() {
    let read = |body: Value| {
        let Value::Object(object) = body else {
            panic!("not an object")
        };
        let read = typed::<Outer>(object);
        read.map_err(|error| {
            let mut found: Vec<_> = error
                .violations()
                .iter()
                .map(|violation| format!("{} {}", violation.field, violation.description))
                .collect();
            found.sort();
            found
        })
    };
    let inner = |id: &str, nonce: &str| Outer {
        email: "a".into(),
        inner: Some(Inner {
            id: id.into(),
            nonce: nonce.into(),
        }),
    };
    let whole = json!({"email": "a", "inner": {"id": "1", "nonce": "2"}});
    assert_eq!(read(whole), Ok(inner("1", "2")));
    for absent in [json!({"email": "a"}), json!({"email": "a", "inner": null})] {
        assert_eq!(read(absent).unwrap().inner, None);
    }
    for (body, flaws) in [
        (
            json!({"inner": {"id": 7, "noce": "hunter2"}}),
            &[
                "email is required",
                "inner.id must be a string",
                "inner.nonce is required",
                "inner.noce is not known here",
            ][..],
        ),
        (
            json!({"email": "a", "inner": "hunter2"}),
            &["inner is of the wrong type"],
        ),
        (
            json!({"email": "a", "inner": ["1", "2"]}),
            &["inner is of the wrong type"],
        ),
        (
            json!({"email": "a", "inner.id": "1", "inner": {"id": "1", "nonce": "2"}}),
            &["inner.id is not known here"],
        ),
    ] {
        let mut flaws = flaws.to_vec();
        flaws.sort_unstable();
        assert_eq!(read(body.clone()).unwrap_err(), flaws, "{body}");
    }
}

#[test]
fn a_flood_of_unknown_members_is_answered_briefly() {
    let object = (0..5000).map(|n| (format!("f{n}"), Value::Null)).collect();
    let found = read::<Sample>(Value::Object(object)).unwrap_err();
    assert_eq!(found.len(), MOST_VIOLATIONS);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Tolerant {
    email: String,
}

#[test]
fn the_type_of_the_request_says_whether_it_may_hold_more() {
    let body = json!({"email": "a", "client_id": "c", "more": null, "deep": {"a": [1]}});
    let email = "a".to_owned();
    assert_eq!(read(body.clone()), Ok(Tolerant { email }));
    assert!(read::<Sample>(body).is_err());
}
