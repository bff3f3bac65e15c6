//! `ConformanceService` as the suite describes it: it answers what a request asks for, and with it what it saw of
//! the request.

use std::{pin::Pin, time::Duration};

use countersign::{
    error::FieldViolation,
    pb::validate::{Path, Validate},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use prost::Message;
use prost_types::Any;
use tokio::{
    sync::mpsc::{Sender, channel},
    time::sleep,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming, body::Body, metadata::MetadataMap};

use self::v1::{
    BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse,
    ConformancePayload, Header, IdempotentUnaryRequest, IdempotentUnaryResponse,
    ServerStreamRequest, ServerStreamResponse, StreamResponseDefinition, UnaryRequest,
    UnaryResponse, UnaryResponseDefinition, UnimplementedRequest, UnimplementedResponse,
    conformance_payload::RequestInfo, conformance_service_server::ConformanceService,
    unary_response_definition,
};

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub(crate) mod v1 {
    tonic::include_proto!("connectrpc.conformance.v1");
}

macro_rules! without_rules {
    ($($request:ident),+) => {
        $(impl Validate for $request {
            fn validate(&self, _at: &Path<'_>, _found: &mut Vec<FieldViolation>) {}
        })+
    };
}
without_rules!(
    UnaryRequest,
    IdempotentUnaryRequest,
    ServerStreamRequest,
    ClientStreamRequest,
    BidiStreamRequest,
    UnimplementedRequest
);

type Answers<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

pub(crate) struct Service;

#[tonic::async_trait]
impl ConformanceService for Service {
    async fn unary(
        &self,
        request: Request<UnaryRequest>,
    ) -> Result<Response<UnaryResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let info = info(&metadata, vec![any("UnaryRequest", &request)]);
        let (payload, meta) = answer(request.response_definition, info).await?;
        Ok(meta.around(UnaryResponse { payload }))
    }

    async fn idempotent_unary(
        &self,
        request: Request<IdempotentUnaryRequest>,
    ) -> Result<Response<IdempotentUnaryResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let info = info(&metadata, vec![any("IdempotentUnaryRequest", &request)]);
        let (payload, meta) = answer(request.response_definition, info).await?;
        Ok(meta.around(IdempotentUnaryResponse { payload }))
    }

    async fn unimplemented(
        &self,
        _: Request<UnimplementedRequest>,
    ) -> Result<Response<UnimplementedResponse>, Status> {
        Err(Status::unimplemented("this rpc is not implemented"))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<ClientStreamRequest>>,
    ) -> Result<Response<ClientStreamResponse>, Status> {
        let (metadata, _, mut stream) = request.into_parts();
        let (mut seen, mut definition) = (Vec::new(), None);
        while let Some(message) = stream.message().await? {
            seen.push(any("ClientStreamRequest", &message));
            if seen.len() == 1 {
                definition = message.response_definition;
            }
        }
        let (payload, meta) = answer(definition, info(&metadata, seen)).await?;
        Ok(meta.around(ClientStreamResponse { payload }))
    }

    type ServerStreamStream = Answers<ServerStreamResponse>;

    async fn server_stream(
        &self,
        request: Request<ServerStreamRequest>,
    ) -> Result<Response<Self::ServerStreamStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let info = info(&metadata, vec![any("ServerStreamRequest", &request)]);
        let definition = request.response_definition.unwrap_or_default();
        let leading = headers(&definition.response_headers)?;
        let (sender, receiver) = channel(1);
        tokio::spawn(async move {
            let plan = Plan::new(definition, info);
            plan.finish(&sender, |payload| ServerStreamResponse { payload })
                .await
        });
        Ok(led_by(leading, Box::pin(ReceiverStream::new(receiver))))
    }

    type BidiStreamStream = Answers<BidiStreamResponse>;

    async fn bidi_stream(
        &self,
        request: Request<Streaming<BidiStreamRequest>>,
    ) -> Result<Response<Self::BidiStreamStream>, Status> {
        let (metadata, _, mut stream) = request.into_parts();
        let Some(first) = stream.message().await? else {
            return Ok(Response::new(Box::pin(tokio_stream::empty())));
        };
        let mut seen = vec![any("BidiStreamRequest", &first)];
        let definition = first.response_definition.unwrap_or_default();
        if !first.full_duplex {
            while let Some(message) = stream.message().await? {
                seen.push(any("BidiStreamRequest", &message));
            }
        }
        let leading = headers(&definition.response_headers)?;
        let mut plan = Plan::new(definition, info(&metadata, seen));
        let (sender, receiver) = channel(1);
        tokio::spawn(async move {
            let message = |payload| BidiStreamResponse { payload };
            if first.full_duplex && plan.answer_one(&sender, message).await? {
                loop {
                    match stream.message().await {
                        Ok(Some(request)) => plan.sees(any("BidiStreamRequest", &request)),
                        Ok(None) => break,
                        Err(status) => return sender.send(Err(status)).await.ok(),
                    }
                    if !plan.answer_one(&sender, message).await? {
                        break;
                    }
                }
            }
            plan.finish(&sender, message).await
        });
        Ok(led_by(leading, Box::pin(ReceiverStream::new(receiver))))
    }
}

/// The answers of a stream that are still to be sent.
struct Plan {
    data: std::vec::IntoIter<Vec<u8>>,
    delay: Duration,
    error: Option<v1::Error>,
    trailers: Vec<Header>,
    /// What has been seen since the last answer.
    info: Option<RequestInfo>,
    sent: bool,
}

