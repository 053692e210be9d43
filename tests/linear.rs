//! Work and memory are bounded: bytes that are looked at are counted, not the time that it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;

use std::sync::Mutex;

use toolgate::dialect::Dialects;
use toolgate::limits::Limits;

use fuzz::decode::Case;

/// Every byte is looked at by the machine and by what reads a call, where it can lead through some states, and all that
/// once more after a rejected opener.
const EXAMINED_MAX: u64 = 10;

/// Limits at which a text of some thousand bytes meets all of them.
fn small() -> Limits {
    Limits { pending_bytes_max: 256, value_bytes_max: 512, ..Limits::default() }
}

/// What is repeated between a beginning and an end, and hurts a careless reader.
const HOSTILE: &[(&str, &str, &str)] = &[
    ("", "<tool_call>", ""),
    ("", "<tool_call>{\"name\": \"", ""),
    ("", "<tool_call>{\"a\":\"", ""),
    ("", "<tool_call>{\"a\":", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": \"", "<tool_call>", "\"}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": ", "{\"a\":", "1}"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": ", "[", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {}, ", "\"k\": [], ", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {}, \"", "k", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": \"x", "\" ", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 1", " \"", ""),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 1", "e", "</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 1", "</tool", "</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {", "x", ""),
    ("<tool_call>{\"name\": \"bash\"}", " ", "x"),
    ("<tool_call>{\"name\": \"bash\"}", "]", "x"),
    ("", " ", ""),
    ("", "\n", "<tool_call>{\"name\": \"bash\"}</tool_call>"),
    ("", "<think>", ""),
    ("", "<think></think>\n", "x"),
    ("<think>", "<tool_call><function=bash>", ""),
    ("<think>", "<tool_call><function=bash><parameter=command>", "</think>"),
    ("", "<function=", ""),
    ("<function=bash><parameter=command>", "</parameter>", ""),
    ("<function=bash><parameter=command>", "</parameter>   x", "</parameter></function>"),
    ("<function=bash><parameter=command>", "\n", "</parameter></function>"),
    ("<function=get_weather><parameter=days>", "1", "</parameter></function>"),
    ("<function=get_weather><parameter=days>", " ", "</parameter></function>"),
    ("<function=get_weather><parameter=where>{\"a\":1}", "x", "</parameter></function>"),
    ("<function=get_time><parameter=arguments>", "{", "</parameter></function>"),
    ("<function=bash><parameter=command>", "<parameter=", "</parameter></function>"),
    ("<function=bash><parameter=command>", "\n<parameter=k>", "</parameter></function>"),
    ("<function=bash><parameter=command>", "\n</function>", "</parameter></function>"),
    ("<function=bash><parameter=command>", "\n</function>\nx", "</parameter></function>"),
    ("<function=bash><parameter=command>", "</parameter></function>\n", "</parameter></function>"),
    ("<function=bash><parameter=command>x</parameter></function>", "\n", "</parameter></function>"),
    ("<function=bash><parameter=command>", "<function=bash>\n<parameter=command>\n", "</parameter></function>"),
    ("<function=bash><parameter=command>", "<function=bash><parameter=command>x</parameter></function>", ""),
    ("", "<function=bash><parameter=command><function=bash><parameter=command>x</parameter></function>", ""),
    ("<tool_call>", "<function=bash><parameter=command>x</parameter></function>\ny\n", ""),
    ("<tool_call><function=bash>", "{\"a\":", ""),
    ("", "<|tool_call>call:", ""),
    ("<|tool_call>call:bash{command:<|\"|>", "}", ""),
    ("<|tool_call>call:bash{command:<|\"|>x", "}<tool_call|>", "y<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>x}", "<tool_call|>", ""),
    ("<|tool_call>call:bash{command:<|\"|>", "<|\"|>", ""),
    ("<|tool_call>call:bash{command:<|\"|>", "<|\"|>,", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>", "x<|\"|>}<tool_call|> ", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>", "<|\"|>, k", ""),
    ("<|tool_call>call:bash{command:<|\"|>", "|\"|>,", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>", "}<tool_call|><|tool_call>call:", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>", "<|tool_call>call:bash{", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>x<|\"|>", "\n", "x<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:a", ", b c", "}<tool_call|>"),
    ("<|tool_call>call:bash{command:\"", "}<tool_call|>call:", "\"}<tool_call|>"),
    ("<|tool_call>call:bash{command:1,<|\"|>", "k", ""),
    ("<|tool_call>call:", "a", ""),
    ("<tool_call>{\"name\": \"bash\"}</tool_call>", "<|im_end|>", "x"),
    ("<tool_call>{\"name\": \"bash\"}<|im_end|>", "</tool_call>", "x"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": \"{}", "x", "\"}</tool_call>"),
    ("<function=get_weather><parameter=where>{\"a\":1}", " x<", "</parameter></function>"),
    ("", "```json\n", ""),
    ("", "```json\n{ ", ""),
    ("", "{ ", ""),
    ("{", "\n", "\"tool_call\""),
    ("]<]minimax[>[<invoke name=\"bash\">]<]minimax[>[<command>", "]<]minimax[>[<x>", "]<]minimax[>[</invoke>"),
    ("]<]minimax[>[<invoke name=\"bash\">]<]minimax[>[<command>", "]<]minimax[>[</command> ", ""),
    ("]<]minimax[>[<invoke name=\"get_weather\">]<]minimax[>[<where>", "]<]minimax[>[<a>", "]<]minimax[>[</where>"),
    ("]<]minimax[>[<invoke name=\"get_weather\">]<]minimax[>[<where>", "]<]minimax[>[<", ">"),
    ("<function_calls>bash(command='", ")", "')</function_calls>"),
    ("<function_calls>bash(command='", ")</function_calls><function_calls>bash(", "')</function_calls>"),
    ("<function_calls>bash(command=1, a={'", "x", ""),
    ("<function_calls>bash(command=1, a={'a': 1, '", "x", ""),
    ("<function_calls>bash(command=1, a={", "</function_calls>", ""),
    ("", "call:get_time{} ", ""),
    ("", "`<tool_call>", ""),
    ("x", "<|im_end|> ", "x"),
    ("<tool_call>{\"name\": \"bash\"}</tool_call>", "</tool_", ""),
    ("```json\n[", "{\"name\": \"bash\"},", "]\n```"),
    ("", "{\"tool_call\": {\"name\": \"", ""),
];

/// Values of every kind in each way to write a call: what is kept of them grows, and must not be looked at anew.
const PAYLOADS: &[(&str, &str, &str)] = &[
    ("{\"tool_call\": {\"name\": \"bash\", \"arguments\": {\"a\": \"", "x", "\"}}}"),
    ("{\"name\": \"bash\", \"parameters\": {\"a\": \"", "\\n\\u00e9x", "\"}}"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": \"", "\\", "\"}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": '", "x\" ", "'}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": [0", ", 1.5", "]}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": ", "1", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 0.", "1\"1 ", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 1", " 1 \"", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": ", "f(", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"", "k", "\": 1}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"k", "\" ", "\": 1}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {", "\n", "\"k\": 1}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"k\"", " ", ": 1}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": 1", ",", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": {\"a\": ", "{x, ", "}}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"arguments\": \"{\\\"a\\\": \\\"", "\\n", "\\\"}\"}</tool_call>"),
    ("<tool_call>{\"name\": \"bash\", \"other\": [0", ", 1", "]}</tool_call>"),
    ("<function=bash><parameter=command>", "x\"\n", "</parameter></function>"),
    ("<function=bash><parameter=command>x", "</param", "</parameter></function>"),
    ("<function=get_weather><parameter=days>", "1.5e", "</parameter></function>"),
    ("<function=get_weather><parameter=where>{\"a\": \"", "x\\n", "\"}</parameter></function>"),
    ("<function=get_weather><parameter=where>{\"a\": [0", ", 1", "]}</parameter></function>"),
    ("<function=get_weather><parameter=maybe>{\"a\": [0", ", 1", "]}</parameter></function>"),
    ("<function=get_time><parameter=arguments>{\"a\": [0", ", 1", "]}</parameter></function>"),
    ("<function=get_time><parameter=", "k", "></parameter></function>"),
    ("<function=get_time>", "<parameter=k>v</parameter>", "</function>"),
    ("<|tool_call>call:bash{command:<|\"|>", "x\"\n", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:<|\"|>", "<|\"", "<|\"|>}<tool_call|>"),
    ("<|tool_call>call:bash{command:", "word ", "}<tool_call|>"),
    ("<|tool_call>call:get_weather{days:", "1", "}<tool_call|>"),
    ("<|tool_call>call:get_weather{list:[0", ",{a:1}", "]}<tool_call|>"),
    ("<|tool_call>call:bash{", "k", ":1}<tool_call|>"),
    ("<|tool_call>call:bash{k", " ", ":1}<tool_call|>"),
];

/// Each hostile text, in each dialect, some thousand bytes long. Dialects are checked side by side.
fn hostile(all: &[Limits], check: impl Fn(&Case, &str) + Sync) {
    let dialects = Dialects::builtin();
    let next = Mutex::new(dialects.iter());
    let check_all = || {
        while let Some(dialect) = { next.lock().unwrap().next() } {
            for (begin, again, end) in HOSTILE.iter().chain(PAYLOADS) {
                let text = format!("{begin}{}{end}", again.repeat(6000 / again.len()));
                for limits in all.iter().cloned() {
                    check(&Case { limits, ..Case::new(dialect.name()) }, &text);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(check_all);
        }
    });
}

#[test]
fn no_byte_is_looked_at_often() {
    hostile(&[Limits::default(), small()], |case, text| {
        let length = u64::try_from(text.len()).unwrap();
        let reread = u64::try_from(8 * case.limits.pending_bytes_max).unwrap();
        let letters = text.split_inclusive(|_: char| true);
        for examined in [case.examined([text]), case.examined(letters)] {
            assert!(examined >= length);
            let most = EXAMINED_MAX * (length + reread);
            let dialect = case.settings.dialect.name();
            assert!(examined <= most, "{examined} bytes were looked at in {text:.200} in {dialect}");
        }
    });
}

#[test]
fn no_buffer_outgrows_its_limit() {
    hostile(&[Limits::default(), small()], |case, text| {
        let mut decoder = case.decoder();
        // A key and whitespace behind it may wait together, and a marker beside them.
        let most = 2 * case.limits.pending_bytes_max.max(case.limits.value_bytes_max) + 64;
        for (at, letter) in text.char_indices() {
            decoder.push(letter.encode_utf8(&mut [0; 4]), &mut |_| {});
            let held = decoder.held();
            assert!(held <= most, "{held} bytes are held at {at} of {text:.200} in {}", case.settings.dialect.name());
        }
    });
}

#[test]
fn hostile_texts_lose_nothing() {
    let limits = Limits { pending_bytes_max: 48, value_bytes_max: 64, depth_max: 8, ..Limits::default() };
    hostile(&[limits], |case, text| {
        // As long as it takes to meet every limit.
        let text = &text[..text.len().min(700)];
        case.check(text);
        case.check_cut(text, text.len() / 2);
    });
}

/// What looks like markup, in prose about markup.
const PROSE: &str = "If a < b && c > d, use `Vec<T>` or {\"json\": [1, 2]}: call(x)[0] := {y}. \
    ```rust\nfn main() { println!(\"<tool>\"); }\n```\n<b>bold</b> <table><tr><td>|</td></tr></table> <|x|> 😀 é\n";

/// Whether code may begin so: with a word, perhaps in a fence whose first line is its own.
fn may_be_code(held: &str) -> bool {
    let code = held.strip_prefix("```").map_or(held, |fence| fence.split_once('\n').map_or("", |(_, code)| code));
    code.split_ascii_whitespace().count() <= 1 && code.trim().chars().all(char::is_alphanumeric)
}

#[test]
fn prose_is_not_held() {
    for dialect in Dialects::builtin().iter() {
        let case = Case::new(dialect.name());
        let call = &dialect.spec().call;
        let words = call.fence.iter().map(String::as_str).chain([""]);
        let fences = words.flat_map(|word| call.bare.iter().map(move |bare| format!("```{word}{bare}")));
        // Any whitespace may stand where an opener has some.
        let plain = |text: &str| text.replace(char::is_whitespace, "");
        let markers: Vec<String> =
            fuzz::vocabulary::of(dialect).into_iter().chain(fences).map(|marker| plain(&marker)).collect();
        let mut decoder = case.decoder();
        for (at, letter) in PROSE.char_indices() {
            decoder.push(letter.encode_utf8(&mut [0; 4]), &mut |_| {});
            let read = at + letter.len_utf8();
            let held = &PROSE[read - decoder.held()..read];
            let begun = plain(held);
            let may_begin = markers.iter().any(|marker| marker.starts_with(&begun) && *marker != begun);
            let may_begin = may_begin || (dialect.spec().reads_code() && may_be_code(held));
            assert!(held.is_empty() || may_begin, "{held:?} is held in {}", dialect.name());
        }
    }
}
