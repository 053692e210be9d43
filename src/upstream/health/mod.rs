//! Health checks and probes of servers: what they tell of themselves.
//! Decides nothing of what follows; `balance` does.

pub mod catalog;
pub mod check;
pub mod description;
pub mod family;
pub mod fate;
pub mod history;
pub mod identity;
mod lists;
mod load;
pub mod portrait;
pub mod probe;
pub mod properties;
pub mod template;
