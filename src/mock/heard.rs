//! What the mock was asked, so that a test can see what reached it.
//! Keeps the last requests alone, and the newest whatever its size.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::http::{Reply, Request};

/// A request that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub method: String,
    /// The path, with its query.
    pub target: String,
    /// The body as it came, less what is no UTF-8.
    pub body: String,
}

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<VecDeque<Heard>>);

impl Memory {
    /// Remembers a request, and forgets the oldest where there are too many.
    pub fn add(&self, request: &Request) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let mut heard = self.lock();
        heard.push_back(Heard { method: request.method.clone(), target: request.target.clone(), body });
        let mut bytes: usize = heard.iter().map(|heard| heard.body.len()).sum();
        while heard.len() > 1 && (heard.len() > REQUESTS_MAX || bytes > BYTES_MAX) {
            bytes -= heard.pop_front().map_or(0, |oldest| oldest.body.len());
        }
    }

    /// All that is remembered, the newest last.
    pub fn all(&self) -> Vec<Heard> {
        self.lock().iter().cloned().collect()
    }

    /// The same as a page; a body that is JSON stands there as it is read.
    pub fn page(&self) -> Reply {
        let entry = |heard: &Heard| {
            let body = serde_json::from_str(&heard.body).unwrap_or_else(|_| Value::from(heard.body.as_str()));
            json!({ "method": heard.method, "target": heard.target, "body": body })
        };
        Reply::json(&self.lock().iter().map(entry).collect())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without it a mock that runs for long would keep all that it ever read.
const REQUESTS_MAX: usize = 100;
/// Without it some large requests would be kept for ever.
const BYTES_MAX: usize = 4 << 20;
