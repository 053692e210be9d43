//! One table of texts, run whole, letter by letter and cut in two everywhere.

use proptest::prelude::*;

use super::*;
use crate::json::Kinds;
use crate::scan::FirstBytes;

/// A schema in which everything is a string, an integer, or unknown.
struct All(Kinds);

impl Types for All {
    type Place = ();
    fn property(&self, (): (), _key: &str) {}
    fn item(&self, (): ()) {}
    fn kinds(&self, (): ()) -> Kinds {
        self.0
    }
}

#[derive(Clone, Copy)]
struct Case {
    mode: Mode,
    words: Words,
    kinds: Kinds,
    quote: Option<&'static str>,
    ended: Ended,
    closers: &'static [&'static str],
    depth_max: usize,
    word_max: usize,
}

const JSON: Case = Case {
    mode: Mode::Total,
    words: Words::Unreadable,
    kinds: Kinds::NONE,
    quote: None,
    ended: Ended::ByItself,
    closers: &["</call>"],
    depth_max: 8,
    word_max: 64,
};
/// What stands behind a value begins as one would.
const BRACKETS: Case = Case { closers: &["[CALL]", "[/CALL]", "{end}", "function", "nothing"], ..JSON };
/// A model writes a backslash in its markers.
const ESCAPING: Case = Case { closers: &["</call>", "<\\end>"], ..JSON };
const STRICT: Case = Case { mode: Mode::Strict, ..JSON };
const CUT: Case = Case { ended: Ended::Cut, ..JSON };
const GEMMA: Case = Case { words: Words::Strings, quote: Some("<|\"|>"), ..JSON };
const TYPED: Case = Case { kinds: Kinds::STRING, ..GEMMA };

/// The output, and in front of it what was unusual: `~` repaired, `!` malformed, `?` unreadable, `…` cut.
fn run(case: Case, pieces: &[&str]) -> String {
    read(case, pieces, |_, _, _, _| Skimmed::No)
}

/// The same, each piece skimmed first.
fn run_skimming(case: Case, pieces: &[&str]) -> String {
    read(case, pieces, Repair::skim)
}

type Skim = fn(&mut Repair<()>, &str, &Behind, &mut String) -> Skimmed;

fn read(case: Case, pieces: &[&str], skim: Skim) -> String {
    let closers: Vec<String> = case.closers.iter().map(ToString::to_string).collect();
    let openers = vec!["<call>".to_string()];
    let types = All(case.kinds);
    let first_bytes = FirstBytes::of(closers.iter().chain(&case.quote.map(String::from)));
    let cx = Syntax {
        types: &types,
        closers: &closers,
        openers: &openers,
        quote: case.quote,
        end_tokens: &[],
        first_bytes: &first_bytes,
        behind: &Behind::new(&closers),
        outer: 0,
        calls: None,
        words: case.words,
        mode: case.mode,
        depth_max: case.depth_max,
        word_max: case.word_max,
    };
    let mut repair = Repair::new(());
    let mut out = String::new();
    let flags = |repair: &Repair<()>| match (repair.is_malformed(), repair.is_repaired()) {
        (true, _) => "! ",
        (false, true) => "~ ",
        _ => "",
    };
    for (i, piece) in pieces.iter().enumerate() {
        let mut rest = *piece;
        match skim(&mut repair, rest, cx.behind, &mut out) {
            Skimmed::No => {}
            Skimmed::Read => continue,
            Skimmed::Data => {
                out.push_str(rest);
                continue;
            }
        }
        loop {
            match repair.push(rest, &cx, &mut out) {
                Progress::More => break,
                Progress::Decided(at) => rest = &rest[at..],
                Progress::Unreadable(_) => return "?".into(),
                Progress::Closed(at) | Progress::Done(at) => {
                    let left = repair.take_rest() + &rest[at..] + &pieces[i + 1..].concat();
                    return format!("{}{out}{}{left}", flags(&repair), if left.is_empty() { "" } else { " | " });
                }
            }
        }
    }
    let cut = if repair.finish(case.ended, &cx, &mut out) == Completion::Cut { "… " } else { "" };
    format!("{cut}{}{out}", flags(&repair))
}

