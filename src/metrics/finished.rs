//! A request that is over, as far as it is counted.
//! Everything here is a plain value or a closed set whose names become labels.

use std::time::{Duration, Instant};

use super::Pace;
use crate::answer::Summary;

/// A request that is over.
#[derive(Debug)]
pub struct Finished<'a> {
    /// Empty where the request never came so far as to have one.
    pub pool: &'a str,
    /// The URL of the last peer that had it, or empty.
    pub peer: &'a str,
    /// The kind of the pool's servers.
    pub engine: &'a str,
    pub model: Option<&'a str>,
    pub operation: Operation,
    /// The status that the client got.
    pub code: u16,
    pub began: Instant,
    pub took: Duration,
    pub first_byte_after: Option<Duration>,
    /// What the gateway itself took before a server was asked.
    pub overhead: Option<Duration>,
    /// How long it waited for a place, if it did, and among which.
    pub queued: Option<Duration>,
    pub priority: u8,
    pub pace: &'a Pace,
    /// How the answer was read for calls, if it was.
    pub dialect: Option<&'a str>,
    pub reading: Option<Reading>,
    pub summary: Option<&'a Summary>,
    /// Where the client left.
    pub left_while: Option<Phase>,
    /// Whose fault it was, and the error's code.
    pub failure: Option<(&'a str, &'a str)>,
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// As it is written in labels and logs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    )+};
}

labels! {
    /// What a request asks for.
    Operation {
        Chat = "chat",
        Completion = "text_completion",
        Embeddings = "embeddings",
        /// Nothing that a model generates.
        Other = "other",
    }

    /// What was going on when a client left.
    Phase {
        Uploading = "uploading",
        /// It waited for a place.
        Queued = "queued",
        /// Nothing of the answer had come yet.
        Waiting = "waiting",
        /// The answer was an event stream.
        Streaming = "streaming",
        /// The answer was of another kind.
        Whole = "whole",
    }

    /// Why a request goes to a server again.
    Retry {
        Unreachable = "unreachable",
        /// A connection that was kept open had been closed by the server.
        Stale = "stale",
        /// The connection broke before the answer began.
        Broken = "broken",
        /// The server was loading, or asked to be left alone.
        NotReady = "not_ready",
    }

    /// What became of an answer that should be read for calls.
    Reading {
        Read = "read",
        /// It was an error, compressed, or neither JSON nor an event stream.
        Unread = "unread",
        /// A limit was reached, and the rest passed through unread.
        BailedOut = "bailed_out",
    }
}

impl Operation {
    /// `gen_ai.operation.name`.
    pub fn gen_ai_name(self) -> Option<&'static str> {
        (self != Self::Other).then(|| self.name())
    }
}
