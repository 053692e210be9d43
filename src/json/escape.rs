//! Escaping: text to the inside of a JSON string.
//! Escapes only what JSON demands, so text in any script stays readable.

/// Whether `text` stands inside a JSON string as it is.
pub fn is_plain(text: &str) -> bool {
    !text.bytes().any(is_special)
}

/// Appends `text` as it stands inside a JSON string, without the quotes.
pub fn escape_into(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut tail = tail.chars();
        if let Some(c) = tail.next() {
            escape_char(c, out);
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
}

/// Appends `text` as a whole JSON string, quotes included.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    escape_into(text, out);
    out.push('"');
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape_char(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        c => {
            const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
            let code = u32::from(c);
            out.push_str("\\u00");
            for shift in [4, 0] {
                out.extend(HEX.get(usize::try_from((code >> shift) & 15).unwrap_or(0)));
            }
        }
    }
}
