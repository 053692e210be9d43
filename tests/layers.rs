//! The architecture as a test: reads the table of modules out of `src/lib.rs` and holds `src/` to it.
//! Reads sources as text, aside from comments and literals; it does not compile them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::fs;

#[path = "layers/circles.rs"]
mod circles;
#[path = "layers/members.rs"]
mod members;
#[path = "layers/paths.rs"]
mod paths;
#[path = "layers/sentences.rs"]
mod sentences;
#[path = "layers/source.rs"]
mod source;

use paths::{Mention, Paths};
use source::{Literals, code, root, sources};

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
const NOT_MODELS: [(&str, &str); 9] = [
    ("llama.cpp", "an engine"),
    ("llamacpp", "an engine"),
    ("llama-cpp", "an engine"),
    ("llama_cpp", "an engine"),
    ("llama-server", "an engine's program"),
    ("llama-swap", "an engine"),
    ("llama_swap", "an engine"),
    ("llamaswap", "an engine"),
    ("ollama", "an engine"),
];

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
    let found: BTreeSet<String> = sources().into_iter().filter_map(|source| source.module()).collect();
    let unlisted = found.difference(&listed).map(|module| format!("`{module}` has no row in the table"));
    let absent = listed.difference(&found).map(|module| format!("`{module}` has a row and no source"));
    report(&unlisted.chain(absent).collect::<Vec<_>>());
}

#[test]
fn a_module_imports_only_what_the_table_allows() {
    let rows = table();
    let mut problems = Vec::new();
    for source in sources() {
        let Some(row) = rows.iter().find(|row| source.is_in(&row.module)) else { continue };
        let tested_from = source.code_lines();
        for (line, module) in crate_paths(&code(&source.text, Literals::Drop), &source.names()) {
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
        let Some(row) = rows.iter().find(|row| source.is_in(&row.module)) else { continue };
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
    for source in sources() {
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
fn what_differs_by_engine_stands_in_its_row() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in("engine")) {
        let tested_from = source.code_lines();
        let paths = Paths::read(&code(&source.text, Literals::Drop)).found;
        for found in paths.iter().filter(|found| found.line < tested_from) {
            let behind = found.path.iter().skip_while(|name| *name != "Engine").nth(1);
            // `Engine::ALL` and `Engine::name` are about every engine.
            let is_one =
                |name: &str| name == "*" || name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
            if let Some(name) = behind.filter(|name| is_one(name)) {
                problems.push(format!("{}:{}: `Engine::{name}` belongs to `engine`", source.path, found.line));
            }
        }
    }
    report(&problems);
}

#[test]
fn paths_are_found_in_code_alone() {
    let cases: [(&str, usize, &[&str]); 12] = [
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
        let module = vec!["own".to_owned(); depth];
        let found = crate_paths(&code(text, Literals::Drop), &module).into_iter().map(|(_, module)| module);
        let found: Vec<_> = found.filter(|module| module != "own").collect();
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

fn has_word(line: &str, word: &str) -> bool {
    let boundary = |text: Option<char>| !text.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        boundary(line[..at].chars().next_back()) && (word.ends_with([':', '!']) || boundary(after))
    })
}

/// The modules of the crate's root that paths in the code of a module lead to, with their lines.
fn crate_paths(code: &str, module: &[String]) -> Vec<(usize, String)> {
    let led = |found: &Mention| Some((found.line, found.absolute(module)?.into_iter().next()?));
    let mut paths: Vec<_> = Paths::read(code).found.iter().filter_map(led).collect();
    paths.dedup();
    paths
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
