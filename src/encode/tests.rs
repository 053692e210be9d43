use std::sync::Arc;

use super::*;
use crate::dialect::Dialects;

fn style(yaml: &str) -> Arc<CallStyle> {
    Arc::new(CallStyle::new(serde_saphyr::from_str(yaml).unwrap()))
}

/// One call whose arguments come in these pieces.
fn call(style: &Arc<CallStyle>, pieces: &[&str]) -> String {
    let (mut encoder, mut out) = (Encoder::new(Arc::clone(style)), String::new());
    encoder.begin(CallHead { name: "f", id: "i1" }, &mut out);
    pieces.iter().for_each(|piece| encoder.arguments(piece, &mut out));
    encoder.end(&mut out);
    encoder.close(&mut out);
    out
}

const ARGUMENTS: &str = r#"{"city": "A \"b\" <c>\n\u00e9\ud83d\ude00\/", "n": -1.50, "sure": true, "no": null, "l": [1, {"x": "y"}, []], "o": {}}"#;

fn check(yaml: &str, expected: &str) {
    let style = style(yaml);
    assert_eq!(call(&style, &[ARGUMENTS]), expected);
    for at in (0..=ARGUMENTS.len()).filter(|at| ARGUMENTS.is_char_boundary(*at)) {
        let (one, other) = ARGUMENTS.split_at(at);
        assert_eq!(call(&style, &[one, other]), expected, "{one} | {other}");
    }
}

#[test]
fn arguments_stay_as_they_are() {
    check("call: '<{name}:{id}>{arguments}</{name}>'", &format!("<f:i1>{ARGUMENTS}</f>"));
}

#[test]
fn arguments_are_indented() {
    let expected = r#"{
    "city": "A \"b\" <c>\n\u00e9\ud83d\ude00\/",
    "n": -1.50,
    "sure": true,
    "no": null,
    "l": [
      1,
      {
        "x": "y"
      },
      []
    ],
    "o": {}
  }"#;
    check("{ call: '{name}{arguments}', arguments: { indented: { by: 2, depth: 1 } } }", &format!("f{expected}"));
}

#[test]
fn each_member_stands_in_a_text_of_its_own() {
    check(
        "{ call: '{name}{arguments}', arguments: { members: '<{name} {type} {string}>{arguments}</{name}>' } }",
        "f<city string true>A \"b\" <c>\né😀/</city><n number false>-1.50</n><sure boolean false>true</sure>\
         <no null false>null</no><l array false>[1, {\"x\": \"y\"}, []]</l><o object false>{}</o>",
    );
}

#[test]
fn a_literal_escapes_nothing() {
    check(
        "{ call: '{name}{arguments}', arguments: literal }",
        "f{city:\"A \"b\" <c>\né😀/\",n:-1.50,sure:true,no:null,l:[1,{x:\"y\"},[]],o:{}}",
    );
}

#[test]
fn keyword_arguments_are_pythons() {
    check(
        "{ call: '{name}({arguments})', arguments: python }",
        r#"f(city="A \"b\" <c>\né😀/", n=-1.50, sure=True, no=None, l=[1, {"x": "y"}, []], o={})"#,
    );
}

