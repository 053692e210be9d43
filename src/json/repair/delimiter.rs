//! A delimiter of several letters, as a model may misspell it: one letter is missing, doubled, put in or another.
//! Compares letters; what stands around a misspelt delimiter decides elsewhere whether it is one.

/// How a text compares to a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is the delimiter, or one letter from it.
    Whole,
    /// More letters may make it one.
    Begun,
    Unlike,
}

/// Shorter delimiters resemble too much.
const LETTERS_MIN: usize = 4;

/// Compares the inside of `text`: a letter before the delimiter, or behind it, is none of its own.
pub(super) fn closing(text: &str, delimiter: &str) -> Likeness {
    likeness(text, delimiter, 1)
}

/// The same where a value begins, so that a letter before it can only be one too many.
pub(super) fn opening(text: &str, delimiter: &str) -> Likeness {
    likeness(text, delimiter, 0)
}

fn likeness(text: &str, delimiter: &str, first_added: usize) -> Likeness {
    let letters = delimiter.chars().count();
    if letters < LETTERS_MIN || text.is_empty() {
        return Likeness::Unlike;
    }
    let mut best = compare(text.chars(), delimiter.chars().map(Some));
    for at in 0..letters {
        let kept = || delimiter.chars().take(at).map(Some);
        let rest = |from: usize| delimiter.chars().skip(from).map(Some);
        best = best.or(compare(text.chars(), kept().chain(rest(at + 1))));
        if at >= first_added && at + 1 < letters {
            best = best.or(compare(text.chars(), kept().chain([None]).chain(rest(at + 1))));
        }
        if at >= first_added {
            best = best.or(compare(text.chars(), kept().chain([None]).chain(rest(at))));
        }
    }
    best
}

impl Likeness {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (Self::Begun, _) | (_, Self::Begun) => Self::Begun,
            _ => Self::Unlike,
        }
    }
}

/// Compares with a pattern in which `None` is any letter that markup may hold.
fn compare(mut text: impl Iterator<Item = char>, mut pattern: impl Iterator<Item = Option<char>>) -> Likeness {
    loop {
        match (text.next(), pattern.next()) {
            (None, None) => return Likeness::Whole,
            (None, Some(_)) => return Likeness::Begun,
            (Some(_), None) => return Likeness::Unlike,
            (Some(c), Some(Some(expected))) if c == expected => {}
            (Some(c), Some(None)) if c.is_ascii_punctuation() || c.is_ascii_whitespace() => {}
            _ => return Likeness::Unlike,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_makes_no_other_delimiter() {
        let quote = "<|\"|>";
        for whole in
            ["<|\"|>", "|\"|>", "<\"|>", "<||>", "<|\">", "<|\"|", "<<|\"|>", "<||\"|>", "<|\"|>>", "<;\"|>", "<|'|>"]
        {
            assert_eq!(closing(whole, quote), Likeness::Whole, "{whole}");
        }
        for begun in ["<", "|", "<|", "|\"", "<;", "<|\"|;"] {
            assert_eq!(closing(begun, quote), Likeness::Begun, "{begun}");
        }
        for unlike in ["", "a", "<a", "<|\"|a", "\"|>", "|>", "<||a"] {
            assert_eq!(closing(unlike, quote), Likeness::Unlike, "{unlike}");
        }
        for whole in ["'<|\"|>", "'|\"|>"] {
            assert_eq!(opening(whole, quote), Likeness::Whole);
            assert_eq!(closing(whole, quote), Likeness::Unlike);
        }
        assert_eq!(closing("'''", "'''"), Likeness::Unlike);
    }
}
