//! A client's connection: its head read within limits, its body framed, its pace watched, its end when the gateway stops.
//! Knows no servers; the phases are handed one request after the other.

mod chunks;
mod connection;
pub mod descriptors;
mod head;
mod listener;
mod pace;
mod shutdown_signal;
mod socket;

pub use connection::ClientConnection;
pub use listener::{Arrival, ClientListener, IDLE_SECONDS};
pub use socket::READ_BYTES_MAX;
