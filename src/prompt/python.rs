//! Python: a tool as the head of a function, its description and parameters in the docstring, and the arguments of a past
//! call. What a head cannot say follows in the docstring as the schema itself.

use super::signature::{Parameters, Words};
use crate::json::{Object, Token, tokens};

/// Appends a function.
pub(super) fn write(function: &Object<'_>, out: &mut String) {
    let parameters = Parameters::of(function, Words::Python);
    out.push_str("def ");
    out.push_str(&function.string("name").unwrap_or_default());
    parameters.write_in_signature(out);
    out.push(':');
    let description = function.string("description").unwrap_or_default();
    if description.is_empty() && parameters.is_empty() {
        return out.push_str(" ...");
    }
    out.push_str("\n    \"\"\"");
    out.push_str(&description);
    if parameters.is_empty() {
        out.push_str("\"\"\"");
        return;
    }
    out.push_str("\n\n    Args:");
    parameters.write_lines("\n    - ", ": ", out);
    parameters.write_rest("\n\n    JSON Schema of the arguments: ", out);
    out.push_str("\n    \"\"\"");
}

/// Appends arguments with their keywords. Where one is no name, all of them are one dict.
pub(super) fn write_arguments(arguments: &Object<'_>, out: &mut String) {
    let is_name = |key: &str| !key.starts_with(|c: char| c.is_ascii_digit()) && !key.is_empty();
    let is_plain = |key: &str| key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    if !arguments.members().all(|(key, _)| is_name(key) && is_plain(key)) {
        return write_value(arguments.text(), out);
    }
    for (at, (key, value)) in arguments.members().enumerate() {
        out.extend([if at == 0 { "" } else { ", " }, key, "="]);
        write_value(value, out);
    }
}

/// JSON in Python's words. Strings are the same in both.
fn write_value(json: &str, out: &mut String) {
    for token in tokens(json) {
        match token {
            Token::Open(bracket) | Token::Close(bracket) => out.push(bracket),
            Token::Colon => out.push_str(": "),
            Token::Comma => out.push_str(", "),
            Token::Scalar("true") => out.push_str("True"),
            Token::Scalar("false") => out.push_str("False"),
            Token::Scalar("null") => out.push_str("None"),
            Token::String(written) | Token::Scalar(written) => out.push_str(written),
        }
    }
}
