//! Log probabilities of tokens, as OpenAI's API has them.
//! Adds the bytes of tokens where they are not said, and changes nothing else.

use std::borrow::Cow;
use std::fmt::Write;

use crate::json::{Edit, Object, elements};

/// Lists of what is known of each token, each of hardly more than so many bytes.
pub(super) fn lists(written: &str, bytes_max: usize) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    for token in elements(written).unwrap_or_default() {
        let token = with_bytes(token);
        match lists.last_mut().filter(|list| list.len() + token.len() < bytes_max) {
            Some(list) => {
                list.push(',');
                list.push_str(&token);
            }
            None => lists.push(format!("[{token}")),
        }
    }
    lists.iter_mut().for_each(|list| list.push(']'));
    lists
}

/// A token and what might have stood in its place, each with its bytes.
fn with_bytes(written: &str) -> Cow<'_, str> {
    let Some(token) = Object::part(written) else { return Cow::Borrowed(written) };
    let mut edits = Vec::new();
    if let Some(bytes) = missing_bytes(&token) {
        edits.push(("bytes", Edit::Set(bytes.into())));
    }
    if let Some(others) = token.get("top_logprobs").and_then(elements).filter(|others| !others.is_empty()) {
        let others: Vec<_> = others.into_iter().map(of_other).collect();
        edits.push(("top_logprobs", Edit::Set(format!("[{}]", others.join(",")).into())));
    }
    if edits.is_empty() { Cow::Borrowed(written) } else { Cow::Owned(token.edited(&edits)) }
}

fn of_other(written: &str) -> Cow<'_, str> {
    let other = Object::part(written);
    let bytes = other.as_ref().and_then(missing_bytes);
    match other.zip(bytes) {
        Some((other, bytes)) => Cow::Owned(other.edited(&[("bytes", Edit::Set(bytes.into()))])),
        None => Cow::Borrowed(written),
    }
}

fn missing_bytes(token: &Object<'_>) -> Option<String> {
    let text = token.string("token").filter(|_| token.present("bytes").is_none())?;
    let mut bytes = String::from("[");
    for byte in text.bytes() {
        bytes.push_str(if bytes.len() > 1 { "," } else { "" });
        // Writing to a string does not fail.
        let _ = write!(bytes, "{byte}");
    }
    bytes.push(']');
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_added_where_they_lack_and_long_lists_are_cut() {
        for (written, bytes_max, expected) in [
            (r#"[{"token":"a","bytes":[97]}]"#, 100, &[r#"[{"token":"a","bytes":[97]}]"#][..]),
            (
                r#"[{"token":"é","bytes":null,"top_logprobs":[{"token":"","logprob":-1.50}, 7]}]"#,
                100,
                &[r#"[{"token":"é","bytes":[195,169],"top_logprobs":[{"token":"","logprob":-1.50,"bytes":[]},7]}]"#],
            ),
            (r#"[{"token":7}, {"x":1},{"x":22}]"#, 22, &[r#"[{"token":7},{"x":1}]"#, r#"[{"x":22}]"#]),
        ] {
            assert_eq!(lists(written, bytes_max), expected, "{written}");
        }
    }
}
