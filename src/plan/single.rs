//! Turns of one call each: what becomes of turns with several calls for a server's template that keeps only one.
//! Decides not whether that is so.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use super::history::{mended, mended_call};
use super::turn::Turn;
use crate::api::openai::Message;

/// The messages with every call in a turn of its own, before its result. What else a turn says stays with its first.
/// The results of a turn follow it, in the order of its calls.
pub(super) fn one_call_a_turn<'a>(messages: Vec<&'a Message<'a>>, depth_max: usize) -> Vec<Turn<'a>> {
    let mut turns = Vec::with_capacity(messages.len());
    let mut rest = messages.into_iter().peekable();
    while let Some(message) = rest.next() {
        let calls = message.calls().unwrap_or_default();
        if calls.len() < 2 {
            turns.push(mended(message, depth_max));
            continue;
        }
        let mut results = Results::default();
        while let Some(result) = rest.next_if(|next| next.is_result()) {
            results.push(result);
        }
        for (at, call) in calls.iter().enumerate() {
            let written = mended_call(call, depth_max).map_or(Cow::Borrowed(call.text()), Cow::Owned);
            let calls = format!("[{written}]");
            turns.push(if at == 0 { Turn::with_calls(message, calls) } else { Turn::calling("assistant", calls) });
            turns.extend(call.id().and_then(|id| results.take(&id)).map(Turn::sent));
        }
        turns.extend(results.rest().map(Turn::sent));
    }
    turns
}

/// The results of a turn, by their calls' ids.
#[derive(Default)]
struct Results<'a> {
    all: Vec<Option<&'a Message<'a>>>,
    places: HashMap<Cow<'a, str>, VecDeque<usize>>,
}

impl<'a> Results<'a> {
    fn push(&mut self, result: &'a Message<'a>) {
        if let Some(id) = result.call_id() {
            self.places.entry(id).or_default().push_back(self.all.len());
        }
        self.all.push(Some(result));
    }

    /// The next result of such a call. Of several calls with one id each takes one.
    fn take(&mut self, id: &str) -> Option<&'a Message<'a>> {
        let at = self.places.get_mut(id)?.pop_front()?;
        self.all.get_mut(at)?.take()
    }

    fn rest(self) -> impl Iterator<Item = &'a Message<'a>> {
        self.all.into_iter().flatten()
    }
}
