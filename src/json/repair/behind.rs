//! Follow set: what may stand behind a value, and what each byte of a string can mean because of that.
//! Keeps no text: what a string may end with is `tail`'s.

/// The markers that may stand behind a value, and what a byte inside a string may begin or end.
#[derive(Clone, Debug)]
pub struct Behind {
    markers: Vec<String>,
    bytes: [u8; 256],
}

/// A quote, a backslash, a control character: a sound string holds it only as, or behind, an escape.
pub(super) const SPECIAL: u8 = 1;
/// It may close a string that another quote than `"` opened. Curly quotes begin with 0xE2.
pub(super) const QUOTE: u8 = 2;
/// It may stand behind a string that lacks its quote.
pub(super) const BEHIND: u8 = 4;
/// It stands there only behind another.
pub(super) const JOINS: u8 = 8;
/// It may begin a marker.
pub(super) const MARKER: u8 = 16;

const BYTES: [u8; 256] = bytes();

impl Behind {
    /// For a dialect with these markers, each of which may stand behind a value. One with a backslash is not looked for:
    /// in a string that begins an escape.
    pub fn new<'a>(markers: impl IntoIterator<Item = &'a String>) -> Self {
        let markers: Vec<String> = markers.into_iter().filter(|marker| !marker.contains('\\')).cloned().collect();
        let mut bytes = BYTES;
        for byte in markers.iter().filter_map(|marker| marker.bytes().next()) {
            if let Some(entry) = bytes.get_mut(usize::from(byte)) {
                *entry |= MARKER;
            }
        }
        Self { markers, bytes }
    }

    /// Where nothing is known of the surroundings.
    pub fn nothing() -> &'static Self {
        static NOTHING: Behind = Behind { markers: Vec::new(), bytes: BYTES };
        &NOTHING
    }

    pub(super) fn markers(&self) -> impl Iterator<Item = &str> + Clone {
        self.markers.iter().map(String::as_str)
    }

    /// What `byte` may mean: a set of the constants above.
    #[inline]
    pub(super) fn meaning(&self, byte: u8) -> u8 {
        self.bytes.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

#[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "in a const, where the compiler checks both")]
const fn bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        bytes[control] = SPECIAL;
        control += 1;
    }
    bytes[b'"' as usize] = SPECIAL;
    bytes[b'\\' as usize] = SPECIAL;
    bytes[b'\'' as usize] = QUOTE;
    bytes[0xe2] = QUOTE;
    bytes[b'}' as usize] = BEHIND;
    bytes[b']' as usize] = BEHIND;
    bytes[b',' as usize] = BEHIND;
    bytes[b')' as usize] = JOINS;
    bytes[b';' as usize] = JOINS;
    bytes[b'{' as usize] = JOINS;
    bytes[b'[' as usize] = JOINS;
    bytes[b' ' as usize] = JOINS;
    bytes
}
