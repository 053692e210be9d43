//! Calls in Python code.

use super::*;

fn code() -> Case {
    own("reasoning: { open: [\"<think>\"], close: [\"</think>\"] }\ncall: {}\npayload: { code: {} }")
}

t!(a_fence_of_calls_is_markup, code(),
    "Sure.\n```python\nget_weather(GetWeatherModel(city=\"Rome\", days=2))\n```"
        => r#"text "Sure.\n" / call get_weather / args {"city":"Rome","days":2} / end"#,
    "```python\nget_time()\nbash(command='ls')\n```\nSo." => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end / text "\nSo.""#,
    "```py\nget_time()\n```\nand\n```tool_code\nbash(command='ls')\n```"
        => r#"call get_time / args {} / end / text "\nand\n" / call bash / args {"command":"ls"} / end"#,
    "```\nget_time()\n```" => "call get_time / args {} / end",
    "````python\r\nget_time()\r\n````" => "call get_time / args {} / end",
    // The fence between two was closed by none.
    "```\nget_time()\n```python\nget_time()\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    // A fence on one line, one that closes behind the call, one that is not closed.
    "```python get_time()```" => "call get_time / args {} / end",
    "```get_time()``` so" => r#"call get_time / args {} / end / text " so""#,
    "```x = get_time()```" => "call get_time / args {} / end",
    "I look: ```python\nget_time()```" => r#"text "I look: " / call get_time / args {} / end"#,
    "```python\nget_time()" => "call get_time / args {} / end",
    "```python\n  get_time()\n  get_time()\n```" => "call get_time / args {} / end / call get_time / args {} / end",
);

t!(an_answer_may_be_code_without_a_fence, code(),
    "get_time()" => "call get_time / args {} / end",
    "city = 'Rome'\nx = get_weather(city)\nprint(x)\n"
        => r#"call get_weather / args {"city":"Rome"} / end"#,
    "get_time()\n\nDone." => r#"call get_time / args {} / end / text "\n\nDone.""#,
    "get_time()\n```python\nget_time()\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    "<think>get_time()</think>get_time()" => r#"think "get_time()" / call get_time / args {} / end"#,
    // It is not where text stands before it, or the statement goes on with words.
    "So:\nget_time()" => r#"text "So:\nget_time()""#,
    "get_time() tells the time." => r#"text "get_time() tells the time.""#,
    "get_time" => r#"text "get_time""#,
    "`get_time()`" => r#"text "`get_time()`""#,
    "x = 5" => r#"text "x = 5""#,
    "Note: get_time() tells it." => r#"text "Note: get_time() tells it.""#,
);

