//! The canonical REST API: every unary rpc at its `google.api.http` paths, from the descriptor.
//!
//! Requests and answers are proto3 JSON; an error is a `google.rpc.Status`. An answer has every
//! scalar and list of its message, also where it is empty or zero.

mod error;
mod request;
pub(super) mod route;
pub(super) mod template;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, sync::Arc};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use prost_reflect::DynamicMessage;
use tower::util::BoxCloneSyncService;

pub use self::error::render;
use self::{
    route::{Found, Route, Routes},
    template::SplitPath,
};
use super::{
    channel::Channel,
    contract::{ContractError, pool},
    proto_json, unary,
};
use crate::{
    error::{Error, Reason, Result},
    telemetry,
};

/// Translates REST calls into calls of the contract's services.
#[derive(Clone, Debug)]
pub struct Transcoder {
    routes: Arc<Routes>,
    channel: Channel,
}

impl Transcoder {
    /// Reads the HTTP rules of the contract; calls go through `channel`.
    ///
    /// # Errors
    /// The contract has a rule that cannot be served, or two that contradict each other.
    pub fn new(channel: Channel) -> std::result::Result<Self, ContractError> {
        Ok(Self {
            routes: Arc::new(Routes::new(&pool()?)?),
            channel,
        })
    }

    /// Answers one request. What is at no path of the contract is a 404 in the same form.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let parts = Arc::new(parts);
        let answer = self.answer(&parts, body).await;
        let response = answer.unwrap_or_else(IntoResponse::into_response);
        if parts.method == Method::HEAD {
            return without_body(response);
        }
        response
    }

    /// The transcoder as a service.
    #[must_use]
    pub fn into_service(self) -> BoxCloneSyncService<Request<Body>, Response<Body>, Infallible> {
        let transcoder = Arc::new(self);
        BoxCloneSyncService::new(tower::service_fn(move |request| {
            let transcoder = Arc::clone(&transcoder);
            async move { Ok(transcoder.handle(request).await) }
        }))
    }

    async fn answer(&self, parts: &Arc<Parts>, body: Body) -> Result<Response<Body>> {
        let path =
            SplitPath::new(parts.uri.path()).ok_or_else(|| Error::new(Reason::MethodNotFound))?;
        let route = self.find(&parts.method, &path)?;
        telemetry::route(&route.path);
        request::check_announced(route, &parts.headers, &body)?;
        let frame = frame(Arc::clone(route), Arc::clone(parts), body);
        let answer = unary::call(&self.channel, &route.rpc, parts, frame).await?;
        let message = DynamicMessage::decode(route.rpc.output.clone(), answer.message)
            .map_err(Error::internal)?;
        let mut response = unary::json_response(StatusCode::OK, proto_json::write(&message)?);
        response.headers_mut().extend(visible(answer.headers));
        *response.extensions_mut() = answer.extensions;
        Ok(response)
    }

    fn find(&self, method: &Method, path: &SplitPath<'_>) -> Result<&Arc<Route>> {
        match self.routes.find(method, path) {
            Found::Route(route) => Ok(route),
            Found::Nothing => Err(Reason::MethodNotFound.into()),
            Found::OtherMethods(allowed) => Err(not_allowed(&allowed)),
        }
    }
}

/// Reads the body, and makes the message of the whole request.
async fn frame(route: Arc<Route>, parts: Arc<Parts>, body: Body) -> Result<Bytes> {
    let body = unary::read_body(body, unary::LARGEST_BODY).await?;
    let path = SplitPath::new(parts.uri.path()).ok_or(Reason::MethodNotFound)?;
    unary::frame(&request::message(&route, &parts, &path, &body)?)
}

fn not_allowed(allowed: &str) -> Error {
    let error = Error::new(Reason::HttpMethodNotAllowed);
    match HeaderValue::from_str(allowed) {
        Ok(allowed) => error.with_header(header::ALLOW, allowed),
        Err(_) => error,
    }
}

/// The metadata that means something in HTTP; binary metadata is gRPC's own.
fn visible(headers: HeaderMap) -> HeaderMap {
    let mut seen = unary::metadata(headers);
    let binary: Vec<_> = seen
        .keys()
        .filter(|name| name.as_str().ends_with("-bin"))
        .cloned()
        .collect();
    for name in binary {
        seen.remove(name);
    }
    seen
}

/// A `HEAD` is told how long the body would have been (RFC 9110 section 9.3.2).
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Body::empty())
}