impl Plan {
    fn new(definition: StreamResponseDefinition, info: RequestInfo) -> Self {
        Self {
            data: definition.response_data.into_iter(),
            delay: Duration::from_millis(definition.response_delay_ms.into()),
            error: definition.error,
            trailers: definition.response_trailers,
            info: Some(info),
            sent: false,
        }
    }

    fn sees(&mut self, request: Any) {
        self.info.get_or_insert_default().requests.push(request);
    }

    /// Sends the next answer; false when there is none, and none at all when the caller is gone.
    async fn answer_one<M>(
        &mut self,
        sender: &Sender<Result<M, Status>>,
        message: impl Fn(Option<ConformancePayload>) -> M,
    ) -> Option<bool> {
        let Some(data) = self.data.next() else {
            return Some(false);
        };
        let request_info = self.info.take();
        sleep(self.delay).await;
        let payload = ConformancePayload { data, request_info };
        sender.send(Ok(message(Some(payload)))).await.ok()?;
        self.sent = true;
        Some(true)
    }

    /// Sends what is left, then the status and the trailers.
    async fn finish<M>(
        mut self,
        sender: &Sender<Result<M, Status>>,
        message: impl Fn(Option<ConformancePayload>) -> M,
    ) -> Option<()> {
        while self.answer_one(sender, &message).await? {}
        let info = self.info.filter(|_| !self.sent);
        let trailers = headers(&self.trailers);
        let status = trailers.map(|trailers| status(self.error, info, trailers));
        sender
            .send(Err(status.unwrap_or_else(|bad| bad)))
            .await
            .ok()
    }
}

/// The headers and trailers of an answer.
struct Meta {
    headers: HeaderMap,
    trailers: HeaderMap,
}

impl Meta {
    fn around<M>(self, message: M) -> Response<M> {
        let mut response = led_by(self.headers, message);
        response.extensions_mut().insert(Trailers(self.trailers));
        response
    }
}

/// The trailers of a unary answer, for which tonic has no place.
#[derive(Clone)]
struct Trailers(HeaderMap);

/// Adds the trailers that a handler left in the extensions of its answer.
pub(crate) fn with_trailers(response: http::Response<Body>) -> http::Response<Body> {
    let Some(Trailers(added)) = response.extensions().get().cloned() else {
        return response;
    };
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.extend(added.clone());
            }
            frame
        }))
    })
}

fn led_by<M>(headers: HeaderMap, message: M) -> Response<M> {
    let mut response = Response::new(message);
    *response.metadata_mut() = MetadataMap::from_headers(headers);
    response
}

/// The one answer that a definition asks for, or its error.
async fn answer(
    definition: Option<UnaryResponseDefinition>,
    info: RequestInfo,
) -> Result<(Option<ConformancePayload>, Meta), Status> {
    let definition = definition.unwrap_or_default();
    sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    let meta = Meta {
        headers: headers(&definition.response_headers)?,
        trailers: headers(&definition.response_trailers)?,
    };
    let data = match definition.response {
        Some(unary_response_definition::Response::Error(error)) => {
            let mut metadata = meta.headers;
            metadata.extend(meta.trailers);
            return Err(status(Some(error), Some(info), metadata));
        }
        Some(unary_response_definition::Response::ResponseData(data)) => data,
        None => Vec::new(),
    };
    let request_info = Some(info);
    Ok((Some(ConformancePayload { data, request_info }), meta))
}

/// The status of an error, or that of success, with metadata.
fn status(error: Option<v1::Error>, info: Option<RequestInfo>, metadata: HeaderMap) -> Status {
    let metadata = MetadataMap::from_headers(metadata);
    let Some(error) = error else {
        return Status::with_metadata(Code::Ok, "", metadata);
    };
    let message = error.message.unwrap_or_default();
    let mut details = error.details;
    details.extend(info.map(|info| any("ConformancePayload.RequestInfo", &info)));
    let encoded = tonic_types::Status {
        code: error.code,
        message: message.clone(),
        details,
    }
    .encode_to_vec();
    let code = Code::from_i32(error.code);
    Status::with_details_and_metadata(code, message, encoded.into(), metadata)
}

fn info(metadata: &MetadataMap, requests: Vec<Any>) -> RequestInfo {
    let seen: &HeaderMap = metadata.as_ref();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let header = |name: &HeaderName| Header {
        name: name.to_string(),
        value: seen.get_all(name).iter().map(text).collect(),
    };
    RequestInfo {
        request_headers: seen.keys().map(header).collect(),
        timeout_ms: seen.get("grpc-timeout").and_then(milliseconds),
        requests,
    }
}

/// A timeout as gRPC writes it.
fn milliseconds(timeout: &HeaderValue) -> Option<i64> {
    let (amount, unit) = timeout.to_str().ok()?.split_at_checked(timeout.len() - 1)?;
    let amount: i64 = amount.parse().ok()?;
    Some(match unit {
        "H" => amount * 3_600_000,
        "M" => amount * 60_000,
        "S" => amount * 1_000,
        "m" => amount,
        "u" => amount / 1_000,
        _ => amount / 1_000_000,
    })
}

fn headers(list: &[Header]) -> Result<HeaderMap, Status> {
    let mut map = HeaderMap::new();
    for Header { name, value } in list {
        for value in value {
            let name = HeaderName::try_from(name).map_err(unusable)?;
            map.append(name, HeaderValue::try_from(value).map_err(unusable)?);
        }
    }
    Ok(map)
}

fn unusable(cause: impl std::fmt::Display) -> Status {
    Status::invalid_argument(cause.to_string())
}

fn any(name: &str, message: &impl Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/connectrpc.conformance.v1.{name}"),
        value: message.encode_to_vec(),
    }
}
