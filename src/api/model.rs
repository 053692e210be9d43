//! Model's name: where an answer says it, in those APIs too that pass through otherwise unread.
//! Changes nothing.

use crate::json::{Object, inside};

/// The value of `model` in an answer, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelName<'a> {
    pub value: &'a str,
    pub depth: Depth,
}

/// How deep it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// A member of the answer or of the event itself.
    Top,
    /// Inside of what the responses and messages APIs wrap around an answer.
    Wrapped,
}

impl<'a> ModelName<'a> {
    /// Finds it; a value that is no string is no name.
    pub fn of(object: &Object<'a>) -> Option<Self> {
        let name = |object: &Object<'a>| object.get(KEY).filter(|value| inside(value).is_some());
        if let Some(value) = name(object) {
            return Some(Self { value, depth: Depth::Top });
        }
        let value = WRAPPERS.iter().find_map(|key| name(&Object::parse(object.get(key)?)?))?;
        Some(Self { value, depth: Depth::Wrapped })
    }

    /// Of an event's bytes up to such a value, those before the separator that stands before its key. `None` when the
    /// key is spelled in another way.
    pub fn before_key(to_value: &[u8]) -> Option<&[u8]> {
        let to_colon = to_value.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
        let to_key = to_colon.strip_suffix(b"\"")?.strip_suffix(KEY.as_bytes())?.strip_suffix(b"\"")?;
        to_key.split_last().map(|(_, before)| before)
    }
}

const KEY: &str = "model";

/// `response.created` of the responses API and `message_start` of the messages API.
const WRAPPERS: [&str; 2] = ["response", "message"];
