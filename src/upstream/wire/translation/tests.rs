use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::framing::Head;
use super::*;

const NDJSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nX-Own: kept\r\n";
const HI: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n";
const DONE: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:01Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":2,\"eval_count\":3}\n";
const LOADED: &str = "{\"model\":\"m\",\"created_at\":\"2026-08-21T10:00:01Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}\n";

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Chunked,
    Length,
    Close,
}

const WAYS: [Way; 3] = [Way::Chunked, Way::Length, Way::Close];

/// A message with this beginning of a head and this body, a chunk for each part.
fn message(head: &str, body: &[&str], way: Way) -> String {
    let whole = body.concat();
    match way {
        Way::Chunked => {
            let chunk = |part: &&str| format!("{:x}\r\n{part}\r\n", part.len());
            let chunks: String = body.iter().map(chunk).collect();
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
        Way::Length => format!("{head}Content-Length: {}\r\n\r\n{whole}", whole.len()),
        Way::Close => format!("{head}\r\n{whole}"),
    }
}

/// What comes of an answer that comes in these pieces, and what is known of it then.
fn translated(pieces: &[&[u8]]) -> (String, Translation) {
    let mut translation =
        Translation::new(Translating { usage: Usage::Asked, calls: Calls::All, limits: Limits::default() });
    let mut out = Vec::new();
    for piece in pieces {
        translation.push(piece);
        out.extend(handed_on(&mut translation));
    }
    translation.end();
    out.extend(handed_on(&mut translation));
    (String::from_utf8_lossy(&out).into_owned(), translation)
}

/// In steps that are smaller than what there is.
fn handed_on(translation: &mut Translation) -> Vec<u8> {
    let mut out = Vec::new();
    let mut room = [0; 7];
    loop {
        let mut buf = ReadBuf::new(&mut room);
        if !translation.hand_on(&mut buf) {
            return out;
        }
        out.extend_from_slice(buf.filled());
    }
}

/// An answer as whoever reads it sees it: heads, the data of events without their ids, and whether it ends as it should.
fn seen(answer: &str) -> (String, Vec<Value>, bool) {
    let (mut heads, mut rest) = (String::new(), answer);
    let framing = loop {
        let Some(end) = rest.find("\r\n\r\n") else { return (format!("{heads}{rest}"), Vec::new(), false) };
        let (head, behind) = rest.split_at(end + 4);
        heads.push_str(head);
        rest = behind;
        match Facts::read(head.as_bytes()) {
            Some(_) if Head::read(head.as_bytes()) == Head::Informational => {}
            Some(facts) => break facts.framing,
            None => return (format!("{heads}{rest}"), Vec::new(), false),
        }
    };
    let (mut body, mut data, mut is_over, mut rest) = (Body::new(framing), Vec::new(), false, rest.as_bytes());
    while !rest.is_empty() && !is_over {
        let (length, piece) = body.read(rest);
        if let Piece::Data(part) = piece {
            data.extend_from_slice(part);
        }
        is_over = is_last(piece, &body);
        rest = &rest[length..];
    }
    assert!(rest.is_empty() || rest == b"\r\n", "behind its end: {rest:?}");
    let data = String::from_utf8(data).unwrap();
    let events = data.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap_or(event));
    let value = |event: &str| {
        let mut value = serde_json::from_str(event).unwrap_or_else(|_| json!(event));
        value.as_object_mut().map(|object| object.remove("id"));
        value
    };
    (heads, events.map(value).collect(), is_over)
}

/// What is seen of an answer, which is the same however it is cut in two, and in single bytes.
fn seen_at_every_cut(answer: &str) -> (String, Vec<Value>, bool) {
    let bytes = answer.as_bytes();
    let whole = seen(&translated(&[bytes]).0);
    for cut in 0..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(seen(&translated(&[a, b]).0), whole, "{answer:?} cut at {cut}");
    }
    assert_eq!(seen(&translated(&bytes.chunks(1).collect::<Vec<_>>()).0), whole, "{answer:?}");
    whole
}

