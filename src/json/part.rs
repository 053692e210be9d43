//! Parts of read JSON: cuts an object or an array out of JSON that has been read before: finds where its members end,
//! and judges nothing. Of a text that is not JSON it makes something or other, and ends.

/// The elements of an array, as they were written. `None` when the text is none.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut rest = Rest(text.trim_ascii_start().strip_prefix('[')?);
    let mut elements = vec![];
    while let Some(element) = rest.value() {
        elements.push(element);
        rest.skip(',');
    }
    Some(elements)
}

/// The keys and values of an object, as they were written. `None` when the text is none.
pub(super) fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = Rest(text.trim_ascii_start().strip_prefix('{')?);
    let mut members = vec![];
    while let Some(key) = rest.value() {
        rest.skip(':');
        members.push((key, rest.value()?));
        rest.skip(',');
    }
    Some(members)
}

/// What is still to be cut.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// The next value, unless a bracket closes.
    fn value(&mut self) -> Option<&'a str> {
        let text = self.0.trim_ascii_start();
        let length = match text.bytes().next()? {
            b'}' | b']' => return None,
            b'"' => string_length(text),
            b'{' | b'[' => nest_length(text),
            _ => text.find(|c: char| c.is_ascii_whitespace() || ",:]}".contains(c)).unwrap_or(text.len()),
        };
        let (value, rest) = text.split_at_checked(length)?;
        self.0 = rest;
        (length > 0).then_some(value)
    }

    fn skip(&mut self, separator: char) {
        let rest = self.0.trim_ascii_start();
        self.0 = rest.strip_prefix(separator).unwrap_or(rest);
    }
}

/// Bytes of the object or array at the start of `text`.
fn nest_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += text.get(at..).map_or(1, string_length);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Bytes of the string at the start of `text`, quotes included.
pub(super) fn string_length(text: &str) -> usize {
    text.as_bytes().get(1..).and_then(closing_quote).map_or(text.len(), |at| at + 2)
}

/// Where the quote stands that ends a string, of which these bytes are the rest, from no escape on.
pub(super) fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    // Code is full of escapes, few of which are quotes.
    for at in memchr::memchr_iter(b'"', bytes) {
        let before = bytes.get(from..at).unwrap_or_default();
        let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Object, array};
    use super::*;

    #[test]
    fn members_are_what_stands_between_the_commas() {
        let text = " { \"a\" : 1.0 ,\n\t\"b\\\",\": [ 1,{\"x\":\"]}\"} ],\"c\":\"\\\\\" , \"d\":{ },\"a\":null} ";
        let expected = [
            ("\"a\"", "1.0"),
            ("\"b\\\",\"", "[ 1,{\"x\":\"]}\"} ]"),
            ("\"c\"", "\"\\\\\""),
            ("\"d\"", "{ }"),
            ("\"a\"", "null"),
        ];
        assert_eq!(members(text).unwrap(), expected);
        assert_eq!(elements("[ ] "), Some(vec![]));
        assert_eq!(elements("\n[1 , \"é,\",[2],{\"a\":[3]} ]"), Some(vec!["1", "\"é,\"", "[2]", "{\"a\":[3]}"]));
        for text in ["", "7", "\"[]\"", "null"] {
            assert!(elements(text).is_none() && members(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_ends() {
        for text in [
            "{",
            "[",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{:",
            "{,",
            "[,,",
            "[[[",
            "[\"\\",
            "[\"\\é",
            "{\"a\":}",
            "[é\u{a0}",
        ] {
            let _ = (members(text), elements(text));
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
            "\"([a-zé ,:{}\\[\\]]|\\\\[nt\"\\\\/]|\\\\ud800)*\"",
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|v| format!("[ {}]", v.join(" ,\n"))),
                prop::collection::vec(("([a-z\"\\\\]|é){0,3}", inner), 0..5).prop_map(|v| {
                    let key = |key: &str| serde_json::to_string(key).unwrap();
                    let members: Vec<_> = v.into_iter().map(|(k, v)| format!("{} :{v}", key(&k))).collect();
                    format!("\t{{{} }}", members.join(", "))
                }),
            ]
        })
    }

    proptest! {
        /// What is cut out is what a reader that judges finds.
        #[test]
        fn parts_are_what_reading_finds(text in json()) {
            prop_assert_eq!(elements(&text), array(&text));
            let members = |object: Option<Object<'_>>| {
                object.map(|o| o.members().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Vec<_>>())
            };
            prop_assert_eq!(members(Object::part(&text)), members(Object::parse(&text)));
        }
    }
}
