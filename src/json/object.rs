//! Object: a JSON object as it was written: its members in order, each a piece of the text.
//! Changes single members and leaves every other byte, white space and number spelling included, as it was.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::part::members;
use super::unescape_into;

/// An object's members, borrowed from its text. A key may occur more than once.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Clone, Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    value: &'a str,
}

/// What becomes of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Its value becomes this JSON text; a member that is not there is added at the end.
    Set(Cow<'a, str>),
    Remove,
}

impl<'a> Object<'a> {
    /// Reads a whole body, which may begin with a byte order mark: servers skip it (RFC 8259, section 8.1).
    /// `None` when it is not UTF-8, not JSON, or not an object.
    pub fn of_body(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// `None` when the text is not JSON, or not an object.
    pub fn parse(text: &'a str) -> Option<Self> {
        #[cfg(test)]
        counted::read(text);
        // The first byte decides, so that the whole of something else is not read for nothing.
        text.trim_ascii_start().starts_with('{').then_some(())?;
        let Members(members) = serde_json::from_str(text).ok()?;
        Some(Self { text, members })
    }

    /// An object that was cut out of JSON that has been read, so that it is not judged again. `None` when the text is none.
    pub fn part(text: &'a str) -> Option<Self> {
        let members = members(text)?.into_iter().map(|(key, value)| Member { key: key_text(key), value });
        Some(Self { text, members: members.collect() })
    }

    /// `{}`.
    pub fn empty() -> Self {
        Self { text: "{}", members: vec![] }
    }

    /// The object as it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The value of `key`, as it was written: the last one, as most servers read it, when there are several.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.members.iter().rev().find(|m| m.key == key).map(|m| m.value)
    }

    /// The value of `key`, unless it is `null`.
    pub fn present(&self, key: &str) -> Option<&'a str> {
        self.get(key).filter(|value| *value != "null")
    }

    /// The text of the string at `key`.
    pub fn string(&self, key: &str) -> Option<Cow<'a, str>> {
        string(self.get(key)?)
    }

    /// Keys and values in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|m| (m.key.as_ref(), m.value))
    }

    /// The object's text with some members changed.
    /// Of a key that occurs more than once `Set` changes the last and `Remove` removes all.
    pub fn edited(&self, edits: &[(&str, Edit<'_>)]) -> String {
        #[cfg(test)]
        counted::written(self.text);
        let mut out = String::with_capacity(self.text.len());
        let open = self.text.find('{').map_or(0, |at| at + 1);
        out.push_str(self.text.get(..open).unwrap_or_default());
        let mut first = true;
        let mut rest = open;
        let last = |key: &str| self.members.iter().rposition(|m| m.key == key);
        let last: Vec<_> = edits.iter().map(|(key, _)| last(key)).collect();
        for (at, member) in self.members.iter().enumerate() {
            let start = self.offset(member.value);
            let before = self.text.get(rest..start).unwrap_or_default();
            rest = start + member.value.len();
            let edit = edits.iter().zip(&last).find(|((key, _), _)| *key == member.key);
            let value = match edit {
                Some(((_, Edit::Remove), _)) => continue,
                Some(((_, Edit::Set(value)), last)) if *last == Some(at) => value,
                _ => member.value,
            };
            // What stands before a member begins with the comma behind the one before it.
            let before =
                if first { before.split_once(',').filter(|_| at > 0).map_or(before, |(_, b)| b) } else { before };
            out.push_str(before);
            out.push_str(value);
            first = false;
        }
        for ((key, edit), last) in edits.iter().zip(last) {
            if let (Edit::Set(value), None) = (edit, last) {
                out.push_str(if first { "" } else { "," });
                super::write_string(key, &mut out);
                out.push(':');
                out.push_str(value);
                first = false;
            }
        }
        out.push_str(self.text.get(rest..).unwrap_or_default());
        out
    }

    /// Where a value, which is a piece of the text, begins in it.
    fn offset(&self, value: &str) -> usize {
        value.as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }
}

/// The elements of a JSON array, as they were written. `None` when the text is not one.
pub fn array(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// What stands between the quotes of a JSON string, as it was written. `None` when it is none.
pub fn inside(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// The text of a JSON string. `None` when it is none, or holds half a surrogate pair.
pub fn string(text: &str) -> Option<Cow<'_, str>> {
    match inside(text)? {
        plain if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(text).ok().map(Cow::Owned),
    }
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = vec![];
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            members.push(Member { key: key_text(key.get()), value: value.get() });
        }
        Ok(Members(members))
    }
}

/// The text of a key, borrowed where nothing in it is escaped.
/// Half a surrogate pair does not make the whole object unreadable: servers differ in what they think of it.
fn key_text(written: &str) -> Cow<'_, str> {
    let inside = inside(written).unwrap_or(written);
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::new();
    match unescape_into(inside, &mut text) {
        Some(()) => Cow::Owned(text),
        None => Cow::Borrowed(inside),
    }
}

