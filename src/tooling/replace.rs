//! An edit: one text of a file replaced by another, on bytes, so that what it does not touch stays as it is.
//! Reads and writes no file.

use memchr::memmem::Finder;

use super::outcome::Failure;

/// What is to be replaced by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub old: String,
    pub new: String,
    pub which: Occurrences,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrences {
    /// The only one there is.
    One,
    All,
}

impl Replacement {
    /// Fails when nothing could come of it in any file.
    pub fn check(&self) -> Result<(), Failure> {
        match (self.old.as_str(), self.new.as_str()) {
            ("", _) => Err(Failure::EmptyOld),
            (old, new) if old == new => Err(Failure::Same),
            _ => Ok(()),
        }
    }

    /// The file's new bytes, at most `most`, and how often something was replaced in them.
    pub fn apply(&self, file: &[u8], most: usize) -> Result<(Vec<u8>, usize), Failure> {
        self.check()?;
        // Models write `\n`, and in such a file it can only mean what all its lines end with.
        let (old, new) = match has_crlf_alone(file) {
            true => (with_crlf(&self.old), with_crlf(&self.new)),
            false => (self.old.clone(), self.new.clone()),
        };
        if old == new {
            return Err(Failure::Same);
        }
        let places: Vec<usize> = Finder::new(&old).find_iter(file).collect();
        match (places.len(), self.which) {
            (0, _) => return Err(Failure::OldNotFound),
            (2.., Occurrences::One) => return Err(Failure::OldNotUnique(places.len())),
            _ => {}
        }
        // Known before it is built: a long text in many places could be more than the machine has.
        let bytes = (file.len() - places.len() * old.len()).saturating_add(places.len().saturating_mul(new.len()));
        if bytes > most {
            return Err(Failure::TooLarge { bytes, most });
        }
        let mut out = Vec::with_capacity(bytes);
        let mut copied = 0;
        for at in &places {
            out.extend(file.get(copied..*at).unwrap_or_default());
            out.extend(new.as_bytes());
            copied = at + old.len();
        }
        out.extend(file.get(copied..).unwrap_or_default());
        debug_assert_eq!(out.len(), bytes);
        Ok((out, places.len()))
    }
}

/// Whether there are lines that end, and all of them with CRLF.
fn has_crlf_alone(file: &[u8]) -> bool {
    let mut ends = memchr::memchr_iter(b'\n', file).peekable();
    ends.peek().is_some() && ends.all(|at| at.checked_sub(1).and_then(|at| file.get(at)) == Some(&b'\r'))
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(file: &[u8], old: &str, new: &str, which: Occurrences) -> Result<(Vec<u8>, usize), Failure> {
        Replacement { old: old.to_owned(), new: new.to_owned(), which }.apply(file, 40)
    }

    #[test]
    fn what_is_not_touched_stays() {
        for (file, old, new, which, expected, times) in [
            (&b"foo bar foo"[..], "bar", "BAZ", Occurrences::One, &b"foo BAZ foo"[..], 1),
            (b"foo bar foo", "foo", "", Occurrences::All, b" bar ", 2),
            (b"caf\xe9 c\n", "caf", "CAF", Occurrences::One, b"CAF\xe9 c\n", 1),
            (b"a\r\nb\r\nc", "a\nb", "x\ny\nz", Occurrences::One, b"x\r\ny\r\nz\r\nc", 1),
            (b"a\r\nb\r\nc", "a\r\nb", "x\r\n", Occurrences::One, b"x\r\n\r\nc", 1),
            (b"a\r\nb\nc", "b\n", "x\n", Occurrences::One, b"a\r\nx\nc", 1),
            (b"a  \nb", "a  \n", "a\n", Occurrences::One, b"a\nb", 1),
            (b"aaa", "aa", "b", Occurrences::All, b"ba", 1),
        ] {
            assert_eq!(replace(file, old, new, which), Ok((expected.to_vec(), times)), "{old:?} in {file:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (file, old, new, expected) in [
            (&b"foo bar foo"[..], "foo", "x", Failure::OldNotUnique(2)),
            (b"a\r\nb\nc\r\n", "a\nb", "x", Failure::OldNotFound),
            (b"a", "", "x", Failure::EmptyOld),
            (b"a", "a", "a", Failure::Same),
            (b"a\r\n", "a\r\n", "a\n", Failure::Same),
        ] {
            assert_eq!(replace(file, old, new, Occurrences::One), Err(expected), "{old:?} in {file:?}");
        }
        let many = replace(&b"a".repeat(39), "a", &"b".repeat(1 << 20), Occurrences::All);
        assert_eq!(many, Err(Failure::TooLarge { bytes: 39 << 20, most: 40 }));
    }
}
