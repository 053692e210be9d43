//! Request body of OpenAI's APIs: its members, read once and written at most once.
//! Judges nothing: what is of a wrong shape says nothing, and is the server's to refuse.

use std::borrow::Cow;
use std::cell::OnceCell;

use bytes::Bytes;

use super::choice::ToolChoice;
use super::message::{self, Message};
use super::tool::{self, Offered};
use crate::chat::Calls;
use crate::json::{Edit, Object, string, write_string};

/// A request's body. Whatever it is asked for, it has been read once; its messages are taken apart when somebody first
/// asks for them.
#[derive(Debug)]
pub struct Request<'a> {
    body: Object<'a>,
    messages: OnceCell<Option<Vec<Message<'a>>>>,
}

/// Members that are the gateway's.
const AGENT_FORMAT: &str = "agent_format";
const TOOL_CALL_TAGS: &str = "tool_call_tags";

/// Whether a request asks for its answer as a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    #[default]
    Unasked,
    Asked,
    /// It says something that is neither yes nor no.
    Unclear,
}

/// Whether a stream's `usage` event is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    #[default]
    Unasked,
    Asked,
}

impl<'a> Request<'a> {
    /// Reads the top level of a body. `None` when it is no JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        Some(Self { body: Object::of_body(body)?, messages: OnceCell::new() })
    }

    /// As it was written.
    pub fn text(&self) -> &'a str {
        self.body.text()
    }

    /// The model that it names.
    pub fn model(&self) -> Option<Cow<'a, str>> {
        self.body.string("model")
    }

    /// The model and the tools, as they were written: what stands before the messages in a prompt.
    pub fn preamble(&self) -> [&'a str; 2] {
        ["model", "tools"].map(|key| self.body.get(key).unwrap_or_default())
    }

    /// What `stream` says; `null` says nothing.
    pub fn stream(&self) -> Stream {
        match self.body.present("stream") {
            None | Some("false") => Stream::Unasked,
            Some("true") => Stream::Asked,
            Some(_) => Stream::Unclear,
        }
    }

    /// What `stream_options.include_usage` says; whatever is not `true` does not ask.
    pub fn usage(&self) -> Usage {
        let options = self.body.get("stream_options").and_then(Object::part);
        match options.and_then(|options| options.get("include_usage")) {
            Some("true") => Usage::Asked,
            _ => Usage::Unasked,
        }
    }

    /// How many choices it asks for.
    pub fn choices(&self) -> usize {
        self.body.get("n").and_then(|n| n.parse().ok()).unwrap_or(1)
    }

    /// The kind of answer that it asks for beside text.
    pub fn response_format(&self) -> Option<Cow<'a, str>> {
        let format = self.body.get("response_format").and_then(Object::part)?;
        format.string("type").filter(|kind| kind != "text")
    }

    /// The format in which it wants calls, by a name, where it says one.
    pub fn agent_format(&self) -> Option<Cow<'a, str>> {
        self.said(AGENT_FORMAT)
    }

    /// The tags in which it wants calls, where it says some.
    pub fn tool_call_tags(&self) -> Option<Cow<'a, str>> {
        self.said(TOOL_CALL_TAGS)
    }

    /// What a member says that is to be a string; of another kind it is as it was written.
    fn said(&self, key: &str) -> Option<Cow<'a, str>> {
        let written = self.body.present(key)?;
        Some(string(written).unwrap_or(Cow::Borrowed(written)))
    }

    /// The edits without which a server would be told of that.
    pub fn without_format(&self) -> Edits<'a> {
        let said = [AGENT_FORMAT, TOOL_CALL_TAGS].into_iter().filter(|key| self.body.get(key).is_some());
        Edits(said.map(|key| (key, Edit::Remove)).collect())
    }

    /// Whether it says something at a key other than no.
    pub fn asks_for(&self, key: &str) -> bool {
        self.body.present(key).is_some_and(|written| written != "false")
    }

    /// Its tools, of which there may be none. `None` when they are of a wrong shape or kind, or when it speaks of
    /// functions in the way that came before tools.
    pub fn tools(&self) -> Option<Vec<Offered<'a>>> {
        let is_legacy = ["functions", "function_call"].iter().any(|key| self.body.present(key).is_some());
        match self.body.present("tools") {
            _ if is_legacy => None,
            None => Some(vec![]),
            Some(written) => tool::read(written),
        }
    }

    /// Which of its tools may be called, once it has any. An error is the choice as it was written.
    pub fn tool_choice(&self, tools: &[Offered<'_>]) -> Result<ToolChoice<'a>, &'a str> {
        if self.body.present("tools").is_none() {
            return Ok(ToolChoice::default());
        }
        let choice = match self.body.present("tool_choice") {
            None => ToolChoice::default(),
            Some(written) => ToolChoice::read(written, tools).ok_or(written)?,
        };
        Ok(match self.calls() {
            Calls::First => choice.of_one_call(),
            Calls::All => choice,
        })
    }

    /// How many calls its answer may have, as far as it does not stand beside its choice of tools.
    pub fn calls(&self) -> Calls {
        match self.body.get("parallel_tool_calls") {
            Some("false") => Calls::First,
            _ => Calls::All,
        }
    }

    /// Its tools, as they were written.
    pub fn tools_written(&self) -> Option<&'a str> {
        self.body.present("tools")
    }

    /// Its messages, as they were written.
    pub fn messages_written(&self) -> Option<&'a str> {
        self.body.present("messages")
    }

    /// What it says of the choice of tools, whether it has any or not. `None` when it says nothing that is understood.
    pub fn tool_choice_alone(&self) -> Option<ToolChoice<'a>> {
        ToolChoice::read(self.body.present("tool_choice")?, &[])
    }

    /// Whether it has anything to do with tools: it offers some, of whatever shape, or its conversation has called them.
    pub fn is_about_tools(&self) -> bool {
        self.body.present("tools").is_some_and(|tools| !is_empty_list(tools)) || self.has_called()
    }

    /// Whether its conversation has called tools. Messages that surely tell of none are not taken apart for it.
    fn has_called(&self) -> bool {
        self.body.get("messages").is_some_and(message::may_tell_of_calls)
            && self.conversation().is_some_and(|messages| messages.iter().any(Message::is_of_calls))
    }

    /// Its messages. `None` when there is no list of them.
    pub fn messages(&self) -> Option<&[Message<'a>]> {
        self.messages.get_or_init(|| message::read(self.body.get("messages")?)).as_deref()
    }

    /// Its messages, where all of them can be understood: `None` when one is of a wrong shape, or of the kind that came
    /// before tools, and when there are none.
    pub fn conversation(&self) -> Option<&[Message<'a>]> {
        self.messages().filter(|messages| !messages.is_empty() && messages.iter().all(Message::is_understood))
    }

    /// The edits by which it asks for a stream, usage included. `None` when it asks for one itself, and when its shape
    /// is for the server to judge.
    pub fn for_a_stream(&self) -> Option<Edits<'a>> {
        self.body.present("messages")?;
        (self.stream() == Stream::Unasked).then_some(())?;
        let mut edits = Edits::default();
        edits.set("stream", "true");
        edits.append(self.with_usage()?);
        Some(edits)
    }

    /// The edits by which a stream says what it cost. `None` when what the request says of that is of a wrong shape.
    pub fn with_usage(&self) -> Option<Edits<'a>> {
        let options = self.body.present("stream_options").map_or_else(|| Some(Object::empty()), Object::part)?;
        let options = options.edited(&[("include_usage", Edit::Set(Cow::Borrowed("true")))]);
        Some(Edits(vec![("stream_options", Edit::Set(options.into()))]))
    }

    /// The edits by which it lets llama.cpp say how far it is with the prompt. `None` when it asks for no stream, has an
    /// opinion on that itself, or asks for several choices: they would say it in the midst of each other's words.
    pub fn for_progress(&self) -> Option<Edits<'a>> {
        const PROGRESS: &str = "return_progress";
        let is_fit = self.stream() == Stream::Asked
            && self.body.get(PROGRESS).is_none()
            && matches!(self.body.present("n"), None | Some("1"));
        is_fit.then(|| Edits(vec![(PROGRESS, Edit::Set(Cow::Borrowed("true")))]))
    }

    /// The body with these edits, every other byte as it was. `None` where they change nothing.
    pub fn edited(self, edits: &Edits<'_>) -> Option<Bytes> {
        let edited = (!edits.is_empty()).then(|| self.body.edited(&edits.0));
        edited.filter(|edited| edited != self.body.text()).map(Into::into)
    }
}

