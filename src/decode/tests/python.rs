//! Calls as Python writes them.

use super::*;

fn python() -> Case {
    own("call: { open: [\"<c>\"], close: [\"</c>\"], start: python }\npayload: { python: {} }")
}

t!(calls_stand_in_a_list_in_lines_and_alone, python(),
    "<c>[get_weather(city='Rome', days=2), get_time()]</c>" => r#"call get_weather / args {"city":"Rome","days":2} / end / call get_time / args {} / end"#,
    "[get_time()]" => "call get_time / args {} / end",
    "[ get_time ( ) ,\n bash( command = \"ls\" , ) ] so" => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end / text " so""#,
    "I look.<c>\nget_time()\nbash(command='ls')\n</c>" => r#"text "I look." / call get_time / args {} / end / call bash / args {"command":"ls"} / end"#,
    "<c>functions.get_time()</c>" => "call get_time / args {} / end",
    // Text.
    "[text](url) and [1]" => r#"text "[text](url) and [1]""#,
    "get_time()" => r#"text "get_time()""#,
    "<c>[nope(a=1)]</c>" => r#"text "<c>[nope(a=1)]</c>""#,
    "<c>[get_time</c>" => r#"text "<c>[get_time</c>""#,
    "[get_time() and so" => r#"call get_time / args {} / end / text " and so""#,
);

t!(literals_of_python_and_of_json, python(),
    "<c>[get_weather(any=[1, -2.5, 1_000, .5, 'a', (1, 2), (3,), []], metric=True, maybe=None, where={'a': {\"b\": false}, 2: null, })]</c>"
        => r#"call get_weather / args {"any":[1,-2.5,1000,0.5,"a",[1,2],[3],[]],"metric":true,"maybe":null,"where":{"a":{"b":false},"2":null}} / end"#,
    "<c>[get_weather(any={}, list=[{}, [{'a': 1}]], days=0x1f)]</c>" => r#"call get_weather / args {"any":{},"list":[{},[{"a":1}]],"days":"0x1f"} / end"#,
    // What JSON cannot say is no call before the first value is certain, and a string of its source behind it.
    "<c>[get_weather(any=f(1))]</c>" => r#"text "<c>[get_weather(any=f(1))]</c>""#,
    "<c>[get_weather(days=1, maybe=f(1, [2]), city=b'x')]</c>"
        => r#"call get_weather / args {"days":1,"maybe":"f(1, [2])","city":"b'x'"} / end"#,
);

t!(a_set_is_a_list, python(),
    "<c>[get_weather(any={1, 2})]</c>" => r#"call get_weather / args {"any":[1,2]} / end"#,
    "<c>[get_weather(list={'a'}, any={'b': {True, (1, 2), None,}}, days=2)]</c>"
        => r#"call get_weather / args {"list":["a"],"any":{"b":[true,[1,2],null]},"days":2} / end"#,
    "<c>[get_weather({'a', \"it's, so\"}, 2)]</c>" => r#"call get_weather / args {"city":["a","it's, so"],"days":2} / end"#,
    "<c>[get_weather(any={'a', 'b" => r#"call get_weather / args {"any":["a","b / cut"#,
    "<c>[get_weather(any={'a', 'b')]</c>" => r#"call get_weather / args {"any":["a","b"]} / end"#,
);

t!(a_call_may_stand_in_a_statement, case("tool-code"),
    "```tool_code\nprint(get_weather(city='Rome', days=2))\n```\nSo."
        => r#"call get_weather / args {"city":"Rome","days":2} / end / text "So.""#,
    "```tool_code\nprint(get_time(), bash('ls'))\nprint( get_time() )\n```"
        => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "```tool_code\nx = get_time()\nawait get_time()\ny = await bash(command='ls')\nprint(await get_time())\n```"
        => r#"call get_time / args {} / end / call get_time / args {} / end / call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "```tool_code\nprint(bash(command='a))\n```" => r#"call bash / args {"command":"a"} / end"#,
    // Text.
    "```tool_code\nprint('hi')\n```" => r#"text "```tool_code\nprint('hi')\n```""#,
    "```tool_code\nprint(nope())\n```" => r#"text "```tool_code\nprint(nope())\n```""#,
    "```tool_code\nx == get_time()\n```" => r#"text "```tool_code\nx == get_time()\n```""#,
    "```tool_code\nif get_time()\n```" => r#"text "```tool_code\nif get_time()\n```""#,
    "print(get_time())" => r#"text "print(get_time())""#,
);

