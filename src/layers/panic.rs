//! A panic is one call's misfortune: it is logged and answered, and the connection lives on.

use std::{
    any::Any,
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};

use super::around::{Answer, Middleware, answer};
use crate::error::Error;

/// Turns a panic below into an `INTERNAL` refusal.
#[derive(Clone)]
pub(super) struct CatchPanic;

impl Middleware for CatchPanic {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let inner = match catch_unwind(AssertUnwindSafe(|| next(request))) {
            Ok(inner) => inner,
            Err(panic) => return answer(internal(panic.as_ref())),
        };
        Box::pin(async move {
            let mut inner = Box::pin(inner);
            // Nothing of the request is looked at again after a panic, so nothing half-changed is seen.
            let outcome =
                poll_fn(
                    |cx| match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
                        Ok(poll) => poll.map(Ok),
                        Err(panic) => Poll::Ready(Err(panic)),
                    },
                )
                .await;
            match outcome {
                Ok(answer) => answer,
                Err(panic) => Ok(internal(panic.as_ref()).into_response()),
            }
        })
    }
}

fn internal(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::internal(format!("panicked: {text}"))
}
