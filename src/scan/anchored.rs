//! Markers one of which may stand at one place: the text there begins with it, or with none of them.
//! Keeps no text: what was read is a prefix of a marker, so the set already has it.

use super::{FirstBytes, MarkerError, sound};

/// A set of markers that are looked for at one place.
#[derive(Debug, Clone)]
pub struct Anchored {
    texts: Vec<String>,
    first_bytes: FirstBytes,
}

/// How much of which marker was read: all that is kept between two characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Begun {
    marker: usize,
    len: usize,
}

/// What one more character led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It may still be a marker.
    More,
    /// It is this one, by its place in the set.
    Found(usize),
    /// It is none. The character is not part of what was read.
    Other,
}

impl Begun {
    /// Whether nothing was read.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl Anchored {
    /// Compiles a set. Only a marker that is a prefix of another would hide it here, and is refused.
    pub fn new<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Result<Self, MarkerError> {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        sound(&texts, |inner, outer| {
            outer.starts_with(inner).then(|| MarkerError::PrefixOf { inner: inner.into(), outer: outer.into() })
        })?;
        Ok(Self { first_bytes: FirstBytes::of(&texts), texts })
    }

    /// Whether a marker can begin with `c`, as its first byte tells.
    fn may_begin(&self, c: char) -> bool {
        c.encode_utf8(&mut [0; 4]).bytes().next().is_some_and(|byte| self.first_bytes.has(byte))
    }

    /// The text of marker `index`.
    pub fn text(&self, index: usize) -> &str {
        self.texts.get(index).map_or("", String::as_str)
    }

    /// What was read of a marker.
    pub fn held(&self, begun: Begun) -> &str {
        self.text(begun.marker).get(..begun.len).unwrap_or_default()
    }

    /// Reads one more character. After a marker nothing is held; after `Other` what was held before still is.
    pub fn push(&self, begun: &mut Begun, c: char) -> Next {
        let Begun { marker, len } = *begun;
        let goes_on = |text: &str| text.get(len..).is_some_and(|rest| rest.starts_with(c));
        let marker = if len == 0 {
            self.may_begin(c).then(|| self.texts.iter().position(|text| text.starts_with(c))).flatten()
        } else if goes_on(self.text(marker)) {
            Some(marker)
        } else {
            let held = self.held(*begun);
            self.texts.iter().position(|text| text.starts_with(held) && goes_on(text))
        };
        let Some(marker) = marker else { return Next::Other };
        let len = len + c.len_utf8();
        if self.text(marker).len() == len {
            *begun = Begun::default();
            return Next::Found(marker);
        }
        *begun = Begun { marker, len };
        Next::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_with_a_marker_or_with_none() {
        let set = Anchored::new(["</c>", "</d>", "Do:\n```", "```", "é!"]).unwrap();
        for (text, held, expected) in [
            ("</c>", "", Next::Found(0)),
            ("</d>", "", Next::Found(1)),
            ("Do:\n```", "", Next::Found(2)),
            ("```", "", Next::Found(3)),
            ("é!", "", Next::Found(4)),
            ("</", "</", Next::More),
            ("é", "é", Next::More),
            ("</x", "</", Next::Other),
            ("x", "", Next::Other),
        ] {
            let (mut begun, mut last) = (Begun::default(), Next::More);
            for c in text.chars() {
                assert_eq!(last, Next::More, "before the end of {text}");
                last = set.push(&mut begun, c);
            }
            assert_eq!((set.held(begun), last), (held, expected), "{text}");
        }
    }

    #[test]
    fn refuses_only_prefixes() {
        let error = |texts: &[&str]| Anchored::new(texts.iter().copied()).expect_err("must be refused").to_string();
        assert_eq!(error(&["<tool", "<tool>"]), "marker `<tool` is a prefix of `<tool>`");
        assert_eq!(error(&["a", "a"]), "marker `a` stands twice");
        assert_eq!(error(&[""]), "a marker is empty");
        assert!(Anchored::new(["b", "abc", "c"]).is_ok(), "inside another is fine");
    }
}
