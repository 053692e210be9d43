//! Calls of one round as they come in pieces: each is the server's, which keeps it, or the client's, which gets it.

use crate::json::{Edit, Object, elements, write_string};

/// A call that a model has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundCall {
    pub id: String,
    pub name: String,
    /// As the model wrote them: as a rule JSON.
    pub arguments: String,
    pub owner: Owner,
    /// Its number among the calls of its round, as the server counts.
    index: u64,
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
}

/// Takes a list of pieces in. `client_calls` counts the client's calls over all rounds.
pub(super) fn take(
    written: &str,
    calls: &mut Vec<RoundCall>,
    client_calls: &mut u64,
    is_servers: impl Fn(&str) -> bool,
) -> Piece {
    let mut shown = Vec::new();
    let mut is_as_it_came = true;
    for text in elements(written).unwrap_or_default() {
        let Some(object) = Object::part(text) else { continue };
        let function = object.present("function").and_then(Object::part);
        let member = |key: &str| function.as_ref().and_then(|function| function.string(key));
        let index = object.get("index").and_then(|index| index.parse().ok());
        let known = match index {
            Some(index) => calls.iter_mut().find(|call| call.index == index),
            // Without a number and a name it goes on with the last.
            None => calls.last_mut().filter(|_| member("name").is_none()),
        };
        let owner = match (known, member("name")) {
            (Some(call), _) => {
                call.arguments.push_str(&member("arguments").unwrap_or_default());
                call.owner
            }
            (None, None) => continue,
            (None, Some(name)) => {
                let owner = if is_servers(&name) { Owner::Server } else { Owner::Client(*client_calls) };
                *client_calls += u64::from(owner != Owner::Server);
                let next = calls.last().map_or(0, |last| last.index + 1);
                let id = object.string("id").filter(|id| !id.is_empty());
                calls.push(RoundCall {
                    id: id.map_or_else(String::new, Into::into),
                    name: name.into_owned(),
                    arguments: member("arguments").unwrap_or_default().into_owned(),
                    owner,
                    index: index.unwrap_or(next),
                });
                owner
            }
        };
        match owner {
            Owner::Server => is_as_it_came = false,
            Owner::Client(number) => {
                is_as_it_came &= index == Some(number);
                shown.push(object.edited(&[("index", Edit::Set(number.to_string().into()))]));
            }
        }
    }
    if is_as_it_came { Piece::AsItCame } else { Piece::Instead(shown) }
}
