//! The paths of the server itself: its probes, its keys, forward-auth, and this document.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Credential, Document, refusal_name, security};
use crate::rest::{
    contract::ContractError,
    forward::{IDENTITY_HEADERS, PATH},
};

const TAG: &str = "Server";

/// Adds every one of them.
pub(super) fn add(document: &mut Document) -> Result<(), ContractError> {
    document.tags.push(TAG);
    for (path, summary, responses) in [
        ("/livez", "Whether the process runs", live()),
        ("/readyz", "Whether calls can be served", ready()),
        (
            "/.well-known/jwks.json",
            "The keys that tokens are verified with",
            keys(),
        ),
        ("/openapi.json", "This document", itself()),
    ] {
        document.add(&Method::GET, path, operation(path, summary, responses))?;
    }
    document.add(&Method::GET, PATH, forward())
}

fn operation(path: &str, summary: &str, mut responses: Value) -> Value {
    // They read no body, but one that is announced too large is refused before any path is looked at.
    for status in [413, 500, 504] {
        let name = refusal_name(status);
        responses[status.to_string()] = json!({"$ref": format!("#/components/responses/{name}")});
    }
    json!({
        "tags": [TAG],
        "summary": summary,
        "operationId": format!("{TAG}_{}", path.trim_start_matches('/').replace(['/', '.'], "_")),
        "security": security(Credential::None),
        "parameters": [],
        "responses": responses,
    })
}

fn forward() -> Value {
    let summary = "Whether a proxy may pass a request of its client on";
    let mut forward = operation(PATH, summary, passed());
    forward["security"] = security(Credential::Optional);
    forward["parameters"] = [
        "X-Original-Method",
        "X-Original-URI",
        "X-Forwarded-Method",
        "X-Forwarded-Uri",
    ]
    .map(|name| json!({"name": name, "in": "header", "schema": {"type": "string"}}))
    .to_vec()
    .into();
    for status in [401, 403, 429, 503] {
        let name = refusal_name(status);
        forward["responses"][status.to_string()] =
            json!({"$ref": format!("#/components/responses/{name}")});
    }
    forward
}

fn passed() -> Value {
    let header = |name: &str| (name.to_owned(), json!({"schema": {"type": "string"}}));
    let headers: Map<_, _> = IDENTITY_HEADERS.into_iter().map(header).collect();
    json!({"200": {
        "description": "It may: these headers say for whom, and are empty for nobody.",
        "headers": headers,
    }})
}

fn live() -> Value {
    json!({"200": {
        "description": "The process runs.",
        "content": {"text/plain": {"schema": {"type": "string", "const": "ok"}}},
    }})
}

fn ready() -> Value {
    let answer = |description: &str, status: &str| {
        let schema = json!({
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "string", "const": status}},
        });
        json!({
            "description": description,
            "content": {"application/json": {"schema": schema}},
        })
    };
    json!({
        "200": answer("Calls can be served.", "ready"),
        "429": {"$ref": format!("#/components/responses/{}", refusal_name(429))},
        "503": answer("The database cannot be read or written, or the server stops.", "unavailable"),
    })
}

fn keys() -> Value {
    let key = json!({
        "type": "object",
        "required": ["kty", "kid"],
        "properties": {"kty": {"type": "string"}, "kid": {"type": "string"}},
        "additionalProperties": true,
    });
    let schema = json!({
        "type": "object",
        "required": ["keys"],
        "properties": {"keys": {"type": "array", "items": key}},
    });
    json!({"200": {
        "description": "A JWK Set (RFC 7517). It may be kept for five minutes.",
        "headers": {"Cache-Control": {"schema": {"type": "string"}}},
        "content": {"application/jwk-set+json": {"schema": schema}},
    }})
}

fn itself() -> Value {
    json!({"200": {
        "description": "An OpenAPI 3.1 document.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }})
}