t!(strings_of_all_kinds, python(),
    r#"<c>[bash(command='a\n\'b\' "c" \x41\u00e9\101\d \U0001F600\ud83d\ude00\ud83d')]</c>"#
        => r#"call bash / args {"command":"a\n'b' \"c\" AéA\\d 😀😀�"} / end"#,
    "<c>[bash(command='''a 'b' ''c\n''')]</c>" => r#"call bash / args {"command":"a 'b' ''c\n"} / end"#,
    "<c>[bash(command=\"\"\"\"\"\")]</c>" => r#"call bash / args {"command":""} / end"#,
    r"<c>[bash(command=r'a\n\d')]</c>" => r#"call bash / args {"command":"a\\n\\d"} / end"#,
    "<c>[bash(command='a' 'b'\n  \"c\")]</c>" => r#"call bash / args {"command":"abc"} / end"#,
    "<c>[bash(command='')]</c>" => r#"call bash / args {"command":""} / end"#,
    "<c>[bash(command='a\nb \u{1}')]</c>" => r#"call bash / args {"command":"a\nb \u0001"} / end"#,
);

t!(quotes_inside_strings_as_models_write_them, python(),
    "<c>[bash(command='it's so, and 'that' too')]</c>" => r#"call bash / args {"command":"it's so, and 'that' too"} / end"#,
    "<c>[bash(command=\"say \"hi\", ok\"), get_time()]</c>" => r#"call bash / args {"command":"say \"hi\", ok"} / end / call get_time / args {} / end"#,
    "<c>[bash(command='f('x') y')]</c>" => r#"call bash / args {"command":"f('x') y"} / end"#,
    "<c>[get_weather(list=['a', 'b'c', 'd'], days=1)]</c>" => r#"call get_weather / args {"list":["a","b'c","d"],"days":1} / end"#,
    "<c>[bash(command='</c> and <c>[get_time()]</c>')]</c>" => r#"call bash / args {"command":"</c> and <c>[get_time()]</c>"} / end"#,
);

t!(a_string_without_its_quote_ends_before_the_next_call_or_the_end, python(),
    "<c>[bash(command='a)]</c>" => r#"call bash / args {"command":"a"} / end"#,
    "<c>[bash(command='f(a))]</c>" => r#"call bash / args {"command":"f(a)"} / end"#,
    "<c>[bash(command='a" => r#"call bash / args {"command":"a / cut"#,
    // Behind an opener, a comma, or a line's end.
    "<c>bash(command='a)</c>\n<c>get_time(zone='b')</c>"
        => r#"call bash / args {"command":"a"} / end / call get_time / args {"zone":"b"} / end"#,
    "<c>[get_weather(list=['a]), bash(command='c')]</c>"
        => r#"call get_weather / args {"list":["a"]} / end / call bash / args {"command":"c"} / end"#,
    "<c>bash(command='a)\nbash(command='b')</c>"
        => r#"call bash / args {"command":"a"} / end / call bash / args {"command":"b"} / end"#,
    // Another quote opened it: the one that would close it is waited for.
    "<c>bash(command='a\")</c><c>get_time(zone=\"b\")</c>"
        => r#"call bash / args {"command":"a\""} / end / call get_time / args {"zone":"b"} / end"#,
    "<c>bash(command='a)</c><c>get_time()</c>" => r#"call bash / args {"command":"a"} / end / call get_time / args {} / end"#,
    "<c>bash(command='f()</c><c>get_time(zone=\"b\")</c>')</c>"
        => r#"call bash / args {"command":"f()</c><c>get_time(zone=\"b\")</c>"} / end"#,
    "<c>bash(command='''a)</c><c>get_time(zone='')</c>''')</c>"
        => r#"call bash / args {"command":"a)</c><c>get_time(zone='')</c>"} / end"#,
    "<c>bash(command='''a)</c><c>get_time(zone='b')</c>"
        => r#"call bash / args {"command":"a"} / end / call get_time / args {"zone":"b"} / end"#,
    // What names no tool begins no call, nor does what stands elsewhere.
    "<c>bash(command='a)</c>\n<c>other(zone='b')</c>" => r#"call bash / args {"command":"a)</c>\n<c>other(zone='b"} / end"#,
    "<c>bash(command='a, get_time(zone='b')</c>" => r#"call bash / args {"command":"a, get_time(zone='b"} / end"#,
);

