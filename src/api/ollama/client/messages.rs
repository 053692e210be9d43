//! Messages of a chat: those that an Ollama client sends as OpenAI's API has them. Strings stay as they were written.

use std::borrow::Cow;

use super::calls::RAW_ARGUMENTS;
use super::images;
use super::mistake::Mistake;
use super::results::{CallId, Calls};
use super::text::write_compact;
use crate::api::openai::write_text_part;
use crate::json::{Object, elements, inside, string, write_string};

/// The messages, as a list in JSON. An error is the client's.
pub(super) fn translate(written: &[&str]) -> Result<String, Mistake> {
    let mut out = String::from("[");
    let mut calls = Calls::default();
    let mut before = Speaker::Other;
    for message in written {
        let message = Message::read(message)?;
        if message.speaker == Speaker::Assistant && before != Speaker::Assistant {
            calls.begin_turn();
        }
        before = message.speaker;
        out.push_str(if out.len() > 1 { "," } else { "" });
        message.write(&mut calls, &mut out)?;
    }
    out.push(']');
    Ok(out)
}

/// A message of a text and images alone.
pub(super) fn write_plain(role: &str, content: &str, images: &[Cow<'_, str>], out: &mut String) {
    out.extend(["{\"role\":\"", role, "\",\"content\":"]);
    write_content(content, images, out);
    out.push('}');
}

struct Message<'a> {
    object: Object<'a>,
    role: String,
    speaker: Speaker,
    /// A string, as it was written.
    content: &'a str,
    images: Vec<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Assistant,
    Tool,
    Other,
}

impl<'a> Message<'a> {
    fn read(written: &'a str) -> Result<Self, Mistake> {
        let object = Object::part(written).ok_or_else(|| Mistake::new("messages: each must be an object"))?;
        let role = object.string("role").ok_or_else(|| Mistake::new("messages: role must be a string"))?;
        let role = role.to_lowercase();
        let speaker = match role.as_str() {
            "assistant" => Speaker::Assistant,
            "tool" => Speaker::Tool,
            _ => Speaker::Other,
        };
        let content = string_of(&object, "content")?.unwrap_or("\"\"");
        let images = images::read(&object).map_err(|why| Mistake::new(format!("messages: {}", why.message)))?;
        Ok(Self { object, role, speaker, content, images })
    }

    fn write(&self, calls: &mut Calls, out: &mut String) -> Result<(), Mistake> {
        out.push_str("{\"role\":");
        write_string(&self.role, out);
        if self.speaker == Speaker::Tool {
            self.write_call_id(calls, out)?;
        }
        let own = self.calls()?;
        out.push_str(",\"content\":");
        if !own.is_empty() && self.content == "\"\"" && self.images.is_empty() {
            out.push_str("null");
        } else {
            write_content(self.content, &self.images, out);
        }
        if let Some(thinking) = string_of(&self.object, "thinking")?.filter(|thinking| *thinking != "\"\"") {
            out.extend([",\"reasoning_content\":", thinking]);
        }
        for (at, call) in own.iter().enumerate() {
            out.push_str(if at == 0 { ",\"tool_calls\":[" } else { "," });
            write_call(call, calls, out)?;
        }
        out.push_str(if own.is_empty() { "}" } else { "]}" });
        Ok(())
    }

    fn calls(&self) -> Result<Vec<&'a str>, Mistake> {
        match self.object.present("tool_calls") {
            None => Ok(vec![]),
            Some(written) => elements(written).ok_or_else(|| Mistake::new("messages: tool_calls must be a list")),
        }
    }

    /// Whose result it is. Where no call is known for it, all that tells of one is the tool's name.
    fn write_call_id(&self, calls: &mut Calls, out: &mut String) -> Result<(), Mistake> {
        let id = string_of(&self.object, "tool_call_id")?.and_then(string);
        let name =
            string_of(&self.object, "tool_name")?.or(self.object.present("name").filter(|n| inside(n).is_some()));
        let text = name.and_then(string).filter(|name| !name.is_empty());
        out.push_str(",\"tool_call_id\":");
        match (calls.result(id.as_deref(), text.as_deref()), text.and(name)) {
            (CallId::Lonely(id), Some(name)) => {
                write_string(&id, out);
                out.extend([",\"name\":", name]);
            }
            (CallId::Lonely(id) | CallId::Known(id), _) => write_string(&id, out),
        }
        Ok(())
    }
}

fn write_call(written: &str, calls: &mut Calls, out: &mut String) -> Result<(), Mistake> {
    let mistake = || Mistake::new("messages: each of tool_calls must have a function with a name");
    let call = Object::part(written).ok_or_else(mistake)?;
    let function = call.get("function").and_then(Object::part).ok_or_else(mistake)?;
    let name = function.get("name").filter(|name| inside(name).is_some()).ok_or_else(mistake)?;
    let id = calls.call(call.string("id").as_deref(), &string(name).unwrap_or_default());
    out.push_str("{\"id\":");
    write_string(&id, out);
    out.extend([",\"type\":\"function\",\"function\":{\"name\":", name, ",\"arguments\":"]);
    write_arguments(function.present("arguments"), out)?;
    out.push_str("}}");
    Ok(())
}

