//! A call's header, which names the tool before the payload begins: `functions.NAME:ID`, `… to=NAME …`.
//! Keeps no text; the decoder has it.

use super::lead::Step;
use crate::decode::call::{Call, Context, Named};
use crate::dialect::{self, HeaderMark};
use crate::scan::Cursor;

/// A header that is being read.
#[derive(Debug)]
pub(super) struct Header {
    /// Where in the call it begins.
    from: usize,
    /// Where the scan for markers stands.
    cursor: Option<Cursor>,
    /// Bytes of it, once it is whole.
    len: usize,
}

/// Nobody writes a longer one.
const HEADER_BYTES_MAX: usize = 512;

impl Header {
    /// A header that begins so far into its call.
    pub(super) fn new(from: usize) -> Self {
        Self { from, cursor: None, len: 0 }
    }

    /// Takes one character; `read` is how many bytes of the call were read with it.
    pub(super) fn push(&mut self, c: char, read: usize, header: &dialect::Header) -> Step {
        let markers = &header.table.markers;
        let mut cursor = self.cursor.unwrap_or_else(|| markers.start());
        let found = markers.step(&mut cursor, c.encode_utf8(&mut [0; 4])).found;
        self.cursor = Some(cursor);
        let is_long = read.saturating_sub(self.from) > HEADER_BYTES_MAX;
        match found.and_then(|found| Some((header.table.role(found)?, markers.text(found).len()))) {
            Some((HeaderMark::End, marker)) => {
                self.len = read.saturating_sub(self.from + marker);
                Step::Over(read)
            }
            Some((HeaderMark::Opener, _)) => Step::Other,
            None if is_long => Step::Other,
            None => Step::More,
        }
    }

    /// Enters what it says into the call that it stands in. Without the name of a tool that is none.
    pub(super) fn name(&self, raw: &str, header: &dialect::Header, cx: &Context<'_>, call: &mut Call) -> Named {
        let text = raw.get(self.from..).and_then(|text| text.get(..self.len)).unwrap_or_default();
        call.id = header.spec.id.as_ref().and_then(|id| id.of(text)).map(Into::into);
        header.spec.name.of(text).map_or(Named::Nothing, |name| call.named(name, cx))
    }
}
