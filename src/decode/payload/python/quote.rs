//! Whether a quote closes its string: it does where what follows goes on as a call does. Models write quotes inside
//! strings as they come, and a quote that is data is followed by more of a sentence.

use crate::decode::call::{Call, Context, Wrapped};
use crate::json::escape_into;
use crate::python::Text;

use super::value::Frame;
use super::{Reader, State, Step, begins_name, in_name};

/// What the text behind a quote says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Closed,
    Data,
    /// Another piece of the string follows.
    Joined,
    /// Nothing yet.
    More,
}

/// So much is looked at behind a quote.
const AHEAD_BYTES_MAX: usize = 128;

impl Reader {
    /// One more character behind a quote.
    pub(super) fn quote(&mut self, c: char, cx: &Context<'_>, call: &mut Call) -> Step {
        let State::Quote(_, ahead) = &mut self.state else { return Step::Reject };
        ahead.push(c);
        let says = match &self.state {
            State::Quote(_, ahead) => self.says(ahead, cx),
            _ => return Step::Reject,
        };
        if says == Says::More {
            return Step::Read;
        }
        let State::Quote(text, ahead) = std::mem::take(&mut self.state) else { return Step::Reject };
        match says {
            Says::Joined => {
                self.state = State::Text(Text::new(c));
                return Step::Read;
            }
            Says::Data => {
                call.repaired = true;
                escape_into(text.quote.encode_utf8(&mut [0; 4]), self.out(call));
                self.state = State::Text(text);
            }
            Says::Closed | Says::More => self.end_text(call),
        }
        self.replay(&ahead, cx, call)
    }

    /// What stands behind a quote says of it. So much that says nothing is more of the string.
    pub(super) fn says(&self, ahead: &str, cx: &Context<'_>) -> Says {
        if ahead.len() > AHEAD_BYTES_MAX {
            return Says::Data;
        }
        let rest = ahead.trim_ascii_start();
        let Some(first) = rest.chars().next() else { return Says::More };
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        match (first, self.frames.last()) {
            ('\'' | '"', _) if rest.len() < ahead.len() => Says::Joined,
            (',', _) => self.says_comma(behind.trim_ascii_start()),
            (']' | '}' | ')', Some(_)) | (':', Some(Frame::Dict { .. })) => Says::Closed,
            (')' | ']', None) => says_end(behind, cx),
            _ => says_closer(rest, cx),
        }
    }

    /// What stands behind a comma: another value, or a keyword.
    fn says_comma(&self, behind: &str) -> Says {
        let Some(first) = behind.chars().next() else { return Says::More };
        if !begins_name(first) {
            let begins = first.is_ascii_digit() || "'\"-+.[]{}()*".contains(first);
            return if begins { Says::Closed } else { Says::Data };
        }
        let end = behind.find(|c| !in_name(c));
        let Some((word, rest)) = end.and_then(|end| behind.split_at_checked(end)) else { return Says::More };
        let Some(next) = rest.trim_ascii_start().chars().next() else { return Says::More };
        let is_literal = matches!(word, "True" | "False" | "None" | "true" | "false" | "null");
        let goes_on = match next {
            '=' => self.frames.is_empty(),
            ':' => matches!(self.frames.last(), Some(Frame::Dict { .. })),
            ',' | ')' | ']' | '}' => is_literal,
            '\'' | '"' => word.len() == 1 && rest.starts_with(next),
            _ => false,
        };
        if goes_on { Says::Closed } else { Says::Data }
    }
}

/// What stands behind the call's closer: the next call, or what closes the list or the wrapper.
fn says_end(behind: &str, cx: &Context<'_>) -> Says {
    let rest = behind.trim_ascii_start();
    let has_line = behind.get(..behind.len() - rest.len()).is_some_and(|blank| blank.contains('\n'));
    match rest.chars().next() {
        _ if has_line => Says::Closed,
        None => Says::More,
        Some(',' | ']' | ';' | '`') => Says::Closed,
        // That of `print`, which only stands between markers.
        Some(')') if cx.wrapped == Wrapped::Yes => says_end(rest.get(1..).unwrap_or_default(), cx),
        Some(_) => says_closer(rest, cx),
    }
}

/// A closer of the wrapper.
fn says_closer(rest: &str, cx: &Context<'_>) -> Says {
    let closers = &cx.dialect.tables().wrapper_closers;
    if closers.iter().any(|closer| rest.starts_with(closer.as_str())) {
        Says::Closed
    } else if closers.iter().any(|closer| closer.starts_with(rest)) {
        Says::More
    } else {
        Says::Data
    }
}
