//! Tables of model texts and the events they lead to, run whole, letter by letter and cut in two everywhere.

use std::sync::LazyLock;

use super::*;
use crate::chat;
use crate::dialect::Dialects;
use crate::limits::Limits;

const TOOLS: &str = r#"[
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "metric": {"type": "boolean"},
        "where": {"type": "object"}, "any": {}, "maybe": {"type": ["string", "null", "object"]}, "list": {"type": "array"}}}}},
    {"type": "function", "function": {"name": "get_time"}},
    {"type": "function", "function": {"name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}}
]"#;

static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);

#[derive(Clone)]
struct Case {
    dialect: Arc<Dialect>,
    reasoning: Reasoning,
    unknown_tools: UnknownTools,
    calls: Calls,
    finish: Finish,
    limits: Limits,
}

fn case(dialect: &str) -> Case {
    of(Arc::clone(DIALECTS.get(dialect).unwrap()))
}

/// A dialect of the tests: these keys, and a prompt.
fn own(keys: &str) -> Case {
    of(Arc::new(Dialects::parse(&yaml(keys)).unwrap()))
}

fn yaml(keys: &str) -> String {
    format!(
        "name: own\nabout: A dialect of the tests.\n{keys}\nwritten: {{ call: \"{{name}}{{arguments}}\" }}\n\
         prompt: {{ tools: {{ form: json, each: \"{{tools}}\" }}, text: \"{{tools}}\", history: native }}\n"
    )
}

fn of(dialect: Arc<Dialect>) -> Case {
    Case {
        dialect,
        reasoning: Reasoning::Auto,
        unknown_tools: UnknownTools::Text,
        calls: Calls::All,
        finish: Finish::Stop,
        limits: Limits::default(),
    }
}

/// Tools as OpenAI's requests have them.
fn tools(json: &str) -> Tools {
    let tools: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    let tool = |tool: &serde_json::Value| chat::Tool {
        name: tool["function"]["name"].as_str().unwrap().to_owned(),
        parameters: tool["function"].get("parameters").map(|schema| schema.to_string().into()),
    };
    Tools::new(tools.iter().map(tool).collect())
}

impl Case {
    fn decoder(&self) -> Decoder {
        let settings = Settings {
            dialect: Arc::clone(&self.dialect),
            tools: Arc::new(tools(TOOLS)),
            reasoning: self.reasoning,
            unknown_tools: self.unknown_tools,
            calls: self.calls,
        };
        Decoder::new(settings, &self.limits)
    }

    /// The events, neighbours of a kind joined, as one line.
    fn run<'a>(&self, pieces: impl IntoIterator<Item = &'a str>) -> (String, Ending) {
        let mut decoder = self.decoder();
        let mut events: Vec<(&str, String)> = Vec::new();
        let mut sink = |event: Event<'_>| {
            let (kind, text) = match event {
                Event::Text(text) => ("text", text.to_string()),
                Event::Reasoning(text) => ("think", text.to_string()),
                Event::CallStart { name, id: None } => ("call", name.to_string()),
                Event::CallStart { name, id: Some(id) } => ("call", format!("{name} as {id}")),
                Event::Arguments(text) => ("args", text.to_string()),
                Event::CallEnd => ("end", String::new()),
            };
            match events.last_mut() {
                Some((last, sofar)) if *last == kind && !matches!(kind, "call" | "end") => sofar.push_str(&text),
                _ => events.push((kind, text)),
            }
        };
        for piece in pieces {
            decoder.push(piece, &mut sink);
        }
        let ending = Ending { examined: 0, ..decoder.finish(self.finish, &mut sink) };
        let render = |(kind, text): &(&str, String)| match *kind {
            "text" | "think" => format!("{kind} {text:?}"),
            "end" => "end".into(),
            _ => format!("{kind} {text}"),
        };
        let mut line = events.iter().map(render).collect::<Vec<_>>().join(" / ");
        if ending.truncated {
            line.push_str(" / cut");
        }
        (line, ending)
    }

    fn check(&self, text: &str, expected: &str) {
        let (line, ending) = self.run([text]);
        assert_eq!(line, expected, "\nwhole: {text}");
        for at in (1..text.len()).filter(|&i| text.is_char_boundary(i)) {
            let (line, other) = self.run([&text[..at], &text[at..]]);
            assert_eq!(line, expected, "\ncut at {at}: {text}");
            assert_eq!(other, ending, "\ncut at {at}: {text}");
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(self.run(letters.iter().map(String::as_str)).0, expected, "\nletter by letter: {text}");
    }
}

