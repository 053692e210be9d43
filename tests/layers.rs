//! The architecture as a test: reads the table of modules out of `src/lib.rs` and holds `src/` to it.
//! Reads sources as text, aside from comments and literals; it does not compile them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers that do no IO, read no clock, spawn nothing and log nothing.
const PURE_LAYERS: u32 = 4;

/// What only the shell may touch, as it appears in code.
const SHELL_ONLY: [&str; 16] = [
    "pingora",
    "pingora_core",
    "pingora_proxy",
    "tokio",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "log::",
    "println!",
    "eprintln!",
    "print!",
    "dbg!",
];

/// Names by which models and their families go.
const MODELS: [&str; 22] = [
    "apertus",
    "command-r",
    "deepseek",
    "exaone",
    "gemma",
    "glm",
    "gpt-oss",
    "granite",
    "harmony",
    "hermes",
    "hunyuan",
    "internlm",
    "jamba",
    "kimi",
    "llama",
    "minimax",
    "mistral",
    "nemotron",
    "olmo",
    "qwen",
    "qwq",
    "xlam",
];

/// Words that contain a model's name and mean something else.
const NOT_MODELS: [(&str, &str); 6] = [
    ("llama.cpp", "an engine"),
    ("llamacpp", "an engine"),
    ("llama-cpp", "an engine"),
    ("llama_cpp", "an engine"),
    ("llama-server", "an engine's program"),
    ("ollama", "an engine"),
];

/// The file that lists the dialects that are compiled in: their names are file names.
const BUILTINS: &str = "src/dialect/builtin.rs";

#[test]
fn the_table_orders_its_rows() {
    let rows = table();
    assert!(rows.len() > 10, "the table was not found");
    let mut problems = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for import in &row.imports {
            match rows.iter().position(|other| other.module == *import) {
                None => problems.push(format!("`{}` may import `{import}`, which has no row", row.module)),
                Some(place) if place == at || rows[place].layer > row.layer => {
                    problems.push(format!("`{}` may import `{import}`, which is not below it", row.module));
                }
                Some(_) => {}
            }
        }
        if at > 0 && rows[at - 1].layer > row.layer {
            problems.push(format!("the row of `{}` stands below a higher layer", row.module));
        }
    }
    report(&problems);
}

#[test]
fn the_table_lists_the_modules_that_exist() {
    let listed: BTreeSet<String> = table().into_iter().map(|row| row.module).collect();
    let found: BTreeSet<String> = sources().into_iter().filter_map(|source| source.module).collect();
    let unlisted = found.difference(&listed).map(|module| format!("`{module}` has no row in the table"));
    let absent = listed.difference(&found).map(|module| format!("`{module}` has a row and no source"));
    report(&unlisted.chain(absent).collect::<Vec<_>>());
}

#[test]
fn a_module_imports_only_what_the_table_allows() {
    let rows = table();
    let mut problems = Vec::new();
    for source in sources() {
        let Some(row) = rows.iter().find(|row| Some(&row.module) == source.module.as_ref()) else { continue };
        let tested_from = source.code_lines();
        for (line, module) in crate_paths(&code(&source.text, Literals::Drop), source.depth) {
            let Some(imported) = rows.iter().find(|row| row.module == module) else { continue };
            // Tests may make what the module is handed, and that comes from any layer below.
            let allowed = match line < tested_from {
                true => row.imports.contains(&module),
                false => imported.layer <= row.layer,
            };
            if module != row.module && !allowed {
                problems.push(format!("{}:{line}: `{}` may not import `{module}`", source.path, row.module));
            }
        }
    }
    report(&problems);
}

