//! The one place where errors are rendered, on their way out: in the dialect of the call.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use http::{
    HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body as _;
use tower::ServiceExt as _;

use crate::{
    error::{Error, Reason, fill},
    faces::Face,
    grpc::{GrpcService, status},
    layers::{
        HttpService,
        around::{Answer, Around, Middleware},
        call::{Call, Dialect},
    },
    pages::{self, Pages},
    rest::{challenge::Challenges, connect, error_headers, forward::AskedAbout, transcode},
};

/// Renders the errors that the answers of a service carry.
#[must_use]
pub fn rendered(service: HttpService) -> HttpService {
    let plainly = RenderErrors {
        pages: None,
        challenges: None,
    };
    HttpService::new(Around::new(plainly, service))
}

/// The same with pages for whoever comes with a browser to an address where nothing is, and challenges that say where to get
/// a token.
pub(super) fn rendered_in_full(
    service: HttpService,
    pages: Pages,
    challenges: Challenges,
) -> HttpService {
    let in_full = RenderErrors {
        pages: Some(pages),
        challenges: Some(Arc::new(challenges)),
    };
    HttpService::new(Around::new(in_full, service))
}

/// The same for callers of the services in process, who speak gRPC.
pub(super) fn rendered_as_grpc(services: GrpcService) -> GrpcService {
    GrpcService::new(services.map_response(|answer| {
        let Some(error) = Error::carried_by(answer.extensions()) else {
            return answer;
        };
        error.log();
        answer_in_grpc(&error, Dialect::Grpc, answer.map(Body::new)).map(tonic::body::Body::new)
    }))
}

#[derive(Clone)]
struct RenderErrors {
    pages: Option<Pages>,
    challenges: Option<Arc<Challenges>>,
}

impl RenderErrors {
    /// Says in an answer that asks for a token where it is to be had. A registration access token is had with a registration
    /// alone.
    fn complete(challenges: &Challenges, call: &Call, answer: &mut Response) {
        if face(call, answer) == Some(Face::OAuthRegistration) {
            return;
        }
        let asked = answer.extensions().get::<AskedAbout>().cloned();
        challenges.complete(answer.headers_mut(), asked.as_ref());
    }
}

impl Middleware for RenderErrors {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let call = Call::of(&request);
        let pages = self
            .pages
            .as_ref()
            .filter(|_| call.dialect == Dialect::Rest);
        let reader = pages.and_then(|pages| pages.reader(&request));
        let challenges = self.challenges.clone();
        let answer = next(request);
        Box::pin(async move {
            let response = answer.await?;
            let Some(error) = Error::carried_by(response.extensions()) else {
                return Ok(response);
            };
            error.log();
            let mut rendered = match reader {
                Some(reader) if pages::owns(call.path()) => {
                    finish(&call, reader.error(&error, &call.request_id), response)
                }
                Some(reader) if is_nowhere(&call, &error, &response) => {
                    finish(&call, reader.not_found(&call.request_id), response)
                }
                _ => render(&call, &error, response),
            };
            if let Some(challenges) = challenges {
                RenderErrors::complete(&challenges, &call, &mut rendered);
            }
            Ok(rendered)
        })
    }
}

/// The answer to a call whose answer so far carries this error.
fn render(call: &Call, error: &Error, carrier: Response) -> Response {
    let rendered = match call.dialect {
        Dialect::Grpc | Dialect::GrpcWeb { .. } => {
            return answer_in_grpc(error, call.dialect, carrier);
        }
        Dialect::Connect => connect::render(error),
        Dialect::Rest => match face(call, &carrier) {
            Some(face) => face.render(error),
            None => transcode::render(error, &call.request_id),
        },
    };
    finish(call, rendered, carrier)
}

/// Whether nothing is at the address of a call, nor any face, whose clients all read data.
fn is_nowhere(call: &Call, error: &Error, carrier: &Response) -> bool {
    error.reason() == Reason::MethodNotFound && face(call, carrier).is_none()
}

/// A rendered error as the answer to a call.
fn finish(call: &Call, rendered: Response, carrier: Response) -> Response {
    // Said here, where it is known: the layers further out hide it from hyper.
    let length = rendered.body().size_hint().exact();
    let mut response = fill(carrier, rendered);
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    if call.method == Method::HEAD {
        return response.map(|_| Body::empty());
    }
    response
}

/// Whose form an error has: what the handler says, else by the path of the call, or of the one that a proxy asks about.
fn face(call: &Call, carrier: &Response) -> Option<Face> {
    let stated = carrier.extensions().get::<Face>().copied();
    let asked = carrier.extensions().get::<AskedAbout>();
    let (target, is_json) = asked.map_or((call.target(), call.is_json), |asked| {
        (&asked.target, asked.is_json)
    });
    stated.or_else(|| Face::of(target, is_json))
}

/// The status stands in the headers, where grpc-web clients look when there is no body.
fn answer_in_grpc(error: &Error, dialect: Dialect, carrier: Response) -> Response {
    // tonic's own is written already.
    if error.foreign().is_some() {
        return carrier;
    }
    let mut rendered = status::render(error).into_http::<Body>();
    let content_type = match dialect {
        Dialect::GrpcWeb { text: true } => "application/grpc-web-text+proto",
        Dialect::GrpcWeb { text: false } => "application/grpc-web+proto",
        _ => "application/grpc",
    };
    let content_type = HeaderValue::from_static(content_type);
    rendered.headers_mut().insert(CONTENT_TYPE, content_type);
    error_headers::ask_for_bearer(rendered.headers_mut(), error.http_status(), error);
    *rendered.status_mut() = error.stated_http_status().unwrap_or(StatusCode::OK);
    fill(carrier, rendered)
}
