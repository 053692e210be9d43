//! What a choice says, in a chunk or in a whole answer: its words, and a refusal.

use super::blocks::Kind;
use crate::api::openai::chunk::Choice;
use crate::api::openai::{Content, Part};
use crate::json::inside;

/// The words of a choice in the order in which they count: thoughts, then text, then those of a refusal, each the inside
/// of a string that is not empty.
pub(super) fn words<'a>(choice: &Choice<'a>) -> Vec<(Kind, &'a str)> {
    let message = &choice.message;
    let thoughts = message.reasoning.and_then(|reasoning| inside(reasoning.value));
    let mut words: Vec<_> = thoughts.map(|text| (Kind::Thinking, text)).into_iter().collect();
    match Content::read(message.content) {
        Some(Content::Text(text)) => words.push((Kind::Text, text)),
        Some(Content::Parts(parts)) => words.extend(parts.into_iter().filter_map(Part::read).filter_map(text)),
        None => {}
    }
    words.extend(refusal(choice).map(|text| (Kind::Text, text)));
    words.retain(|(_, text)| !text.is_empty());
    words
}

/// The words by which it refuses to answer.
pub(super) fn refusal<'a>(choice: &Choice<'a>) -> Option<&'a str> {
    inside(choice.message.refusal?).filter(|text| !text.is_empty())
}

fn text(part: Part<'_>) -> Option<(Kind, &str)> {
    match part {
        Part::Text(text) => Some((Kind::Text, text)),
        Part::Other(_) => None,
    }
}

/// The one choice that has a place in Anthropic's API.
pub(super) const FIRST: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openai::chunk::{self, Chunk};

    #[test]
    fn words_are_found_wherever_they_stand() {
        for (message, expected) in [
            (r#"{"content":"a","reasoning":"t"}"#, "t+a"),
            (r#"{"content":"","reasoning_content":"t"}"#, "t"),
            (r#"{"content":null,"reasoning_content":null,"refusal":null}"#, ""),
            (r#"{"content":null,"refusal":"no"}"#, "no"),
            (r#"{"content":[{"type":"text","text":"a"},{"type":"image_url"},{"type":"text","text":"b"}]}"#, "a+b"),
            (r#"{"content":7}"#, ""),
        ] {
            let chunk = format!(r#"{{"choices":[{{"message":{message}}}]}}"#);
            let object = chunk::object(chunk.as_bytes()).unwrap();
            let chunk = Chunk::of(&object).unwrap();
            let words: Vec<_> = words(&chunk.choices[0]).into_iter().map(|(_, text)| text).collect();
            assert_eq!(words.join("+"), expected, "{message}");
        }
    }
}
