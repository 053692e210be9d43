//! What the documents show, works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::env;
use std::fmt::Write as _;
use std::fs;
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
fn the_module_of_python_is_what_a_model_is_shown() {
    let city = json!({"type": "string", "description": "City name"});
    let place = json!({"type": "object", "required": ["city"],
        "properties": {"city": city, "since": {"type": "string", "format": "date"}}});
    let unit = json!({"enum": ["c", "f"], "default": "c"});
    let parameters = json!({"type": "object", "required": ["place"], "properties": {"place": place, "unit": unit}});
    let function = json!({"name": "get_weather", "description": "Get the current weather", "parameters": parameters});
    let messages = json!([{"role": "user", "content": "hi"}]);
    let request = json!({"messages": messages, "tools": [{"type": "function", "function": function}]});
    let sent = toolgate(&["prompt", "--dialect", "python-code"], &request.to_string());
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let shown = sent["messages"][0]["content"].as_str().unwrap();
    assert_eq!(block(shown, "python"), block(include_str!("../docs/DIALECTS.md"), "python"));
}

/// `UPDATE_GOLDEN=1` writes the table anew.
#[test]
fn the_table_of_dialects_is_made_of_their_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dialects: Vec<Value> = fs::read_dir(root.join("conf/dialects"))
        .unwrap()
        .map(|file| serde_saphyr::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap())
        .collect();
    dialects.sort_by_key(|dialect| dialect["name"].as_str().unwrap().to_owned());
    let mut table = String::from(DIALECTS_HEAD);
    for dialect in &dialects {
        let _ = writeln!(table, "{}", dialect_row(dialect));
    }

    let path = root.join("docs/DIALECTS.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, written) = document.split_once(DIALECTS_HEADING).expect("a section");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{before}{DIALECTS_HEADING}{table}")).unwrap();
    } else {
        assert!(written == table, "the table differs from the files; it is to be:\n{table}");
    }
}

const DIALECTS_HEADING: &str = "\n## The built-in ones\n\n";
const DIALECTS_HEAD: &str =
    "| dialect | what its models write | payload | around it | known by the names |\n|--|--|--|--|--|\n";

fn dialect_row(dialect: &Value) -> String {
    let codes = |words: Vec<&str>| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    let kinds = match &dialect["payload"] {
        Value::Array(several) => several.iter().flat_map(kind).collect(),
        one => kind(one),
    };
    let around = ["reasoning", "messages", "section", "wrap", "suffix"];
    let around = around.into_iter().filter(|key| !dialect[*key].is_null()).collect();
    let models = dialect["detect"]["models"].as_array();
    let models = models.into_iter().flatten().map(|model| model.as_str().unwrap()).collect();
    let (name, about) = (dialect["name"].as_str().unwrap(), escaped(dialect["about"].as_str().unwrap()));
    format!("| `{name}` | {about} | {} | {} | {} |", codes(kinds), codes(around), codes(models))
}

/// As Markdown reads it as plain text.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        out.extend(r"\|<*_[`".contains(c).then_some('\\'));
        out.push(c);
        out
    })
}

/// What a payload is called: it is the key that holds what is said of it.
fn kind(payload: &Value) -> Vec<&str> {
    payload.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_dialect_whose_diff_is_shown_took_no_more() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut added = Vec::new();
    for file in block(include_str!("../docs/DIALECTS.md"), "diff").split("--- /dev/null\n").skip(1) {
        let (path, hunk) = file.split_once('\n').unwrap();
        let (_, lines) = hunk.split_once(" @@\n").unwrap();
        let lines: String = lines.lines().map(|line| format!("{}\n", line.strip_prefix('+').unwrap())).collect();
        let path = path.strip_prefix("+++ b/").unwrap();
        assert_eq!(lines, fs::read_to_string(root.join(path)).unwrap(), "{path}");
        added.push(path);
    }
    let (dialect, goldens) = added.split_first().unwrap();
    let name = dialect.strip_prefix("conf/dialects/").and_then(|file| file.strip_suffix(".yaml")).unwrap();
    assert!(!goldens.is_empty() && goldens.iter().all(|path| path.starts_with(&format!("tests/golden/{name}/"))));
    // Nothing else knows of it.
    assert!(toolgate::Dialects::builtin().get(name).is_some());
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
