//! Pools of servers: service discovery, places, and claims on them.
//! Decides nothing of who is next; `balance` does.

pub mod claim;
mod dns;
mod families;
mod keep;
mod knowledge;
mod members;
mod models;
pub mod observer;
mod orders;
pub mod peer;
mod peers_file;
mod places;
pub mod pool;
mod pool_state;
pub mod pools;
