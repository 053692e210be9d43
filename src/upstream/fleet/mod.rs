//! Pools of servers: service discovery, places, and claims on them.

pub mod claim;
mod keep;
mod lasting;
mod listed;
mod members;
mod names;
pub mod peer;
mod places;
pub mod pool;
pub mod pools;
