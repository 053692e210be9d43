//! The servers behind the gateway: who exists, who is alive, who is next, and how they are reached.
//! Knows nothing of requests and answers; it hands out claims, connections and dialects.
//!
//! Three rooms, each of which imports only from those before it. `wire` makes connections, `health` asks one server how
//! it is, `fleet` keeps the pools: who exists, who is alive and who is next are `balance`'s three questions, and
//! `fleet::places` gives it a clock and a lock. A `Claim` is a place at one peer, given back when it is dropped.

mod fleet;
mod health;
mod lock;
mod wire;

pub use fleet::claim::Claim;
pub use fleet::observer::ModelObserver;
pub use fleet::peer::{Peer, Standing};
pub use fleet::pool::{ClaimError, Doubt, Need, Placement, Pool, Queued};
pub use fleet::pools::Upstream;
pub use health::family::{Family, Shown};
pub use health::fate::Fate;
pub use health::identity::{Identity, Proof, Search, find_engine};
pub use health::portrait::{Likeness, Likenesses, Obedience, Portrait, PortraitError, portray};
pub use health::properties::ModelProperties;
pub use wire::ask::Question;
pub use wire::cause::{Cause, is_shortage};
pub use wire::connection::Connection;
pub use wire::deadlines::{Deadlines, Expired};
pub use wire::dial::Dial;
pub use wire::endpoint::Endpoint;
pub use wire::opening::{Opening, Until, Wordless};
pub use wire::part::Part;
pub use wire::reader::{head_end, is_chunked_last};
pub use wire::server_connection::ServerConnection;
pub use wire::speech::{Asker, Comments};
pub use wire::translation::{Translating, Translation};
pub use wire::transport::Transport;
pub use wire::watch::Watch;