fn check(case: Case, text: &str, expected: &str) {
    assert_eq!(run(case, &[text]), expected, "whole: {text}");
    let cuts: Vec<usize> = (1..text.len()).filter(|&i| text.is_char_boundary(i)).collect();
    for &a in &cuts {
        assert_eq!(run(case, &[&text[..a], &text[a..]]), expected, "cut at {a}: {text}");
        assert_eq!(run_skimming(case, &[&text[..a], &text[a..]]), expected, "skimmed, cut at {a}: {text}");
    }
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(run(case, &letters), expected, "letter by letter: {text}");
    assert_eq!(run_skimming(case, &letters), expected, "skimmed letter by letter: {text}");
}

macro_rules! t {
    ($name:ident, $case:expr, $($input:expr => $expected:expr),+ $(,)?) => {
        #[test]
        fn $name() {
            $(check($case, $input, $expected);)+
        }
    };
}

t!(identity, JSON,
    "{}" => "{}",
    "{ }" => "{ }",
    "[ ]" => "[ ]",
    r#"{"a": 1, "b" : [true,false , null], "c":{"d":-1.5e3}}"# => r#"{"a": 1, "b" : [true,false , null], "c":{"d":-1.5e3}}"#,
    r#"{"a":"x\"y\\z\n\u00e9\ud83d\ude00/\/"}"# => r#"{"a":"x\"y\\z\n\u00e9\ud83d\ude00/\/"}"#,
    r#"{"a":"he said 'hi' “so”, {x} </call>"}"# => r#"{"a":"he said 'hi' “so”, {x} </call>"}"#,
    r#"[[],[[]],{"":""}]"# => r#"[[],[[]],{"":""}]"#,
    r#"{"n":12345678901234567890123,"x":1e999,"f":5.0}"# => r#"{"n":12345678901234567890123,"x":1e999,"f":5.0}"#,
    r#"[1,2] tail"# => "[1,2] |  tail",
    r#"null,"# => "null | ,",
    r#""s" }"# => r#""s" |  }"#,
);

t!(an_escape_is_no_part_of_a_marker, ESCAPING,
    r#"{"a":"<\n"}"# => r#"{"a":"<\n"}"#,
    r#"{"a":"} <\n </call>"}"# => r#"{"a":"} <\n </call>"}"#,
);

t!(a_closer_that_begins_as_json_does_ends_no_value_in_it, BRACKETS,
    r#"{"a": [{"k": ""}, false, {}], "b": ["", null]}false"# => r#"{"a": [{"k": ""}, false, {}], "b": ["", null]} | false"#,
    r#"{"a": ["", [1]], "b": [{"c": ["x", {"d": []}]}]}[/CALL]"# => r#"{"a": ["", [1]], "b": [{"c": ["x", {"d": []}]}]} | [/CALL]"#,
);

t!(what_is_held_in_a_string_is_part_of_it, JSON,
    // A tail that goes on, one that a marker breaks, an escape behind an opener, a quote behind that.
    r#"{"a":"x], {y}) ; <c</cal, \n\"}"}"# => r#"{"a":"x], {y}) ; <c</cal, \n\"}"}"#,
    r#"{"a":"v[\t"b", c]"}"# => r#"~ {"a":"v[\t\"b\", c]"}"#,
    r#"{"a":"{ }\n", "b":1}"# => r#"{"a":"{ }\n", "b":1}"#,
);

