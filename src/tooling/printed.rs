//! What a command printed, and how it ended, as the model reads it.
//! Runs nothing, and reads no stream: it is handed what came of one.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;

/// Everything that came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: End,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this status.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// It was stopped, since it had run for as many seconds.
    Time(u64),
    /// It was stopped, since it had written more than [`OUTPUT_BYTES_MAX`].
    Output,
    /// It was stopped, since it ran more processes than this.
    Processes(u32),
    /// It was stopped, since its processes together held more memory than this.
    Memory(u64),
}

/// Bytes that a command may write before it is stopped; no model reads what is behind them.
pub const OUTPUT_BYTES_MAX: usize = 8 << 20;
/// Characters of output that a model is shown.
const SHOWN_MAX: usize = 30_000;
/// Of more than that, so many from the beginning, where a command says what it does, …
const SHOWN_FIRST: usize = 20_000;
/// … and so many from the end, where it says how it went.
const SHOWN_LAST: usize = 10_000;

impl From<Printed> for Outcome {
    fn from(printed: Printed) -> Self {
        let output = printed.output();
        let end = match printed.end {
            End::Exit(0) => "Success".to_owned(),
            End::Exit(code) => format!("Failed (exit code {code})"),
            End::Signal(signal) => format!("Failed (exit code -{signal})"),
            End::Time(seconds) => format!("Error: Command timed out after {seconds} seconds"),
            End::Output => format!("Error: Command was stopped: it wrote more than {OUTPUT_BYTES_MAX} bytes"),
            End::Processes(most) => format!("Error: Command was stopped: it ran more than {most} processes"),
            End::Memory(most) => format!("Error: Command was stopped: it used more than {most} bytes of memory"),
        };
        let text = match (printed.end, output.is_empty()) {
            (End::Exit(_) | End::Signal(_), true) => format!("{end}\n\n(no output)"),
            // A flood tells nothing that is worth its tokens.
            (End::Output, _) | (_, true) => end,
            (_, false) => format!("{end}\n\n{}", shown(output)),
        };
        Self { is_error: printed.end != End::Exit(0), ..Self::done(text) }
    }
}

impl Printed {
    fn output(&self) -> String {
        let named = [("STDOUT", &self.stdout), ("STDERR", &self.stderr)];
        let written = named.iter().filter(|(_, bytes)| !bytes.is_empty());
        let texts = written.map(|(name, bytes)| format!("{name}:\n{}", String::from_utf8_lossy(bytes)));
        texts.collect::<Vec<_>>().join("\n\n")
    }
}

/// A text that is not too long, or its beginning and its end.
fn shown(text: String) -> String {
    let count = text.chars().count();
    if count <= SHOWN_MAX {
        return text;
    }
    let at = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let (first, _) = text.split_at(at(SHOWN_FIRST));
    let (_, last) = text.split_at(at(count - SHOWN_LAST));
    let left_out = count - SHOWN_FIRST - SHOWN_LAST;
    format!("{first}\n[... {left_out} characters left out ...]\n{last}\n\n[Output truncated at {SHOWN_MAX} characters]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(stdout: &str, stderr: &str, end: End) -> (String, bool) {
        let outcome: Outcome = Printed { stdout: stdout.into(), stderr: stderr.into(), end }.into();
        (outcome.text, outcome.is_error)
    }

    #[test]
    fn a_result_says_how_a_command_ended_and_what_it_printed() {
        for (stdout, stderr, end, text, is_error) in [
            ("hi\n", "err\n", End::Exit(3), "Failed (exit code 3)\n\nSTDOUT:\nhi\n\n\nSTDERR:\nerr\n", true),
            ("done\n", "", End::Exit(0), "Success\n\nSTDOUT:\ndone\n", false),
            ("", "e", End::Exit(0), "Success\n\nSTDERR:\ne", false),
            ("", "", End::Exit(0), "Success\n\n(no output)", false),
            ("", "", End::Signal(9), "Failed (exit code -9)\n\n(no output)", true),
            ("", "", End::Time(1), "Error: Command timed out after 1 seconds", true),
            ("a", "", End::Time(2), "Error: Command timed out after 2 seconds\n\nSTDOUT:\na", true),
            ("y", "", End::Output, "Error: Command was stopped: it wrote more than 8388608 bytes", true),
            ("", "", End::Processes(64), "Error: Command was stopped: it ran more than 64 processes", true),
            ("", "", End::Memory(9), "Error: Command was stopped: it used more than 9 bytes of memory", true),
        ] {
            assert_eq!(outcome(stdout, stderr, end), (text.to_owned(), is_error));
        }
    }

    #[test]
    fn of_a_long_output_the_beginning_and_the_end_are_shown() {
        let note = "\n\n[Output truncated at 30000 characters]";
        let head = "Success\n\nSTDOUT:\n";
        let whole = "é".repeat(SHOWN_MAX - 8);
        assert_eq!(outcome(&whole, "", End::Exit(0)).0, format!("{head}{whole}"));
        let (text, _) = outcome(&format!("{whole}é"), "", End::Exit(0));
        let (first, last) = ("é".repeat(SHOWN_FIRST - 8), "é".repeat(SHOWN_LAST));
        assert_eq!(text, format!("{head}{first}\n[... 1 characters left out ...]\n{last}{note}"));
        let (text, _) = outcome(&"x\n".repeat(20_000), "what went wrong\n", End::Exit(1));
        assert!(text.ends_with(&format!("STDERR:\nwhat went wrong\n{note}")), "{text:.100}");
        assert!(text.chars().count() < 30_200);
        let (text, is_error) = outcome(&"\u{1f980}".repeat(SHOWN_MAX), "", End::Exit(1));
        assert!(is_error && text.ends_with("\n\n[Result truncated at 65536 bytes]"), "{text:.100}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let printed = Printed { stdout: b"a\xffb".to_vec(), stderr: Vec::new(), end: End::Exit(0) };
        assert_eq!(Outcome::from(printed).text, "Success\n\nSTDOUT:\na\u{fffd}b");
    }
}
