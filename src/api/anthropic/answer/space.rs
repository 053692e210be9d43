//! White space at the beginning of what is said, which has no block of its own.

/// The inside of a string in two: its leading white space, however that is written, and the rest.
pub(super) fn split_space(inside: &str) -> (&str, &str) {
    let mut rest = inside;
    while let Some(behind) = strip_space(rest) {
        rest = behind;
    }
    inside.split_at_checked(inside.len() - rest.len()).unwrap_or(("", inside))
}

fn strip_space(inside: &str) -> Option<&str> {
    let Some(escape) = inside.strip_prefix('\\') else { return inside.strip_prefix(char::is_whitespace) };
    let Some(code) = escape.strip_prefix('u') else { return escape.strip_prefix(['n', 'r', 't', 'f']) };
    let (digits, behind) = code.split_at_checked(4)?;
    let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    letter.is_whitespace().then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_known_however_it_is_written() {
        for (inside, expected) in [
            ("", ("", "")),
            ("a b", ("", "a b")),
            (r" \n\t\r\fa\n", (r" \n\t\r\f", r"a\n")),
            ("\\u000a\\u2003\u{a0}\u{2028}é", ("\\u000a\\u2003\u{a0}\u{2028}", "é")),
            (r"\b ", ("", r"\b ")),
            (r"\\n", ("", r"\\n")),
            (r"\u00", ("", r"\u00")),
            (r"\ud83d\udc26", ("", r"\ud83d\udc26")),
        ] {
            assert_eq!(split_space(inside), expected, "{inside}");
        }
    }
}
