//! What may stand behind a string that lacks its quote, or behind a source: closers, markers, and the next call. Keeps
//! it until it is known to be data.
//!
//! An offered tool's name and its parenthesis begin the next call where one can begin: behind an opener, and behind a
//! closer and a comma or a line's end. A quote behind that opens the call's first text, or closes the string that speaks
//! of a call: what follows the quote tells, as it does of every other (`quote`). Behind an opener any other argument is
//! kept until it is known what comes first, a quote that closes the string or the answer's end.

use crate::decode::call::{Call, Context};
use crate::dialect::Dialect;
use crate::json::escape_into;
use crate::json::repair::Begins;
use crate::python::Text;

use super::quote::Says;
use super::{NAME_BYTES_MAX, Reader, State, Step, begins_name, in_name};

/// The end of what was read, as it was written, that may be none of its value.
#[derive(Debug, Default)]
pub(super) struct Tail {
    text: String,
    at: At,
    /// A closer or a marker stands in it.
    is_closed: bool,
}

/// What was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A closer, a marker, or what may stand between them.
    Between(Behind),
    /// The beginning of a marker, from this place on.
    Marker(usize),
    /// A name, from this place on.
    Name(usize, Behind),
    /// Arguments of an offered tool, from this place on.
    Arguments(usize, Behind),
    /// Behind the quote at this place, which opens such an argument or closes the string.
    Quote(usize),
}

/// Behind what a call would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// None can.
    Nothing,
    /// The closer of a call, which a comma or a line's end has to follow.
    Closer,
    Separator,
    Opener,
}

/// More closers and markers are none that a model writes behind a string, and what is longer is no keyword.
const TAIL_BYTES_MAX: usize = 512;

impl Default for At {
    fn default() -> Self {
        Self::Between(Behind::Nothing)
    }
}

