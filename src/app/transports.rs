//! Puts the transports in front of the use cases: gRPC, grpc-web, Connect and REST behind one set of layers.

use std::sync::Arc;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::Response,
};
use tokio::sync::watch;

use super::{StartError, errors, health::Health};
use crate::{
    config::{Config, IdentityProvider, Issuer, ProofOfWork},
    domain::Domain,
    env::Env,
    faces,
    grpc::{self, GrpcService, auth::as_operator, health::Status},
    layers::{self, HttpService, LayerOptions, uncounted},
    limits::Limits,
    metrics::{Exposition, Metrics},
    pages::{self, Pages, PagesError, ProviderButton},
    pb,
    rest::{
        challenge::Challenges,
        channel::{self, Channel},
        connect, forward, openapi, probes,
        transcode::Transcoder,
        well_known::{self, Discovery, Facts},
    },
    server::{
        dispatch::dispatch,
        options::{ServerOptions, TlsFiles},
    },
    store::Store,
    telemetry::{self, Telemetry},
};

/// Every transport, and the health that one of them tells.
pub(super) struct Transports {
    pub(super) http: HttpService,
    pub(super) health: Health,
    pub(super) operator: GrpcService,
}

/// Builds the transports over the use cases.
pub(super) fn build(
    (config, issuer): (&Config, &str),
    domain: &Arc<Domain>,
    store: &Store,
    limits: &Arc<Limits>,
    env: &Env,
    (metrics, exposition): (&Metrics, &Arc<Exposition>),
    telemetry: &Telemetry,
) -> Result<Transports, StartError> {
    // Its database has just been brought up to date.
    let (status, told) = watch::channel(Status::Serving);
    let services = grpc::services(domain, Arc::clone(limits), told).map_err(broken)?;
    let operator = errors::rendered_as_grpc(as_operator(services.clone()));
    let contract = pb::pool().map_err(broken)?;
    let channel = channel::to(services.clone());
    let connect = connect::connect_service(channel.clone(), &contract, grpc::MAX_MESSAGE_BYTES)
        .map_err(broken)?;
    let pages = Pages::new(page_options(config, issuer), channel.clone(), env.clone())
        .map_err(|cause| unusable_pages(&cause))?;
    let mut rest = rest_router((config, issuer), channel, domain, env)?.merge(pages.router());
    if config.metrics.are_on_main_port() {
        rest = rest.merge(Arc::clone(exposition).router());
    }
    if telemetry.is_on() {
        rest = rest.route_layer(middleware::from_fn(note_route));
    }
    let options = LayerOptions {
        telemetry: telemetry.clone(),
        ..layer_options(config)?
    };
    let service = uncounted::wrap(Arc::clone(limits), dispatch(services, connect, rest));
    let service = layers::inner(&options, service);
    let challenges = Challenges {
        issuer: issuer.to_owned(),
        resources: config.oauth.resources.clone(),
    };
    let service = errors::rendered_in_full(service, pages, challenges);
    let http = layers::outer(env, metrics, &options, service);
    Ok(Transports {
        http,
        health: Health::new(store.clone(), status),
        operator,
    })
}

fn rest_router(
    (config, issuer): (&Config, &str),
    channel: Channel,
    domain: &Arc<Domain>,
    env: &Env,
) -> Result<Router, StartError> {
    let transcoder = Transcoder::new(channel.clone()).map_err(broken)?;
    let keys = Arc::clone(domain);
    let jwks = move || keys.signing_keys.jwks();
    // First: it takes paths that a router which begins otherwise would refuse.
    Ok(well_known::router(jwks, discovery(config, issuer))
        .merge(forward::router(channel.clone()))
        .merge(probes::router(channel.clone()))
        .merge(faces::router(channel, env.clone(), issuer))
        .merge(openapi::router())
        .fallback_service(transcoder.into_service()))
}

