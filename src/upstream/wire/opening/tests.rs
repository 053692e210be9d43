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

/// What is shown of `pieces`, if anything is.
fn shown(until: &Until, pieces: &[&[u8]]) -> Option<String> {
    let mut opening = Opening::new(until.clone(), Wordless::Shown);
    let mut shown = Vec::new();
    for piece in pieces {
        opening.push(piece);
        shown.extend(opening.take());
    }
    (opening.is_open() || opening.is_made()).then(|| String::from_utf8_lossy(&shown).into_owned())
}

/// An answer by its last head, the data of its body, and what of it is no body.
fn parts(answer: &str) -> (String, String, String) {
    let (mut head, mut rest) = (String::new(), answer);
    let framing = loop {
        let end = rest.find("\r\n\r\n").map(|at| at + 4).or_else(|| Some(rest.find("\n\n")? + 2));
        let (first, behind) = rest.split_at(end.unwrap_or(rest.len()));
        head.push_str(first);
        rest = behind;
        match Head::read(first.as_bytes()) {
            Head::Informational => {}
            Head::Plain(framing, _) => break framing,
            Head::Failed(_) | Head::Refused(_) | Head::Other => return (head, String::new(), rest.to_owned()),
        }
    };
    let (mut body, mut data, mut rest) = (Body::new(framing), Vec::new(), rest.as_bytes());
    while !rest.is_empty() && !body.is_over() {
        let (length, piece) = body.read(rest);
        match piece {
            Piece::Data(part) => data.extend_from_slice(part),
            Piece::Last | Piece::Broken => break,
            Piece::Frame => {}
        }
        rest = &rest[length..];
    }
    (head, String::from_utf8_lossy(&data).into_owned(), String::from_utf8_lossy(rest).into_owned())
}

