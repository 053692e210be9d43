//! Puts text on a terminal: two panes side by side, colours where they are wanted, nothing wider than the screen.
//! Does not know what it shows.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// What a text is, and by that its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Faint,
    Strong,
    Markup,
    Good,
    Bad,
}

/// One line of a pane: a faint label, and text that is wrapped beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub label: String,
    pub text: String,
    pub ink: Ink,
}

impl Line {
    /// A line without a label.
    pub fn new(ink: Ink, text: impl Into<String>) -> Self {
        Self { label: String::new(), text: text.into(), ink }
    }

    /// A line with a label, padded so that the texts of all labelled lines begin below each other.
    pub fn labelled(label: &str, ink: Ink, text: impl Into<String>) -> Self {
        Self { label: format!("{label:LABEL_WIDTH$}"), text: text.into(), ink }
    }
}

/// Where a label ends.
const LABEL_WIDTH: usize = 14;
/// Under this two panes have no room beside each other.
const TWO_PANES_WIDTH: usize = 90;
/// Wider lines are hard to read.
const WIDTH_MAX: usize = 120;
const INDENT: &str = "  ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Ansi,
    None,
}

/// The terminal, or the file that stdout is.
#[derive(Debug)]
pub(super) struct Screen {
    width: usize,
    colours: Colours,
}