/// What is changed in a body. Of a member that is changed twice the first change counts.
#[derive(Clone, Debug, Default)]
pub struct Edits<'a>(Vec<(&'a str, Edit<'a>)>);

impl<'a> Edits<'a> {
    /// Whether the body stays as it is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what others change.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Another model.
    pub fn set_model(&mut self, name: &str) {
        let mut written = String::new();
        write_string(name, &mut written);
        self.set("model", written);
    }

    /// Other messages, given as JSON.
    pub fn set_messages(&mut self, written: String) {
        self.set("messages", written);
    }

    /// No tools, and nothing about them.
    pub fn remove_tools(&mut self) {
        self.0.extend(["tools", "tool_choice", "parallel_tool_calls"].map(|key| (key, Edit::Remove)));
    }

    /// No member of this name.
    pub fn remove(&mut self, key: &'a str) {
        self.0.push((key, Edit::Remove));
    }

    /// Any member, given as JSON.
    pub fn set(&mut self, key: &'a str, written: impl Into<Cow<'a, str>>) {
        self.0.push((key, Edit::Set(written.into())));
    }
}

/// A body that names another model, every other byte as it was. `None` when it is no JSON object.
pub fn renamed(body: &[u8], model: &str) -> Option<Bytes> {
    let mut edits = Edits::default();
    edits.set_model(model);
    Request::read(body)?.edited(&edits)
}