macro_rules! t {
    ($name:ident, $case:expr, $($input:expr => $expected:expr),+ $(,)?) => {
        #[test]
        fn $name() {
            let case = $case;
            $(case.check($input, $expected);)+
        }
    };
}

mod closers;
mod code;
mod elements;
mod headers;
mod limits;
mod literal;
mod messages;
mod openers;
mod positions;
mod python;
mod sections;
mod slips;
mod suffixes;
mod tagged;
mod union;
mod values;
mod wraps;

t!(hermes, case("hermes"),
    "Hello, <b>world</b>!" => r#"text "Hello, <b>world</b>!""#,
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>"
        => r#"call get_weather / args {"city": "Rome"} / end"#,
    "Hi!<tool_call>{\"arguments\": {\"name\": \"x\"}, \"name\": \"get_time\"}</tool_call> bye"
        => r#"text "Hi!" / call get_time / args {"name": "x"} / end / text " bye""#,
    "<tool_call>{\"name\": \"get_time\"}</tool_call>\n<tool_call>{\"name\": \"get_time\", \"arguments\": null}</tool_call>\n"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "<tool_call>[{\"name\": \"get_time\"}, {\"name\": \"bash\", \"arguments\": {\"command\": \"</tool_call>\"}}]</tool_call>"
        => r#"call get_time / args {} / end / call bash / args {"command": "</tool_call>"} / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"{\\\"a\\\": \\\"\\\\u00e9\\\"}\"}</tool_call>"
        => r#"call get_time / args {"a": "\u00e9"} / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"{} and more\"}</tool_call>!" => r#"call get_time / args {} / end / text "and more!""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"x\"}</tool_call>" => r#"call get_time / args "x" / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"\"}</tool_call>" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\": {}}}}</tool_call>!"
        => r#"call get_time / args {"a": {}} / end / text "!""#,
    "<tool_call>{'name': 'get_time', 'arguments': {'a': True,}}</tool_call>" => r#"call get_time / args {"a": true} / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"a\": [1</tool_call>" => r#"call get_time / args {"a": [1]} / end"#,
    "<tool_call>{\"name\": \"functions.get_time\"}</tool_call><|im_end|>\n" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}<|im_end|></tool_call>" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\"}<|im_end|></tool_call>x" => "call get_time / args {} / end / text \"<|im_end|></tool_call>x\"",
    "<tool_call>{\"name\": \"get_time\"}</tool_call><|im_end|> x" => "call get_time / args {} / end / text \"<|im_end|> x\"",
);

t!(arguments_elsewhere, case("hermes"),
    "<tool_call>{\"name\": \"get_weather\", \"args\": {\"city\": \"Rome\"}}</tool_call>" => r#"call get_weather / args {"city": "Rome"} / end"#,
    "<tool_call>{\"Name\": \"get_weather\", \"Function_Args\": \"{\\\"city\\\": 1}\"}</tool_call>" => r#"call get_weather / args {"city": 1} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": \"{\\\"days\\\": 1}\", \"city\": \"Rome\"}</tool_call>"
        => r#"call get_weather / args {"days": 1,"city":"Rome"} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": \"{} so\", \"city\": \"Rome\"}</tool_call>"
        => r#"call get_weather / args {"city":"Rome"} / end / text "so""#,
    "<tool_call>{\"payload\": {\"city\": \"Rome\"}, \"name\": \"get_weather\", \"id\": \"c1\"}</tool_call>"
        => r#"call get_weather / args {"city": "Rome"} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"city\": \"Rome\", \"days\": 2}</tool_call>" => r#"call get_weather / args {"city":"Rome","days":2} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Rome\"}, \"days\": 2, \"why\": \"hm\"}</tool_call>"
        => r#"call get_weather / args {"city": "Rome","days":2} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {}, \"city\": \"Rome\"}</tool_call>" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "<tool_call>{\"name\": \"get_weather\", \"where\": {\"a\": 1}}</tool_call>" => r#"call get_weather / args {"where":{"a": 1}} / end"#,
    "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"get_time\", \"arguments\": []}}</tool_call>" => "call get_time / args {} / end",
    "<tool_call>{{\"name\": \"get_time\", \"arguments\": {{\"a\": 1}}}}</tool_call>" => r#"call get_time / args {"a": 1} / end"#,
    "<tool_call>\n```json\n{\"name\": \"get_time\"}\n```\n</tool_call>" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\", // hm\n\"arguments\": {} # so\n}</tool_call>" => "call get_time / args {} / end",
    "<tool_call>{\"name\": \"get_time\", \"arguments\": }</tool_call>" => r#"text "<tool_call>{\"name\": \"get_time\", \"arguments\": }</tool_call>""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\":1}\" yonder\"}}</tool_call>" => r#"call get_time / args {"x":1} / end / text "\" yonder\"""#,
);

