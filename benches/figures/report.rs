//! What was measured, as a part of the page.

use std::fmt::Write as _;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md");
/// The rows of one part of the page.
#[derive(Default)]
pub(crate) struct Report {
    rows: String,
}

impl Report {
    pub(crate) fn absolute(&mut self, what: &str, value: f64, wanted: &str) {
        self.row(what, &format!("{value:.1}"), wanted);
    }

    /// The median of the ratios of all rounds, with the lowest and the highest.
    pub(crate) fn ratio(&mut self, what: &str, ratios: &mut [f64], wanted: &str) {
        let middle = median(ratios);
        let measured = match ratios {
            [low, .., high] => format!("{middle:.2}x ({low:.2} to {high:.2})"),
            _ => format!("{middle:.2}x"),
        };
        self.row(what, &measured, wanted);
    }

    fn row(&mut self, what: &str, measured: &str, wanted: &str) {
        println!("{what}: {measured} ({wanted})");
        writeln!(self.rows, "| {what} | {measured} | {wanted} |")
            .expect("a string takes everything");
    }

    /// Writes the part of the page that starts like `head`, and leaves the others as they are.
    pub(crate) fn write(&self, head: &str) {
        let page = std::fs::read_to_string(PAGE).expect("the page can be read");
        let heading = head.lines().next().expect("a head has a heading");
        let own = format!("{head}{}", self.rows);
        let mut parts: Vec<_> = page.split("\n## ").map(str::to_owned).collect();
        let (first, later) = parts.split_first_mut().expect("a page has a part");
        later.iter_mut().for_each(|part| part.insert_str(0, "## "));
        if first.starts_with(heading) {
            *first = own;
        } else if let Some(part) = later.iter_mut().find(|part| part.starts_with(heading)) {
            *part = own;
        } else {
            parts.push(own);
        }
        let parts: Vec<_> = parts.iter().map(|part| part.trim_end()).collect();
        std::fs::write(PAGE, format!("{}\n", parts.join("\n\n"))).expect("the page can be written");
    }
}

/// The middle of the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
