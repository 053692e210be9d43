//! Commands in the cage, each in both sandboxes that there are here, run by the built program.
//! As root and as anybody else: what only one of them shows says so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[cfg(target_arch = "x86_64")]
mod calls;
mod ends;
mod gateway;
mod harness;
mod limits;
mod places;
mod proof;
mod service;
mod walls;