t!(one_wrong_bracket_or_comma_costs_neither_the_next_call_nor_a_value, python(),
    "<c>get_weather(metric=True, days=1[, list=['a'])</c><c>get_time()</c>"
        => r#"call get_weather / args {"metric":true,"days":"1[, list=['a'])"} / end / call get_time / args {} / end"#,
    "<c>get_weather(days=1} list=['a' 2], city='b')</c>" => r#"call get_weather / args {"days":1,"list":["a' 2], city='b"]} / end"#,
    "<c>get_weather(days=1} list=[2 'a'], city='b')</c>" => r#"call get_weather / args {"days":1,"list":[2,"a"],"city":"b"} / end"#,
    "<c>get_weather(days=1, li:st=['a'])</c>" => r#"call get_weather / args {"days":1,"city":"li","st":["a"]} / end"#,
    "<c>get_weather(days=1, where={'a\": 'b'})</c><c>get_time()</c>"
        => r#"call get_weather / args {"days":1,"where":"{'a\": 'b'}"} / end / call get_time / args {} / end"#,
    "<c>get_weather(days=1, where={'a': 1, 'b': 2, 3})</c>" => r#"call get_weather / args {"days":1,"where":{"a":1,"b":2,"3":null}} / end"#,
    "<c>get_weather(days=1, city=)</c>" => r#"call get_weather / args {"days":1,"city":null} / end"#,
    "<c>get_weather(days=1], city=:'a')</c>" => r#"call get_weather / args {"days":1,"city":"a"} / end"#,
    "<c>get_weather(days=1, any={'x', 1})</c>" => r#"call get_weather / args {"days":1,"any":["x",1]} / end"#,
);

t!(arguments_without_keywords, python(),
    "<c>[get_weather('Rome', 2, True)]</c>" => r#"call get_weather / args {"city":"Rome","days":2,"metric":true} / end"#,
    "<c>[get_weather('Rome', metric=False)]</c>" => r#"call get_weather / args {"city":"Rome","metric":false} / end"#,
    "<c>[bash(r'\\d')]</c>" => r#"call bash / args {"command":"\\d"} / end"#,
    // All of them as one dict, unless what stands first by the schema is one.
    "<c>[get_weather({\"city\": \"Rome\", \"days\": 2})]</c>" => r#"call get_weather / args {"city":"Rome","days":2} / end"#,
    "<c>[get_time({})]</c>" => "call get_time / args {} / end",
    // More than the tool has.
    "<c>[bash('ls', 1)]</c>" => r#"call bash / args {"command":"ls","1":1} / end"#,
    "<c>[get_time(1)]</c>" => r#"text "<c>[get_time(1)]</c>""#,
);

t!(closers_that_lack_are_added, python(),
    "<c>[bash(command='ls'</c>" => r#"call bash / args {"command":"ls"} / end"#,
    "<c>[bash(command='ls']</c>." => r#"call bash / args {"command":"ls"} / end / text ".""#,
    "<c>[get_weather(where={'a': [1</c>." => r#"call get_weather / args {"where":{"a":[1]}} / end / text ".""#,
    "<c>[bash(command='ls'" => r#"call bash / args {"command":"ls"} / end"#,
    "<c>[bash(command='ls')" => r#"call bash / args {"command":"ls"} / end"#,
    "<c>[get_weather(days=1" => r#"text "<c>[get_weather(days=1""#,
    "<c>[get_weather(days=1, city='a" => r#"call get_weather / args {"days":1,"city":"a / cut"#,
);

t!(a_fence_is_the_whole_answer, own("call: { start: fenced-json, fence: [code] }\npayload: { python: {} }"),
    "```code\nget_time()\nbash(command='ls')\n```" => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end"#,
    "```code\nget_time()\n``` so" => r#"text "```code\nget_time()\n``` so""#,
    "```code\nx = get_time()\n```" => r#"text "```code\nx = get_time()\n```""#,
);

