//! Calls of one round as they come in pieces: each is the server's, which keeps it, or the client's, which gets it.

use std::borrow::Cow;

use crate::api::openai::served::{self, CallPiece};
use crate::json::{Edit, Object, elements, unescape_into, write_string};

/// A call that a model has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundCall {
    pub id: String,
    pub name: String,
    /// As the model wrote them: as a rule JSON.
    pub arguments: String,
    pub owner: Owner,
    /// Its place among the calls of its round, as the server counts.
    place: u32,
}

/// Who runs a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Server,
    /// And the number that the call has for it.
    Client(u64),
}

/// What has become of a piece of calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The client may get it as it came.
    AsItCame,
    /// The client gets this list; an empty one says nothing.
    Instead(Vec<String>),
}

impl RoundCall {
    pub(super) fn write(&self, out: &mut String) {
        out.push_str("{\"id\":");
        write_string(&self.id, out);
        out.push_str(",\"type\":\"function\",\"function\":{\"name\":");
        write_string(&self.name, out);
        out.push_str(",\"arguments\":");
        write_string(&self.arguments, out);
        out.push_str("}}");
    }

    /// Whether a piece belongs to it: a server may use the place of a call again.
    fn is_continued_by(&self, piece: &CallPiece<'_>) -> bool {
        let is_other = !piece.id.is_empty() && piece.id != self.id || piece.id.is_empty() && !piece.name.is_empty();
        self.place == piece.place && !is_other
    }
}

/// Takes a list of pieces in. `client_calls` counts the client's calls over all rounds.
pub(super) fn take(
    list: &str,
    calls: &mut Vec<RoundCall>,
    client_calls: &mut u64,
    is_servers: impl Fn(&str) -> bool,
) -> Piece {
    let mut shown = Vec::new();
    let mut is_as_it_came = true;
    for (piece, written) in served::pieces(list).zip(elements(list).unwrap_or_default()) {
        let owner = match calls.iter_mut().rev().find(|call| call.is_continued_by(&piece)) {
            Some(call) => {
                call.arguments.push_str(&text(&piece.arguments));
                call.owner
            }
            // What goes on with nothing is nobody's.
            None if piece.name.is_empty() => continue,
            None => {
                let name = text(piece.name).into_owned();
                let owner = if is_servers(&name) { Owner::Server } else { Owner::Client(*client_calls) };
                *client_calls += u64::from(owner != Owner::Server);
                let (id, arguments) = (text(piece.id).into_owned(), text(&piece.arguments).into_owned());
                calls.push(RoundCall { id, name, arguments, owner, place: piece.place });
                owner
            }
        };
        match owner {
            Owner::Server => is_as_it_came = false,
            Owner::Client(number) => {
                is_as_it_came &= u64::from(piece.place) == number;
                let index = Edit::Set(number.to_string().into());
                shown.extend(Object::part(written).map(|object| object.edited(&[("index", index)])));
            }
        }
    }
    if is_as_it_came { Piece::AsItCame } else { Piece::Instead(shown) }
}

/// What stands between the quotes of a string.
fn text(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    // Half a surrogate pair is all that is left out.
    let _ = unescape_into(inside, &mut out);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_to_their_call_also_where_a_place_is_used_again() {
        let (mut calls, mut client_calls) = (Vec::new(), 0);
        let mut push = |list: &str| take(list, &mut calls, &mut client_calls, |name| name == "own");
        let shown = |index: u32, rest: &str| Piece::Instead(vec![format!(r#"{{"index":{index},{rest}}}"#)]);
        let table = [
            (r#"[{"index":0,"id":"a","function":{"name":"own","arguments":"{\"x\""}}]"#, Piece::Instead(vec![])),
            (r#"[{"index":0,"function":{"arguments":":1}"}}]"#, Piece::Instead(vec![])),
            // The same place, and another call.
            (r#"[{"index":0,"id":"b","function":{"name":"mine","arguments":"{}"}}]"#, Piece::AsItCame),
            (r#"[{"index":1,"id":"c","function":{"name":"mine","arguments":{"y":[2]}}}]"#, Piece::AsItCame),
            (
                r#"[{"index":7,"id":"d","function":{"name":"mine"}}]"#,
                shown(2, r#""id":"d","function":{"name":"mine"}"#),
            ),
            (r#"[{"index":9,"function":{"arguments":"lost"}}]"#, Piece::AsItCame),
            (r#"[{"index":8,"function":{"name":"own","arguments":""}}]"#, Piece::Instead(vec![])),
        ];
        for (list, expected) in table {
            assert_eq!(push(list), expected, "{list}");
        }
        let read: Vec<_> =
            calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect();
        let expected = [
            ("a", "own", "{\"x\":1}"),
            ("b", "mine", "{}"),
            ("c", "mine", "{\"y\":[2]}"),
            ("d", "mine", ""),
            ("", "own", ""),
        ];
        assert_eq!(read, expected);
    }
}