impl Screen {
    /// The screen of this process: colours only on a terminal, and not where `NO_COLOR` asks for none.
    pub fn open() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_plain = set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb");
        let colours = if io::stdout().is_terminal() && !is_plain { Colours::Ansi } else { Colours::None };
        let columns = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()).or_else(terminal_columns);
        Self { width: columns.unwrap_or(100).clamp(40, WIDTH_MAX), colours }
    }

    /// Writes to stdout and flushes, so that what is told stands there while the next takes its time. Fails when nobody
    /// reads any more.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Lines one under the other.
    pub fn lines(&self, lines: &[Line]) -> String {
        let width = self.width.saturating_sub(INDENT.len());
        let mut out = String::new();
        for row in lines.iter().flat_map(|line| wrap(line, width)) {
            out.push_str(INDENT);
            out.push_str(&self.painted(&row));
            end_row(&mut out);
        }
        out
    }

    /// Two panes with their titles. Each pane is a list of blocks, and blocks of the same place begin side by side.
    pub fn panes(&self, titles: [&str; 2], left: &[Vec<Line>], right: &[Vec<Line>]) -> String {
        let title =
            |title: &str| vec![Line::new(Ink::Strong, title), Line::new(Ink::Faint, "─".repeat(title.chars().count()))];
        let [left_title, right_title] = titles.map(title);
        if self.width < TWO_PANES_WIDTH {
            let lines = [&left_title[..], &left.concat(), &[Line::new(Ink::Plain, "")], &right_title, &right.concat()];
            return self.lines(&lines.concat());
        }
        let mut out = self.rows(&left_title, &right_title);
        for at in 0..left.len().max(right.len()) {
            let block = |pane: &[Vec<Line>]| pane.get(at).cloned().unwrap_or_default();
            out.push_str(&self.rows(&block(left), &block(right)));
        }
        out
    }

    fn rows(&self, left: &[Line], right: &[Line]) -> String {
        // The right pane has labels, so it gets more room.
        let width = (self.width - INDENT.len() - GAP.chars().count()) * 4 / 9;
        let right_width = self.width - INDENT.len() - GAP.chars().count() - width;
        let wrapped = |lines: &[Line], width| lines.iter().flat_map(|line| wrap(line, width)).collect::<Vec<_>>();
        let (left, right) = (wrapped(left, width), wrapped(right, right_width));
        let mut out = String::new();
        for at in 0..left.len().max(right.len()) {
            let empty = Line::new(Ink::Plain, "");
            let (left, right) = (left.get(at).unwrap_or(&empty), right.get(at).unwrap_or(&empty));
            let used = left.label.chars().count() + left.text.chars().count();
            let row = format!(
                "{INDENT}{}{}{}",
                self.painted(left),
                " ".repeat(width.saturating_sub(used)),
                self.painted(&Line::new(Ink::Faint, GAP))
            );
            out.push_str(&row);
            out.push_str(&self.painted(right));
            end_row(&mut out);
        }
        out
    }

    /// Shows the end of a text that is still growing in a line of its own, which the next print replaces.
    pub fn live(&self, text: &str) -> io::Result<()> {
        if self.colours == Colours::None {
            return Ok(());
        }
        let line: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let room = self.width.saturating_sub(INDENT.len() + 2);
        let tail: String = line.iter().skip(line.len().saturating_sub(room)).collect();
        self.print(&format!("\r\x1b[K{INDENT}{}", self.painted(&Line::new(Ink::Faint, tail))))
    }

    /// Takes the live line away.
    pub fn settle(&self) -> io::Result<()> {
        if self.colours == Colours::None { Ok(()) } else { self.print("\r\x1b[K") }
    }

    fn painted(&self, line: &Line) -> String {
        format!("{}{}", self.paint(Ink::Faint, &line.label), self.paint(line.ink, &line.text))
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => "",
            Ink::Faint => "2",
            Ink::Strong => "1",
            Ink::Markup => "33",
            Ink::Good => "32",
            Ink::Bad => "31",
        };
        if self.colours == Colours::None || code.is_empty() || text.is_empty() {
            return text.into();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

const GAP: &str = " │ ";

fn end_row(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// Cuts a line at spaces so that it fits, or in the middle of a word that has none.
/// The rows after the first begin under the text.
fn wrap(line: &Line, width: usize) -> Vec<Line> {
    let label_width = line.label.chars().count();
    let room = width.saturating_sub(label_width).max(8);
    let mut rows = Vec::new();
    let mut rest: Vec<char> = line.text.chars().collect();
    loop {
        let end = if rest.len() <= room {
            rest.len()
        } else {
            rest.iter().take(room + 1).rposition(|c| *c == ' ').filter(|at| *at > 0).unwrap_or(room)
        };
        let after = rest.split_off(end);
        let label = if rows.is_empty() { line.label.clone() } else { " ".repeat(label_width) };
        rows.push(Line { label, text: rest.into_iter().collect(), ink: line.ink });
        rest = after.into_iter().skip_while(|c| *c == ' ').collect();
        if rest.is_empty() {
            return rows;
        }
    }
}

/// What `stty` says of the terminal; there is no way to ask for it in the standard library.
fn terminal_columns() -> Option<usize> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let output = Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize) -> Screen {
        Screen { width, colours: Colours::None }
    }

    #[test]
    fn lines_are_wrapped_at_spaces_under_their_text() {
        let line = Line::labelled("label", Ink::Plain, "one two three four");
        let expected = "  label         one two\n                three\n                four\n";
        assert_eq!(screen(24).lines(&[line]), expected);
    }

    #[test]
    fn a_word_that_is_too_long_is_cut() {
        let rows = wrap(&Line::new(Ink::Plain, "0123456789abcdef"), 10);
        assert_eq!(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), ["0123456789", "abcdef"]);
    }

    #[test]
    fn blocks_stand_side_by_side_or_one_under_the_other() {
        let line = |text: &str| vec![Line::new(Ink::Plain, text)];
        let (left, right) = ([[line("a"), line("b")].concat(), line("c")], [line("x"), line("y")]);
        let wide = screen(90).panes(["L", "R"], &left, &right);
        let columns: Vec<Vec<&str>> = wide.lines().map(|row| row.split('│').map(str::trim).collect()).collect();
        assert_eq!(columns, [["L", "R"], ["─", "─"], ["a", "x"], ["b", ""], ["c", "y"]]);
        let narrow = screen(60).panes(["L", "R"], &left, &right);
        assert_eq!(narrow, "  L\n  ─\n  a\n  b\n  c\n\n  R\n  ─\n  x\n  y\n");
    }

    #[test]
    fn nothing_is_wider_than_the_screen() {
        let long = vec![vec![Line::labelled("arguments", Ink::Plain, "x".repeat(300) + " " + &"word ".repeat(60))]];
        for width in [40, 89, 90, 120] {
            let shown = screen(width).panes(["left", "right"], &long, &long);
            assert!(shown.lines().all(|row| row.chars().count() <= width), "{width}\n{shown}");
        }
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let left = [vec![Line::new(Ink::Markup, "abc")]];
        let right = [vec![Line::labelled("id", Ink::Good, "x")]];
        let plain = screen(90).panes(["L", "R"], &left, &right);
        let mut painted = Screen { width: 90, colours: Colours::Ansi }.panes(["L", "R"], &left, &right);
        assert_ne!(plain, painted);
        for code in ["0", "1", "2", "32", "33"] {
            painted = painted.replace(&format!("\x1b[{code}m"), "");
        }
        let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(trimmed(&painted), trimmed(&plain));
    }
}
