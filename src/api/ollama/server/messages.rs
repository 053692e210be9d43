//! Messages of a conversation, as Ollama's chat has them.
//! Changes no order and merges none; what each says is told in its words.

use std::borrow::Cow;
use std::collections::HashMap;

use super::parts::Contents;
use super::request::{Members, Unservable, list};
use crate::json::{Object, elements, inside, string, unescape_into, write_string};

/// The list of messages, as JSON.
pub(super) fn messages(written: Option<&str>) -> Result<String, Unservable> {
    let messages = written.and_then(elements).ok_or_else(|| refused("a chat has a list of messages"))?;
    let mut names = Names::default();
    let messages: Result<Vec<_>, _> = messages.into_iter().map(|message| one(message, &mut names)).collect();
    Ok(list(&messages?))
}

/// The names of the tools that were called, as they were written, by the ids of their calls. Clients use ids again: the
/// newest call counts.
type Names<'a> = HashMap<Cow<'a, str>, &'a str>;

fn refused(message: impl Into<String>) -> Unservable {
    Unservable::of("messages", message)
}

fn one<'a>(written: &'a str, names: &mut Names<'a>) -> Result<String, Unservable> {
    let message = Object::part(written).ok_or_else(|| refused("a message is an object"))?;
    let contents = Contents::read(message.get("content"))?;
    let role = message.string("role");
    let mut out = Members::default();
    match role.as_deref() {
        Some("developer") => out.put("role", "\"system\""),
        Some("function") => out.put("role", "\"tool\""),
        _ => out.put_some("role", message.get("role")),
    }
    out.put("content", &format!("\"{}\"", contents.text));
    let thought = ["reasoning_content", "reasoning", "thinking"].into_iter().filter_map(|key| message.get(key));
    out.put_some("thinking", { thought }.find(|written| inside(written).is_some_and(|text| !text.is_empty())));
    if !contents.images.is_empty() {
        out.put("images", &list(&contents.images));
    }
    let calls = calls(&message, names)?;
    if !calls.is_empty() {
        out.put("tool_calls", &list(&calls));
    }
    if matches!(role.as_deref(), Some("tool" | "function")) {
        let id = message.get("tool_call_id").filter(|written| inside(written).is_some());
        let by_id = || names.get(&string(id?)?).copied();
        let name = message.get("name").filter(|written| inside(written).is_some_and(|name| !name.is_empty()));
        out.put_some("tool_name", name.or_else(by_id));
        out.put_some("tool_call_id", id);
    }
    Ok(out.end())
}

fn calls<'a>(message: &Object<'a>, names: &mut Names<'a>) -> Result<Vec<String>, Unservable> {
    if let Some(function) = message.present("function_call") {
        return Ok(vec![call(0, None, function)?.0]);
    }
    let Some(written) = message.present("tool_calls") else { return Ok(Vec::new()) };
    let calls = elements(written).ok_or_else(|| refused("the calls of a message are a list"))?;
    let calls = calls.into_iter().enumerate().map(|(index, written)| {
        let whole = Object::part(written);
        let function = whole.as_ref().and_then(|call| call.get("function")).unwrap_or("null");
        let id = whole.as_ref().and_then(|call| call.get("id")).filter(|written| inside(written).is_some());
        let (out, name) = call(index, id, function)?;
        if let Some(id) = id.and_then(string) {
            names.insert(id, name);
        }
        Ok(out)
    });
    calls.collect()
}

/// A call and the name of its function, both as JSON.
fn call<'a>(index: usize, id: Option<&str>, function: &'a str) -> Result<(String, &'a str), Unservable> {
    let function = Object::part(function);
    let name = function.as_ref().and_then(|function| function.get("name")).filter(|written| inside(written).is_some());
    let name = name.ok_or_else(|| refused("a past call names the function that it calls"))?;
    let arguments = arguments(function.as_ref().and_then(|function| function.present("arguments")));
    let mut called = Members::default();
    called.put("index", &index.to_string());
    called.put("name", name);
    called.put("arguments", &arguments);
    let mut call = Members::default();
    call.put_some("id", id);
    call.put("function", &called.end());
    Ok((call.end(), name))
}

