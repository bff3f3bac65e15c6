//! The contract's own paths, from `google.api.http`.

use http::Method;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::{
    Credential, Document,
    comments::{Comments, first_sentence},
    refusal_name, rules,
    schemas::{Schemas, name_of, reference},
    security,
};
use crate::{
    pb::{
        self,
        v1::{Access, LimitClass, RpcPolicy},
    },
    rest::{
        contract::{Behavior, BodyRule, ContractError, HttpRule, behaves, http_rules, rule_error},
        proto_json::plain_message,
        transcode::{
            route::resolve,
            template::{Segment, Template, Variable},
        },
    },
};

/// Messages in a query are spelled out to this depth.
const QUERY_DEPTH: usize = 4;

/// Adds every path of one rpc.
pub(super) fn add(
    document: &mut Document,
    rpc: &MethodDescriptor,
    schemas: &Schemas<'_>,
    comments: &Comments,
) -> Result<(), ContractError> {
    for (index, rule) in http_rules(rpc)?.iter().enumerate() {
        let template =
            Template::parse(&rule.template).map_err(|problem| rule_error(rpc, problem))?;
        let binding = Binding {
            rpc,
            rule,
            template,
            schemas,
            comments,
        };
        let mut operation = binding.operation();
        operation["operationId"] = operation_id(rpc, index).into();
        document.add(&rule.method, &binding.path(), operation)?;
    }
    Ok(())
}

fn operation_id(rpc: &MethodDescriptor, index: usize) -> String {
    let service = rpc.parent_service();
    let service = name_of(service.package_name(), service.name());
    let name = format!("{}_{}", service.replace('.', "_"), rpc.name());
    match index {
        0 => name,
        index => format!("{name}_{index}"),
    }
}

struct Binding<'a> {
    rpc: &'a MethodDescriptor,
    rule: &'a HttpRule,
    template: Template,
    schemas: &'a Schemas<'a>,
    comments: &'a Comments,
}

