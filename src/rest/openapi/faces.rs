//! The paths of the faces, as they describe themselves.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{
    Document, FaceOperation, FaceResponse, QueryParameter, RequestBody, add_headers, security,
};
use crate::rest::contract::ContractError;

const LOCAL: &str = "#/$defs/";

/// Adds one operation. Definitions inside its schemas move to the document's own, under the tag.
pub(super) fn add(document: &mut Document, operation: FaceOperation) -> Result<(), ContractError> {
    let tag = operation.tag;
    if !document.tags.contains(&tag) {
        document.tags.push(tag);
    }
    let mut parameters = path_parameters(operation.path);
    for parameter in operation.query {
        parameters.push(query_parameter(document, tag, parameter));
    }
    let mut described = json!({
        "tags": [tag],
        "summary": operation.summary,
        "operationId": operation_id(tag, operation.method.as_str(), operation.path),
        "security": security(operation.credential),
        "parameters": parameters,
        "responses": responses(document, tag, operation.responses),
    });
    if let Some(request) = operation.request {
        described["requestBody"] = body(document, tag, request);
    }
    document.add(&operation.method, operation.path, described)
}

fn operation_id(tag: &str, method: &str, path: &str) -> String {
    component_name(&format!("{tag}_{}{path}", method.to_ascii_lowercase()))
}

/// Names of components have only these characters (OpenAPI 3.1 section 4.8.7).
fn component_name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.replace(|c| !plain(c), "_")
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": {"type": "string", "minLength": 1},
            })
        })
        .collect()
}

fn query_parameter(document: &mut Document, tag: &str, parameter: QueryParameter) -> Value {
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "schema": schema(document, tag, parameter.schema),
    })
}

fn body(document: &mut Document, tag: &str, request: RequestBody) -> Value {
    let required = request.required;
    let schema = schema(document, tag, request.schema);
    let content: Map<_, _> = request
        .content_types
        .iter()
        .map(|content_type| ((*content_type).to_owned(), json!({"schema": schema})))
        .collect();
    json!({"required": required, "content": content})
}

fn responses(document: &mut Document, tag: &str, responses: Vec<FaceResponse>) -> Value {
    let mut described = Map::new();
    for response in responses {
        let mut value = json!({"description": response.description});
        if let Some(answer) = response.schema {
            let schema = schema(document, tag, answer);
            value["content"] = json!({"application/json": {"schema": schema}});
        }
        add_headers(&mut value, response.status);
        described.insert(response.status.to_string(), value);
    }
    described.into()
}

fn schema(document: &mut Document, tag: &str, schema: Schema) -> Value {
    let mut schema = schema.to_value();
    let mut definitions = Map::new();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(found)) = object.remove("$defs") {
            definitions = found;
        }
    }
    point_to_components(&mut schema, tag);
    for (name, mut definition) in definitions {
        point_to_components(&mut definition, tag);
        let name = component_name(&format!("{tag}.{name}"));
        document.schemas.insert(name, definition);
    }
    schema
}

/// Rewrites references into the schema's own definitions.
fn point_to_components(schema: &mut Value, tag: &str) {
    match schema {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                match value {
                    Value::String(text) if name == "$ref" && text.starts_with(LOCAL) => {
                        let name = component_name(&format!("{tag}.{}", &text[LOCAL.len()..]));
                        *text = format!("#/components/schemas/{name}");
                    }
                    value => point_to_components(value, tag),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| point_to_components(item, tag)),
        _ => {}
    }
}
