//! Line position: where on its line, and in which code fence, the text stands that was shown so far.
//! Keeps no text; knows Markdown's fences and code spans, and nothing else of it.

/// What was shown, as far as a call's opener needs to know.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Line,
    /// The open fence: its character and its length.
    fence: Option<(char, usize)>,
    last: Option<char>,
    /// A marker that opens calls stands on this line, and led to none.
    is_marked: bool,
}

/// What stands on the current line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So much whitespace.
    Blank(usize),
    /// A row of so many fence characters behind whitespace, and whether more than whitespace follows it.
    Row(char, usize, After),
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    Info,
}

/// More whitespace makes a code block of a line.
const INDENT_MAX: usize = 3;
/// So many characters make a fence.
const FENCE_MIN: usize = 3;

impl Default for Line {
    fn default() -> Self {
        Self::Blank(0)
    }
}

impl Lines {
    /// More text was shown.
    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        self.last = text.chars().next_back().or(self.last);
        // Most of a text is behind the characters of its line that matter.
        if !matches!(self.line, Line::Text) || text.as_bytes().contains(&b'\n') {
            self.read(text.as_bytes());
        }
    }

    fn read(&mut self, mut rest: &[u8]) {
        loop {
            while self.line != Line::Text
                && let Some((&byte, tail)) = rest.split_first()
                && byte != b'\n'
            {
                // Those that matter are ASCII.
                self.character(char::from(byte));
                rest = tail;
            }
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return };
            rest = rest.get(end + 1..).unwrap_or_default();
            self.end_line();
        }
    }

    fn character(&mut self, c: char) {
        self.line = match self.line {
            Line::Blank(width) if c == ' ' => Line::Blank(width + 1),
            Line::Blank(_) if c.is_ascii_whitespace() => Line::Blank(INDENT_MAX + 1),
            Line::Blank(width) if width <= INDENT_MAX && matches!(c, '`' | '~') => Line::Row(c, 1, After::Nothing),
            Line::Row(of, len, After::Nothing) if of == c => Line::Row(of, len + 1, After::Nothing),
            Line::Row(of, len, after) if len >= FENCE_MIN && !(of == '`' && c == '`') => {
                let after = if c.is_ascii_whitespace() { after } else { After::Info };
                Line::Row(of, len, after)
            }
            _ => Line::Text,
        };
    }

    fn end_line(&mut self) {
        if let Line::Row(of, len, after) = self.line {
            match self.fence {
                None if len >= FENCE_MIN => self.fence = Some((of, len)),
                Some((c, opened)) if c == of && len >= opened && after == After::Nothing => self.fence = None,
                _ => {}
            }
        }
        self.line = Line::default();
        self.is_marked = false;
    }

    /// What was shown last is a marker that opens calls.
    pub(super) fn mark(&mut self) {
        self.is_marked = true;
    }

    /// Whether such a marker stands on this line.
    pub(super) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Whether the next text begins a line.
    pub(super) fn at_line(&self) -> bool {
        matches!(self.line, Line::Blank(width) if width <= INDENT_MAX)
    }

    /// Whether a code fence is open.
    pub(super) fn in_fence(&self) -> bool {
        self.fence.is_some()
    }

    /// Whether the next text would go on with a word.
    pub(super) fn in_word(&self) -> bool {
        self.last.is_some_and(|c| c == '_' || c.is_alphanumeric())
    }

    /// Whether a code span opens right here: behind backticks that are no fence's.
    pub(super) fn in_span(&self) -> bool {
        let is_apart = |line| line == Line::Text || matches!(line, Line::Row(_, len, _) if len < FENCE_MIN);
        self.last == Some('`') && is_apart(self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fences_words_and_spans() {
        // What was shown: whether it is at a line's start, in a fence, in a word, in a code span.
        for (text, expected) in [
            ("", "line"),
            ("a", "word"),
            ("a ", ""),
            ("a\n", "line"),
            ("a\n  ", "line"),
            ("a\n    ", ""),
            ("a\n\t", ""),
            ("x `", "span"),
            ("`", "span"),
            ("\n``", "span"),
            ("```", ""),
            ("a\n```\n", "line fence"),
            ("a\n```rust\nb", "fence word"),
            ("```\na\n```\n", "line"),
            ("```\na\n``` b\n", "line fence"),
            ("````\na\n```\n", "line fence"),
            ("~~~\n```\n~~~\n", "line"),
            ("``` a ``` b\n", "line"),
            ("see ```\n", "line"),
            ("``\n", "line"),
        ] {
            for cut in (0..=text.len()).filter(|&at| text.is_char_boundary(at)) {
                let mut lines = Lines::default();
                lines.push(&text[..cut]);
                lines.push(&text[cut..]);
                let found = [
                    (lines.at_line(), "line"),
                    (lines.in_fence(), "fence"),
                    (lines.in_word(), "word"),
                    (lines.in_span(), "span"),
                ];
                let found: Vec<_> = found.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
                assert_eq!(found.join(" "), expected, "{text:?} cut at {cut}");
            }
        }
    }
}
