//! Counts the calls that are refused before they reach an rpc, which counts its own, and the forms that are sent on without
//! one: broken JSON costs a client as much as a call that could be read.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;

use super::{
    HttpService,
    around::{Answer, Around, Middleware},
};
use crate::{limits::Limits, model::request::RequestContext};

#[derive(Clone)]
struct Uncounted {
    limits: Arc<Limits>,
}

/// Puts the count around a service: as calls without a credential.
#[must_use]
pub fn wrap(limits: Arc<Limits>, service: HttpService) -> HttpService {
    HttpService::new(Around::new(Uncounted { limits }, service))
}

impl Middleware for Uncounted {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = std::result::Result<Response, Infallible>> + Send + 'static,
    {
        let Some(context) = request.extensions().get::<RequestContext>().cloned() else {
            return Box::pin(next(request));
        };
        let (this, answer) = (self.clone(), next(request));
        Box::pin(async move {
            let response = answer.await?;
            let status = response.status();
            let costs = status.is_client_error() || status == StatusCode::SEE_OTHER;
            if !costs || context.is_counted() {
                return Ok(response);
            }
            Ok(match this.limits.public(context.client_address) {
                Ok(()) => response,
                Err(refusal) => refusal.into_response(),
            })
        })
    }
}
