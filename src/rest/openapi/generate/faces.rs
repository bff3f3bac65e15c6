//! The paths of the faces, as they describe themselves.

use prost_reflect::{DescriptorPool, FieldDescriptor};
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{
    Document, FaceOperation, FaceResponse, QueryParameter, RequestBody, add_headers, rules,
    security,
};
use crate::rest::contract::ContractError;

const LOCAL: &str = "#/$defs/";

/// Adds one operation. Definitions inside its schemas move to the document's own, under the tag.
///
/// A property that ends in a field of the contract names it, `"x-field": "CreateAccountRequest.email"`; the rules of that
/// field take the place of the name.
pub(super) fn add(
    document: &mut Document,
    mut operation: FaceOperation,
    pool: &DescriptorPool,
) -> Result<(), ContractError> {
    if let Some(request) = &mut operation.request {
        let mut schema = request.schema.clone().to_value();
        apply_rules(&mut schema, pool)?;
        request.schema = schema.try_into()?;
    }
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

fn apply_rules(schema: &mut Value, pool: &DescriptorPool) -> Result<(), ContractError> {
    match schema {
        Value::Object(object) => {
            let named = object.remove("x-field");
            for value in object.values_mut() {
                apply_rules(value, pool)?;
            }
            if let Some(named) = named {
                let field = named.as_str().and_then(|name| field(pool, name));
                let field = field.ok_or_else(|| ContractError::Field(named.to_string()))?;
                rules::apply(schema, &field);
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| apply_rules(item, pool)),
        _ => Ok(()),
    }
}

fn field(pool: &DescriptorPool, name: &str) -> Option<FieldDescriptor> {
    let (message, field) = name.split_once('.')?;
    let message = pool.get_message_by_name(&format!("countersign.v1.{message}"))?;
    message.get_field_by_name(field)
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
