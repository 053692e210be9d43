//! Cut arguments: of a call that was not written to its end, the members that are closed and nothing else, since clients
//! run what they get: half a path or a command must be none.

use std::borrow::Cow;

use crate::json::Prefix;

/// Brackets of arguments that may be open at once: readers give up on more.
pub(super) const DEPTH_MAX: usize = 120;

/// The object that the text of arguments is. Of half an object it is the members that are closed, of anything else none.
pub(super) fn object(text: &str) -> Cow<'_, str> {
    let mut prefix = Prefix::new(DEPTH_MAX);
    let taken = prefix.push(text);
    if prefix.is_complete() && text.trim_ascii_start().starts_with('{') {
        return Cow::Borrowed(text.get(..taken).unwrap_or_default().trim_ascii());
    }
    let members = prefix.closed_members().and_then(|end| text.get(..end));
    members.map_or(Cow::Borrowed("{}"), |members| Cow::Owned([members.trim_ascii_start(), "}"].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_member_is_none() {
        for (text, expected) in [
            (r#" {"a": 1.50} "#, r#"{"a": 1.50}"#),
            (r#"{"timeout": 5, "command": "rm -rf /tmp/x"#, r#"{"timeout": 5}"#),
            (r#"{"timeout": 5"#, "{}"),
            (r#"{"a":{"b":1},"c":[1,2"#, r#"{"a":{"b":1}}"#),
            (r#"{"a":1,"b":tru"#, r#"{"a":1}"#),
            (r#"{"a":1}{"b":2}"#, r#"{"a":1}"#),
            (r#"{"a":1,x"#, r#"{"a":1}"#),
            ("", "{}"),
            ("[1]", "{}"),
            ("7", "{}"),
            ("x", "{}"),
        ] {
            assert_eq!(object(text), expected, "{text}");
        }
    }
}
