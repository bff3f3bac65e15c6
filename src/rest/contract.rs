//! The contract's descriptor as REST reads it: the rpcs, and the HTTP rule of each.

use http::{Method, uri::PathAndQuery};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

use crate::pb;

/// A mistake in the contract that REST cannot work with. Found at start, never by a caller.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The descriptor does not hold together.
    #[error("the contract's descriptor cannot be read")]
    Descriptor(#[from] prost_reflect::DescriptorError),
    /// An rpc's HTTP rule asks for something that REST does not do.
    #[error("{rpc}: {problem}")]
    Rule {
        /// The full name of the rpc.
        rpc: String,
        /// What is wrong with the rule.
        problem: String,
    },
    /// Two operations have the same method and path.
    #[error("{method} {path} is described twice")]
    Twice {
        /// The HTTP method.
        method: Method,
        /// The path, as OpenAPI writes it.
        path: String,
    },
    /// A face names a field that the contract has not.
    #[error("a face names the field {0}, which the contract has not")]
    Field(String),
    /// The OpenAPI document cannot be written.
    #[error("the OpenAPI document cannot be written")]
    Document(#[from] serde_json::Error),
}

/// Every descriptor of the contract.
pub(super) fn pool() -> Result<DescriptorPool, ContractError> {
    Ok(pb::pool()?)
}

/// The services of the contract itself, without what it imports.
pub(super) fn services(pool: &DescriptorPool) -> impl Iterator<Item = ServiceDescriptor> + '_ {
    pool.services()
        .filter(|service| service.package_name().starts_with(pb::PACKAGES))
}

/// Every unary rpc of the contract.
pub(super) fn unary_rpcs(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    services(pool)
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .filter(|rpc| !rpc.is_client_streaming() && !rpc.is_server_streaming())
        .collect()
}

/// What a call of one rpc needs.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    /// `/package.Service/Method`.
    pub(super) path: PathAndQuery,
    /// The message to send.
    pub(super) input: MessageDescriptor,
    /// The message that comes back.
    pub(super) output: MessageDescriptor,
    /// Whether the contract says `NO_SIDE_EFFECTS`.
    pub(super) safe: bool,
}

impl Rpc {
    pub(super) fn new(rpc: &MethodDescriptor) -> Result<Self, ContractError> {
        let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        let safe = rpc
            .options()
            .get_field_by_name("idempotency_level")
            .is_some_and(|level| level.as_enum_number() == Some(1));
        Ok(Self {
            path: path
                .try_into()
                .map_err(|_| rule_error(rpc, "the name does not fit into a path"))?,
            input: rpc.input(),
            output: rpc.output(),
            safe,
        })
    }
}

/// Where the body of a REST request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum BodyRule {
    /// There is no body.
    None,
    /// The body is the whole message but what the path names.
    Message,
    /// The body is this field, by its proto name.
    Field(String),
}

/// One way to an rpc: `google.api.HttpRule`.
#[derive(Clone, Debug)]
pub(super) struct HttpRule {
    pub(super) method: Method,
    pub(super) template: String,
    pub(super) body: BodyRule,
}

/// The HTTP rules of an rpc, the main one first.
pub(super) fn http_rules(rpc: &MethodDescriptor) -> Result<Vec<HttpRule>, ContractError> {
    match extension(&rpc.options(), "google.api.http") {
        Some(rule) => with_more_bindings(rpc, &rule),
        None => Ok(Vec::new()),
    }
}

fn with_more_bindings(
    rpc: &MethodDescriptor,
    rule: &DynamicMessage,
) -> Result<Vec<HttpRule>, ContractError> {
    let mut rules = vec![http_rule(rpc, rule)?];
    if let Some(more) = rule.get_field_by_name("additional_bindings") {
        for rule in more
            .as_list()
            .unwrap_or_default()
            .iter()
            .filter_map(|value| value.as_message())
        {
            rules.push(http_rule(rpc, rule)?);
        }
    }
    Ok(rules)
}

/// The value of a message-typed extension, where it is set.
pub(super) fn extension(options: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    options
        .extensions()
        .find(|(extension, _)| extension.full_name() == name)
        .and_then(|(_, value)| value.as_message().cloned())
}

/// What the contract says about a field: `google.api.FieldBehavior`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behavior {
    Required = 2,
    #[cfg(test)]
    OutputOnly = 3,
}

/// Whether the contract says so about this field.
pub(super) fn behaves(field: &FieldDescriptor, behavior: Behavior) -> bool {
    field
        .options()
        .extensions()
        .filter(|(extension, _)| extension.full_name() == "google.api.field_behavior")
        .filter_map(|(_, value)| value.as_list())
        .flatten()
        .any(|value| value.as_enum_number() == Some(behavior as i32))
}

fn http_rule(rpc: &MethodDescriptor, rule: &DynamicMessage) -> Result<HttpRule, ContractError> {
    let text = |name: &str| {
        rule.get_field_by_name(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let (method, template) = [
        (Method::GET, "get"),
        (Method::PUT, "put"),
        (Method::POST, "post"),
        (Method::DELETE, "delete"),
        (Method::PATCH, "patch"),
    ]
    .into_iter()
    .map(|(method, field)| (method, text(field)))
    .find(|(_, template)| !template.is_empty())
    .ok_or_else(|| rule_error(rpc, "the HTTP rule has no method that is known here"))?;
    if !text("response_body").is_empty() {
        return Err(rule_error(rpc, "response_body is not known here"));
    }
    let body = match text("body").as_str() {
        "" => BodyRule::None,
        "*" => BodyRule::Message,
        field => BodyRule::Field(field.to_owned()),
    };
    Ok(HttpRule {
        method,
        template,
        body,
    })
}

pub(super) fn rule_error(rpc: &MethodDescriptor, problem: impl Into<String>) -> ContractError {
    ContractError::Rule {
        rpc: rpc.full_name().to_owned(),
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: serde_json::Value) -> Result<Vec<HttpRule>, ContractError> {
        let pool = pool().unwrap();
        let kind = pool.get_message_by_name("google.api.HttpRule").unwrap();
        let rule = DynamicMessage::deserialize(kind, rule).unwrap();
        with_more_bindings(&unary_rpcs(&pool)[0], &rule)
    }

    #[test]
    fn additional_bindings_are_ways_of_their_own() {
        let rules = read(serde_json::json!({
            "post": "/v1/a", "body": "*",
            "additionalBindings": [{"get": "/v1/b"}, {"put": "/v1/c", "body": "account"}],
        }))
        .unwrap();
        let ways: Vec<_> = rules
            .iter()
            .map(|rule| (rule.method.as_str(), rule.template.as_str(), &rule.body))
            .collect();
        assert_eq!(
            ways,
            [
                ("POST", "/v1/a", &BodyRule::Message),
                ("GET", "/v1/b", &BodyRule::None),
                ("PUT", "/v1/c", &BodyRule::Field("account".to_owned())),
            ]
        );
    }

    #[test]
    fn what_rest_does_not_do_is_refused_at_start() {
        assert!(read(serde_json::json!({"get": "/v1/a", "responseBody": "account"})).is_err());
        assert!(read(serde_json::json!({"custom": {"kind": "LINK", "path": "/v1/a"}})).is_err());
    }
}
