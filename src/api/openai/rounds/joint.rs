//! Joint between the texts of two rounds: a blank line, or what is missing of one.
//! A line break at which a text may go on to begin with one is held until that is decided.

/// What stands at the end of the text so far, and what is held of the next.
#[derive(Debug, Default)]
pub(super) struct Joint {
    /// Line breaks at the end of all text so far; `None` while there is no text.
    tail: Option<usize>,
    /// Whether the round that runs has text that was shown.
    has_begun: bool,
    /// The line breaks with which its text begins, while it is not known what follows them.
    held: String,
}

/// What the client gets of a piece of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing yet.
    Held,
    AsItCame,
    /// This before it.
    Behind(String),
}

/// What stands between two texts.
const BLANK_LINE: &str = "\n\n";

impl Joint {
    /// Another round begins.
    pub fn begin(&mut self) {
        self.has_begun = false;
    }

    /// Takes a piece of text that is not empty.
    pub fn take(&mut self, piece: &str) -> Shown {
        if self.has_begun || self.tail.is_none() {
            self.has_begun = true;
            self.note(piece);
            return Shown::AsItCame;
        }
        let before = self.tail.unwrap_or_default() + self.held.len();
        let breaks = piece.bytes().take_while(|byte| *byte == b'\n').count();
        if before + breaks < BLANK_LINE.len() && breaks == piece.len() {
            self.held.push_str(piece);
            return Shown::Held;
        }
        let mut held = std::mem::take(&mut self.held);
        let missing = BLANK_LINE.get(before + breaks..).unwrap_or_default();
        held.insert_str(0, missing);
        self.has_begun = true;
        self.note(piece);
        if held.is_empty() { Shown::AsItCame } else { Shown::Behind(held) }
    }

    /// No more text follows in this round: what was held of it.
    pub fn release(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.note(&held);
        }
        held
    }

    fn note(&mut self, piece: &str) {
        let breaks = piece.bytes().rev().take_while(|byte| *byte == b'\n').count();
        let before = if breaks == piece.len() { self.tail.unwrap_or_default() } else { 0 };
        self.tail = Some(before + breaks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client gets of rounds whose text comes in such pieces.
    fn joined(rounds: &[&[&str]]) -> String {
        let mut joint = Joint::default();
        let mut out = String::new();
        for round in rounds {
            joint.begin();
            for piece in *round {
                match joint.take(piece) {
                    Shown::Held => continue,
                    Shown::AsItCame => {}
                    Shown::Behind(before) => out.push_str(&before),
                }
                out.push_str(piece);
            }
            out.push_str(&joint.release());
        }
        out
    }

    #[test]
    fn between_two_texts_stands_a_blank_line_however_they_come() {
        let table: &[(&[&[&str]], &str)] = &[
            (&[&["a"], &["b"]], "a\n\nb"),
            (&[&["a", "b"], &[], &["c"]], "ab\n\nc"),
            (&[&[], &["b"]], "b"),
            (&[&["a\n\n"], &["b"]], "a\n\nb"),
            (&[&["a\n", "\n"], &["b"]], "a\n\nb"),
            (&[&["a"], &["\n\nb"]], "a\n\nb"),
            (&[&["a"], &["\n", "\n", "b"]], "a\n\nb"),
            (&[&["a\n"], &["\nb"]], "a\n\nb"),
            (&[&["a\n"], &["\n", "b"]], "a\n\nb"),
            (&[&["a"], &["\nb"]], "a\n\nb"),
            (&[&["a"], &["\n", "b"]], "a\n\nb"),
            (&[&["a"], &["\n"]], "a\n"),
            (&[&["a\n"], &["b"]], "a\n\nb"),
            (&[&["a"], &["\n"], &["b"]], "a\n\nb"),
            (&[&["a"], &["b"], &["c"]], "a\n\nb\n\nc"),
        ];
        for (rounds, expected) in table {
            assert_eq!(joined(rounds), *expected, "{rounds:?}");
        }
    }
}
