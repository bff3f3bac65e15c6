//! What was measured, as a page.

use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");
const HEAD: &str = "# Benchmarks

Written by `cargo bench --bench figures`, which runs the release binary as a process and watches it from outside.
Absolute figures are those of one machine on one day; the ratios compare two things measured in turn in the same run,
and are what to look at. The REST calls come over one HTTP/1.1 connection, the native ones over one of HTTP/2.

| what | measured | wanted |
|---|---|---|
";

/// The rows of the page.
#[derive(Default)]
pub(crate) struct Report {
    rows: String,
}

impl Report {
    pub(crate) fn absolute(&mut self, what: &str, value: f64, wanted: &str) {
        self.row(what, &format!("{value:.1}"), wanted);
    }

    pub(crate) fn ratio(&mut self, what: &str, value: f64, wanted: &str) {
        self.row(what, &format!("{value:.2}x"), wanted);
    }

    fn row(&mut self, what: &str, measured: &str, wanted: &str) {
        println!("{what}: {measured} ({wanted})");
        writeln!(self.rows, "| {what} | {measured} | {wanted} |")
            .expect("a string takes everything");
    }

    pub(crate) fn write(&self) {
        std::fs::write(PAGE, format!("{HEAD}{}", self.rows)).expect("the page can be written");
    }
}

/// The middle of the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
