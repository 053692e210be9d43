//! What is written for calls is read as the same calls, in every dialect, whatever stands in their arguments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use toolgate::answer::StreamRewriter;
use toolgate::api::openai::{self, Folder};
use toolgate::dialect::{Dialect, Dialects, Payload};
use toolgate::json::{Spacing, Token, string, tokens, write_spaced};
use toolgate::plan::{AgentFormat, Exchange};
use toolgate::schema::Tools;

use fuzz::decode::{Case, Item};
use fuzz::vocabulary;
use fuzz::written::{self, Call};

const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "save", "parameters": {"type": "object", "properties": {
        "text": {"type": "string"}, "path": {"type": "string"}, "count": {"type": "integer"},
        "ratio": {"type": "number"}, "sure": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"note": {"type": "string"}, "at": {"type": "number"}}},
        "list": {"type": "array"}, "data": {"type": "object"}}}}},
    {"type": "function", "function": {"name": "list_all", "parameters": {"type": "object", "properties": {}}}}
]"#;

const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "3",
    "-5",
    "9007199254740993",
    "123456789012345678901234567890",
    "0.1",
    "-1.5e3",
    "1E400",
    "1e-400",
    "100000000000000000000.5",
    "2.50",
];

/// A text of what the dialect writes around calls, and of what breaks a careless reader, but for what it is `without`.
fn hostile(dialect: &Dialect, without: &[String]) -> BoxedStrategy<String> {
    let mut fragments = vocabulary::of(dialect);
    // What begins a call of a tool that is offered here.
    fragments.extend(["save(", "), save(", "), save(text=", "], save(\n", "{\"name\": \"save\", "].map(str::to_owned));
    fragments.retain(|fragment| !has_any(fragment, without));
    let fragment = prop_oneof![8 => select(fragments), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(fragment, 0..7).prop_map(|fragments| fragments.concat()).boxed()
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Arrays and objects in which such texts stand, as JSON.
fn value(text: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => text,
        2 => select(&NUMBERS[..]).prop_map(str::to_owned),
        1 => select(&["true", "false", "null", "[]", "{}"][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| prop_oneof![list(inner.clone()).boxed(), object(inner).boxed()]).boxed()
}

fn list(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 0..3).prop_map(|items| format!("[{}]", items.join(", ")))
}

fn object(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let keys = subsequence(vec!["id", "name", "arguments", "ключ"], 0..3);
    (keys, prop::collection::vec(item, 3)).prop_map(|(keys, items)| {
        let members: Vec<_> =
            keys.iter().zip(items).map(|(key, item)| format!("{}: {item}", json_string(key))).collect();
        format!("{{{}}}", members.join(", "))
    })
}

fn arguments(dialect: &Dialect, without: &[String]) -> BoxedStrategy<String> {
    let text = hostile(dialect, without).prop_map(|text| json_string(&text)).boxed();
    let member = |key: &'static str, value: BoxedStrategy<String>| {
        value.prop_map(move |value| format!("\"{key}\": {value}")).boxed()
    };
    let number = || select(&NUMBERS[..]).prop_map(str::to_owned);
    let place = (text.clone(), number()).prop_map(|(note, at)| format!("{{\"note\": {note}, \"at\": {at}}}"));
    let mut all = vec![
        member("text", text.clone()),
        member("path", text.clone()),
        member("count", select(&NUMBERS[..6]).prop_map(str::to_owned).boxed()),
        member("ratio", number().boxed()),
        member("sure", select(&["true", "false"][..]).prop_map(str::to_owned).boxed()),
        member(
            "names",
            prop::collection::vec(text.clone(), 1..3).prop_map(|items| format!("[{}]", items.join(", "))).boxed(),
        ),
        member("place", place.boxed()),
    ];
    // Of what stands in elements, the schema alone says what it is.
    if !matches!(dialect.spec().payload.first(), Some(Payload::Elements(_))) {
        all.push(member("list", list(value(text.clone())).boxed()));
        all.push(member("data", object(value(text)).boxed()));
    }
    let some = subsequence((0..all.len()).collect::<Vec<_>>(), 0..=4).prop_shuffle();
    some.prop_flat_map(move |chosen| chosen.into_iter().map(|at| all[at].clone()).collect::<Vec<_>>())
        .prop_map(|members| format!("{{{}}}", members.join(", ")))
        .boxed()
}

fn calls(dialect: &Dialect, without: &[String]) -> impl Strategy<Value = Vec<Call>> + use<> {
    let saving = arguments(dialect, without).prop_map(|arguments| ("save".to_owned(), arguments));
    let listing = Just(("list_all".to_owned(), "{}".to_owned()));
    prop::collection::vec(Union::new_weighted(vec![(5, saving.boxed()), (1, listing.boxed())]), 1..4)
}

fn case(dialect: &Arc<Dialect>) -> Case {
    let mut case = Case::of(Arc::clone(dialect));
    case.settings.tools = Arc::new(Tools::new(serde_json::from_str::<openai::Tools>(TOOLS).unwrap().0));
    case
}

/// The same JSON is the same text: strings in one spelling, numbers in their own.
fn normal(json: &str) -> String {
    let mut out = String::new();
    write_spaced(json, Spacing::Line, &mut out);
    out
}

fn has_any(text: &str, markers: &[String]) -> bool {
    markers.iter().any(|marker| text.contains(marker.as_str()))
}

/// Whether a string in these calls has markup of the dialect's own in it where that means something.
fn quotes_markup(calls: &[Call], own: &[String]) -> bool {
    let tokens = calls.iter().flat_map(|(_, arguments)| tokens(arguments));
    let mut strings = tokens.filter_map(|token| match token {
        Token::String(written) => string(written),
        _ => None,
    });
    strings.any(|text| has_any(&text, own))
}

/// What is read of an answer, a line for each thing.
fn read(case: &Case, answer: &str) -> Vec<String> {
    let (items, _) = case.read([answer]);
    let line = |item: Item| match item {
        Item::Call { name, arguments, ended: true } => format!("{name} {}", normal(&arguments)),
        other => format!("{other:?}"),
    };
    items.into_iter().map(line).collect()
}

fn lines(calls: &[Call]) -> Vec<String> {
    calls.iter().map(|(name, arguments)| format!("{name} {}", normal(arguments))).collect()
}

/// But for a dialect's own markup in values where it escapes nothing: what becomes of that the next test shows.
#[test]
fn calls_are_read_as_they_were_written() {
    for dialect in Dialects::builtin().iter() {
        let (case, own) = (case(dialect), written::own_markup(dialect));
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&calls(dialect, &own), |calls| {
            let answer = written::answer(dialect, &calls);
            prop_assume!(!quotes_markup(&calls, &own));
            prop_assert_eq!(read(&case, &answer), lines(&calls), "\n{}", answer);
            Ok(())
        });
        assert_eq!(result.map_err(|error| error.to_string()), Ok(()), "{}", dialect.name());
    }
}