impl Tail {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the answer may end here.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed && matches!(self.at, At::Between(_) | At::Marker(_) | At::Arguments(_, Behind::Opener))
    }

    /// Empties it, and gives what it held.
    pub(super) fn clear(&mut self) -> String {
        std::mem::take(self).text
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether closers are all that is kept, and `text` shows that they are data: it neither goes on with them nor can
    /// begin what may follow them.
    pub(super) fn ends_before(&self, text: &str, dialect: &Dialect) -> bool {
        let goes_on = |byte: u8| matches!(byte, b')' | b']' | b'}' | b',') || byte.is_ascii_whitespace();
        let ends = |byte: u8| byte.is_ascii() && !goes_on(byte) && !dialect.tables().arguments.has(byte);
        text.bytes().next().is_some_and(ends) && self.text.chars().all(is_closer)
    }

    /// Takes a character if it can belong here; `text` is the string that it may stand behind. `Yes` when a call begins.
    pub(super) fn take(&mut self, c: char, text: Option<&Text>, cx: &Context<'_>) -> Begins {
        let Some(at) = self.next(c, text, cx) else { return Begins::No };
        self.text.push(c);
        self.at = at;
        match at {
            At::Arguments(..) if text.is_none() => Begins::Yes,
            _ => Begins::Perhaps,
        }
    }

    /// What stands behind a quote that may be the string's own.
    pub(super) fn behind_quote(&self) -> Option<&str> {
        let At::Quote(at) = self.at else { return None };
        self.text.get(at + 1..)
    }

    /// The string's own text, and then its quote and what stands behind that.
    fn split_at_quote(&mut self) -> Option<(String, String)> {
        let At::Quote(at) = self.at else { return None };
        let mut data = self.clear();
        let quote = data.split_off(at);
        Some((data, quote))
    }

    /// Where one more character leads.
    fn next(&mut self, c: char, text: Option<&Text>, cx: &Context<'_>) -> Option<At> {
        match self.at {
            At::Between(behind) => self.between(c, behind, text, cx),
            At::Marker(from) => self.marker(c, from, cx),
            At::Name(from, behind) if c == '(' => {
                let name = self.text.get(from..)?;
                cx.tools.resolve(name).map(|_| At::Arguments(self.text.len(), behind))
            }
            At::Name(from, _) => (in_name(c) && self.text.len() - from < NAME_BYTES_MAX).then_some(self.at),
            At::Arguments(from, behind) => self.arguments(c, from, behind, text, cx),
            At::Quote(_) => Some(self.at),
        }
    }

    fn between(&mut self, c: char, behind: Behind, text: Option<&Text>, cx: &Context<'_>) -> Option<At> {
        let to = |behind| (!self.text.is_empty()).then_some(At::Between(behind));
        match c {
            // In a source they are its own.
            ')' | ']' | '}' | ',' if text.is_none() => None,
            ')' | ']' | '}' if self.text.len() < TAIL_BYTES_MAX => {
                self.is_closed = true;
                Some(At::Between(if c == ')' { Behind::Closer } else { Behind::Nothing }))
            }
            ',' | '\n' if behind == Behind::Closer => to(Behind::Separator),
            c if c.is_ascii_whitespace() && self.text.len() < TAIL_BYTES_MAX => to(behind),
            '[' if behind == Behind::Opener => to(behind),
            c if begins_name(c) && matches!(behind, Behind::Separator | Behind::Opener) => {
                Some(At::Name(self.text.len(), behind))
            }
            c if self.text.len() < TAIL_BYTES_MAX && may_begin_marker(c, cx.dialect) => {
                self.marker(c, self.text.len(), cx)
            }
            _ => None,
        }
    }

    /// What goes on with the marker that begins at this place.
    fn marker(&mut self, c: char, from: usize, cx: &Context<'_>) -> Option<At> {
        let read = self.text.get(from..)?;
        let (openers, closers) = markers(cx.dialect);
        let rest = |marker: &'_ String| marker.strip_prefix(read)?.strip_prefix(c).map(str::is_empty);
        match (openers.iter().filter_map(rest).max(), closers.iter().filter_map(rest).max()) {
            (Some(true), _) => Some(At::Between(Behind::Opener)),
            (_, Some(true)) => {
                self.is_closed = true;
                Some(At::Between(Behind::Nothing))
            }
            (None, None) => None,
            _ => Some(At::Marker(from)),
        }
    }

    /// What stands behind an offered tool's parenthesis.
    fn arguments(&self, c: char, from: usize, behind: Behind, text: Option<&Text>, cx: &Context<'_>) -> Option<At> {
        let read = self.text.get(from..)?;
        let text = text?;
        let goes_on = match c {
            '\\' => false,
            c if c == text.quote && text.is_long() => !text.is_closed_behind(read),
            c if c == text.quote => {
                let opens = read.trim_ascii_end().ends_with(opens_value);
                return opens.then_some(At::Quote(self.text.len()));
            }
            _ if behind == Behind::Opener => self.text.len() < cx.limits.pending_bytes_max,
            c => read.len() < TAIL_BYTES_MAX && (in_name(c) || c == '=' || c.is_ascii_whitespace()),
        };
        goes_on.then_some(self.at)
    }
}

impl Reader {
    /// The tail goes on: a quote in it opens the next call's text, or closes the string, once it is known which.
    pub(super) fn judge_quote(&mut self, cx: &Context<'_>, call: &mut Call) -> Step {
        match self.tail.behind_quote().map(|behind| self.says(behind, cx)) {
            None | Some(Says::More) => Step::Read,
            Some(Says::Data) => self.end_before_tail(call),
            // What told it is looked at again.
            Some(Says::Closed | Says::Joined) => {
                self.tail.text.pop();
                self.quote_is_own(cx, call);
                Step::Again
            }
        }
    }

    /// The quote in the tail closes the string, if there is one: it is read as such, and what stands behind it again.
    pub(super) fn quote_is_own(&mut self, cx: &Context<'_>, call: &mut Call) {
        let Some((data, quote)) = self.tail.split_at_quote() else { return };
        self.note_source(&data);
        escape_into(&data, self.out(call));
        // None of it has told anything by itself.
        let _ = self.replay(&quote, cx, call);
    }

