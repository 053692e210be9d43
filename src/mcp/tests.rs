//! Servers with every vice: in memory, by HTTP on loopback, and as processes.

mod calls;
mod peer;
mod vices;
