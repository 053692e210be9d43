//! Grammars of small offers: what they say of each kind of schema, and how a call stands around it.

mod sampler;

use std::sync::Arc;

use self::sampler::Sampler;
use super::rules::Rules;
use super::values::{Notation, Style, Values};
use super::*;
use crate::chat::{IdForm, IdPart};
use crate::decode::{Decoder, Event, Finish, UnknownTools};
use crate::dialect::Dialects;
use crate::encode::{CallHead, CallStyle, Encoder};
use crate::limits::Limits;
use crate::schema;

fn tool(name: &str, parameters: &str) -> Tool {
    Tool { name: name.into(), parameters: Some(parameters.into()) }
}

fn grammar(dialect: &str, tools: &[Tool], calls: chat::Calls, reasoning: Reasoning) -> Result<String, GrammarError> {
    let dialects = Dialects::builtin();
    forced(dialects.get(dialect).unwrap(), &Wish { tools, calls, reasoning })
}

const WEATHER: &str = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"enum":["c","f"]}},"required":["city"]}"#;

/// The rules for a value, of which the last stands for all of it.
fn value(schema: &str, style: &Style) -> String {
    let schema = serde_json::from_str(schema).unwrap();
    let mut rules = Rules::default();
    let root = Values::new(&schema, style, &mut rules).value(&schema);
    rules.write(&root)
}