/// How many of a thousand answers may be read as others whose values hold their own dialect's markup, as they do where
/// models write about calls. Between tags that is a value that ends in its own closer, or quotes a call without
/// closing it; between delimiters of the dialect's own it is
/// one of them, which is read as a quote.
fn misread_per_mille(dialect: &Dialect) -> usize {
    match written::payload(dialect) {
        Some(Payload::Tagged(_) | Payload::Elements(_)) => 180,
        Some(Payload::Literal(_)) => 650,
        _ => 0,
    }
}

#[test]
fn most_of_what_quotes_its_own_dialect_is_data() {
    let mut over = Vec::new();
    for dialect in Dialects::builtin().iter() {
        let (case, own) = (case(dialect), written::own_markup(dialect));
        let (mut runner, calls) = (TestRunner::deterministic(), calls(dialect, &[]));
        let (mut quoting, mut misread) = (0, 0);
        while quoting < 1000 && !own.is_empty() {
            let calls = calls.new_tree(&mut runner).unwrap().current();
            if quotes_markup(&calls, &own) {
                quoting += 1;
                misread += usize::from(read(&case, &written::answer(dialect, &calls)) != lines(&calls));
            }
        }
        if misread > misread_per_mille(dialect) {
            over.push(format!("{}: {misread}", dialect.name()));
        }
    }
    assert_eq!(over, [""; 0]);
}

/// What a client reads that wants calls in a format, of an answer that comes in pieces of so many characters.
fn told(from: &Arc<Dialect>, format: &AgentFormat, answer: &str, size: usize) -> String {
    let exchange = Exchange { format: format.clone(), ..Exchange::new(case(from).settings) };
    let mut rewriter = StreamRewriter::new(&exchange, &case(from).limits);
    let mut out = BytesMut::new();
    let mut send = |delta: serde_json::Value, finish: Option<&str>| {
        let chunk = serde_json::json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        out.extend_from_slice(&rewriter.push(Bytes::from(format!("data: {chunk}\n\n"))));
    };
    let letters: Vec<char> = answer.chars().collect();
    for piece in letters.chunks(size) {
        send(serde_json::json!({"content": piece.iter().collect::<String>()}), None);
    }
    send(serde_json::json!({}), Some("stop"));
    rewriter.finish(&mut out);
    let mut folder = Folder::new(1 << 24);
    folder.push(out.freeze());
    let message = folder.finish().messages[&0].clone();
    assert_eq!(message.finish_reason.as_deref(), Some("tool_calls"), "{answer}");
    message.content.unwrap_or_default()
}

#[test]
fn calls_of_every_dialect_are_told_in_every_other_one() {
    let dialects = Dialects::builtin();
    let mut runner = TestRunner::deterministic();
    for from in dialects.iter() {
        for to in dialects.iter() {
            let own = [written::own_markup(from), written::own_markup(to)].concat();
            // What no element says, none can be told.
            let is_of_elements = |dialect: &Dialect| matches!(written::payload(dialect), Some(Payload::Elements(_)));
            let of = if is_of_elements(to) { to } else { from };
            let calls = calls(of, &own).new_tree(&mut runner).unwrap().current();
            if quotes_markup(&calls, &own) {
                continue;
            }
            let format = AgentFormat::named(to.name(), &dialects).unwrap();
            let answer = written::answer(from, &calls);
            for size in [1, 7, usize::MAX] {
                let text = told(from, &format, &answer, size);
                assert_eq!(read(&case(to), &text), lines(&calls), "{} to {}\n{answer}\n{text}", from.name(), to.name());
            }
        }
    }
}

/// The formats that are no dialect's are read by the dialects of their tags.
#[test]
fn calls_are_told_in_every_format() {
    let dialects = Dialects::builtin();
    let mut runner = TestRunner::deterministic();
    let from = dialects.get("qwen3-coder").unwrap();
    for (format, reader) in [("qwen3", "generic"), ("xml", "hermes"), ("gemma", "tool-code"), ("llama3", "generic")] {
        let (format, reader) = (AgentFormat::named(format, &dialects).unwrap(), dialects.get(reader).unwrap());
        for _ in 0..50 {
            let own = [written::own_markup(from), written::own_markup(reader)].concat();
            let calls = calls(from, &own).new_tree(&mut runner).unwrap().current();
            if quotes_markup(&calls, &own) {
                continue;
            }
            let text = told(from, &format, &written::answer(from, &calls), 1);
            assert_eq!(read(&case(reader), &text), lines(&calls), "{text}");
        }
    }
}
