//! The contract holds what the house promises of it: every rpc has its options, a path and a test;
//! every reason has its row and its page.

use std::{collections::BTreeSet, fs, path::Path};

use countersign::{
    error::{FieldReason, Reason},
    model::scope,
    pb::{
        DESCRIPTORS, PACKAGES, v1,
        validate::{self, Validate as _},
    },
};
use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let services: Vec<_> = pool
        .services()
        .filter(|service| service.package_name().starts_with(PACKAGES))
        .collect();
    services
        .iter()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

fn option(method: &MethodDescriptor, name: &str) -> Option<Value> {
    let extension = method.parent_pool().get_extension_by_name(name).unwrap();
    let options = method.options();
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).into_owned())
}

#[test]
fn every_rpc_states_who_may_call_it_and_how_often() {
    for method in methods() {
        let policy = option(&method, "countersign.v1.policy")
            .unwrap_or_else(|| panic!("{}", method.full_name()));
        let policy: v1::RpcPolicy = policy.as_message().unwrap().transcode_to().unwrap();
        assert_ne!(
            policy.access(),
            v1::Access::Unspecified,
            "{}",
            method.full_name()
        );
        assert_ne!(
            policy.limit_class(),
            v1::LimitClass::Unspecified,
            "{}",
            method.full_name()
        );
        let needs_scope = matches!(
            policy.access(),
            v1::Access::Authenticated | v1::Access::Administrator
        );
        assert_eq!(
            !policy.scopes.is_empty(),
            needs_scope,
            "{}",
            method.full_name()
        );
        for wanted in &policy.scopes {
            assert!(
                [scope::ACCOUNT, scope::MAILBOX, scope::OPENID].contains(&wanted.as_str()),
                "{} wants {wanted}, which no credential has",
                method.full_name()
            );
        }
    }
}

#[test]
fn every_rpc_has_a_path_of_its_own() {
    let mut seen = BTreeSet::new();
    for method in methods() {
        let rule =
            option(&method, "google.api.http").unwrap_or_else(|| panic!("{}", method.full_name()));
        let rule = rule.as_message().unwrap();
        let path = ["get", "put", "post", "delete", "patch"]
            .into_iter()
            .find_map(|verb| {
                rule.get_field_by_name(verb)
                    .filter(|_| rule.has_field_by_name(verb))
                    .map(|path| format!("{verb} {path:?}"))
            })
            .unwrap_or_else(|| panic!("{}", method.full_name()));
        assert!(seen.insert(path), "{} shares its path", method.full_name());
    }
}

#[test]
fn every_rpc_has_a_test() {
    // The rpcs that a story needs are called by its people.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = ["", "support"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let tests: String = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for method in methods() {
        let call = format!(".{}(", snake_case(method.name()));
        assert!(tests.contains(&call), "no test in tests/it calls {call}");
    }
}

#[test]
fn every_field_and_rpc_has_a_comment() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    for file in pool
        .files()
        .filter(|file| file.package_name().starts_with(PACKAGES))
    {
        let proto = file.file_descriptor_proto();
        let comments: BTreeSet<Vec<i32>> = proto
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .filter(|location| !location.leading_comments().trim().is_empty())
            .map(|location| location.path.clone())
            .collect();
        for (message, descriptor) in (0..).zip(&proto.message_type) {
            for (field, _) in (0..).zip(&descriptor.field) {
                assert!(
                    comments.contains(&vec![4, message, 2, field]),
                    "{}: {}",
                    file.name(),
                    descriptor.name()
                );
            }
        }
        for (service, descriptor) in (0..).zip(&proto.service) {
            for (method, _) in (0..).zip(&descriptor.method) {
                assert!(
                    comments.contains(&vec![6, service, 2, method]),
                    "{}: {}",
                    file.name(),
                    descriptor.name()
                );
            }
        }
    }
}

#[test]
fn every_reason_is_in_the_proto_and_in_the_table() {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let contract: BTreeSet<_> = pool
        .get_enum_by_name("countersign.v1.ErrorReason")
        .unwrap()
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| value.name().trim_start_matches("ERROR_REASON_").to_owned())
        .collect();
    let table: BTreeSet<_> = Reason::ALL
        .iter()
        .map(|reason| reason.meaning().name.to_owned())
        .collect();
    assert_eq!(contract, table);
}

#[test]
fn every_reason_has_its_row_in_the_document() {
    let document = include_str!("../../docs/ERRORS.md");
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        let code = format!("{:?}", meaning.grpc).chars().enumerate().fold(
            String::new(),
            |mut name, (index, char)| {
                if index > 0 && char.is_uppercase() {
                    name.push('_');
                }
                name.push(char.to_ascii_uppercase());
                name
            },
        );
        let row = format!("| `{}` | {code} | {} |", meaning.name, meaning.http);
        assert!(document.contains(&row), "docs/ERRORS.md lacks: {row}");
    }
}

#[test]
fn every_reason_of_a_field_has_its_row_in_the_document() {
    let document = include_str!("../../docs/ERRORS.md");
    let rows = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let documented: BTreeSet<_> = rows.map(|(name, _)| name).collect();
    for reason in FieldReason::ALL {
        assert!(
            documented.contains(reason.name()),
            "docs/ERRORS.md lacks {}",
            reason.name()
        );
        // One name, one meaning (google.rpc.BadRequest).
        assert_eq!(Reason::from_name(reason.name()), None);
    }
    assert_eq!(documented.len(), Reason::ALL.len() + FieldReason::ALL.len());
}

#[test]
fn the_scopes_of_a_key_are_those_that_the_server_knows() {
    let violations = |scope: &str| {
        let key = v1::ApiKey {
            scopes: vec![scope.to_owned()],
            ..Default::default()
        };
        let mut found = Vec::new();
        key.validate(&validate::Path::ROOT, &mut found);
        found
    };
    for scope in scope::KNOWN {
        assert_eq!(violations(scope), []);
    }
    let words = violations("other")[0].description.clone();
    assert_eq!(words, scope::UnknownScope.to_string());
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, char) in name.chars().enumerate() {
        if index > 0 && char.is_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}