#[test]
fn lines_become_a_chunked_stream_of_events_however_they_were_framed() {
    for way in WAYS {
        let (head, events, is_over) = seen_at_every_cut(&message(NDJSON, &[HI, DONE], way));
        let expected =
            "HTTP/1.1 200 \r\nX-Own: kept\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!((head.as_str(), is_over), (expected, true), "{way:?}");
        let [role, word, finish, usage, end] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(role["choices"][0]["delta"], json!({ "role": "assistant" }));
        assert_eq!(word["choices"][0]["delta"], json!({ "content": "Hi" }));
        assert_eq!(finish["choices"][0]["finish_reason"], "stop");
        assert_eq!(usage["usage"]["total_tokens"], 5);
        assert_eq!(end, "[DONE]");
    }
}

#[test]
fn what_follows_the_last_line_is_dropped() {
    for way in WAYS {
        let bytes = message(NDJSON, &[HI, DONE, HI, "nonsense\n"], way);
        let (out, translation) = translated(&[bytes.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n"]);
        assert!(translation.is_over() && out.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), "{out}");
        assert_eq!(seen(&out), seen(&translated(&[message(NDJSON, &[HI, DONE], way).as_bytes()]).0));
    }
}

#[test]
fn an_answer_without_its_last_line_ends_in_an_error() {
    for way in WAYS {
        for (body, code) in [
            (&[HI][..], "upstream_incomplete"),
            (&[HI, &HI[..9]], "upstream_incomplete"),
            (&[], "upstream_incomplete"),
            (&[HI, "nonsense\n"], "upstream_protocol"),
        ] {
            let (head, events, is_over) = seen_at_every_cut(&message(NDJSON, body, way));
            assert!(head.starts_with("HTTP/1.1 200 ") && is_over, "{way:?} {body:?} {head}");
            assert_eq!(events.last().unwrap()["error"]["code"], code, "{way:?} {body:?}");
        }
    }
}

#[test]
fn a_connection_that_breaks_ends_nothing() {
    let whole = message(NDJSON, &[HI], Way::Chunked);
    let length = format!("{NDJSON}Content-Length: 1000\r\n\r\n{HI}");
    for cut_off in [&whole[..whole.len() - 5], &whole[..whole.len() - 20], &whole[..whole.find(HI).unwrap()], &length] {
        let (head, events, is_over) = seen_at_every_cut(cut_off);
        let has_failed = events.iter().any(|event| event.get("error").is_some());
        assert!(head.starts_with("HTTP/1.1 200 ") && !is_over && !has_failed, "{cut_off:?}");
        assert!(!translated(&[cut_off.as_bytes()]).1.is_over());
    }
    for cut_off in ["", "HTTP/1.1 2", NDJSON] {
        assert_eq!(translated(&[cut_off.as_bytes()]).0, cut_off, "a head alone passes");
    }
}

#[test]
fn a_line_over_the_limit_ends_the_answer() {
    let limits = Limits::default();
    let long = HI.replace("Hi", &"x".repeat(limits.line_bytes_max()));
    let (out, translation) = translated(&[message(NDJSON, &[HI, &long, DONE], Way::Chunked).as_bytes()]);
    assert!(translation.is_over());
    assert_eq!(seen(&out).1.last().unwrap()["error"]["code"], "upstream_protocol");
}

#[test]
fn a_refusal_keeps_its_head_and_tells_its_error_as_openai_does() {
    use Complaint::{Empty, Parser, ThinkLevel, Thinking, Tools};
    let refused = |status: &str, body: &str| (format!("HTTP/1.1 {status}\r\nX-Own: kept\r\n"), body.to_owned());
    for ((head, body), status, code, complaint) in [
        (refused("404 Not Found", r#"{"error":"model 'x' not found"}"#), 404, "model_not_found", None),
        (refused("400 Bad", r#"{"error":"m does not support tools"}"#), 400, "tools_unsupported", Some(Tools)),
        (
            refused("400 Bad", r#"{"error":"\"m\" does not support thinking"}"#),
            400,
            "thinking_unsupported",
            Some(Thinking),
        ),
        (
            refused("400 Bad", r#"{"error":"think value \"low\" is not supported for this model"}"#),
            400,
            "thinking_unsupported",
            Some(ThinkLevel),
        ),
        (refused("500 Error", r#"{"error":"XML syntax error on line 3"}"#), 502, "upstream_error", Some(Parser)),
        (refused("503 Busy", r#"{"error":"server busy"}"#), 503, "server_busy", None),
        (refused("403 Forbidden", ""), 502, "upstream_error", None),
        (refused("502 Bad Gateway", "<html></html>"), 502, "upstream_error", None),
        ((NDJSON.to_owned(), LOADED.to_owned()), 502, "upstream_empty", Some(Empty)),
    ] {
        for way in WAYS {
            let answer = message(&head, &[&body], way);
            let (head, events, is_over) = seen_at_every_cut(&answer);
            assert!(is_over && head.starts_with(&format!("HTTP/1.1 {status} \r\nX-Own: kept\r\n")), "{way:?} {head}");
            assert!(head.contains("\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: "), "{head}");
            let [error] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!(error["error"]["code"], code, "{body}");
            let (_, translation) = translated(&[answer.as_bytes()]);
            assert_eq!((translation.complaint(), translation.is_over()), (complaint, true), "{body}");
        }
    }
}

#[test]
fn a_model_that_was_loaded_after_it_spoke_has_answered() {
    let (head, events, is_over) = seen_at_every_cut(&message(NDJSON, &[HI, LOADED], Way::Chunked));
    assert!(head.starts_with("HTTP/1.1 200 ") && is_over);
    assert_eq!(events[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn of_a_refusal_so_much_is_read_and_no_more() {
    let long = "x".repeat(2 * REFUSAL_BYTES_MAX);
    let (out, translation) = translated(&[message("HTTP/1.1 400 Bad\r\n", &[&long], Way::Chunked).as_bytes()]);
    assert!(translation.is_over() && out.len() < 1_000, "{}", out.len());
}

#[test]
fn what_is_no_answer_in_lines_passes_as_it_came() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n", "x".repeat(HEAD_BYTES_MAX));
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        "\x00\x01 no HTTP at all\n\nhi",
        &long,
    ] {
        let (out, translation) = translated(&[answer.as_bytes()]);
        assert!(out == answer && !translation.is_over() && translation.complaint().is_none(), "{out:?}");
        for piece in [1, 3] {
            assert_eq!(translated(&answer.as_bytes().chunks(piece).collect::<Vec<_>>()).0, answer);
        }
    }
}

#[test]
fn informational_heads_go_before_the_answer_s() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let (out, translation) = translated(&[HINTS.as_bytes()]);
    assert!(out == HINTS && !translation.is_over());
    let (heads, events, is_over) = seen_at_every_cut(&format!("{HINTS}{}", message(NDJSON, &[HI, DONE], Way::Chunked)));
    assert!(heads.starts_with(&format!("{HINTS}HTTP/1.1 200 ")) && is_over && events.len() == 5, "{heads}");
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_answer(
        lines in prop::collection::vec(prop::sample::select(vec![HI, DONE, LOADED, "\r\n", "{\"error\":\"x\"}\n", "nonsense\n"]), 0..6),
        way in prop::sample::select(WAYS.to_vec()),
        status in prop::sample::select(vec![200, 400, 404, 500]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let answer = message(&format!("HTTP/1.1 {status} X\r\n"), &lines, way);
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(answer.len())).collect();
        at.extend([0, answer.len()]);
        at.sort_unstable();
        let pieces: Vec<_> = at.windows(2).map(|two| &answer.as_bytes()[two[0]..two[1]]).collect();
        let (cut, whole) = (translated(&pieces), translated(&[answer.as_bytes()]));
        prop_assert_eq!(seen(&cut.0), seen(&whole.0));
        prop_assert_eq!(cut.1.complaint(), whole.1.complaint());
    }

    #[test]
    fn no_bytes_are_too_odd(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        let mut all = vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice()];
        all.extend(pieces.iter().map(Vec::as_slice));
        translated(&all);
        translated(&all[1..]);
    }
}
