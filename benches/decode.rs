//! What decoding costs: `cargo bench --bench decode`.
//! Each sample is a whole answer in pieces of four bytes, from the first to the last; its argument is the size of
//! the arguments, or of the text, in KiB. 50 Mitem/s are 20 ns a piece.

#![allow(clippy::expect_used)]

#[path = "../fuzz/src/written.rs"]
#[allow(dead_code, reason = "tests use the rest")]
mod written;

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use toolgate::api::openai;
use toolgate::decode::{Decoder, Finish, Settings};
use toolgate::dialect::Dialects;
use toolgate::limits::Limits;
use toolgate::schema::Tools;

fn main() {
    divan::main();
}

const KIBS: [usize; 3] = [1, 16, 64];

/// As models write it into files: every few bytes a character that JSON escapes, or that could open something.
const CODE: &str = "fn area(shapes: &[Shape<f64>]) -> Vec<f64> {\n    let mut all = vec![];\n    for s in shapes {\n        \
                    if s.w < 0.0 || s.h < 0.0 { continue; }\n        println!(\"{}: {}\", s.name, s.w * s.h);\n        \
                    all.push(s.w * s.h);\n    }\n    all\n}\n\n";

const PROSE: &str = "The gateway stands between the clients and the servers. It reads what the model writes, and lets \
                     it go on at once: nothing waits but what could be the beginning of a call.\n";

const RECORD: &str = r#"{"id": 1207, "name": "north gate", "open": true, "tags": ["a1", "b2"], "at": [52.5, 13.4]}, "#;

/// A string in a JSON object, escaped as JSON demands.
#[divan::bench(args = KIBS)]
fn json_string(bencher: Bencher, kib: usize) {
    run(bencher, "hermes", &format!("<tool_call>\n{}\n</tool_call>", object(&arguments(&string(CODE, kib)))), kib);
}

/// The same, with next to nothing to escape.
#[divan::bench(args = KIBS)]
fn json_prose(bencher: Bencher, kib: usize) {
    run(bencher, "hermes", &format!("<tool_call>\n{}\n</tool_call>", object(&arguments(&string(PROSE, kib)))), kib);
}

/// Nested objects and lists.
#[divan::bench(args = KIBS)]
fn json_records(bencher: Bencher, kib: usize) {
    run(bencher, "hermes", &format!("<tool_call>\n{}\n</tool_call>", object(&arguments(&records(kib)))), kib);
}

/// Arguments that are a string which holds JSON.
#[divan::bench(args = KIBS)]
fn json_in_a_string(bencher: Bencher, kib: usize) {
    let arguments = quoted(&arguments(&string(CODE, kib)));
    run(bencher, "hermes", &format!("<tool_call>\n{}\n</tool_call>", object(&arguments)), kib);
}