/// Past arguments as an object, since others are refused. What is none is kept as one member.
fn arguments(written: Option<&str>) -> Cow<'_, str> {
    let Some(written) = written else { return Cow::Borrowed("{}") };
    if written.starts_with('{') {
        return Cow::Borrowed(written);
    }
    let mut text = String::new();
    if inside(written).and_then(|inside| unescape_into(inside, &mut text)).is_none() {
        written.clone_into(&mut text);
    }
    if text.trim_ascii().is_empty() {
        return Cow::Borrowed("{}");
    }
    if Object::parse(&text).is_some() {
        return Cow::Owned(text);
    }
    if let Some(twice) = string(text.trim_ascii()).filter(|twice| Object::parse(twice).is_some()) {
        return Cow::Owned(twice.into_owned());
    }
    let mut raw = String::new();
    write_string(&text, &mut raw);
    let mut kept = Members::default();
    kept.put("_raw", &raw);
    Cow::Owned(kept.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_in_the_servers_words() {
        for (message, expected) in [
            (r#"{"role":"developer","content":"a\n"}"#, r#"{"role":"system","content":"a\n"}"#),
            (r#"{"role":"user","content":null,"name":"x"}"#, r#"{"role":"user","content":""}"#),
            (r#"{"content":"a"}"#, r#"{"content":"a"}"#),
            (
                r#"{"role":"assistant","content":"y","reasoning_content":"","reasoning":"r"}"#,
                r#"{"role":"assistant","content":"y","thinking":"r"}"#,
            ),
            (
                r#"{"role":"assistant","function_call":{"name":"f","arguments":"{}"}}"#,
                r#"{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{}}}]}"#,
            ),
            (r#"{"role":"function","name":"f","content":"1"}"#, r#"{"role":"tool","content":"1","tool_name":"f"}"#),
            (
                r#"{"role":"tool","tool_call_id":"none","content":"1"}"#,
                r#"{"role":"tool","content":"1","tool_call_id":"none"}"#,
            ),
        ] {
            assert_eq!(messages(Some(&format!("[{message}]"))), Ok(format!("[{expected}]")), "{message}");
        }
        for message in [
            "7",
            r#"{"content":7}"#,
            r#"{"tool_calls":7}"#,
            r#"{"tool_calls":[7]}"#,
            r#"{"tool_calls":[{"function":{}}]}"#,
            r#"{"tool_calls":[{"type":"custom","custom":{"name":"f"}}]}"#,
        ] {
            let refused = messages(Some(&format!("[{message}]"))).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some("messages"), "{message}");
        }
    }

    #[test]
    fn a_result_has_the_name_of_the_newest_call_of_its_id() {
        let call = |name: &str| {
            format!(
                r#"{{"role":"assistant","tool_calls":[{{"id":"a\u0062","function":{{"name":"{name}","arguments":"{{}}"}}}}]}}"#
            )
        };
        let result = r#"{"role":"tool","tool_call_id":"ab","content":""}"#;
        let told = messages(Some(&format!("[{},{result},{},{result}]", call("f"), call("g")))).unwrap();
        let names: Vec<_> = told.split(r#""tool_name":""#).skip(1).map(|rest| &rest[..1]).collect();
        assert_eq!(names, ["f", "g"]);
    }

    #[test]
    fn past_arguments_become_an_object() {
        for (written, expected) in [
            (None, "{}"),
            (Some(r#""""#), "{}"),
            (Some(r#"" ""#), "{}"),
            (Some(r#""{\"a\": 1.0}""#), r#"{"a": 1.0}"#),
            (Some(r#"{"a":1}"#), r#"{"a":1}"#),
            (Some(r#""\"{\\\"a\\\":1}\"""#), r#"{"a":1}"#),
            (Some(r#""{\"a\": x""#), r#"{"_raw":"{\"a\": x"}"#),
            (Some(r#""[1]""#), r#"{"_raw":"[1]"}"#),
            (Some(r#""\"a\"""#), r#"{"_raw":"\"a\""}"#),
            (Some("[1]"), r#"{"_raw":"[1]"}"#),
            (Some("7"), r#"{"_raw":"7"}"#),
        ] {
            assert_eq!(arguments(written), expected, "{written:?}");
        }
    }
}
