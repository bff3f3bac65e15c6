use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde_json::Value;

use super::*;

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Outer {
    inner: Inner,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Inner {
    name: String,
}

fn face(path: &'static str) -> FaceOperation {
    FaceOperation {
        method: Method::POST,
        path,
        summary: "Does something",
        tag: "Some Face",
        request: Some(RequestBody {
            required: true,
            content_types: &["application/json", "application/x-www-form-urlencoded"],
            schema: schemars::schema_for!(Outer),
        }),
        query: vec![QueryParameter {
            name: "grant_type",
            required: true,
            schema: schemars::schema_for!(String),
        }],
        responses: vec![
            FaceResponse {
                status: 200,
                description: "Done.",
                schema: Some(schemars::schema_for!(Outer)),
            },
            FaceResponse {
                status: 204,
                description: "Gone.",
                schema: None,
            },
        ],
        credential: Credential::Required,
    }
}

fn written(faces: Vec<FaceOperation>) -> Value {
    document(faces).unwrap()
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get("$ref") {
                found.insert(text.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_rpc_has_a_path() {
    let document = written(Vec::new());
    let documented: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|place| place.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    for rpc in contract::unary_rpcs(&contract::pool().unwrap()) {
        let service = rpc
            .parent_service()
            .full_name()
            .replacen("countersign.", "", 1);
        let service = service.trim_start_matches("v1.").replace('.', "_");
        let id = format!("{service}_{}", rpc.name());
        assert!(documented.contains(&id), "{id}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = written(vec![face("/some/{id}/path")]);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Some_Face.Inner"));
    for reference in found {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(target.is_some(), "{reference}");
    }
}

#[test]
fn a_face_can_name_fields_of_the_contract_alone() {
    let mut unknown = face_of("NoSuchMessage.field");
    assert!(super::document(vec![unknown.clone()]).is_err());
    unknown.request = None;
    assert!(super::document(vec![unknown]).is_ok());
}

fn face_of(field: &str) -> FaceOperation {
    let mut operation = face("/some");
    let schema = serde_json::json!({"type": "object", "properties": {"a": {"x-field": field}}});
    operation.request = Some(RequestBody {
        content_types: &["application/json"],
        schema: schema.try_into().unwrap(),
        required: true,
    });
    operation
}

#[test]
fn the_paths_are_those_of_the_contract() {
    let document = written(vec![face("/some/{id}/path")]);
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/admin/v1/accounts",
            "/admin/v1/accounts/{account}",
            "/admin/v1/accounts/{account}:disable",
            "/admin/v1/accounts/{account}:enable",
            "/admin/v1/accounts/{account}:grantAdministrator",
            "/admin/v1/accounts/{account}:revokeAdministrator",
            "/admin/v1/clients",
            "/admin/v1/clients/{client}",
            "/admin/v1/consents",
            "/admin/v1/consents/{consent}",
            "/admin/v1/grants",
            "/admin/v1/grants/{grant}",
            "/admin/v1/organizations",
            "/admin/v1/organizations/{organization}",
            "/admin/v1/organizations/{organization}:disable",
            "/admin/v1/organizations/{organization}:enable",
            "/admin/v1/signingKeys",
            "/admin/v1/signingKeys:rotate",
            "/admin/v1/signingKeys/{signingKey}:revoke",
            "/v1/accounts",
            "/v1/organizations/{organization}/accounts:provision",
            "/v1/accounts/{account}",
            "/v1/accounts/{account}:changePassword",
            "/v1/apiKeys",
            "/v1/apiKeys/{apiKey}",
            "/v1/apiKeys/{apiKey}:rotate",
            "/v1/access:check",
            "/v1/challenges",
            "/v1/clients/{client}",
            "/v1/clients/{client}:revokeGrants",
            "/v1/consents",
            "/v1/consents/{consent}",
            "/v1/grants/{grant}",
            "/v1/grants",
            "/v1/identityProviders",
            "/v1/identityProviders/{identityProvider}:startSignIn",
            "/v1/identityProviders/{identityProvider}:finishSignIn",
            "/v1/linkedIdentities",
            "/v1/linkedIdentities/{linkedIdentity}",
            "/v1/clients:register",
            "/v1/clients:getRegistration",
            "/v1/clients:updateRegistration",
            "/v1/clients:deleteRegistration",
            "/v1/authorizations:start",
            "/v1/authorizations/{authorization}",
            "/v1/authorizations/{authorization}:approve",
            "/v1/authorizations/{authorization}:deny",
            "/v1/tokens:issue",
            "/v1/tokens:introspect",
            "/v1/tokens:revoke",
            "/v1/userInfo",
            "/v1/logOuts:resolve",
            "/v1/organizations/{organization}",
            "/v1/organizations/{organization}/memberships",
            "/v1/sessions",
            "/v1/sessions:refresh",
            "/v1/sessions/{session}",
            "/v1/sessions:revokeRefreshToken",
            "/some/{id}/path",
            "/livez",
            "/readyz",
            "/.well-known/jwks.json",
            "/openapi.json",
            "/authz/forward",
        ]
    );
}

#[test]
fn field_rules_and_policies_are_in_the_document() {
    let document = written(Vec::new());
    let schemas = &document["components"]["schemas"];
    insta::assert_json_snapshot!("create_account_request", schemas["CreateAccountRequest"]);
    insta::assert_json_snapshot!("api_key", schemas["ApiKey"]);
    insta::assert_json_snapshot!("api_key_kind", schemas["ApiKeyKind"]);
    insta::assert_json_snapshot!(
        "paths_of_an_account",
        document["paths"]["/v1/accounts/{account}"]
    );
    insta::assert_json_snapshot!("list_sessions", document["paths"]["/v1/sessions"]["get"]);
    let change = &document["paths"]["/v1/accounts/{account}:changePassword"]["post"];
    insta::assert_json_snapshot!("change_password", change);
    let create = &document["paths"]["/v1/accounts"]["post"]["responses"];
    let statuses: Vec<_> = create.as_object().unwrap().keys().collect();
    let expected = [
        "200", "400", "409", "413", "415", "429", "500", "503", "504",
    ];
    assert_eq!(statuses, expected);
    for path in [
        "/v1/sessions",
        "/v1/sessions:refresh",
        "/v1/sessions:revokeRefreshToken",
    ] {
        let responses = &document["paths"][path]["post"]["responses"];
        assert!(responses["401"].is_object(), "{path}");
        assert!(responses["403"].is_null(), "{path}");
    }
    let public = &document["paths"]["/v1/sessions"]["post"]["security"];
    assert_eq!(*public, serde_json::json!([]));
}

#[test]
fn a_face_says_whether_it_takes_a_credential() {
    for (credential, expected) in [
        (Credential::None, serde_json::json!([])),
        (
            Credential::Optional,
            serde_json::json!([{"bearer": []}, {"basic": []}, {}]),
        ),
        (
            Credential::Required,
            serde_json::json!([{"bearer": []}, {"basic": []}]),
        ),
    ] {
        let face = FaceOperation {
            credential,
            ..face("/a")
        };
        let document = written(vec![face]);
        assert_eq!(document["paths"]["/a"]["post"]["security"], expected);
    }
}

#[test]
fn two_operations_at_one_place_are_refused() {
    assert!(document(vec![face("/a"), face("/a")]).is_err());
    assert!(document(vec![face("/v1/accounts")]).is_err());
}
