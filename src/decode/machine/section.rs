//! A section: what stands around several calls. Its opener is held until the first of them begins; with nothing in it
//! it is nothing, and with anything else it is text.

use super::{Decoder, Origin, State};
use crate::decode::Event;
use crate::dialect::{Edge, Opener, Role};
use crate::scan::{Begun, Next};

/// A section that was opened, and holds no call yet.
#[derive(Debug)]
pub(super) struct Section {
    /// All of it, as it was written.
    pub raw: String,
    /// Bytes of `raw` that are its first opener.
    opener: usize,
    /// What was read of the next marker.
    begun: Begun,
    /// What it goes back to without a call.
    pub origin: Origin,
}

impl Section {
    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.origin.outside().waiting() + self.raw.len()
    }
}

impl Decoder {
    /// A section may begin with `marker`, which was just found.
    pub(super) fn enter_section(&mut self, marker: String) {
        if let Some(origin) = self.take_origin() {
            let (opener, begun) = (marker.len(), Begun::default());
            let section = Section { raw: marker, opener, begun, origin };
            self.state = State::Section(Box::new(section));
        }
    }

    /// Reads up to the first call. The openers of sections may be repeated: any number of them is one.
    pub(super) fn step_section(&mut self, text: &str, sink: &mut impl FnMut(Event<'_>)) -> (usize, Option<String>) {
        let State::Section(section) = &mut self.state else { return (0, None) };
        let (spec, table) = (self.settings.dialect.reads(), &self.settings.dialect.tables().section);
        for (at, c) in text.char_indices() {
            let is_begun = !section.begun.is_empty();
            if !is_begun && spec.unmarked(c).is_some() {
                self.begin(String::new(), Opener::Bare, Role::default());
                return (at, None);
            }
            let read = at + c.len_utf8();
            section.raw.push(c);
            match table.markers.push(&mut section.begun, c) {
                Next::Found(found) => {
                    let (role, marker) = (table.role(found), table.markers.text(found));
                    if let Some(by) = role.opens {
                        section.raw.truncate(section.raw.len() - marker.len());
                        self.begin(marker.into(), by, role);
                        return (read, None);
                    }
                    if role.section == Some(Edge::Close) {
                        self.state = self.take_origin().map_or(State::Closed, State::from);
                        return (read, None);
                    }
                }
                Next::More => {}
                Next::Other if !is_begun && c.is_ascii_whitespace() => {}
                Next::Other => return (read, Some(self.reject_section(sink))),
            }
            if section.raw.len() > self.limits.pending_bytes_max {
                return (read, Some(self.reject_section(sink)));
            }
        }
        (text.len(), None)
    }

    /// No call stands in it: its opener is text, and what stood behind that is read again.
    pub(super) fn reject_section(&mut self, sink: &mut impl FnMut(Event<'_>)) -> String {
        let State::Section(section) = std::mem::replace(&mut self.state, State::Closed) else { return String::new() };
        let Section { raw, opener, mut origin, .. } = *section;
        self.ending.rejected += 1;
        let (opener, rest) = raw.split_at_checked(opener).unwrap_or_default();
        origin.show_opener(opener, sink);
        self.state = origin.into();
        rest.into()
    }
}
