//! Values written as Python in any style are read back.

use proptest::prelude::*;

use super::*;

/// A stream of choices by which a value is written.
struct Style(u64);

impl Style {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let at = self.below(u64::try_from(choices.len()).unwrap());
        choices[usize::try_from(at).unwrap()]
    }

    fn blank(&mut self) -> &'static str {
        self.one_of(&["", "", "", " ", "\n    ", "  # so [it' is\n", "\\\n", "\t"])
    }

    fn write(&mut self, value: &Value) -> String {
        let (before, behind) = (self.blank(), self.blank());
        let written = match value {
            Value::None => self.one_of(&["None", "null", "(None)"]).into(),
            Value::Bool(true) => self.one_of(&["True", "true", "( True )"]).into(),
            Value::Bool(false) => self.one_of(&["False", "false"]).into(),
            Value::Number(number) => self.one_of(&["@", "(@)", "+@"]).replace('@', number),
            Value::Text(text) => self.text(text),
            Value::List(values) => {
                let closers = if values.len() > 1 { ["[", "]", "(", ")"] } else { ["[", "]", "[", "]"] };
                let at = if self.below(2) == 0 { 0 } else { 2 };
                self.joined(closers[at], values.iter().map(|v| (String::new(), v)).collect(), closers[at + 1])
            }
            Value::Dict(members) => {
                let keyed = |style: &mut Self, key: &String| style.text(key) + style.blank() + ":";
                let members = members.iter().map(|(key, value)| (keyed(self, key), value)).collect();
                self.joined("{", members, "}")
            }
            Value::Model { class, fields } => {
                let fields = fields.iter().map(|(key, value)| (format!("{key}{}=", self.blank()), value)).collect();
                self.joined(&format!("{class}("), fields, ")")
            }
            Value::Member { class, name } => format!("{class}.{name}{}", self.one_of(&["", ".value"])),
        };
        format!("{before}{written}{behind}")
    }

    fn joined(&mut self, open: &str, members: Vec<(String, &Value)>, close: &str) -> String {
        let comma = if members.is_empty() { "" } else { self.one_of(&["", ","]) };
        let written: Vec<_> = members.into_iter().map(|(key, value)| key + &self.write(value)).collect();
        format!("{open}{}{comma}{}{close}", written.join(","), self.blank())
    }

    /// A text as one string or as several.
    fn text(&mut self, text: &str) -> String {
        let cut = text.char_indices().nth(3).map(|(at, _)| at).filter(|_| self.below(3) == 0);
        match cut {
            None => self.string(text),
            Some(at) => {
                let between = self.one_of(&[" ", "\n", " + ", ""]);
                let (left, right) = (self.string(&text[..at]), self.string(&text[at..]));
                // The prefix of the second must not be taken for anything else.
                format!("({left}{}{right})", if between.is_empty() { " " } else { between })
            }
        }
    }

    fn string(&mut self, text: &str) -> String {
        let quote = self.one_of(&["'", "\"", "'''", "\"\"\""]);
        let is_raw = self.below(3) == 0 && !text.contains(['\'', '"', '\\', '\r', '\n']);
        let prefix = self.one_of(if is_raw { &["r", "R", "rf", "Fr"] } else { &["", "", "u", "f", "F"] });
        let is_formatted = prefix.contains(['f', 'F']);
        let inside: String = text.chars().map(|c| self.character(c, quote, is_raw, is_formatted)).collect();
        format!("{prefix}{quote}{inside}{quote}")
    }

    fn character(&mut self, c: char, quote: &str, is_raw: bool, is_formatted: bool) -> String {
        match c {
            '{' | '}' if is_formatted => format!("{c}{c}"),
            _ if is_raw => c.to_string(),
            '\\' => "\\\\".into(),
            '\r' => "\\r".into(),
            '\n' if quote.len() == 1 => self.one_of(&["\\n", "\\x0a", "\\012", "\\u000A"]).into(),
            c if quote.starts_with(c) => format!("\\{c}"),
            c if self.below(8) == 0 => format!("\\U{:08x}", u32::from(c)),
            c => c.to_string(),
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let text = || prop_oneof!["[a-z]{0,6}", "[ -~\\n\\r\\té中😀]{0,12}"];
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        (-1e6..1e6_f64).prop_map(|number| Value::Number(format!("{number:?}"))),
        text().prop_map(Value::Text),
        ("[A-Z][a-z]{0,3}", "[a-z_]{1,5}").prop_map(|(class, name)| Value::Member { class, name }),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let members = |keys: BoxedStrategy<String>| {
            let members = prop::collection::btree_map(keys, inner.clone(), 0..5);
            members.prop_map(|members| members.into_iter().collect::<Vec<_>>())
        };
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            members(text().boxed()).prop_map(Value::Dict),
            ("[A-Z][a-zA-Z0-9]{0,5}", members("[a-z_][a-z0-9_]{0,5}".boxed()))
                .prop_map(|(class, fields)| Value::Model { class, fields }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in values(), style in any::<u64>()) {
        let source = Style(style).write(&value);
        prop_assert_eq!(read(&source, &mut Variables::default(), 32), Some(value), "{}", source);
    }

    #[test]
    fn any_source_has_an_end(source in "[-a-zA-Z0-9'\"\\\\{}()\\[\\],:=.*+/%#_ \\n\\ré]{0,60}") {
        let _ = read(&source, &mut variables(), 8);
    }
}
