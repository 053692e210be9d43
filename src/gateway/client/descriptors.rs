//! File descriptor limit: how many files and sockets the process may have open, and how many of its clients that
//! allows. Opens none.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Listeners, logs, files of the configuration, connections that checks and pages take.
const RESERVE: u64 = 64;
/// A client's own, and one to its server.
const EACH: u64 = 2;

/// Lets the process have as many as it may at all, and says how many connections of clients they suffice for.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(e) = setrlimit(Resource::Nofile, raised)
    {
        log::warn!("the limit of descriptors cannot be raised: {e}");
    }
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, connections)
}

fn connections(descriptors: u64) -> usize {
    // Of very few there is nothing to spare.
    let spare = RESERVE.min(descriptors / 2);
    usize::try_from((descriptors - spare) / EACH).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_server_s_connection_too() {
        for (descriptors, expected) in [(0, 1), (16, 4), (1024, 480), (65_536, 32_736)] {
            assert_eq!(connections(descriptors), expected);
        }
        assert!(raise() > 1);
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    }
}
