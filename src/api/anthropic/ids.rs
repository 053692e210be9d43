//! Ids of calls: Anthropic's clients take few letters in them, and models write others. Such an id is told in a coded
//! form, which is read on its way back, so that the model sees its own again.

use std::borrow::Cow;

/// An id as clients take it. [`own`] makes the same id of it again.
pub(super) fn told(id: &str) -> Cow<'_, str> {
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let is_short = (1..=BYTES_MAX).contains(&id.len());
    if is_short && id.bytes().all(is_taken) && !id.starts_with(PREFIX) {
        return Cow::Borrowed(id);
    }
    Cow::Owned([PREFIX, &encoded(id.as_bytes())].concat())
}

/// The id that was told so. Whatever was not coded here is the client's own.
pub(super) fn own(id: &str) -> Cow<'_, str> {
    let text = id.strip_prefix(PREFIX).and_then(decoded).and_then(|bytes| String::from_utf8(bytes).ok());
    match text.filter(|text| told(text) == id) {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(id),
    }
}

/// Base64 with the letters of addresses and without padding (RFC 4648, section 5).
fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            out.extend(u8::try_from(bits >> (18 - 6 * at) & 63).ok().map(letter));
        }
    }
    out
}

/// The bytes of such a text; bits that are left over at its end do not count.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            bits = bits << 6 | chunk.get(at).map_or(Some(0), |letter| bits_of(*letter))?;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend(bytes.iter().take(chunk.len().saturating_sub(1)));
    }
    Some(out)
}

fn letter(bits: u8) -> char {
    char::from(match bits {
        0..=25 => b'A' + bits,
        26..=51 => b'a' + bits - 26,
        52..=61 => b'0' + bits - 52,
        62 => b'-',
        _ => b'_',
    })
}

fn bits_of(letter: u8) -> Option<u32> {
    let bits = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(bits))
}

const PREFIX: &str = "tgb_";

/// Longer ones are coded, too, as Anthropic's own are shorter.
const BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_coded_where_clients_would_not_take_it() {
        let long = "x".repeat(65);
        for (id, expected) in [
            ("call_abcDEF-019", "call_abcDEF-019"),
            ("functions.Bash:0", "tgb_ZnVuY3Rpb25zLkJhc2g6MA"),
            ("", "tgb_"),
            ("tgb_", "tgb_dGdiXw"),
            ("é?", "tgb_w6k_"),
            ("\u{7f}~\u{7f}>", "tgb_f35_Pg"),
        ] {
            assert_eq!(told(id), expected);
            assert_eq!(own(expected), id);
        }
        assert!(told(&long).starts_with(PREFIX) && own(&told(&long)) == long);
    }

    #[test]
    fn what_was_not_coded_here_is_the_clients_own() {
        // A letter that is none, bits that are left over, no UTF-8, and an id that needed no coding.
        for id in ["toolu_1", "tgb_a.b", "tgb_ZnVuY3Rpb25zLkJhc2g6MB", "tgb_Z", "tgb__w", "tgb_YWJj"] {
            assert_eq!(own(id), id);
        }
    }

    proptest! {
        /// Whatever a model writes comes back, and is told in letters that clients take.
        #[test]
        fn every_id_comes_back(id in ".{0,80}") {
            let told = told(&id).into_owned();
            prop_assert!(told.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            prop_assert_eq!(own(&told), id);
        }
    }
}
