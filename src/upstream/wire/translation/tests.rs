use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::reader::Reader;
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

/// What comes of an answer, as whoever reads it sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    heads: Vec<String>,
    /// The data of events, without their ids.
    events: Vec<Value>,
    /// Whether it ends as it should.
    is_over: bool,
}

/// What comes of an answer that comes in these pieces, and what is known of it then.
fn translated(pieces: &[&[u8]]) -> (Seen, Translation) {
    let mut translation =
        Translation::new(Translating { usage: Usage::Asked, calls: Calls::All, limits: Limits::default() });
    let (mut reader, mut parts, mut out) = (Reader::new(), Vec::new(), Vec::new());
    let is_valid = pieces.iter().all(|piece| reader.push(piece, &mut parts).is_ok()) && reader.end(&mut parts).is_ok();
    parts.drain(..).for_each(|part| translation.push(part, &mut out));
    if !is_valid {
        translation.break_off(&mut out);
    }
    (seen(out), translation)
}

fn seen(parts: Vec<Part>) -> Seen {
    let (mut heads, mut data, mut is_over) = (Vec::new(), Vec::new(), false);
    for part in parts {
        assert!(!is_over, "behind its end: {part:?}");
        match part {
            Part::Head(head) => {
                let fields = head.headers.iter();
                let fields = fields.map(|(name, value)| format!("\n{name}: {}", value.to_str().unwrap()));
                heads.push(format!("{}{}", head.status.as_u16(), fields.collect::<String>()));
            }
            Part::Data(part) => data.extend_from_slice(&part),
            Part::End(_) => is_over = true,
        }
    }
    let data = String::from_utf8_lossy(&data);
    let events = data.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap_or(event));
    let value = |event: &str| {
        let mut value = serde_json::from_str(event).unwrap_or_else(|_| json!(event));
        value.as_object_mut().map(|object| object.remove("id"));
        value
    };
    Seen { heads, events: events.map(value).collect(), is_over }
}

/// What is seen of an answer, which is the same however it is cut in two, and in single bytes.
fn seen_at_every_cut(answer: &str) -> Seen {
    let bytes = answer.as_bytes();
    let whole = translated(&[bytes]).0;
    for cut in 0..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(translated(&[a, b]).0, whole, "{answer:?} cut at {cut}");
    }
    assert_eq!(translated(&bytes.chunks(1).collect::<Vec<_>>()).0, whole, "{answer:?}");
    whole
}

#[test]
fn lines_become_a_chunked_stream_of_events_however_they_were_framed() {
    for way in WAYS {
        let Seen { heads, events, is_over } = seen_at_every_cut(&message(NDJSON, &[HI, DONE], way));
        let expected = "200\nx-own: kept\ncontent-type: text/event-stream\ntransfer-encoding: chunked";
        assert_eq!((heads, is_over), (vec![expected.to_owned()], true), "{way:?}");
        let [role, word, finish, usage, end] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(role["choices"][0]["delta"], json!({ "role": "assistant" }));
        assert_eq!(word["choices"][0]["delta"], json!({ "content": "Hi" }));
        assert_eq!(finish["choices"][0]["finish_reason"], "stop");
        assert_eq!(usage["usage"]["total_tokens"], 5);
        assert_eq!(end, "[DONE]");
    }
}

#[test]
fn an_answer_of_http_1_0_becomes_one_that_may_be_chunked() {
    let (mut reader, mut parts, mut out) = (Reader::new(), Vec::new(), Vec::new());
    let answer = message(&NDJSON.replace("HTTP/1.1", "HTTP/1.0"), &[HI, DONE], Way::Close);
    reader.push(answer.as_bytes(), &mut parts).unwrap();
    let mut translation =
        Translation::new(Translating { usage: Usage::Asked, calls: Calls::All, limits: Limits::default() });
    parts.drain(..).for_each(|part| translation.push(part, &mut out));
    assert!(matches!(&out[0], Part::Head(head) if head.version == pingora::http::Version::HTTP_11), "{out:?}");
}

