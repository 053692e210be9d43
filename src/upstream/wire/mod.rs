//! Connections to servers: addresses, dialling, deadlines, how a request is sent and its answer read, and what is held of
//! an answer's beginning. Knows nothing of pools and their choices.

pub mod address;
pub mod ask;
pub mod cause;
pub mod connection;
pub mod deadlines;
pub mod dial;
pub mod endpoint;
mod framing;
pub mod opening;
pub mod part;
pub mod reader;
mod refused;
pub mod server_connection;
mod socket;
pub mod speech;
pub mod translation;
pub mod transport;
pub mod watch;
mod whole;
