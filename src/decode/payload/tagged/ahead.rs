//! What may be a value's end and stands inside a string of its JSON: the string's quote decides.
//! In a sound string every quote is escaped but the one that ends it. Where the first that is not ends the string soundly,
//! all before it is data; else the string lacks its quote, and what may be an end is judged like any other (`ends`).

use crate::decode::call::{Call, Context};

use super::{Open, Reader, State, Step};

/// Text behind a possible end.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    stage: Stage,
    text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No string of this value gave cause yet.
    #[default]
    Idle,
    Text,
    /// Behind a backslash.
    Escape,
    /// Behind the quote.
    Quote,
    /// A string of this value lacks its quote: nothing more is known of those behind it.
    Over,
}

impl Ahead {
    /// Whether text belongs here.
    pub(super) fn is_reading(&self) -> bool {
        !matches!(self.stage, Stage::Idle | Stage::Over)
    }

    /// One more character. `Some` when it decides: the string goes on with all of it, or nothing is known.
    fn push(&mut self, c: char, bytes_max: usize) -> Option<Verdict> {
        self.text.push(c);
        self.stage = match (self.stage, c) {
            (Stage::Escape, _) => Stage::Text,
            (Stage::Quote, ',' | '}' | ']') => {
                self.stage = Stage::Idle;
                return Some(Verdict::Data(std::mem::take(&mut self.text)));
            }
            (Stage::Quote, c) if !c.is_ascii_whitespace() => Stage::Over,
            (Stage::Text, '\\') => Stage::Escape,
            (Stage::Text, '"') => Stage::Quote,
            (stage, _) => stage,
        };
        let is_over = self.stage == Stage::Over || self.text.len() > bytes_max;
        is_over.then(|| Verdict::Unknown(self.give_up()))
    }

    /// The string does not end: hands back what was read.
    pub(super) fn give_up(&mut self) -> String {
        self.stage = Stage::Over;
        std::mem::take(&mut self.text)
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }
}

/// What the text behind a possible end says of it.
enum Verdict {
    Data(String),
    Unknown(String),
}

impl Open {
    /// Looks ahead, if what may be the end stands inside a string.
    pub(super) fn look_ahead(&mut self) {
        if self.ends.is_held() && self.value.is_in_string() && self.ahead.stage == Stage::Idle {
            self.ahead.stage = Stage::Text;
        }
    }
}

impl Reader {
    /// Reads on behind what may be the value's end, inside a string.
    pub(super) fn string(&mut self, text: &str, cx: &Context<'_>, call: &mut Call) -> (usize, Step) {
        let State::Value(open) = &mut self.state else { return (0, Step::Read) };
        for (at, c) in text.char_indices() {
            let read = at + c.len_utf8();
            call.examined += c.len_utf8();
            match open.ahead.push(c, cx.limits.pending_bytes_max) {
                None => {}
                Some(Verdict::Data(text)) => {
                    let data = open.ends.take_held(&self.form) + &text;
                    open.value.push(&data, cx, call);
                    return (read, Step::Read);
                }
                Some(Verdict::Unknown(text)) => return (read, self.replay(&text, cx, call)),
            }
        }
        (text.len(), Step::Read)
    }

    /// Generation ended: so a string lacks its quote that should have ended behind what may be the value's end.
    pub(super) fn end_string(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        let State::Value(open) = &mut self.state else { return Step::Read };
        if !open.ahead.is_reading() {
            return Step::Read;
        }
        let text = open.ahead.give_up();
        self.replay(&text, cx, call)
    }
}