t!(strings_that_run_over_the_next_call, case("hermes"),
    "<tool_call>{\"name\": \"bash\", \"arguments\": {\"command\": \"ls}}</tool_call>\n<tool_call>{\"name\": \"get_time\"}</tool_call>"
        => r#"call bash / args {"command": "ls"} / end / call get_time / args {} / end"#,
    "<tool_call>{\"name\": \"bash\", \"arguments\": {\"command\": \"ls</tool_call>" => r#"call bash / args {"command": "ls"} / end"#,
    "<tool_call>{\"name\": \"bash\", \"arguments\": \"{\\\"command\\\": 1}}</tool_call><tool_call>{\"name\": \"get_time\"}</tool_call>"
        => r#"call bash / args {"command": 1} / end / call get_time / args {} / end"#,
    // An undeclared name, and a sound string.
    "<tool_call>{\"name\": \"bash\", \"arguments\": {\"command\": \"a}}</tool_call><tool_call>{\"name\": \"nope\"} b\"}}</tool_call>"
        => r#"call bash / args {"command": "a}}</tool_call><tool_call>{\"name\": \"nope\"} b"} / end"#,
    "<tool_call>{\"name\": \"bash\", \"arguments\": {\"command\": \"a}}</tool_call><tool_call>{\\\"name\\\": \\\"get_time\\\"}\"}}</tool_call>"
        => r#"call bash / args {"command": "a}}</tool_call><tool_call>{\"name\": \"get_time\"}"} / end"#,
);

t!(hermes_text, case("hermes"),
    "<tool_call>{\"name\": \"nope\", \"arguments\": {}}</tool_call>"
        => r#"text "<tool_call>{\"name\": \"nope\", \"arguments\": {}}</tool_call>""#,
    "A <tool_call>garbage</tool_call> B" => r#"text "A <tool_call>garbage</tool_call> B""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": BROKEN}</tool_call>"
        => r#"text "<tool_call>{\"name\": \"get_time\", \"arguments\": BROKEN}</tool_call>""#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": " => r#"text "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": ""#,
    "<<t<tool<tool_call<tool_call>" => r#"text "<<t<tool<tool_call<tool_call>""#,
    "Use <tool_call> to call.<tool_call>{\"name\": \"get_time\"}</tool_call>"
        => r#"text "Use <tool_call> to call." / call get_time / args {} / end"#,
    "<tool_call>{\"name\": \"<tool_call>{\"name\": \"get_time\"}</tool_call>"
        => r#"text "<tool_call>{\"name\": \"" / call get_time / args {} / end"#,
    "<tool_call>\n[1, 2]\n</tool_call>" => r#"text "<tool_call>\n[1, 2]\n</tool_call>""#,
    "{\"name\": \"get_time\"}" => r#"text "{\"name\": \"get_time\"}""#,
    "  \n" => r#"text "  \n""#,
    "  \n x" => r#"text "  \n x""#,
    "  \n<tool_call>{\"name\": \"get_time\"}</tool_call>" => "call get_time / args {} / end",
);

t!(hermes_cut, Case { finish: Finish::Cut, ..case("hermes") },
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": \"ab" => r#"call get_time / args {"x": "ab / cut"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": \"ab\"}" => r#"call get_time / args {"x": "ab"} / cut"#,
    "<tool_call>{\"name\": \"get_ti" => r#"text "<tool_call>{\"name\": \"get_ti""#,
);

