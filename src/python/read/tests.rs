mod written;

use super::*;
use crate::json::write_string;

/// A value as these tests show it: JSON, `Class{…}` and `Class.member`.
fn shown(value: &Value) -> String {
    let members = |members: &[(String, Value)]| {
        let each = members.iter().map(|(key, value)| format!("{}:{}", quoted(key), shown(value)));
        format!("{{{}}}", each.collect::<Vec<_>>().join(","))
    };
    match value {
        Value::None => "null".into(),
        Value::Bool(is_true) => is_true.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Dict(dict) => members(dict),
        Value::Model { class, fields } => format!("{class}{}", members(fields)),
        Value::Member { class, name } => format!("{class}.{name}"),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    write_string(text, &mut out);
    out
}

fn variables() -> Variables {
    let dict = Value::Dict(vec![("a".into(), Value::Number("1".into()))]);
    let mut variables = variable("city", Value::Text("Rome".into()));
    variables.assign("options".into(), dict);
    variables
}

fn variable(name: &str, value: Value) -> Variables {
    let mut variables = Variables::default();
    variables.assign(name.into(), value);
    variables
}

fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        let value = read(source, &mut variables(), 8);
        assert_eq!(value.as_ref().map(shown).as_deref(), Some(*expected), "{source}");
    }
}

fn check_none(sources: &[&str]) {
    for source in sources {
        assert_eq!(read(source, &mut variables(), 8), None, "{source}");
    }
}

