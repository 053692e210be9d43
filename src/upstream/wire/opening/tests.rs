use super::super::reader::Reader;
use super::*;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const PING: &str = ":\n\n";
const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n";
const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const PREFILL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"prompt_progress\":{\"total\":9,\"cache\":1,\"processed\":4,\"time_ms\":7}}\n\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn chunks(data: &[&str]) -> String {
    data.iter().map(|data| chunk(data)).collect()
}

const SERVERS: Until = Until::Spoken(Asker::Client, Comments::Servers);
const PROGRESS: Until = Until::Spoken(Asker::Gateway, Comments::Servers);
const GATEWAYS: Until = Until::Spoken(Asker::Gateway, Comments::Gateways);

/// What has come of an answer, or is shown of it: heads, data, and how it ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<String>,
    bytes: Vec<u8>,
    end: Option<Ending>,
}

impl Seen {
    fn data(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    fn see(&mut self, parts: impl IntoIterator<Item = Part>) {
        for part in parts {
            match part {
                Part::Head(head) => {
                    let fields = head.headers.iter();
                    let fields = fields.map(|(name, value)| format!("\n{name}: {}", value.to_str().unwrap()));
                    self.heads.push(format!("{}{}", head.status.as_u16(), fields.collect::<String>()));
                }
                Part::Data(data) => self.bytes.extend_from_slice(&data),
                Part::End(ending) => self.end = Some(ending),
            }
        }
    }
}

/// Reads an answer that comes in these pieces. Whether it was valid so far.
fn read(pieces: &[&[u8]], mut took: impl FnMut(&mut Vec<Part>)) -> bool {
    let mut reader = Reader::new();
    let mut parts = Vec::new();
    for piece in pieces {
        let is_valid = reader.push(piece, &mut parts).is_ok();
        took(&mut parts);
        if !is_valid {
            return false;
        }
    }
    true
}

/// What comes of an answer.
fn came(answer: &str) -> Seen {
    let mut seen = Seen::default();
    read(&[answer.as_bytes()], |parts| seen.see(parts.drain(..)));
    seen
}

/// An answer that is held, whose pieces have come, and what is shown of it.
fn held(mut opening: Opening, pieces: &[&[u8]]) -> (Opening, Seen) {
    let mut seen = Seen::default();
    read(pieces, |parts| {
        let mut shown = Vec::new();
        parts.drain(..).for_each(|part| opening.push(part, &mut shown));
        seen.see(shown);
    });
    (opening, seen)
}

/// What is shown of an answer, if anything is but informational heads.
fn shown(until: &Until, pieces: &[&[u8]]) -> Option<Seen> {
    let (opening, seen) = held(Opening::new(until.clone(), Wordless::Shown), pieces);
    (opening.is_open() || opening.is_made()).then_some(seen)
}

/// Checks what is shown of `input`, however it is cut.
fn check(until: &Until, input: &str, expected: Option<&str>) {
    let bytes = input.as_bytes();
    let expected = expected.map(came);
    assert_eq!(shown(until, &[bytes]), expected, "{input}");
    for at in 0..bytes.len() {
        let (before, after) = bytes.split_at(at);
        assert_eq!(shown(until, &[before, after]), expected, "{input} cut at {at}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(shown(until, &single), expected, "{input} byte by byte");
}

/// What is shown of one that came whole.
fn opened(opening: Opening, answer: &str) -> (Opening, Seen) {
    held(opening, &[answer.as_bytes()])
}

#[test]
fn what_is_no_plain_event_stream_is_shown_as_it_is() {
    let stream = "Content-Type: text/event-stream\r\n";
    for head in [
        format!("HTTP/1.1 503 Service Unavailable\r\n{stream}Transfer-Encoding: chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        for until in [SERVERS, GATEWAYS, Until::Known, whole()] {
            for answer in [head.clone(), format!("{head}4\r\nabcd\r\n")] {
                check(&until, &answer, Some(&answer));
            }
        }
    }
    for head in ["Content-Type: application/json\r\nContent-Length: 8\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
        let body = if head.contains("chunked") { chunk("{\"a\": 1}") } else { "{\"a\": 1}".to_owned() };
        for until in [SERVERS, GATEWAYS, Until::Known, whole()] {
            check(&until, &format!("{head}{body}"), Some(&format!("{head}{body}")));
        }
    }
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for until in [SERVERS, GATEWAYS, Until::Known, whole()] {
        check(&until, empty, Some(empty));
    }
}

#[test]
fn a_stream_under_another_type_is_known_by_its_first_bytes() {
    for head in [
        HEAD.replace("text/event-stream", "application/json"),
        HEAD.replace("text/event-stream", "text/plain"),
        HEAD.replace("Content-Type: text/event-stream; charset=utf-8\r\n", ""),
        CLOSE.replace("text/event-stream", "text/plain"),
    ] {
        let frame = |data: &str| if head.contains("chunked") { chunk(data) } else { data.to_owned() };
        check(&SERVERS, &format!("{head}{}{}", frame(PING), frame(ROLE)), None);
        let said = format!("{head}{}{}", frame(ROLE), frame(WORD));
        for until in [SERVERS, Until::Known] {
            check(&until, &said, Some(&said));
            assert!(opened(Opening::new(until, Wordless::Shown), &said).0.is_events());
        }
    }
    check(&Until::Known, HEAD, Some(HEAD));
}

#[test]
fn nothing_is_shown_before_the_first_word() {
    for head in [HEAD, &HEAD.replace("\r\n", "\n"), &format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{HEAD}")] {
        let silent = [
            String::new(),
            chunk(PING),
            chunk(ROLE),
            chunk(&format!("{ROLE}{PING}")),
            // An event in two chunks.
            format!("{}{}", chunk(&ROLE[..9]), chunk(&ROLE[9..])),
            chunk(&WORD[..WORD.len() - 1]),
        ];
        for silent in silent {
            check(&SERVERS, &format!("{head}{silent}"), None);
        }
    }
    check(&SERVERS, &HEAD[..HEAD.len() - 1], None);
    check(&SERVERS, &format!("{CLOSE}{PING}{ROLE}{}", &WORD[..9]), None);
    check(&PROGRESS, &format!("{HEAD}{}", chunks(&[PREFILL, PING, PREFILL])), None);
}

#[test]
fn the_first_word_shows_all_that_came() {
    let table = [
        format!("{HEAD}{}", chunks(&[ROLE, WORD])),
        format!("{HEAD}{}", chunk(&format!("{ROLE}{WORD}"))),
        format!("{HEAD}{}7\r\nda", chunk(WORD)),
        format!("{HEAD}{:X} ; x=y\r\n{WORD}\r\n", WORD.len()),
        format!("{HEAD}{}{}", chunk(&WORD[..9]), chunk(&WORD[9..])),
        format!("{HEAD}ffff\r\n{WORD}"),
        format!("{HEAD}{}0\r\n\r\n", chunk(ROLE)),
        format!("{HEAD}0\r\n\r\n"),
        format!("{HEAD}{}", chunk("data: [DONE]\n\n")),
        format!("{HEAD}{}", chunk("data: {\"error\":{}}\n\n")),
        format!("{HEAD}{}", chunk(PREFILL)),
        format!("{CLOSE}{PING}{ROLE}{WORD}{WORD}"),
        format!("HTTP/1.1 100 Continue\r\n\r\n{HEAD}{}", chunk(WORD)),
    ];
    for answer in table {
        check(&SERVERS, &answer, Some(&answer));
    }
}

#[test]
fn progress_and_comments_that_are_said_already_are_left_out() {
    let retry = "retry: 5\n\n";
    let cut = [&PREFILL[..9], &PREFILL[9..], PING, WORD];
    let table: [(&Until, &[&str], &[&str]); 8] = [
        (&GATEWAYS, &[PING, PREFILL, WORD], &[WORD]),
        (&GATEWAYS, &[PREFILL, ROLE, PING, PREFILL, WORD, PING], &[ROLE, WORD, PING]),
        (&GATEWAYS, &[&[PREFILL, PING, ROLE, PREFILL].concat(), WORD], &[ROLE, WORD]),
        (&GATEWAYS, &[retry, WORD], &[retry, WORD]),
        (&GATEWAYS, &cut, &[WORD]),
        (&PROGRESS, &[&[PREFILL, PING].concat(), PREFILL, WORD, PING], &[PING, WORD, PING]),
        (&PROGRESS, &cut, &[PING, WORD]),
        (&SERVERS, &[PING, ROLE, PING, PREFILL], &[PING, ROLE, PING, PREFILL]),
    ];
    for (until, came, shown) in table {
        let (came, shown) = (chunks(came), chunks(shown));
        check(until, &format!("{HEAD}{came}"), Some(&format!("{HEAD}{shown}")));
    }
    // From the gateway's first comment on.
    let (mut opening, _) = opened(Opening::new(SERVERS, Wordless::Shown), &format!("{HEAD}{}", chunk(PING)));
    opening.comment();
    let mut shown = Vec::new();
    for event in [PING, PING, WORD] {
        opening.push(Part::Data(event.into()), &mut shown);
    }
    let mut seen = Seen::default();
    seen.see(shown);
    assert_eq!(seen.data(), [PING, WORD].concat());
    let (opening, _) = opened(Opening::new(PROGRESS, Wordless::Shown), &format!("{HEAD}{}", chunk(PREFILL)));
    assert_eq!(opening.progress(), Some(Progress { processed: 4, total: 9 }));
}

/// What llama-server b11669 sent for a prompt of 919 tokens on a slow machine.
#[test]
fn a_real_prefill_is_left_out() {
    let capture = include_str!("../../../../tests/captures/llamacpp-progress.sse");
    let chunks: String = capture.split_inclusive("\n\n").map(chunk).collect();
    let (opening, seen) = opened(Opening::new(GATEWAYS, Wordless::Shown), &format!("{HEAD}{chunks}"));
    assert_eq!(opening.progress(), Some(Progress { processed: 919, total: 919 }));
    let (_, words) = capture.rsplit_once("\"processed\":919").unwrap();
    let (_, words) = words.split_once("}}\n\n").unwrap();
    assert_eq!(seen.data(), words);
}

#[test]
fn no_more_is_held_than_may_be() {
    let long = format!(":{}\n\n", "x".repeat(1000));
    let (mut opening, _) = opened(Opening::new(GATEWAYS, Wordless::Shown), HEAD);
    let mut shown = Vec::new();
    for _ in 0..1000 {
        opening.push(Part::Data(long.clone().into()), &mut shown);
    }
    assert!(shown.is_empty() && opening.held() == 0);
    let (mut opening, _) = opened(Opening::new(SERVERS, Wordless::Shown), HEAD);
    let mut pushed = 0;
    while !opening.is_open() {
        opening.push(Part::Data(long.clone().into()), &mut shown);
        pushed += long.len();
        assert!(pushed <= HELD_BYTES_MAX + 2 * long.len());
    }
    let mut seen = Seen::default();
    seen.see(shown);
    assert_eq!(seen.data().len(), pushed);
}

fn whole() -> Until {
    Until::Whole { choices: 1, limits: Limits::default() }
}

const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn a_whole_answer_takes_the_place_of_a_stream() {
    let head = HEAD.replace("\r\n\r\n", "\r\nX-Accel-Buffering: no\r\nX-Own: 1\r\n\r\n");
    let body = r#"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"a","role":"assistant"}}],"object":"chat.completion"}"#;
    let error = r#"{"error":{"message":"slow","type":"rate_limit_error","param":null,"code":429}}"#;
    let answer = |status: u16, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status} OK\r\nX-Own: 1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let told = format!("data: {error}\n\n");
    for (came, expected) in [
        (chunks(&[PING, ROLE, WORD, FINISH, DONE]), answer(200, body)),
        (chunks(&[ROLE, WORD, FINISH, DONE]) + "0\r\n\r\n", answer(200, body)),
        (chunks(&[ROLE, WORD, FINISH]) + "0\r\n\r\n", answer(200, body)),
        (chunks(&[&told]), answer(429, error)),
        (chunks(&[ROLE, WORD, &told]), answer(429, error)),
    ] {
        let input = format!("HTTP/1.1 103 Early Hints\r\n\r\n{head}{came}");
        check(&whole(), &input, Some(&format!("HTTP/1.1 103 Early Hints\r\n\r\n{expected}")));
    }
    let came = format!("{}{WORD}{FINISH}{DONE}", CLOSE.replace("text/event-stream\r\n", "x\r\nX-Own: 1\r\n"));
    check(&whole(), &came, Some(&answer(200, body)));
}

#[test]
fn an_end_makes_an_answer_whole_or_leaves_it_broken() {
    let end = |came: &str| {
        let (mut opening, mut seen) = opened(Opening::new(whole(), Wordless::Shown), came);
        let mut shown = Vec::new();
        opening.break_off(&mut shown);
        let is_shown = opening.is_open() || opening.is_made() && opening.failed().is_none() && !shown.is_empty();
        seen.see(shown);
        (is_shown, opening.failed().cloned(), seen.data().len() > 100)
    };
    let said = chunks(&[ROLE, WORD, FINISH]);
    assert_eq!(end(&format!("{HEAD}{said}")), (true, None, true));
    assert_eq!(end(&format!("{CLOSE}{WORD}{FINISH}")), (true, None, true));
    let cut = format!("{HEAD}{}", chunk(WORD));
    for broken in ["", HEAD, &HEAD[..9], &cut, &format!("{CLOSE}{WORD}")] {
        assert_eq!(end(broken), (false, None, false), "{broken}");
    }
    let (opening, _) = opened(Opening::new(whole(), Wordless::Shown), &format!("{cut}0\r\n\r\n"));
    assert_eq!(opening.failed(), Some(&AssembleError::Incomplete));
    let (mut opening, _) = opened(Opening::new(SERVERS, Wordless::Shown), &format!("{HEAD}{}", chunk(ROLE)));
    let mut shown = Vec::new();
    opening.break_off(&mut shown);
    assert!(shown.is_empty() && !opening.is_open());
}

#[test]
fn a_stream_whose_end_is_its_connections_is_shown_once_it_spoke() {
    for (said, is_shown) in [(ROLE, false), (WORD, true), (DONE, true)] {
        let (mut opening, mut seen) = opened(Opening::new(SERVERS, Wordless::Shown), &format!("{CLOSE}{said}"));
        let mut shown = Vec::new();
        opening.push(Part::End(Ending::Closed), &mut shown);
        seen.see(shown);
        assert_eq!(seen.end.is_some() && seen.data() == said, is_shown, "{said}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = String> {
        let events =
            [PING, ROLE, WORD, PREFILL, "data: [DONE]\n\n", "data: x\r\n\r\n", "retry: 1\n\n", "da", "ta: 1\n"];
        let event = proptest::sample::select(events.to_vec());
        let framing = ["0\r\n\r\n", "5\r\n", "\r\n", HEAD, CLOSE, "HTTP/1.1 100 Continue\r\n\r\n", "zz"];
        prop_oneof![
            6 => proptest::collection::vec(event, 1..4).prop_map(|events| chunk(&events.concat())),
            1 => proptest::sample::select(framing.to_vec()).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in any::<Vec<u8>>(), at in any::<proptest::sample::Index>()) {
            for head in ["", HEAD, CLOSE] {
                let input = [head.as_bytes(), &bytes].concat();
                let (before, after) = input.split_at(at.index(input.len() + 1));
                for until in [PROGRESS, GATEWAYS, Until::Known, whole()] {
                    prop_assert_eq!(shown(&until, &[before, after]), shown(&until, &[&input]));
                }
            }
        }

        #[test]
        fn cuts_change_nothing(
            parts in proptest::collection::vec(part(), 0..8),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
            until in proptest::sample::select(vec![SERVERS, PROGRESS, GATEWAYS, Until::Known, whole()]),
        ) {
            let input = format!("{HEAD}{}", parts.concat());
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([input.len()]) {
                pieces.push(&input.as_bytes()[from..cut]);
                from = cut;
            }
            prop_assert_eq!(shown(&until, &pieces), shown(&until, &[input.as_bytes()]));
        }
    }
}

#[test]
fn a_stream_that_ends_without_a_word_has_failed_where_a_model_may_have_died() {
    const DIED: &str = "\n\nproxy error: Failed to read connection";
    let close = CLOSE.replace("\r\n\r\n", &format!("\r\nContent-Length: {}\r\n\r\n", ROLE.len()));
    for (answer, is_wordless) in [
        (format!("{HEAD}{}0\r\n\r\n", chunks(&[ROLE])), true),
        (format!("{HEAD}{}0\r\n\r\n", chunks(&[ROLE, DIED])), true),
        (format!("{HEAD}{}0\r\n\r\n", chunks(&[PING, PREFILL])), true),
        (format!("{HEAD}0\r\n\r\n"), true),
        (format!("{close}{ROLE}"), true),
        (format!("{HEAD}{}0\r\n\r\n", chunks(&[ROLE, WORD])), false),
        (format!("{HEAD}{}0\r\n\r\n", chunks(&["data: [DONE]\n\n"])), false),
    ] {
        for (wordless, fails) in [(Wordless::Failed, is_wordless), (Wordless::Shown, false)] {
            let (opening, seen) = opened(Opening::new(PROGRESS, wordless), &answer);
            let failed = opening.failed().cloned();
            assert_eq!(failed, fails.then_some(AssembleError::Incomplete), "{wordless:?} {answer}");
            assert_eq!(seen.heads.is_empty(), fails, "{answer}");
        }
    }
}

const FAILED: &str =
    "HTTP/1.1 500 Internal Server Error\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n";

/// How a refusal goes on, a byte at a time, where errors that tell the model's text are read.
fn refused(until: &Until, answer: &str) -> Option<Seen> {
    let opening = Opening::new(until.clone(), Wordless::Shown).with_told_text(ToldText::Read);
    let (mut opening, mut seen) = held(opening, &answer.as_bytes().chunks(1).collect::<Vec<_>>());
    if !answer.contains("Content-Length") && !answer.contains("chunked") {
        let mut shown = Vec::new();
        opening.push(Part::End(Ending::Closed), &mut shown);
        seen.see(shown);
    }
    (opening.is_open() || opening.is_made()).then_some(seen)
}

#[test]
fn a_refusal_that_tells_the_models_text_is_an_answer() {
    let body = r#"{"error":{"code":500,"message":"Failed to parse input at pos 0: a"}}"#;
    let framed = [
        format!("{FAILED}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{FAILED}Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n", chunk(&body[..9]), chunk(&body[9..])),
        format!("{FAILED}\r\n{body}"),
    ];
    for answer in framed {
        for (until, content_type, before, object) in [
            (SERVERS, "text/event-stream", "data: ", "chat.completion.chunk"),
            (Until::Known, "application/json; charset=utf-8", "", "chat.completion"),
            (whole(), "application/json; charset=utf-8", "", "chat.completion"),
        ] {
            let seen = refused(&until, &answer).unwrap();
            let (head, length) = (&seen.heads[0], seen.data().len());
            assert!(head.starts_with("200\n") && head.contains("\nserver: llama.cpp"), "{head}");
            assert!(head.ends_with(&format!("\ncontent-type: {content_type}\ncontent-length: {length}")), "{head}");
            let told: serde_json::Value = serde_json::from_str(seen.data().strip_prefix(before).unwrap()).unwrap();
            assert_eq!(
                (&told["error"]["message"], &told["object"]),
                (&"Failed to parse input at pos 0: a".into(), &object.into())
            );
        }
    }
}

#[test]
fn any_other_refusal_goes_on_as_it_came() {
    let text = r#"{"error":{"message":"Failed to parse input at pos 0: a"}}"#;
    let long = format!(r#"{{"error":{{"message":"Failed to parse input at pos 0: {}"}}}}"#, "a".repeat(HELD_BYTES_MAX));
    for (head, body) in [
        (FAILED.to_owned(), r#"{"error":{"message":"the model has died"}}"#),
        (FAILED.to_owned(), "no JSON"),
        (FAILED.replace("500", "400"), text),
        (FAILED.replace("json", "xml"), text),
        (format!("{FAILED}Content-Encoding: gzip\r\n"), text),
        (FAILED.to_owned(), &long),
    ] {
        let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(refused(&SERVERS, &answer), Some(came(&answer)));
        let closed = format!("{head}\r\n{body}");
        let expected = Seen { end: Some(Ending::Closed), ..came(&closed) };
        assert_eq!(refused(&SERVERS, &closed), Some(expected));
    }
    // Nor is one held where nobody reads what it tells.
    let answer = format!("{FAILED}Content-Length: {}\r\n\r\n{text}", text.len());
    check(&SERVERS, &answer, Some(&answer));
    check(&SERVERS, &format!("{FAILED}\r\n"), Some(&format!("{FAILED}\r\n")));
}
