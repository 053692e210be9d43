//! Servers with every vice: in memory, by HTTP on loopback, and as processes.

mod by_http;
mod calls;
mod peer;
mod processes;
mod vices;
mod web;
