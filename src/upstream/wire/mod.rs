//! Connections to servers: addresses, dialling, deadlines, and what is held of an answer's beginning.
//! Knows nothing of pools and their choices.

pub mod address;
pub mod ask;
pub mod cause;
pub mod connection;
mod dial;
pub mod endpoint;
mod framing;
pub mod hold;
pub mod opening;
mod refused;
mod socket;
pub mod speech;
pub mod translation;
pub mod watch;
mod whole;
