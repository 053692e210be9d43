//! A tool as `declaration:NAME{…}`, and JSON as the literal that stands in it: keys bare, strings between quotes
//! inside which nothing is escaped.
//! Keeps the client's order of keys, where the template sorts them.

use crate::json::{Object, Token, string, tokens};

/// Appends a function's declaration.
pub(super) fn write(function: &Object<'_>, quote: &str, out: &mut String) {
    out.push_str("declaration:");
    out.push_str(&function.string("name").unwrap_or_default());
    let mut before = '{';
    for (key, value) in function.members().filter(|(key, _)| *key != "name") {
        out.push(before);
        before = ',';
        out.push_str(key);
        out.push(':');
        write_value(value, quote, if key == "parameters" { Meaning::Schema } else { Meaning::Data }, out);
    }
    if before == '{' {
        out.push('{');
    }
    out.push('}');
}

/// What a value stands for, which decides how type names in it are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Data,
    Schema,
    /// Schemas by name.
    Named,
    /// The name of a type, or several: in capitals.
    Type,
}

impl Meaning {
    /// Of the value of a key.
    fn of(self, key: &str) -> Self {
        match self {
            Self::Data | Self::Type => Self::Data,
            Self::Named => Self::Schema,
            Self::Schema => match key {
                "type" => Self::Type,
                "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions" => Self::Named,
                "default" | "const" | "enum" | "example" | "examples" => Self::Data,
                _ => Self::Schema,
            },
        }
    }
}

fn write_value(json: &str, quote: &str, meaning: Meaning, out: &mut String) {
    // The meaning of each open bracket, and of the value that comes next. An array's elements mean what it means.
    let mut open = vec![];
    let mut next = meaning;
    let mut tokens = tokens(json).peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) => {
                open.push(next);
                out.push(bracket);
            }
            Token::Close(bracket) => {
                open.pop();
                out.push(bracket);
            }
            Token::Colon => out.push(':'),
            Token::Comma => {
                next = open.last().copied().unwrap_or(meaning);
                out.push(',');
            }
            Token::Scalar(written) => out.push_str(written),
            Token::String(written) => {
                let text = string(written).unwrap_or(written.trim_matches('"').into());
                if tokens.peek() == Some(&Token::Colon) {
                    next = open.last().copied().unwrap_or(meaning).of(&text);
                    out.push_str(&text);
                } else {
                    out.push_str(quote);
                    if next == Meaning::Type {
                        out.push_str(&text.to_uppercase());
                    } else {
                        out.push_str(&text);
                    }
                    out.push_str(quote);
                }
            }
        }
    }
}
