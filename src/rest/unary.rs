//! One unary call of a service in process: a gRPC frame in, a gRPC frame out. What the transcoder and
//! Connect share.

use axum::body::Body;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, stream};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, header,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE},
    request::Parts,
};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, LengthLimitError, Limited, StreamBody};
use mediatype::MediaType;
use prost::Message;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::{channel::Channel, contract::Rpc};
use crate::{
    error::{Error, FieldReason, FieldViolation, Reason, Result},
    model::{
        cookie::{self, DEVICE},
        request::RequestContext,
    },
    pb::RETRY_PUSHBACK,
};

/// The largest body of a REST call, in octets.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

const PREFIX_LENGTH: usize = 5;

/// Reads a whole body of at most `largest` octets.
pub(crate) async fn read_body(body: Body, largest: usize) -> Result<Bytes> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(body, largest).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(cause) if is_too_large(&*cause) => {
            Err(Error::new(Reason::MessageTooLarge).because(cause))
        }
        Err(cause) => Err(Error::new(Reason::MalformedRequest).because(cause)),
    }
}

/// Whether this limit or one further out was reached.
fn is_too_large(cause: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(cause), |cause| cause.source())
        .any(|cause| cause.is::<LengthLimitError>())
}

/// The media type of a request without its parameters, in lower case. None when it is absent, not alone, or no
/// media type (RFC 9110 section 8.3.1). No parameter changes how a body is read: JSON has none (RFC 8259 section
/// 11), a form neither, and both are UTF-8 whatever a `charset` says.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return None;
    };
    let media_type = MediaType::parse(value.to_str().ok()?.trim()).ok()?;
    Some(media_type.essence().to_string().to_ascii_lowercase())
}

/// The error for a body in another media type than these, or compressed: it names what is accepted.
pub(crate) fn unsupported(headers: &HeaderMap, accepted: &[&str]) -> Error {
    let (header, rule) = match compression(headers) {
        Some(_) => (
            CONTENT_ENCODING,
            "must be identity, not compressed".to_owned(),
        ),
        None => (CONTENT_TYPE, format!("must be {}", accepted.join(" or "))),
    };
    let violation =
        FieldViolation::new(header.as_str().to_owned(), FieldReason::InvalidValue, rule);
    Error::new(Reason::UnsupportedMediaType)
        .violating(violation)
        .or_a_form(accepted.len() > 1)
}

/// The coding of a body that does not stand there as it is.
pub(crate) fn compression(headers: &HeaderMap) -> Option<&[u8]> {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(HeaderValue::as_bytes)
        .find(|coding| !coding.eq_ignore_ascii_case(b"identity"))
}

/// The gRPC frame of a message.
pub(super) fn frame(message: &impl Message) -> Result<Bytes> {
    let length = message.encoded_len();
    let mut frame = framed(length)?;
    message.encode(&mut frame).map_err(Error::internal)?;
    Ok(frame.freeze())
}

/// The gRPC frame of a message that is encoded already.
pub(super) fn frame_encoded(message: &[u8]) -> Result<Bytes> {
    let mut frame = framed(message.len())?;
    frame.put_slice(message);
    Ok(frame.freeze())
}

fn framed(length: usize) -> Result<BytesMut> {
    let mut frame = BytesMut::with_capacity(PREFIX_LENGTH + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).map_err(|_| Reason::MessageTooLarge)?);
    Ok(frame)
}

/// What a service answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The metadata before the message.
    pub(super) headers: HeaderMap,
    /// The message, without its frame.
    pub(super) message: Bytes,
    /// The metadata after the message.
    pub(super) trailers: HeaderMap,
    /// What the service asks of whoever speaks HTTP.
    pub(super) extensions: Extensions,
}

/// Calls an rpc with a framed message on behalf of the caller whose request has these `parts`. The message is
/// put together when the rpc asks for it, so that a refusal which needs none does not wait for the body.
pub(super) async fn call(
    channel: &Channel,
    rpc: &Rpc,
    parts: &Parts,
    frame: impl Future<Output = Result<Bytes>> + Send + 'static,
) -> Result<Answer> {
    let request = request(rpc, parts, frame);
    let (head, body) = channel.clone().oneshot(request).await?.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    match Status::from_header_map(&trailers) {
        Some(status) if status.code() == Code::Ok => Ok(Answer {
            headers: head.headers,
            message: unframe(body.to_bytes())?,
            trailers,
            extensions: head.extensions,
        }),
        Some(status) => Err(status.into()),
        None => Err(Error::internal("an answer without grpc-status")),
    }
}

fn request(
    rpc: &Rpc,
    parts: &Parts,
    frame: impl Future<Output = Result<Bytes>> + Send + 'static,
) -> Request<tonic::body::Body> {
    let frame = frame.map(|frame| frame.map(Frame::data).map_err(Status::from));
    let body = StreamBody::new(stream::once(frame));
    let mut request = Request::new(tonic::body::Body::new(body));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = rpc.path.clone().into();
    let headers = request.headers_mut();
    *headers = metadata(parts.headers.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.remove(COOKIE);
    forward_device(&parts.headers, headers);
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        request.extensions_mut().insert(context.clone());
    }
    request
}

/// Lets the cookie that a device is known by travel on into the contract. No other cookie is its business.
pub(crate) fn forward_device(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in cookie::named(from, DEVICE) {
        // It is a part of a header already.
        if let Ok(cookie) = HeaderValue::try_from(format!("{name}={value}")) {
            to.append(COOKIE, cookie);
        }
    }
}

fn unframe(mut answer: Bytes) -> Result<Bytes> {
    if answer.len() < PREFIX_LENGTH {
        return Err(Error::internal("an answer without a message"));
    }
    let compressed = answer.get_u8() != 0;
    let length = answer.get_u32();
    if compressed || usize::try_from(length) != Ok(answer.len()) {
        return Err(Error::internal("an answer that is not one plain message"));
    }
    Ok(answer)
}

/// The metadata among headers, of a call or of its answer: all but what belongs to HTTP and to the protocols.
pub(super) fn metadata(headers: HeaderMap) -> HeaderMap {
    let mut metadata = headers;
    for name in [
        header::CONNECTION,
        CONTENT_TYPE,
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        header::DATE,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("grpc-status"),
        HeaderName::from_static("grpc-message"),
        HeaderName::from_static("grpc-status-details-bin"),
        HeaderName::from_static("grpc-encoding"),
        HeaderName::from_static("grpc-accept-encoding"),
        HeaderName::from_static(RETRY_PUSHBACK),
    ] {
        metadata.remove(name);
    }
    metadata
}

/// A JSON answer. It may hold tokens, so nothing between keeps it (RFC 6749 section 5.1).
pub(super) fn json_response(status: http::StatusCode, json: Bytes) -> Response<Body> {
    response(status, "application/json", json)
}

/// An answer that nothing between keeps.
pub(super) fn response(
    status: http::StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
