//! Private members of model lists: leaves out of a list of models what it says of the machines: command lines and
//! places on their disks. Every other byte stays as it was.
//!
//! llama.cpp's router shows for each model `status.args` and `status.preset`, the command line that it is started with,
//! and `path` where it lies on the disk (`tools/server/server-models.cpp`). vLLM and SGLang say in `root` where the model
//! was loaded from, which may be a folder.

use std::borrow::Cow;

use crate::json::{self, Edit, Object};

/// Members that tell nobody but the machine's operator something.
const PRIVATE: [&str; 11] =
    ["args", "argv", "cmd", "cmdline", "command", "command_line", "env", "environment", "path", "paths", "preset"];
/// Members by whose value a client asks for a model. It has to say it, even where that is a file's name.
const NAMES: [&str; 4] = ["alias", "id", "model", "name"];
/// Deeper than any list. Each level is read once more, so what lies deeper is left out as a whole.
const DEPTH_MAX: usize = 16;

/// The same JSON without what is private; as it is when nothing is, or when it is no JSON.
pub fn without_private(text: &str) -> Cow<'_, str> {
    shown(text, DEPTH_MAX).unwrap_or(Cow::Borrowed(text))
}

/// `None` when it lies too deep.
fn shown(text: &str, depth: usize) -> Option<Cow<'_, str>> {
    if let Some(object) = Object::parse(text) {
        return Some(shown_object(&object, depth.checked_sub(1)?));
    }
    match json::array(text) {
        Some(elements) => Some(shown_list(text, &elements, depth.checked_sub(1)?)),
        None => Some(Cow::Borrowed(text)),
    }
}

fn shown_object<'a>(object: &Object<'a>, depth: usize) -> Cow<'a, str> {
    let is_alone = |key: &str| object.members().filter(|(other, _)| *other == key).count() == 1;
    let mut edits = Vec::new();
    for (key, value) in object.members() {
        match shown(value, depth).filter(|_| !is_private(key, value)) {
            Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(value)) if is_alone(key) => edits.push((key, Edit::Set(value.into()))),
            _ => edits.push((key, Edit::Remove)),
        }
    }
    if edits.is_empty() { Cow::Borrowed(object.text()) } else { Cow::Owned(object.edited(&edits)) }
}

fn shown_list<'a>(text: &'a str, elements: &[&'a str], depth: usize) -> Cow<'a, str> {
    let shown: Vec<_> = elements.iter().map(|element| shown(element, depth).unwrap_or(Cow::Borrowed("null"))).collect();
    if elements.iter().zip(&shown).all(|(before, after)| before == after) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    for (before, after) in elements.iter().zip(shown) {
        // An element is a piece of the text.
        let start = before.as_ptr().addr().saturating_sub(rest.as_ptr().addr());
        out.push_str(rest.get(..start).unwrap_or_default());
        out.push_str(&after);
        rest = rest.get(start + before.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_private(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_named = PRIVATE.contains(&key.as_str()) || ["_args", "_dir", "_path"].iter().any(|end| key.ends_with(end));
    is_named || (!NAMES.contains(&key.as_str()) && json::string(value).is_some_and(|text| is_place(&text)))
}

/// Whether a text names a place on a disk: `/srv/m.gguf`, `~/m`, `C:\m`, `file:///m`.
fn is_place(text: &str) -> bool {
    let has_drive = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|drive| drive.is_ascii_alphabetic())
            && bytes.next() == Some(b':')
            && matches!(bytes.next(), Some(b'\\' | b'/'))
    };
    ["/", "~/", "./", "../", "\\\\", "file:"].iter().any(|start| text.starts_with(start)) || has_drive(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_is_left_out_and_nothing_else_changes() {
        let same =
            r#" { "object": "list", "data" : [ {"id":"/srv/m.gguf", "n": 1.0,"status":{"value":"loaded"}} , 7 ] } "#;
        for (text, expected) in [
            (same, same),
            ("no JSON", "no JSON"),
            ("", ""),
            (
                r#"{"data": [ {"id":"a","path":"/p","status":{"value":"loaded","args":["llama-server","-m","/p"],"preset":"[a]\nm=/p"}} ,{"id":"b"}]}"#,
                r#"{"data": [ {"id":"a","status":{"value":"loaded"}} ,{"id":"b"}]}"#,
            ),
            (r#"{"\u0061rgs":1,"Preset":{},"model_path":2,"slot_dir":3,"x":4}"#, r#"{"x":4}"#),
            (r#"{"root":"/data/m","parent":null}"#, r#"{"parent":null}"#),
            (r#"{"root":"org/m","parent":"C:\\m"}"#, r#"{"root":"org/m"}"#),
            (r#"{"at":"file:///m","to":"~/m","in":"\u002fm","on":"../m"}"#, "{}"),
            (
                r#"{"name":"/m","model":"/m","alias":"/m","description":"a/b: no place"}"#,
                r#"{"name":"/m","model":"/m","alias":"/m","description":"a/b: no place"}"#,
            ),
            (r#"{"a":{"args":1},"a":{"b":2},"c":3}"#, r#"{"c":3}"#),
            (r#"[[{"env":1}],{"cmd":2}]"#, "[[{}],{}]"),
        ] {
            assert_eq!(without_private(text), expected, "{text}");
        }
        let deep = |n: usize| format!("{}{{\"args\":1}}{}", "[".repeat(n), "]".repeat(n));
        for n in [1, 15, 16, 100, 50_000] {
            assert!(!without_private(&deep(n)).contains("args") || json::array(&deep(n)).is_none(), "{n}");
        }
    }
}