/// Tells the trace of a request at which path it came.
async fn note_route(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    if let Some(path) = path {
        telemetry::route(path.as_str());
    }
    next.run(request).await
}

/// What clients discover the server by.
fn discovery(config: &Config, issuer: &str) -> Discovery {
    Discovery::new(&Facts {
        issuer: issuer.to_owned(),
        authorization_endpoint: config.oauth.authorization_endpoint.clone(),
        resources: config.oauth.resources.clone(),
        open_registration: config.oauth.registration,
        client_documents: config.oauth.client_documents,
        ui_locales: Pages::languages(),
    })
}

/// Reads what the hosted pages need.
pub(super) fn check_pages(config: &Config, issuer: &str) -> Result<(), StartError> {
    pages::check(&page_options(config, issuer)).map_err(|cause| unusable_pages(&cause))
}

/// What the hosted pages are told of the server that is reached at this issuer.
fn page_options(config: &Config, issuer: &str) -> pages::Options {
    let settings = &config.pages;
    pages::Options {
        issuer: issuer.to_owned(),
        name: settings.name.clone(),
        logo_file: settings.logo_file.clone(),
        color: settings.color,
        api_reference: settings.api_reference,
        open_registration: config.oauth.registration,
        session_lifetime: settings.session_lifetime,
        sign_up_needs_work: config.signup.proof_of_work == ProofOfWork::All,
        providers: config.federation.providers.0.iter().map(button).collect(),
    }
}

fn button(provider: &IdentityProvider) -> ProviderButton {
    ProviderButton {
        id: provider.id.clone(),
        display_name: provider.display_name.clone(),
    }
}

fn unusable_pages(cause: &PagesError) -> StartError {
    StartError::new(
        cause.to_string(),
        "name an SVG or PNG file of at most 16 KiB in pages.logo_file, or unset it",
    )
}

/// The files of the certificate and its key, when the listener speaks TLS.
pub(super) fn tls_files(config: &Config) -> Option<TlsFiles> {
    let (cert, key) = config.tls.files()?;
    Some(TlsFiles {
        cert: cert.to_owned(),
        key: key.to_owned(),
    })
}

/// The listener's part of the configuration.
pub(super) fn server_options(config: &Config) -> ServerOptions {
    let server = &config.server;
    let proxy_protocol = if server.proxy_protocol {
        config.trusted_proxies.clone()
    } else {
        Vec::new()
    };
    ServerOptions {
        listen: config.listen,
        tls: tls_files(config),
        proxy_protocol,
        trusted_proxies: config.trusted_proxies.clone(),
        max_connections: super::descriptors::connections(server.max_connections),
        max_streams: server.max_streams,
        header_timeout: server.header_timeout,
        handshake_timeout: server.handshake_timeout,
        drain_timeout: server.drain_timeout,
        ..ServerOptions::default()
    }
}

pub(super) fn layer_options(config: &Config) -> Result<LayerOptions, StartError> {
    let origins = config
        .cors
        .origins
        .iter()
        .map(|origin| origin.as_str().parse());
    Ok(LayerOptions {
        trusted_proxies: config.trusted_proxies.clone(),
        cors_origins: origins.collect::<Result<_, _>>().map_err(
            |cause: layers::cors::InvalidOrigin| {
                StartError::new(cause.to_string(), "correct cors.origins")
            },
        )?,
        is_page: pages::owns,
        cors_headers: config
            .cors
            .allowed_headers
            .iter()
            .map(|header| header.name().clone())
            .collect(),
        request_timeout: config.server.request_timeout,
        https_only: config.issuer.as_ref().is_some_and(Issuer::is_public),
        ..LayerOptions::default()
    })
}

/// The program was built wrong; a test of every build starts it.
fn broken(cause: impl std::fmt::Display) -> StartError {
    StartError::new(
        format!("this build of the program is broken: {cause}"),
        "report it, and start another build",
    )
}
