//! Refusals that the gRPC framework writes itself, in the words of the contract. Our own refusals
//! always carry `google.rpc` details; one without them came from the framework.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::Service;

use crate::{
    error::{Error, Reason},
    grpc::status::to_status,
};

const CONTRACT: &str = "/countersign.v1.";

/// Rewrites the refusals of the framework around `inner`.
#[derive(Clone)]
pub(super) struct Normalize<S> {
    inner: S,
}

impl<S> Normalize<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for Normalize<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ours = request.uri().path().starts_with(CONTRACT);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(match ours.then(|| framework_refusal(&response)).flatten() {
                Some(reason) => to_status(&Error::new(reason)).into_http(),
                None => response,
            })
        })
    }
}

fn framework_refusal(response: &Response<Body>) -> Option<Reason> {
    let status = Status::from_header_map(response.headers())?;
    if status.code() == Code::Ok || !status.details().is_empty() {
        return None;
    }
    match status.code() {
        // The rpc is one of the contract, or its policy would not have let it through: what is missing is
        // the compression.
        Code::Unimplemented => Some(Reason::UnsupportedMediaType),
        Code::OutOfRange => Some(Reason::MessageTooLarge),
        Code::Internal | Code::Unknown | Code::InvalidArgument => Some(Reason::MalformedRequest),
        _ => None,
    }
}
