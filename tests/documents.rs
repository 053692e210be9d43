//! What the documents show, works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use toolgate::metrics::{Metrics, Now};

/// The first block of `language` in a document.
fn block<'a>(document: &'a str, language: &str) -> &'a str {
    let begins = document.find(&format!("```{language}\n")).expect("a block") + language.len() + 4;
    document[begins..].split("```").next().unwrap()
}

fn toolgate(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_dialect_of_ten_lines_works() {
    let folder = tempfile("dialect");
    let dialect = folder.join("mine.yaml");
    std::fs::write(&dialect, block(include_str!("../docs/DIALECTS.md"), "yaml")).unwrap();
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let tools_file = folder.join("tools.json");
    std::fs::write(&tools_file, tools.to_string()).unwrap();
    let (dialect, tools_file) = (dialect.to_str().unwrap(), tools_file.to_str().unwrap());

    let answer = r#"Hm. [[call]]{"tool": "f", "args": {"x": 1}}[[end]]"#;
    let message: Value =
        serde_json::from_str(&toolgate(&["decode", "--dialect", dialect, "--tools", tools_file], answer)).unwrap();
    assert_eq!(message["content"], "Hm. ");
    assert_eq!(message["tool_calls"][0]["function"], json!({"name": "f", "arguments": r#"{"x": 1}"#}));

    let request = json!({"model": "m", "tools": tools, "messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"}]});
    let sent: Value = serde_json::from_str(&toolgate(&["prompt", "--dialect", dialect], &request.to_string())).unwrap();
    let texts: Vec<&str> =
        sent["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert!(texts[0].starts_with("You can call these functions:\n{\"type\": \"function\""), "{}", texts[0]);
    assert_eq!(texts[2..], [r#"[[call]]{"tool": "f", "args": {"x": 1}}[[end]]"#, "Result of f:\n42"]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_map_of_the_architecture_is_short() {
    let lines = include_str!("../docs/ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "{lines} lines");
}

/// The cells of each row of the table under this heading.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section =
        document.split(&format!("\n## {heading}\n")).nth(1).expect("a section").split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_metric_is_explained() {
    let page = Metrics::default().page(&Now::default());
    let kinds = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut written: Vec<_> = kinds.map(|(name, kind)| (format!("`{name}`"), kind)).collect();
    let rows = rows(include_str!("../docs/OPERATIONS.md"), "Metrics");
    let mut explained: Vec<_> = rows.iter().map(|cells| (cells[0].to_owned(), cells[1])).collect();
    written.sort_unstable();
    explained.sort_unstable();
    assert_eq!(written, explained);
    for cells in rows {
        assert_eq!(cells.len(), 5, "{cells:?}");
        for unit in ["seconds", "bytes", "tokens", "requests", "calls", "answers"] {
            let is_named = cells[0].trim_matches('`').trim_end_matches("_total").ends_with(&format!("_{unit}"));
            assert!(!is_named || cells[2] == unit, "{cells:?}");
        }
    }
}

/// A test is `file::name`, a file of tests `file`; paths count from `tests`, or from the root.
#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    let (_, table) = include_str!("README.md").split_once("## What is shown").expect("a section");
    for named in table.lines().filter(|line| line.starts_with("| ")).flat_map(|row| row.split('`').skip(1).step_by(2)) {
        let (file, test) = named.split_once("::").map_or((named, None), |(file, test)| (file, Some(test)));
        let found = [root.join("tests").join(file), root.join(file)].into_iter().find(|path| path.exists());
        let text = found.as_deref().map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let begins =
            |test: &str, text: &str| ["fn", "def"].iter().any(|word| text.contains(&format!("{word} {test}(")));
        if !text.is_some_and(|text| test.is_none_or(|test| begins(test, &text))) {
            missing.push(named);
        }
    }
    assert_eq!(missing, [""; 0]);
}

fn tempfile(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("toolgate-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
