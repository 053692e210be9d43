//! The arguments object of a call in code: which members are written, and which property an argument is.

use std::collections::HashSet;

use super::arguments::Step;
use crate::decode::call::{Call, Context};
use crate::json::write_string;
use crate::python::{self, Value, Variables};

/// What is written of the arguments.
#[derive(Debug, Default)]
pub(super) struct Object {
    keys: HashSet<String>,
    /// Arguments that had no keyword.
    positional: usize,
}

/// An argument that was read.
pub(super) struct Argument<'a> {
    pub(super) source: &'a str,
    pub(super) is_spread: bool,
    pub(super) keyword: Option<String>,
}

impl Object {
    /// The property that an argument is: by its keyword, or by its place.
    pub(super) fn key(&self, keyword: Option<&str>, cx: &Context<'_>, call: &Call) -> Option<String> {
        match keyword {
            Some(name) => field(name, cx, call),
            None => call.tool(cx)?.nth(self.positional).map(str::to_string),
        }
    }

    /// An argument had no keyword.
    pub(super) fn take_place(&mut self) {
        self.positional += 1;
    }

    /// Members that are written.
    pub(super) fn members(&self) -> usize {
        self.keys.len()
    }

    /// Whether there was no argument yet.
    pub(super) fn is_first(&self) -> bool {
        self.keys.is_empty() && self.positional == 0
    }

    /// The call is over.
    pub(super) fn end(&self, cx: &Context<'_>, call: &mut Call) -> Step {
        let lacks = call.tool(cx).is_some_and(|tool| tool.lacks(tool.root(), |key| self.has(key)));
        if lacks && !call.ready {
            return Step::Reject;
        }
        call.arguments.push_str(if self.keys.is_empty() { "{}" } else { "}" });
        Step::Complete
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Writes what an argument says. `None` where that is no literal, or none for its place.
    pub(super) fn take(
        &mut self,
        argument: &Argument<'_>,
        variables: &mut Variables,
        cx: &Context<'_>,
        call: &mut Call,
    ) -> Option<()> {
        let value = python::read(argument.source, variables, cx.limits.depth_max)?;
        let members = members(&value);
        if argument.is_spread {
            return self.write_all(members?, cx, call);
        }
        let key = argument.keyword.as_ref().map(|name| field(name, cx, call));
        let may_be_all = self.is_first() && !matches!(key, Some(Some(_)));
        match (key, members) {
            (_, Some(members)) if may_be_all && are_all(members, cx, call) => self.write_all(members, cx, call),
            (Some(Some(key)), _) => self.write(&key, &value, cx, call),
            // The tool knows no such argument.
            (Some(None), _) => Some(()),
            (None, _) => {
                let key = call.tool(cx)?.nth(self.positional)?.to_string();
                self.write(&key, &value, cx, call)?;
                self.take_place();
                Some(())
            }
        }
    }

    fn write_all(&mut self, members: &[(String, Value)], cx: &Context<'_>, call: &mut Call) -> Option<()> {
        // Behind them nothing can be all of the arguments, even if there are none.
        self.take_place();
        for (name, value) in members {
            if let Some(key) = field(name, cx, call) {
                self.write(&key, value, cx, call)?;
            }
        }
        Some(())
    }

    fn write(&mut self, key: &str, value: &Value, cx: &Context<'_>, call: &mut Call) -> Option<()> {
        if self.has(key) {
            // The first one counts, which may be let go already.
            call.malformed = true;
            return Some(());
        }
        let json = match call.tool(cx) {
            Some(tool) if tool.is_unset(tool.root(), key, value) => return Some(()),
            Some(tool) => tool.conform(tool.property(tool.root(), key), value)?,
            None => value.json()?,
        };
        self.write_key(key, call);
        call.arguments.push_str(&json);
        Some(())
    }

    pub(super) fn write_key(&mut self, key: &str, call: &mut Call) {
        call.arguments.push(if self.keys.is_empty() { '{' } else { ',' });
        write_string(key, &mut call.arguments);
        call.arguments.push(':');
        self.keys.insert(key.to_string());
    }

    /// What is no literal becomes a text of its source, where it has a key.
    pub(super) fn write_source(&mut self, argument: &Argument<'_>, cx: &Context<'_>, call: &mut Call) {
        call.malformed = true;
        let key = self.key(argument.keyword.as_deref(), cx, call);
        if let Some(key) = key.filter(|key| !self.has(key)) {
            self.write_key(&key, call);
            write_string(argument.source, &mut call.arguments);
        }
        if argument.keyword.is_none() {
            self.take_place();
        }
    }
}

/// The property that a keyword means. `None`: the tool has none such.
pub(super) fn field(name: &str, cx: &Context<'_>, call: &Call) -> Option<String> {
    match call.tool(cx) {
        Some(tool) => tool.field(tool.root(), name).map(Into::into),
        None => Some(name.to_string()),
    }
}

/// The members of a dict or a model.
fn members(value: &Value) -> Option<&[(String, Value)]> {
    match value {
        Value::Dict(members) | Value::Model { fields: members, .. } => Some(members),
        _ => None,
    }
}

/// Whether these are all of the arguments, and not one of them: by the first, as far as there is one.
fn are_all(members: &[(String, Value)], cx: &Context<'_>, call: &Call) -> bool {
    members.first().is_none_or(|(name, _)| field(name, cx, call).is_some())
}
