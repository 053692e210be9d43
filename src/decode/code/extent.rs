//! Extent of Python source: what of it stands in brackets, strings and comments. Keeps no text, and needs no sound code.

/// Where in its source the text stands.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// Brackets that are open.
    depth: usize,
    inside: Inside,
    /// A backslash stands before the next character, outside of strings.
    continued: bool,
}

/// What the next character stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Code,
    Comment,
    /// Behind a quote that opens a string, and behind two.
    Opening(char),
    Opened(char),
    /// In a string; `closing` quotes were read of those that close it.
    Text {
        quote: char,
        long: bool,
        escaped: bool,
        closing: usize,
    },
}

/// What one character is to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It stands in a string, a comment or a bracket, or is one of these.
    Inside,
    /// It stands outside of all.
    Outside,
    /// It closes a bracket that was not opened here, or the fence: no code has a backtick.
    Closer,
}

impl Extent {
    /// Takes one character.
    pub(super) fn push(&mut self, c: char) -> Part {
        match &mut self.inside {
            Inside::Comment if c != '\n' => return Part::Inside,
            Inside::Opening(quote) if c == *quote => {
                self.inside = Inside::Opened(c);
                return Part::Inside;
            }
            Inside::Opening(quote) => {
                self.inside = Inside::Text { quote: *quote, long: false, escaped: false, closing: 0 };
                return self.push(c);
            }
            Inside::Opened(quote) if c == *quote => {
                self.inside = Inside::Text { quote: c, long: true, escaped: false, closing: 0 };
                return Part::Inside;
            }
            Inside::Text { quote, long, escaped, closing } => {
                let was_escaped = std::mem::take(escaped);
                *escaped = c == '\\' && !was_escaped;
                *closing = if c == *quote && !was_escaped { *closing + 1 } else { 0 };
                // A line's end closes a string that is not made for several.
                let is_cut = c == '\n' && !*long && !was_escaped;
                if is_cut || *closing == if *long { 3 } else { 1 } {
                    self.inside = Inside::Code;
                }
                if !is_cut {
                    return Part::Inside;
                }
            }
            Inside::Comment | Inside::Opened(_) | Inside::Code => self.inside = Inside::Code,
        }
        self.code(c)
    }

    fn code(&mut self, c: char) -> Part {
        let continued = std::mem::take(&mut self.continued);
        match c {
            '\'' | '"' => self.inside = Inside::Opening(c),
            '#' => self.inside = Inside::Comment,
            '\\' => self.continued = true,
            '(' | '[' | '{' => self.depth += 1,
            '`' => return Part::Closer,
            ')' | ']' | '}' if self.depth == 0 => return Part::Closer,
            ')' | ']' | '}' => self.depth -= 1,
            _ if self.depth == 0 && !continued => return Part::Outside,
            _ => {}
        }
        Part::Inside
    }

    /// Whether nothing is open: the next character is code, and in no bracket.
    pub(super) fn is_outside(&self) -> bool {
        self.depth == 0 && matches!(self.inside, Inside::Code | Inside::Opened(_))
    }

    /// Whether the text stands in a comment.
    pub(super) fn is_comment(&self) -> bool {
        self.inside == Inside::Comment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_ends_outside_of_brackets_strings_and_comments() {
        // Where the first comma, colon or line's end stands outside, or the first closer.
        for (source, expected) in [
            ("a,b", ","),
            ("[1,2],b", ","),
            ("'a,b',c", ","),
            ("'',c", ","),
            ("'''a,'b\n''c''',d", ","),
            ("'a\\',b',c", ","),
            ("r'a\\\\',c", ","),
            ("{'a': [1, (2)]})x", ")"),
            ("a # b, c)\n,", "\n"),
            ("[a, '`' # `\n```", "`"),
            ("[a # ]\n]\n", "\n"),
            ("a \\\n b\n", "\n"),
            ("'unclosed\n,", "\n"),
            ("'joined \\\n line',b", ","),
            ("\"\"\"a\"\"\"\"\"\"b\"\"\",c", ","),
        ] {
            let mut extent = Extent::default();
            let found = source.chars().find(|&c| match extent.push(c) {
                Part::Inside => false,
                Part::Outside => matches!(c, ',' | ':' | '\n'),
                Part::Closer => true,
            });
            assert_eq!(found.map(String::from).as_deref(), Some(expected), "{source}");
        }
    }
}