    /// What was kept belongs to the string or the source.
    pub(super) fn tail_is_data(&mut self, cx: &Context<'_>, call: &mut Call) {
        let tail = self.tail.clear();
        self.note_source(&tail);
        if let State::Text(text) = &mut self.state {
            let data = text.before_quotes(&tail);
            escape_into(data, self.out(call));
        } else {
            for c in tail.chars() {
                self.source_character(c, cx, call);
            }
        }
        self.bound_key(cx, call);
    }

    /// The value ends before its tail, and so does the call. Closers that nothing is open for belong to a string.
    pub(super) fn end_before_tail(&mut self, call: &mut Call) -> Step {
        let tail = self.tail.clear();
        let (run, in_list) = (run_of_closers(&tail), usize::from(call.listed));
        let open = self.frames.len() + 1;
        let own = run.len().saturating_sub(open + in_list);
        let to = |count: usize| count.checked_sub(1).and_then(|last| run.get(last)).map_or(0, |at| at + 1);
        let (data, behind) = (to(own), to(run.len().min(own + open)));
        if let State::Text(_) = self.state {
            let data = tail.get(..data).unwrap_or_default();
            self.note_source(data);
            escape_into(data, self.out(call));
        }
        self.close(call);
        call.again.push_str(tail.get(behind..).unwrap_or_default());
        Step::Complete
    }
}

/// How many bytes of `text`, inside a string, stand for themselves and before no tail.
pub(super) fn plain(text: &str, quote: char, dialect: &Dialect) -> usize {
    let first_bytes = &dialect.tables().arguments;
    let may_end = |b: u8| matches!(b, b'\\' | b')' | b']' | b'}') || char::from(b) == quote || first_bytes.has(b);
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(run) = rest.bytes().position(may_end) else { break };
        let (_, rest) = rest.split_at_checked(run).unwrap_or_default();
        let mut chars = rest.chars();
        let (first, next) = (chars.next(), chars.next());
        let is_data = match (first, next) {
            (Some(')' | ']' | '}'), Some(next)) => {
                let goes_on = matches!(next, ')' | ']' | '}' | ',') || next.is_ascii_whitespace();
                !goes_on && !begins_marker(rest.get(1..).unwrap_or_default(), dialect)
            }
            (Some(first), Some(_)) => first != '\\' && first != quote && !begins_marker(rest, dialect),
            _ => false,
        };
        at += run;
        if !is_data {
            return at;
        }
        at += first.map_or(0, char::len_utf8);
    }
    text.len()
}

/// The places of the closers that `tail` begins with.
fn run_of_closers(tail: &str) -> Vec<usize> {
    let run = tail.char_indices().take_while(|(_, c)| is_closer(*c) || c.is_ascii_whitespace());
    run.filter(|(_, c)| is_closer(*c)).map(|(at, _)| at).collect()
}

fn is_closer(c: char) -> bool {
    matches!(c, ')' | ']' | '}')
}

/// What opens a wrapper, and what closes one.
fn markers(dialect: &Dialect) -> (&[String], &[String]) {
    (&dialect.reads().call.open, &dialect.tables().wrapper_closers)
}

/// Whether a marker may begin with `c`, as its first byte tells.
fn may_begin_marker(c: char, dialect: &Dialect) -> bool {
    c.encode_utf8(&mut [0; 4]).bytes().next().is_some_and(|byte| dialect.tables().arguments.has(byte))
}

fn begins_marker(text: &str, dialect: &Dialect) -> bool {
    let (openers, closers) = markers(dialect);
    openers.iter().chain(closers).any(|marker| marker.starts_with(text) || text.starts_with(marker.as_str()))
}

fn opens_value(c: char) -> bool {
    matches!(c, '(' | '=' | '[' | '{' | ',' | ':')
}
