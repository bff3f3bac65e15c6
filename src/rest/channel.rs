//! The way from REST into the contract's services: in process, through the same layers as gRPC.

use std::convert::Infallible;

use http::{Request, Response};
use tonic::body::Body;
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use crate::error::Error;

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
    Channel::new(answers)
}
