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