/// Checks what is shown of `input`, however it is cut. Chunks are not counted.
fn check(until: &Until, input: &str, expected: Option<&str>) {
    let bytes = input.as_bytes();
    let expected = expected.map(parts);
    let shown = |pieces: &[&[u8]]| shown(until, pieces).as_deref().map(parts);
    assert_eq!(shown(&[bytes]), expected, "{input}");
    for at in 0..bytes.len() {
        let (before, after) = bytes.split_at(at);
        assert_eq!(shown(&[before, after]), expected, "{input} cut at {at}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(shown(&single), expected, "{input} byte by byte");
}

#[test]
fn what_is_no_plain_event_stream_is_shown_as_it_is() {
    let stream = "Content-Type: text/event-stream\r\n";
    for head in [
        format!("HTTP/1.1 503 Service Unavailable\r\n{stream}Transfer-Encoding: chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Transfer-Encoding: gzip, chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Content-Length: 4\r\nContent-Length: 5\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length : x\r\n\r\n".to_owned(),
    ] {
        for until in [SERVERS, GATEWAYS, Until::Known, whole()] {
            for answer in [head.clone(), format!("{head}4\r\nabcd\r\n")] {
                assert_eq!(shown(&until, &[answer.as_bytes()]).as_deref(), Some(answer.as_str()));
                check(&until, &answer, Some(&answer));
            }
        }
    }
    for head in ["Content-Type: application/json\r\nContent-Length: 9\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
        let body = if head.contains("chunked") { chunk("{\"a\": 1}") } else { "{\"a\": 1}".to_owned() };
        for until in [SERVERS, GATEWAYS, Until::Known, whole()] {
            check(&until, &format!("{head}{body}"), Some(&format!("{head}{body}")));
        }
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
            let mut opening = Opening::new(until, Wordless::Shown);
            opening.push(said.as_bytes());
            assert!(opening.is_events());
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
        // Framing that is none.
        format!("{HEAD}x"),
        format!("{HEAD}\r\n"),
        format!("{HEAD}123456789\r\n"),
        format!("{HEAD}{}!", chunk(ROLE).strip_suffix("\r\n").unwrap()),
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
    let mut opening = Opening::new(SERVERS, Wordless::Shown);
    opening.push(format!("{HEAD}{}", chunk(PING)).as_bytes());
    opening.comment();
    opening.push(chunks(&[PING, PING, WORD]).as_bytes());
    let shown = String::from_utf8(opening.take().to_vec()).unwrap();
    assert_eq!(parts(&shown).1, [PING, WORD].concat());
    let mut opening = Opening::new(PROGRESS, Wordless::Shown);
    opening.push(format!("{HEAD}{}", chunk(PREFILL)).as_bytes());
    assert_eq!(opening.progress(), Some(Progress { processed: 4, total: 9 }));
}

/// What llama-server b11669 sent for a prompt of 919 tokens on a slow machine.
#[test]
fn a_real_prefill_is_left_out() {
    let capture = include_str!("../../../../tests/captures/llamacpp-progress.sse");
    let chunks: String = capture.split_inclusive("\n\n").map(chunk).collect();
    let mut opening = Opening::new(GATEWAYS, Wordless::Shown);
    opening.push(format!("{HEAD}{chunks}").as_bytes());
    assert_eq!(opening.progress(), Some(Progress { processed: 919, total: 919 }));
    let shown = String::from_utf8(opening.take().to_vec()).unwrap();
    let (_, words) = chunks.rsplit_once("\"processed\":919").unwrap();
    let (_, words) = words.split_once("}}\n\n\r\n").unwrap();
    let data = |chunks: &str| parts(&format!("{HEAD}{chunks}")).1;
    assert_eq!(parts(&shown).1, data(words));
}

#[test]
fn no_more_is_held_than_may_be() {
    let ping = chunk(&format!(":{}\n\n", "x".repeat(1000)));
    let role = chunk(&format!(":{}\n\n{ROLE}", "x".repeat(1000)));
    let mut opening = Opening::new(GATEWAYS, Wordless::Shown);
    opening.push(HEAD.as_bytes());
    for _ in 0..1000 {
        opening.push(ping.as_bytes());
    }
    assert!(!opening.is_open() && opening.held() == HEAD.len());
    let mut opening = Opening::new(SERVERS, Wordless::Shown);
    opening.push(HEAD.as_bytes());
    let mut pushed = HEAD.len();
    while !opening.is_open() {
        opening.push(role.as_bytes());
        pushed += role.len();
        assert!(pushed <= HELD_BYTES_MAX + 2 * role.len());
    }
    assert_eq!(
        parts(std::str::from_utf8(&opening.take()).unwrap()).1.len(),
        (pushed - HEAD.len()) / role.len() * (role.len() - 7)
    );
    // A head without an end.
    let head = "HTTP/1.1 200 OK\r\n".to_owned() + &"x".repeat(2 * HELD_BYTES_MAX);
    assert_eq!(shown(&SERVERS, &[head.as_bytes()]).as_deref(), Some(head.as_str()));
    let pieces: Vec<_> = head.as_bytes().chunks(1000).collect();
    assert_eq!(shown(&SERVERS, &pieces).as_deref(), Some(head.as_str()));
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
            "HTTP/1.1 {status} \r\nX-Own: 1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
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
        let mut opening = Opening::new(whole(), Wordless::Shown);
        opening.push(came.as_bytes());
        (opening.end(), opening.failed().cloned(), opening.take().len() > 200)
    };
    let said = chunks(&[ROLE, WORD, FINISH]);
    assert_eq!(end(""), (End::Untouched, None, false));
    assert_eq!(end(&format!("{HEAD}{said}")), (End::Shown, None, true));
    assert_eq!(end(&format!("{CLOSE}{WORD}{FINISH}")), (End::Shown, None, true));
    for broken in [HEAD.to_owned(), HEAD[..9].to_owned(), format!("{HEAD}{}", chunk(WORD)), format!("{CLOSE}{WORD}")] {
        assert_eq!(end(&broken), (End::Broken, None, false), "{broken}");
    }
    let incomplete = Some(AssembleError::Incomplete);
    for cut in ["0\r\n\r\n", "!"] {
        let mut opening = Opening::new(whole(), Wordless::Shown);
        opening.push(format!("{HEAD}{}{cut}", chunk(WORD)).as_bytes());
        assert_eq!(opening.failed().cloned(), incomplete);
    }
    let mut opening = Opening::new(SERVERS, Wordless::Shown);
    opening.push(format!("{HEAD}{}", chunk(ROLE)).as_bytes());
    assert_eq!(opening.end(), End::Broken);
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
                    let shown = |pieces: &[&[u8]]| shown(&until, pieces).as_deref().map(parts);
                    prop_assert_eq!(shown(&[before, after]), shown(&[&input]));
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
            let shown = |pieces: &[&[u8]]| shown(&until, pieces).as_deref().map(super::parts);
            prop_assert_eq!(shown(&pieces), shown(&[input.as_bytes()]));
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
            let mut opening = Opening::new(PROGRESS, wordless);
            opening.push(answer.as_bytes());
            let failed = opening.failed().cloned();
            assert_eq!(failed, fails.then_some(AssembleError::Incomplete), "{wordless:?} {answer}");
            assert_eq!(opening.take().is_empty(), fails, "{answer}");
        }
    }
}

const FAILED: &str =
    "HTTP/1.1 500 Internal Server Error\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n";

/// How a refusal goes on, a byte at a time, where errors that tell the model's text are read.
fn refused(until: &Until, answer: &str) -> Option<String> {
    let mut opening = Opening::new(until.clone(), Wordless::Shown).with_told_text(ToldText::Read);
    answer.as_bytes().chunks(1).for_each(|byte| opening.push(byte));
    if !answer.contains("Content-Length") && !answer.contains("chunked") {
        assert_eq!(opening.end(), End::Shown);
    }
    let shown = opening.take();
    (opening.is_open() || opening.is_made()).then(|| String::from_utf8_lossy(&shown).into_owned())
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
            let shown = refused(&until, &answer).unwrap();
            let (head, data) = shown.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Server: llama.cpp"), "{head}");
            assert!(
                head.contains(&format!("Content-Type: {content_type}\r\nContent-Length: {}", data.len())),
                "{head}"
            );
            let told: serde_json::Value = serde_json::from_str(data.strip_prefix(before).unwrap()).unwrap();
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
        assert_eq!(refused(&SERVERS, &answer), Some(answer.clone()));
        let closed = format!("{head}\r\n{body}");
        assert_eq!(refused(&SERVERS, &closed), Some(closed.clone()));
    }
    // Nor is one held where nobody reads what it tells.
    let answer = format!("{FAILED}Content-Length: {}\r\n\r\n{text}", text.len());
    check(&SERVERS, &answer, Some(&answer));
    check(&SERVERS, &format!("{FAILED}\r\n"), Some(&format!("{FAILED}\r\n")));
}
