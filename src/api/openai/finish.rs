//! Finish reasons: why a choice ended, as the server says it and as the client gets it.
//! Knows no text and no calls but how many there are.

/// The model stopped by itself.
pub const STOP: &str = "stop";
/// It is to go on when its client asks for that: the gateway's own reason, which no server gives.
pub const PAUSED: &str = "pause_turn";
/// It was cut off.
const LENGTH: &str = "length";
const TOOL_CALLS: &str = "tool_calls";

/// Whether a choice's last call was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truncated {
    #[default]
    No,
    Yes,
}

/// Whether the server cut generation off.
pub fn is_cut(reason: &str) -> bool {
    reason == LENGTH
}

/// The finish reason that the client gets for the server's: whether there are calls, the server's own among them, is
/// what a client must know.
pub fn for_client(upstream: &str, calls: u32, truncated: Truncated) -> &str {
    match (upstream, truncated) {
        (STOP | TOOL_CALLS, Truncated::Yes) => LENGTH,
        (STOP | TOOL_CALLS, Truncated::No) if calls > 0 => TOOL_CALLS,
        (STOP | TOOL_CALLS, Truncated::No) => STOP,
        _ => upstream,
    }
}
