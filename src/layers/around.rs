//! A layer as one function around the rest, without the ceremony of a service of its own.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use tower::Service;

/// The answer to come.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// An answer that is there already.
pub(crate) fn answer(response: impl IntoResponse) -> Answer {
    Box::pin(ready(Ok(response.into_response())))
}

/// What a layer does with a request and with its answer.
pub(crate) trait Middleware: Clone + Send + Sync + 'static {
    /// Handles the request; `next` passes it inwards.
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static;
}

/// A service inside a layer.
#[derive(Clone)]
pub(crate) struct Around<M, S> {
    middleware: M,
    inner: S,
}

impl<M, S> Around<M, S> {
    pub(crate) fn new(middleware: M, inner: S) -> Self {
        Self { middleware, inner }
    }
}

impl<M, S> Service<Request> for Around<M, S>
where
    M: Middleware,
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Answer {
        self.middleware
            .handle(request, |request| self.inner.call(request))
    }
}