t!(quotes_and_keys, JSON,
    "{a: 1, b_c: 'x'}" => r#"~ {"a": 1, "b_c": "x"}"#,
    "{'it': 'it\\'s “ok” \"so\"'}" => r#"~ {"it": "it's “ok” \"so\""}"#,
    "{'it': 'it's'}" => r#"~ {"it": "it's"}"#,
    "{“a”: “b \"c\" d”}" => r#"~ {"a": "b \"c\" d"}"#,
    r#"{"a": "say "hi" there"}"# => r#"~ {"a": "say \"hi\" there"}"#,
    "{\"a\": \"x\ny\t\"}" => r#"~ {"a": "x\ny\t"}"#,
    r#"{"a": "\d \x \u12 \'"}"# => r#"~ {"a": "\\d \\x \\u12 '"}"#,
);

t!(blanks_that_json_does_not_know, JSON,
    "{\u{c}\"a\"\u{c}:\u{c}\"b\"\u{c},\u{c}\"c\": 1\u{a0}}\u{c}" => "{ \"a\" : \"b\" , \"c\": 1 } | \u{c}",
    "{a\u{a0}: [\u{c}1 ,\u{c}2\u{c}]}" => "~ {\"a\" : [ 1 , 2 ]}",
);

t!(commas_and_closers, JSON,
    "{\"a\":1,}" => "~ {\"a\":1}",
    "[1, ]" => "~ [1 ]",
    "[1 \"a\" \"b\"]" => "~ [1 ,\"a\" ,\"b\"]",
    "[1,,2]" => "~ [1,2]",
    r#"{"a": {} "b": 1}"# => r#"~ {"a": {} ,"b": 1}"#,
    r#"{"a": [1, 2}"# => r#"~ {"a": [1, 2]}"#,
    r#"{"a": [1, {"b": 2</call>x"# => r#"~ {"a": [1, {"b": 2}]} | x"#,
    r#"{"a": "b"</call>"# => r#"~ {"a": "b"}"#,
    r#"{"a": [1, {"b": 2}"# => r#"~ {"a": [1, {"b": 2}]}"#,
);

t!(python, JSON,
    "{'a': True, 'b': None, 'c': (1, 'x')}" => r#"~ {"a": true, "b": null, "c": [1, "x"]}"#,
    "[+1, .5, 5., 1_000, 1.5e-3]" => "~ [1, 0.5, 5.0, 1000, 1.5e-3]",
);

t!(quotes_that_are_not_escaped, JSON,
    r#"{"a": "say "yes", ok"}"# => r#"~ {"a": "say \"yes\", ok"}"#,
    r#"{"a": "say "yes", "no" or "both"", "b": 2}"# => r#"~ {"a": "say \"yes\", \"no\" or \"both\"", "b": 2}"#,
    r#"{"a": "x" there", "b": 1}"# => r#"~ {"a": "x\" there", "b": 1}"#,
    r#"{"a": "echo "}" done", "b": 1}"# => r#"~ {"a": "echo \"}\" done", "b": 1}"#,
    r#"{"a": "{"k": "v", "l": [1, "w"]}", "b": 1}"# => r#"~ {"a": "{\"k\": \"v\", \"l\": [1, \"w\"]}", "b": 1}"#,
    r#"{"a": "f(x["k"], "l")", "b": 1}"# => r#"~ {"a": "f(x[\"k\"], \"l\")", "b": 1}"#,
    r#"["{""  ]["]"# => r#"~ ["{\"\"  ]["]"#,
);

t!(strings_without_an_end, JSON,
    r#"{"a": "x, "n": 3}"# => r#"~ {"a": "x", "n": 3}"#,
    r#"{"l": ["x, 1], "n": 3}"# => r#"~ {"l": ["x, 1"], "n": 3}"#,
    r#"{"a": 'x", "n": 3, "b": "y"}</call>"# => r#"~ {"a": "x\"", "n": 3, "b": "y"} | </call>"#,
    r#"{"n": 3, "a": "x}"# => r#"~ {"n": 3, "a": "x"}"#,
    r#"{"n": 3, "a": "x}}</call>"# => r#"~ {"n": 3, "a": "x}"}"#,
    r#"{"a": "} and </call> are data"}"# => r#"{"a": "} and </call> are data"}"#,
);

