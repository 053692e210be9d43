//! Globs over names of models: `*`, `?` and `[0-9]`, without regard to case.
//! Knows no paths and no escapes; a model's name has no use for them.

use std::fmt;

/// A pattern in which `*` stands for any run of characters, `?` for any one, and `[a-z]` for one of a range or of
/// several: `[4-9]`, `[xyz]`. A bracket that is not closed is a bracket.
#[derive(Clone, Debug)]
pub struct Glob {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Run,
    Any,
    One(char),
    /// One of these ranges, ends included.
    Among(Vec<(char, char)>),
}

/// The same when they match the same because they are written the same, without regard to case.
impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Glob {}

impl Glob {
    /// Reads a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        let lower = pattern.to_lowercase();
        let mut parts = vec![];
        let mut rest = lower.as_str();
        while let Some(first) = rest.chars().next() {
            let (part, tail) = match first {
                '*' => (Part::Run, None),
                '?' => (Part::Any, None),
                '[' => {
                    rest.strip_prefix('[').and_then(among).map_or((Part::One('['), None), |(part, t)| (part, Some(t)))
                }
                other => (Part::One(other), None),
            };
            parts.push(part);
            rest = tail.unwrap_or_else(|| rest.strip_prefix(first).unwrap_or_default());
        }
        Self { written: pattern.to_owned(), parts }
    }

    /// The one name that it matches, when it is a plain name.
    pub fn literal(&self) -> Option<&str> {
        self.parts.iter().all(|part| matches!(part, Part::One(_))).then_some(&self.written)
    }

    /// Whether the whole of `name` matches.
    ///
    /// A `*` that failed is tried again only from the last one seen, so the time is at most the product of the lengths.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let (mut parts, mut rest) = (self.parts.iter(), name.chars());
        let mut retry = None;
        loop {
            let here = rest.clone();
            match (parts.next(), rest.next()) {
                (None, None) => return true,
                (Some(Part::Run), _) => {
                    rest = here.clone();
                    retry = Some((parts.clone(), here));
                }
                (Some(part), Some(c)) if part.is(c) => {}
                _ => {
                    let Some((after_run, mut from)) = retry.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    parts = after_run.clone();
                    rest = from.clone();
                    retry = Some((after_run, from));
                }
            }
        }
    }
}

impl Part {
    /// Whether it stands for this one character.
    fn is(&self, c: char) -> bool {
        match self {
            Self::Run => false,
            Self::Any => true,
            Self::One(one) => *one == c,
            Self::Among(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)),
        }
    }
}

/// What stands between brackets, and what follows them.
fn among(text: &str) -> Option<(Part, &str)> {
    let (inside, tail) = text.split_once(']')?;
    let mut ranges = vec![];
    let mut chars = inside.chars();
    while let Some(from) = chars.next() {
        let mut ahead = chars.clone();
        let to = (ahead.next() == Some('-')).then(|| ahead.next()).flatten();
        if to.is_some() {
            chars = ahead;
        }
        ranges.push((from, to.unwrap_or(from)));
    }
    (!ranges.is_empty()).then_some((Part::Among(ranges), tail))
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn matches_whole_names_without_regard_to_case() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("qwen*", "Qwen3-Coder", true),
            ("QWEN*", "qwen", true),
            ("qwen*", "my-qwen", false),
            ("*coder*", "Qwen3-Coder-30B", true),
            ("*-30b", "qwen3-coder-30B", true),
            ("*-30b", "qwen3-coder-30B-q4", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ababab", true),
            ("*ab*ab", "ab", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("**", "x", true),
            ("v[0-9]", "v7", true),
            ("v[0-9]", "vx", false),
            ("v[0-9]", "v", false),
            ("*v[2-48x]*", "my-v8-b", true),
            ("*v[2-48x]*", "my-v5-X", false),
            ("*v[2-48x]*", "V1-V3", true),
            ("[A-C]", "b", true),
            ("[-a]", "-", true),
            ("[a-]", "-", true),
            ("a[b", "a[b", true),
            ("a[]b", "a[]b", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern:?} against {name:?}");
        }
    }

    #[test]
    fn a_plain_name_is_known_as_written() {
        assert_eq!(
            ["Qwen3", "a[", "a*", "a?", "a[b]"].map(|p| Glob::new(p).literal().map(str::to_owned)),
            [Some("Qwen3".into()), Some("a[".into()), None, None, None]
        );
        assert_eq!(Glob::new("Qwen*").to_string(), "Qwen*");
    }

    #[test]
    fn many_stars_stay_cheap() {
        assert!(!Glob::new(&"*a".repeat(200)).matches(&"b".repeat(20_000)));
    }
}
