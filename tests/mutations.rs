//! One letter of a call is wrong, at every place and in every way, and a sound call follows.
//! The second call is not lost, the arguments of both parse since the model stopped by itself, and no value vanishes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::IgnoredAny;
use toolgate::api::openai;
use toolgate::schema::Tools;

use fuzz::decode::{Case, Item};
use fuzz::{vocabulary, written};

const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "seek", "parameters": {"type": "object", "properties": {
        "where": {"type": "string"}, "depth": {"type": "integer"}, "names": {"type": "array"},
        "options": {"type": "object"}, "exact": {"type": "boolean"}}}}},
    {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {
        "zone": {"type": "string"}}}}}
]"#;

/// Arguments of several shapes, and the words in them that must not vanish.
const SHAPES: &[(&str, &[&str])] = &[
    (
        r#"{"where": "alder", "depth": 37, "names": ["birch", 41], "options": {"key": "cedar"}}"#,
        &["alder", "37", "birch", "41", "cedar"],
    ),
    (
        r#"{"options":{"a":{"deep":["elder",52]},"b":"fir"},"names":[{"name":"gorse"},{"name":"hazel"}],"depth":63}"#,
        &["elder", "52", "fir", "gorse", "hazel", "63"],
    ),
    (
        r#"{"where": "say \"ivy\", then {\"n\": 1}", "names": ["é juniper", "日本 larch"], "exact": true, "depth": -5}"#,
        &["ivy", "juniper", "larch"],
    ),
    (
        r#"{"where": "a </tool_call> or a <tool_call> is data", "exact": false, "names": ["maple, oak", "pine"]}"#,
        &["data", "maple", "oak", "pine"],
    ),
    (r#"{"depth": 7, "options": {"x": "y <z> \"aspen\""}, "where": "line\nspruce = f(1), [2]"}"#, &["aspen", "spruce"]),
];

/// Letters that mean something to a reader of calls.
const LETTERS: &str = "\"'{}[],:;\\<>\n x";

/// How many mutations of all may go wrong.
struct Allowed {
    dialect: &'static str,
    /// The second call is neither a call nor text.
    swallowed: usize,
    /// Arguments do not parse, or generation seems cut off.
    unsound: usize,
    /// A word is nowhere, for each thousand mutations.
    lost_per_mille: usize,
}

const ALLOWED: &[Allowed] = &[
    Allowed { dialect: "hermes", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "llama3-json", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "json-envelope", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "qwen3-coder", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "gemma4", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "kimi-k2", swallowed: 0, unsound: 0, lost_per_mille: 2 },
    Allowed { dialect: "glm", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "deepseek-dsml", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "olmo3", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "lfm2", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "kimi-k3", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "minimax-m3", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    Allowed { dialect: "harmony", swallowed: 0, unsound: 0, lost_per_mille: 1 },
    // A field of a wrong name is dropped, as pydantic does it.
    Allowed { dialect: "python-code", swallowed: 0, unsound: 0, lost_per_mille: 15 },
];

#[test]
fn one_wrong_letter_costs_neither_the_next_call_nor_a_value() {
    std::thread::scope(|scope| {
        for allowed in ALLOWED {
            scope.spawn(|| check(allowed));
        }
    });
}

fn check(allowed: &Allowed) {
    let dialect = allowed.dialect;
    let (mut all, mut swallowed, mut unsound, mut lost) = (0, vec![], vec![], vec![]);
    let mut case = Case::new(dialect);
    case.settings.tools = Arc::new(Tools::new(serde_json::from_str::<openai::Tools>(TOOLS).unwrap().0));
    for (arguments, words) in SHAPES {
        let first = call(dialect, "seek", arguments);
        let second = call(dialect, "clock", r#"{"zone": "willow"}"#);
        for (n, mutation) in mutations(&first).into_iter().enumerate() {
            let text = format!("{mutation}{}{second}", between(dialect));
            let (items, ending) = case.read([text.as_str()]);
            if n % 11 == 0 {
                let letters = case.read(text.split_inclusive(|_: char| true));
                assert_eq!(letters, (items.clone(), ending), "letter by letter: {text}");
            }
            let whole = everything(&items);
            all += 1;
            if !items.iter().any(is_second) {
                swallowed.push(text.clone());
            }
            if items.iter().any(|item| !is_sound(item)) {
                unsound.push(text.clone());
            }
            if words.iter().any(|word| mutation.contains(word) && !whole.contains(word)) {
                lost.push(text);
            }
        }
    }
    let few = |texts: &[String]| texts.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(swallowed.len() <= allowed.swallowed, "{dialect}: {} of {all}\n{}", swallowed.len(), few(&swallowed));
    assert!(unsound.len() <= allowed.unsound, "{dialect}: {} of {all}\n{}", unsound.len(), few(&unsound));
    let most = all * allowed.lost_per_mille / 1000;
    assert!(lost.len() <= most, "{dialect}: {} of {all}\n{}", lost.len(), few(&lost));
}

/// Every text with one letter left out, doubled, put in, or changed.
fn mutations(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (at, c) in text.char_indices() {
        let (before, behind) = (&text[..at], &text[at + c.len_utf8()..]);
        all.insert(format!("{before}{behind}"));
        all.insert(format!("{before}{c}{c}{behind}"));
        for letter in LETTERS.chars() {
            all.insert(format!("{before}{letter}{c}{behind}"));
            all.insert(format!("{before}{letter}{behind}"));
        }
    }
    all.remove(text);
    all
}

fn everything(items: &[Item]) -> String {
    let mut whole = String::new();
    for item in items {
        match item {
            Item::Text(text) | Item::Reasoning(text) | Item::Call { arguments: text, .. } => whole.push_str(text),
        }
    }
    whole
}

/// Whether it is the second call, or text that holds it.
fn is_second(item: &Item) -> bool {
    match item {
        Item::Call { name, arguments, .. } => name == "clock" && arguments.contains("willow"),
        Item::Text(text) | Item::Reasoning(text) => text.contains("willow"),
    }
}

fn is_sound(item: &Item) -> bool {
    match item {
        Item::Call { arguments, ended, .. } => *ended && serde_json::from_str::<IgnoredAny>(arguments).is_ok(),
        Item::Text(_) | Item::Reasoning(_) => true,
    }
}

/// What stands between two calls.
fn between(dialect: &str) -> &'static str {
    match dialect {
        "llama3-json" => "; ",
        "gemma4" => "",
        "harmony" => "<|end|><|start|>assistant",
        _ => "\n",
    }
}

/// A call as a model of the dialect writes it.
fn call(dialect: &str, name: &str, arguments: &str) -> String {
    written::answer(&vocabulary::named(dialect), &[(name.to_owned(), arguments.to_owned())])
}