#[test]
fn strings() {
    check(&[
        (r#""a""#, r#""a""#),
        ("'it is \"so\"'", r#""it is \"so\"""#),
        (r#"'it\'s'"#, r#""it's""#),
        (r#""""a "quoted" 'one'""""#, r#""a \"quoted\" 'one'""#),
        ("'''a\nb\r\nc\rd'''", r#""a\nb\nc\nd""#),
        ("''", r#""""#),
        ("''''''", r#""""#),
        (r"'\a\b\f\n\r\t\v\\\'\0'", r#""\u0007\b\f\n\r\t\u000b\\'\u0000""#),
        (r"'\x41\101\1\18\u00e9\U0001F600'", "\"AA\\u0001\\u00018é😀\""),
        (r"'\ud83d\ude00 \ud83d \ude00'", "\"😀 \u{fffd} \u{fffd}\""),
        (r"'a\/b'", r#""a/b""#),
        (r"'\d\ \z'", r#""\\d\\ \\z""#),
        ("'a\\\nb\\\r\nc'", r#""abc""#),
        (r"r'\d\n\''", r#""\\d\\n\\'""#),
        (r"R'\\'", r#""\\\\""#),
        ("r'''\\\r\n'''", r#""\\\n""#),
        ("u'é中'", "\"é中\""),
        ("f'{{a}} b'", r#""{a} b""#),
        (r"F'\n\{{'", r#""\n\\{""#),
        (r"rf'\n{{'", r#""\\n{""#),
        (r"fR'\d'", r#""\\d""#),
        (r#"'a' "b" r'\c' f'd'"#, r#""ab\\cd""#),
        ("('a'  # one\n 'b'\n)", r#""ab""#),
        ("'a' \\\n 'b'", r#""ab""#),
        ("'a' + \"b\" + ('c' 'd')", r#""abcd""#),
        ("'# no comment'", r##""# no comment""##),
    ]);
    check_none(&[
        "'a",
        "'a\nb'",
        r"'\'",
        "'''a''",
        "b'a'",
        "Rb'a'",
        "t'a'",
        "x'a'",
        "ur'a'",
        "'a' b'c'",
        "f'{city}'",
        "f'{'",
        "f'}'",
        r"'\N{BULLET}'",
        r"'\x4'",
        r"'\u12g4'",
        r"'\u+123'",
        "'a' * 3",
        "'a' - 'b'",
        "'a' + 1",
        "-'a'",
        "'a'.upper()",
        "'a'[0]",
        "'%s' % 'a'",
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("0", "0"),
        ("1_000", "1000"),
        ("123456789012345678901234567890123456789012345", "123456789012345678901234567890123456789012345"),
        ("-123456789012345678901234567890123456789012345", "-123456789012345678901234567890123456789012345"),
        ("0xFF", "255"),
        ("0x_f_f", "255"),
        ("0b101", "5"),
        ("0O17", "15"),
        ("0xffffffffffffffffffffffffffffffff", "340282366920938463463374607431768211455"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        ("-1.5e3", "-1.5e3"),
        ("1E-2", "1E-2"),
        ("- 5", "-5"),
        ("+5", "5"),
        ("--5", "5"),
        ("-0", "-0"),
        ("1e999", "1e999"),
        ("-0.0", "-0.0"),
        ("-True", "-1"),
    ]);
    check_none(&[
        "1j",
        "1.5J",
        "007",
        "1__0",
        "1_",
        "_1",
        "0x",
        "0xfg",
        "0x1__2",
        "0x1_",
        "0b2",
        "1e",
        "1e+",
        "1.2.3",
        "2km",
        ".",
        "~1",
        "-None",
        "+'1'",
        "-[1]",
        "1 2",
        "inf",
        "nan",
        "float('inf')",
        "...",
    ]);
}

#[test]
fn arithmetic() {
    check(&[
        ("60*60", "3600"),
        ("1 + 2 * 3 - 4", "3"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3.5"),
        ("6 / 3", "2.0"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 // -2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("7.5 // 2", "3.0"),
        ("-7.5 // 2", "-4.0"),
        ("-7.5 % 2", "0.5"),
        ("1 % .1", "0.09999999999999995"),
        ("-1 % 1e300", "1e300"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("2**10", "1024"),
        ("2**3**2", "512"),
        ("-2**2", "-4"),
        ("2**-1", "0.5"),
        ("(-2)**2", "4"),
        ("2.0**3", "8.0"),
        ("9**.5", "3.0"),
        ("10**30", "1000000000000000000000000000000"),
        ("24 * 60\n * 60", "86400"),
        ("1 - -1", "2"),
        ("True + True", "2"),
        ("9007199254740993 + 0.0", "9007199254740992.0"),
        ("1e16 + 0", "1e16"),
    ]);
    check_none(&[
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "1.0 / 0",
        "1 // 0.0",
        "0 ** -1",
        "10 ** 400",
        "10 ** 10 ** 10",
        "1e300 * 1e300",
        "(-8) ** .5",
        "9007199254740993 / 3",
        "1 +",
        "* 2",
        "1 & 2",
        "1 << 3",
        "1 @ 2",
        "1 + None",
        "1 + [2]",
        "[1] + [2]",
        "[1] * 2",
        "[1] * 2000000000",
        "2 * 'a'",
    ]);
}

#[test]
fn words_and_containers() {
    check(&[
        ("True", "true"),
        ("False", "false"),
        ("None", "null"),
        (" true ", "true"),
        ("false", "false"),
        ("null", "null"),
        ("[]", "[]"),
        ("[1, 'a', [None],]", r#"[1,"a",[null]]"#),
        ("()", "[]"),
        ("(1)", "1"),
        ("(1,)", "[1]"),
        ("(1, 2,)", "[1,2]"),
        ("((1, 2), (3,))", "[[1,2],[3]]"),
        ("{1, 'a'}", r#"[1,"a"]"#),
        ("{1,}", "[1]"),
        ("{}", "{}"),
        ("{'a': 1, \"b\": {'c': [True]},}", r#"{"a":1,"b":{"c":[true]}}"#),
        ("{1: 2, 1.5: 3, True: 4, None: 5}", r#"{"1":2,"1.5":3,"true":4,"null":5}"#),
        ("{'a' 'b': 1, city: 2, 1 + 1: 3}", r#"{"ab":1,"Rome":2,"2":3}"#),
        ("{'a': 1, 'b': 2, 'a': 3}", r#"{"a":3,"b":2}"#),
        ("{'a': 0, **{'a': 1, 'b': 2}, **options, 'b': 3}", r#"{"a":1,"b":3}"#),
        ("{**{}}", "{}"),
        ("[ # one\n 1, # two\n\r\n\t2\x0c\n]", "[1,2]"),
        ("[1, \\\n 2]", "[1,2]"),
        ("# first\n 1 # last", "1"),
    ]);
    check_none(&[
        "",
        " # nothing",
        "[",
        "[1",
        "[1)",
        "[,]",
        "[1,,2]",
        "[1 2]",
        "(,)",
        "1, 2",
        "{1: }",
        "{1: 2",
        "{1: 2, 3}",
        "{3, 1: 2}",
        "{**{'a': 1}, 2}",
        "{**[1]}",
        "{**city}",
        "{[1]: 2}",
        "{Unit.a: 2}",
        "{[1]}",
        "{{'a': 1}}",
        "{'a' = 1}",
        "{'a': 1 'b': 2}",
        "[*[1], 2]",
        "[x for x in [1]]",
        "{x: 1 for x in [1]}",
        "(x for x in [1])",
        "1 if True else 2",
        "1 == 1",
        "1 < 2",
        "not True",
        "True and False",
        "1 or 2",
        "1 in [1]",
        "lambda: 1",
        "await city",
        "(a := 1)",
        "[1][0]",
        "1 \\ 2",
        "yes",
    ]);
}

#[test]
fn classes_and_members() {
    check(&[
        ("GetWeatherModel()", "GetWeatherModel{}"),
        ("Location(lat=1, lon=-2.5,)", r#"Location{"lat":1,"lon":-2.5}"#),
        ("tools.Location( lat = 1 )", r#"Location{"lat":1}"#),
        ("A(b=B(c=[C(d='e')]))", r#"A{"b":B{"c":[C{"d":"e"}]}}"#),
        ("A(**{'b-c': 1}, d=2)", r#"A{"b-c":1,"d":2}"#),
        ("A(**options)", r#"A{"a":1}"#),
        ("A(from_='x', class_='y')", r#"A{"from_":"x","class_":"y"}"#),
        ("A.model_validate({'b': 1})", r#"A{"b":1}"#),
        ("dict(a=1, **{'b': 2})", r#"{"a":1,"b":2}"#),
        ("dict()", "{}"),
        ("dict({'a': 1})", r#"{"a":1}"#),
        ("Unit('celsius')", r#""celsius""#),
        ("Path(\n    '/tmp',\n)", r#""/tmp""#),
        ("Unit.celsius", "Unit.celsius"),
        ("Unit.celsius.value", "Unit.celsius"),
        ("Unit.value", "Unit.value"),
        ("tools.Unit.C_1", "Unit.C_1"),
        ("Model.Unit.a.value", "Unit.a"),
        ("[Unit . a, Unit.b]", "[Unit.a,Unit.b]"),
    ]);
    check_none(&[
        "A(1, 2)",
        "A(1, b=2)",
        "A(b=2, 1)",
        "A(b=1, b=2)",
        "A(b=1, **{'b': 2})",
        "A(b==1)",
        "A(b=)",
        "A(*[1])",
        "A(x for x in [1])",
        "A(b=1).b",
        "A(b=1)(2)",
        "A[1]",
        "A['a']",
        "A",
        "A.",
        "A..b",
        "None()",
        "True.real",
        "A.model_validate('{}')",
        "A.model_validate({}, b=1)",
        "A.parse('x')",
        "get_weather('Rome')",
        "str(1)",
        "dict([1])",
        "dict({'a': 1}, b=2)",
        "self.dict()",
        "math.pi",
        "open('/etc/passwd').read()",
        "__import__('os').system('true')",
    ]);
}

#[test]
fn variables_give_their_values() {
    check(&[
        ("city", r#""Rome""#),
        ("[city, city]", r#"["Rome","Rome"]"#),
        ("city + ', Italy'", r#""Rome, Italy""#),
        ("A(b=city, c=options)", r#"A{"b":"Rome","c":{"a":1}}"#),
    ]);
    check_none(&["town", "options['a']", "options.a", "city.value", "city()", "'a' city", "city 'a'", "cityx"]);
    let mut class = variable("Unit", Value::Text("x".into()));
    assert_eq!(read("Unit.a", &mut class, 8), None, "an attribute of a variable");
}

#[test]
fn depth_and_copies_have_a_bound() {
    for (open, close) in [("[", "]"), ("(", ")"), ("{'a': ", "}"), ("A(", ")"), ("A(b=", ")"), ("-", ""), ("2 ** ", "")]
    {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(open == "2 ** " || read(&nested(8), &mut Variables::default(), 8).is_some(), "{open}");
        assert_eq!(read(&nested(9), &mut Variables::default(), 8), None, "{open}");
        assert_eq!(read(&nested(100_000), &mut Variables::default(), 8), None, "{open}");
        assert_eq!(read(&open.repeat(100_000), &mut Variables::default(), 8), None, "{open}");
    }
    // A variable's depth counts where it stands.
    let mut deep = variable("v", read("[[1]]", &mut Variables::default(), 2).unwrap());
    assert!(read("[[v]]", &mut deep, 4).is_some());
    assert_eq!(read("[[v]]", &mut deep, 3), None);
    // So do copies of all values, and what is kept of them.
    let long = || variable("v", Value::Text("x".repeat(100_000)));
    assert!(read("[v, v, v]", &mut long(), 8).is_some());
    assert_eq!(read(&format!("[{}]", "v, ".repeat(11)), &mut long(), 8), None);
    assert_eq!(read(&["v"; 11].join(" + "), &mut long(), 8), None);
    let mut used = long();
    assert_eq!((0..20).filter(|_| read("v", &mut used, 8).is_some()).count(), 9);
    let mut many = Variables::default();
    (0..20).for_each(|n| many.assign(format!("v{n}"), Value::Text("x".repeat(100_000))));
    assert_eq!((0..20).filter(|n| many.has(&format!("v{n}"))).count(), 10);
    many.assign("v0".into(), Value::Text("x".repeat(100_000)));
    assert_eq!(read("v0", &mut many, 8), None, "a former value");
}

#[test]
fn long_sources_are_read_once() {
    // A step that looked at all that came before it would make this a test of minutes.
    let many = 50_000;
    let members: String = (0..many).map(|i| format!("'k{i}': {i}, ")).collect();
    for (source, count) in [
        (format!("{{{members}}}"), many),
        (format!("[{}]", "1, ".repeat(many)), many),
        (format!("[{}]", "'a' ".repeat(many)), 1),
        (format!("[{}'a']", "'a' + ".repeat(many)), 1),
        (format!("[1{}]", " + 1".repeat(many)), 1),
        (format!("[{}1]", "# a\n".repeat(many)), 1),
        (format!("A({})", members.replace("': ", "=").replace('\'', "")), many),
    ] {
        let length = match read(&source, &mut Variables::default(), 8) {
            Some(Value::List(values)) => values.len(),
            Some(Value::Dict(members) | Value::Model { fields: members, .. }) => members.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(length, count);
    }
}
