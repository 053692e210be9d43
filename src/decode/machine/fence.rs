//! The first line of a code fence that may hold calls.
//! Keeps no text but what stands behind the backticks; whoever reads it has the rest.

use crate::decode::expect::{Expect, Expected};

/// The opening fence of an answer that may be nothing but calls.
#[derive(Debug, Default)]
pub(super) struct Opening {
    ticks: Expect,
    info: Option<Info>,
}

impl Opening {
    /// Takes one character. The line is over: found.
    pub(super) fn push(&mut self, c: char, words: &[String]) -> Expected {
        if let Some(info) = &mut self.info {
            return info.push(c, words);
        }
        match self.ticks.push(c, ["```"].into_iter()) {
            Expected::Found(_) => {
                self.info = Some(Info::default());
                Expected::More
            }
            other => other,
        }
    }
}

/// What stands behind the three backticks of an opening fence, to the end of its line.
#[derive(Debug, Default)]
pub(super) struct Info(String);

impl Info {
    /// Takes one character. The line is over, and one of `words` or none stood on it: found.
    pub(super) fn push(&mut self, c: char, words: &[String]) -> Expected {
        let word = self.0.trim();
        if c == '\n' {
            let known = word.is_empty() || words.iter().any(|known| known.eq_ignore_ascii_case(word));
            return if known { Expected::Found(0) } else { Expected::Other };
        }
        self.0.push(c);
        let word = self.0.trim_start();
        let begins = |known: &String| {
            let (common, rest) = word.split_at_checked(known.len()).unwrap_or((word, ""));
            known.get(..common.len()).is_some_and(|known| known.eq_ignore_ascii_case(common)) && rest.trim().is_empty()
        };
        let is_short = self.0.len() <= INFO_BYTES_MAX;
        if is_short && (word.is_empty() || words.iter().any(begins)) { Expected::More } else { Expected::Other }
    }
}

/// Nobody writes a longer line behind a fence's backticks.
const INFO_BYTES_MAX: usize = 64;
