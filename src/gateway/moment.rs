//! Moments: what time it is for a client whose answer says so; the core has no clock.

use std::time::{Duration, SystemTime};

use crate::api::ollama::client::Moment;
use crate::record::Record;

/// What time it is for the client of a request.
pub fn moment(record: &Record) -> Moment {
    let waited = record.queue_wait.unwrap_or_default();
    Moment { since: record.began.elapsed(), waited, ..now() }
}

/// What time it is.
pub fn now() -> Moment {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment { unix, since: Duration::ZERO, waited: Duration::ZERO }
}
