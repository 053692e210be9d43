//! Reads a page in Prometheus' text format, and is as strict as `promtool check metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// A page that was found valid.
pub struct Page {
    /// Every metric with its kind.
    pub metrics: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Page {
    /// Panics when the page is not valid.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut page = Self { metrics: BTreeMap::new(), samples: Vec::new() };
        let mut helped = BTreeSet::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()), "{name} has two HELP lines");
                assert!(help.ends_with('.') && !help.contains('\\'), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(helped.contains(name), "{name} has no HELP line before its TYPE");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(page.metrics.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} has two TYPE lines");
                current = name.to_owned();
            } else {
                let sample = sample(line);
                let suffix = sample.name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} under {current}"));
                match page.metrics[&current].as_str() {
                    "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                    _ => assert_eq!(suffix, "", "{line}"),
                }
                page.samples.push(sample);
            }
        }
        let mut seen = BTreeSet::new();
        for Sample { name, labels, .. } in &page.samples {
            assert!(seen.insert((name, labels)), "{name} {labels:?} is there twice");
        }
        page.check_histograms();
        page
    }

    fn check_histograms(&self) {
        for name in self.metrics.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name) {
            let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.name == format!("{name}_bucket")) {
                let mut labels = sample.labels.clone();
                let bound = labels.remove("le").unwrap().replace("+Inf", "inf").parse().unwrap();
                buckets.entry(labels).or_default().push((bound, sample.value));
            }
            for (labels, buckets) in &buckets {
                assert!(buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{name} {labels:?}");
                let &(bound, all) = buckets.last().unwrap();
                let of = |suffix: &str| {
                    self.samples.iter().find(|s| s.name == format!("{name}{suffix}") && s.labels == *labels)
                };
                assert_eq!((bound, Some(all)), (f64::INFINITY, of("_count").map(|s| s.value)), "{name} {labels:?}");
                assert!(of("_sum").is_some(), "{name} {labels:?}");
            }
        }
    }

    /// The names of the labels that a metric's samples have, but for the bounds of buckets.
    pub fn labels(&self, metric: &str) -> BTreeSet<&str> {
        let suffix = if self.metrics[metric] == "histogram" { "_count" } else { "" };
        let samples = self.samples.iter().filter(|sample| sample.name == format!("{metric}{suffix}"));
        samples.flat_map(|sample| sample.labels.keys().map(String::as_str)).collect()
    }

    /// The sum of the samples with this name that have all these labels; `None` when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            sample.name == name && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        let found: Vec<f64> = self.samples.iter().filter(fits).map(|sample| sample.value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let name = line[..end].to_owned();
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if rest.starts_with('{') {
        while !rest.starts_with('}') {
            let (key, after) = rest[1..].split_once("=\"").unwrap();
            let mut value = String::new();
            let mut chars = after.char_indices();
            let close = loop {
                match chars.next().unwrap_or_else(|| panic!("no end of a value: {line}")) {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("\\{c} in {line}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(key.to_owned(), value).is_none(), "{key} twice in {line}");
            rest = &after[close + 1..];
            assert!(rest.starts_with([',', '}']), "{line}");
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap().parse().unwrap_or_else(|e| panic!("{e}: {line}"));
    Sample { name, labels, value }
}
