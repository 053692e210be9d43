//! Counting of an answer that goes to a client of Ollama's as it came: what its last line says of its tokens and its end.
//! Changes nothing, and reads no other line.

use memchr::memmem;

use super::costs::Costs;
use crate::api::Tokens;
use crate::api::ollama::lines::Lines;
use crate::json::Object;
use crate::limits::Limits;

/// Listens to an answer, in lines or whole.
#[derive(Debug)]
pub struct Counting {
    /// None once a line was too long.
    lines: Option<Lines>,
    counted: Option<Counted>,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub tokens: Tokens,
    /// Why the answer ended, as its server says it.
    pub finish_reason: Option<String>,
}

impl Counting {
    /// Ready for an answer. Of one with a longer line than `limits` allow nothing is known.
    pub fn new(limits: &Limits) -> Self {
        Self { lines: Some(Lines::new(limits.line_bytes_max())), counted: None }
    }

    /// Whether a line may follow what has come so far.
    pub fn is_between_lines(&self) -> bool {
        self.lines.as_ref().is_some_and(Lines::is_between_lines)
    }

    /// Takes the next bytes of the answer.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(lines) = &mut self.lines else { return };
        if lines.push(bytes, &mut |line| self.counted = Counted::read(line).or(self.counted.take())).is_err() {
            self.lines = None;
        }
    }

    /// The answer has ended: what its last line has said, if there was one.
    pub fn finish(self) -> Option<Counted> {
        let rest = self.lines.and_then(|mut lines| lines.finish());
        rest.as_deref().and_then(Counted::read).or(self.counted)
    }
}

impl Counted {
    fn read(line: &[u8]) -> Option<Self> {
        // Most lines are not looked at any further.
        memmem::find(line, b"\"done\"")?;
        let line = Object::of_body(line)?;
        (line.get("done") == Some("true")).then_some(())?;
        let finish_reason = line.string("done_reason").map(Into::into);
        Some(Self { tokens: Costs::of(&line).tokens(), finish_reason })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn counted(pieces: &[&[u8]]) -> Option<Counted> {
        let mut counting = Counting::new(&Limits::default());
        pieces.iter().for_each(|piece| counting.push(piece));
        counting.finish()
    }

    #[test]
    fn the_last_line_is_read_however_the_answer_comes() {
        let word = r#"{"message":{"content":"\"done\":true"},"done":false}"#;
        let done = r#"{"response":"","done":true,"done_reason":"length","prompt_eval_count":26,"prompt_eval_duration":7,"eval_count":5}"#;
        let (input, output, prompt_time) = (Some(26), Some(5), Some(Duration::from_nanos(7)));
        let tokens = Tokens { input, output, prompt_time, ..Tokens::default() };
        let all = Some(Counted { tokens, finish_reason: Some("length".to_owned()) });
        for (answer, expected) in [
            (format!("{word}\n{done}\n"), &all),
            (format!("{word}\r\n{done}\r\n\r\n"), &all),
            (done.to_owned(), &all),
            (format!("{word}\n"), &None),
            (format!("{word}\n{}", &done[..40]), &None),
            ("<html>\"done\"".to_owned(), &None),
            (String::new(), &None),
        ] {
            assert_eq!(&counted(&[answer.as_bytes()]), expected, "{answer}");
            for cut in 0..answer.len() {
                let (a, b) = answer.as_bytes().split_at(cut);
                assert_eq!(&counted(&[a, b]), expected, "{answer} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept() {
        let long = vec![b' '; Limits::default().line_bytes_max() + 1];
        assert_eq!(counted(&[&long, b"\n{\"done\":true}\n"]), None);
    }
}
