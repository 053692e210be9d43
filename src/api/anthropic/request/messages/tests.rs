//! Conversations: what each block and each turn becomes.

use super::*;
use crate::api::anthropic::request::ignored::Ignored;
use crate::api::anthropic::{HostedTools, Server};
use crate::engine::Engine;

mod properties;

const PNG: &str = r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0K"}}"#;
const PNG_PART: &str = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K"}}"#;
const CALL: &str = r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#;
const CALL_TOLD: &str = r#"{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}"#;

fn server(engine: Engine, sees: Option<bool>) -> Server {
    Server {
        takes: engine.row().messages,
        sees,
        thinks: None,
        hosted_tools: HostedTools::Refuse,
        runs: std::sync::Arc::default(),
    }
}

/// The conversation of a list of messages, and what is ignored of it.
fn conversation(messages: &str, server: &Server) -> Result<(Conversation, String), String> {
    let request = format!(r#"{{"messages":{messages}}}"#);
    let mut reading = Reading { server, ignored: Ignored::default() };
    let conversation = translate(&Object::parse(&request).unwrap(), &mut reading);
    let conversation = conversation.map_err(|mistake| mistake.message.into_owned())?;
    assert!(crate::json::array(&conversation.messages).is_some(), "{}", conversation.messages);
    Ok((conversation, reading.ignored.into_names().join(" ")))
}

/// The messages that a list becomes at the server that takes most.
fn told(messages: &str) -> Result<String, String> {
    Ok(conversation(messages, &server(Engine::LlamaCpp, None))?.0.messages)
}

/// The content that a message of the user becomes which has these blocks.
fn content(blocks: &str) -> Result<String, String> {
    let told = told(&format!(r#"[{{"role":"user","content":[{blocks}]}}]"#))?;
    Ok(told.strip_prefix(r#"[{"role":"user","content":"#).unwrap().strip_suffix("}]").unwrap().to_owned())
}

/// A conversation in which the user has said something since.
fn earlier(role: &str, blocks: &str) -> String {
    let behind = r#"{"role":"assistant","content":"a"},{"role":"user","content":"b"}"#;
    format!(r#"[{{"role":"{role}","content":[{blocks}]}},{behind}]"#)
}

#[test]
fn what_a_block_says_is_told_in_text_and_images() {
    for (blocks, expected) in [
        ("", r#""""#.to_owned()),
        (r#"{"type":"text","text":""}"#, r#""""#.to_owned()),
        (r#"{"type":"text","text":"\ud800\u00e9\n"}"#, r#""\ud800\u00e9\n""#.to_owned()),
        (r#"{"type":"text","text":"a"},{"type":"text","text":""},{"type":"text","text":"b"}"#, r#""a\nb""#.to_owned()),
        (PNG, format!("[{PNG_PART}]")),
        (
            r#"{"type":"image","source":{"type":"url","url":"https:\/\/example.org\/a.png"}}"#,
            r#"[{"type":"image_url","image_url":{"url":"https:\/\/example.org\/a.png"}}]"#.to_owned(),
        ),
        (
            r#"{"type":"document","title":"","context":"c","source":{"type":"text","data":"d\n"}}"#,
            r#""Context: c\nd\n""#.to_owned(),
        ),
        (r#"{"type":"document","title":null,"source":{"type":"content","content":"d"}}"#, r#""d""#.to_owned()),
        (
            r#"{"type":"search_result","title":"t","source":"s","content":[{"type":"text","text":"x"}]}"#,
            r#""Title: t\nSource: s\nx""#.to_owned(),
        ),
        (r#"{"type":"tool_reference","tool_name":"f"}"#, r#""Tool f is available.""#.to_owned()),
        (r#"{"type":"redacted_thinking","data":"x"}"#, r#""""#.to_owned()),
        (
            r#"{"type":"server_tool_use","name":"web","input":{ "q" : "\"" }}"#,
            r#""[web was called with {\"q\":\"\\\"\"}]""#.to_owned(),
        ),
        (
            r#"{"type":"mcp_tool_result","content":[{"encrypted_x":"y","text":"z"}]}"#,
            r#""[its result: [{\"text\":\"z\"}]]""#.to_owned(),
        ),
    ] {
        assert_eq!(content(blocks), Ok(expected), "{blocks}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_when_a_user_says_it_and_else_has_its_place() {
    let blind = server(Engine::LlamaCpp, Some(false));
    let ollama = server(Engine::Ollama, None);
    let any = server(Engine::LlamaCpp, None);
    for (server, block, why) in [
        (&blind, PNG, "image: the model cannot see images"),
        (
            &ollama,
            r#"{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}"#,
            "image: this server fetches no images, they have to be sent",
        ),
        (
            &any,
            r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#,
            "image: uploaded files cannot be read by this server",
        ),
        (
            &any,
            r#"{"type":"document","source":{"type":"url","url":"u"}}"#,
            "document: PDF files cannot be read by this server",
        ),
        (
            &any,
            r#"{"type":"document","source":{"type":"file","file_id":"f"}}"#,
            "document: uploaded files cannot be read by this server",
        ),
        (
            &any,
            r#"{"type":"container_upload","file_id":"f"}"#,
            "container_upload: files in containers cannot be read by this server",
        ),
        (&any, r#"{"type":"x\""}"#, r#"x": blocks of this type cannot be read by this server"#),
    ] {
        let result = format!(r#"{{"type":"tool_result","tool_use_id":"t","content":[{block}]}}"#);
        let newest = |block| format!(r#"[{{"role":"user","content":[{block}]}}]"#);
        let new = conversation(&newest(block), server).map(|_| ());
        assert_eq!(new, Err(format!("messages.0.content.0: {why}")));
        for messages in [earlier("user", block), earlier("user", &result), newest(&result)] {
            let kept = conversation(&messages, server).unwrap().0.messages;
            assert!(kept.contains(&format!(r#""content":"[{}]"}}"#, why.replace('"', "\\\""))), "{kept}");
        }
    }
    // Where the client has only added a message, a refusal would come again with each to come.
    let kept = format!(r#"[{{"role":"user","content":[{PNG}]}},{{"role":"user","content":"b"}}]"#);
    let kept = conversation(&kept, &blind).unwrap().0.messages;
    assert_eq!(kept, r#"[{"role":"user","content":"[image: the model cannot see images]\nb"}]"#);
    let shown = told(&earlier("assistant", PNG)).unwrap();
    assert!(shown.contains(r#"{"role":"assistant","content":"[image: the assistant shows none]a"}"#), "{shown}");
    let data =
        r#"[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"DATA:image/png;base64,iV"}}]}]"#;
    assert!(conversation(data, &ollama).unwrap().0.messages.contains("DATA:image/png;base64,iV"));
}

#[test]
fn results_stand_behind_their_calls_and_hold_what_the_system_says_when_the_user_says_nothing() {
    let result = |more: &str| format!(r#"{{"type":"tool_result","tool_use_id":"t"{more}}}"#);
    let tool = |content: &str| format!(r#"{{"role":"tool","tool_call_id":"t","content":{content}}}"#);
    let user = |content: &str| format!(r#",{{"role":"user","content":{content}}}"#);
    let system = r#"},{"role":"system","content":"s"}"#;
    let reminder = r"<system-reminder>\ns\n</system-reminder>";
    for (blocks, behind, expected) in [
        (result(""), "}", tool(r#""""#)),
        (result(r#","content":"","is_error":true"#), "}", tool(r#""Error: ""#)),
        (result(r#","content":"\u0045rrors","is_error":true"#), "}", tool(r#""\u0045rrors""#)),
        (result(r#","content":"no","is_error":true"#), "}", tool(r#""Error: no""#)),
        (
            result(&format!(r#","content":[{PNG}],"is_error":true"#)),
            "}",
            tool(&format!(r#"[{{"type":"text","text":"Error: "}},{PNG_PART}]"#)),
        ),
        (
            format!(r#"{{"type":"text","text":"x"}},{},{{"type":"text","text":"y"}}"#, result("")),
            "}",
            tool(r#""""#) + &user(r#""x\ny""#),
        ),
        (result(r#","content":"r""#), system, tool(&format!(r#""r\n{reminder}""#))),
        (
            result(&format!(r#","content":[{PNG}]"#)),
            system,
            tool(&format!(r#"[{PNG_PART},{{"type":"text","text":"{reminder}"}}]"#)),
        ),
        (
            format!(r#"{},{{"type":"text","text":"x"}}"#, result("")),
            system,
            tool(r#""""#) + &user(&format!(r#""x\n{reminder}""#)),
        ),
    ] {
        let called = format!(r#"{{"role":"assistant","content":[{CALL}]}}"#);
        let head = format!(r#"{{"role":"assistant","content":"","tool_calls":[{CALL_TOLD}]}}"#);
        let messages = format!(r#"[{called},{{"role":"user","content":[{blocks}]{behind}]"#);
        assert_eq!(told(&messages), Ok(format!("[{head},{expected}]")), "{messages}");
    }
}

#[test]
fn images_of_results_follow_them_where_they_would_be_lost_in_them() {
    let result = |id: &str| format!(r#"{{"type":"tool_result","tool_use_id":"{id}","content":[{PNG}]}}"#);
    let blocks = [result("a"), result("b"), r#"{"type":"text","text":"x"}"#.to_owned()].join(",");
    let messages = format!(r#"[{{"role":"user","content":[{blocks}]}}]"#);
    let told = conversation(&messages, &server(Engine::Vllm, None)).unwrap().0.messages;
    let tool =
        |id: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"[image: it follows the results]"}}"#);
    let shown = format!(r#"{{"role":"user","content":[{PNG_PART},{PNG_PART},{{"type":"text","text":"x"}}]}}"#);
    assert_eq!(told, format!("[{},{},{shown}]", tool("a"), tool("b")));
}

#[test]
fn an_assistants_turn_is_one_message_and_keeps_how_its_calls_are_written() {
    let thought = r#"{"type":"thinking","thinking":"h\u006d","signature":"s"}"#;
    for (blocks, expected) in [
        ("", r#"{"role":"assistant","content":""}"#.to_owned()),
        (r#"{"type":"thinking","thinking":""}"#, r#"{"role":"assistant","content":""}"#.to_owned()),
        (thought, r#"{"role":"assistant","content":"","reasoning_content":"h\u006d"}"#.to_owned()),
        (
            r#"{"type":"text","text":"a"},{"type":"tool_use","id":"tgb_Og","name":"f\"","input":{ "x" : 1.0e5 }},{"type":"text","text":"b"}"#,
            r#"{"role":"assistant","content":"ab","tool_calls":[{"id":":","type":"function","function":{"name":"f\"","arguments":"{ \"x\" : 1.0e5 }"}}]}"#
                .to_owned(),
        ),
        (
            r#"{"type":"tool_use","id":"t","name":"f","input":null}"#,
            format!(r#"{{"role":"assistant","content":"","tool_calls":[{CALL_TOLD}]}}"#),
        ),
    ] {
        let told = told(&format!(
            r#"[{{"role":"user","content":"u"}},{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":"v"}}]"#
        ));
        let around = [r#"{"role":"user","content":"u"}"#, r#"{"role":"user","content":"v"}"#];
        assert_eq!(told, Ok(format!("[{},{expected},{}]", around[0], around[1])), "{blocks}");
    }
}

#[test]
fn a_last_text_of_the_assistant_is_what_the_answer_goes_on_with() {
    let any = server(Engine::LlamaCpp, None);
    let user = r#"{"role":"user","content":"u"}"#;
    for (behind, expected) in [
        ("", None),
        (r#",{"role":"assistant","content":"The \u0061"}"#, Some("The a")),
        (
            r#",{"role":"assistant","content":[{"type":"text","text":"a\n"}]},{"role":"assistant","content":"b"}"#,
            Some("a\nb"),
        ),
        (r#",{"role":"assistant","content":"a"},{"role":"system","content":"s"}"#, None),
    ] {
        let prefill = conversation(&format!("[{user}{behind}]"), &any).unwrap().0.prefill;
        assert_eq!(prefill.as_deref(), expected, "{behind}");
    }
    let called = format!(r#"[{user},{{"role":"assistant","content":[{CALL}]}}]"#);
    let expected = "messages.1.content.0: a last tool_use block needs its tool_result behind it";
    assert_eq!(told(&called), Err(expected.to_owned()));
}

#[test]
fn what_the_system_says_stays_where_it_was_said() {
    let (system, user) = (r#"{"role":"system","content":"s"}"#, r#"{"role":"user","content":"u"}"#);
    let reminder = r"<system-reminder>\ns\n</system-reminder>";
    let head = r#"{"role":"system","content":"s\n\ns"}"#;
    for (messages, expected) in [
        (format!("{system},{system},{user}"), format!("{head},{user}")),
        (format!("{user},{system},{user}"), format!(r#"{{"role":"user","content":"u\n{reminder}\nu"}}"#)),
        (format!(r#"{user},{{"role":"system","content":[]}}"#), user.to_owned()),
        (
            format!(r#"{user},{{"role":"assistant","content":"a"}},{system}"#),
            format!(r#"{user},{{"role":"assistant","content":"a"}},{{"role":"user","content":"{reminder}"}}"#),
        ),
    ] {
        assert_eq!(told(&format!("[{messages}]")), Ok(format!("[{expected}]")), "{messages}");
    }
}

#[test]
fn citations_that_nobody_makes_are_named() {
    let any = server(Engine::LlamaCpp, None);
    for (block, expected) in [
        (r#"{"type":"text","text":"a","citations":null}"#, ""),
        (r#"{"type":"text","text":"a","citations":[]}"#, ""),
        (r#"{"type":"text","text":"a","citations":[{}]}"#, "citations"),
        (r#"{"type":"document","citations":{"enabled":false},"source":{"type":"text","data":"d"}}"#, ""),
        (r#"{"type":"document","citations":{"enabled":true},"source":{"type":"text","data":"d"}}"#, "citations"),
        (r#"{"type":"search_result","citations":{"enabled":true},"content":[]}"#, "citations"),
    ] {
        let ignored = conversation(&format!(r#"[{{"role":"user","content":[{block}]}}]"#), &any).unwrap().1;
        assert_eq!(ignored, expected, "{block}");
    }
}

#[test]
fn what_is_of_a_wrong_shape_is_told_by_its_place() {
    for (messages, expected) in [
        ("{}", "messages: must be a list"),
        ("null", "messages: Field required"),
        ("[]", "messages: at least one message of the user is required"),
        (r#"[{"role":"system","content":"s"}]"#, "messages: at least one message of the user is required"),
        ("[7]", "messages.0: must be an object"),
        (r#"[{"content":"x"}]"#, "messages.0.role: must be user, assistant or system"),
        (r#"[{"role":"user"}]"#, "messages.0.content: Field required"),
        (r#"[{"role":"user","content":7}]"#, "messages.0.content: must be a string or a list of blocks"),
        (r#"[{"role":"user","content":["x"]}]"#, "messages.0.content.0: must be an object"),
        (r#"[{"role":"user","content":[{}]}]"#, "messages.0.content.0.type: Field required"),
        (r#"[{"role":"user","content":[{"type":7}]}]"#, "messages.0.content.0.type: must be a string"),
        (r#"[{"role":"user","content":[{"type":"text"}]}]"#, "messages.0.content.0.text: Field required"),
        (r#"[{"role":"user","content":[{"type":"text","text":7}]}]"#, "messages.0.content.0.text: must be a string"),
        (r#"[{"role":"user","content":[{"type":"image"}]}]"#, "messages.0.content.0.source: Field required"),
        (
            r#"[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png"}}]}]"#,
            "messages.0.content.0.source.data: Field required",
        ),
        (
            r#"[{"role":"user","content":[{"type":"search_result","content":["x"]}]}]"#,
            "messages.0.content.0.content.0: must be a text block",
        ),
        (
            r#"[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":7}]}]"#,
            "messages.0.content.0.content: must be a string or a list of blocks",
        ),
        (r#"[{"role":"user","content":[{"type":"tool_result"}]}]"#, "messages.0.content.0.tool_use_id: Field required"),
        (
            r#"[{"role":"user","content":[{"type":"tool_use","id":"t","name":"f"}]}]"#,
            "messages.0.content.0: tool_use blocks are the assistant's",
        ),
        (
            r#"[{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"t"}]}]"#,
            "messages.0.content.0: tool_result blocks are the user's",
        ),
        (
            r#"[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":[]}]}]"#,
            "messages.0.content.0.input: must be an object",
        ),
        (
            r#"[{"role":"assistant","content":[{"type":"tool_use","name":"f","input":{}}]}]"#,
            "messages.0.content.0.id: Field required",
        ),
        (
            r#"[{"role":"user","content":"u"},{"role":"system","content":[{"type":"image"}]}]"#,
            "messages.1.content.0: must be a text block",
        ),
    ] {
        assert_eq!(told(messages), Err(expected.to_owned()), "{messages}");
    }
}
