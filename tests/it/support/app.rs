//! The real program on a real SQLite file, with a clock that stands still.

use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use countersign::{
    app::Parts,
    config::Config,
    env::Env,
    grpc::GrpcService,
    layers::{Connection, HttpService},
    pb::v1::{
        account_service_client::AccountServiceClient, api_key_service_client::ApiKeyServiceClient,
        authorization_service_client::AuthorizationServiceClient,
        challenge_service_client::ChallengeServiceClient,
        client_service_client::ClientServiceClient, consent_service_client::ConsentServiceClient,
        grant_service_client::GrantServiceClient,
        identity_provider_service_client::IdentityProviderServiceClient,
        o_auth_service_client::OAuthServiceClient,
        organization_service_client::OrganizationServiceClient,
        session_service_client::SessionServiceClient,
    },
};
use http::{Request, Response};
use tempfile::TempDir;
use tower::{ServiceExt as _, util::BoxCloneSyncService};

use super::{ManualClock, test_env};

/// The clients of the administration.
mod admin {
    pub(crate) use countersign::pb::admin::v1::{
        account_service_client::AccountServiceClient, client_service_client::ClientServiceClient,
        consent_service_client::ConsentServiceClient, grant_service_client::GrantServiceClient,
        organization_service_client::OrganizationServiceClient,
        signing_key_service_client::SigningKeyServiceClient,
    };
}

/// Where the tests' server says that it is.
pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";

/// A service that generated clients can call.
pub(super) type GrpcChannel =
    BoxCloneSyncService<Request<tonic::body::Body>, Response<Body>, std::convert::Infallible>;

/// The whole program, but its socket.
pub(crate) struct TestApp {
    pub clock: ManualClock,
    pub parts: Parts,
    pub config: Config,
    pub(super) http: HttpService,
    folder: TempDir,
}