t!(keys_that_lack_something, JSON,
    r#"{a": 1, "b": 2}"# => r#"~ {"a": 1, "b": 2}"#,
    r#"{"a: 1, "b": 2}"# => r#"~ {"a": 1, "b": 2}"#,
    r#"{"a": "x", "b: 2}"# => r#"~ {"a": "x", "b": 2}"#,
    r#"{"a": "x", b": 2}"# => r#"~ {"a": "x", "b": 2}"#,
    r#"{"a" 1, "b"; 2, "c" "x"}"# => r#"~ {"a" :1, "b": 2, "c" :"x"}"#,
    r#"{"a"": 1, ""b": 2}"# => r#"~ {"a": 1, "b": 2}"#,
    r#"{"a":, 1, "b":: 2}"# => r#"~ {"a":1, "b": 2}"#,
    r#"{\"a\": \"x\ny\"}"# => r#"~ {"a": "x\ny"}"#,
);

t!(markers_that_begin_as_structure_does, Case { closers: &[", \"end\""], ..JSON },
    r#"{"a": "x", "end": 1}"# => r#"~ {"a": "x"} | : 1}"#,
    r#"{"a": ["x"], "b": ["y", "z"]}"# => r#"{"a": ["x"], "b": ["y", "z"]}"#,
);

t!(wrong_closers, JSON,
    r#"{"l": ["a", "b"}, "n": 3}"# => r#"~ {"l": ["a", "b"], "n": 3}"#,
    r#"{"l": ["a", "b"), "n": 3}"# => r#"~ {"l": ["a", "b"], "n": 3}"#,
    r#"{"l": ["a", "b", "n": 3}"# => r#"~ {"l": ["a", "b"], "n": 3}"#,
    r#"{"l": [{"p": 1}, {"p": 2}}, "n": 3}"# => r#"~ {"l": [{"p": 1}, {"p": 2}], "n": 3}"#,
    r#"{"o": {"k": 1], "n": 3}"# => r#"~ {"o": {"k": 1}, "n": 3}"#,
    r#"{"n": 3], "o": 1}"# => r#"~ {"n": 3, "o": 1}"#,
    r#"{"o": }"k": 1}, "n": 3}"# => r#"~ {"o": {"k": 1}, "n": 3}"#,
    r#"{"l": [[1, 2}, [3, 4]], "n": 5}"# => r#"~ {"l": [[1, 2], [3, 4]], "n": 5}"#,
    r#"{"l": [["a"}, ["b"]], "n": 5}"# => r#"~ {"l": [["a"], ["b"]], "n": 5}"#,
    r#"{"l": [["a"}, "b", 3], "n": 5}"# => r#"~ {"l": [["a"], "b", 3], "n": 5}"#,
    r#"{"l": [[1, 2], [3, 4}], "n": 5}"# => r#"~ {"l": [[1, 2], [3, 4]], "n": 5}"#,
    r#"{"l": [}"a", 41], "n": 5}"# => r#"~ {"l": ["a", 41], "n": 5}"#,
    r#"{"l": [}, "n": 5}"# => r#"~ {"l": [], "n": 5}"#,
    r#"{"l": [}"# => r#"~ {"l": []}"#,
    r#"[}"a", 41]"# => r#"~ ["a", 41]"#,
    r#"{"l": [[1, 2}, "n": 5}"# => r#"~ {"l": [[1, 2]], "n": 5}"#,
    r#"{"l": [{"p": [1}, "q": 2}, {"p": 3}], "n": 5}"# => r#"~ {"l": [{"p": [1], "q": 2}, {"p": 3}], "n": 5}"#,
    r#"{"l": [{"p": [1}, {"p": 3}], "n": 5}"# => r#"~ {"l": [{"p": [1]}, {"p": 3}], "n": 5}"#,
    r#"{"l": [{"p": 1], {"p": 2}], "n": 5}"# => r#"~ {"l": [{"p": 1}, {"p": 2}], "n": 5}"#,
    r#"{"l": [{"p": "x"), "q": 2}], "n": 5}"# => r#"~ {"l": [{"p": "x", "q": 2}], "n": 5}"#,
    r#"{"o": {"l": [1}, "n": 5}"# => r#"~ {"o": {"l": [1]}, "n": 5}"#,
    "{{}}" => "~ {}",
    "{{}a: 1}" => r#"~ {"a": 1}"#,
    r#"{{"a": {{"b": 1}}}}"# => r#"~ {"a": {"b": 1}}"#,
);