t!(a_list_behind_text_is_calls_where_it_ends_the_answer, case("pythonic"),
    "Look: [get_weather(city='Rome')]" => r#"text "Look: " / call get_weather / args {"city":"Rome"} / end"#,
    "Look: [get_weather(city='Rome'), get_time()]\n<|eot|>"
        => r#"text "Look: " / call get_weather / args {"city":"Rome"} / end / call get_time / args {} / end"#,
    "[get_time()] and [get_weather(city='a]')]"
        => r#"call get_time / args {} / end / text " and " / call get_weather / args {"city":"a]"} / end"#,
    // Not where anything follows it, nor where it lacks a letter, or a tool.
    "Look: [get_time()] so." => r#"text "Look: [get_time()] so.""#,
    "Look: [get_time()], [get_time()]" => r#"text "Look: [get_time()], " / call get_time / args {} / end"#,
    "Look: [get_time()" => r#"text "Look: [get_time()""#,
    "Look: [get_weather(city='Rome']" => r#"text "Look: [get_weather(city='Rome']""#,
    "Look: [get_weather(city=x)]" => r#"text "Look: [get_weather(city=x)]""#,
    "Look: [nope(), get_time()]" => r#"text "Look: [nope(), get_time()]""#,
    "Look: [1, 2] and [" => r#"text "Look: [1, 2] and [""#,
    // Nor in a word, a fence or a code span.
    "list[get_time()]" => r#"text "list[get_time()]""#,
    "Write `[get_time()]" => r#"text "Write `[get_time()]""#,
    "So:\n```\nx = [get_time()]" => r#"text "So:\n```\nx = [get_time()]""#,
);

t!(a_list_behind_text_is_text_where_the_answer_was_cut, Case { finish: Finish::Cut, ..case("pythonic") },
    "Look: [get_time()]" => r#"text "Look: [get_time()]""#,
);

t!(a_list_behind_text_calls_offered_tools, Case { unknown_tools: UnknownTools::Pass, ..case("pythonic") },
    "Look: [nope()]" => r#"text "Look: [nope()]""#,
    "[nope()]" => "call nope / args {} / end",
);

#[test]
fn brackets_in_prose_are_not_held() {
    for (text, held) in
        [("Look: [1", 0), ("Look: [x", 0), ("Look: [get_ta", 0), ("Look: [get_time", 9), ("Look: [get_time(", 10)]
    {
        let mut decoder = case("pythonic").decoder();
        decoder.push(text, &mut |_| {});
        assert_eq!(decoder.held(), held, "{text}");
    }
}

// The quote behind a tool's parenthesis is the string's own, as what follows it shows.
t!(a_string_may_end_in_the_beginning_of_a_call, case("pythonic"),
    "[bash(command=\"a(), bash(\")]" => r#"call bash / args {"command":"a(), bash("} / end"#,
    "[bash(command='see f(a), bash(command=', n=9), get_time()]"
        => r#"call bash / args {"command":"see f(a), bash(command=","n":9} / end / call get_time / args {} / end"#,
    "[get_weather(list=[\"a()\", \"b(), bash(\"], days=3)]"
        => r#"call get_weather / args {"list":["a()","b(), bash("],"days":3} / end"#,
    "[bash(command=\"a(), bash(\")" => r#"call bash / args {"command":"a(), bash("} / end"#,
    // It opens that call's text.
    "[bash(command=\"a), bash(command=\"b\", n=2)]"
        => r#"call bash / args {"command":"a"} / end / call bash / args {"command":"b","n":2} / end"#,
    "[bash(command=\"a), bash(\"\")]" => r#"call bash / args {"command":"a"} / end / call bash / args {"command":""} / end"#,
);

t!(behind_an_opener_too, case("lfm2"),
    "<|tool_call_start|>[bash(command=\"<|tool_call_start|>bash(command:\", n=9)]<|tool_call_end|>"
        => r#"call bash / args {"command":"<|tool_call_start|>bash(command:","n":9} / end"#,
);

#[test]
fn white_space_in_a_dict_is_not_kept_without_a_bound() {
    let limits = Limits { value_bytes_max: 64, ..Limits::default() };
    for begun in ["{", "{'k'"] {
        let mut decoder = Case { limits: limits.clone(), ..case("pythonic") }.decoder();
        decoder.push(&format!("[get_weather(days=1, where={begun}"), &mut |_| {});
        for _ in 0..1000 {
            decoder.push(" ", &mut |_| {});
            // What is looked at behind a quote waits beside it.
            assert!(decoder.held() <= 256, "{} bytes are held behind {begun}", decoder.held());
        }
    }
}
