//! The sources as text: which files there are, and what of them is code.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    /// From the package's root, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: String, text: String) -> Self {
        Self { path, text }
    }

    /// The path of its module from the crate's root; `lib.rs` and `main.rs` have none.
    pub fn names(&self) -> Vec<String> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let names = inside.split('/').filter(|name| !["lib", "main"].contains(name));
        names.map(str::to_owned).collect()
    }

    /// The module of the crate's root that the file belongs to.
    pub fn module(&self) -> Option<String> {
        self.names().into_iter().next()
    }

    pub fn is_in(&self, module: &str) -> bool {
        self.module().as_deref() == Some(module)
    }

    /// How many lines come before test code: a file of tests is all test code, and inside a file tests come last.
    pub fn code_lines(&self) -> usize {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return 0;
        }
        let inline = self.text.find("\n#[cfg(test)]\nmod tests {");
        inline.map_or(usize::MAX, |at| self.text[..at].lines().count())
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    Source::new(path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"), text)
}

/// What becomes of strings and characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Literals {
    Keep,
    Drop,
}

/// The source without comments; lines stay where they are.
pub fn code(source: &str, literals: Literals) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' if out.ends_with(|c: char| !c.is_alphanumeric() && c != '_') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if skip == 0 || (c != '/' && literals == Literals::Keep) {
            let kept = skip.max(c.len_utf8());
            out.push_str(&rest[..kept]);
            rest = &rest[kept..];
        } else {
            out.push(' ');
            out.extend(rest[..skip].chars().filter(|c| *c == '\n'));
            rest = &rest[skip..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string; 0 when `r` begins a name.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let Some(body) = text[1 + hashes..].strip_prefix('"') else { return 0 };
    let close = format!("\"{}", "#".repeat(hashes));
    body.find(&close).map_or(text.len(), |at| 2 + hashes + at + close.len())
}

/// The length of a character; 0 when the quote begins a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}
