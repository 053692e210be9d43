//! `.gitignore`: which entries beneath its directory its lines leave out.
//! Reads no file and knows nothing of the directories above. Format: gitignore(5).

use std::path::Path;

use globset::GlobSet;

use super::globs::builder;
use super::listing::EntryKind;

/// The lines of one file.
#[derive(Debug)]
pub struct IgnoreLines {
    set: GlobSet,
    /// One for each glob of the set.
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    /// A line with `!`.
    keeps: bool,
    /// A line with `/` at its end.
    is_for_directories: bool,
}

/// Lines that are read of one file; each costs memory for as long as its directory is walked.
const LINES_MAX: usize = 10_000;

impl IgnoreLines {
    /// Reads the lines that mean something; others are passed over, as git does. None when there are no such lines.
    pub fn read(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| *byte == b'\n').take(LINES_MAX);
        let (mut globs, mut rules) = (Vec::new(), Vec::new());
        for line in lines.filter_map(|line| std::str::from_utf8(line).ok()) {
            let Some((pattern, rule)) = rule(line.strip_suffix('\r').unwrap_or(line)) else { continue };
            if let Ok(glob) = builder(&pattern).build() {
                globs.push(glob);
                rules.push(rule);
            }
        }
        let set = GlobSet::new(globs).ok().filter(|set| !set.is_empty())?;
        Some(Self { set, rules })
    }

    /// Whether an entry is left out; None where the lines say nothing of it. The path counts from the file's directory.
    pub fn leaves_out(&self, path: &Path, kind: EntryKind) -> Option<bool> {
        let fitting = self.set.matches(path).into_iter().filter_map(|at| Some((at, self.rules.get(at)?)));
        let fitting = fitting.filter(|(_, rule)| kind == EntryKind::Directory || !rule.is_for_directories);
        // The last line that fits decides.
        fitting.max_by_key(|(at, _)| *at).map(|(_, rule)| !rule.keeps)
    }
}

/// A line as a glob over whole paths.
fn rule(line: &str) -> Option<(String, Rule)> {
    let line = trimmed(line);
    if line.starts_with('#') {
        return None;
    }
    let (line, keeps) = line.strip_prefix('!').map_or((line, false), |line| (line, true));
    let (line, is_for_directories) = line.strip_suffix('/').map_or((line, false), |line| (line, true));
    let (line, is_anchored) = match line.strip_prefix('/') {
        Some(line) => (line, true),
        None => (line, line.contains('/')),
    };
    let pattern = if is_anchored { literal_braces(line) } else { format!("**/{}", literal_braces(line)) };
    (!line.is_empty()).then_some((pattern, Rule { keeps, is_for_directories }))
}

/// Without blanks at its end, but for one behind a backslash.
fn trimmed(line: &str) -> &str {
    let bare = line.trim_end_matches([' ', '\t']);
    match line.get(bare.len()..).is_some_and(|blanks| !blanks.is_empty()) && bare.ends_with('\\') {
        true => line.get(..=bare.len()).unwrap_or(bare),
        false => bare,
    }
}

/// Braces mean themselves in such lines.
fn literal_braces(line: &str) -> String {
    let (mut out, mut is_escaped, mut is_in_class) = (String::with_capacity(line.len()), false, false);
    for character in line.chars() {
        if matches!(character, '{' | '}') && !is_escaped && !is_in_class {
            out.push('\\');
        }
        out.push(character);
        is_in_class = if is_escaped { is_in_class } else { character == '[' || is_in_class && character != ']' };
        is_escaped = character == '\\' && !is_escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_they_mean_to_git() {
        use EntryKind::{Directory, File};
        for (lines, path, kind, expected) in [
            ("node_modules/", "node_modules", Directory, Some(true)),
            ("node_modules/", "a/node_modules", Directory, Some(true)),
            ("node_modules/", "node_modules", File, None),
            ("*.log", "a/b.log", File, Some(true)),
            ("/a.log", "b/a.log", File, None),
            ("/a.log", "a.log", File, Some(true)),
            ("a/b", "c/a/b", File, None),
            ("a/*.o", "a/x.o", File, Some(true)),
            ("a/*.o", "a/b/x.o", File, None),
            ("a/**", "a/b/x.o", File, Some(true)),
            ("**/x", "a/b/x", File, Some(true)),
            ("*.log\n!keep.log", "keep.log", File, Some(false)),
            ("!keep.log\n*.log", "keep.log", File, Some(true)),
            ("# a\n\n  \n\\#b\r\n", "#b", File, Some(true)),
            ("\\!c", "!c", File, Some(true)),
            ("d  \t", "d", File, Some(true)),
            ("e\\ ", "e ", File, Some(true)),
            ("{f}", "{f}", File, Some(true)),
            ("[{]g", "{g", File, Some(true)),
            ("h[\ni", "i", File, Some(true)),
        ] {
            let read = IgnoreLines::read(lines.as_bytes()).unwrap();
            assert_eq!(read.leaves_out(Path::new(path), kind), expected, "{lines:?} {path}");
        }
        assert!(IgnoreLines::read(b"# nothing\n/\n").is_none());
    }
}