t!(hermes_forgotten_closers, case("hermes"),
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": \"ab\"}" => r#"call get_time / args {"x": "ab"} / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": [\"ab\"" => r#"call get_time / args {"x": ["ab"]} / end"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": {\"x\": \"ab" => r#"call get_time / args {"x": "ab / cut"#,
    // In arguments that are a string, behind what could have been a closer, and its quote.
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"{\\\"x\\\": \\\"a<\\\"" => r#"call get_time / args {"x": "a<" / cut"#,
    "<tool_call>{\"name\": \"get_time\", \"arguments\": \"{\\\"x\\\": \\\"a<" => r#"call get_time / args {"x": "a< / cut"#,
    // In an argument beside the others.
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"days\": 1}, \"city\": \"Ro" => r#"call get_weather / args {"days": 1,"city":"Ro / cut"#,
    "<tool_call>{\"name\": \"get_weather\", \"arguments\": {}, \"list\": [1" => r#"call get_weather / args {"list":[1 / cut"#,
);

t!(reasoning, case("hermes"),
    "<think>\nhm <b</think>\n\n<tool_call>{\"name\": \"get_time\"}</tool_call>" => r#"think "\nhm <b" / call get_time / args {} / end"#,
    "<think>a</think>\n\n b" => r#"think "a" / text "b""#,
    "<think>a <tool_call>{\"name\": \"get_time\"}</tool_call></think> b"
        => r#"think "a <tool_call>{\"name\": \"get_time\"}</tool_call>" / text "b""#,
    "a </think> b" => r#"text "a </think> b""#,
    // A closer with which the answer begins closes what the prompt opened.
    "</think>\n\nb" => r#"text "b""#,
    "\n</think>b</think>" => r#"text "b</think>""#,
    "</think><think>a</think>b" => r#"think "a" / text "b""#,
    "</think><tool_call>{\"name\": \"get_time\"}</tool_call>" => "call get_time / args {} / end",
    "</thi" => r#"text "</thi""#,
    "</think" => r#"text "</think""#,
    "</thin air" => r#"text "</thin air""#,
    "</tool_call>b" => r#"text "</tool_call>b""#,
    "<think>never ends </thi" => r#"think "never ends </thi""#,
    "\n<think>a</think>\nb" => r#"think "a" / text "\nb""#,
);

t!(reasoning_open, Case { reasoning: Reasoning::Open, ..case("hermes") },
    "a</think>\nb" => r#"think "a" / text "b""#,
    "</think>b" => r#"text "b""#,
    "<think>a<think></think>\nb" => r#"think "a<think>" / text "b""#,
);

t!(reasoning_off, Case { reasoning: Reasoning::Off, ..case("hermes") },
    "<think>a</think>\nb" => r#"text "<think>a</think>\nb""#,
    "</think>b" => r#"text "</think>b""#,
);

t!(first_call_only, Case { calls: Calls::First, ..case("hermes") },
    "a<tool_call>{\"name\": \"get_time\"}</tool_call> b <tool_call>{\"name\": \"get_time\"}</tool_call>"
        => r#"text "a" / call get_time / args {} / end"#,
);

t!(unknown_tools_pass, Case { unknown_tools: UnknownTools::Pass, ..case("hermes") },
    "<tool_call>{\"name\": \"nope\", \"arguments\": {}}</tool_call>" => "call nope / args {} / end",
);

