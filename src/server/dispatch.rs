//! Sends each request to the service that speaks its language.

use std::{convert::Infallible, pin::Pin};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
};
use http_body_util::BodyExt as _;
use mediatype::MediaTypeList;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, ServiceExt as _, service_fn, util::BoxCloneSyncService};

use crate::layers::{
    HttpService,
    call::{Call, Dialect, content_type},
    trace::GrpcOutcome,
};

/// The gRPC services of the contract, with reflection and health.
pub type GrpcService = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    Infallible,
>;

/// The same services behind the Connect protocol, unary with JSON or protobuf.
pub type ConnectService = HttpService;

/// The content types of gRPC. What stands after `+` names another coding of messages, which nothing here speaks.
const GRPC_TYPES: [&str; 2] = ["application/grpc", "application/grpc+proto"];

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// The content types of grpc-web; tonic takes any other one for native gRPC.
const GRPC_WEB_TYPES: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// One service out of all: gRPC and grpc-web by content type, Connect by path, REST for the rest.
#[must_use]
pub fn dispatch(grpc: GrpcService, connect: ConnectService, rest: Router) -> HttpService {
    let grpc = GrpcService::new(service_fn(move |request| observed(grpc.clone(), request)));
    // Around gRPC alone: it answers 400 to everything else that comes over HTTP/1.1.
    let grpc_web = GrpcWebLayer::new().layer(grpc.clone());
    HttpService::new(service_fn(move |request: Request| {
        // Only the one service that is called is cloned.
        let answer: Answer = match Call::of(&request).dialect {
            Dialect::Grpc => Box::pin(native(grpc.clone(), request)),
            Dialect::GrpcWeb { .. } => Box::pin(web(grpc_web.clone(), request)),
            Dialect::Connect => Box::pin(connect.clone().oneshot(request)),
            Dialect::Rest => Box::pin(rest.clone().oneshot(request)),
        };
        answer
    }))
}

async fn native(grpc: GrpcService, request: Request) -> Result<Response, Infallible> {
    if request.method() != Method::POST {
        return Ok(only_post());
    }
    if named(&GRPC_TYPES, content_type(request.headers())).is_none() {
        return Ok(unsupported(&GRPC_TYPES));
    }
    // gRPC needs trailers that only HTTP/2 clients read.
    if request.version() != Version::HTTP_2 {
        let hint = "gRPC needs HTTP/2; over HTTP/1.1, use grpc-web, Connect or REST.\n";
        return Ok((StatusCode::HTTP_VERSION_NOT_SUPPORTED, hint).into_response());
    }
    let response = grpc.oneshot(request.map(tonic::body::Body::new)).await?;
    Ok(response.map(Body::new))
}

async fn web(
    grpc_web: GrpcWebService<GrpcService>,
    mut request: Request,
) -> Result<Response, Infallible> {
    if request.method() != Method::POST {
        return Ok(only_post());
    }
    let Some(spoken) = named(&GRPC_WEB_TYPES, content_type(request.headers())) else {
        return Ok(unsupported(&GRPC_WEB_TYPES));
    };
    // tonic-web compares both byte by byte, and answers in binary whoever does not name one of the four.
    let wanted = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            MediaTypeList::new(value)
                .flatten()
                .find_map(|accepted| named(&GRPC_WEB_TYPES, &accepted.essence().to_string()))
        })
        .unwrap_or(spoken);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(spoken));
    headers.insert(ACCEPT, HeaderValue::from_static(wanted));
    Ok(grpc_web.oneshot(request).await?.map(Body::new))
}

fn named(types: &[&'static str], name: &str) -> Option<&'static str> {
    types
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .copied()
}

/// Clients of gRPC read `UNKNOWN` off this HTTP status (grpc/grpc, doc/http-grpc-status-mapping.md).
fn unsupported(accepted: &[&str]) -> Response {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    (status, [(ACCEPT_POST, accepted.join(", "))]).into_response()
}

fn only_post() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response()
}

/// Writes the status down for the log, here where grpc-web still has trailers.
async fn observed(
    grpc: GrpcService,
    request: http::Request<tonic::body::Body>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let outcome = request.extensions().get::<GrpcOutcome>().cloned();
    let response = grpc.oneshot(request).await?;
    let Some(outcome) = outcome else {
        return Ok(response);
    };
    outcome.record(response.headers());
    Ok(response.map(|body| {
        tonic::body::Body::new(body.map_frame(move |frame| {
            if let Some(trailers) = frame.trailers_ref() {
                outcome.record(trailers);
            }
            frame
        }))
    }))
}
