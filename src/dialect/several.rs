//! One value or a list of them, where a dialect file may write either.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// At least one value, in the order in which the file has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<T>(Vec<T>);

impl<T: Clone + PartialEq> Several<T> {
    /// Adds one, unless it is among these.
    pub(super) fn push(&mut self, one: T) {
        if !self.0.contains(&one) {
            self.0.push(one);
        }
    }

    /// Adds those of others that are not among these.
    pub(super) fn join(&mut self, others: &Self) {
        let new: Vec<T> = others.iter().filter(|other| !self.0.contains(other)).cloned().collect();
        self.0.extend(new);
    }
}

impl<T> Deref for Several<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl Several<String> {
    /// Those that are texts: nothing is none.
    pub fn texts(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Whether one of them is nothing.
    pub fn may_lack(&self) -> bool {
        self.0.iter().any(String::is_empty)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrMore(PhantomData))
    }
}

struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
    type Value = Several<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one, or a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(StrDeserializer::new(text)).map(|one| Several(vec![one]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Several(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let all = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        if all.is_empty() { Err(A::Error::custom("the list is empty")) } else { Ok(Several(all)) }
    }
}

#[cfg(test)]
mod tests {
    use super::Several;
    use crate::dialect::Payload;

    #[test]
    fn one_or_a_list() {
        let texts = |yaml: &str| serde_saphyr::from_str::<Several<String>>(yaml).map(|several| several.to_vec()).ok();
        assert_eq!(texts("a"), Some(vec!["a".into()]));
        assert_eq!(texts("''"), Some(vec![String::new()]));
        assert_eq!(texts("[b, '']"), Some(vec!["b".into(), String::new()]));
        assert_eq!(texts("[]"), None);
        let payloads = |yaml: &str| serde_saphyr::from_str::<Several<Payload>>(yaml).map(|several| several.len()).ok();
        assert_eq!(payloads("json: { name: [n], arguments: [a] }"), Some(1));
        assert_eq!(
            payloads("[{ json: { name: [n], arguments: [a] } }, { literal: { header: [], quote: q } }]"),
            Some(2)
        );
        assert_eq!(payloads("yaml: {}"), None);
    }
}