/// How often texts of a length are read as objects and written as such, for tests that count it.
#[cfg(test)]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<(usize, usize, usize)> = const { Cell::new((usize::MAX, 0, 0)) };
    }

    /// Counts texts of this length, from now on.
    pub fn begin(length: usize) {
        COUNT.set((length, 0, 0));
    }

    /// How often they were read and written.
    pub fn end() -> (usize, usize) {
        let (_, read, written) = COUNT.replace((usize::MAX, 0, 0));
        (read, written)
    }

    pub(super) fn read(text: &str) {
        let (length, read, written) = COUNT.get();
        COUNT.set((length, read + usize::from(text.len() == length), written));
    }

    pub(super) fn written(text: &str) {
        let (length, read, written) = COUNT.get();
        COUNT.set((length, read, written + usize::from(text.len() == length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, edits: &[(&str, Option<&str>)], expected: &str) {
        let edits: Vec<_> = edits.iter().map(|(k, v)| (*k, v.map_or(Edit::Remove, |v| Edit::Set(v.into())))).collect();
        let edited = Object::parse(text).unwrap().edited(&edits);
        assert_eq!(edited, expected, "{text}");
    }

    #[test]
    fn edits_leave_the_rest() {
        let text = " { \"a\" : 1.0 ,\n\t\"b\": [ 1,2 ],\"c\":\"é\\u00e9\" } ";
        check(text, &[], text);
        check(text, &[("a", Some("2"))], &text.replace("1.0", "2"));
        check(text, &[("a", None)], " {\n\t\"b\": [ 1,2 ],\"c\":\"é\\u00e9\" } ");
        check(text, &[("b", None)], " { \"a\" : 1.0,\"c\":\"é\\u00e9\" } ");
        check(text, &[("c", None)], " { \"a\" : 1.0 ,\n\t\"b\": [ 1,2 ] } ");
        check(text, &[("a", None), ("b", None)], " {\"c\":\"é\\u00e9\" } ");
        check(text, &[("a", None), ("b", None), ("c", None)], " { } ");
        check(text, &[("d", Some("{}"))], " { \"a\" : 1.0 ,\n\t\"b\": [ 1,2 ],\"c\":\"é\\u00e9\",\"d\":{} } ");
        check(text, &[("a", None), ("b", None), ("c", None), ("d", Some("4"))], " {\"d\":4 } ");
        check("{}", &[("x", None), ("y", Some("1")), ("z", Some("2"))], r#"{"y":1,"z":2}"#);
        check(r#"{"a":1,"b":2,"a":3}"#, &[("a", Some("4"))], r#"{"a":1,"b":2,"a":4}"#);
        check(r#"{"a":1,"b":2,"a":3}"#, &[("a", None)], r#"{"b":2}"#);
        check(r#"{"\u0061":1,"b":","}"#, &[("a", None)], r#"{"b":","}"#);
        check(r#"{"x":0,"k,":1}"#, &[("x", None)], r#"{"k,":1}"#);
    }

    #[test]
    fn what_is_not_an_object() {
        for text in ["", "7", "[]", "null", "{", r#"{"a":}"#, r#"{"a":1}x"#, r#"{"a":1,}"#] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_body_may_begin_with_a_byte_order_mark() {
        let body = "\u{feff} {\"a\":1}";
        assert_eq!(Object::of_body(body.as_bytes()).unwrap().edited(&[]), " {\"a\":1}");
        for body in [&b"\xef\xbb\xbf\xef\xbb\xbf{}"[..], b"\xef\xbb{}", b"{}\xff", b""] {
            assert!(Object::of_body(body).is_none(), "{body:?}");
        }
    }

    #[test]
    fn lookups() {
        let object = Object::parse(r#"{"a":"x","n":null,"a":"y\n","bad":"\ud800","b\u0021":1}"#).unwrap();
        assert_eq!(object.get("a"), Some(r#""y\n""#));
        assert_eq!(object.string("a").as_deref(), Some("y\n"));
        assert_eq!(object.string("bad"), None);
        assert_eq!(object.get("n"), Some("null"));
        assert_eq!(object.present("n"), None);
        assert_eq!(object.get("b!"), Some("1"));
        let halved = Object::parse(r#"{"\ud800":1,"t\u006fols":2}"#).unwrap();
        assert_eq!((halved.get("\u{fffd}"), halved.get("tools")), (Some("1"), Some("2")));
        assert_eq!(array("[1, [2] ,\"x\"]"), Some(vec!["1", "[2]", "\"x\""]));
        assert_eq!(array("{}"), None);
    }
}
