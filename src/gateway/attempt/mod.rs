//! Attempts of a request: a place at a server, the wait for one, the connection, and another server when one fails.
//! Knows no session of Pingora's: whoever waits for the answer is a `Client`, and a request may have several rounds.

mod client;
mod dispatch;
mod place;
mod quarantine;
mod receipt;
mod retry;
mod terms;
#[cfg(test)]
mod tests;
mod tries;
mod verdict;

pub use client::{Client, Intake, WaitStatus, wait_until};
pub use dispatch::Dispatch;
pub use receipt::{Explain, Receipt};
pub use retry::{Begun, elsewhere, learn};
pub use terms::{Repeat, Terms};
pub use tries::{Attempt, Distrust, Tries};
pub use verdict::blame_peer;
