//! Globs over paths, with limits: for files that are to be found, and for names that are to be shown.
//! Walks nothing. Matching takes time that grows with the path alone.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher, GlobSet};

use super::outcome::Failure;

/// Which files are meant, by their whole path beneath a directory.
#[derive(Debug)]
pub struct PathGlob {
    path: GlobMatcher,
    /// Its parts that begin with a dot: only they admit names that do.
    dots: GlobSet,
}

/// Which entries are meant: by their name, or by the end of their path where the pattern has a `/`.
#[derive(Debug)]
pub struct NameGlob {
    matcher: GlobMatcher,
    is_name: bool,
}

/// Bytes of a pattern; what is compiled grows with it.
const PATTERN_BYTES_MAX: usize = 4_096;

impl PathGlob {
    /// Fails when it is no glob, or too long a one.
    pub fn new(pattern: &str) -> Result<Self, Failure> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let path = compile(pattern)?;
        let parts = pattern.split(['/', '{', '}', ',']).filter(|part| part.starts_with('.'));
        // A part that is no glob by itself stands in brackets, where it begins no name.
        let parts = parts.filter_map(|part| builder(part).build().ok());
        let dots = GlobSet::new(parts).map_err(|error| Failure::Glob(error.kind().to_string()))?;
        Ok(Self { path, dots })
    }

    /// Whether a file is meant. The path counts from the directory that is looked in.
    pub fn matches(&self, path: &Path) -> bool {
        self.path.is_match(path)
    }

    /// Whether an entry of this name may be looked at: one that begins with a dot only where the pattern does.
    pub fn admits(&self, name: &Path) -> bool {
        !is_hidden(name) || self.dots.is_match(name)
    }
}

impl NameGlob {
    /// Fails when it is no glob, or too long a one.
    pub fn new(pattern: &str) -> Result<Self, Failure> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let is_name = !pattern.contains('/');
        let matcher = if is_name { compile(pattern)? } else { compile(&format!("**/{pattern}"))? };
        Ok(Self { matcher, is_name })
    }

    /// Whether the entry of this path is meant.
    pub fn matches(&self, path: &Path) -> bool {
        match path.file_name() {
            Some(name) if self.is_name => self.matcher.is_match(name),
            _ => self.matcher.is_match(path),
        }
    }
}

/// Whether a name is one that listings for people leave out.
pub fn is_hidden(name: &Path) -> bool {
    name.as_os_str().as_encoded_bytes().starts_with(b".")
}

fn compile(pattern: &str) -> Result<GlobMatcher, Failure> {
    if pattern.len() > PATTERN_BYTES_MAX {
        let what = format!("it is {} bytes; at most {PATTERN_BYTES_MAX} are allowed", pattern.len());
        return Err(Failure::Glob(what));
    }
    let glob = builder(pattern).build().map_err(|error| Failure::Glob(error.kind().to_string()))?;
    // The set says what is wrong where a matcher would panic: it compiles the same expression.
    GlobSet::new([glob.clone()]).map_err(|error| Failure::Glob(error.kind().to_string()))?;
    Ok(glob.compile_matcher())
}

pub(super) fn builder(pattern: &str) -> GlobBuilder<'_> {
    let mut builder = GlobBuilder::new(pattern);
    builder.literal_separator(true).empty_alternates(true);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_matched_whole() {
        for (pattern, path, expected) in [
            ("*.py", "a.py", true),
            ("*.py", "sub/a.py", false),
            ("./*.py", "a.py", true),
            ("**/*.py", "a.py", true),
            ("**/*.py", "sub/c/a.py", true),
            ("sub/**", "sub/c/a.py", true),
            ("**/*.{rs,txt}", "sub/e.rs", true),
            ("*{,.bak}", "a", true),
            ("[a-c].t", "b.t", true),
            ("../outside/*", "outside/x", false),
        ] {
            assert_eq!(PathGlob::new(pattern).unwrap().matches(Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn hidden_names_are_admitted_where_the_pattern_is_hidden() {
        for (pattern, name, expected) in [
            ("**/*.py", ".hid", false),
            ("**/*.py", "a.py", true),
            (".*", ".env", true),
            (".github/**/*.yml", ".github", true),
            (".github/**/*.yml", ".git", false),
            ("**/.env", ".env", true),
            ("{src,.cargo}/*", ".cargo", true),
            ("*.{ts,tsx}", ".ts", false),
        ] {
            assert_eq!(PathGlob::new(pattern).unwrap().admits(Path::new(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn names_are_matched_anywhere() {
        for (pattern, path, expected) in [
            ("*.rs", "a/b/c.rs", true),
            ("b/*.rs", "a/b/c.rs", true),
            ("b/*.rs", "a/b/d/c.rs", false),
            ("a/**", "a/b/c.rs", true),
            ("../outside/*", "a/outside/b", false),
        ] {
            assert_eq!(NameGlob::new(pattern).unwrap().matches(Path::new(path)), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_glob_or_too_long_is_refused() {
        for pattern in ["a[", "{a", "a}", &"a".repeat(5_000)] {
            assert!(PathGlob::new(pattern).unwrap_err().to_string().starts_with("Invalid glob pattern: "), "{pattern}");
        }
        // Whatever fits is compiled, or refused in so many words.
        for pattern in
            ["{a,b}".repeat(800), "{".repeat(2_000) + &"}".repeat(2_000), "?".repeat(4_000), "**/".repeat(1_300)]
        {
            if let Err(failure) = PathGlob::new(&pattern) {
                assert!(failure.to_string().starts_with("Invalid glob pattern: "));
            }
        }
    }
}
