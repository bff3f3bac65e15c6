//! Takes the reason off every error that the program itself gives: Countersign's contract adds one to each as a
//! detail, but the suite takes every detail for one that its service sent.

use std::convert::Infallible;

use axum::{body::Body, response::Response};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use prost::Message as _;
use serde_json::Value;
use tonic::Status;

const REASON: &str = "google.rpc.ErrorInfo";

/// From the headers and trailers of a gRPC answer.
pub(crate) fn off_services(
    mut response: http::Response<tonic::body::Body>,
) -> http::Response<tonic::body::Body> {
    off(response.headers_mut());
    response.map(|body| {
        tonic::body::Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                off(trailers);
            }
            frame
        }))
    })
}

/// From what a layer refuses, and from an error of Connect, which is a JSON body.
pub(crate) async fn off_layers(mut response: Response) -> Result<Response, Infallible> {
    off(response.headers_mut());
    if response.status().is_success() {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.unwrap_or_default().to_bytes();
    let Ok(mut error) = serde_json::from_slice::<Value>(&body) else {
        return Ok(Response::from_parts(head, body.into()));
    };
    if let Some(details) = error["details"].as_array_mut() {
        details.retain(|detail| detail["type"] != REASON);
    }
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(error.to_string())))
}

fn off(headers: &mut HeaderMap) {
    let has_reason = Status::from_header_map(headers)
        .and_then(|status| tonic_types::Status::decode(status.details()).ok())
        .is_some_and(|status| {
            status
                .details
                .iter()
                .any(|any| any.type_url.ends_with(REASON))
        });
    if has_reason {
        headers.remove("grpc-status-details-bin");
    }
}