t!(keys_in_lists, JSON,
    r#"{"l": [["a", "b", "n": 3}"# => r#"~ {"l": [["a", "b"]], "n": 3}"#,
    r#"{"l": ["a", n: 3, "b": ["c", "10:30"]}"# => r#"~ {"l": ["a"], "n": 3, "b": ["c", "10:30"]}"#,
);

t!(comments, JSON,
    "{ // one\n\"a\": 1, /* two */ \"b\": 2 # three\n}" => "~ { \n\"a\": 1,  \"b\": 2 \n}",
    r#"{"a": "http://x", "b": /* n */ 1}"# => r#"~ {"a": "http://x", "b":  1}"#,
);

t!(numbers_that_json_does_not_have, STRICT,
    r#"{"a": NaN, "b": -Infinity, "c": 0x1F, "d": 007, "e": 2024-01-02}"#
        => r#"~ {"a": "NaN", "b": "-Infinity", "c": "0x1F", "d": "007", "e": "2024-01-02"}"#,
);

t!(half_surrogate_pairs, JSON,
    r#"{"a": "\ud83d\ude00 \uD83D\uDE00"}"# => r#"{"a": "\ud83d\ude00 \uD83D\uDE00"}"#,
    r#"{"a\udfff": "\ud83d x\ud83d\ud83d\ude00"}"# => "~ {\"a\u{fffd}\": \"\u{fffd} x\u{fffd}\\ud83d\\ude00\"}",
    r#"{"a": ["b", "c\ud83d", "\ud83d\n"]}"# => "~ {\"a\": [\"b\", \"c\u{fffd}\", \"\u{fffd}\\n\"]}",
);

t!(what_cannot_be_read, JSON,
    "{\"a\": f(b, 'c'), \"d\": 1}" => r#"! {"a": "f(b, 'c')", "d": 1}"#,
    "{\"a\": {1, 2}, \"d\": 1}" => r#"! {"a": "{1, 2}", "d": 1}"#,
    "{\"a\": b'x'}" => r#"! {"a": "b'x'"}"#,
    "{\"a\": , \"b\"}" => r#"! {"a": null, "b":null}"#,
    "[[[[[[[[[1]]]]]]]]]" => r#"! [[[[[[[["[1]"]]]]]]]]"#,
    "{\"a\": it goes on and on and on and on and on and on and on and on and on, 2: 3}"
        => r#"! {"a": "it goes on and on and on and on and on and on and on and on and on", "2": 3}"#,
);

t!(strict_stops_there, STRICT,
    "{=a> b \"c\", \"d\": 1}" => "?",
    "{\"a\": BROKEN}" => "?",
    "{BROKEN}" => "?",
    "{1, 2}" => "?",
    "[1]" => "[1]",
    "{'a': True}" => r#"~ {"a": true}"#,
);

t!(cut_off, CUT,
    r#"{"a": [1, {"b": 2}"# => r#"… {"a": [1, {"b": 2}"#,
    r#"{"a": "x"# => r#"… {"a": "x"#,
    r#"{"a": "x\"# => r#"… {"a": "x"#,
    r#"{"a": 12"# => r#"… {"a": 12"#,
    r#"{"a": tru"# => r#"… {"a": tru"#,
    r#"{"a": Tru"# => r#"… {"a": "#,
    r#"{"a": 1, "#  => r#"… {"a": 1"#,
);

t!(ended_by_itself, JSON,
    r#"{"a": "x"# => r#"… {"a": "x"#,
    r#"{"a": 12"# => r#"… {"a": 12"#,
    r#"{"a": "x""# => r#"~ {"a": "x"}"#,
);