t!(qwen3_coder, case("qwen3-coder"),
    "ok\n<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
        => r#"text "ok\n" / call get_weather / args {"city":"Rome","days":3} / end"#,
    "<function=get_time>\n</function>\n</tool_call>" => "call get_time / args {} / end",
    "<function=bash><parameter=command>\n  a \"b\\c\"\n\n</parameter></function>" => r#"call bash / args {"command":"  a \"b\\c\"\n"} / end"#,
    "<function=bash><parameter=command></parameter></function>x" => r#"call bash / args {"command":""} / end / text "x""#,
    // Closers that are forgotten, and one that is data.
    "<tool_call><function=get_weather><parameter=city>\nRome\n<parameter=days>\n3\n</function></tool_call>"
        => r#"call get_weather / args {"city":"Rome","days":3} / end"#,
    "<tool_call><function=bash><parameter=command>\na </parameter> b\n</parameter>\n</tool_call>"
        => r#"call bash / args {"command":"a </parameter> b"} / end"#,
    "<function=bash><parameter=command>a</parameter>\n</parameter>\n</function>" => r#"call bash / args {"command":"a"} / end"#,
    "<function=bash><parameter=command>a</parameter>" => r#"call bash / args {"command":"a"} / end"#,
    "<function=bash><parameter=command>a</para" => r#"call bash / args {"command":"a</para / cut"#,
    "<tool_call><function=bash><parameter=command>a</parameter><function=get_time><parameter=b>2</parameter></tool_call>"
        => r#"call bash / args {"command":"a"} / end / call get_time / args {"b":"2"} / end"#,
    "<tool_call><function=get_time>\n<function=bash><parameter=command>a</parameter></function></tool_call>"
        => r#"call get_time / args {} / end / call bash / args {"command":"a"} / end"#,
    "<tool_call><function=get_time>\n<tool_call><function=nope>" => r#"call get_time / args {} / end / text "<tool_call><function=nope>""#,
    "<tool_call><function=get_weather>\n<parameter=city>\nRome\n</function>\n</tool_call>\nOk."
        => r#"call get_weather / args {"city":"Rome"} / end / text "\nOk.""#,
    "<tool_call><function=get_weather>\n<parameter=city>\nRome\n</function>\n<parameter=days>\n3\n</parameter></function></tool_call>"
        => r#"call get_weather / args {"city":"Rome","days":3} / end"#,
    "<tool_call><function=get_weather>\n<parameter=city>\nRome\n</parameter>\n</function>\nOk. </tool_call> Bye."
        => r#"call get_weather / args {"city":"Rome"} / end / text "\nOk.  Bye.""#,
    "<function=bash><parameter=command>\na\n</parameter>\n</function>\nOk." => r#"call bash / args {"command":"a"} / end / text "\nOk.""#,
    "<function=bash><parameter=command>\na\n</parameter>\n</functi" => r#"call bash / args {"command":"a"} / end"#,
    // All arguments as an object.
    "<function=bash>{\"command\": \"a\"}</function>x" => r#"call bash / args {"command": "a"} / end / text "x""#,
    "<tool_call>\n<function=bash>\n{\"command\": \"</function>\"}\n</function>\n</tool_call>"
        => r#"call bash / args {"command": "</function>"} / end"#,
    "<tool_call><function=bash>{\"command\": \"a\"</function></tool_call>" => r#"call bash / args {"command": "a"} / end"#,
    "<function=get_time>{}<function=get_time>{}" => "call get_time / args {} / end / call get_time / args {} / end",
    "<function=get_time>{nope" => r#"text "<function=get_time>{nope""#,
    // Types.
    "<function=get_weather><parameter=metric>True</parameter><parameter=days>many</parameter><parameter=list>['a', 1]</parameter></function>"
        => r#"call get_weather / args {"metric":true,"days":"many","list":["a", 1]} / end"#,
    "<function=get_weather><parameter=maybe>null</parameter><parameter=maybe>{\"a\": 1}</parameter><parameter=maybe>{a</parameter><parameter=maybe>nul</parameter></function>"
        => r#"call get_weather / args {"maybe":null,"maybe":{"a": 1},"maybe":"{a","maybe":"nul"} / end"#,
    "<function=get_weather><parameter=where>{\"a\": {\"b\": 1}}</parameter><parameter=where>x</parameter></function>"
        => r#"call get_weather / args {"where":{"a": {"b": 1}},"where":"x"} / end"#,
    "<function=get_weather><parameter=any>[1, 2]</parameter><parameter=any>5</parameter><parameter=any>{a</parameter></function>"
        => r#"call get_weather / args {"any":[1, 2],"any":"5","any":"{a"} / end"#,
    "<function=get_time><parameter=x>[1, 2]</parameter></function>" => r#"call get_time / args {"x":"[1, 2]"} / end"#,
    "<function=get_time><parameter=arguments>{\"a\": 1}</parameter></function>" => r#"call get_time / args {"a": 1} / end"#,
    "<function=get_time><parameter=arguments>{\"a\": 1}</parameter><parameter=b>2</parameter></function>"
        => r#"call get_time / args {"arguments":"{\"a\": 1}","b":"2"} / end"#,
    // A call in open reasoning ends it.
    "<think>hm <tool_call><function=get_time></function></tool_call></think>\nx"
        => r#"think "hm " / call get_time / args {} / end / text "x""#,
    "<think>hm <tool_call><function=nope></function></tool_call></think>\nx"
        => r#"think "hm <tool_call><function=nope></function></tool_call>" / text "x""#,
    "<think>hm <tool_call><function=get_time>" => r#"think "hm <tool_call><function=get_time>""#,
    // Text.
    "#include <function> <function=nope>" => r##"text "#include <function> <function=nope>""##,
    "Use <tool_call>\n<function=name\nWait:\n<tool_call>\n<function=get_time></function>"
        => r#"text "Use <tool_call>\n<function=name\nWait:\n" / call get_time / args {} / end"#,
);

