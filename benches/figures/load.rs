//! Load: so many connections with so many calls under way on each, for a time.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(200);
const MEASURED: Duration = Duration::from_millis(1_000);

/// How many calls are under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) streams: usize,
}

impl Shape {
    pub(crate) const fn new(connections: usize, streams: usize) -> Self {
        Self {
            connections,
            streams,
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}x{}", self.connections, self.streams)
    }
}

/// What a load has come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Calls in a second.
    pub(crate) rate: f64,
    /// Of a call, in microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    endpoint.connect().await.expect("a channel")
}

/// Runs the loops of `work`, one for each stream, each of which calls again and again. A loop is given its
/// channel and its number, and counts its calls with the [`Meter`].
pub(crate) async fn run<F>(
    address: SocketAddr,
    shape: Shape,
    work: impl Fn(Channel, usize, Meter) -> F,
) -> Outcome
where
    F: Future<Output = ()> + Send + 'static,
{
    let begin = Instant::now() + WARM_UP;
    let meter = Meter {
        begin,
        end: begin + MEASURED,
        taken: Arc::default(),
    };
    let mut streams = JoinSet::new();
    for connection in 0..shape.connections {
        let channel = connect(address).await;
        for stream in 0..shape.streams {
            let number = connection * shape.streams + stream;
            streams.spawn(work(channel.clone(), number, meter.clone()));
        }
    }
    streams.join_all().await;
    meter.outcome()
}

/// Counts calls and how long each took.
#[derive(Clone)]
pub(crate) struct Meter {
    begin: Instant,
    end: Instant,
    taken: Arc<Mutex<Vec<Duration>>>,
}

impl Meter {
    /// The laps of one stream.
    pub(crate) fn start(self) -> Laps {
        Laps {
            meter: self,
            lap: Instant::now(),
            taken: Vec::new(),
        }
    }

    fn outcome(&self) -> Outcome {
        let mut taken = std::mem::take(&mut *self.taken.lock().expect("no panic"));
        taken.sort();
        let at = |part: usize| match taken.get(taken.len() * part / 100) {
            Some(taken) => taken.as_secs_f64() * 1e6,
            None => f64::NAN,
        };
        Outcome {
            rate: taken.len() as f64 / MEASURED.as_secs_f64(),
            p50: at(50),
            p99: at(99),
        }
    }
}

/// The calls of one stream, one after the other.
pub(crate) struct Laps {
    meter: Meter,
    lap: Instant,
    taken: Vec<Duration>,
}

impl Laps {
    /// Whether there is time for another call.
    pub(crate) fn goes_on(&self) -> bool {
        self.lap < self.meter.end
    }

    /// A call has been answered.
    pub(crate) fn count(&mut self) {
        let now = Instant::now();
        if self.lap >= self.meter.begin && now <= self.meter.end {
            self.taken.push(now - self.lap);
        }
        self.lap = now;
    }
}

impl Drop for Laps {
    fn drop(&mut self) {
        let mut all = self.meter.taken.lock().expect("no panic");
        all.append(&mut self.taken);
    }
}
