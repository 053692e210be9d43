//! Unescaping: the inside of a JSON string to text.
//! Does not look for the string's end; a quote that is not escaped is a mistake here.

/// Appends the text that stands, escaped, between a JSON string's quotes.
/// A surrogate without its pair becomes U+FFFD, since text cannot hold it.
/// `None`, with part of the text appended, when `inside` cannot stand in a JSON string.
pub fn unescape_into(inside: &str, out: &mut String) -> Option<()> {
    let mut rest = inside;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut tail = tail.strip_prefix('\\')?.chars();
        match tail.next()? {
            c @ ('"' | '\\' | '/') => out.push(c),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (c, after) = unicode(tail.as_str())?;
                out.push(c);
                rest = after;
                continue;
            }
            _ => return None,
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
    Some(())
}

/// Whether each surrogate that is escaped in a JSON text has its pair. Not every reader takes one without.
pub fn is_well_formed(json: &str) -> bool {
    let mut rest = json;
    while let Some((_, escape)) = rest.split_once('\\') {
        let Some(digits) = escape.strip_prefix('u') else {
            let mut behind = escape.chars();
            behind.next();
            rest = behind.as_str();
            continue;
        };
        match unicode(digits) {
            Some((char::REPLACEMENT_CHARACTER, _)) if !has_code(digits, 0xfffd) => return false,
            Some((_, behind)) => rest = behind,
            None => rest = digits,
        }
    }
    true
}

fn has_code(digits: &str, code: u32) -> bool {
    hex(digits).is_some_and(|(found, _)| found == code)
}

/// The character whose escape's digits `text` begins with, and what follows.
fn unicode(text: &str) -> Option<(char, &str)> {
    let (high, rest) = hex(text)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, rest));
    }
    let pair =
        rest.strip_prefix("\\u").and_then(hex).filter(|(low, _)| high < 0xdc00 && (0xdc00..0xe000).contains(low));
    let whole = pair
        .and_then(|(low, rest)| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).map(|c| (c, rest)));
    Some(whole.unwrap_or((char::REPLACEMENT_CHARACTER, rest)))
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let code = digits.chars().try_fold(0, |code, c| Some(code << 4 | c.to_digit(16)?))?;
    Some((code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(inside: &str) -> Option<String> {
        let mut out = String::new();
        unescape_into(inside, &mut out).map(|()| out)
    }

    #[test]
    fn agrees_with_serde() {
        let cases = [
            "",
            "plain",
            "é 中 😀",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0041\u00e9\u4e2D",
            r"\ud83d\ude00!",
            r"\u0000",
            "\u{7f}",
            r#"a"b"#,
            "a\nb",
            "\u{1f}",
            r"\x",
            r"\",
            r"\u12",
            r"\u12G4",
            r"\u+123",
            r"\u00é",
            r"a\",
        ];
        for case in cases {
            assert_eq!(text(case), serde_json::from_str(&format!("\"{case}\"")).ok(), "{case:?}");
        }
    }

    #[test]
    fn a_text_is_well_formed_when_each_surrogate_has_its_pair() {
        for text in ["{}", r#""\ud83d\ude00 \u00e9 \ufffd \n \\ud83d""#, r#""\\\ud83d\ude00""#, r"\", r"\u12"] {
            assert!(is_well_formed(text), "{text}");
        }
        for text in
            [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""\\\ud83d\\ude00""#, r#""\ud83dx\ude00""#, r#"{"\uDFFF":1}"#]
        {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_a_replacement_character() {
        assert_eq!(text(r"a\ud83db").as_deref(), Some("a\u{fffd}b"));
        assert_eq!(text(r"\ude00").as_deref(), Some("\u{fffd}"));
        assert_eq!(text(r"\ud83d\u0041").as_deref(), Some("\u{fffd}A"));
        assert_eq!(text(r"\ud83d\ud83d\ude00").as_deref(), Some("\u{fffd}😀"));
        assert_eq!(text(r"\ud83d\n").as_deref(), Some("\u{fffd}\n"));
    }
}
