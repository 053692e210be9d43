//! How a call begins whose name stands before its arguments, as a string that lacks its end has to know it.
//! Reads no call: it looks as far as the first quote of the arguments, which in a sound string would be escaped.

use std::borrow::Cow;

use crate::decode::call::Context;
use crate::dialect::{Header, HeaderMark, Kind, MessagesSpec};
use crate::json::Kinds;
use crate::json::repair::{Begins, Types};

use super::HEADER_BYTES_MAX;

/// What knows how another call begins. Of types it knows nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextCall<'a> {
    pub form: &'a Header,
    pub cx: &'a Context<'a>,
}

impl Types for NextCall<'_> {
    type Place = ();
    fn property(&self, (): (), _key: &str) {}
    fn item(&self, (): ()) {}
    fn kinds(&self, (): ()) -> Kinds {
        Kinds::NONE
    }
    fn begins_call(&self, text: &str) -> Begins {
        let openers = || self.cx.dialect.reads().call.open.iter();
        let opened = openers().find_map(|open| text.strip_prefix(open.as_str()));
        if opened.is_none() && openers().any(|open| open.starts_with(text)) {
            return Begins::Perhaps;
        }
        self.begins(opened.unwrap_or(text)).map_or_else(|begins| begins, |()| Begins::Yes)
    }
}

impl NextCall<'_> {
    /// `Ok` when arguments of a declared tool begin here, behind its name.
    fn begins(&self, text: &str) -> Result<(), Begins> {
        let messages = self.cx.dialect.reads().messages.as_ref();
        let (name, value) = match messages.filter(|_| self.form.spec.name.is_none()) {
            Some(messages) => in_message(messages, text)?,
            None => self.in_header(text)?,
        };
        self.cx.tools.resolve(&name).ok_or(Begins::No)?;
        match value.trim_start().strip_prefix('{').map(str::trim_start) {
            Some(members) if members.starts_with('"') => Ok(()),
            Some("") => Err(Begins::Perhaps),
            None if value.trim_start().is_empty() => Err(Begins::Perhaps),
            Some(_) | None => Err(Begins::No),
        }
    }

    /// The name that a payload's own header has, and what stands behind that.
    fn in_header<'t>(&self, text: &'t str) -> Result<(Cow<'t, str>, &'t str), Begins> {
        let (markers, mut cursor) = (&self.form.table.markers, self.form.table.markers.start());
        let (mut header, mut rest) = (String::new(), text);
        loop {
            let step = markers.step(&mut cursor, rest);
            header.push_str(step.released);
            header.push_str(step.text);
            let Some(found) = step.found else { return Err(unfinished(text)) };
            let value = match self.form.table.role(found) {
                Some(HeaderMark::Part) => {
                    header.push_str(markers.text(found));
                    rest = step.rest;
                    continue;
                }
                Some(HeaderMark::Value) => step.rest,
                Some(HeaderMark::Brace) => text.get(text.len() - step.rest.len() - 1..).unwrap_or_default(),
                Some(HeaderMark::Outside) | None => return Err(Begins::No),
            };
            let name = self.form.spec.name_in(&header).ok_or(Begins::No)?;
            return Ok((Cow::Owned(name.to_owned()), value));
        }
    }
}

/// The name that a message's header has, and its body.
fn in_message<'t>(messages: &MessagesSpec, text: &'t str) -> Result<(Cow<'t, str>, &'t str), Begins> {
    let Some((header, value)) = messages.body.iter().find_map(|body| text.split_once(body.as_str())) else {
        return Err(unfinished(text));
    };
    let calls = messages.kinds.iter().filter(|kind| matches!(kind.is, Kind::Call | Kind::Calls));
    let name = calls.filter_map(|kind| kind.name.as_ref()).find_map(|name| name.part(header, std::iter::empty()));
    Ok((Cow::Borrowed(name.ok_or(Begins::No)?), value))
}

/// What a header is whose end has not come: none with a quote, which ends a string, or a backslash, which is one's own.
fn unfinished(text: &str) -> Begins {
    let may_go_on = text.len() <= HEADER_BYTES_MAX && !text.contains(['"', '\\']);
    if may_go_on { Begins::Perhaps } else { Begins::No }
}
