//! The frames of a call, held to the gRPC specification where tonic leaves it: the number of messages, their
//! size and their compression are checked as the bytes arrive, before tonic reads them.
//!
//! tonic takes a second message of a unary call for nothing, answers `INTERNAL` to a missing one and
//! `OUT_OF_RANGE` to one that is too large, and gives none of its errors a reason.

use std::{
    collections::HashSet,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body as HttpBody, Frame};
use prost_reflect::DescriptorPool;
use tonic::{Code, Status, body::Body, metadata::MetadataValue};
use tower::Service;

use crate::error::{Error, Reason};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The only coding that is accepted: none.
const IDENTITY: &str = "identity";
/// A longer name of a coding is not repeated to the caller.
const LONGEST_CODING: usize = 32;
/// The compression flag and the length before each message.
const PREFIX_LENGTH: usize = 5;

/// Checks the frames of every call on its way to `inner`.
#[derive(Clone)]
pub struct Wire<S> {
    inner: S,
    rules: Arc<Rules>,
}

struct Rules {
    /// The paths of the rpcs that take exactly one message.
    take_one: HashSet<String>,
    /// The largest message, in bytes.
    largest: usize,
}

impl<S> Wire<S> {
    /// Checks before `inner`, which serves the rpcs that `pool` describes. A message has at most `largest` bytes.
    pub fn new(inner: S, pool: &DescriptorPool, largest: usize) -> Self {
        let take_one = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter(|rpc| !rpc.is_client_streaming())
            .map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
            .collect();
        Self {
            inner,
            rules: Arc::new(Rules { take_one, largest }),
        }
    }
}

impl<S> Service<Request<Body>> for Wire<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(status) = unsupported_coding(request.headers()) {
            return Box::pin(async move { Ok(status.into_http()) });
        }
        let takes_one = self.rules.take_one.contains(request.uri().path());
        let frames = Frames::new(takes_one, self.rules.largest);
        let request = request.map(|body| Body::new(Checked { body, frames }));
        Box::pin(self.inner.call(request))
    }
}

/// A call whose messages are in a coding that is not accepted here, and what is.
fn unsupported_coding(headers: &HeaderMap) -> Option<Status> {
    let coding = headers
        .get_all(GRPC_ENCODING)
        .iter()
        .find(|coding| !coding.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes()))?;
    let named = coding
        .to_str()
        .ok()
        .filter(|name| name.len() <= LONGEST_CODING && name.bytes().all(is_name))
        .map_or_else(String::new, |name| format!(" {name}"));
    let message = format!("The compression{named} is not supported; send messages as {IDENTITY}.");
    let error = Error::new(Reason::UnsupportedMediaType).with_message(message);
    let mut status = Status::from(error);
    let accepted = MetadataValue::from_static(IDENTITY);
    status
        .metadata_mut()
        .insert("grpc-accept-encoding", accepted);
    Some(status)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A body whose frames are checked as they pass.
struct Checked {
    body: Body,
    frames: Frames,
}

impl HttpBody for Checked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let checked = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(data) => this.frames.read(data).map(|()| Some(frame)),
                // Trailers end the messages.
                None => this.frames.end().map(|()| Some(frame)),
            },
            // A message that is put together in process fails with an error of ours already.
            Some(Err(status)) if Error::in_status(&status).is_some() => Err(status),
            Some(Err(cause)) => Err(Error::new(Reason::MalformedRequest).because(cause).into()),
            None => this.frames.end().map(|()| None),
        };
        Poll::Ready(checked.transpose())
    }
}

/// How far the frames of one call have been read.
struct Frames {
    takes_one: bool,
    largest: usize,
    /// How many messages have begun.
    begun: usize,
    prefix: [u8; PREFIX_LENGTH],
    prefix_read: usize,
    /// What is still to come of the message that has begun.
    left: usize,
}

impl Frames {
    fn new(takes_one: bool, largest: usize) -> Self {
        Self {
            takes_one,
            largest,
            begun: 0,
            prefix: [0; PREFIX_LENGTH],
            prefix_read: 0,
            left: 0,
        }
    }

