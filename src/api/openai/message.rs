//! Messages of a conversation, as they were written: who speaks, what is called, and whose result it is.
//! A message is read no further than it is asked about, and one that is not changed keeps its bytes.

use std::borrow::Cow;

use memchr::memmem;

use crate::json::{Edit, Object, elements, write_string};

/// A message, read no further than its members.
#[derive(Debug)]
pub struct Message<'a> {
    text: &'a str,
    /// `None` when it is none.
    object: Option<Object<'a>>,
    role: Option<Cow<'a, str>>,
    calls: Calls<'a>,
}

#[derive(Debug)]
enum Calls<'a> {
    None,
    /// There is something in their place that is no list.
    Unclear,
    Some(Vec<Call<'a>>),
}

/// A past call, as it was written. What of it is of a wrong shape is not there.
#[derive(Debug)]
pub struct Call<'a> {
    text: &'a str,
    object: Option<Object<'a>>,
    function: Option<Object<'a>>,
}

/// Takes a list of messages apart. `None` when it is none.
pub(super) fn read(written: &str) -> Option<Vec<Message<'_>>> {
    Some(elements(written)?.into_iter().map(Message::read).collect())
}

/// Whether messages, as they were written, may tell of calls. They surely do not where neither the word that says so
/// begins anywhere nor one of its letters is escaped.
pub(super) fn may_tell_of_calls(written: &str) -> bool {
    const SIGNS: [&[u8]; 4] = [b"\"tool", b"\\u005", b"\\u006", b"\\u007"];
    SIGNS.iter().any(|sign| memmem::find(written.as_bytes(), sign).is_some())
}

impl<'a> Message<'a> {
    fn read(text: &'a str) -> Self {
        let object = Object::part(text);
        let role = object.as_ref().and_then(|object| object.string("role"));
        let calls = match object.as_ref().and_then(|object| object.present("tool_calls")) {
            Some(written) if role.as_deref() == Some("assistant") && written != "[]" => Calls::read(written),
            _ => Calls::None,
        };
        Self { text, object, role, calls }
    }

    /// As it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Who speaks, if it says so.
    pub fn role(&self) -> Option<&Cow<'a, str>> {
        self.role.as_ref()
    }

    /// Whether it is a message of the kind that knows tools.
    pub(super) fn is_understood(&self) -> bool {
        let function_call = || self.object.as_ref().and_then(|object| object.present("function_call"));
        let is_legacy = |role: &str| role == "function" || function_call().is_some();
        self.role.as_deref().is_some_and(|role| !is_legacy(role))
    }

    /// Whether it calls something, or is a call's result.
    pub fn is_of_calls(&self) -> bool {
        self.has_calls() || self.is_result()
    }

    /// Whether it has calls, of whatever shape.
    pub fn has_calls(&self) -> bool {
        !matches!(self.calls, Calls::None)
    }

    /// Its calls. `None` when there is no list of them.
    pub fn calls(&self) -> Option<&[Call<'a>]> {
        match &self.calls {
            Calls::Some(calls) => Some(calls),
            Calls::None | Calls::Unclear => None,
        }
    }

    /// Whether the user speaks.
    pub fn is_user(&self) -> bool {
        self.role.as_deref() == Some("user")
    }

    /// Whether it is the result of a call.
    pub fn is_result(&self) -> bool {
        self.role.as_deref() == Some("tool")
    }

    /// The id of the call whose result it is.
    pub fn call_id(&self) -> Option<Cow<'a, str>> {
        self.object.as_ref()?.string("tool_call_id")
    }

    /// The name of whoever speaks: of a result, the tool's.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.object.as_ref()?.string("name")
    }

    /// Its content, as it was written.
    pub fn content(&self) -> Option<&'a str> {
        self.object.as_ref()?.get("content")
    }

    /// The message with other calls, given as JSON.
    pub fn with_calls(&self, calls: &str) -> String {
        self.edited(&[("tool_calls", Edit::Set(calls.into()))])
    }

    /// The message in this role and with this content, given as JSON, and with no calls beside it.
    pub fn with_content(&self, role: &str, content: &str) -> String {
        self.edited(&[("role", quoted(role)), ("content", Edit::Set(content.into())), ("tool_calls", Edit::Remove)])
    }

    fn edited(&self, edits: &[(&str, Edit<'_>)]) -> String {
        self.object.as_ref().map_or_else(|| self.text.to_owned(), |object| object.edited(edits))
    }
}

/// A message of this role and content, given as JSON.
pub fn write_message(role: &str, content: &str) -> String {
    Object::empty().edited(&[("role", quoted(role)), ("content", Edit::Set(content.into()))])
}

/// A message of this role that says nothing and makes these calls, given as JSON.
pub fn write_calls(role: &str, calls: &str) -> String {
    Object::empty().edited(&[
        ("role", quoted(role)),
        ("content", Edit::Set("null".into())),
        ("tool_calls", Edit::Set(calls.into())),
    ])
}

fn quoted(text: &str) -> Edit<'static> {
    let mut written = String::new();
    write_string(text, &mut written);
    Edit::Set(written.into())
}

impl<'a> Calls<'a> {
    fn read(written: &'a str) -> Self {
        elements(written).map_or(Self::Unclear, |calls| Self::Some(calls.into_iter().map(Call::read).collect()))
    }
}

impl<'a> Call<'a> {
    fn read(text: &'a str) -> Self {
        let object = Object::part(text);
        let function = object.as_ref().and_then(|call| Object::part(call.get("function")?));
        Self { text, object, function }
    }

    /// As it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The id that its result will name. `None` when it has none, or one that is no string.
    pub fn id(&self) -> Option<Cow<'a, str>> {
        self.object.as_ref()?.string("id")
    }

    /// The name of the function. `None` when it calls none.
    pub fn name(&self) -> Option<Cow<'a, str>> {
        self.function.as_ref()?.string("name")
    }

    /// Its arguments as they were written: as a rule a string that holds JSON. `None` when it calls no function.
    pub fn arguments(&self) -> Option<&'a str> {
        Some(self.function.as_ref()?.get("arguments").unwrap_or("null"))
    }

    /// The call with other arguments, given as JSON.
    pub fn with_arguments(&self, arguments: &str) -> Option<String> {
        let function = self.function.as_ref()?.edited(&[("arguments", Edit::Set(arguments.into()))]);
        Some(self.object.as_ref()?.edited(&[("function", Edit::Set(function.into()))]))
    }
}
