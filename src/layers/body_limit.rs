//! Refuses a body that is announced larger than a message may be, before a byte of it is read.

use std::convert::Infallible;

use axum::{body::Body, extract::Request, response::Response};
use http::header::CONTENT_LENGTH;
use http_body_util::Limited;

use super::{
    around::{Answer, Middleware, answer},
    call::{Call, Dialect},
};
use crate::error::{Error, Reason};

/// The compression flag and the length that stand before a gRPC message.
const FRAME_HEADER: u64 = 5;

/// The limit of every body.
#[derive(Clone)]
pub(super) struct BodyLimit {
    largest: u64,
}

impl BodyLimit {
    pub(super) fn new(largest: u64) -> Self {
        Self { largest }
    }

    fn largest_body(&self, dialect: Dialect) -> u64 {
        match dialect {
            Dialect::Grpc | Dialect::GrpcWeb { text: false } => self.largest + FRAME_HEADER,
            Dialect::GrpcWeb { text: true } => (self.largest + FRAME_HEADER).div_ceil(3) * 4,
            Dialect::Connect | Dialect::Rest => self.largest,
        }
    }
}

impl Middleware for BodyLimit {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let call = Call::of(&request);
        let largest = self.largest_body(call.dialect);
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u64>().ok());
        match (announced, call.dialect) {
            (Some(length), _) if length > largest => answer(Error::new(Reason::MessageTooLarge)),
            // The codec of gRPC counts for itself, and says so in its own words.
            (Some(_), _) | (None, Dialect::Grpc | Dialect::GrpcWeb { .. }) => {
                Box::pin(next(request))
            }
            (None, Dialect::Connect | Dialect::Rest) => {
                let largest = usize::try_from(largest).unwrap_or(usize::MAX);
                Box::pin(next(
                    request.map(|body| Body::new(Limited::new(body, largest))),
                ))
            }
        }
    }
}