t!(gemma4, case("gemma4"),
    "<|tool_call>call:get_weather{city:<|\"|>Rome<|\"|>,days:3}<tool_call|>" => r#"call get_weather / args {"city":"Rome","days":3} / end"#,
    "<|tool_call|>call:get_weather{city:<|\"|>w<|\"|>}<|tool_call|><tool_call|>x" => r#"call get_weather / args {"city":"w"} / end / text "x""#,
    "<|tool_call>\n call: get_weather {\n  city : \"a\" ,\n  days : 2\n}\n<tool_call|>"
        => "call get_weather / args {\n  \"city\" : \"a\" ,\n  \"days\" : 2\n} / end",
    "<|tool_call>:get_weather(city:<|\"|>P<|\"|>)<tool_call|>" => r#"call get_weather / args {"city":"P"} / end"#,
    "call:get_time{}" => "call get_time / args {} / end",
    "<|tool_call>call:bash{command:<|\"|>ls}<tool_call|>" => r#"call bash / args {"command":"ls"} / end"#,
    "<|tool_call>call:bash{command:<|\"|>ls}" => r#"call bash / args {"command":"ls"} / end"#,
    "<|tool_call>call:get_weather{city:Paris, days:42,metric:true}<tool_call|><turn|>"
        => r#"call get_weather / args {"city":"Paris", "days":42,"metric":true} / end"#,
    "<|tool_call>call:get_weather{city:42}<tool_call|>" => r#"call get_weather / args {"city":"42"} / end"#,
    "<|tool_call>call:get_time{}<tool_call|><|tool_call>call:get_time{}<tool_call|>" => "call get_time / args {} / end / call get_time / args {} / end",
    "call:get_time{}<turn|><|tool_call|>x" => "call get_time / args {} / end / text \"<turn|><|tool_call|>x\"",
    "<|channel>thought\nhm<channel|>hi" => r#"think "hm" / text "hi""#,
    // Text.
    "In Gemma the marker <|tool_call> opens a call." => r#"text "In Gemma the marker <|tool_call> opens a call.""#,
    "<|tool_call>call:get_weather{\"city\":(oops)}<tool_call|> tail" => r#"text "<|tool_call>call:get_weather{\"city\":(oops)}<tool_call|> tail""#,
    "<|tool_call>call:get_weather{city:Paris]<tool_call|>" => r#"text "<|tool_call>call:get_weather{city:Paris]<tool_call|>""#,
    "<|tool_call>call:get_weather{city:}<tool_call|>" => r#"text "<|tool_call>call:get_weather{city:}<tool_call|>""#,
    "<|tool_call>call:get_weather{city:" => r#"text "<|tool_call>call:get_weather{city:""#,
    "<|tool_call>call:bad no brace<tool_call|><|tool_call>call:get_time{}<tool_call|>"
        => r#"text "<|tool_call>call:bad no brace<tool_call|>" / call get_time / args {} / end"#,
);

