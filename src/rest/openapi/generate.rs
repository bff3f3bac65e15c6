//! Writes `openapi.json`: every REST path in one OpenAPI 3.1 document. The contract's own part comes from its
//! descriptor, the faces describe themselves, and what the server itself answers is said in `server`. The document is
//! checked in and served as it is; a test says when it is out of date.

mod comments;
mod faces;
mod paths;
mod rules;
mod schemas;
mod server;
mod tests;

use std::collections::BTreeMap;

use http::Method;
use schemars::Schema;
use serde_json::{Map, Value, json};

use self::{
    comments::Comments,
    schemas::{Schemas, name_of},
};
use crate::{
    error::Reason,
    rest::contract::{self, ContractError},
};

/// One documented path and method of a face.
#[derive(Clone, Debug)]
pub(crate) struct FaceOperation {
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path; a parameter in it is `{name}`.
    pub(crate) path: &'static str,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// The face that it belongs to.
    pub(crate) tag: &'static str,
    /// What it reads; absent for no body.
    pub(crate) request: Option<RequestBody>,
    /// What it reads from the query.
    pub(crate) query: Vec<QueryParameter>,
    /// What it answers.
    pub(crate) responses: Vec<FaceResponse>,
    /// Whether it needs a credential.
    pub(crate) credential: Credential,
}

/// Whether an operation takes a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    /// It takes none.
    None,
    /// It does more with one.
    Optional,
    /// It needs one.
    Required,
}

/// A body that an operation reads.
#[derive(Clone, Debug)]
pub(crate) struct RequestBody {
    /// Whether it must be there.
    pub(crate) required: bool,
    /// The content types that it may come in.
    pub(crate) content_types: &'static [&'static str],
    /// Its form.
    pub(crate) schema: Schema,
}

/// A parameter in the query.
#[derive(Clone, Debug)]
pub(crate) struct QueryParameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// Its form.
    pub(crate) schema: Schema,
}

/// An answer of an operation.
#[derive(Clone, Debug)]
pub(crate) struct FaceResponse {
    /// The HTTP status.
    pub(crate) status: u16,
    /// When it is sent.
    pub(crate) description: &'static str,
    /// The form of its body; absent for none.
    pub(crate) schema: Option<Schema>,
}

/// The document: the contract's REST paths and those of the faces.
///
/// # Errors
/// The contract cannot be read, or two operations have the same method and path.
pub(crate) fn document(operations: Vec<FaceOperation>) -> Result<Value, ContractError> {
    let pool = contract::pool()?;
    let comments = Comments::new(&pool);
    let rpcs = contract::unary_rpcs(&pool);
    let schemas = Schemas::new(&rpcs, &comments);
    let mut document = Document::new(&schemas);
    for rpc in &rpcs {
        paths::add(&mut document, rpc, &schemas, &comments)?;
    }
    for operation in operations {
        faces::add(&mut document, operation, &pool)?;
    }
    server::add(&mut document)?;
    Ok(document.into_json(&pool, &comments))
}

/// The document in the making.
struct Document {
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
    tags: Vec<&'static str>,
}

impl Document {
    fn new(schemas: &Schemas) -> Self {
        let mut all = schemas.components();
        all.insert("Status".to_owned(), status_schema());
        Self {
            paths: Map::new(),
            schemas: all,
            tags: Vec::new(),
        }
    }

    fn add(&mut self, method: &Method, path: &str, operation: Value) -> Result<(), ContractError> {
        let place = self
            .paths
            .entry(path)
            .or_insert_with(|| Map::new().into())
            .as_object_mut();
        let name = method.as_str().to_ascii_lowercase();
        match place {
            Some(place) if !place.contains_key(&name) => {
                place.insert(name, operation);
                Ok(())
            }
            _ => Err(ContractError::Twice {
                method: method.clone(),
                path: path.to_owned(),
            }),
        }
    }

    fn into_json(self, pool: &prost_reflect::DescriptorPool, comments: &Comments) -> Value {
        let mut tags: Vec<_> = contract::services(pool)
            .map(|service| {
                let text = comments.of(&service.parent_file(), service.path());
                json!({"name": name_of(service.package_name(), service.name()), "description": text})
            })
            .collect();
        tags.extend(self.tags.iter().map(|tag| json!({"name": tag})));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Countersign",
                "version": env!("CARGO_PKG_VERSION"),
                "description": env!("CARGO_PKG_DESCRIPTION"),
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": tags,
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "responses": refusals(),
                "securitySchemes": security_schemes(),
            },
        })
    }
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, a session token or an API key.",
        },
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "An API key as the user name, and an empty password.",
        },
    })
}

/// What an operation says about who may call it.
fn security(credential: Credential) -> Value {
    match credential {
        Credential::None => json!([]),
        Credential::Optional => json!([{"bearer": []}, {"basic": []}, {}]),
        Credential::Required => json!([{"bearer": []}, {"basic": []}]),
    }
}

/// The name of the shared response for an HTTP status.
fn refusal_name(status: u16) -> String {
    format!("Refused{status}")
}

/// One response for each HTTP status that a reason has.
fn refusals() -> Value {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        let text = format!("`{}`: {}", meaning.name, meaning.message);
        by_status.entry(meaning.http).or_default().push(text);
    }
    by_status
        .into_iter()
        .map(|(status, reasons)| (refusal_name(status), refusal(status, &reasons.join("\n\n"))))
        .collect::<Map<_, _>>()
        .into()
}

fn refusal(status: u16, description: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Status"});
    let mut response = json!({
        "description": description,
        "content": {"application/json": {"schema": schema}},
    });
    add_headers(&mut response, status);
    response
}

/// The headers that a refusal with this status comes with.
fn add_headers(response: &mut Value, status: u16) {
    match status {
        401 => response["headers"] = json!({"WWW-Authenticate": {"schema": {"type": "string"}}}),
        429 | 503 => {
            let seconds = json!({"type": "integer", "minimum": 0});
            response["headers"] = json!({"Retry-After": {"schema": seconds}});
        }
        _ => {}
    }
}

/// `google.rpc.Status` in JSON.
fn status_schema() -> Value {
    json!({
        "type": "object",
        "description": "A refusal, as `google.rpc.Status`. The `ErrorInfo` in `details` has the reason.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The gRPC code."},
            "message": {"type": "string", "description": "What is wrong, for a developer."},
            "details": {"type": "array", "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {"@type": {"type": "string"}},
                "additionalProperties": true,
            }},
        },
    })
}
