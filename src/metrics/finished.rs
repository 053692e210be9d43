//! A request that is over, as far as it is counted.
//! Everything here is a plain value or one of `record`'s terms.

use std::time::{Duration, Instant};

use crate::answer::Summary;
use crate::record::{Operation, Pace, Phase, Reading};

/// A request that is over.
#[derive(Debug)]
pub struct Finished<'a> {
    /// Empty where the request never came so far as to have one.
    pub pool: &'a str,
    /// The URL of the last peer that had it, or empty.
    pub peer: &'a str,
    /// The kind of the pool's servers.
    pub engine: &'a str,
    pub model: Option<&'a str>,
    pub operation: Operation,
    /// The status that the client got.
    pub code: u16,
    pub began: Instant,
    pub took: Duration,
    pub first_byte_after: Option<Duration>,
    /// What the gateway itself took before a server was asked.
    pub overhead: Option<Duration>,
    /// How long it waited for a place, if it did, and among which.
    pub queued: Option<Duration>,
    pub priority: u8,
    pub pace: &'a Pace,
    /// How the answer was read for calls, if it was.
    pub dialect: Option<&'a str>,
    pub reading: Option<Reading>,
    pub summary: Option<&'a Summary>,
    /// Where the client left.
    pub left_while: Option<Phase>,
    /// Whose fault it was, and the error's code.
    pub failure: Option<(&'a str, &'a str)>,
}
