//! The inside of a JSON string to the text it stands for, in pieces.
//! Does not find the string's end in valid escapes' stead: the first quote that is not escaped is it.

/// Where in an escape the text ends.
#[derive(Debug, Default)]
pub(super) struct Unescape {
    escape: Option<String>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Unescape {
    /// Takes text up to `quote`, appending what it stands for. Returns the bytes read and whether the quote was.
    pub(super) fn push(&mut self, text: &str, quote: char, out: &mut String) -> (usize, bool) {
        for (at, c) in text.char_indices() {
            if self.escape.is_none() && c == quote {
                self.lone_high(out);
                return (at + c.len_utf8(), true);
            }
            self.character(c, out);
        }
        (text.len(), false)
    }

    fn character(&mut self, c: char, out: &mut String) {
        let Some(mut escape) = self.escape.take() else {
            if c == '\\' {
                self.escape = Some(String::new());
            } else {
                self.lone_high(out);
                out.push(c);
            }
            return;
        };
        escape.push(c);
        if let Some(digits) = escape.strip_prefix('u') {
            match u16::from_str_radix(digits, 16) {
                Ok(unit) if digits.len() == 4 => self.unit(unit, out),
                _ if digits.len() < 4 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => self.escape = Some(escape),
                _ => {
                    self.lone_high(out);
                    out.push('\\');
                    out.push_str(&escape);
                }
            }
            return;
        }
        self.lone_high(out);
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '"' | '\\' | '/' | '\'' => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }

    /// One UTF-16 unit; two of them can make a character.
    fn unit(&mut self, unit: u16, out: &mut String) {
        if (0xd800..0xdc00).contains(&unit) {
            self.lone_high(out);
            self.high = Some(unit);
            return;
        }
        let pair = self.high.take().into_iter().chain([unit]);
        out.extend(char::decode_utf16(pair).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }

    fn lone_high(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_pairs() {
        for (text, expected) in [
            (r#"a\n\"b\\c"x"#, "a\n\"b\\c"),
            (r#"\u00e9\ud83d\ude00!"x"#, "é😀!"),
            (r#"\ud83d!\ude00"x"#, "\u{fffd}!\u{fffd}"),
            (r#"\q\u12zz"x"#, "\\q\\u12zz"),
        ] {
            for cut in 0..text.len() - 1 {
                let (mut unescape, mut out) = (Unescape::default(), String::new());
                let Some((first, second)) = text.split_at_checked(cut) else { continue };
                assert!(!unescape.push(first, '"', &mut out).1);
                let (read, ended) = unescape.push(second, '"', &mut out);
                assert!(ended);
                assert_eq!((out.as_str(), &second[read..]), (expected, "x"), "cut at {cut}");
            }
        }
    }
}