#[test]
fn a_call_stands_in_the_dialects_own_syntax() {
    let tools = [tool("get_weather", WEATHER)];
    for (dialect, expected) in [
        ("hermes", r#""<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " object"#),
        ("qwen3-coder", r#""<tool_call>\n<function=get_weather>\n" parameter"#),
        ("gemma4", r#""<|tool_call>call:get_weather" object"#),
        ("llama3-json", r#"get_weather\", \"parameters\": " object"#),
    ] {
        let grammar = grammar(dialect, &tools, chat::Calls::First, Reasoning::Off).unwrap();
        assert!(grammar.contains(expected), "{dialect}: {grammar}");
        let root = grammar.lines().next().unwrap();
        assert!(root.starts_with("root ::= call-") && root.split(' ').count() == 3, "{root}");
    }
}

#[test]
fn members_stand_in_the_schemas_order_and_those_that_are_not_required_may_be_missing() {
    let grammar = grammar("qwen3-coder", &[tool("f", WEATHER)], chat::Calls::First, Reasoning::Off).unwrap();
    let call = grammar.lines().find(|line| line.starts_with("call-")).unwrap();
    let parameters: Vec<_> = call.split(' ').filter(|part| part.starts_with("parameter-")).collect();
    assert_eq!(parameters.iter().map(|name| name.ends_with('?')).collect::<Vec<_>>(), [false, true, true], "{call}");
    for (name, value) in parameters.iter().zip(["until-0", "integer-", "( \"c\" | \"f\" )"]) {
        let rule = format!("{} ::= ", name.trim_end_matches('?'));
        let rule = grammar.lines().find(|line| line.starts_with(&rule)).unwrap();
        assert!(rule.contains(value), "{rule}");
    }
}

#[test]
fn how_many_calls_and_who_thinks() {
    let tools = [tool("f", "{}"), tool("g", "{}")];
    let root = |dialect, calls, reasoning| {
        let grammar = grammar(dialect, &tools, calls, reasoning).unwrap();
        grammar.lines().next().unwrap().to_owned()
    };
    let one = root("hermes", chat::Calls::First, Reasoning::Off);
    assert!(one.starts_with("root ::= ( call-") && one.ends_with(" )") && !one.contains('{'), "{one}");
    let many = root("hermes", chat::Calls::All, Reasoning::Off);
    assert!(many.ends_with("){0,7}") && many.contains(r#"( "\n" ( call-"#), "{many}");
    let thinks = root("hermes", chat::Calls::First, Reasoning::Auto);
    assert!(
        thinks.contains(r#"( "<think>" until-"#) && thinks.contains(r#" "</think>" )? [\n]{0,2} ( call-"#),
        "{thinks}"
    );
    let open = root("hermes", chat::Calls::First, Reasoning::Open);
    assert!(open.starts_with("root ::= until-") && open.contains(r#" "</think>" [\n]{0,2} ( call-"#), "{open}");
    assert!(!root("llama3-json", chat::Calls::First, Reasoning::Auto).contains("until"));
}

#[test]
fn what_a_schema_says_and_where_it_is_taken_loosely() {
    let json = Style { notation: Notation::Json, closers: Vec::new() };
    for (schema, expected) in [
        (r#"{"const":{"a":[1]}}"#, r#"root ::= "{\"a\": [1]}""#),
        (r#"{"enum":["x",1,null]}"#, r#"root ::= ( "\"x\"" | "1" | "null" )"#),
        (r#"{"type":["Float","long"]}"#, r#"root ::= ( number-1 | integer-0 )"#),
        (r#"{"type":"bool"}"#, r#"root ::= ( "true" | "false" )"#),
        (r#"{"type":["null","integer"]}"#, r#"root ::= ( "null" | integer-0 )"#),
        (r#"{"type":"array","items":{"type":"null"},"maxItems":0}"#, r#"root ::= "[]""#),
        (
            r#"{"type":"array","items":{"type":"null"},"minItems":2,"maxItems":3}"#,
            r#"array-0 ::= "[" "null" ( ", " "null" ){1,2} "]""#,
        ),
        (r#"{"type":"array","items":{"type":"null"}}"#, r#"array-0 ::= "[" ( "null" ( ", " "null" )* )? "]""#),
        (
            r#"{"prefixItems":[{"type":"null"},{"const":1}],"items":false,"type":"array"}"#,
            r#"array-0 ::= "[" "null" ", " "1" "]""#,
        ),
        (r#"{"type":"string","minLength":1,"maxLength":3}"#, r#"string-1 ::= "\"" ( char-0 ){1,3} "\"""#),
        // What goes beyond a grammar's counts, or what it says, is looser.
        (r#"{"type":"string","maxLength":100000,"pattern":"a+"}"#, r#"string-1 ::= "\"" char-0* "\"""#),
        (r#"{"allOf":[{"type":"null"}]}"#, r#"root ::= "null""#),
        (r#"{"anyOf":[{"type":"null"},{"const":2}]}"#, r#"any-0 ::= ( "null" | "2" )"#),
        (r#"{"allOf":[{"type":"null"},{"const":2}]}"#, "root ::= value-0"),
        (r##"{"$ref":"#/nowhere"}"##, "root ::= value-0"),
        (r##"{"$ref":"#"}"##, "ref-0 ::= value-1"),
        (r#"{"type":"object"}"#, "root ::= object-"),
        ("true", "root ::= value-0"),
        (r#"{"type":"whatever"}"#, "root ::= value-0"),
    ] {
        let grammar = value(schema, &json);
        assert!(
            grammar.lines().any(|line| line == expected || expected.ends_with('-') && line.starts_with(expected)),
            "{schema}: {grammar}"
        );
    }
}

#[test]
fn objects_have_what_is_required_and_others_where_the_schema_has_a_word_for_them() {
    let json = Style { notation: Notation::Json, closers: Vec::new() };
    let table = [
        (r#"{"properties":{"a":{"const":1},"b":{"const":2}},"required":["b"]}"#, false),
        (r#"{"properties":{"a":{"const":1}},"additionalProperties":false}"#, false),
        (r#"{"properties":{"a":{"const":1}},"additionalProperties":{"type":"null"}}"#, true),
        (r#"{"properties":{"a":{"const":1}},"patternProperties":{"x":{}}}"#, true),
    ];
    for (schema, has_others) in table {
        let grammar = value(schema, &json);
        assert_eq!(grammar.contains("pair-"), has_others, "{schema}: {grammar}");
    }
    let grammar = value(r#"{"properties":{"a":{"const":1}},"required":["c","a"]}"#, &json);
    assert!(grammar.contains(r#""\"c\": " value-"#), "{grammar}");
}

#[test]
fn a_schema_that_leads_back_to_itself_is_a_rule_that_does() {
    let json = Style { notation: Notation::Json, closers: Vec::new() };
    let grammar = value(r##"{"properties":{"next":{"$ref":"#"}}}"##, &json);
    let member = grammar.lines().find(|line| line.starts_with("member-")).unwrap();
    assert!(member.ends_with(r#""\"next\": " ref-0"#), "{grammar}");
}

#[test]
fn a_literal_of_its_own_has_bare_keys_and_its_own_strings() {
    let style = Style { notation: Notation::Literal("<q>".into()), closers: vec!["<end>".into()] };
    let grammar =
        value(r#"{"properties":{"a":{"type":"string"},"b":{"enum":["x","y"]}},"required":["a","b"]}"#, &style);
    for rule in [r#""a:" string-"#, r#""b:" ( "<q>x<q>" | "<q>y<q>" )"#, r#""<q>" until-0 "<q>""#] {
        assert!(grammar.contains(rule), "{rule}: {grammar}");
    }
}

#[test]
fn what_would_be_too_large_is_none() {
    let many = (0..4_000).map(|n| format!(r#""p{n}":{{"type":"string"}}"#)).collect::<Vec<_>>().join(",");
    let tools = [tool("f", &format!(r#"{{"properties":{{{many}}}}}"#))];
    assert_eq!(grammar("hermes", &tools, chat::Calls::All, Reasoning::Auto), Err(GrammarError::TooLarge));
    // As deep as a stranger likes.
    let deep = r#"{"items":"#.repeat(100) + "{}" + &"}".repeat(100);
    assert!(
        grammar(
            "hermes",
            &[tool("f", &format!(r#"{{"properties":{{"a":{deep}}}}}"#))],
            chat::Calls::All,
            Reasoning::Auto
        )
        .is_ok()
    );
}

const TREE: &str = r##"{"type":"object","properties":{"text":{"type":"string"},"node":{"$ref":"#/$defs/node"},"list":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["text","node"],"$defs":{"node":{"type":"object","properties":{"v":{"type":["integer","boolean"]},"next":{"$ref":"#/$defs/node"},"s":{"type":"string"}},"required":["v"]}}}"##;

/// What an answer was read as: its text, and its calls with their names and arguments.
fn read(dialect: &Arc<Dialect>, tools: &[Tool], reasoning: Reasoning, answer: &str) -> (String, Vec<(String, String)>) {
    let settings = crate::decode::Settings {
        dialect: Arc::clone(dialect),
        calls: chat::Calls::All,
        tools: Arc::new(schema::Tools::new(tools.to_vec())),
        reasoning,
        unknown_tools: UnknownTools::Text,
    };
    let mut decoder = Decoder::new(settings, &Limits::default());
    let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
    let mut see = |event: Event<'_>| match event {
        Event::Text(more) => text.push_str(more),
        Event::CallStart { name, .. } => calls.push((name.to_owned(), String::new())),
        Event::Arguments(more) => calls.last_mut().unwrap().1.push_str(more),
        _ => {}
    };
    decoder.push(answer, &mut see);
    decoder.finish(Finish::Stop, &mut see);
    (text, calls)
}

/// Whether a call has what its schema requires.
fn is_whole((name, arguments): &(String, String)) -> bool {
    let required: &[&str] = match name.as_str() {
        "get_weather" => &["city"],
        "tree" => &["text", "node"],
        _ => &[],
    };
    let read = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments);
    read.is_ok_and(|read| required.iter().all(|key| read.contains_key(*key)))
}

fn offer() -> [Tool; 4] {
    let ping = tool("ping", r#"{"type":"object","properties":{}}"#);
    [tool("get_weather", WEATHER), tool("tree", TREE), ping, Tool { name: "any".into(), parameters: None }]
}

/// An id as models of a family write it.
fn id(form: &IdForm, name: &str, place: usize) -> String {
    let part = |part: &IdPart| match part {
        IdPart::Literal(text) => text.clone(),
        IdPart::Name => name.to_owned(),
        IdPart::Number => place.to_string(),
    };
    match form {
        IdForm::Call => format!("call_{place}"),
        IdForm::Letters(letters) => format!("{place:0letters$}"),
        IdForm::Text(parts) => parts.iter().map(part).collect(),
    }
}

/// The dialect itself, or as it is once an answer has told the suffix of its markers.
fn told(dialect: &Arc<Dialect>) -> Option<&Dialect> {
    let Some(suffixes) = dialect.suffixes() else { return Some(dialect) };
    read(dialect, &offer(), Reasoning::Auto, "<think:x1></think:x1><tool_calls:x1>");
    suffixes.known()
}

/// Calls in a style, each with its name, its arguments and its id.
fn calls_as_text(style: CallStyle, calls: &[(&str, &str, String)]) -> String {
    let (mut encoder, mut text) = (Encoder::new(Arc::new(style)), String::new());
    for (name, arguments, id) in calls {
        encoder.begin(CallHead { name, id }, &mut text);
        encoder.arguments(arguments, &mut text);
        encoder.end(&mut text);
    }
    encoder.close(&mut text);
    text
}

/// How a past call is written, a grammar makes a model write it, and so it is read: the three are one text.
#[test]
fn what_is_written_of_a_past_call_is_what_a_grammar_admits_and_what_is_read() {
    const CALLS: [(&str, &str); 5] = [
        ("get_weather", r#"{"city": "São Paulo, \"SP\"", "days": 2}"#),
        ("tree", r#"{"text": "a\n b", "node": {"v": true, "next": {"v": 7, "s": "x"}}, "list": ["a", "b"]}"#),
        ("ping", "{}"),
        ("carry", r#"{"from": "a", "to": "b"}"#),
        ("get_weather", r#"{"city": "Rome", "unit": "c"}"#),
    ];
    // Python has a word of its own for the first property.
    let carry =
        tool("carry", r#"{"properties":{"from":{"type":"string"},"to":{"type":"string"}},"required":["from"]}"#);
    let tools: Vec<_> = offer().into_iter().chain([carry]).collect();
    for dialect in Dialects::builtin().iter() {
        let spec = told(dialect).expect("a suffix").spec();
        let is_single = matches!(spec.prompt.history, History::Native(CallsOfTurn::One));
        let wish = Wish { tools: &tools, calls: chat::Calls::All, reasoning: Reasoning::Auto };
        let sampler = Sampler::read(&forced(dialect, &wish).unwrap());
        for written in spec.written.iter() {
            let runs = if is_single { CALLS.chunks(1) } else { CALLS.chunks(CALLS.len()) };
            for calls in runs {
                let named = calls
                    .iter()
                    .enumerate()
                    .map(|(place, (name, arguments))| (*name, *arguments, id(&spec.ids.mint, name, place)));
                let text = calls_as_text(CallStyle::spelled(dialect, written), &named.collect::<Vec<_>>());
                assert!(sampler.accepts(&text), "{}: {text}", dialect.name());
                let (rest, found) = read(dialect, &tools, Reasoning::Auto, &text);
                let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                let found: Vec<_> = found.iter().map(|(name, arguments)| (name.as_str(), value(arguments))).collect();
                let expected: Vec<_> = calls.iter().map(|(name, arguments)| (*name, value(arguments))).collect();
                assert_eq!((rest.as_str(), found), ("", expected), "{}: {text}", dialect.name());
            }
        }
    }
}

/// What a server can write by a grammar is read back as calls and nothing else, in every dialect that has one.
#[test]
fn what_a_grammar_allows_is_read_as_calls() {
    let (mut written, mut wrong) = (0, Vec::new());
    for dialect in Dialects::builtin().iter() {
        for reasoning in [Reasoning::Auto, Reasoning::Open] {
            let tools = offer();
            let wish = Wish { tools: &tools, calls: chat::Calls::All, reasoning };
            let Ok(grammar) = forced(dialect, &wish) else { continue };
            written += 1;
            let sampler = Sampler::read(&grammar);
            let is_bad = |sentence: &String| {
                let (text, calls) = read(dialect, &tools, reasoning, sentence);
                calls.is_empty() || !text.is_empty() || !calls.iter().all(is_whole)
            };
            let bad = (0..200).map(|seed| sampler.sentence(seed)).find(is_bad);
            wrong.extend(bad.map(|bad| {
                format!("{} {reasoning:?}: {bad:?}: {:?}", dialect.name(), read(dialect, &tools, reasoning, &bad))
            }));
        }
    }
    assert!(wrong.is_empty() && written >= 50, "{written} grammars\n{}", wrong.join("\n"));
}

/// Where an answer may be anything, what begins as a call is a whole one.
#[test]
fn what_begins_as_a_call_under_a_strict_grammar_is_one() {
    let (mut written, mut called, mut wrong) = (0, 0, Vec::new());
    for dialect in Dialects::builtin().iter() {
        let tools = offer();
        let wish = Wish { tools: &tools, calls: chat::Calls::All, reasoning: Reasoning::Off };
        // Where nothing ends a call, a quote right behind it may be one of its own.
        let is_closed = !dialect.spec().call.close.is_empty();
        let Some(grammar) = strict(dialect, &wish).ok().filter(|_| is_closed) else { continue };
        written += 1;
        let sampler = Sampler::read(&grammar);
        for sentence in (0..60).map(|seed| sampler.sentence(seed)) {
            let (text, calls) = read(dialect, &tools, Reasoning::Off, &sentence);
            called += calls.len();
            let is_left = dialect.spec().call.open.iter().any(|opener| text.contains(opener.trim()));
            if is_left || !calls.iter().all(is_whole) {
                let broken = calls.iter().find(|call| !is_whole(call));
                wrong.push(format!("{}: {text:?}, {broken:?} in {sentence:?}", dialect.name()));
                break;
            }
        }
    }
    assert!(
        wrong.is_empty() && written >= 20 && called > 500,
        "{written} grammars, {called} calls\n{}",
        wrong.join("\n")
    );
}

/// Where a model is held to a schema, its answer is read as the object that this asks for, and as its own form too.
#[test]
fn an_object_is_read_as_a_call_in_every_dialect_and_so_is_the_familys_own_form() {
    const ARGUMENTS: &str = r#"{"city": "Rome", "days": 2}"#;
    let tools = offer();
    for dialect in Dialects::builtin().iter().chain(Dialects::builtin().union()) {
        let Some(reads) = dialect.or_json() else { panic!("{}", dialect.name()) };
        let object = format!(r#"{{"name": "get_weather", "arguments": {ARGUMENTS}}}"#);
        let id = id(&dialect.spec().ids.mint, "get_weather", 0);
        let own = calls_as_text(CallStyle::of(dialect).unwrap(), &[("get_weather", ARGUMENTS, id)]);
        let thought =
            dialect.spec().reasoning.as_ref().map(|block| format!("{}Hm.{}\n", block.open[0], block.close[0]));
        let texts = [object.clone(), object.replace(' ', "\n "), format!("```json\n{object}\n```"), own];
        for text in texts.into_iter().chain(thought.map(|thought| thought + &object)) {
            let (rest, calls) = read(reads, &tools, Reasoning::Auto, &text);
            let calls: Vec<_> =
                calls.iter().map(|(name, given)| (name.as_str(), given.replace(['\n', ' '], ""))).collect();
            let expected = [("get_weather", ARGUMENTS.replace(' ', ""))];
            assert_eq!((rest.as_str(), calls.as_slice()), ("", &expected[..]), "{}: {text}", dialect.name());
        }
    }
}
