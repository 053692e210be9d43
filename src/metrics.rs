//! The counters and their names.
//! Serves nothing: the admin address will.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::response::Summary;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What the gateway has done since it started.
        #[derive(Debug, Default)]
        pub struct Metrics { $($(#[$doc])* pub $name: Counter,)+ }

        impl Metrics {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((concat!("toolgate_", stringify!($name), "_total"), self.$name.value()),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Requests of any kind.
    requests,
    /// Requests that were answered by the gateway itself, for the client's fault.
    refused,
    /// Requests that found no free server.
    busy,
    /// Servers that failed a request: unreachable, gone, late or talking nonsense.
    upstream_failures,
    /// Clients that left before their answer was complete.
    clients_left,
    /// Answers that were read for calls.
    answers_read,
    /// Answers that should have been read and could not: an error, compressed, or neither JSON nor an event stream.
    answers_unread,
    /// Answers of which a limit was reached, so that the rest passed through unread.
    answers_bailed_out,
    calls,
    /// Calls whose arguments had to be repaired.
    calls_repaired,
    /// Calls of whose arguments a part could not be read.
    calls_malformed,
    /// Openers of calls that turned out to be text.
    calls_rejected,
}

impl Metrics {
    /// Counts what was done to one answer.
    pub fn answered(&self, summary: &Summary) {
        self.calls.add(summary.calls);
        self.calls_repaired.add(summary.repaired);
        self.calls_malformed.add(summary.malformed);
        self.calls_rejected.add(summary.rejected);
        self.answers_bailed_out.add(u32::from(summary.bailed_out));
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, more: u32) {
        self.0.fetch_add(u64::from(more), Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_counted_under_its_names() {
        let metrics = Metrics::default();
        let summary = Summary { calls: 2, repaired: 1, rejected: 3, bailed_out: true, ..Summary::default() };
        metrics.answered(&summary);
        metrics.answered(&summary);
        let counted: Vec<_> = metrics.iter().filter(|(_, value)| *value > 0).collect();
        let expected = [
            ("toolgate_answers_bailed_out_total", 2),
            ("toolgate_calls_total", 4),
            ("toolgate_calls_repaired_total", 2),
            ("toolgate_calls_rejected_total", 6),
        ];
        assert_eq!(counted, expected);
    }
}
