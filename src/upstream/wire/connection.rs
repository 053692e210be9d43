//! Connection to a server: shared and kept by Pingora, or a request's own, with deadlines for each of its phases.
//! Opens none; it says what Pingora needs for it, and `dial` connects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;

use super::dial::{Dial, PingoraDial};
use super::watch::Watch;

/// Which connection a request gets.
#[derive(Debug)]
pub enum Connection {
    /// One that Pingora keeps and shares, with the one timeout that it has.
    /// For requests that are short and may be repeated when it turns out dead.
    Shared { read_timeout: Option<Duration> },
    /// A fresh one that is closed afterwards: for requests that run long, that may not be repeated, or whose phases
    /// have deadlines of their own.
    Own(Arc<Watch>),
}

impl Connection {
    /// What Pingora needs to make it. The server's name has been resolved, so that Pingora does not: it would block, and
    /// panic on failure.
    pub fn to(self, dial: Dial) -> io::Result<HttpPeer> {
        let first = dial.addresses.first().copied().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut http_peer = HttpPeer::new(first, false, String::new());
        let options = &mut http_peer.options;
        options.total_connection_timeout = Some(dial.connect_max);
        options.idle_timeout = Some(IDLE_MAX);
        let watch = match self {
            Self::Shared { read_timeout } => {
                options.read_timeout = read_timeout;
                None
            }
            Self::Own(watch) => {
                http_peer.group_key = OWN_GROUP;
                Some(watch)
            }
        };
        http_peer.options.custom_l4 = Some(Arc::new(PingoraDial { dial, watch }));
        Ok(http_peer)
    }
}

/// llama.cpp and uvicorn close an idle connection after 5 s; one second less, and a connection that is taken from
/// the pool is hardly ever one that its server is closing.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Keeps connections of one's own out of the pool: nothing is ever put there under this key.
const OWN_GROUP: u64 = 1;
