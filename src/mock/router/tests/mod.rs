//! The router: what its table decides, and what it says on sockets.

mod engines;
mod sockets;
mod vices;