/// An object that no marker opens.
#[divan::bench(args = KIBS)]
fn bare_json(bencher: Bencher, kib: usize) {
    let text = format!(r#"{{"name": "f", "parameters": {}}}"#, arguments(&string(CODE, kib)));
    run(bencher, "llama3-json", &text, kib);
}

#[divan::bench(args = KIBS)]
fn envelope(bencher: Bencher, kib: usize) {
    let text = format!(r#"{{"tool_call": {}}}"#, object(&arguments(&string(CODE, kib))));
    run(bencher, "json-envelope", &text, kib);
}

/// A tagged value that is a string: it streams.
#[divan::bench(args = KIBS)]
fn tagged_string(bencher: Bencher, kib: usize) {
    run(bencher, "qwen3-coder", &tagged("text", &fill(CODE, kib)), kib);
}

/// A tagged value that is an object by the tool's schema.
#[divan::bench(args = KIBS)]
fn tagged_object(bencher: Bencher, kib: usize) {
    run(bencher, "qwen3-coder", &tagged("data", &format!("{{\"all\": {}}}", records(kib))), kib);
}

/// A string between the dialect's own delimiters, in which nothing is escaped.
#[divan::bench(args = KIBS)]
fn literal_string(bencher: Bencher, kib: usize) {
    let text = format!("<|tool_call>call:f{{text:<|\"|>{}<|\"|>}}<tool_call|>", fill(CODE, kib));
    run(bencher, "gemma4", &text, kib);
}

/// Keys without quotes, numbers and literals.
#[divan::bench(args = KIBS)]
fn literal_records(bencher: Bencher, kib: usize) {
    let record = r#"{id:1207,name:<|"|>north gate<|"|>,open:true,tags:[<|"|>a1<|"|>,<|"|>b2<|"|>],at:[52.5,13.4]},"#;
    let records = fill(record, kib);
    let text = format!("<|tool_call>call:f{{list:[{}]}}<tool_call|>", records.trim_end_matches(','));
    run(bencher, "gemma4", &text, kib);
}

/// JSON behind a header.
#[divan::bench(args = KIBS)]
fn header_string(bencher: Bencher, kib: usize) {
    run(bencher, "kimi-k2", &written("kimi-k2", &text(kib)), kib);
}

#[divan::bench(args = KIBS)]
fn header_records(bencher: Bencher, kib: usize) {
    run(bencher, "kimi-k2", &written("kimi-k2", &list(kib)), kib);
}

/// The same in a message of its own.
#[divan::bench(args = KIBS)]
fn message_string(bencher: Bencher, kib: usize) {
    run(bencher, "harmony", &written("harmony", &text(kib)), kib);
}

/// Calls as Python writes them.
#[divan::bench(args = KIBS)]
fn python_string(bencher: Bencher, kib: usize) {
    run(bencher, "olmo3", &written("olmo3", &text(kib)), kib);
}

#[divan::bench(args = KIBS)]
fn python_records(bencher: Bencher, kib: usize) {
    run(bencher, "olmo3", &written("olmo3", &list(kib)), kib);
}

/// Calls in Python code.
#[divan::bench(args = KIBS)]
fn code_string(bencher: Bencher, kib: usize) {
    run(bencher, "python-code", &written("python-code", &text(kib)), kib);
}

/// Longer values of that kind are kept as text.
#[divan::bench(args = [1, 16])]
fn code_records(bencher: Bencher, kib: usize) {
    run(bencher, "python-code", &written("python-code", &list(kib)), kib);
}

/// Elements that nest.
#[divan::bench(args = KIBS)]
fn elements_string(bencher: Bencher, kib: usize) {
    run(bencher, "minimax-m3", &written("minimax-m3", &text(kib)), kib);
}

#[divan::bench(args = KIBS)]
fn elements_records(bencher: Bencher, kib: usize) {
    run(bencher, "minimax-m3", &written("minimax-m3", &list(kib)), kib);
}

/// Tagged values with a tag before each.
#[divan::bench(args = KIBS)]
fn keyed_string(bencher: Bencher, kib: usize) {
    run(bencher, "glm", &written("glm", &text(kib)), kib);
}

/// Tagged values whose type is stated.
#[divan::bench(args = KIBS)]
fn typed_string(bencher: Bencher, kib: usize) {
    run(bencher, "deepseek-dsml", &written("deepseek-dsml", &text(kib)), kib);
}

#[divan::bench(args = KIBS)]
fn typed_records(bencher: Bencher, kib: usize) {
    run(bencher, "deepseek-dsml", &written("deepseek-dsml", &list(kib)), kib);
}

/// Text of an answer.
#[divan::bench(args = KIBS)]
fn prose(bencher: Bencher, kib: usize) {
    measure(bencher, "hermes", &fill(PROSE, kib), kib, 0);
}

/// Text in which every few bytes could open a call.
#[divan::bench(args = KIBS)]
fn code(bencher: Bencher, kib: usize) {
    measure(bencher, "json-envelope", &fill(CODE, kib), kib, 0);
}

#[divan::bench(args = KIBS)]
fn reasoning(bencher: Bencher, kib: usize) {
    measure(bencher, "hermes", &format!("<think>\n{}</think>\nYes.", fill(PROSE, kib)), kib, 0);
}

/// An answer that is one call.
fn run(bencher: Bencher, dialect: &str, answer: &str, kib: usize) {
    measure(bencher, dialect, answer, kib, 1);
}

fn measure(bencher: Bencher, dialect: &str, answer: &str, kib: usize, calls: u32) {
    let (settings, limits) = (settings(dialect), Limits::default());
    let pieces = pieces(answer);
    let decode = || {
        let mut decoder = Decoder::new(settings.clone(), &limits);
        for piece in &pieces {
            decoder.push(black_box(piece), &mut |event| {
                black_box(event);
            });
        }
        decoder.finish(Finish::Stop, &mut |event| {
            black_box(event);
        })
    };
    assert_eq!(decode().calls, calls, "{dialect}");
    assert!(pieces.len() >= kib * 256);
    bencher.counter(ItemsCount::new(pieces.len())).bench(decode);
}

/// A call as the dialect's models write it.
fn written(dialect: &str, arguments: &str) -> String {
    let dialect = Dialects::builtin().get(dialect).map(Arc::clone).expect("a built-in dialect");
    written::answer(&dialect, &[("f".to_owned(), arguments.to_owned())])
}

fn text(kib: usize) -> String {
    arguments(&string(CODE, kib))
}

fn list(kib: usize) -> String {
    format!(r#"{{"list": {}}}"#, records(kib))
}

fn settings(dialect: &str) -> Settings {
    let tools = r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":
        {"path":{"type":"string"},"text":{"type":"string"},"data":{"type":"object"},"list":{"type":"array"}}}}}]"#;
    let dialect = Dialects::builtin().get(dialect).map(Arc::clone).expect("a built-in dialect");
    Settings::new(dialect, Tools::new(serde_json::from_str::<openai::Tools>(tools).expect("a list of tools").0))
}

/// As tokens arrive, each as short as its last character lets it be.
fn pieces(answer: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), answer);
    while !rest.is_empty() {
        let end = (4..rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn fill(text: &str, kib: usize) -> String {
    text.chars().cycle().take(kib << 10).collect()
}

fn string(text: &str, kib: usize) -> String {
    quoted(&fill(text, kib))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

fn records(kib: usize) -> String {
    let records = RECORD.repeat((kib << 10).div_ceil(RECORD.len()));
    format!("[{}]", records.trim_end_matches(", "))
}

fn arguments(value: &str) -> String {
    format!(r#"{{"path": "src/area.rs", "text": {value}}}"#)
}

fn object(arguments: &str) -> String {
    format!(r#"{{"name": "f", "arguments": {arguments}}}"#)
}

fn tagged(key: &str, value: &str) -> String {
    format!("<tool_call>\n<function=f>\n<parameter={key}>\n{value}\n</parameter>\n</function>\n</tool_call>")
}
