//! The text of Prometheus (version 0.0.4), read without mercy.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

/// What a text tells.
pub(crate) struct Samples {
    /// By name and labels, as they are written.
    values: BTreeMap<String, f64>,
    /// The kind of each metric.
    pub(crate) kinds: BTreeMap<String, String>,
    /// The values of each label of each metric.
    pub(crate) labels: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Samples {
    /// Reads a text, and fails a test whose text is not well formed.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Self {
        let head = Regex::new(r"^# (HELP|TYPE) ([a-z_]+) (.+)$").unwrap();
        let sample =
            Regex::new(r#"^([a-z_]+)(\{([a-z_]+="[^"\\]*",?)+\})? ([0-9.e+-]+|\+Inf|NaN)$"#)
                .unwrap();
        let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
        let mut read = Self {
            values: BTreeMap::new(),
            kinds: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        let (mut helped, mut current) = (String::new(), String::new());
        assert!(text.ends_with('\n'), "a line that does not end");
        for line in text.lines() {
            if let Some(parts) = head.captures(line) {
                let name = parts[2].to_owned();
                if &parts[1] == "HELP" {
                    helped = name;
                } else {
                    assert_eq!(helped, name, "a type without its help");
                    let known = read.kinds.insert(name.clone(), parts[3].to_owned());
                    assert_eq!(known, None, "{name} is there twice");
                    current = name;
                }
                continue;
            }
            let parts = sample
                .captures(line)
                .unwrap_or_else(|| panic!("not a sample: {line}"));
            let kind = read.kinds[&current].as_str();
            let belongs = match kind {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| parts[1] == format!("{current}{end}")),
                _ => parts[1] == current,
            };
            assert!(belongs, "{line} does not belong to {current}");
            assert_eq!(kind == "counter", current.ends_with("_total"), "{line}");
            let value = parts[4].parse().unwrap();
            let key = line.rsplit_once(' ').unwrap().0.to_owned();
            assert_eq!(
                read.values.insert(key, value),
                None,
                "{line} is there twice"
            );
            let labels = read.labels.entry(current.clone()).or_default();
            for pair in label.captures_iter(line) {
                labels.insert((pair[1].to_owned(), pair[2].to_owned()));
            }
        }
        read
    }

    /// The value of the sample with this name and these labels.
    #[track_caller]
    pub(crate) fn of(&self, sample: &str) -> f64 {
        *self
            .values
            .get(sample)
            .unwrap_or_else(|| panic!("there is no {sample}"))
    }

    /// The samples that there are.
    pub(crate) fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}
