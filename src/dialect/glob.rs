//! Globs over names of models: `*`, `?`, without regard to case.
//! Knows no paths, no classes and no escapes; a model's name has no use for them.

use std::fmt;

/// A pattern in which `*` stands for any run of characters and `?` for any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    written: String,
    lower: String,
}

impl Glob {
    pub fn new(pattern: &str) -> Self {
        Self { written: pattern.to_owned(), lower: pattern.to_lowercase() }
    }

    /// The one name that it matches, when it is a plain name.
    pub fn literal(&self) -> Option<&str> {
        (!self.written.contains(['*', '?'])).then_some(&self.written)
    }

    /// Whether the whole of `name` matches.
    ///
    /// A `*` that failed is tried again only from the last one seen, so the time is at most the product of the lengths.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let (mut pattern, mut rest) = (self.lower.chars(), name.chars());
        let mut retry = None;
        loop {
            let here = rest.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    rest = here.clone();
                    retry = Some((pattern.clone(), here));
                }
                (Some('?'), Some(_)) => {}
                (Some(p), Some(c)) if p == c => {}
                _ => {
                    let Some((after_star, mut from)) = retry.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = from.clone();
                    retry = Some((after_star, from));
                }
            }
        }
    }
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
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern:?} against {name:?}");
        }
    }

    #[test]
    fn a_plain_name_is_known_as_written() {
        assert_eq!(
            ["Qwen3", "a*", "a?"].map(|p| Glob::new(p).literal().map(str::to_owned)),
            [Some("Qwen3".into()), None, None]
        );
        assert_eq!(Glob::new("Qwen*").to_string(), "Qwen*");
    }

    #[test]
    fn many_stars_stay_cheap() {
        assert!(!Glob::new(&"*a".repeat(200)).matches(&"b".repeat(20_000)));
    }
}
