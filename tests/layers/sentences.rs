//! What a public function gives, and what it fails with, is said in a sentence above it.

use super::source::{Literals, Source, code, sources};

#[test]
fn every_public_function_has_a_sentence() {
    let sources = sources();
    let problems = sources.iter().flat_map(|source| {
        let path = &source.path;
        silent(source).into_iter().map(move |(line, name)| format!("{path}:{line}: `{name}` has no sentence above it"))
    });
    super::report(&problems.collect::<Vec<_>>());
}

#[test]
fn a_sentence_stands_right_above_its_function() {
    let cases: [(&str, &[&str]); 12] = [
        ("pub fn f() {}", &["f"]),
        ("pub const fn f() {}\npub async fn g() {}\n    pub fn h<T>() {}", &["f", "g", "h"]),
        ("/// It is so.\npub fn f() {}", &[]),
        ("/// It is so.\n#[must_use]\n#[expect(\n    dead_code,\n    reason = \"it is\"\n)]\npub fn f() {}", &[]),
        ("/// It is so.\n// And why.\npub fn f() {}", &[]),
        ("// It is so.\npub fn f() {}", &["f"]),
        ("///\npub fn f() {}", &["f"]),
        ("/// It is so.\n\npub fn f() {}", &["f"]),
        ("/// It is so.\npub fn f() {\n}\npub fn g() {}", &["g"]),
        ("/// It is so.\nimpl F {\n    pub fn f() {}", &["f"]),
        ("fn f() {}\npub(super) fn g() {}\npub struct S;\n// pub fn h() {}\nconst I: &str = \"\npub fn i() {}\";", &[]),
        ("fn f() {}\n#[cfg(test)]\nmod tests {\n    pub fn g() {}\n}", &[]),
    ];
    for (text, expected) in cases {
        let found = silent(&Source::new("src/own.rs".to_owned(), text.to_owned()));
        let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, expected, "in {text}");
    }
}

/// The public functions without a sentence, each with its line.
fn silent(source: &Source) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let code = code(&source.text, Literals::Drop);
    let functions = code.lines().take(source.code_lines()).enumerate();
    let functions = functions.filter_map(|(at, line)| Some((at, public_function(line)?)));
    let silent = functions.filter(|(at, _)| !is_explained(&lines[..*at]));
    silent.map(|(at, name)| (at + 1, name.to_owned())).collect()
}

/// The name of the function that a line of code makes public to whoever sees its module.
fn public_function(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?;
    while let Some(rest) = ["const ", "async "].iter().find_map(|word| words.strip_prefix(word)) {
        words = rest;
    }
    words.strip_prefix("fn ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Whether what stands above an item ends with a sentence about it; attributes and comments may come between.
fn is_explained(above: &[&str]) -> bool {
    for line in above.iter().rev().map(|line| line.trim()) {
        if let Some(sentence) = line.strip_prefix("///") {
            return !sentence.is_empty();
        }
        if line.is_empty() || line.ends_with(['{', '}', ';']) {
            return false;
        }
    }
    false
}
