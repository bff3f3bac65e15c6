//! A histogram without a lock: prometheus-client's own takes one for every observation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

const NANOS_PER_SECOND: f64 = 1e9;

/// Counts whole numbers of a unit in buckets; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Upper bounds, ascending, and how many values lie at or below each but above the one before.
    buckets: Box<[(u64, AtomicU64)]>,
    above: AtomicU64,
    sum: AtomicU64,
    /// How many of the unit are one in what is told.
    units: f64,
}

impl Histogram {
    /// Counts durations, which are told in seconds.
    pub(super) fn of_durations(bounds: &[Duration]) -> Self {
        Self::new(bounds.iter().copied().map(nanos), NANOS_PER_SECOND)
    }

    /// Counts numbers.
    pub(super) fn of_counts(bounds: &[u64]) -> Self {
        Self::new(bounds.iter().copied(), 1.0)
    }

    fn new(bounds: impl Iterator<Item = u64>, units: f64) -> Self {
        Self(Arc::new(Cells {
            buckets: bounds.map(|bound| (bound, AtomicU64::new(0))).collect(),
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            units,
        }))
    }

    pub(super) fn observe_duration(&self, value: Duration) {
        self.observe(nanos(value));
    }

    pub(super) fn observe(&self, value: u64) {
        let buckets = &self.0.buckets;
        let place = buckets.partition_point(|(bound, _)| *bound < value);
        let count = buckets.get(place).map_or(&self.0.above, |(_, count)| count);
        count.fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Cells {
            buckets,
            above,
            sum,
            units,
        } = &*self.0;
        // Exact for every bound, and for sums below 2^53: a hundred days in nanoseconds.
        let told = |value: u64| value as f64 / units;
        let mut counts: Vec<_> = buckets
            .iter()
            .map(|(bound, count)| (told(*bound), count.load(Ordering::Relaxed)))
            .collect();
        counts.push((f64::INFINITY, above.load(Ordering::Relaxed)));
        // The sum of the buckets and not a count of its own, which could be told apart from them in between.
        let count = counts.iter().map(|(_, count)| count).sum();
        let sum = told(sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &counts, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::prometheus_text, registry::Registry};

    use super::*;

    fn told(histogram: &Histogram) -> Vec<String> {
        let mut registry = Registry::default();
        registry.register("h", "Help", histogram.clone());
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_value_counts_in_the_first_bucket_that_holds_it_and_in_all_after() {
        let histogram = Histogram::of_counts(&[1, 5, 10]);
        for value in [0, 1, 2, 5, 10, 11, 1000] {
            histogram.clone().observe(value);
        }
        assert_eq!(
            told(&histogram),
            [
                "h_bucket{le=\"1\"} 2",
                "h_bucket{le=\"5\"} 4",
                "h_bucket{le=\"10\"} 5",
                "h_bucket{le=\"+Inf\"} 7",
                "h_sum 1029.0",
                "h_count 7",
            ]
        );
    }

    #[test]
    fn durations_are_told_in_seconds() {
        let histogram = Histogram::of_durations(&[Duration::from_micros(2_500)]);
        histogram.observe_duration(Duration::from_micros(2_500));
        histogram.observe_duration(Duration::from_millis(250));
        assert_eq!(
            told(&histogram),
            [
                "h_bucket{le=\"0.0025\"} 1",
                "h_bucket{le=\"+Inf\"} 2",
                "h_sum 0.2525",
                "h_count 2",
            ]
        );
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let histogram = Histogram::of_counts(&[1]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| histogram.observe(2)));
            }
        });
        assert_eq!(
            told(&histogram)[1..],
            ["h_bucket{le=\"+Inf\"} 4000", "h_sum 8000.0", "h_count 4000"]
        );
    }
}
