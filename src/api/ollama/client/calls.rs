//! Calls of an answer: gathered from their pieces, since a client gets each whole.
//! What was cut off is no call, or somebody would run it: it comes out as text, and nothing of it is lost.

use std::collections::VecDeque;
use std::fmt::Write;

use super::text::{copy_inside, write_compact};
use crate::api::openai::served::CallPiece;
use crate::json::{Extent, Object, unescape_into};

/// The member that holds arguments which are no object, as text: clients refuse anything but an object there.
pub(super) const RAW_ARGUMENTS: &str = "_raw";

/// Calls that are not out yet. Servers write one after the other, and some of them one beside the other.
#[derive(Debug)]
pub(super) struct Calls {
    open: VecDeque<Call>,
    /// How many are out.
    out: u32,
    bytes: usize,
    bytes_max: usize,
}

/// Why calls come to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The model has written them.
    Over,
    /// It was kept from writing on.
    Cut,
}

/// What comes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closed<'a> {
    /// It, as an element of a list.
    Call(String),
    /// Its text, as the inside of a string.
    Text(&'a str),
}

/// A call in the making. Its parts are insides of strings.
#[derive(Debug)]
struct Call {
    place: u32,
    id: String,
    name: String,
    arguments: String,
    extent: Extent,
}

impl Calls {
    /// Ready for an answer. `bytes_max` is what its open calls may take together; beyond it they become text.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { open: VecDeque::new(), out: 0, bytes: 0, bytes_max }
    }

    /// Takes the next piece. Calls that it shows to be over go to `sink`, in their order, as does a piece of a call that
    /// is out.
    pub(super) fn take(&mut self, piece: &CallPiece<'_>, sink: &mut impl FnMut(Closed<'_>)) {
        let begins_another = |call: &Call| !piece.id.is_empty() && !call.id.is_empty() && call.id != piece.id;
        match self.open.iter_mut().rev().find(|call| call.place == piece.place) {
            Some(call) if !begins_another(call) => self.bytes += call.take(piece),
            None if piece.name.is_empty() && piece.id.is_empty() => {
                if !piece.arguments.is_empty() {
                    sink(Closed::Text(&piece.arguments));
                }
            }
            Some(_) | None => {
                while self.open.front().is_some_and(|call| call.extent.is_closed()) {
                    self.close_first(Close::Over, sink);
                }
                let mut call = Call::new(piece.place);
                self.bytes += ENTRY_BYTES + call.take(piece);
                self.open.push_back(call);
            }
        }
        if self.open.len() > OPEN_MAX {
            self.close_first(Close::Over, sink);
        }
        while self.bytes > self.bytes_max {
            self.close_first(Close::Cut, sink);
        }
    }

    /// Closes all that are open, in their order.
    pub(super) fn close(&mut self, why: Close, sink: &mut impl FnMut(Closed<'_>)) {
        while !self.open.is_empty() {
            self.close_first(why, sink);
        }
    }

    fn close_first(&mut self, why: Close, sink: &mut impl FnMut(Closed<'_>)) {
        let Some(call) = self.open.pop_front() else {
            self.bytes = 0;
            return;
        };
        self.bytes = self.bytes.saturating_sub(ENTRY_BYTES + call.bytes());
        match call.written(self.out, why) {
            Some(call) => {
                self.out = self.out.saturating_add(1);
                sink(Closed::Call(call));
            }
            None if call.name.is_empty() && call.arguments.is_empty() => {}
            None => sink(Closed::Text(&[call.name, call.arguments].concat())),
        }
    }
}

impl Call {
    fn new(place: u32) -> Self {
        let (id, name, arguments) = (String::new(), String::new(), String::new());
        Self { place, id, name, arguments, extent: Extent::default() }
    }

    /// Takes a piece, and says how much longer it has become. Its id and name are said whole, perhaps again.
    fn take(&mut self, piece: &CallPiece<'_>) -> usize {
        let before = self.bytes();
        for (own, said) in [(&mut self.id, piece.id), (&mut self.name, piece.name)] {
            if own.is_empty() {
                own.push_str(said);
            }
        }
        self.arguments.push_str(&piece.arguments);
        let mut text = String::with_capacity(piece.arguments.len());
        if unescape_into(&piece.arguments, &mut text).is_some() {
            self.extent.push(text.as_bytes());
        }
        self.bytes() - before
    }

    fn bytes(&self) -> usize {
        self.id.len() + self.name.len() + self.arguments.len()
    }

    /// The call, if it is one.
    fn written(&self, index: u32, why: Close) -> Option<String> {
        if self.name.is_empty() {
            return None;
        }
        let mut out = String::from("{");
        if !self.id.is_empty() {
            out.push_str("\"id\":\"");
            copy_inside(&self.id, &mut out);
            out.push_str("\",");
        }
        // Writing to a string does not fail.
        let _ = write!(out, "\"function\":{{\"index\":{index},\"name\":\"");
        copy_inside(&self.name, &mut out);
        out.push_str("\",\"arguments\":");
        let mut text = String::with_capacity(self.arguments.len());
        let is_text = unescape_into(&self.arguments, &mut text).is_some();
        match (Object::parse(&text).filter(|_| is_text), why) {
            (Some(object), _) => write_compact(object.text(), &mut out),
            (None, Close::Cut) => return None,
            (None, Close::Over) if text.trim_ascii().is_empty() => out.push_str("{}"),
            (None, Close::Over) => {
                out.extend(["{\"", RAW_ARGUMENTS, "\":\""]);
                copy_inside(&self.arguments, &mut out);
                out.push_str("\"}");
            }
        }
        out.push_str("}}");
        Some(out)
    }
}

/// What an open call costs beside its text.
const ENTRY_BYTES: usize = 128;
/// Each piece is looked up among the open calls.
const OPEN_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openai::served;

    /// What comes of lists of calls, one a delta.
    fn closed(lists: &[&str], why: Close, bytes_max: usize) -> Vec<String> {
        let mut calls = Calls::new(bytes_max);
        let mut all = Vec::new();
        let mut sink = |closed: Closed<'_>| {
            all.push(match closed {
                Closed::Call(call) => call,
                Closed::Text(text) => format!("text {text}"),
            });
        };
        for list in lists {
            served::pieces(list).for_each(|piece| calls.take(&piece, &mut sink));
        }
        sink(Closed::Text("|"));
        calls.close(why, &mut sink);
        all
    }

    const A: &str = r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\": [1,\n2]"}}]"#;
    const A_MORE: &str = r#"[{"index":0,"function":{"arguments":"}"}}]"#;
    const A_OUT: &str = r#"{"id":"a","function":{"index":0,"name":"f","arguments":{"x":[1,2]}}}"#;
    const B: &str = r#"[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]"#;
    const B_OUT: &str = r#"{"id":"b","function":{"index":1,"name":"g","arguments":{}}}"#;

    #[test]
    fn a_call_comes_out_whole_and_in_its_turn() {
        let pieces = r#"[{"index":0,"id":"a","function":{"name":"f","arguments":{"x": [1, 2]}}},{"id":"b","function":{"name":"g"}}]"#;
        let same_place = r#"[{"index":0,"id":"b","function":{"name":"g","arguments":null}}]"#;
        for (lists, expected) in [
            (&[A, A_MORE, B][..], [A_OUT, "text |", B_OUT].as_slice()),
            (&[pieces], &[A_OUT, "text |", B_OUT]),
            // Some write them side by side.
            (&[A, B, A_MORE], &["text |", A_OUT, B_OUT]),
            (&[A, A_MORE, same_place], &[A_OUT, "text |", B_OUT]),
            // A name may be said again.
            (&[A, r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]"#], &["text |", A_OUT]),
        ] {
            assert_eq!(closed(lists, Close::Over, 1000), expected, "{lists:?}");
        }
    }

    #[test]
    fn what_is_no_call_is_text_and_what_is_no_object_is_kept() {
        let raw = r#"{"id":"a","function":{"index":0,"name":"f","arguments":{"_raw":"{\"x\": [1,\n2]"}}}"#;
        let array = r#"[{"function":{"name":"f","arguments":"[\"\\u2028\u2028\"]"}}]"#;
        let nameless = r#"[{"index":3,"id":"x","function":{"arguments":"{}"}}]"#;
        let late = r#"[{"index":9,"function":{"arguments":"late"}},{"index":9,"function":{}}]"#;
        for (lists, why, expected) in [
            (&[A][..], Close::Over, ["text |", raw].as_slice()),
            (&[A], Close::Cut, &["text |", r#"text f{\"x\": [1,\n2]"#]),
            (&[A, A_MORE, B], Close::Cut, &[A_OUT, "text |", "text g"]),
            (
                &[array],
                Close::Over,
                &["text |", r#"{"function":{"index":0,"name":"f","arguments":{"_raw":"[\"\\u2028\u2028\"]"}}}"#],
            ),
            (&[nameless], Close::Over, &["text |", "text {}"]),
            (&[late], Close::Over, &["text late", "text |"]),
            (&[r#"[{"index":0,"id":"x"},7,{}]"#], Close::Over, &["text |"]),
        ] {
            assert_eq!(closed(lists, why, 1000), expected, "{lists:?}");
        }
    }

    #[test]
    fn a_call_that_is_too_long_goes_on_as_text() {
        let lists = [A, A_MORE, r#"[{"index":0,"function":{"arguments":"more"}}]"#];
        let begun = r#"text f{\"x\": [1,\n2]"#;
        assert_eq!(closed(&lists, Close::Over, ENTRY_BYTES + 3), [begun, "text }", "text more", "text |"]);
        let many: Vec<String> =
            (0..OPEN_MAX + 2).map(|at| format!(r#"[{{"index":{at},"function":{{"name":"f"}}}}]"#)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let all = closed(&many, Close::Over, usize::MAX);
        assert_eq!(all.iter().position(|closed| closed == "text |"), Some(2), "so many are kept, and no more");
        assert!(all.len() == OPEN_MAX + 3 && all.iter().filter(|closed| closed.starts_with("text")).count() == 1);
    }
}
