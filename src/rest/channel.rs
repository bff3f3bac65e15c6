//! The way from REST into the contract's services: in process, through the same layers as gRPC.

use std::convert::Infallible;

use tower::util::BoxCloneSyncService;

/// The services of the contract with every layer that a remote gRPC call passes. Generated clients
/// are made of it: `AccountServiceClient::new(channel)`.
///
/// A call carries its [`RequestContext`](crate::model::request::RequestContext) in the request's
/// extensions and its credential in the `authorization` metadata. With
/// [`AuthorizeOnly`](crate::model::request::AuthorizeOnly) beside it, the call is answered without its service.
pub type Channel = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    Infallible,
>;
