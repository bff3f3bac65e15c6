//! A collector of traces, and the traces that it got.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::support::TestApp;

/// A collector that takes everything.
pub(super) struct Collector {
    pub url: String,
    got: Got,
}

#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Got {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = Got::default();
        let service = TraceServiceServer::new(got.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { url, got }
    }

    /// A server whose traces come here, behind a proxy on this machine.
    pub(super) async fn traced(&self) -> TestApp {
        TestApp::with(|config| {
            config.otel.endpoint.clone_from(&self.url);
            config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await
    }

    /// All that the server has traced until now. Nothing comes after it.
    pub(super) async fn traces(&self, app: &TestApp) -> Traces {
        app.parts.telemetry.stop().await;
        let got = self.got.0.lock().unwrap();
        let resources = got.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        Traces(scopes.flat_map(|scope| scope.spans.clone()).collect())
    }

    /// All that came, as it came.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let got = self.got.0.lock().unwrap();
        got.iter()
            .flat_map(ExportTraceServiceRequest::encode_to_vec)
            .collect()
    }
}

/// Spans of one or more traces.
pub(super) struct Traces(pub Vec<Span>);

impl Traces {
    /// The one trace that begins with a span of this name, after checking that it is one tree.
    pub(super) fn beginning_with(&self, name: &str) -> Self {
        let is_first = |span: &&Span| span.name == name && span.parent_span_id.is_empty();
        let first: Vec<_> = self.0.iter().filter(is_first).collect();
        assert_eq!(first.len(), 1, "{name} among {:?}", self.names());
        let is_in = |span: &&Span| span.trace_id == first[0].trace_id;
        let trace = Self(self.0.iter().filter(is_in).cloned().collect());
        for span in &trace.0 {
            let is_there = trace.0.iter().any(|it| it.span_id == span.parent_span_id);
            assert!(
                is_there || span.span_id == first[0].span_id,
                "{}",
                span.name
            );
        }
        trace
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|span| &*span.name).collect()
    }

    /// The first span of this name.
    pub(super) fn span(&self, name: &str) -> &Span {
        let found = self.0.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("{name} is not among {:?}", self.names()))
    }

    /// The name of the span above.
    pub(super) fn above(&self, name: &str) -> &str {
        let parent = &self.span(name).parent_span_id;
        let found = self.0.iter().find(|span| span.span_id == *parent);
        &found.unwrap().name
    }

    /// An attribute of the span of this name, as text.
    pub(super) fn attribute(&self, name: &str, key: &str) -> String {
        let attributes = &self.span(name).attributes;
        let found = attributes.iter().find(|attribute| attribute.key == key);
        let found = found.unwrap_or_else(|| panic!("{name} has no {key}: {attributes:?}"));
        match found.value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            other => panic!("{other:?}"),
        }
    }
}