    fn read(&mut self, mut data: &[u8]) -> Result<(), Status> {
        while !data.is_empty() {
            if self.left > 0 {
                let here = self.left.min(data.len());
                self.left -= here;
                data = &data[here..];
                continue;
            }
            let here = (PREFIX_LENGTH - self.prefix_read).min(data.len());
            self.prefix[self.prefix_read..][..here].copy_from_slice(&data[..here]);
            self.prefix_read += here;
            data = &data[here..];
            if self.prefix_read == PREFIX_LENGTH {
                self.prefix_read = 0;
                self.begin()?;
            }
        }
        Ok(())
    }

    /// A message begins, whose prefix has been read.
    fn begin(&mut self) -> Result<(), Status> {
        self.begun += 1;
        if self.takes_one && self.begun > 1 {
            return Err(number_of_messages());
        }
        let [flag, length @ ..] = self.prefix;
        if flag != 0 {
            // "MUST fail with INTERNAL status" (grpc/grpc, doc/compression.md).
            let message =
                "A message is flagged as compressed, but the call states no grpc-encoding.";
            let error = Error::new(Reason::MalformedRequest).with_message(message);
            return Err(error.with_code(Code::Internal).into());
        }
        self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.left > self.largest {
            return Err(Error::new(Reason::MessageTooLarge).into());
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Status> {
        if self.left > 0 || self.prefix_read > 0 {
            let cause = "the body ends within a message";
            return Err(Error::new(Reason::MalformedRequest).because(cause).into());
        }
        if self.takes_one && self.begun == 0 {
            return Err(number_of_messages());
        }
        Ok(())
    }
}

/// "Request cardinality violation" in grpc/grpc, doc/statuscodes.md.
fn number_of_messages() -> Status {
    Error::new(Reason::MalformedRequest)
        .with_message("This rpc takes exactly one message.")
        .with_code(Code::Unimplemented)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: usize = 300;

    fn message(length: usize) -> Vec<u8> {
        let mut frame = vec![0; PREFIX_LENGTH + length];
        frame[1..PREFIX_LENGTH].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        frame
    }

    /// What is said of a body that arrives in pieces of this size.
    fn read(takes_one: bool, body: &[u8], size: usize) -> Option<Code> {
        let mut frames = Frames::new(takes_one, LARGEST);
        let read = body.chunks(size).try_for_each(|piece| frames.read(piece));
        read.and_then(|()| frames.end()).err().map(|e| e.code())
    }

    #[test]
    fn frames_are_told_apart_however_their_bytes_arrive() {
        let (empty, whole) = (message(0), message(LARGEST));
        let two = [whole.as_slice(), &empty].concat();
        let flagged = [&[1], &whole[1..]].concat();
        for (takes_one, body, expected) in [
            (true, empty.as_slice(), None),
            (true, &whole, None),
            (false, &[], None),
            (false, &two, None),
            (true, &[], Some(Code::Unimplemented)),
            (true, &two, Some(Code::Unimplemented)),
            (true, &message(LARGEST + 1), Some(Code::ResourceExhausted)),
            (
                false,
                &[0, 255, 255, 255, 255],
                Some(Code::ResourceExhausted),
            ),
            (false, &flagged, Some(Code::Internal)),
            (false, &two[..two.len() - 1], Some(Code::InvalidArgument)),
            (true, &whole[..LARGEST], Some(Code::InvalidArgument)),
        ] {
            for size in 1..=body.len().max(1) {
                assert_eq!(read(takes_one, body, size), expected, "{size} of {body:?}");
            }
        }
    }

    #[test]
    fn a_coding_is_named_when_its_name_is_plain() {
        for (coding, named) in [
            ("gzip", "compression gzip is"),
            ("a\u{e9}b", "compression is"),
            (&"z".repeat(LONGEST_CODING + 1), "compression is"),
        ] {
            let mut headers = HeaderMap::new();
            let coding = http::HeaderValue::from_bytes(coding.as_bytes());
            headers.insert(GRPC_ENCODING, coding.unwrap());
            let status = unsupported_coding(&headers).unwrap();
            assert!(status.message().contains(named), "{}", status.message());
        }
        let identity = HeaderMap::from_iter([(GRPC_ENCODING, "Identity".parse().unwrap())]);
        assert!(unsupported_coding(&identity).is_none());
    }
}