impl Binding<'_> {
    fn operation(&self) -> Value {
        let service = self.rpc.parent_service();
        let text = self.comments.of(&self.rpc.parent_file(), self.rpc.path());
        let mut operation = json!({
            "tags": [name_of(service.package_name(), service.name())],
            "summary": first_sentence(text),
            "description": text,
            "security": self.security(),
            "parameters": self.parameters(),
            "responses": self.responses(),
        });
        if let Some(body) = self.body() {
            operation["requestBody"] = body;
        }
        operation
    }

    /// The path as OpenAPI writes it: `/v1/accounts/{account}:changePassword`.
    fn path(&self) -> String {
        let shape = &self.template.shape;
        let mut path = String::new();
        for (index, segment) in shape.segments.iter().enumerate() {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::One | Segment::Rest => {
                    path.push_str(&format!("{{{}}}", self.parameter_name(index)));
                }
            }
        }
        if let Some(verb) = &shape.verb {
            path.push(':');
            path.push_str(verb);
        }
        path
    }

    /// A wildcard is named after the collection that it stands in, else after its variable.
    fn parameter_name(&self, index: usize) -> String {
        let before = index
            .checked_sub(1)
            .and_then(|before| self.template.shape.segments.get(before));
        match (before, self.variable(index)) {
            (Some(Segment::Literal(collection)), Some(variable)) if variable.start < index => {
                match collection.strip_suffix("ies") {
                    Some(stem) => format!("{stem}y"),
                    None => collection.trim_end_matches('s').to_owned(),
                }
            }
            (_, Some(variable)) => variable.field.replace('.', "_"),
            _ => format!("segment{index}"),
        }
    }

    fn variable(&self, index: usize) -> Option<&Variable> {
        self.template
            .variables
            .iter()
            .find(|variable| (variable.start..variable.end).contains(&index))
    }

    fn parameters(&self) -> Vec<Value> {
        let segments = self.template.shape.segments.iter().enumerate();
        let mut parameters: Vec<_> = segments
            .filter(|(_, segment)| !matches!(segment, Segment::Literal(_)))
            .map(|(index, _)| self.path_parameter(index))
            .collect();
        if self.rule.body != BodyRule::Message {
            self.add_query(&self.rpc.input(), "", "", 0, &mut parameters);
        }
        parameters
    }

    fn path_parameter(&self, index: usize) -> Value {
        let whole = self
            .variable(index)
            .map(|variable| format!("The last part of `{}`.", variable.field));
        let mut schema = json!({"type": "string", "minLength": 1});
        self.apply_rules(&mut schema, index);
        json!({
            "name": self.parameter_name(index),
            "in": "path",
            "required": true,
            "description": whole.unwrap_or_default(),
            "schema": schema,
        })
    }

    /// What the rules of the whole name leave for its last part.
    fn apply_rules(&self, schema: &mut Value, index: usize) {
        let Some(variable) = self.variable(index) else {
            return;
        };
        let field =
            resolve(&self.rpc.input(), &variable.field).and_then(|path| path.last().cloned());
        let Some(field) = field.filter(|_| variable.end == index + 1) else {
            return;
        };
        rules::apply(schema, &field);
        let before = &self.template.shape.segments[variable.start..index];
        let mut prefix = String::new();
        for segment in before {
            match segment {
                Segment::Literal(text) => prefix.push_str(&format!("{text}/")),
                Segment::One | Segment::Rest => return,
            }
        }
        if let Some(limit) = schema["maxLength"].as_u64() {
            schema["maxLength"] = (limit - prefix.len() as u64).into();
        }
        let pattern = schema["pattern"].as_str();
        let rest = pattern.and_then(|pattern| pattern.strip_prefix(&format!("^{prefix}")));
        if let Some(rest) = rest {
            schema["pattern"] = format!("^{rest}").into();
        }
    }

    fn add_query(
        &self,
        message: &MessageDescriptor,
        json_path: &str,
        proto_path: &str,
        depth: usize,
        parameters: &mut Vec<Value>,
    ) {
        for field in message.fields() {
            let json_name = format!("{json_path}{}", field.json_name());
            let proto_name = format!("{proto_path}{}", field.name());
            if self.is_bound(&proto_name) || self.is_body(&proto_name) || field.is_map() {
                continue;
            }
            match plain_message(&field) {
                None => parameters.push(self.query_parameter(&field, &json_name)),
                Some(inner) if !field.is_list() && depth < QUERY_DEPTH => {
                    let (json_path, proto_path) =
                        (format!("{json_name}."), format!("{proto_name}."));
                    self.add_query(&inner, &json_path, &proto_path, depth + 1, parameters);
                }
                Some(_) => {}
            }
        }
    }

    fn query_parameter(&self, field: &FieldDescriptor, name: &str) -> Value {
        let mut schema = self.schemas.field(field);
        let text = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": behaves(field, Behavior::Required),
            "description": text,
            "schema": schema,
        })
    }

    fn is_bound(&self, name: &str) -> bool {
        self.template
            .variables
            .iter()
            .any(|variable| variable.field == name)
    }

    fn is_body(&self, name: &str) -> bool {
        matches!(&self.rule.body, BodyRule::Field(body) if body == name)
    }

    fn body(&self) -> Option<Value> {
        let input = self.rpc.input();
        let (schema, required) = match &self.rule.body {
            BodyRule::None => return None,
            BodyRule::Message => {
                let unbound = |field: &FieldDescriptor| !self.is_bound(field.name());
                let required = |field| unbound(&field) && behaves(&field, Behavior::Required);
                let schema = if input.fields().all(|field| unbound(&field)) {
                    reference(&name_of(input.package_name(), input.name()))
                } else {
                    self.schemas.message(&input, unbound)
                };
                (schema, input.fields().any(required))
            }
            BodyRule::Field(name) => {
                let field = input.get_field_by_name(name)?;
                let message = plain_message(&field)?;
                let mut schema = self.schemas.message(&message, |_| true);
                let is_bound =
                    |inner: &FieldDescriptor| self.is_bound(&format!("{name}.{}", inner.name()));
                for inner in message.fields().filter(is_bound) {
                    schema["properties"][inner.json_name()] =
                        json!({"description": "Set by the path; not read here."});
                }
                (schema, behaves(&field, Behavior::Required))
            }
        };
        Some(json!({
            "required": required,
            "content": {"application/json": {"schema": schema}},
        }))
    }

    fn responses(&self) -> Value {
        let output = self.rpc.output();
        let schema = reference(&name_of(output.package_name(), output.name()));
        let mut responses = Map::new();
        let done = json!({
            "description": self.comments.of(&output.parent_file(), output.path()),
            "content": {"application/json": {"schema": schema}},
        });
        responses.insert("200".to_owned(), done);
        for status in self.refusals() {
            let name = refusal_name(status);
            let response = json!({"$ref": format!("#/components/responses/{name}")});
            responses.insert(status.to_string(), response);
        }
        responses.into()
    }

    /// The HTTP statuses of the refusals that this call can meet.
    fn refusals(&self) -> Vec<u16> {
        let has_body = self.rule.body != BodyRule::None;
        // These name something in the body: a client, or a provider.
        let names = [
            "response_type",
            "post_logout_redirect_uri",
            "identity_provider",
        ];
        let by_name =
            !self.template.variables.is_empty() || names.into_iter().any(|name| self.takes(name));
        let of_clients = [LimitClass::Token, LimitClass::ClientRegistration];
        let may_be_denied = of_clients.contains(&self.policy().limit_class());
        [
            (400, true),
            (401, !self.is_public() || self.checks_a_secret()),
            (403, !self.is_public() || may_be_denied),
            (404, by_name),
            (409, self.can_conflict()),
            // Also a call without a body is refused for the one that it should not have.
            (413, true),
            (415, has_body),
            (429, true),
            (500, true),
            (503, true),
            (504, true),
        ]
        .into_iter()
        .filter_map(|(status, can_happen)| can_happen.then_some(status))
        .collect()
    }

    /// Sign-up meets addresses that are taken; a change or deletion meets a newer etag.
    fn can_conflict(&self) -> bool {
        let has_etag = |message: &MessageDescriptor| message.get_field_by_name("etag").is_some();
        let input = self.rpc.input();
        let in_body = input
            .fields()
            .filter(|field| self.is_body(field.name()) && self.rule.method == Method::PATCH)
            .filter_map(|field| plain_message(&field))
            .any(|message| has_etag(&message));
        has_etag(&input) || in_body || self.policy().limit_class() == LimitClass::AccountCreation
    }

    /// Whether the message itself holds what proves who calls: a password, a token or the secret of a client.
    fn checks_a_secret(&self) -> bool {
        let secrets = [
            "refresh_token",
            "client_secret",
            "registration_access_token",
        ];
        secrets.iter().any(|name| self.takes(name))
            || self.policy().limit_class() == LimitClass::SignIn
    }

    /// Whether the message has this field.
    fn takes(&self, field: &str) -> bool {
        self.rpc.input().get_field_by_name(field).is_some()
    }

    fn security(&self) -> Value {
        security(match self.policy().access() {
            Access::Public => Credential::None,
            Access::Optional => Credential::Optional,
            _ => Credential::Required,
        })
    }

    fn is_public(&self) -> bool {
        self.policy().access() == Access::Public
    }

    /// The rpc's policy; the empty one when it has none.
    fn policy(&self) -> RpcPolicy {
        pb::policy(self.rpc).unwrap_or_default()
    }
}
