//! What is remembered of turns, for whom, and for how long.

use std::time::Duration;

use crate::api::openai::Request;
use crate::turn::{Memory, Recall, Room, recalled};

const ROOM: Room = Room { bytes_max: 10_000, age_max: Duration::from_secs(60) };
const ASKED: &str = r#"{"role":"user","content":"What is in a?"}"#;
const KEY: Option<&[u8]> = Some(b"Bearer k");

fn body(messages: &[&str]) -> String {
    format!(r#"{{"messages":[{}]}}"#, messages.join(","))
}

fn recall(text: &str, ids: &[&str]) -> Recall {
    Recall {
        text: text.to_owned(),
        ids: ids.iter().map(ToString::to_string).collect(),
        messages: vec![r#"{"role":"tool"}"#.to_owned(), r#"{"role":"assistant","content":"own"}"#.to_owned()],
    }
}

/// The conversation as it is asked, of whoever shows this key, so many seconds after the start.
fn found(memory: &mut Memory, messages: &[&str], key: Option<&[u8]>, seconds: u64) -> Option<Vec<String>> {
    let body = body(messages);
    let request = Request::read(body.as_bytes()).unwrap();
    let mut trail = memory.trail(key);
    let answers = trail.follow(request.messages().unwrap());
    let found = memory.find(&answers, ROOM, Duration::from_secs(seconds));
    if found.is_empty() {
        return None;
    }
    Some(recalled(request.messages().unwrap(), &found).into_iter().map(|message| message.into_owned()).collect())
}

fn remember(memory: &mut Memory, before: &[&str], answer: Recall) {
    let body = body(before);
    let request = Request::read(body.as_bytes()).unwrap();
    let mut trail = memory.trail(KEY);
    trail.follow(request.messages().unwrap());
    memory.remember(&trail, answer, ROOM, Duration::ZERO);
}

const THANKS: &str = r#"{"role":"user","content":"Thanks"}"#;

#[test]
fn an_answer_is_what_it_stood_for_however_its_client_echoes_it() {
    let mut memory = Memory::default();
    remember(&mut memory, &[ASKED], recall("Hm.\n\nIt is 1.", &[]));
    for answer in [
        r#"{"role":"assistant","content":"Hm.\n\nIt is 1."}"#,
        r#"{"role":"assistant","content":"  Hm.\n\nIt is 1.\n"}"#,
        r#"{"content":[{"type":"text","text":"Hm.\n\nIt is 1."}],"role":"assistant"}"#,
        r#"{"role":"assistant","reasoning_content":"So","content":"Hm.\u000a\u000aIt is 1."}"#,
    ] {
        let expected = [ASKED, r#"{"role":"tool"}"#, r#"{"role":"assistant","content":"own"}"#, THANKS];
        assert_eq!(
            found(&mut memory, &[ASKED, answer, THANKS], KEY, 1).as_deref(),
            Some(&expected.map(str::to_owned)[..])
        );
    }
}

#[test]
fn another_conversation_another_client_and_another_answer_find_nothing() {
    let mut memory = Memory::default();
    remember(&mut memory, &[ASKED], recall("1", &[]));
    let answer = r#"{"role":"assistant","content":"1"}"#;
    assert!(found(&mut memory, &[ASKED, answer], KEY, 1).is_some());
    assert!(found(&mut memory, &[ASKED, answer], Some(b"Bearer other"), 1).is_none());
    assert!(found(&mut memory, &[ASKED, answer], None, 1).is_none());
    assert!(found(&mut memory, &[THANKS, answer], KEY, 1).is_none());
    assert!(found(&mut memory, &[ASKED, r#"{"role":"assistant","content":"2"}"#], KEY, 1).is_none());
    assert!(found(&mut memory, &[ASKED, r#"{"role":"user","content":"1"}"#], KEY, 1).is_none());
    assert!(found(&mut Memory::default(), &[ASKED, answer], KEY, 1).is_none());
}

#[test]
fn calls_of_the_client_s_are_found_where_what_was_before_was_shortened() {
    let long = [r#"{"role":"system","content":"long"}"#, ASKED];
    let result = |id: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"done"}}"#);
    for (id, is_found) in [
        ("call_0123456789abcdefGHIJKLMN", true),
        ("Q7wqDeadBeefDeadBeef3", true),
        // What others may have, too.
        ("functions.get_weather_forecast:0", false),
        ("call_0", false),
        ("", false),
    ] {
        let mut memory = Memory::default();
        remember(&mut memory, &long, recall("Both.", &[id]));
        let call = format!(r#"{{"id":"{id}","function":{{"name":"mine","arguments":"{{}}"}}}}"#);
        let answer = format!(r#"{{"role":"assistant","content":"Both.","tool_calls":[{call}]}}"#);
        let result = result(id);
        let found_in = found(&mut memory, &[ASKED, &answer, &result], KEY, 1);
        assert_eq!(found_in.as_ref().map(Vec::len), is_found.then_some(4), "{id}");
        assert!(found_in.is_none_or(|found| found.last() == Some(&result)));
        assert!(found(&mut memory, &[THANKS, &answer, &result], KEY, 1).is_none());
        assert!(found(&mut memory, &[long[0], ASKED, &answer, &result], KEY, 1).is_some(), "all of it is there");
    }
}

#[test]
fn what_is_larger_than_the_room_pushes_nothing_out() {
    let mut memory = Memory::default();
    remember(&mut memory, &[ASKED], recall("0", &[]));
    let large = Recall { messages: vec!["x".repeat(20_000)], ..recall("1", &[]) };
    remember(&mut memory, &[ASKED], large);
    assert!(found(&mut memory, &[ASKED, r#"{"role":"assistant","content":"0"}"#], KEY, 1).is_some());
    assert!(found(&mut memory, &[ASKED, r#"{"role":"assistant","content":"1"}"#], KEY, 1).is_none());
}

#[test]
fn what_is_old_and_what_is_too_much_is_forgotten() {
    let mut memory = Memory::default();
    let answer = |n: usize| format!(r#"{{"role":"assistant","content":"{n}"}}"#);
    remember(&mut memory, &[ASKED], recall("0", &[]));
    assert!(found(&mut memory, &[ASKED, &answer(0)], KEY, 60).is_some());
    assert!(found(&mut memory, &[ASKED, &answer(0)], KEY, 61).is_none());
    for n in 0..100 {
        remember(&mut memory, &[ASKED], recall(&n.to_string(), &[]));
    }
    assert!(found(&mut memory, &[ASKED, &answer(99)], KEY, 1).is_some());
    assert!(found(&mut memory, &[ASKED, &answer(0)], KEY, 1).is_none());
    let kept = (0..100).filter(|n| found(&mut memory, &[ASKED, &answer(*n)], KEY, 1).is_some()).count();
    assert!((30..60).contains(&kept), "{kept}");
}
