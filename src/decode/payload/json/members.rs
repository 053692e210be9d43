//! Members of the object that are neither its name nor its arguments.
//!
//! Where there are no arguments, they are these: models write parameters flat beside the name, or the arguments under
//! some key of their own. Where there are, a member that the tool declares belongs to them all the same, since a brace
//! too many closed them; any other means nothing.

use crate::json::repair::{Mode, Repair};
use crate::json::{string, unescape_into, write_string};

use super::keys::declares;
use super::next::NextCall;
use super::{Arguments, Meaning, Reader, State, syntax};
use crate::decode::call::{Call, Context, Named};

/// A member that may be one of the arguments.
#[derive(Debug)]
pub(super) struct Kept {
    key: String,
    pub value: String,
}

/// Where the value of a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It waits for what the object has besides.
    Kept,
    Arguments,
    Nowhere,
}

impl Place {
    /// Where such a value is written.
    pub(super) fn out<'o>(
        self,
        kept: &'o mut [Kept],
        arguments: &'o mut String,
        nowhere: &'o mut String,
    ) -> &'o mut String {
        match (self, kept.last_mut()) {
            (Self::Kept, Some(kept)) => &mut kept.value,
            (Self::Arguments, _) => arguments,
            (Self::Kept | Self::Nowhere, _) => nowhere,
        }
    }
}

impl Reader {
    /// Whether the arguments are read, but perhaps for their last brace.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.arguments, Arguments::Whole | Arguments::Open | Arguments::OpenEmpty)
    }

    /// The value of another key begins.
    pub(super) fn begin_member(&mut self, cx: &Context<'_>, call: &mut Call) {
        let mut key = String::new();
        if unescape_into(&self.word, &mut key).is_none() {
            key.clone_from(&self.word);
        }
        self.word.clear();
        self.since.clear();
        let declared = declares(&key, cx, call);
        let means_nothing = !declared && is_metadata(&key);
        let place = match self.arguments {
            _ if means_nothing => Place::Nowhere,
            // Where the object itself could stand, it may be the name.
            _ if self.meaning == Meaning::Wrapper || self.arguments == Arguments::Absent => {
                self.kept.push(Kept { key, value: String::new() });
                Place::Kept
            }
            Arguments::Open | Arguments::OpenEmpty if declared => {
                call.repaired = true;
                self.open_argument(&key, call);
                Place::Arguments
            }
            _ => Place::Nowhere,
        };
        self.state = State::Member { repair: Box::new(Repair::new(())), place };
    }

    /// The value of a member is whole. A string where the object itself could stand is the name, if it is one.
    pub(super) fn end_member(&mut self, cx: &Context<'_>, call: &mut Call) {
        self.state = State::AfterValue;
        if self.meaning != Meaning::Wrapper {
            return;
        }
        let written = self.kept.last().and_then(|kept| string(&kept.value));
        if written.is_some_and(|name| call.named(&name, cx) == Named::Tool) {
            self.kept.pop();
            self.has_name = true;
            call.ready |= self.is_whole();
        }
    }

    /// Writes all of one more argument but its value.
    fn open_argument(&mut self, key: &str, call: &mut Call) {
        if self.arguments == Arguments::Open {
            call.arguments.push(',');
        }
        self.arguments = Arguments::Open;
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
    }

    /// The object ended in the midst of a member.
    pub(super) fn close_member(&mut self, cx: &Context<'_>, call: &mut Call) {
        let next = NextCall { spec: &self.spec, cx };
        let syntax = syntax(&next, self.depth, Mode::Total);
        let State::Member { repair, place } = &mut self.state else { return };
        repair.close(&syntax, place.out(&mut self.kept, &mut call.arguments, &mut String::new()));
        call.again.push_str(&repair.take_rest());
        if *place != Place::Nowhere {
            call.note(repair);
        }
    }

    /// The arguments' own end was read: their last brace waits for members that belong to them.
    pub(super) fn hold_brace(&mut self, call: &mut Call) {
        if self.is_whole() {
            return;
        }
        // None at all mean that there are none.
        if matches!(call.arguments.trim(), "null" | "\"\"" | "[]" | "[ ]") {
            call.arguments = "{}".into();
        }
        self.arguments = match call.arguments.strip_suffix('}') {
            None => Arguments::Whole,
            Some(open) if open.trim() == "{" => Arguments::OpenEmpty,
            Some(_) => Arguments::Open,
        };
        if self.arguments != Arguments::Whole {
            call.arguments.pop();
        }
    }

    /// The object is over: so are its arguments.
    pub(super) fn end_arguments(&mut self, cx: &Context<'_>, call: &mut Call) {
        let kept = std::mem::take(&mut self.kept);
        match (self.arguments, kept.as_slice()) {
            (Arguments::Begun | Arguments::Whole, _) => {}
            (Arguments::Absent, [only]) if only.value.starts_with('{') && !declares(&only.key, cx, call) => {
                call.repaired = true;
                call.arguments.push_str(&only.value);
                self.arguments = Arguments::Whole;
            }
            (Arguments::Absent, all) => {
                call.repaired |= !all.is_empty();
                call.arguments.push('{');
                self.arguments = Arguments::OpenEmpty;
                self.add(all, call);
            }
            (Arguments::Open | Arguments::OpenEmpty, all) => {
                for member in all {
                    if declares(&member.key, cx, call) {
                        call.repaired = true;
                        self.add(std::slice::from_ref(member), call);
                    }
                }
            }
        }
        if matches!(self.arguments, Arguments::Open | Arguments::OpenEmpty) {
            call.arguments.push('}');
        }
        self.arguments = Arguments::Whole;
    }

    fn add(&mut self, members: &[Kept], call: &mut Call) {
        for member in members {
            self.open_argument(&member.key, call);
            call.arguments.push_str(&member.value);
        }
    }
}

/// Whether a key says nothing of the arguments.
pub(super) fn is_metadata(key: &str) -> bool {
    METADATA.iter().any(|name| name.eq_ignore_ascii_case(key))
}

/// Keys of the object that say nothing of its arguments.
const METADATA: [&str; 5] = ["type", "id", "index", "call_id", "tool_call_id"];
