//! `/livez` and `/readyz`, for whoever restarts the process or sends it traffic.

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::json;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::channel::Channel;
use crate::{error::Error, model::request::RequestContext};

/// `GET /livez` answers while the process does anything at all. `GET /readyz` says what `grpc.health.v1` does of
/// the whole server: 200 `{"status":"ready"}` or 503 `{"status":"unavailable"}`.
pub fn router(channel: Channel) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readiness))
        .with_state(channel)
}

async fn readiness(State(channel): State<Channel>, request: Request) -> Response {
    let context = request.extensions().get::<RequestContext>();
    let mut check = tonic::Request::new(HealthCheckRequest::default());
    if let Some(context) = context {
        check.extensions_mut().insert(context.clone());
    }
    match HealthClient::new(channel).check(check).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {
            (StatusCode::OK, Json(json!({"status": "ready"}))).into_response()
        }
        Ok(_) => {
            let body = json!({"status": "unavailable"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        Err(status) => Error::from(status).into_response(),
    }
}
