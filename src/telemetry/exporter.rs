//! The way of ended spans to the collector.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    trace::{SpanId, TraceId},
};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter as Otlp, WithExportConfig as _, WithTonicConfig as _,
    tonic_types::{metadata::MetadataMap, transport::ClientTlsConfig},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, IdGenerator, Sampler, SdkTracerProvider, SpanData,
        SpanExporter,
    },
};

use super::Options;
use crate::env::{Env, RandomnessUnavailable};

/// How many ended spans wait at most: a few megabytes.
const QUEUE: usize = 8_192;
/// How many are sent at once.
const BATCH: usize = 512;
/// How long they wait for a batch to fill.
const DELAY: Duration = Duration::from_secs(2);
/// How long the collector may take to answer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No client can be made for the collector.
    #[error("cannot make a client for the collector of traces: {0}")]
    Client(#[from] ExporterBuildError),
    /// The server can have no id.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// What makes spans and sends them.
pub(super) fn provider(options: &Options, env: &Env) -> Result<SdkTracerProvider, SetupError> {
    let mut client = Otlp::builder()
        .with_tonic()
        .with_endpoint(&options.endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .with_metadata(MetadataMap::from_headers(options.headers.clone()));
    if options.endpoint.starts_with("https:") {
        client = client.with_tls_config(ClientTlsConfig::new().with_webpki_roots());
    }
    let exporter = Reporting {
        inner: client.build()?,
        is_failing: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches);
    let sampler = Sampler::TraceIdRatioBased(options.sample_ratio);
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(sampler)))
        .with_id_generator(Ids(env.clone()))
        .with_resource(resource(env)?)
        .with_span_processor(processor.build())
        .build())
}

/// Which server the spans are of.
fn resource(env: &Env) -> Result<Resource, RandomnessUnavailable> {
    let instance = env.uuid()?.to_string();
    Ok(Resource::builder_empty()
        .with_service_name("countersign")
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .build())
}

/// Ids from the one source of randomness. When it fails there is no id, and the span is none.
#[derive(Debug)]
struct Ids(Env);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let id = self.0.random();
        id.map_or(TraceId::INVALID, TraceId::from_bytes)
    }

    fn new_span_id(&self) -> SpanId {
        let id = self.0.random();
        id.map_or(SpanId::INVALID, SpanId::from_bytes)
    }
}

/// Says once that the collector takes nothing, and once that it does again.
#[derive(Debug)]
struct Reporting<E> {
    inner: E,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let taken = self.inner.export(batch).await;
        let was_failing = self.is_failing.swap(taken.is_err(), Ordering::Relaxed);
        match &taken {
            Err(cause) if !was_failing => {
                tracing::warn!(%cause, "the collector takes no traces, which are dropped until it does");
            }
            Ok(()) if was_failing => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        taken
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
