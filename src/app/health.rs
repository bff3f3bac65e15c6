//! Health: whether the database answers, for `grpc.health.v1` and `/readyz`.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::MissedTickBehavior};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::domain::Domain;

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The services of the contract; the empty name is the server as a whole.
const SERVICES: [&str; 7] = [
    "",
    "countersign.v1.AccountService",
    "countersign.v1.SessionService",
    "countersign.v1.ApiKeyService",
    "countersign.v1.ChallengeService",
    "countersign.v1.AuthorizationService",
    "countersign.v1.AdminService",
];

/// Tells whoever asks whether calls can be answered.
pub struct Health {
    domain: Arc<Domain>,
    told: Mutex<Told>,
}

/// What watchers know.
struct Told {
    reporter: HealthReporter,
    /// None before the first time.
    last: Option<ServingStatus>,
    stopping: bool,
}

impl Health {
    pub(super) fn new(domain: Arc<Domain>, reporter: HealthReporter) -> Self {
        let told = Told {
            reporter,
            last: None,
            stopping: false,
        };
        Self {
            domain,
            told: Mutex::new(told),
        }
    }

    /// Asks the database at its interval until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.check().await;
        }
    }

    /// Asks the database once, and reports.
    pub async fn check(&self) {
        let status = if is_ready(&self.domain).await {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.told.lock().await.tell(status).await;
    }

    /// Tells every watcher that the server does not serve any more, and ends the watches: they would keep
    /// their connections, and so the server, from ending.
    pub async fn stop(&self) {
        let mut told = self.told.lock().await;
        told.tell(ServingStatus::NotServing).await;
        told.stopping = true;
        for service in SERVICES {
            told.reporter.clear_service_status(service).await;
        }
    }
}

impl Told {
    /// Wakes the watchers only when there is something new.
    async fn tell(&mut self, status: ServingStatus) {
        if self.stopping || self.last.replace(status) == Some(status) {
            return;
        }
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// Whether the database answers in time.
pub(super) async fn is_ready(domain: &Domain) -> bool {
    matches!(
        tokio::time::timeout(PATIENCE, domain.ping()).await,
        Ok(Ok(()))
    )
}