impl TestApp {
    /// A server on a new data folder.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A server on a new data folder, with settings of the test's choice.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::at(ISSUER, change).await
    }

    /// The same, which says that it is elsewhere.
    pub(crate) async fn at(issuer: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        // The least that Argon2 takes: the tests are not about its cost.
        config.passwords.memory_kib = 8;
        config.passwords.iterations = 1;
        config.passwords.queue = 1000;
        // Likewise, of the work that signing up may need.
        config.signup.difficulty = 8;
        config.signup.difficulty_ceiling = 10;
        // On in the tests that are about them.
        config.limits.enabled = false;
        change(&mut config);
        let (env, clock) = test_env();
        let parts = Parts::build(&config, issuer, env).await.unwrap();
        Self {
            clock,
            http: parts.http.clone(),
            parts,
            config,
            folder,
        }
    }

    /// Another node on the same database, with the same data folder and the same time.
    pub(crate) async fn second_node(&self) -> Self {
        self.beside(|_| ()).await
    }

    /// A server with other settings, and the same time.
    pub(crate) async fn beside(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.config.clone();
        change(&mut config);
        let env = super::environment::env_with(self.clock.clone(), 9);
        let parts = Parts::build(&config, ISSUER, env).await.unwrap();
        Self {
            clock: self.clock.clone(),
            http: parts.http.clone(),
            parts,
            config,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// What commands see beside the server: the same time.
    pub(crate) fn env(&self) -> Env {
        super::environment::env_with(self.clock.clone(), 10)
    }

    /// Stops the server and starts another one on the same data folder. Time goes on.
    pub(crate) async fn restart(self) -> Self {
        self.try_restart().await.unwrap()
    }

    /// Like [`Self::restart`], with other settings.
    pub(crate) async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.restart().await
    }

    /// Like [`Self::restart`], for a start that may be refused: then with the words of the refusal.
    pub(crate) async fn try_restart(self) -> Result<Self, String> {
        let Self {
            clock,
            parts,
            config,
            folder,
            http,
        } = self;
        drop(http);
        parts.store.close().await;
        drop(parts);
        let env = super::environment::env_with(clock.clone(), 8);
        let parts = Parts::build(&config, ISSUER, env)
            .await
            .map_err(|refused| refused.to_string())?;
        Ok(Self {
            clock,
            http: parts.http.clone(),
            parts,
            config,
            folder,
        })
    }

    /// The other end of every call of the tests.
    pub(crate) fn connection() -> Connection {
        Connection {
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000)),
            tls: false,
            writes_headers: true,
        }
    }

    /// The way of generated clients into the program, through every layer.
    pub(crate) fn channel(&self) -> GrpcChannel {
        let service = self
            .http
            .clone()
            .map_request(|request: Request<tonic::body::Body>| {
                let mut request = request.map(Body::new);
                *request.version_mut() = http::Version::HTTP_2;
                super::http::address(&mut request);
                request.extensions_mut().insert(Self::connection());
                request
            });
        GrpcChannel::new(service)
    }

    pub(crate) fn accounts(&self) -> AccountServiceClient<GrpcChannel> {
        AccountServiceClient::new(self.channel())
    }

    /// The administration of accounts, to whoever runs the server.
    pub(crate) fn operator(&self) -> admin::AccountServiceClient<GrpcService> {
        admin::AccountServiceClient::new(self.parts.operator.clone())
    }

    /// The administration of organizations, to whoever runs the server.
    pub(crate) fn operator_of_organizations(
        &self,
    ) -> admin::OrganizationServiceClient<GrpcService> {
        admin::OrganizationServiceClient::new(self.parts.operator.clone())
    }

    /// The administration of clients, to whoever runs the server.
    pub(crate) fn operator_of_clients(&self) -> admin::ClientServiceClient<GrpcService> {
        admin::ClientServiceClient::new(self.parts.operator.clone())
    }

    /// The administration of grants, to whoever runs the server.
    pub(crate) fn operator_of_grants(&self) -> admin::GrantServiceClient<GrpcService> {
        admin::GrantServiceClient::new(self.parts.operator.clone())
    }

    /// The administration of consents, to whoever runs the server.
    pub(crate) fn operator_of_consents(&self) -> admin::ConsentServiceClient<GrpcService> {
        admin::ConsentServiceClient::new(self.parts.operator.clone())
    }

    /// The administration of signing keys, to whoever runs the server.
    pub(crate) fn operator_of_keys(&self) -> admin::SigningKeyServiceClient<GrpcService> {
        admin::SigningKeyServiceClient::new(self.parts.operator.clone())
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<GrpcChannel> {
        SessionServiceClient::new(self.channel())
    }

    pub(crate) fn grants(&self) -> GrantServiceClient<GrpcChannel> {
        GrantServiceClient::new(self.channel())
    }

    pub(crate) fn consents(&self) -> ConsentServiceClient<GrpcChannel> {
        ConsentServiceClient::new(self.channel())
    }

    pub(crate) fn providers(&self) -> IdentityProviderServiceClient<GrpcChannel> {
        IdentityProviderServiceClient::new(self.channel())
    }

    pub(crate) fn clients(&self) -> ClientServiceClient<GrpcChannel> {
        ClientServiceClient::new(self.channel())
    }

    pub(crate) fn oauth(&self) -> OAuthServiceClient<GrpcChannel> {
        OAuthServiceClient::new(self.channel())
    }

    pub(crate) fn challenges(&self) -> ChallengeServiceClient<GrpcChannel> {
        ChallengeServiceClient::new(self.channel())
    }

    pub(crate) fn authorization(&self) -> AuthorizationServiceClient<GrpcChannel> {
        AuthorizationServiceClient::new(self.channel())
    }

    pub(crate) fn admin(&self) -> admin::AccountServiceClient<GrpcChannel> {
        admin::AccountServiceClient::new(self.channel())
    }

    pub(crate) fn admin_of_organizations(&self) -> admin::OrganizationServiceClient<GrpcChannel> {
        admin::OrganizationServiceClient::new(self.channel())
    }

    pub(crate) fn admin_of_clients(&self) -> admin::ClientServiceClient<GrpcChannel> {
        admin::ClientServiceClient::new(self.channel())
    }

    pub(crate) fn organizations(&self) -> OrganizationServiceClient<GrpcChannel> {
        OrganizationServiceClient::new(self.channel())
    }

    pub(crate) fn api_keys(&self) -> ApiKeyServiceClient<GrpcChannel> {
        ApiKeyServiceClient::new(self.channel())
    }
}