/// Whether a value is a list without elements, whatever blanks are in it.
fn is_empty_list(value: &str) -> bool {
    let inside = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &'static [u8], edits: fn(&Request<'static>) -> Option<Edits<'static>>) -> Option<Bytes> {
        let request = Request::read(body)?;
        let edits = edits(&request)?;
        request.edited(&edits)
    }

    fn model(body: &[u8]) -> Option<String> {
        Some(Request::read(body)?.model()?.into_owned())
    }

    #[test]
    fn the_model_of_a_body() {
        let table = [
            (r#"{"messages":[{"model":"inner"}],"model":"a\u002fb"}"#, Some("a/b")),
            (r#"{"model":"first","model":"last"}"#, Some("last")),
            (r#"{"model":7}"#, None),
            (r#"{"model":null}"#, None),
            (r#"["model"]"#, None),
            (r#"{"model":"x""#, None),
            ("", None),
        ];
        for (body, expected) in table {
            assert_eq!(model(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert!(Request::read(b"{\"model\":\"\xff\",\"stream\":true}").is_none());
        assert_eq!(model("\u{feff}{\"model\":\"m\"}".as_bytes()).as_deref(), Some("m"));
    }

    #[test]
    fn only_what_asks_for_the_stream_changes() {
        let table = [
            (r#"{"messages":[]}"#, Some(r#"{"messages":[],"stream":true,"stream_options":{"include_usage":true}}"#)),
            (
                r#"{ "stream" : false, "n": 2, "messages": [ 1.0 ] }"#,
                Some(r#"{ "stream" : true, "n": 2, "messages": [ 1.0 ],"stream_options":{"include_usage":true} }"#),
            ),
            (
                r#"{"stream":null,"stream_options":{"x":[1],"include_usage":false},"messages":[]}"#,
                Some(r#"{"stream":true,"stream_options":{"x":[1],"include_usage":true},"messages":[]}"#),
            ),
            (
                r#"{"stream_options":null,"messages":[]}"#,
                Some(r#"{"stream_options":{"include_usage":true},"messages":[],"stream":true}"#),
            ),
            (r#"{"stream":true,"messages":[]}"#, None),
            (r#"{"stream":"no","messages":[]}"#, None),
            (r#"{"stream_options":7,"messages":[]}"#, None),
            (r#"{"messages":null}"#, None),
            (r#"{"prompt":""}"#, None),
            (r#"{"messages":[}"#, None),
            ("[]", None),
        ];
        for (body, expected) in table {
            assert_eq!(
                edited(body.as_bytes(), Request::for_a_stream).as_deref(),
                expected.map(str::as_bytes),
                "{body}"
            );
            let choices = if body.contains("\"n\": 2") { 2 } else { 1 };
            assert!(Request::read(body.as_bytes()).is_none_or(|request| request.choices() == choices), "{body}");
        }
        assert_eq!(edited(b"{\"messages\":\"\xff\"}", Request::for_a_stream), None);
    }

    #[test]
    fn progress_is_asked_for_unless_the_client_decided_that() {
        let table = [
            (r#"{ "stream":true, "n": 1 }"#, Some(r#"{ "stream":true, "n": 1,"return_progress":true }"#)),
            (r#"{"stream":true,"n":null}"#, Some(r#"{"stream":true,"n":null,"return_progress":true}"#)),
            (r#"{"stream":true,"return_progress":false}"#, None),
            (r#"{"stream":true,"return_progress":null}"#, None),
            (r#"{"stream":true,"n":2}"#, None),
            (r#"{"stream":false}"#, None),
            ("{}", None),
            ("[]", None),
        ];
        for (body, expected) in table {
            assert_eq!(
                edited(body.as_bytes(), Request::for_progress).as_deref(),
                expected.map(str::as_bytes),
                "{body}"
            );
        }
    }
}
