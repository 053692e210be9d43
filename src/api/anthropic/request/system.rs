//! System: the prompt at the head, and what is said in its voice later on.

use super::mistake::Mistake;
use super::text::said;
use crate::json::{Object, elements, inside};

/// Adds the texts of a system prompt, each as it stands within quotes. `path` is where it stands.
pub(super) fn texts<'a>(written: &'a str, path: &str, out: &mut Vec<&'a str>) -> Result<(), Mistake> {
    let begins_unstable = |text: &str| said(text).starts_with(BILLING);
    if let Some(text) = inside(written) {
        out.extend(Some(text).filter(|text| !text.is_empty()));
        return Ok(());
    }
    let blocks = elements(written).ok_or_else(|| Mistake::at(path, "must be a string or a list of text blocks"))?;
    for (at, block) in blocks.into_iter().enumerate() {
        let block = Object::part(block).filter(|block| block.string("type").as_deref() == Some("text"));
        let text = block.and_then(|block| block.get("text")).and_then(inside);
        let text = text.ok_or_else(|| Mistake::at(format_args!("{path}.{at}"), "must be a text block"))?;
        out.extend(Some(text).filter(|text| !text.is_empty() && !begins_unstable(text)));
    }
    Ok(())
}

/// The message at the head, if there is anything to say.
pub(super) fn write(texts: &[&str], out: &mut String) {
    if !texts.is_empty() {
        out.extend([r#"{"role":"system","content":""#, &texts.join("\\n\\n"), "\"}"]);
    }
}

/// What is said later on, as clients themselves say it in a user's turn. Nothing where there is no text.
///
/// Many templates refuse a second system message, and one that is moved to the head changes the beginning of the prompt.
pub(super) fn reminder(texts: &[&str]) -> Option<String> {
    (!texts.is_empty()).then(|| ["<system-reminder>\\n", &texts.join("\\n"), "\\n</system-reminder>"].concat())
}

/// By this a block begins that is for Anthropic's accounts. It differs from conversation to conversation, and in front
/// of everything it would keep servers from finding a prompt in their caches.
const BILLING: &str = "x-anthropic-billing-header:";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: &str) -> Result<Vec<&str>, String> {
        let mut out = vec![];
        texts(written, "system", &mut out).map(|()| out).map_err(|mistake| mistake.message.into_owned())
    }

    #[test]
    fn texts_are_kept_but_for_the_one_that_never_stays_the_same() {
        for (written, expected) in [
            (r#""a\n""#, Ok(vec!["a\\n"])),
            (r#""""#, Ok(vec![])),
            ("[]", Ok(vec![])),
            (
                r#"[{"type":"text","text":"x-anthropic-billing-header: cch=1;"},{"type":"text","text":"a"}]"#,
                Ok(vec!["a"]),
            ),
            (r#"[{"type":"text","text":"x\u002danthropic-billing-header: cch=1;"}]"#, Ok(vec![])),
            (r#"[{"type":"text","text":""},{"type":"text","text":"\ud800"}]"#, Ok(vec!["\\ud800"])),
            ("7", Err("system: must be a string or a list of text blocks")),
            (r#"[{"type":"text","text":"a"},{"type":"image"}]"#, Err("system.1: must be a text block")),
            (r#"["a"]"#, Err("system.0: must be a text block")),
        ] {
            assert_eq!(read(written), expected.map_err(str::to_owned), "{written}");
        }
    }

    #[test]
    fn what_is_said_at_the_head_is_one_message() {
        let mut out = String::new();
        write(&[], &mut out);
        assert_eq!(out, "");
        write(&["a", "b"], &mut out);
        assert_eq!(out, r#"{"role":"system","content":"a\n\nb"}"#);
        assert_eq!(reminder(&[]), None);
        assert_eq!(reminder(&["a", "b"]).as_deref(), Some(r"<system-reminder>\na\nb\n</system-reminder>"));
    }
}