#[test]
fn what_follows_the_last_line_is_dropped() {
    for way in WAYS {
        let bytes = message(NDJSON, &[HI, DONE, HI, "nonsense\n"], way);
        let (more, translation) = translated(&[bytes.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n"]);
        assert!(translation.is_over());
        assert_eq!(more, translated(&[message(NDJSON, &[HI, DONE], way).as_bytes()]).0);
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
            let Seen { heads, events, is_over } = seen_at_every_cut(&message(NDJSON, body, way));
            assert!(heads[0].starts_with("200\n") && is_over, "{way:?} {body:?} {heads:?}");
            assert_eq!(events.last().unwrap()["error"]["code"], code, "{way:?} {body:?}");
        }
    }
}

#[test]
fn a_connection_that_breaks_ends_nothing() {
    let whole = message(NDJSON, &[HI], Way::Chunked);
    let length = format!("{NDJSON}Content-Length: 1000\r\n\r\n{HI}");
    for cut_off in [&whole[..whole.len() - 5], &whole[..whole.len() - 20], &whole[..whole.find(HI).unwrap()], &length] {
        let Seen { heads, events, is_over } = seen_at_every_cut(cut_off);
        let has_failed = events.iter().any(|event| event.get("error").is_some());
        assert!(heads[0].starts_with("200\n") && !is_over && !has_failed, "{cut_off:?}");
        assert!(!translated(&[cut_off.as_bytes()]).1.is_over());
    }
    for cut_off in ["", "HTTP/1.1 2", NDJSON] {
        assert_eq!(translated(&[cut_off.as_bytes()]).0.heads, Vec::<String>::new());
    }
}

#[test]
fn a_line_over_the_limit_ends_the_answer() {
    let limits = Limits::default();
    let long = HI.replace("Hi", &"x".repeat(limits.line_bytes_max()));
    let (seen, translation) = translated(&[message(NDJSON, &[HI, &long, DONE], Way::Chunked).as_bytes()]);
    assert!(translation.is_over());
    assert_eq!(seen.events.last().unwrap()["error"]["code"], "upstream_protocol");
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
            let Seen { heads, events, is_over } = seen_at_every_cut(&answer);
            let head = &heads[0];
            assert!(is_over && head.starts_with(&format!("{status}\nx-own: kept\n")), "{way:?} {head}");
            assert!(head.contains("\ncontent-type: application/json; charset=utf-8\ncontent-length: "), "{head}");
            let [error] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!(error["error"]["code"], code, "{body}");
            let (_, translation) = translated(&[answer.as_bytes()]);
            assert_eq!((translation.complaint(), translation.is_over()), (complaint, true), "{body}");
        }
    }
}

#[test]
fn a_model_that_was_loaded_after_it_spoke_has_answered() {
    let Seen { heads, events, is_over } = seen_at_every_cut(&message(NDJSON, &[HI, LOADED], Way::Chunked));
    assert!(heads[0].starts_with("200\n") && is_over);
    assert_eq!(events[2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn of_a_refusal_so_much_is_read_and_no_more() {
    let long = "x".repeat(2 * REFUSAL_BYTES_MAX);
    let (seen, translation) = translated(&[message("HTTP/1.1 400 Bad\r\n", &[&long], Way::Chunked).as_bytes()]);
    assert!(translation.is_over() && seen.events[0].to_string().len() < 1_000, "{seen:?}");
}

#[test]
fn what_is_no_answer_in_lines_passes_as_it_came() {
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let (mut reader, mut parts) = (Reader::new(), Vec::new());
        reader.push(answer.as_bytes(), &mut parts).unwrap();
        let (out, translation) = translated(&[answer.as_bytes()]);
        assert_eq!((out, translation.complaint()), (seen(parts), None), "{answer}");
        seen_at_every_cut(answer);
    }
}

#[test]
fn informational_heads_go_before_the_answer_s() {
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    assert_eq!(translated(&[HINTS.as_bytes()]).0.heads, ["103\nlink: </x>"]);
    let Seen { heads, events, is_over } =
        seen_at_every_cut(&format!("{HINTS}{}", message(NDJSON, &[HI, DONE], Way::Chunked)));
    assert!(heads[0].starts_with("103\n") && heads[1].starts_with("200\n") && heads.len() == 2, "{heads:?}");
    assert!(is_over && events.len() == 5, "{events:?}");
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
        prop_assert_eq!(cut.0, whole.0);
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
