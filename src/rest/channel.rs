//! The way from REST into the contract's services: in process, through the same layers as gRPC.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, Either};
use http::{Request, Response};
use tonic::body::Body;
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use crate::{error::Error, telemetry};

/// The services of the contract with every layer that a remote gRPC call passes. Generated clients
/// are made of it: `AccountServiceClient::new(channel)`.
///
/// A call carries its [`RequestContext`](crate::model::request::RequestContext) in the request's
/// extensions and its credential in the `authorization` metadata. With
/// [`AuthorizeOnly`](crate::model::request::AuthorizeOnly) beside it, the call is answered without its service.
///
/// A call that fails gives the error itself. Out of the status that a generated client makes of it, `Error::from` takes it
/// back.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, Error>;

/// The way into these services.
pub fn to<S>(services: S) -> Channel
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let never = |never: Infallible| -> Error { match never {} };
    let answers = services.map_err(never).map_result(|answer| {
        let answer: Response<Body> = answer?;
        match Error::carried_by(answer.extensions()) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    });
    Channel::new(Traced(answers))
}

/// Traces each call, where anything is traced.
#[derive(Clone)]
struct Traced<S>(S);

impl<S> Service<Request<Body>> for Traced<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let span = telemetry::rpc(request.uri().path());
        span.around(self.0.call(request), telemetry::failure)
    }
}
