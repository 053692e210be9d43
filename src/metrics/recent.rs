//! Recent failures: what went wrong last, and whose fault it was, for whoever looks at the status page.
//! Counts nothing, and holds no content.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::record::{Blame, Record};

/// More than a screen shows.
const KEPT: usize = 20;
/// It may hold a model's name, which a client chooses.
const WHAT_CHARS_MAX: usize = 200;

/// Something that went wrong.
#[derive(Clone, Debug)]
pub struct Incident {
    pub at: SystemTime,
    /// The request's `X-Request-Id`.
    pub id: String,
    pub whose: Whose,
    pub pool: String,
    pub peer: String,
    /// What the client got; absent when it never knew, because another server took over.
    pub code: Option<u16>,
    pub what: String,
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The client's own.
    Client,
    /// A server's, or the gateway's.
    House,
}

impl Incident {
    /// Something that went wrong just now with a request. `code` is what its client got.
    pub fn of(record: &Record, code: Option<u16>, what: &str) -> Self {
        let is_clients = record.failure.as_ref().is_some_and(|failure| failure.blame == Blame::Client);
        Self {
            at: SystemTime::now(),
            id: record.id.clone(),
            whose: if is_clients { Whose::Client } else { Whose::House },
            pool: record.pool_name().to_owned(),
            peer: record.peer_url().to_owned(),
            code,
            what: what.chars().take(WHAT_CHARS_MAX).collect(),
        }
    }
}

/// The last failures, and apart from them the last requests that were refused for what they are: a client that goes
/// wrong again and again would leave no room for anything else.
#[derive(Debug, Default)]
pub struct Recent {
    failures: Mutex<VecDeque<Incident>>,
    refusals: Mutex<VecDeque<Incident>>,
}

impl Recent {
    /// Keeps it as the newest; the oldest of its sort is dropped when there are too many.
    pub fn add(&self, failure: Incident) {
        let kept = match failure.whose {
            Whose::Client => &self.refusals,
            Whose::House => &self.failures,
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(failure);
        kept.truncate(KEPT);
    }

    /// The newest first.
    pub fn failures(&self) -> Vec<Incident> {
        all(&self.failures)
    }

    /// The newest first.
    pub fn refusals(&self) -> Vec<Incident> {
        all(&self.refusals)
    }
}

fn all(kept: &Mutex<VecDeque<Incident>>) -> Vec<Incident> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let recent = Recent::default();
        let add = |whose, n: u32| {
            let (id, text) = (n.to_string(), String::new());
            let at = SystemTime::UNIX_EPOCH;
            recent.add(Incident { at, id, whose, pool: text.clone(), peer: text.clone(), code: None, what: text });
        };
        (0..50).for_each(|n| add(Whose::House, n));
        (0..50).for_each(|n| add(Whose::Client, 100 + n));
        assert_eq!(recent.refusals().len(), KEPT);
        let ids: Vec<_> = recent.failures().into_iter().map(|failure| failure.id).collect();
        assert_eq!((ids.len(), ids.first(), ids.last()), (KEPT, Some(&"49".to_owned()), Some(&"30".to_owned())));
    }
}
