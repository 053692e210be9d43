//! Reason of a placement: why a request went to its peer, for logs and headers.
//! Decides nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The reason of one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its client named a session that is at home there.
    Session,
    /// It knows this many blocks of the prompt.
    Prefix { blocks: usize },
    /// It knows the prompt's beginning, and was waited for although others had room.
    Waited { time: Duration },
    /// Its first token is expected the soonest.
    Soonest,
    /// Nobody knows the session or the prompt; the hash says that it is at home there.
    Hash,
    /// The smallest share of its places was taken: this many of so many.
    LeastBusy { load: u32, capacity: Option<u32> },
    /// The less busy one of two that were drawn.
    RandomTwo { load: u32, capacity: Option<u32> },
    /// It was its turn.
    Turn,
    /// No other had the model loaded.
    Loaded,
    /// It was waited for while its model was loaded for somebody else.
    Loading,
    /// Its model was loaded into a free place.
    FreePlace,
    /// Its model was loaded in the place of that one.
    SwappedOut { model: Arc<str> },
    /// Its model was nowhere, and that peer loads what it is asked for.
    OnDemand,
    /// No other was alive.
    OnlyOneAlive,
    /// No other had room.
    OnlyOneFree,
    /// It failed and is tried again.
    Trial,
    /// Nobody is thought to be alive; this one is tried all the same.
    LastResort,
    /// This many others have failed the request.
    Failover { failed: usize },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |f: &mut fmt::Formatter<'_>, load: &u32, capacity: &Option<u32>| match capacity {
            Some(capacity) => write!(f, " {load}/{capacity}"),
            None => write!(f, " {load}"),
        };
        match self {
            Self::Session => f.write_str("session"),
            Self::Prefix { blocks: 1 } => f.write_str("prefix 1 block"),
            Self::Prefix { blocks } => write!(f, "prefix {blocks} blocks"),
            Self::Waited { time } => write!(f, "waited {:.1} s for its prefix", time.as_secs_f64()),
            Self::Soonest => f.write_str("soonest first token"),
            Self::Hash => f.write_str("hash"),
            Self::LeastBusy { load, capacity } => f.write_str("least-busy").and_then(|()| share(f, load, capacity)),
            Self::RandomTwo { load, capacity } => f.write_str("random-two").and_then(|()| share(f, load, capacity)),
            Self::Turn => f.write_str("turn"),
            Self::Loaded => f.write_str("loaded"),
            Self::Loading => f.write_str("loading"),
            Self::FreePlace => f.write_str("free place"),
            Self::SwappedOut { model } => write!(f, "swapped out {model}"),
            Self::OnDemand => f.write_str("loads on demand"),
            Self::OnlyOneAlive => f.write_str("only one alive"),
            Self::OnlyOneFree => f.write_str("only one free"),
            Self::Trial => f.write_str("trial"),
            Self::LastResort => f.write_str("last resort"),
            Self::Failover { failed } => write!(f, "failover {failed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_well() {
        let cases = [
            (Why::LeastBusy { load: 1, capacity: Some(4) }, "least-busy 1/4"),
            (Why::RandomTwo { load: 1, capacity: None }, "random-two 1"),
            (Why::Prefix { blocks: 1 }, "prefix 1 block"),
            (Why::Prefix { blocks: 3 }, "prefix 3 blocks"),
            (Why::Waited { time: Duration::from_millis(1240) }, "waited 1.2 s for its prefix"),
            (Why::SwappedOut { model: "qwen".into() }, "swapped out qwen"),
            (Why::OnlyOneAlive, "only one alive"),
            (Why::Failover { failed: 2 }, "failover 2"),
        ];
        for (why, text) in cases {
            assert_eq!(why.to_string(), text);
        }
    }
}
