//! Configuration errors: what is wrong, and where; every mistake, each with a way out.
//! Finds none itself; `tree` and `read` do.

use std::fmt;

/// A place in a file, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or the option of the command line.
    pub file: String,
    /// None when all of the file is meant.
    pub place: Option<Place>,
    pub what: String,
    /// The way out.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {} ({})", self.what, self.hint)
    }
}

/// Everything that is wrong with a configuration, in the order of the file; one line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigErrors(pub Vec<Mistake>);

impl ConfigErrors {
    /// Those of `file` first.
    pub(super) fn sorted(mut mistakes: Vec<Mistake>, file: &str) -> Self {
        let key = |mistake: &Mistake| (mistake.file != file, mistake.file.clone(), mistake.place);
        mistakes.sort_by_key(key);
        Self(mistakes)
    }

    fn lines(&self) -> String {
        self.0.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
    }
}

/// The hint for a word that is none of `known`: the one it was probably meant to be, else all of them.
pub(super) fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let closest = known.clone().map(|k| (distance(&word.to_lowercase(), k), k)).min();
    match closest {
        Some((distance, meant)) if distance <= 1.max(word.chars().count() / 3) => format!("did you mean `{meant}`?"),
        _ => format!("known: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// Edits (insert, delete, replace) that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut last = i + 1;
        let mut next = vec![last];
        for ((b, &diagonal), &above) in to.chars().zip(&row).zip(row.iter().skip(1)) {
            last = (diagonal + usize::from(a != b)).min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "", 2),
            ("peer", "peers", 1),
            ("lsiten", "listen", 2),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_near_word_is_suggested_and_else_all_are_listed() {
        let known = ["listen", "pools"];
        assert_eq!(suggest("lsiten", known.into_iter()), "did you mean `listen`?");
        assert_eq!(suggest("POOLS", known.into_iter()), "did you mean `pools`?");
        assert_eq!(suggest("upstreams", known.into_iter()), "known: listen, pools");
    }
}
