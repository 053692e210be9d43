//! What went wrong last, for whoever looks at the status page.
//! Counts nothing, and holds no content.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// More than a screen shows.
const KEPT: usize = 20;

/// Something that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    pub at: SystemTime,
    /// The request's `X-Request-Id`.
    pub id: String,
    pub pool: String,
    pub peer: String,
    /// What the client got; absent when it never knew, because another server took over.
    pub code: Option<u16>,
    pub what: String,
}

/// The last failures.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Failure>>);

impl Recent {
    pub fn add(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(failure);
        kept.truncate(KEPT);
    }

    /// The newest first.
    pub fn all(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let recent = Recent::default();
        for at in 0..50 {
            let (id, text) = (at.to_string(), String::new());
            let at = SystemTime::UNIX_EPOCH;
            recent.add(Failure { at, id, pool: text.clone(), peer: text.clone(), code: None, what: text });
        }
        let ids: Vec<_> = recent.all().into_iter().map(|failure| failure.id).collect();
        assert_eq!((ids.len(), ids.first(), ids.last()), (KEPT, Some(&"49".to_owned()), Some(&"30".to_owned())));
    }
}