#[test]
fn what_is_no_keyword_stands_in_a_dict() {
    let style = style("{ call: '{name}({arguments})', arguments: python }");
    for (arguments, expected) in [
        ("{}", "f()"),
        ("", "f()"),
        (r#"{"a b":1,"c":2}"#, r#"f({"a b": 1, "c": 2})"#),
        (r#"{"a":1,"b-c":[true],"d":2}"#, r#"f(a=1, **{"b-c": [True], "d": 2})"#),
        (r#"{"1":1}"#, r#"f({"1": 1})"#),
        (r#"{"a":1,"from":2}"#, r#"f(a=1, **{"from": 2})"#),
        (r#"{"é":1}"#, r#"f({"é": 1})"#),
    ] {
        assert_eq!(call(&style, &[arguments]), expected, "{arguments}");
    }
}

#[test]
fn a_class_takes_keywords_alone() {
    let yaml = "{ call: '{function}({model}({arguments}))', arguments: fields }";
    check(yaml, r#"f(FModel(city="A \"b\" <c>\né😀/", n=-1.50, sure=True, no=None, l=[1, {"x": "y"}, []], o={}))"#);
    for (arguments, expected) in [
        ("", "f(FModel())"),
        (r#"{"a b":1,"c":2}"#, r#"f(FModel(**{"a b": 1, "c": 2}))"#),
        (r#"{"a":1,"from":{"x y":null}}"#, r#"f(FModel(a=1, **{"from": {"x y": None}}))"#),
    ] {
        assert_eq!(call(&style(yaml), &[arguments]), expected, "{arguments}");
    }
}

#[test]
fn names_are_ones_that_python_takes() {
    let spec = serde_saphyr::from_str("call: '{function}({model}{arguments})'").unwrap();
    let models = [("f".to_owned(), "Args".to_owned())];
    let style = Arc::new(CallStyle::new(spec).with_models(models.into()));
    for (name, expected) in [("f", "f(Args{})"), ("get-it", "get_it(GetItModel{})"), ("from", "from_(FromModel{})")] {
        let (mut encoder, mut out) = (Encoder::new(Arc::clone(&style)), String::new());
        encoder.begin(CallHead { name, id: "" }, &mut out);
        encoder.end(&mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn elements_nest() {
    check(
        "{ call: '{name} {arguments}', arguments: elements }",
        "f <city>A \"b\" <c>\né😀/</city><n>-1.50</n><sure>true</sure><no>null</no>\
         <l><item>1</item><item><x>y</x></item><item></item></l><o></o>",
    );
}

#[test]
fn calls_of_a_turn_stand_between_what_encloses_them() {
    let style = style("{ calls: '<calls>{calls}</calls>', call: '{nth}/{n}:{name}{arguments}', between: '; ' }");
    let (mut encoder, mut out) = (Encoder::new(style), String::new());
    for name in ["a", "b"] {
        encoder.begin(CallHead { name, id: "" }, &mut out);
        encoder.arguments("{}", &mut out);
        encoder.end(&mut out);
    }
    encoder.close(&mut out);
    encoder.close(&mut out);
    assert_eq!(out, "<calls>1/0:a{}; 2/1:b{}</calls>");
}

#[test]
fn a_name_is_escaped_where_it_stands_in_json() {
    let style = style(r#"call: '{"name": "{name}"}{arguments} {name}'"#);
    let (mut encoder, mut out) = (Encoder::new(style), String::new());
    encoder.begin(CallHead { name: r#"a"b"#, id: "" }, &mut out);
    encoder.end(&mut out);
    assert_eq!(out, r#"{"name": "a\"b"}{} a"b"#);
}

/// A server may send anything as a call's arguments.
#[test]
fn what_is_no_object_goes_out_as_it_is() {
    for form in ["json", "literal", "python", "fields", "elements", "{ members: '{name}={arguments}' }"] {
        let style = style(&format!("{{ call: '{{name}}({{arguments}})', arguments: {form} }}"));
        assert_eq!(call(&style, &["\"x", " y\""]), "f(\"x y\")", "{form}");
        assert_eq!(call(&style, &[" [1, ", "2]"]), "f([1, 2])", "{form}");
    }
}

#[test]
fn calls_are_written_as_a_dialects_models_write_them() {
    let dialects = Dialects::builtin();
    let table = [
        ("hermes", r#"{"a":1.0}"#, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1.0}}\n</tool_call>"),
        ("hermes", "", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"),
        ("hermes", "not { json", "<tool_call>\n{\"name\": \"f\", \"arguments\": not { json}\n</tool_call>"),
        ("llama3-json", r#"{"ü":"é"}"#, r#"{"name": "f", "parameters": {"ü":"é"}}"#),
        ("json-envelope", "{}", r#"{"tool_call": {"name": "f", "arguments": {}}}"#),
        (
            "qwen3-coder",
            r#"{"s":"a\n\"b\"","n":12345678901234567890123,"o":{"k": [1]},"t":true}"#,
            "<tool_call>\n<function=f>\n<parameter=s>\na\n\"b\"\n</parameter>\n<parameter=n>\n12345678901234567890123\n</parameter>\n<parameter=o>\n{\"k\": [1]}\n</parameter>\n<parameter=t>\ntrue\n</parameter>\n</function>\n</tool_call>",
        ),
        ("qwen3-coder", "{}", "<tool_call>\n<function=f>\n</function>\n</tool_call>"),
        ("qwen3-coder", "[1", "<tool_call>\n<function=f>\n[1</function>\n</tool_call>"),
        (
            "gemma4",
            r#"{"city":"Rome","n":3,"o":{"d":true,"l":["a",1,null]}}"#,
            r#"<|tool_call>call:f{city:<|"|>Rome<|"|>,n:3,o:{d:true,l:[<|"|>a<|"|>,1,null]}}<tool_call|>"#,
        ),
    ];
    for (name, arguments, expected) in table {
        let dialect = dialects.get(name).unwrap();
        let style = Arc::new(CallStyle::of(dialect).unwrap());
        assert_eq!(call(&style, &[arguments]), expected, "{name}");
    }
}
