//! A client's connection: its head read within limits, its body framed, its pace watched, its end when the gateway stops.
//! Knows no servers; the phases are handed one request after the other.

mod chunks;
mod connections;
pub mod descriptors;
mod head;
mod leash;
mod line;
mod pace;
mod socket;

pub use connections::{Arrival, Clients, IDLE_SECONDS};
pub use line::Line;
pub use socket::READ_BYTES_MAX;
