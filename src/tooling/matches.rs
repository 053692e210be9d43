//! Search: the expression, compiled within limits, and the lines that it finds, as text.
//! Opens no file and reads none: whoever searches hands in the lines, with their numbers.

use std::fmt::Write;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};

use super::arguments::Case;
use super::outcome::{Failure, Outcome, Stop};

/// An expression whose search takes time that grows with the text alone.
#[derive(Clone, Debug)]
pub struct Expression(RegexMatcher);

/// Bytes of a compiled expression: a short one can stand for a huge automaton.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

impl Expression {
    /// Fails when it is none, or is too large a one.
    pub fn new(pattern: &str, case: Case) -> Result<Self, Failure> {
        let mut builder = RegexMatcherBuilder::new();
        builder.case_insensitive(case == Case::Insensitive).multi_line(true).crlf(true);
        builder.size_limit(EXPRESSION_BYTES_MAX).dfa_size_limit(EXPRESSION_BYTES_MAX);
        builder.build(pattern).map(Self).map_err(|error| Failure::Regex(error.to_string()))
    }

    /// The compiled expression, for whoever reads files.
    pub fn matcher(&self) -> &RegexMatcher {
        &self.0
    }
}

/// The text of what was found, made as lines come.
#[derive(Debug)]
pub struct Matches {
    context_lines: usize,
    /// The file whose lines come, as the model can name it.
    file: String,
    lines: Vec<String>,
    matches: usize,
    files: usize,
    /// Number of the line that came last in this file.
    last: Option<u64>,
}

/// Matches that are shown.
const MATCHES_MAX: usize = 100;
/// Characters of a line, with the marks where it is cut.
const LINE_CHARACTERS_MAX: usize = 500;
const CUT: &str = "...";
/// Characters that are kept before a match where its line is cut.
const LEAD: usize = 200;

impl Matches {
    /// Nothing yet; each match is to be shown with so many lines around it.
    pub fn new(context_lines: usize) -> Self {
        Self { context_lines, file: String::new(), lines: Vec::new(), matches: 0, files: 0, last: None }
    }

    /// The lines that come are of this file.
    pub fn begin_file(&mut self, file: String) {
        self.file = file;
        self.files += 1;
        self.last = None;
    }

    /// Files that were looked into.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Whether more matches would not be shown.
    pub fn is_full(&self) -> bool {
        self.matches >= MATCHES_MAX
    }

    /// Takes a line that matches, at this byte of it.
    pub fn matched(&mut self, number: u64, line: &[u8], at: usize) {
        self.matches += 1;
        let text = excerpt(line, at);
        match self.context_lines {
            0 => self.lines.push(format!("{}:{number}: {text}", self.file)),
            _ => self.in_context('>', number, &text),
        }
    }

    /// Takes a line that stands near one that matches.
    pub fn context(&mut self, number: u64, line: &[u8]) {
        self.in_context(' ', number, &excerpt(line, 0));
    }

    fn in_context(&mut self, mark: char, number: u64, text: &str) {
        if self.last.is_none_or(|last| last + 1 != number) {
            self.lines.push(format!("\n{}:", self.file));
        }
        self.last = Some(number);
        self.lines.push(format!("{mark} {number}: {text}"));
    }

    /// The whole text.
    pub fn finish(self, pattern: &str, stop: Option<Stop>) -> Outcome {
        let mut text = match self.matches {
            0 => format!("No matches found for pattern: {pattern}"),
            _ => self.lines.join("\n"),
        };
        if self.matches > 0 {
            let _ = write!(text, "\n\n[Found {} matches in {} files searched]", self.matches, self.files);
        }
        stop.iter().for_each(|stop| text.push_str(&stop.to_string()));
        Outcome::done(text)
    }
}

/// A line without its end, or what stands around a place of it where it is long.
fn excerpt(line: &[u8], at: usize) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let at = at.min(line.len());
    // No character has more than four bytes: what lies farther off is not shown.
    let reach = 4 * LINE_CHARACTERS_MAX;
    let from = boundary(line, at.saturating_sub(reach));
    let to = boundary(line, at.saturating_add(reach).min(line.len()));
    let decoded = |from: usize, to: usize| String::from_utf8_lossy(line.get(from..to).unwrap_or_default()).into_owned();
    let characters: Vec<char> = decoded(from, to).chars().collect();
    let is_whole = from == 0 && to == line.len();
    if is_whole && characters.len() <= LINE_CHARACTERS_MAX {
        return characters.into_iter().collect();
    }
    let room = LINE_CHARACTERS_MAX - 2 * CUT.len();
    let found = decoded(from, at).chars().count();
    let begin = found.saturating_sub(LEAD).min(characters.len().saturating_sub(room));
    let shown: String = characters.iter().skip(begin).take(room).collect();
    let before = if from > 0 || begin > 0 { CUT } else { "" };
    let behind = if to < line.len() || begin + room < characters.len() { CUT } else { "" };
    format!("{before}{shown}{behind}")
}

/// The first place at or before this one where a character begins.
fn boundary(line: &[u8], at: usize) -> usize {
    let is_inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(*at)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_shown_with_their_files() {
        let mut matches = Matches::new(0);
        matches.begin_file("a".to_owned());
        matches.matched(1, b"one\r\n", 0);
        matches.begin_file("b".to_owned());
        matches.matched(7, b"caf\xe9", 0);
        let text = "a:1: one\nb:7: caf\u{fffd}\n\n[Found 2 matches in 2 files searched]";
        assert_eq!(matches.finish("o", None).text, text);
        let none = Matches::new(0).finish("o", Some(Stop::Seconds(10))).text;
        assert_eq!(none, "No matches found for pattern: o\n\n[Stopped after 10 s]");
    }

    #[test]
    fn lines_that_touch_are_one_group() {
        let mut matches = Matches::new(1);
        matches.begin_file("a".to_owned());
        matches.context(1, b"x\n");
        matches.matched(2, b"y\n", 0);
        matches.matched(3, b"y\n", 0);
        matches.context(9, b"x\n");
        matches.matched(10, b"y\n", 0);
        let text = "\na:\n  1: x\n> 2: y\n> 3: y\n\na:\n  9: x\n> 10: y\n\n[Found 3 matches in 1 files searched]";
        assert_eq!(matches.finish("y", None).text, text);
    }

    #[test]
    fn a_long_line_is_cut_around_its_match() {
        for (before, behind, expected) in [
            (0, 600, format!("M{}...", "x".repeat(493))),
            (600, 0, format!("...{}M", "x".repeat(493))),
            (600, 600, format!("...{}M{}...", "x".repeat(200), "x".repeat(293))),
            (1_000_000, 9_000, format!("...{}M{}...", "x".repeat(200), "x".repeat(293))),
            (200, 299, format!("{}M{}", "x".repeat(200), "x".repeat(299))),
        ] {
            for x in ["x", "é"] {
                let line = format!("{}M{}\n", x.repeat(before), x.repeat(behind));
                let text = excerpt(line.as_bytes(), before * x.len());
                assert_eq!(text, expected.replace('x', x), "{before} {behind}");
                assert!(text.chars().count() <= LINE_CHARACTERS_MAX);
            }
        }
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        for (pattern, said) in [
            ("(", "unclosed group"),
            ("a(?=b)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("((a{99}){99}){99}", "size limit"),
            (r"a\nb", "not allowed"),
        ] {
            let failure = Expression::new(pattern, Case::Sensitive).unwrap_err().to_string();
            assert!(failure.starts_with("Invalid regex pattern: ") && failure.contains(said), "{failure}");
        }
    }
}
