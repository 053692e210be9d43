//! Typed fields: reads values of the tree as what they should be, and notes what they are not.
//! Knows types and ranges; which keys there are stands in `read`.

use std::ops::RangeInclusive;

use super::mistake::{Mistake, Place, suggest};
use super::tree::{Key, Node, Value};

/// Notes mistakes while values are read. A method that answers None has noted one, or has been given a broken node.
pub(super) struct Reader<'a> {
    pub file: &'a str,
    pub mistakes: Vec<Mistake>,
}

/// The values of a mapping by their keys, all of which are known.
pub(super) struct Fields<'n>(Vec<(&'n str, &'n Node)>);

impl<'n> Fields<'n> {
    /// The value of a key. One that is left empty counts as absent.
    pub fn find(&self, key: &str) -> Option<&'n Node> {
        self.find_or_null(key).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The value of a key for which `null` has a meaning.
    pub fn find_or_null(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, node)| *node)
    }
}

impl Reader<'_> {
    /// Notes a mistake; reading goes on, so that all are found at once. `hint` says what to do about it.
    pub fn mistake(&mut self, place: Place, what: impl Into<String>, hint: impl Into<String>) {
        let (file, what, hint) = (self.file.into(), what.into(), hint.into());
        self.mistakes.push(Mistake { file, place: Some(place), what, hint });
    }

    /// A mapping that has no other keys than `known`. `what` names it in messages: "a pool".
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let hint = format!("its keys: {}", known.join(", "));
            return self.unfit(node, &format!("{what} is a mapping"), hint);
        };
        let mut fields: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in entries {
            if !known.contains(&key.name.as_str()) {
                let hint = suggest(&key.name, known.iter().copied());
                self.mistake(key.place, format!("unknown key `{}` in {what}", key.name), hint);
            } else if let Some((_, first)) = fields.iter().find(|(seen, _)| *seen == key.name) {
                let hint = format!("its first value stands in line {}", first.place.line);
                self.mistake(key.place, format!("key `{}` twice in {what}", key.name), hint);
            } else {
                fields.push((&key.name, value));
            }
        }
        Some(Fields(fields))
    }

    /// The entries of a mapping whose keys are the user's own words.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str, hint: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            _ => self.unfit(node, &format!("{what} is a mapping"), hint).unwrap_or_default(),
        }
    }

    /// The items of a list, at least one; a single value counts as a list of one.
    pub fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => {
                if items.is_empty() {
                    self.mistake(node.place, format!("{what} is an empty list"), "fill it, or leave the key out");
                }
                items
            }
            Value::Broken => &[],
            _ => std::slice::from_ref(node),
        }
    }

    /// A text that is not empty; else a mistake is noted. `what` names it in messages: "the name".
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) if text.is_empty() => {
                self.mistake(node.place, format!("{what} is empty"), "give it a value, or leave the key out");
                None
            }
            Value::Text(text) => Some(text),
            _ => self.unfit(node, &format!("{what} is a text"), "write one value"),
        }
    }

    /// A whole number within a range.
    pub fn number<N>(&mut self, node: &Node, what: &str, range: RangeInclusive<N>) -> Option<N>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let (least, most) = range.into_inner();
        let hint = format!("from {least} to {most}; the unit stands in the key");
        match &node.value {
            Value::Text(text) => match text.parse::<N>() {
                Ok(number) if least <= number && number <= most => Some(number),
                Ok(_) => {
                    self.mistake(
                        node.place,
                        format!("{what} is out of range: {text}"),
                        format!("from {least} to {most}"),
                    );
                    None
                }
                Err(_) => {
                    self.mistake(node.place, format!("{what} is a whole number, not `{text}`"), hint);
                    None
                }
            },
            _ => self.unfit(node, &format!("{what} is a whole number"), hint),
        }
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let known = words.iter().map(|(word, _)| *word);
        let Value::Text(text) = &node.value else {
            let hint = format!("known: {}", known.collect::<Vec<_>>().join(", "));
            return self.unfit(node, &format!("{what} is a word"), hint);
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.mistake(node.place, format!("unknown {what} `{text}`"), suggest(text, known));
        }
        found
    }

    /// Notes that a node is of another kind than it should be.
    fn unfit<T>(&mut self, node: &Node, should: &str, hint: impl Into<String>) -> Option<T> {
        let is = match &node.value {
            Value::Broken => return None,
            Value::Null => "nothing",
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        };
        self.mistake(node.place, format!("{should}, not {is}"), hint);
        None
    }
}