t!(llama3_json, case("llama3-json"),
    "{\"name\": \"get_time\", \"parameters\": {\"a\": 1}}" => r#"call get_time / args {"a": 1} / end"#,
    "\n{\"type\": \"function\", \"function\": {\"name\": \"get_time\", \"parameters\": {\"a\": 1}}}<|eot_id|>" => r#"call get_time / args {"a": 1} / end"#,
    "{\"name\": \"get_time\"}; {\"name\": \"get_time\"}" => "call get_time / args {} / end / call get_time / args {} / end",
    "[{\"name\": \"get_time\"}, {\"name\": \"get_time\"}]" => "call get_time / args {} / end / call get_time / args {} / end",
    "Hi <|python_tag|>{\"name\": \"get_time\"};{\"name\": \"get_time\"}" => r#"text "Hi " / call get_time / args {} / end / call get_time / args {} / end"#,
    "```json\n{\"name\": \"get_time\"}\n```\n" => "call get_time / args {} / end",
    "```\n[{\"name\": \"get_time\", \"parameters\": {\"a\": \"```\"}}]```" => r#"call get_time / args {"a": "```"} / end"#,
    // Text.
    "It is {\"name\": \"get_time\"}" => r#"text "It is {\"name\": \"get_time\"}""#,
    "{\"name\": \"nope\", \"parameters\": {}}" => r#"text "{\"name\": \"nope\", \"parameters\": {}}""#,
    "```json\n{\"name\": \"get_time\"}\n``` and more" => r#"text "```json\n{\"name\": \"get_time\"}\n``` and more""#,
    "```rust\nfn main() {}\n```" => r#"text "```rust\nfn main() {}\n```""#,
    "```json\n{\"name\": \"get_time\"}\n" => r#"text "```json\n{\"name\": \"get_time\"}\n""#,
    "{hello world[A(A=\t)A(A=,\t\t)A(A=,\t" => "text \"{hello world[A(A=\\t)A(A=,\\t\\t)A(A=,\\t\"",
    "{\"parameters\": {}}" => r#"text "{\"parameters\": {}}""#,
    "[link](http://x)" => r#"text "[link](http://x)""#,
);

t!(json_envelope, case("json-envelope"),
    "{\"tool_call\": {\"name\": \"get_time\", \"arguments\": {\"a\": 1}}}" => r#"call get_time / args {"a": 1} / end"#,
    "Sure! { \"tool_call\": {\"name\": \"get_time\"}}\n{\"tool_call\": {\"name\": \"get_time\"}} bye"
        => r#"text "Sure! " / call get_time / args {} / end / call get_time / args {} / end / text " bye""#,
    "```json\n{\"tool_call\": {\"name\": \"get_time\"}}\n```\nok" => r#"call get_time / args {} / end / text "\nok""#,
    "```\n{\n  \"tool_call\": {\"name\": \"get_time\"}}\n{\"tool_call\": {\"name\": \"get_time\"}}```"
        => "call get_time / args {} / end / call get_time / args {} / end",
    "{\"tool_call\": {\"name\": \"get_time\", BROKEN}}" => r#"text "{\"tool_call\": {\"name\": \"get_time\", BROKEN}}""#,
    "x {\"tool_ca" => r#"text "x {\"tool_ca""#,
    "{\"other\": 1} and some text" => r#"text "{\"other\": 1} and some text""#,
    "{\"tool_call\": {\"name\": \"f\", \"arguments\": {\"x\":" => r#"text "{\"tool_call\": {\"name\": \"f\", \"arguments\": {\"x\":""#,
);

#[test]
fn the_inside_of_a_string_is_lent() {
    for (dialect, before, plain) in [
        ("hermes", r#"<tool_call>{"name": "get_time", "arguments": {"x": "a"#, r#"b \n\" c"#),
        ("hermes", r#"<tool_call>{"name": "get_time", "arguments": {"x": 'a"#, "b é c"),
        // A fence's words, `json` and `xml` here, are no markers.
        ("hermes", r#"<tool_call>{"name": "get_time", "arguments": {"x": "a"#, "b xml, j"),
        ("hermes", r#"<tool_call>{"name": "get_time", "arguments": "{\"x\": \"a"#, "b } c"),
        ("qwen3-coder", "<tool_call><function=bash><parameter=command>a", "b } c"),
        ("gemma4", "<|tool_call>call:bash{command:<|\"|>a", "b c"),
    ] {
        let mut decoder = case(dialect).decoder();
        decoder.push(before, &mut |_| {});
        let mut lent = Vec::new();
        decoder.push(plain, &mut |event| lent.push((event == Event::Arguments(plain), as_ptr(event))));
        assert_eq!(lent, [(true, plain.as_ptr())], "{plain} in {dialect}");
    }
}

fn as_ptr(event: Event<'_>) -> *const u8 {
    if let Event::Arguments(text) = event { text.as_ptr() } else { std::ptr::null() }
}
