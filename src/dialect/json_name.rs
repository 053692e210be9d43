//! Where a JSON object has the call's name.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Where an object has the call's name: `[name, tool]`, or `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonName {
    /// It is the value of one of these keys.
    Under(Vec<String>),
    /// It is the object's one key, whose value is the arguments.
    Key,
}

impl JsonName {
    /// The keys whose value is the name.
    pub fn keys(&self) -> &[String] {
        match self {
            Self::Under(keys) => keys,
            Self::Key => &[],
        }
    }
}

impl<'de> Deserialize<'de> for JsonName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = JsonName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys, or `key`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<JsonName, E> {
        if word == "key" { Ok(JsonName::Key) } else { Err(E::unknown_variant(word, &["key"])) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, keys: A) -> Result<JsonName, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(keys)).map(JsonName::Under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_or_the_word_for_one() {
        let read = |yaml: &str| serde_saphyr::from_str::<JsonName>(yaml).ok();
        assert_eq!(read("[n, tool]"), Some(JsonName::Under(vec!["n".into(), "tool".into()])));
        assert_eq!(read("key"), Some(JsonName::Key));
        assert_eq!(read("keys"), None);
        assert_eq!(read("{}"), None);
    }
}
