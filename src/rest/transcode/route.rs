//! The routes, made from the HTTP rules of the contract when the server starts.

use std::sync::Arc;

use http::Method;
use prost_reflect::{FieldDescriptor, MessageDescriptor, MethodDescriptor};

use super::template::{Shape, SplitPath, Template, Variable};
use crate::rest::{
    contract::{
        Behavior, BodyRule, ContractError, HttpRule, Rpc, behaves, http_rules, rule_error,
        unary_rpcs,
    },
    proto_json,
};

/// A field at some depth of a message: each descriptor belongs to the message before it.
pub(in crate::rest) type FieldPath = Vec<FieldDescriptor>;

/// Where the body goes.
#[derive(Clone, Debug)]
pub(super) enum Body {
    None,
    Message,
    Field {
        field: FieldDescriptor,
        /// Whether the contract says `REQUIRED`; the path alone must not stand in for it.
        required: bool,
    },
}

/// One HTTP rule of one rpc.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) rpc: Rpc,
    pub(super) body: Body,
    /// The path, as the contract writes it.
    pub(super) path: String,
    template: Template,
    bound: Vec<(Variable, FieldPath)>,
}

impl Route {
    fn new(rpc: &MethodDescriptor, rule: &HttpRule) -> Result<Self, ContractError> {
        let template =
            Template::parse(&rule.template).map_err(|problem| rule_error(rpc, problem))?;
        let input = rpc.input();
        let bound = template
            .variables
            .iter()
            .map(|variable| match resolve(&input, &variable.field) {
                Some(path) if is_single_scalar(&path) => Ok((variable.clone(), path)),
                _ => Err(rule_error(rpc, "a variable names no scalar field")),
            })
            .collect::<Result<_, _>>()?;
        let body = match &rule.body {
            BodyRule::None => Body::None,
            BodyRule::Message => Body::Message,
            BodyRule::Field(name) => input
                .get_field_by_name(name)
                .filter(|field| proto_json::plain_message(field).is_some())
                .map(|field| Body::Field {
                    required: behaves(&field, Behavior::Required),
                    field,
                })
                .ok_or_else(|| rule_error(rpc, "the body names no message field"))?,
        };
        Ok(Self {
            rpc: Rpc::new(rpc)?,
            body,
            path: rule.template.clone(),
            template,
            bound,
        })
    }

    /// What the path says: each bound field, and its value or none when its encoding is broken.
    pub(super) fn captures<'a>(
        &'a self,
        path: &'a SplitPath<'_>,
    ) -> impl Iterator<Item = (&'a FieldPath, Option<String>)> {
        self.bound
            .iter()
            .map(|(variable, field)| (field, self.template.capture(variable, path)))
    }

    /// Whether the path sets this field.
    pub(super) fn is_bound(&self, path: &[FieldDescriptor]) -> bool {
        self.bound.iter().any(|(_, bound)| bound == path)
    }
}

/// Every route of one shape.
#[derive(Debug)]
struct Place {
    shape: Shape,
    methods: Vec<(Method, Arc<Route>)>,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Found<'r> {
    Route(&'r Arc<Route>),
    /// Something, but not with this method; these are taken.
    OtherMethods(String),
    Nothing,
}

/// Every route of the contract, in the order in which they are tried.
#[derive(Debug)]
pub(super) struct Routes(Vec<Place>);

impl Routes {
    /// Reads the HTTP rules of the contract.
    pub(super) fn new(pool: &prost_reflect::DescriptorPool) -> Result<Self, ContractError> {
        let mut routes = Self(Vec::new());
        for rpc in unary_rpcs(pool) {
            for rule in http_rules(&rpc)? {
                routes.add(&rpc, rule)?;
            }
        }
        routes
            .0
            .sort_by(|one, other| one.shape.preference().cmp(&other.shape.preference()));
        Ok(routes)
    }

    fn add(&mut self, rpc: &MethodDescriptor, rule: HttpRule) -> Result<(), ContractError> {
        let route = Route::new(rpc, &rule)?;
        let shape = &route.template.shape;
        let index = match self.0.iter().position(|place| place.shape == *shape) {
            Some(index) => index,
            None => {
                self.0.push(Place {
                    shape: shape.clone(),
                    methods: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let methods = &mut self.0[index].methods;
        if methods.iter().any(|(method, _)| *method == rule.method) {
            return Err(ContractError::Twice {
                method: rule.method,
                path: rule.template,
            });
        }
        methods.push((rule.method, Arc::new(route)));
        Ok(())
    }

    /// Finds the route; `HEAD` takes that of `GET` (RFC 9110 section 9.3.2).
    pub(super) fn find(&self, method: &Method, path: &SplitPath<'_>) -> Found<'_> {
        let Some(place) = self.0.iter().find(|place| place.shape.matches(path)) else {
            return Found::Nothing;
        };
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        place
            .methods
            .iter()
            .find(|(method, _)| method == wanted)
            .map_or_else(
                || Found::OtherMethods(place.allow()),
                |(_, route)| Found::Route(route),
            )
    }
}

impl Place {
    /// The value of `Allow` (RFC 9110 section 10.2.1).
    fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(|(m, _)| m.as_str()).collect();
        if names.contains(&Method::GET.as_str()) {
            names.push(Method::HEAD.as_str());
        }
        names.join(", ")
    }
}

/// The field at a dotted path of proto or JSON names; none when a step is not a field of a message
/// that is spelled out in JSON.
pub(in crate::rest) fn resolve(message: &MessageDescriptor, path: &str) -> Option<FieldPath> {
    let mut fields = FieldPath::new();
    let mut message = Some(message.clone());
    for name in path.split('.') {
        let field = proto_json::field(message.as_ref()?, name)?;
        message = proto_json::plain_message(&field).filter(|_| !field.is_list());
        fields.push(field);
    }
    Some(fields)
}

fn is_single_scalar(path: &[FieldDescriptor]) -> bool {
    path.last().is_some_and(|field| {
        !field.is_list() && !field.is_map() && proto_json::plain_message(field).is_none()
    })
}
