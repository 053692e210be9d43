//! Misspelt delimiter: a delimiter of several letters, as a model may misspell it: one letter is missing, doubled, put
//! in or another. Compares letters; what stands around a misspelt delimiter decides elsewhere whether it is one.

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

/// The slip stands where the two differ first, or before that where letters repeat. From `first_added` on it may be a
/// letter that is put in or another.
fn likeness(text: &str, delimiter: &str, first_added: usize) -> Likeness {
    if delimiter.chars().nth(LETTERS_MIN - 1).is_none() || text.is_empty() {
        return Likeness::Unlike;
    }
    match delimiter.strip_prefix(text) {
        // Too little of it to be one that lacks a letter.
        Some(rest) if rest.chars().nth(1).is_some() => return Likeness::Begun,
        _ => {}
    }
    let (mut text, mut best) = (text.chars(), compare(text, delimiter));
    for (at, (start, letter)) in delimiter.char_indices().enumerate() {
        let (_, from) = delimiter.split_at_checked(start).unwrap_or_default();
        let behind = from.get(letter.len_utf8()..).unwrap_or_default();
        best = best.or(compare(text.as_str(), behind));
        let next = text.next();
        if at >= first_added && next.is_none_or(|c| c.is_ascii_punctuation() || c.is_ascii_whitespace()) {
            best = best.or(compare(text.as_str(), from));
            if !behind.is_empty() {
                best = best.or(compare(text.as_str(), behind));
            }
        }
        if next != Some(letter) {
            break;
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

fn compare(text: &str, pattern: &str) -> Likeness {
    match pattern.strip_prefix(text) {
        Some("") => Likeness::Whole,
        Some(_) => Likeness::Begun,
        None => Likeness::Unlike,
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
