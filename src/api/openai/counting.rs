//! Counting of a prompt's tokens: what a server is asked, and what it answers.
//! Asks nobody.

use std::borrow::Cow;

use crate::json::{Edit, Object, elements, write_string};

/// The body that asks for the tokens of a chat: these of its members, and one more.
pub fn question(chat: &[u8], members: Option<&[&str]>, beside: Option<(&str, &str)>) -> Option<String> {
    let chat = Object::of_body(chat)?;
    let all = chat.members().map(|(key, _)| key.to_owned()).collect::<Vec<_>>();
    let left = all.iter().filter(|key| members.is_some_and(|members| !members.contains(&key.as_str())));
    let mut edits: Vec<_> = left.map(|key| (key.as_str(), Edit::Remove)).collect();
    // A stream would answer in events.
    edits.extend(["stream", "stream_options"].map(|key| (key, Edit::Remove)));
    edits.extend(beside.map(|(key, value)| (key, Edit::Set(Cow::Borrowed(value)))));
    Some(chat.edited(&edits))
}

/// The count in an answer.
pub fn count(answer: &[u8], member: &str) -> Option<u64> {
    Object::of_body(answer)?.get(member)?.parse().ok()
}

/// The body that asks for the tokens of a prompt.
pub fn spelled(prompt: &str) -> String {
    let mut body = String::from("{\"content\":");
    write_string(prompt, &mut body);
    body.push_str(",\"add_special\":true,\"parse_special\":true}");
    body
}

/// How many tokens an answer lists.
pub fn listed(answer: &[u8]) -> Option<u64> {
    u64::try_from(elements(Object::of_body(answer)?.get("tokens")?)?.len()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_asked_for_its_tokens() {
        let chat = br#"{"model":"m","messages":[1],"stream":true,"stream_options":{},"max_tokens":5,"tools":[]}"#;
        let all = r#"{"model":"m","messages":[1],"max_tokens":5,"tools":[]}"#;
        assert_eq!(question(chat, None, None).as_deref(), Some(all));
        let some = question(chat, Some(&["model", "messages"]), Some(("add_generation_prompt", "true")));
        assert_eq!(some.as_deref(), Some(r#"{"model":"m","messages":[1],"add_generation_prompt":true}"#));
        assert_eq!(question(b"[]", None, None), None);
    }

    #[test]
    fn a_count_is_read_or_made() {
        assert_eq!(count(br#"{"input_tokens":7}"#, "input_tokens"), Some(7));
        assert_eq!(count(br#"{"count":7}"#, "input_tokens"), None);
        assert_eq!(spelled("a\"b"), r#"{"content":"a\"b","add_special":true,"parse_special":true}"#);
        assert_eq!(listed(br#"{"tokens":[1, 2,[3]]}"#), Some(3));
        assert_eq!(listed(b"{}"), None);
    }
}
