//! Results of calls: which call each belongs to, where the client does not say it, and the ids of calls that have none.
//!
//! Clients drop ids: ollama-python sends results with neither id nor name. They belong to the open calls in their order
//! then. An id that is made is the same each time for the same history, or servers would find none of it in their caches.

use std::collections::{HashMap, HashSet, VecDeque};

/// The calls of a conversation, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Calls and lonely results so far.
    count: usize,
    ids: HashSet<String>,
    turn: Turn,
}

/// The calls of the newest turn that calls.
#[derive(Debug, Default)]
struct Turn {
    calls: Vec<Open>,
    /// All before it have their results.
    first: usize,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, VecDeque<usize>>,
}

#[derive(Debug)]
struct Open {
    id: String,
    is_answered: bool,
}

/// The id by which a result names its call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CallId {
    Known(String),
    /// There is no call for it.
    Lonely(String),
}

impl Calls {
    /// The assistant speaks after somebody else did: what is open stays so.
    pub(super) fn begin_turn(&mut self) {
        self.turn = Turn::default();
    }

    /// The next call of the turn: its id, a made one where it has none.
    pub(super) fn call(&mut self, id: Option<&str>, name: &str) -> String {
        let id = self.id(id);
        let at = self.turn.calls.len();
        self.turn.by_id.insert(id.clone(), at);
        self.turn.by_name.entry(name.to_owned()).or_default().push_back(at);
        self.turn.calls.push(Open { id: id.clone(), is_answered: false });
        id
    }

    /// The call whose result this is: the one of its id, else the first open one of its name, else the first open one.
    pub(super) fn result(&mut self, id: Option<&str>, name: Option<&str>) -> CallId {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let at = self.turn.by_id.get(id).copied();
            at.and_then(|at| self.turn.answer(at));
            return if self.ids.contains(id) { CallId::Known(id.to_owned()) } else { CallId::Lonely(id.to_owned()) };
        }
        let at = name.and_then(|name| self.turn.first_named(name)).or_else(|| self.turn.first_open());
        match at.and_then(|at| self.turn.answer(at)) {
            Some(id) => CallId::Known(id),
            None => CallId::Lonely(self.id(None)),
        }
    }

    fn id(&mut self, own: Option<&str>) -> String {
        let id = own.filter(|id| !id.is_empty()).map_or_else(|| self.made(), str::to_owned);
        self.count += 1;
        self.ids.insert(id.clone());
        id
    }

    /// Made of the call's place. Nine letters and digits, which is all that some chat templates take.
    fn made(&mut self) -> String {
        loop {
            let id = format!("call{:05}", self.count);
            if !self.ids.contains(&id) {
                return id;
            }
            self.count += 1;
        }
    }
}

impl Turn {
    fn first_named(&mut self, name: &str) -> Option<usize> {
        let places = self.by_name.get_mut(name)?;
        while let Some(&at) = places.front() {
            if self.calls.get(at).is_some_and(|call| !call.is_answered) {
                return Some(at);
            }
            places.pop_front();
        }
        None
    }

    fn first_open(&mut self) -> Option<usize> {
        while self.calls.get(self.first)?.is_answered {
            self.first += 1;
        }
        Some(self.first)
    }

    fn answer(&mut self, at: usize) -> Option<String> {
        let call = self.calls.get_mut(at)?;
        call.is_answered = true;
        Some(call.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str) -> CallId {
        CallId::Known(id.to_owned())
    }

    #[test]
    fn a_result_finds_its_call_by_id_then_by_name_then_by_order() {
        let mut calls = Calls::default();
        let names = ["a", "b", "a", "c"];
        let ids: Vec<String> = names.iter().map(|name| calls.call((*name == "c").then_some("own"), name)).collect();
        assert_eq!(ids, ["call00000", "call00001", "call00002", "own"]);
        for (id, name, expected) in [
            (None, Some("b"), known("call00001")),
            (Some("own"), Some("a"), known("own")),
            (None, Some("a"), known("call00000")),
            (None, Some("c"), known("call00002")),
            (Some(""), None, CallId::Lonely("call00004".to_owned())),
            (Some("foreign"), None, CallId::Lonely("foreign".to_owned())),
        ] {
            assert_eq!(calls.result(id, name), expected);
        }
        calls.begin_turn();
        assert_eq!(calls.result(None, Some("a")), CallId::Lonely("call00005".to_owned()), "it is of another turn");
    }

    #[test]
    fn a_made_id_is_no_others() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(Some("call00001"), "f"), "call00001");
        assert_eq!(calls.call(None, "f"), "call00002");
        assert_eq!(calls.call(None, "f"), "call00003");
    }
}
