//! Answer's form: the object that a client gets, once or as the lines of a stream. Knows no chunks.

use bytes::Bytes;

use super::asked::{Page, Told};
use super::cost::{Cost, Moment};
use super::text::{copy_inside, write_compact, write_text};
use crate::api::time::Clock;

/// Writes the objects of one answer: what they all begin with is made once.
#[derive(Debug)]
pub(super) struct Frame {
    /// Up to the time.
    head: String,
    page: Page,
    clock: Clock,
}

/// What an object says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a> {
    /// The inside of a string.
    pub(super) content: &'a str,
    /// The same; nothing where it is empty.
    pub(super) thinking: &'a str,
    /// Elements of a list, with commas between them.
    pub(super) calls: &'a str,
    /// A list, as it was written.
    pub(super) logprobs: Option<&'a str>,
}

/// Whether an answer goes on behind an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'a> {
    GoesOn,
    Done(&'a str, &'a Cost),
    /// Nothing was asked of a model.
    Unasked(&'a str),
}

impl Frame {
    pub(super) fn new(told: &Told) -> Self {
        let mut head = String::from("{\"model\":");
        write_text(&told.model, &mut head);
        head.push_str(",\"created_at\":\"");
        Self { head, page: told.page, clock: Clock::default() }
    }

    /// Appends an object, its members in Ollama's order.
    pub(super) fn write(&mut self, words: Words<'_>, ending: Ending<'_>, now: Moment, out: &mut String) {
        out.push_str(&self.head);
        self.clock.write(now.unix, out);
        out.push_str(match self.page {
            Page::Chat => "\",\"message\":{\"role\":\"assistant\",\"content\":\"",
            Page::Generate => "\",\"response\":\"",
        });
        copy_inside(words.content, out);
        if !words.thinking.is_empty() {
            out.push_str("\",\"thinking\":\"");
            copy_inside(words.thinking, out);
        }
        out.push('"');
        if !words.calls.is_empty() {
            out.extend([",\"tool_calls\":[", words.calls, "]"]);
        }
        out.push_str(match self.page {
            Page::Chat => "},\"done\":",
            Page::Generate => ",\"done\":",
        });
        match ending {
            Ending::GoesOn => out.push_str("false"),
            Ending::Done(reason, _) | Ending::Unasked(reason) => {
                out.extend(["true,\"done_reason\":\"", reason, "\""]);
            }
        }
        if let Some(logprobs) = words.logprobs {
            out.push_str(",\"logprobs\":");
            write_compact(logprobs, out);
        }
        if let Ending::Done(_, cost) = ending {
            cost.write(now, out);
        }
        out.push('}');
    }
}

/// The line of a stream by which a client that waits hears that it is not forgotten: it says nothing, and clients pass
/// over it. An empty line or a comment would kill them.
pub fn keep_alive(told: &Told, now: Moment) -> Bytes {
    let mut line = String::new();
    Frame::new(told).write(Words::default(), Ending::GoesOn, now, &mut line);
    line.push('\n');
    line.into()
}

/// The answer to [`Request::Load`](super::Request::Load), one object whatever the client says of streams.
pub fn loaded(told: &Told, now: Moment) -> Bytes {
    unasked(told, "load", now)
}

/// The answer to [`Request::Unload`](super::Request::Unload), in the same way.
pub fn unloaded(told: &Told, now: Moment) -> Bytes {
    unasked(told, "unload", now)
}

fn unasked(told: &Told, reason: &str, now: Moment) -> Bytes {
    let mut object = String::new();
    Frame::new(told).write(Words::default(), Ending::Unasked(reason), now, &mut object);
    object.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_that_says_nothing_has_its_form() {
        let now = Moment { unix: Duration::new(1_795_838_400, 7), ..Moment::default() };
        let told = |page| Told { page, model: "a\u{2028}\"".to_owned(), is_streamed: true };
        let head = r#"{"model":"a\u2028\"","created_at":"2026-11-28T04:00:00.000000007Z","#;
        let message = r#""message":{"role":"assistant","content":""}"#;
        for (object, expected) in [
            (keep_alive(&told(Page::Chat), now), format!("{head}{message},\"done\":false}}\n")),
            (keep_alive(&told(Page::Generate), now), format!("{head}\"response\":\"\",\"done\":false}}\n")),
            (loaded(&told(Page::Chat), now), format!("{head}{message},\"done\":true,\"done_reason\":\"load\"}}")),
            (
                unloaded(&told(Page::Generate), now),
                format!("{head}\"response\":\"\",\"done\":true,\"done_reason\":\"unload\"}}"),
            ),
        ] {
            assert_eq!(std::str::from_utf8(&object), Ok(expected.as_str()));
        }
    }
}
