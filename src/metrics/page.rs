//! Prometheus' text format: numbers to a page.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>
//!
//! Every metric is one block: what it is, then its samples. A metric that has no samples yet is there all the same, so
//! that a reader finds out what there is.

use std::fmt::{Display, Write};

use crate::instruments::Histogram;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins the block of a number that only grows. By convention its name ends with `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "counter", help)
    }

    /// Begins the block of a number that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "gauge", help)
    }

    /// Begins the block of a histogram, whose samples [`Metric::distribution`] writes.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, "histogram", help)
    }

    /// The page as it is served, as [`CONTENT_TYPE`].
    pub fn finish(self) -> String {
        self.0
    }

    fn metric(&mut self, name: &'static str, kind: &str, help: &str) -> Metric<'_> {
        // Writing to memory cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Metric { out: &mut self.0, name }
    }
}

/// A metric that takes its samples.
#[derive(Debug)]
pub struct Metric<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Metric<'_> {
    /// Writes one sample. Labels that stand here twice make a page that no reader takes.
    pub fn sample(&mut self, labels: &Labels, value: impl Display) {
        self.line("", labels.as_str(), value);
    }

    /// The samples of one histogram; none before its first value.
    pub fn distribution(&mut self, labels: &Labels, histogram: &Histogram) {
        let unit = histogram.unit();
        let buckets: Vec<_> = histogram.cumulative().collect();
        let count = buckets.last().map_or(0, |(_, count)| *count);
        if count == 0 {
            return;
        }
        for (bound, below) in buckets {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| unit.show(bound).to_string());
            self.line("_bucket", labels.and("le", &bound).as_str(), below);
        }
        self.line("_sum", labels.as_str(), unit.show(histogram.sum()));
        self.line("_count", labels.as_str(), count);
    }

    fn line(&mut self, suffix: &str, labels: &str, value: impl Display) {
        let name = self.name;
        let _ = match labels {
            "" => writeln!(self.out, "{name}{suffix} {value}"),
            labels => writeln!(self.out, "{name}{suffix}{{{labels}}} {value}"),
        };
    }
}

/// A sample's labels, as they are written: `pool="a",peer="b"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(String);

impl Labels {
    /// What a label has around its name and value: a comma, an equals sign and two quotes.
    const AROUND: usize = 4;

    /// These labels, names and values, in this order. Values are escaped; names have to be fit.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self::default().with(pairs)
    }

    /// The same with one label more behind them.
    #[must_use]
    pub fn and(&self, name: &str, value: &str) -> Self {
        self.with(&[(name, value)])
    }

    fn with(&self, pairs: &[(&str, &str)]) -> Self {
        let more: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + Self::AROUND).sum();
        let mut out = String::with_capacity(self.0.len() + more);
        out.push_str(&self.0);
        for (name, value) in pairs {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(name);
            out.push_str("=\"");
            push_escaped(value, &mut out);
            out.push('"');
        }
        Self(out)
    }

    /// As they stand between the braces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_escaped(value: &str, out: &mut String) {
    let mut rest = value;
    while let Some((plain, from)) = rest.find(['\\', '"', '\n']).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let mut chars = from.chars();
        out.push_str(match chars.next() {
            Some('\\') => "\\\\",
            Some('"') => "\\\"",
            _ => "\\n",
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::{Scale, Unit};

    const SCALE: Scale = Scale { unit: Unit::Seconds, bounds: &[10_000_000, 2_500_000_000] };

    #[test]
    fn a_page_is_written_as_the_format_says() {
        let mut page = Page::default();
        let mut metric = page.counter("a_total", "How many.");
        metric.sample(&Labels::default(), 3);
        metric.sample(&Labels::of(&[("pool", "x"), ("model", "a\"b\\c\nd")]), 4);
        page.gauge("b", "None yet.");
        let histogram = Histogram::new(&SCALE);
        let labels = Labels::of(&[("pool", "x")]);
        page.histogram("c_seconds", "Before.").distribution(&labels, &histogram);
        for value in [1, 1_500_000_000, 9_000_000_000] {
            histogram.observe(value);
        }
        page.histogram("d_seconds", "How long.").distribution(&labels, &histogram);
        let expected = r#"# HELP a_total How many.
# TYPE a_total counter
a_total 3
a_total{pool="x",model="a\"b\\c\nd"} 4
# HELP b None yet.
# TYPE b gauge
# HELP c_seconds Before.
# TYPE c_seconds histogram
# HELP d_seconds How long.
# TYPE d_seconds histogram
d_seconds_bucket{pool="x",le="0.01"} 1
d_seconds_bucket{pool="x",le="2.5"} 2
d_seconds_bucket{pool="x",le="+Inf"} 3
d_seconds_sum{pool="x"} 10.500000001
d_seconds_count{pool="x"} 3
"#;
        assert_eq!(page.finish(), expected);
    }
}