t!(a_statement_may_do_something_with_a_call, code(),
    "```\nx = get_time()\n```" => "call get_time / args {} / end",
    "```\nx: dict[str, Any] = get_time()\n```" => "call get_time / args {} / end",
    "```\nawait get_time()\nx = await get_time()\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    "```\nprint(get_time())\nprint(await get_time())\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    "```\nprint('It is', get_time(), bash('ls'), sep='')\n```"
        => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end"#,
    "```\nprint(\n    get_time(),  # now\n)\n```" => "call get_time / args {} / end",
    "```\nget_time(); bash('ls')\n```" => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end"#,
    "```\nget_time(), bash('ls')\n```" => r#"call get_time / args {} / end / call bash / args {"command":"ls"} / end"#,
    "```\nget_time()  # now\n\n# then\nget_time()\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    "```\nget_time()['now'].strip(')')\nget_time().x\n```" => "call get_time / args {} / end / call get_time / args {} / end",
    "```\nfrom tools import (\n  get_time,\n)\nimport json\n\n# now\nget_time()\n```" => "call get_time / args {} / end",
    "```\nx = get_time()\nprint(f'It is {x}')\nprint('Ready.')\n```" => r#"call get_time / args {} / end / text "\nprint('Ready.')\n""#,
    "```\nfunctions.get_time()\n```" => "call get_time / args {} / end",
);

t!(what_is_no_call_is_text, code(),
    "```python\nother(X(1))\n```" => r#"text "```python\nother(X(1))\n```""#,
    "```python\nother(1)\nget_time()\n```" => r#"text "```python\nother(1)\n" / call get_time / args {} / end / text "\n```""#,
    "```python\nget_time()\nother(1)\n```" => r#"call get_time / args {} / end / text "\nother(1)\n""#,
    // Blocks, with all that is indented under them.
    "```\ndef f():\n    get_time()\n\n    return 1\nget_time()\n```"
        => r#"text "```\ndef f():\n    get_time()\n\n    return 1\n" / call get_time / args {} / end / text "\n```""#,
    "```\nif x:  # so\n  get_time()\n```" => r#"text "```\nif x:  # so\n  get_time()\n```""#,
    "```\nx = [\nget_time()\n]\n```" => r#"text "```\nx = [\nget_time()\n]\n```""#,
    "```\nx = \"\"\"\nget_time()\n\"\"\" + y\n```" => r#"text "```\nx = \"\"\"\nget_time()\n\"\"\" + y\n```""#,
    // What is written in a call is no literal.
    "```\nbash(command=f())\n```" => r#"text "```\nbash(command=f())\n```""#,
    "```\nbash(command='a' if x else 'b')\n```" => r#"text "```\nbash(command='a' if x else 'b')\n```""#,
    "```\nbash(command=get_time())\n```" => r#"text "```\nbash(command=get_time())\n```""#,
    "```\nbash(command=x)\n```" => r#"text "```\nbash(command=x)\n```""#,
    "```\nbash(*args)\n```" => r#"text "```\nbash(*args)\n```""#,
    // Fences of something else.
    "```json\n{\"a\": 1}\n```\nit's" => r#"text "```json\n{\"a\": 1}\n```\nit's""#,
    "```sh\necho it's (\n```\nget_time()" => r#"text "```sh\necho it's (\n```\nget_time()""#,
    "``` a ``` b\nget_time()" => r#"text "``` a ``` b\nget_time()""#,
    "```python\n# nothing\n```" => r#"text "```python\n# nothing\n```""#,
    "```python\nx = 5\n```" => r#"text "```python\nx = 5\n```""#,
    "```python\nx = 5" => r#"text "```python\nx = 5""#,
    "```" => r#"text "```""#,
    "```\nx`" => r#"text "```\nx`""#,
    "```\nget_time()\nx `" => r#"call get_time / args {} / end / text "\nx `""#,
    "````md\n```python\nget_time()\n```\n````\nSo." => r#"text "````md\n```python\nget_time()\n```\n````\nSo.""#,
    "```md\n# So\n```python\nget_time()\n```\n```" => r#"text "```md\n# So\n```python\nget_time()\n```\n```""#,
    "~~~\n```\nget_time()\n```\n~~~" => r#"text "~~~\n```\nget_time()\n```\n~~~""#,
);

t!(arguments_in_every_form, code(),
    "```\nget_weather('Rome', 2, metric=True)\n```" => r#"call get_weather / args {"city":"Rome","days":2,"metric":true} / end"#,
    "```\nget_weather({'city': 'Rome'})\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(**{'city': 'Rome'}, days=1)\n```" => r#"call get_weather / args {"city":"Rome","days":1} / end"#,
    "```\nget_weather(GetWeatherModel(**{'city': 'Rome'}))\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(args=GetWeatherModel(city='Rome'))\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(args={'city': 'Rome'})\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(GetWeatherModel('Rome'))\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(GetWeatherModel())\n```" => r#"call get_weather / args {} / end"#,
    "```\nget_weather(where=Location(lat=-1, lon=[1, (2,)]), any=[Point(x=1)])\n```"
        => r#"call get_weather / args {"where":{"lat":-1,"lon":[1,[2]]},"any":[{"x":1}]} / end"#,
    "```\nget_weather( # where\n  city = 'Ro' \"me\" # yes\n    r'\\n' , # so\n  days=2,\n)\n```"
        => r#"call get_weather / args {"city":"Rome\\n","days":2} / end"#,
    "```\nget_weather(city='a' + 'b', any='c' * 1)\n```" => r#"text "```\nget_weather(city='a' + 'b', any='c' * 1)\n```""#,
    "```\nget_weather(city='a' + f'b{{', any=None)\n```" => r#"text "```\nget_weather(city='a' + f'b{{', any=None)\n```""#,
    "```\nbash(command='a', command='b')\n```" => r#"call bash / args {"command":"a"} / end"#,
    "```\nget_weather(city=f'Rome')\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nget_weather(other=1, city='Rome')\n```" => r#"call get_weather / args {"city":"Rome"} / end"#,
    "```\nparams = {'city': 'Rome'}\nget_weather(**params)\nget_weather(params)\n```"
        => r#"call get_weather / args {"city":"Rome"} / end / call get_weather / args {"city":"Rome"} / end"#,
    "```\nbash(command='''a\n```\nb''')\n```" => r#"call bash / args {"command":"a\n```\nb"} / end"#,
    "```\nbash(command='a\nb\n `')\n```" => r#"call bash / args {"command":"a\nb\n `"} / end"#,
);

t!(a_call_that_is_not_whole, code(),
    // The fence ends what is open, and what is not known to be a call is text.
    "```\nbash(command='ls\n```\nSo." => r#"text "```\nbash(command='ls\n```\nSo.""#,
    "```\nbash(command='ls'\n```\nSo." => r#"call bash / args {"command":"ls"} / end / text "\nSo.""#,
    "```\nget_weather(days=2\n```\nSo." => r#"call get_weather / args {"days":2} / end / text "\nSo.""#,
    "```\nget_weather(days=2, list=[1\n```\nSo.\n```\nget_time()\n```"
        => r#"text "```\nget_weather(days=2, list=[1\n```\nSo.\n" / call get_time / args {} / end"#,
    "```\nget_weather(metric=True`, city='Rome')\nget_time()\n```"
        => r#"call get_weather / args {"metric":true} / end / text "`, city='Rome')\n" / call get_time / args {} / end"#,
    "```\nx = [1,\n```\nSo.\n```\nget_time()[0\n```\nSo.\n```\nprint(get_time(), [x\n```\nSo."
        => r#"text "```\nx = [1,\n```\nSo.\n" / call get_time / args {} / end / text "\nSo.\n" / call get_time / args {} / end / text " [x\n\nSo.""#,
    "```\nbash(command='''ls\n```\nSo.\n```\nget_time()\n```"
        => r#"text "```\nbash(command='''ls\n```\nSo.\n" / call get_time / args {} / end"#,
    "```\nbash(command='ls'" => r#"call bash / args {"command":"ls"} / end"#,
    "```\nget_weather(city='Rome', days=2" => r#"call get_weather / args {"city":"Rome","days":2} / end"#,
    "```\nbash(command='l" => r#"call bash / args {"command":"l / cut"#,
    "```\nbash(" => r#"text "```\nbash(""#,
);

#[test]
fn a_long_call_ends_with_the_fence_around_it() {
    let long = "x".repeat(600);
    let text = format!("```\nget_weather(days=2, city='{long}', list=[1\n```\nSo.\n```\nget_time()\n```");
    let expected = format!(
        r#"call get_weather / args {{"days":2,"city":"{long}","list":"[1"}} / end / text "\nSo.\n" / call get_time / args {{}} / end"#
    );
    code().check(&text, &expected);
}

#[test]
fn what_is_no_literal_behind_the_commit_point_has_its_place() {
    let long = "x".repeat(600);
    for second in ["f()", "[1]"] {
        let text = format!("```\nget_weather('{long}', {second}, True)\n```");
        let expected = format!(r#"call get_weather / args {{"city":"{long}","days":"{second}","metric":true}} / end"#);
        code().check(&text, &expected);
    }
}

#[test]
fn a_value_that_is_too_long_is_a_text_of_its_source() {
    let case = Case { limits: Limits { value_bytes_max: 600, ..Limits::default() }, ..code() };
    let (city, list) = ("c".repeat(520), format!("[{}]", "1, ".repeat(300)));
    // By its keyword, by its place, and one that the tool does not know.
    for (keyword, written) in
        [("list=", format!(r#","list":"{list}""#)), ("", format!(r#","metric":"{list}""#)), ("other=", String::new())]
    {
        let (line, _) = case.run([format!("```\nget_weather('{city}', 1, {keyword}{list}, any=2)\n```").as_str()]);
        assert_eq!(line, format!(r#"call get_weather / args {{"city":"{city}","days":1{written},"any":2}} / end"#));
    }
}

#[test]
fn variables_have_a_bound_in_an_answer() {
    // Each fence makes much of little.
    let fence =
        format!("```\na = '{}'\n{}```\n", "x".repeat(4000), "get_weather(any=[a, a, a, a, a, a, a, a])\n".repeat(100));
    let (line, ending) = code().run([fence.repeat(20).as_str()]);
    assert!(ending.calls > 20 && line.len() < 3 << 20, "{} calls in {} bytes", ending.calls, line.len());
}

#[test]
fn a_call_of_many_arguments_is_read_once() {
    // A step that looked at all that came before it would make this a test of minutes.
    let given: String = (0..100_000).map(|n| format!("k{n}=1,")).collect();
    let case = Case { unknown_tools: UnknownTools::Pass, ..code() };
    let (line, _) = case.run([format!("```\nlook({given})\n```").as_str()]);
    assert!(line.starts_with("call look / args {\"k0\":1") && line.ends_with("\"k99999\":1} / end"));
}

#[test]
fn prose_is_not_held_for_a_word_without_end() {
    for text in ["天气很好", "The weather", "Ключ"] {
        let mut decoder = code().decoder();
        let mut shown = String::new();
        decoder.push(text, &mut |event| {
            if let Event::Text(text) = event {
                shown.push_str(text);
            }
        });
        assert_eq!((shown.as_str(), decoder.held()), (text, 0));
    }
}
