//! An error as `google.rpc.Status` in JSON (AIP-193), with the HTTP status of its reason.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    error::{Detail, Error},
    rest::{error_headers, unary},
};

/// The answer to the call of this id.
#[must_use]
pub fn render(error: &Error, request_id: &str) -> Response {
    let status = error.http_status();
    let body = body(error, request_id).to_string();
    let mut response = unary::json_response(status, body.into());
    error_headers::add(response.headers_mut(), status, error);
    response
}

fn body(error: &Error, request_id: &str) -> Value {
    let (last, mut details): (Vec<_>, Vec<_>) = error
        .details()
        .partition(|detail| matches!(detail, Detail::RetryInfo(_)));
    details.extend(last);
    let mut details: Vec<Value> = details.iter().map(typed).collect();
    details.push(json!({
        "@type": "type.googleapis.com/google.rpc.RequestInfo",
        "requestId": request_id,
    }));
    json!({"code": error.code() as i32, "message": error.message(), "details": details})
}

fn typed(detail: &Detail<'_>) -> Value {
    let kind = format!("type.googleapis.com/{}", detail.name());
    let mut typed = Map::from_iter([("@type".to_owned(), kind.into())]);
    detail.write(&mut typed);
    typed.into()
}
