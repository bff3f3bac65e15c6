//! `docs/OPERATIONS.md` and the program name the same metrics, with the same labels.

use std::collections::{BTreeMap, BTreeSet};

use super::samples;
use crate::support::TestApp;

const DOCUMENT: &str = include_str!("../../../docs/OPERATIONS.md");

/// The kind and the words in backticks in the labels of each documented metric.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("## Metrics"))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let words = cells[2].split('`').skip(1).step_by(2);
        (
            cells[0].trim_matches('`').to_owned(),
            (cells[1].to_owned(), words.map(str::to_owned).collect()),
        )
    })
    .collect()
}

#[tokio::test]
async fn the_document_names_every_metric_with_its_kind_and_labels() {
    let app = TestApp::start().await;
    let told = samples(&app);
    let told: BTreeMap<_, _> = told
        .kinds
        .into_iter()
        .map(|(name, kind)| {
            let mut words = BTreeSet::new();
            for (label, value) in told.labels.get(&name).into_iter().flatten() {
                if label == "le" {
                    continue;
                }
                words.insert(label.clone());
                // The only label whose values are not a closed set.
                if label != "version" {
                    words.insert(value.clone());
                }
            }
            (name, (kind, words))
        })
        .collect();
    assert_eq!(told, documented());
}
