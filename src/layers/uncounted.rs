//! Counts the calls that are refused before they reach an rpc, which counts its own: broken JSON costs a
//! client as much as a call that could be read.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};

use super::{
    HttpService,
    around::{Answer, Around, Middleware},
};
use crate::{error::Result, model::request::RequestContext};

/// Spends a call of the client at this address.
pub type Spend = Arc<dyn Fn(IpAddr) -> Result<()> + Send + Sync>;

#[derive(Clone)]
struct Uncounted {
    spend: Spend,
}

/// Puts the count around a service.
#[must_use]
pub fn wrap(spend: Spend, service: HttpService) -> HttpService {
    HttpService::new(Around::new(Uncounted { spend }, service))
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
            if !response.status().is_client_error() || context.is_counted() {
                return Ok(response);
            }
            Ok(match (this.spend)(context.client_address) {
                Ok(()) => response,
                Err(refusal) => refusal.into_response(),
            })
        })
    }
}
