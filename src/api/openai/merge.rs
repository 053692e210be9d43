//! Merge of deltas: puts JSON values that come in pieces together, as clients do: strings and lists grow, objects take
//! members in. Keeps everything as it was written: numbers keep their spelling, and strings their escapes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem::{self, discriminant};

use crate::json::{self, Object, array, inside};

/// A value in the making.
#[derive(Debug, Default)]
pub(super) enum Value {
    /// Nothing but `null` was said.
    #[default]
    Null,
    /// JSON of which the newest piece is the whole.
    Plain(String),
    /// What stands between the quotes of a string.
    Text(String),
    List(List),
    Object(Members),
}

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<String, Value>);

/// The elements of a list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Those that say their place by an `index`; they come in pieces.
    placed: BTreeMap<u64, Members>,
    /// The others, with commas between them.
    others: String,
}

/// How much is kept, and how much may be.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: usize,
    bytes_max: usize,
}

/// An answer that is not streamed is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is longer than {0} bytes")]
pub struct AnswerTooLarge(pub usize);

/// Members that say what something is. A server may say it again; it is not said in pieces.
const SAID_WHOLE: [&str; 6] = ["finish_reason", "id", "index", "name", "role", "type"];
/// Beyond this nesting a value is not looked into. A call's arguments lie at three; the depth of what a server writes
/// must not become that of the stack.
const DEPTH_MAX: usize = 8;
/// What an entry of a map costs beside its key and its value.
const ENTRY_BYTES: usize = 64;

impl Value {
    /// The next piece is all of it, and `null` says nothing.
    fn replace(&mut self, piece: &str, kept: &mut Kept) -> Result<(), AnswerTooLarge> {
        if piece == "null" {
            return Ok(());
        }
        let mut plain = if let Self::Plain(plain) = self { mem::take(plain) } else { String::new() };
        kept.replace(&mut plain, piece)?;
        *self = Self::Plain(plain);
        Ok(())
    }

    /// Takes the next piece in. What is of another kind takes the place of what was there, and `null` says nothing.
    fn merge(&mut self, piece: &str, depth: usize, kept: &mut Kept) -> Result<(), AnswerTooLarge> {
        let empty = match piece.as_bytes().first() {
            _ if piece == "null" => return Ok(()),
            Some(b'"') => Self::Text(String::new()),
            Some(b'[') if depth < DEPTH_MAX => Self::List(List::default()),
            Some(b'{') if depth < DEPTH_MAX => Self::Object(Members::default()),
            _ => return self.replace(piece, kept),
        };
        if discriminant(self) != discriminant(&empty) {
            *self = empty;
        }
        match self {
            Self::Text(text) => kept.append(text, inside(piece).unwrap_or_default()),
            Self::List(list) => list.merge(piece, depth, kept),
            Self::Object(members) => Object::parse(piece).map_or(Ok(()), |piece| members.merge(&piece, depth, kept)),
            Self::Null | Self::Plain(_) => Ok(()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Plain(plain) => out.push_str(plain),
            Self::Text(text) => out.extend(["\"", text, "\""]),
            Self::List(list) => list.write(out),
            Self::Object(members) => members.write(out),
        }
    }
}

impl Members {
    /// Takes the members of the next piece in.
    fn merge(&mut self, piece: &Object<'_>, depth: usize, kept: &mut Kept) -> Result<(), AnswerTooLarge> {
        piece.members().try_for_each(|(key, value)| self.merge_member(key, value, depth, kept))
    }

    /// Takes the next piece of one member in.
    pub(super) fn merge_member(
        &mut self,
        key: &str,
        piece: &str,
        depth: usize,
        kept: &mut Kept,
    ) -> Result<(), AnswerTooLarge> {
        let value = self.member(key, kept)?;
        if SAID_WHOLE.contains(&key) { value.replace(piece, kept) } else { value.merge(piece, depth + 1, kept) }
    }

    /// Takes a member whose newest piece is all of it.
    pub(super) fn replace_member(&mut self, key: &str, piece: &str, kept: &mut Kept) -> Result<(), AnswerTooLarge> {
        self.member(key, kept)?.replace(piece, kept)
    }

    /// The member, which becomes `value` if nothing was said of it.
    pub(super) fn get_or(&mut self, key: &str, value: Value) -> &mut Value {
        let member = self.0.entry(key.to_owned()).or_default();
        if matches!(member, Value::Null) {
            *member = value;
        }
        member
    }

    /// The value of a member, if it is an object.
    pub(super) fn object(&self, key: &str) -> Option<&Self> {
        match self.0.get(key)? {
            Value::Object(members) => Some(members),
            Value::Null | Value::Plain(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// Whether a member says anything; an empty string does not, nor does an empty list.
    pub(super) fn says(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|value| match value {
            Value::Null => false,
            Value::Plain(plain) => plain != "\"\"",
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.placed.is_empty() || !list.others.is_empty(),
            Value::Object(_) => true,
        })
    }

    /// Appends the object, its members by their names.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (place, (key, value)) in self.0.iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            json::write_string(key, out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }

    fn member(&mut self, key: &str, kept: &mut Kept) -> Result<&mut Value, AnswerTooLarge> {
        if !self.0.contains_key(key) {
            kept.count(key.len())?;
        }
        kept.entry(&mut self.0, key.to_owned())
    }
}

impl List {
    fn merge(&mut self, piece: &str, depth: usize, kept: &mut Kept) -> Result<(), AnswerTooLarge> {
        for element in array(piece).unwrap_or_default() {
            let object = Object::parse(element);
            let place = object.as_ref().and_then(|object| object.get("index")?.parse().ok());
            let (Some(object), Some(place)) = (object, place) else {
                let separator = if self.others.is_empty() { "" } else { "," };
                kept.append(&mut self.others, separator)?;
                kept.append(&mut self.others, element)?;
                continue;
            };
            let placed = kept.entry(&mut self.placed, place)?;
            // A whole answer's elements stand in their order and do not say it.
            let mut members = object.members().filter(|(key, _)| *key != "index");
            members.try_for_each(|(key, value)| placed.merge_member(key, value, depth + 1, kept))?;
        }
        Ok(())
    }

    fn write(&self, out: &mut String) {
        out.push('[');
        for (place, members) in self.placed.values().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            members.write(out);
        }
        out.push_str(if self.placed.is_empty() || self.others.is_empty() { "" } else { "," });
        out.push_str(&self.others);
        out.push(']');
    }
}

impl Kept {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: 0, bytes_max }
    }

    /// The value of a key, a new one if need be.
    pub(super) fn entry<'a, K: Ord, V: Default>(
        &mut self,
        map: &'a mut BTreeMap<K, V>,
        key: K,
    ) -> Result<&'a mut V, AnswerTooLarge> {
        match map.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(place) => {
                self.count(ENTRY_BYTES)?;
                Ok(place.insert(V::default()))
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), AnswerTooLarge> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max { Err(AnswerTooLarge(self.bytes_max)) } else { Ok(()) }
    }

    fn append(&mut self, to: &mut String, more: &str) -> Result<(), AnswerTooLarge> {
        self.count(more.len())?;
        to.push_str(more);
        Ok(())
    }

    fn replace(&mut self, old: &mut String, new: &str) -> Result<(), AnswerTooLarge> {
        self.bytes = self.bytes.saturating_sub(old.len());
        old.clear();
        self.append(old, new)
    }
}