t!(own_delimiter, GEMMA,
    "{city:<|\"|>Rome \"x\" \\ {y} </call><|\"|>,n:3,o:{t:true,l:[<|\"|>a<|\"|>,1]}}"
        => r#"{"city":"Rome \"x\" \\ {y} </call>","n":3,"o":{"t":true,"l":["a",1]}}"#,
    "{<|\"|>3<|\"|>:<|\"|>new<|\"|>}" => r#"{"3":"new"}"#,
    "{a\n : 1,b\nc:2}" => "{\"a\"\n : 1,\"b\\nc\":2}",
    "{Basic LLM Chain:{main:[]}, B:1}" => r#"{"Basic LLM Chain":{"main":[]}, "B":1}"#,
    "{a:<|\"|>x<|\"|><|\"|>}" => r#"~ {"a":"x"}"#,
    "{command:<|\"|>ls}" => r#"~ {"command":"ls"}"#,
    "{command:<|\"|>ls}]}</call>\n" => r#"~ {"command":"ls"}"#,
    "{command:<|\"|>ls} x}<|\"|>}" => r#"{"command":"ls} x}"}"#,
    "{command:<|\"|>ls<|x}</call>y<|\"|>}" => r#"{"command":"ls<|x}</call>y"}"#,
    "{path:a.txt,content:hello there}" => r#"~ {"path":"a.txt","content":"hello there"}"#,
    "{a:\"x\",b:'y'}" => r#"~ {"a":"x","b":"y"}"#,
    "{l:[<|\"|>x<|\"|>,<|\"|>y<|\"|>,t:<|\"|>z<|\"|>,n:3}" => r#"~ {"l":["x","y"],"t":"z","n":3}"#,
    "{l:[x,[1,t:<|\"|>z<|\"|>}" => r#"~ {"l":["x",[1]],"t":"z"}"#,
    "{l:[x,10:30,t:z]}" => r#"~ {"l":["x","10:30","t:z"]}"#,
    "{a:<b>,c:1}" => r#"~ {"a":"<b>","c":1}"#,
);

t!(an_items_exponent_may_have_a_sign, GEMMA,
    r#"{a:[<|"|>x"y<|"|>,-1E+00,null]}"# => r#"{"a":["x\"y",-1E+00,null]}"#,
);

t!(words_by_the_schema, TYPED, "{a:42,b:null,c:true}" => r#"~ {"a":"42","b":"null","c":"true"}"#);

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1e6f64..1e6).prop_map(Into::into),
        "[ -~“”‘’é\\n\\t\"\\\\😀]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec(("[a-z \"\\\\é]{0,6}", inner), 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn valid_json_is_unchanged(value in value(), pretty: bool, cut: prop::sample::Index) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut at = cut.index(text.len() + 1);
        while !text.is_char_boundary(at) { at -= 1; }
        for case in [JSON, BRACKETS, ESCAPING] {
            let case = Case { depth_max: 64, word_max: 4096, ..case };
            let top = run(case, &["{\"v\":", &text[..at], &text[at..], "}"]);
            prop_assert_eq!(top, format!("{{\"v\":{text}}}"));
        }
    }

    #[test]
    fn anything_becomes_json_however_cut(text in "[ -~]{0,20}[{}\\[\\]()\"',:a-z0-9<| .\\\\-]{0,40}", cut in 0usize..60) {
        for case in [JSON, GEMMA, Case { depth_max: 2, word_max: 6, ..GEMMA }] {
            let text = format!("{{{text}</call>");
            let whole = run(case, &[&text]);
            let at = cut.min(text.len());
            prop_assert_eq!(&run(case, &[&text[..at], &text[at..]]), &whole);
            if !whole.starts_with('…') {
                let json = whole.trim_start_matches(['!', '~', ' ']);
                let parsed = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>().next();
                prop_assert!(matches!(parsed, Some(Ok(_))), "{} -> {}", text, whole);
            }
        }
    }
}
