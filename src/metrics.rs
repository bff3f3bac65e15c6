//! What the program counts of itself, for Prometheus. The only user of prometheus-client.
//!
//! Every series is there from the start, and its labels are closed sets: no address, account or path is ever
//! one. To count is an atomic addition on a handle that was looked up at the start. `docs/OPERATIONS.md` says
//! what each metric means, which a test holds it to.

mod exposition;
mod histogram;
mod labels;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Metric, Registry},
};

use self::histogram::Histogram;
pub use self::{
    exposition::{Exposition, Format, HashingLoad},
    labels::{Dialect, Limit, LogIn, Status},
};
use crate::env::Env;

/// The bounds of the durations of requests: from a read out of memory to the deadline.
const DURATIONS: &[Duration] = &[
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// The bounds of the difficulty of challenges, in bits.
const DIFFICULTIES: &[u64] = &[4, 8, 12, 16, 18, 20, 21, 22, 23, 24, 26, 28];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The counters of one server; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    /// By dialect, then by status.
    requests: [[Counter; Status::ALL.len()]; Dialect::ALL.len()],
    durations: [Histogram; Dialect::ALL.len()],
    limits: [LimitCounts; Limit::ALL.len()],
    log_ins: [Counter; LogIn::ALL.len()],
    challenges: Histogram,
    connections: Gauge,
}

/// How often a limit let a call pass, and how often it did not.
#[derive(Clone, Debug, Default)]
pub struct LimitCounts {
    allowed: Counter,
    limited: Counter,
}

impl LimitCounts {
    /// Counts what a limit said to a call.
    pub fn count(&self, allowed: bool) {
        if allowed {
            self.allowed.inc();
        } else {
            self.limited.inc();
        }
    }
}

/// A connection that is open for as long as this exists.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// New counters, all at zero, and the text in which they are read.
    #[must_use]
    pub fn new(env: &Env) -> (Self, Exposition) {
        let mut registry = Registry::default();
        registry.register(
            "countersign_build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let started = Gauge::<i64>::default();
        started.set(env.now().seconds());
        registry.register(
            "process_start_time_seconds",
            "When the program started, in seconds since 1970",
            started,
        );
        let counters = Counters {
            requests: requests(&mut registry),
            durations: durations(&mut registry),
            limits: limits(&mut registry),
            log_ins: log_ins(&mut registry),
            challenges: registered(
                &mut registry,
                "countersign_challenge_difficulty_bits",
                "The difficulty of the challenges that were issued, in leading zero bits",
                Histogram::of_counts(DIFFICULTIES),
            ),
            connections: registered(
                &mut registry,
                "countersign_connections_open",
                "Connections that are open on the main listener",
                Gauge::default(),
            ),
        };
        (Self(Arc::new(counters)), Exposition::new(registry))
    }

    /// Counts a request that has ended, and how long it took from its head to the end of its answer.
    pub fn request(&self, dialect: Dialect, status: Status, took: Duration) {
        self.0.requests[dialect as usize][status as usize].inc();
        self.0.durations[dialect as usize].observe_duration(took);
    }

    /// The counts of a limit.
    #[must_use]
    pub fn limit(&self, limit: Limit) -> LimitCounts {
        self.0.limits[limit as usize].clone()
    }

    /// Counts an attempt to log in with a password.
    pub fn log_in(&self, outcome: LogIn) {
        self.0.log_ins[outcome as usize].inc();
    }

    /// Counts a challenge that was issued, with the leading zero bits that it asks for.
    pub fn challenge_issued(&self, bits: u32) {
        self.0.challenges.observe(u64::from(bits));
    }

    /// Counts a connection as open until what comes back is dropped.
    #[must_use]
    pub fn connection_opened(&self) -> OpenConnection {
        self.0.connections.inc();
        OpenConnection(self.0.connections.clone())
    }
}

fn requests(registry: &mut Registry) -> [[Counter; Status::ALL.len()]; Dialect::ALL.len()] {
    let family = registered(
        registry,
        "countersign_requests",
        "Requests that have ended, by how they were spoken and how they ended",
        Family::<Labels<2>, Counter>::default(),
    );
    Dialect::ALL.map(|dialect| {
        Status::ALL.map(|status| {
            let labels = [("dialect", dialect.name()), ("status", status.name())];
            family.get_or_create_owned(&labels)
        })
    })
}

fn durations(registry: &mut Registry) -> [Histogram; Dialect::ALL.len()] {
    let family = registered(
        registry,
        "countersign_request_duration_seconds",
        "How long requests took, from their head to the end of their answer",
        Family::<Labels<1>, Histogram, _>::new_with_constructor(of_durations),
    );
    Dialect::ALL.map(|dialect| family.get_or_create_owned(&[("dialect", dialect.name())]))
}

fn of_durations() -> Histogram {
    Histogram::of_durations(DURATIONS)
}

fn limits(registry: &mut Registry) -> [LimitCounts; Limit::ALL.len()] {
    let family = registered(
        registry,
        "countersign_calls",
        "Calls that were held against a limit, by the limit and what it said",
        Family::<Labels<2>, Counter>::default(),
    );
    Limit::ALL.map(|limit| {
        let count =
            |outcome| family.get_or_create_owned(&[("class", limit.name()), ("outcome", outcome)]);
        LimitCounts {
            allowed: count("allowed"),
            limited: count("limited"),
        }
    })
}

fn log_ins(registry: &mut Registry) -> [Counter; LogIn::ALL.len()] {
    let family = registered(
        registry,
        "countersign_log_ins",
        "Attempts to log in with a password, by how they ended",
        Family::<Labels<1>, Counter>::default(),
    );
    LogIn::ALL.map(|outcome| family.get_or_create_owned(&[("outcome", outcome.name())]))
}

fn registered<M: Metric + Clone>(
    registry: &mut Registry,
    name: &'static str,
    help: &'static str,
    metric: M,
) -> M {
    registry.register(name, help, metric.clone());
    metric
}
