//! Record of a request: what is known of it, for the access log and the metrics.
//! Shows nothing itself, and knows no sockets and no servers.

mod pace;
mod terms;

pub use pace::{GAPS, Pace, WORK};
pub use terms::{Operation, Phase, Reading, Retry};