/// Appends arguments as a string that holds their JSON. A string is taken for one already.
fn write_arguments(written: Option<&str>, out: &mut String) -> Result<(), Mistake> {
    let Some(written) = written else {
        out.push_str("\"{}\"");
        return Ok(());
    };
    if inside(written).is_some() {
        out.push_str(written);
        return Ok(());
    }
    let arguments =
        Object::part(written).ok_or_else(|| Mistake::new("messages: a call's arguments must be an object"))?;
    match raw(&arguments) {
        Some(raw) => out.push_str(raw),
        None => {
            let mut compact = String::with_capacity(written.len());
            write_compact(written, &mut compact);
            write_string(&compact, out);
        }
    }
    Ok(())
}

/// Arguments that were no object when the model wrote them: the string of what it wrote.
fn raw<'a>(arguments: &Object<'a>) -> Option<&'a str> {
    let mut members = arguments.members();
    match (members.next(), members.next()) {
        (Some((RAW_ARGUMENTS, value)), None) => inside(value).and(Some(value)),
        _ => None,
    }
}

/// Appends a content: a string, or parts where there are images.
fn write_content(text: &str, images: &[Cow<'_, str>], out: &mut String) {
    if images.is_empty() {
        out.push_str(text);
        return;
    }
    let begin = out.len() + 1;
    out.push('[');
    if text != "\"\"" {
        write_text_part(out, |out| out.push_str(text));
    }
    for image in images {
        out.push_str(if out.len() > begin { "," } else { "" });
        images::write_part(image, out);
    }
    out.push(']');
}

/// A member that must be a string, as it was written; `null` is none.
fn string_of<'a>(object: &Object<'a>, key: &str) -> Result<Option<&'a str>, Mistake> {
    match object.present(key) {
        Some(value) if inside(value).is_none() => Err(Mistake::new(format!("messages: {key} must be a string"))),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(messages: &str) -> Result<String, String> {
        translate(&elements(messages).unwrap()).map_err(|mistake| mistake.message.into_owned())
    }

    #[test]
    fn messages_keep_what_they_say() {
        for (messages, expected) in [
            ("[]", "[]"),
            (r#"[{"role":"USER"}]"#, r#"[{"role":"user","content":""}]"#),
            (
                r#"[{"role":"user","content":"\u00e9\n","x":1}, {"role":"assistant","content":null,"thinking":""}]"#,
                r#"[{"role":"user","content":"\u00e9\n"},{"role":"assistant","content":""}]"#,
            ),
            (
                r#"[{"role":"assistant","content":"a","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":{ "b" : [1, 2.50], "a": "\n" }}}]}]"#,
                r#"[{"role":"assistant","content":"a","reasoning_content":"t","tool_calls":[{"id":"call00000","type":"function","function":{"name":"f","arguments":"{\"b\":[1,2.50],\"a\":\"\\n\"}"}}]}]"#,
            ),
            (
                r#"[{"role":"assistant","tool_calls":[{"function":{"name":"f"}},{"id":"x","function":{"name":"g","arguments":"{\"a\":1}"}},{"function":{"name":"h","arguments":{"_raw":"{\"a"}}},{"function":{"name":"h","arguments":{"_raw":7}}}]}]"#,
                r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"call00000","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"x","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}},{"id":"call00002","type":"function","function":{"name":"h","arguments":"{\"a"}},{"id":"call00003","type":"function","function":{"name":"h","arguments":"{\"_raw\":7}"}}]}]"#,
            ),
            // Turns of the assistant that follow each other are one; a result without a call keeps its tool's name.
            (
                r#"[{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]},{"role":"assistant","tool_calls":[{"function":{"name":"g"}}]},{"role":"tool","content":"1"},{"role":"tool","tool_name":"g","content":"2"},{"role":"tool","tool_name":"h","content":"3"}]"#,
                r#"[{"role":"assistant","content":null,"tool_calls":[{"id":"call00000","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"call00001","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call00000","content":"1"},{"role":"tool","tool_call_id":"call00001","content":"2"},{"role":"tool","tool_call_id":"call00002","name":"h","content":"3"}]"#,
            ),
            (
                r#"[{"role":"user","content":"","images":["iVBO","iVBO"]}]"#,
                r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,iVBO"}},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,iVBO"}}]}]"#,
            ),
        ] {
            assert_eq!(translated(messages).as_deref(), Ok(expected), "{messages}");
        }
    }

    #[test]
    fn a_message_of_a_wrong_shape_is_told() {
        for (message, expected) in [
            ("7", "messages: each must be an object"),
            (r#"{"content":"a"}"#, "messages: role must be a string"),
            (r#"{"role":"user","content":["a"]}"#, "messages: content must be a string"),
            (r#"{"role":"user","thinking":7}"#, "messages: thinking must be a string"),
            (r#"{"role":"user","images":"a"}"#, "messages: images must be a list of base64 strings"),
            (r#"{"role":"assistant","tool_calls":{}}"#, "messages: tool_calls must be a list"),
            (
                r#"{"role":"assistant","tool_calls":[{"name":"f"}]}"#,
                "messages: each of tool_calls must have a function with a name",
            ),
            (
                r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":[1]}}]}"#,
                "messages: a call's arguments must be an object",
            ),
            (r#"{"role":"tool","tool_call_id":7}"#, "messages: tool_call_id must be a string"),
        ] {
            assert_eq!(translated(&format!("[{message}]")), Err(expected.to_owned()), "{message}");
        }
    }

    #[test]
    fn a_longer_history_keeps_the_ids_of_the_shorter() {
        let call = r#"{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]},{"role":"tool","content":"1"}"#;
        let short = translated(&format!("[{call}]")).unwrap();
        let long = translated(&format!("[{call},{call}]")).unwrap();
        assert!(long.starts_with(short.trim_end_matches(']')), "{long}");
    }
}
