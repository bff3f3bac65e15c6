//! The Connect protocol for unary rpcs (connectrpc.com/docs/protocol): plain HTTP at the paths of the
//! rpcs, with JSON or protobuf bodies, and `GET` for rpcs without side effects.

mod error;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashMap, convert::Infallible, sync::Arc};

use axum::{body::Body, response::IntoResponse};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW},
    request::Parts,
};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use tower::util::BoxCloneSyncService;

pub use self::error::render;
use super::{
    channel::Channel,
    contract::{ContractError, Rpc},
    percent, proto_json, unary,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    telemetry,
};

const CONNECT_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const CONNECT_TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const HEALTH_CHECK: &str = "grpc.health.v1.Health.Check";

/// `message` of a `GET` comes in the URL alphabet, padded or not.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answers Connect calls of the contract's unary rpcs and of the health check.
struct Connect {
    rpcs: HashMap<String, Rpc>,
    /// The largest message, in bytes.
    largest: usize,
    channel: Channel,
}

/// How a message is written.
#[derive(Clone, Copy)]
enum Codec {
    Json,
    Proto,
}

/// The Connect protocol as a service, for the unary rpcs that `pool` describes and the health check; calls go
/// through `channel`. It answers every request: one that no rpc takes gets a 404, a method or content type that
/// the protocol does not know a 405 or 415. A message has at most `largest` bytes.
///
/// # Errors
/// An rpc cannot be a path.
pub fn connect_service(
    channel: Channel,
    pool: &DescriptorPool,
    largest: usize,
) -> std::result::Result<
    BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
    ContractError,
> {
    let connect = Arc::new(Connect::new(channel, pool, largest)?);
    Ok(BoxCloneSyncService::new(tower::service_fn(
        move |request: Request<Body>| {
            let connect = Arc::clone(&connect);
            async move { Ok(connect.handle(request).await) }
        },
    )))
}

impl Connect {
    fn new(
        channel: Channel,
        pool: &DescriptorPool,
        largest: usize,
    ) -> std::result::Result<Self, ContractError> {
        let mut rpcs = HashMap::new();
        for rpc in pool
            .services()
            .flat_map(|s| s.methods().collect::<Vec<_>>())
            .filter(|rpc| !rpc.is_client_streaming() && !rpc.is_server_streaming())
        {
            add(&mut rpcs, &rpc)?;
        }
        let health = DescriptorPool::decode(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
        for rpc in health
            .services()
            .flat_map(|s| s.methods().collect::<Vec<_>>())
        {
            if rpc.full_name() == HEALTH_CHECK {
                add(&mut rpcs, &rpc)?;
            }
        }
        Ok(Self {
            rpcs,
            largest,
            channel,
        })
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let answer = self.answer(&mut parts, body).await;
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    async fn answer(&self, parts: &mut Parts, body: Body) -> Result<Response<Body>> {
        let rpc = self
            .rpcs
            .get(parts.uri.path())
            .ok_or_else(|| of_http(Reason::MethodNotFound))?;
        telemetry::route(parts.uri.path());
        let (codec, message) = match parts.method {
            Method::POST => (posted(parts)?, body),
            Method::GET if rpc.safe => {
                let query = parts.uri.query().unwrap_or_default();
                let (codec, message) = queried(query, self.largest)?;
                (codec, Body::from(message))
            }
            _ => return Err(not_allowed(rpc.safe)),
        };
        set_timeout(&mut parts.headers)?;
        let (input, largest) = (rpc.input.clone(), self.largest);
        let frame = async move { codec.frame(&input, &unary::read_body(message, largest).await?) };
        let answer = unary::call(&self.channel, rpc, parts, frame).await?;
        let body = codec.body(rpc, answer.message)?;
        let mut response = unary::response(StatusCode::OK, codec.content_type(), body);
        let metadata = metadata(answer.headers, answer.trailers);
        response.headers_mut().extend(metadata);
        *response.extensions_mut() = answer.extensions;
        Ok(response)
    }
}

fn add(
    rpcs: &mut HashMap<String, Rpc>,
    rpc: &MethodDescriptor,
) -> std::result::Result<(), ContractError> {
    let rpc = Rpc::new(rpc)?;
    rpcs.insert(rpc.path.path().to_owned(), rpc);
    Ok(())
}

/// The codec of a message that comes in the body of a `POST`.
fn posted(parts: &Parts) -> Result<Codec> {
    let media_type = unary::media_type(&parts.headers);
    let codec = match media_type.as_deref() {
        Some("application/json") => Codec::Json,
        Some("application/proto") => Codec::Proto,
        _ => return Err(unsupported_codec()),
    };
    let version = parts.headers.get(CONNECT_VERSION);
    if version.is_some_and(|version| version != "1") {
        return Err(refused(
            "connect-protocol-version",
            FieldReason::InvalidValue,
            "must be 1",
        ));
    }
    if let Some(coding) = unary::compression(&parts.headers) {
        return Err(compressed(coding));
    }
    Ok(codec)
}

/// A message that came in the query of a `GET`.
fn queried(query: &str, largest: usize) -> Result<(Codec, Bytes)> {
    let value = |name| parameter(query, name);
    if value("connect")?.is_some_and(|version| version != "v1") {
        return Err(refused("connect", FieldReason::InvalidValue, "must be v1"));
    }
    if let Some(coding) = value("compression")?.filter(|c| !matches!(&**c, "" | "identity")) {
        return Err(compressed(coding.as_bytes()));
    }
    let codec = match value("encoding")?.as_deref() {
        Some("json") => Codec::Json,
        Some("proto") => Codec::Proto,
        Some(_) => return Err(unsupported_codec()),
        None => {
            return Err(refused(
                "encoding",
                FieldReason::InvalidValue,
                "must be json or proto",
            ));
        }
    };
    let message = value("message")?
        .ok_or_else(|| refused("message", FieldReason::Required, "is required"))?;
    let message = if value("base64")?.as_deref() == Some("1") {
        BASE64_URL.decode(&*message).map_err(|_| {
            refused(
                "message",
                FieldReason::InvalidFormat,
                "must be base64 in the URL alphabet",
            )
        })?
    } else {
        message.into_owned().into_bytes()
    };
    if message.len() > largest {
        return Err(Reason::MessageTooLarge.into());
    }
    Ok((codec, message.into()))
}

fn parameter<'q>(query: &'q str, name: &'static str) -> Result<Option<Cow<'q, str>>> {
    let mut values = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => percent::decode_query(value).map(Some).ok_or_else(|| {
            refused(
                name,
                FieldReason::InvalidFormat,
                "must be percent-encoded UTF-8 (RFC 3986)",
            )
        }),
        _ => Err(refused(name, FieldReason::GivenTwice, "must be given once")),
    }
}

/// Turns `connect-timeout-ms` into gRPC's deadline, which has room for eight digits only.
fn set_timeout(headers: &mut HeaderMap) -> Result<()> {
    headers.remove(GRPC_TIMEOUT);
    let Some(timeout) = headers.get(CONNECT_TIMEOUT) else {
        return Ok(());
    };
    let millis = timeout
        .to_str()
        .ok()
        .filter(|text| text.len() <= 10 && text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse::<u64>().ok())
        .ok_or_else(|| {
            refused(
                "connect-timeout-ms",
                FieldReason::InvalidFormat,
                "must be at most ten digits",
            )
        })?;
    let timeout = if millis < 100_000_000 {
        format!("{millis}m")
    } else {
        format!("{}S", millis / 1_000)
    };
    let timeout = HeaderValue::try_from(timeout).map_err(Error::internal)?;
    headers.insert(GRPC_TIMEOUT, timeout);
    Ok(())
}

impl Codec {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    fn frame(self, input: &MessageDescriptor, message: &[u8]) -> Result<Bytes> {
        match self {
            Self::Proto => unary::frame_encoded(message),
            Self::Json => {
                let value = proto_json::parse(input, message)?;
                unary::frame(&proto_json::read(input, value)?)
            }
        }
    }