#[test]
fn the_core_touches_no_socket_clock_file_or_log() {
    let rows = table();
    let mut problems = Vec::new();
    for source in sources() {
        let Some(row) = rows.iter().find(|row| Some(&row.module) == source.module.as_ref()) else { continue };
        if row.layer > PURE_LAYERS {
            continue;
        }
        let code = code(&source.text, Literals::Drop);
        for (number, line) in code.lines().enumerate().take(source.code_lines()) {
            for word in SHELL_ONLY.iter().filter(|word| has_word(line, word)) {
                problems.push(format!("{}:{}: `{word}` belongs to the shell", source.path, number + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn no_model_is_named_in_the_sources() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.path != BUILTINS) {
        // A comment may say where a format comes from.
        let code = code(&source.text, Literals::Keep);
        for (number, line) in code.lines().enumerate().take(source.code_lines()) {
            let mut line = line.to_lowercase();
            for (word, _) in NOT_MODELS {
                line = line.replace(word, "");
            }
            for model in MODELS.iter().filter(|model| line.contains(**model)) {
                problems.push(format!("{}:{}: names the model `{model}`", source.path, number + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn paths_are_found_in_code_alone() {
    let cases: [(&str, u32, &[&str]); 12] = [
        ("use crate::scan::Markers;", 1, &["scan"]),
        ("use crate::{decode::Event, dialect::{Dialect, Spec}, limits};", 1, &["decode", "dialect", "limits"]),
        ("pub(crate) fn f(_: &crate::json::Kind) {}", 1, &["json"]),
        ("// use crate::scan::Markers;", 1, &[]),
        ("/* a /* crate::scan:: */ b */ let s = \"crate::scan::x\";", 1, &[]),
        ("let s = r#\"crate::scan\"\"#; let c = '\"'; crate::sse::f()", 1, &["sse"]),
        ("fn f<'a>(x: &'a str) -> crate::openai::Tool {}", 1, &["openai"]),
        ("use super::scan::Markers;", 1, &["scan"]),
        ("use super::scan::Markers;", 2, &[]),
        ("use super::super::scan::Markers;", 2, &["scan"]),
        ("mod tests { use super::*; use super::super::scan; }", 1, &["scan"]),
        ("mod tests { use super::scan; }", 1, &[]),
    ];
    for (text, depth, expected) in cases {
        let found: Vec<String> =
            crate_paths(&code(text, Literals::Drop), depth).into_iter().map(|(_, module)| module).collect();
        assert_eq!(found, expected, "in {text}");
    }
}

struct Row {
    layer: u32,
    module: String,
    imports: Vec<String>,
}

/// The rows of the table in the crate's documentation. "all above" means every row that stands above.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! |")) {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let Ok(layer) = cells[0].parse() else { continue };
        let imports = match cells[3] {
            "all above" => rows.iter().map(|row| row.module.clone()).collect(),
            list => list.split_whitespace().map(str::to_owned).collect(),
        };
        rows.push(Row { layer, module: cells[1].to_owned(), imports });
    }
    rows
}

struct Source {
    /// From the package's root, with `/`.
    path: String,
    /// The module of the crate's root that the file belongs to; `lib.rs` and `main.rs` have none.
    module: Option<String>,
    /// How many modules deep the file is: 1 for a module of the crate's root.
    depth: u32,
    text: String,
}

impl Source {
    /// How many lines come before test code: a file of tests is all test code, and inside a file tests come last.
    fn code_lines(&self) -> usize {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return 0;
        }
        let inline = self.text.find("\n#[cfg(test)]\nmod tests {");
        inline.map_or(usize::MAX, |at| self.text[..at].lines().count())
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
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
    let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let names: Vec<&str> = inside.split('/').collect();
    let module = (!["lib", "main"].contains(&inside)).then(|| names[0].to_owned());
    Source { module, depth: u32::try_from(names.len()).unwrap(), text, path }
}

fn has_word(line: &str, word: &str) -> bool {
    let boundary = |text: Option<char>| !text.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        boundary(line[..at].chars().next_back()) && (word.ends_with([':', '!']) || boundary(after))
    })
}

/// The modules of the crate's root that paths in `code` lead to, with their lines.
/// `depth` is the file's; a module written inside the file adds one.
fn crate_paths(code: &str, depth: u32) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depths = Vec::new();
    let mut here = depth;
    let mut inline = false;
    let mut line = 1;
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let word: &str = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        let mut step = word.len().max(c.len_utf8());
        match word {
            "mod" => inline = true,
            "crate" if rest[5..].starts_with("::") => {
                found.extend(first_names(&rest[7..]).into_iter().map(|name| (line, name)));
            }
            "super" => {
                let chain = rest.len() - rest.trim_start_matches("super::").len();
                step = chain.max(step);
                if u32::try_from(chain / "super::".len()).unwrap() >= here {
                    found.extend(first_names(&rest[chain..]).into_iter().map(|name| (line, name)));
                }
            }
            "" if c == '{' => {
                depths.push(here);
                here += u32::from(inline);
                inline = false;
            }
            "" if c == '}' => here = depths.pop().unwrap_or(depth),
            "" if c == ';' => inline = false,
            "" if c == '\n' => line += 1,
            _ => {}
        }
        rest = &rest[step..];
    }
    found
}

/// The first name of a path, or of each path of a group in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names: Vec<String> = vec![name(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What becomes of strings and characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literals {
    Keep,
    Drop,
}

/// The source without comments; lines stay where they are.
fn code(source: &str, literals: Literals) -> String {
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

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
