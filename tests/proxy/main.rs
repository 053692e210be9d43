//! The gateway on real sockets: what it leaves alone, what it changes, and what it does when either side fails.
//! Upstreams and clients are written here, byte by byte; nothing sleeps, everything waits on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole crate is a test")]

mod access;
mod addressed;
mod addresses;
mod affinity;
mod agents;
mod aliases;
mod assembling;
mod bodies;
mod boxes;
mod conversations;
mod crowd;
mod elsewhere;
mod engines;
mod faults;
mod felling;
mod fleet;
mod forcing;
mod harness;
mod heads;
mod hiding;
mod identity;
mod leaving;
mod lifecycle;
mod listing;
mod loading;
mod logging;
mod members;
mod pinned;
mod pools;
mod probing;
mod prometheus;
mod queue;
mod reload;
mod rewriting;
mod salvaging;
mod seats;
mod seen;
mod series;
mod soak;
mod stalling;
mod stopping;
mod transparent;
mod untouched;
mod waiting;
