//! Outcomes of calls: the text that the model reads, and whether the call failed.
//! Runs nothing. A failure's first words say that it is one, for surfaces that have no flag for it.

use std::fmt;

/// What a model reads of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub text: String,
    pub is_error: bool,
}

/// Bytes of a result; a longer one would push the conversation out of the model's context.
pub const RESULT_BYTES_MAX: usize = 65_536;

impl Outcome {
    /// The result of a call that did what it was asked, cut at a line where it is too long.
    pub fn done(text: String) -> Self {
        Self { text: cut(text, RESULT_BYTES_MAX), is_error: false }
    }

    /// The result of a call that failed, whose first words say that it did.
    pub fn failed(text: String) -> Self {
        Self { text: cut(text, RESULT_BYTES_MAX), is_error: true }
    }

    /// The same, cut where it is longer than that.
    #[must_use]
    pub fn within(self, bytes_max: usize) -> Self {
        Self { text: cut(self.text, bytes_max), ..self }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::failed(failure.to_string())
    }
}

/// Why a call failed. Paths are the model's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("Error: Unknown tool '{0}'")]
    UnknownTool(String),
    #[error("Error executing {tool}: {what}")]
    Arguments { tool: String, what: String },
    /// An MCP server that is not connected.
    #[error("Error: Tool server '{0}' is not available")]
    NoServer(String),
    /// An MCP server that did not do it, in its own words or in ours.
    #[error("Error: {server}: {what}")]
    Server { server: String, what: String },
    #[error("Permission denied: Access denied: {0} is outside allowed directories")]
    Outside(String),
    #[error("Error: File does not exist: {0}")]
    NoFile(String),
    #[error("Error: Directory does not exist: {0}")]
    NoDirectory(String),
    #[error("Error: Path does not exist: {0}")]
    NoPath(String),
    #[error("Error: Path is not a file: {0}")]
    NotFile(String),
    #[error("Error: Path is not a directory: {0}")]
    NotDirectory(String),
    #[error("Error: File is binary ({bytes} bytes): {path}")]
    Binary { bytes: u64, path: String },
    #[error("Error: File is too large to edit ({bytes} bytes; at most {most} are allowed): {path}")]
    TooLargeToEdit { bytes: u64, most: usize, path: String },
    #[error("Error: Reading stopped after {seconds} s: {path}")]
    Stopped { seconds: u64, path: String },
    /// The system's own reason.
    #[error("Error: {reason}: {path}")]
    Unreadable { reason: String, path: String },
    #[error("Error writing file: {0}")]
    Write(String),
    #[error("Error writing file: the content is {bytes} bytes; at most {most} are allowed")]
    TooLarge { bytes: usize, most: usize },
    #[error("Error: File changed meanwhile: {0}")]
    Changed(String),
    #[error("Error: old_string is empty. Use write_file to write a whole file.")]
    EmptyOld,
    #[error("Error: old_string and new_string are the same.")]
    Same,
    #[error("Error: old_string not found in file. Make sure it matches exactly including whitespace.")]
    OldNotFound,
    #[error(
        "Error: old_string found {0} times in file. Set replace_all=true to replace all, or provide more context to make \
         it unique."
    )]
    OldNotUnique(usize),
    #[error("Error: Command execution is disabled")]
    CommandsDisabled,
    #[error("Error: Command not in allowlist. Allowed prefixes: [{}]", quoted(.0))]
    NotAllowed(Vec<String>),
    /// The model cannot help it, and why it is is for the log.
    #[error("Error: The sandbox does not work")]
    Sandbox,
    #[error("Invalid glob pattern: {0}")]
    Glob(String),
    #[error("Invalid regex pattern: {0}")]
    Regex(String),
}

/// Why a search ended before it had seen everything. The result says so at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Seconds(u64),
    Entries(usize),
    Files(usize),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(f, "\n\n[Stopped after {seconds} s]"),
            Self::Entries(entries) => write!(f, "\n\n[Stopped after {entries} entries]"),
            Self::Files(files) => write!(f, "\n\n[Stopped after {files} files]"),
        }
    }
}

/// Texts as a list of them is written: `'echo', 'git status'`.
fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ")
}

/// A text that is no longer than a result may be, or its beginning, which ends with a line where it has one.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text;
    }
    // What ends right at the limit is a whole line, too.
    let head = text.as_bytes().get(..=bytes_max).unwrap_or_default();
    let line = memchr::memrchr(b'\n', head).filter(|end| *end > 0);
    let end = line.or_else(|| (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)));
    let end = end.unwrap_or_default();
    text.truncate(end);
    text.push_str(&format!("\n\n[Result truncated at {bytes_max} bytes]"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_ends_with_a_line() {
        let note = "\n\n[Result truncated at 65536 bytes]";
        let lines = |times: usize| "0123456\n".repeat(times);
        assert_eq!(Outcome::done(lines(8192)).text, lines(8192));
        assert_eq!(Outcome::done(lines(8193)).text, format!("{}{note}", lines(8192).trim_end()));
        let fits = format!("{}x\ny", "a".repeat(RESULT_BYTES_MAX - 1));
        assert_eq!(Outcome::done(fits).text, format!("{}x{note}", "a".repeat(RESULT_BYTES_MAX - 1)));
        let one = Outcome::done("é".repeat(40_000)).text;
        assert_eq!(one, format!("{}{note}", "é".repeat(RESULT_BYTES_MAX / 2)));
        let short = Outcome::done("one\ntwo\nthree".to_owned()).within(9);
        assert_eq!(short.text, "one\ntwo\n\n[Result truncated at 9 bytes]");
        assert!(Outcome::from(Failure::NoFile("a\n".repeat(50_000))).text.len() <= RESULT_BYTES_MAX + note.len());
    }
}
