//! The inside of a JSON string to the text it stands for, in pieces.
//! Does not find the string's end in valid escapes' stead: the first quote that is not escaped is it.

/// Where in an escape the text ends.
#[derive(Debug, Default)]
pub(super) struct Unescape {
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// After `\\u`, so many hexadecimal digits.
    Unicode {
        digits: [u8; 4],
        len: u8,
    },
}

impl Unescape {
    /// Takes text up to `quote`, appending what it stands for. Returns the bytes read and whether the quote was.
    pub(super) fn push(&mut self, text: &str, quote: char, out: &mut String) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if self.escape == Escape::None {
                let run = rest.find([quote, '\\']).unwrap_or(rest.len());
                if let Some(plain) = rest.get(..run).filter(|plain| !plain.is_empty()) {
                    self.lone_high(out);
                    out.push_str(plain);
                    at += run;
                    continue;
                }
            }
            let Some(c) = rest.chars().next() else { break };
            at += c.len_utf8();
            match self.escape {
                Escape::None if c == quote => {
                    self.lone_high(out);
                    return (at, true);
                }
                Escape::None => self.escape = Escape::Backslash,
                Escape::Backslash => self.escaped(c, out),
                Escape::Unicode { digits, len } => self.digit(c, digits, len, out),
            }
        }
        (text.len(), false)
    }

    /// Whether `text` stands for itself and the string goes on behind it.
    pub(super) fn is_plain(&self, text: &str, quote: char) -> bool {
        self.escape == Escape::None && self.high.is_none() && !text.contains([quote, '\\'])
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, c: char, out: &mut String) {
        self.escape = Escape::None;
        if c == 'u' {
            self.escape = Escape::Unicode { digits: [0; 4], len: 0 };
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

    fn digit(&mut self, c: char, mut digits: [u8; 4], len: u8, out: &mut String) {
        self.escape = Escape::None;
        let digit = u8::try_from(c).ok().filter(u8::is_ascii_hexdigit);
        if let (Some(digit), Some(slot)) = (digit, digits.get_mut(usize::from(len))) {
            *slot = digit;
            if len < 3 {
                self.escape = Escape::Unicode { digits, len: len + 1 };
            } else {
                let hex = std::str::from_utf8(&digits).ok().and_then(|hex| u16::from_str_radix(hex, 16).ok());
                self.unit(hex.unwrap_or_default(), out);
            }
            return;
        }
        // It is none: its source is text.
        self.lone_high(out);
        out.push_str("\\u");
        out.extend(digits.iter().take(len.into()).map(|&digit| char::from(digit)));
        out.push(c);
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
