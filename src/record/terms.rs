//! Terms of a record: closed sets of what a request is and what becomes of it, with their names in labels and logs.
//! Decides nothing about them.

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
        /// The server takes no grammar.
        Ungrammatical = "ungrammatical",
        /// The server refuses what the request says of its model.
        Refused = "refused",
    }

    /// What became of an answer that should be read for calls.
    Reading {
        Read = "read",
        /// It was an error, compressed, or neither JSON nor an event stream.
        Unread = "unread",
        /// Its server could not parse it, and told what the model wrote in an error.
        Salvaged = "salvaged",
        /// A limit was reached, and the rest passed through unread.
        BailedOut = "bailed_out",
    }
}

/// Whose fault it is that a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    Client,
    /// The client went away.
    Left,
    /// The client stays, and does not read.
    Stalled,
    Busy,
    Upstream,
    Gateway,
    /// The gateway stops.
    Stop,
}

impl Blame {
    /// One of three, as metrics and the access log say it.
    pub fn whose(self) -> &'static str {
        match self {
            Self::Client | Self::Left | Self::Stalled => "client",
            Self::Upstream => "upstream",
            Self::Busy | Self::Gateway | Self::Stop => "gateway",
        }
    }

    /// How such a request ends, as the access log says it.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Client => "refused",
            Self::Left => "client_left",
            Self::Stalled => "client_stalled",
            Self::Busy => "busy",
            Self::Upstream => "upstream_failed",
            Self::Gateway => "failed",
            Self::Stop => "cut",
        }
    }
}

impl Operation {
    /// `gen_ai.operation.name`.
    pub fn gen_ai_name(self) -> Option<&'static str> {
        (self != Self::Other).then(|| self.name())
    }
}