    fn body(self, rpc: &Rpc, message: Bytes) -> Result<Bytes> {
        match self {
            Self::Proto => Ok(message),
            Self::Json => {
                let message = DynamicMessage::decode(rpc.output.clone(), message);
                proto_json::write(&message.map_err(Error::internal)?)
            }
        }
    }
}

fn refused(name: &'static str, reason: FieldReason, description: &'static str) -> Error {
    Error::invalid_field(name, reason, description)
}

/// An error that HTTP has a status for.
fn of_http(reason: Reason) -> Error {
    let error = Error::new(reason);
    let status = error.http_status();
    error.with_http_status(status)
}

/// The rpc is there, but not with this HTTP method.
fn not_allowed(safe: bool) -> Error {
    let methods = if safe { "GET, POST" } else { "POST" };
    of_http(Reason::HttpMethodNotAllowed).with_header(ALLOW, HeaderValue::from_static(methods))
}

/// The content type is not one of unary Connect.
fn unsupported_codec() -> Error {
    let accepted = HeaderValue::from_static("application/json, application/proto");
    of_http(Reason::UnsupportedMediaType).with_header(ACCEPT_POST, accepted)
}

/// The message is compressed. Connect asks for `unimplemented` here, and for what is supported.
fn compressed(coding: &[u8]) -> Error {
    let named = std::str::from_utf8(coding).map_or("(unreadable name)".into(), proto_json::shown);
    Error::new(Reason::UnsupportedMediaType)
        .with_message(format!(
            "The compression {named} is not supported; send messages as identity."
        ))
        .with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

/// Leading metadata as headers, and trailing metadata as headers with a prefix.
fn metadata(headers: HeaderMap, trailers: HeaderMap) -> HeaderMap {
    let mut all = unary::metadata(headers);
    for (name, value) in &unary::metadata(trailers) {
        if let Ok(name) = HeaderName::try_from(format!("trailer-{name}")) {
            all.append(name, value.clone());
        }
    }
    all
}
