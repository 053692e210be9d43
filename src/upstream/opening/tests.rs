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

/// What is shown of `pieces`, if anything is.
fn shown(asked: Asked, pieces: &[&[u8]]) -> Option<String> {
    let mut opening = Opening::new(asked);
    let mut shown = Vec::new();
    let mut is_open = false;
    for piece in pieces {
        if is_open {
            shown.extend_from_slice(piece);
        } else {
            opening.push(piece);
            is_open = opening.is_open();
            if is_open {
                shown.extend(opening.take());
            }
        }
    }
    is_open.then(|| String::from_utf8_lossy(&shown).into_owned())
}

/// Checks what is shown of `input`, however it is cut.
fn check(asked: Asked, input: &str, expected: Option<&str>) {
    let bytes = input.as_bytes();
    assert_eq!(shown(asked, &[bytes]).as_deref(), expected, "{input}");
    for at in 0..bytes.len() {
        let (before, after) = bytes.split_at(at);
        assert_eq!(shown(asked, &[before, after]).as_deref(), expected, "{input} cut at {at}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(shown(asked, &single).as_deref(), expected, "{input} byte by byte");
}

#[test]
fn what_is_no_plain_event_stream_is_shown_at_once() {
    let stream = "Content-Type: text/event-stream\r\n";
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n".to_owned(),
        format!("HTTP/1.1 503 Service Unavailable\r\n{stream}Transfer-Encoding: chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Content-Length: 100\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{stream}Transfer-Encoding: gzip, chunked\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length : x\r\n\r\n".to_owned(),
    ] {
        check(Asked::Gateway, &head, Some(&head));
        let answer = head + "4\r\nabcd\r\n";
        check(Asked::Gateway, &answer, Some(&answer));
    }
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
            check(Asked::Client, &format!("{head}{silent}"), None);
        }
    }
    check(Asked::Client, &HEAD[..HEAD.len() - 1], None);
    check(Asked::Client, &format!("{CLOSE}{PING}{ROLE}{}", &WORD[..9]), None);
    check(Asked::Gateway, &format!("{HEAD}{}", chunks(&[PREFILL, PING, PREFILL])), None);
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
        check(Asked::Client, &answer, Some(&answer));
    }
}

#[test]
fn whole_chunks_of_comments_and_progress_are_left_out() {
    let retry = "retry: 5\n\n";
    let table: [(&[&str], &[&str]); 6] = [
        (&[PING, PREFILL, WORD], &[WORD]),
        (&[PREFILL, ROLE, PING, PREFILL, WORD, PING], &[ROLE, WORD, PING]),
        (&[&[PREFILL, PING, PREFILL].concat(), WORD], &[WORD]),
        (&[retry, WORD], &[retry, WORD]),
        (&[&ROLE[..9], &ROLE[9..], WORD], &[&ROLE[..9], &ROLE[9..], WORD]),
        (&[&PREFILL[..9], &PREFILL[9..], PING, WORD], &[&PREFILL[..9], &PREFILL[9..], WORD]),
    ];
    for (came, shown) in table {
        let (came, shown) = (chunks(came), chunks(shown));
        check(Asked::Gateway, &format!("{HEAD}{came}"), Some(&format!("{HEAD}{shown}")));
    }
    let mut opening = Opening::new(Asked::Gateway);
    opening.push(format!("{HEAD}{}", chunk(PREFILL)).as_bytes());
    assert_eq!(opening.progress(), Some(Progress { processed: 4, total: 9 }));
}

/// What llama-server b11669 sent for a prompt of 919 tokens on a slow machine.
#[test]
fn a_real_prefill_is_left_out() {
    let capture = include_str!("../../../tests/captures/llamacpp-progress.sse");
    let chunks: String = capture.split_inclusive("\n\n").map(chunk).collect();
    let mut opening = Opening::new(Asked::Gateway);
    opening.push(format!("{HEAD}{chunks}").as_bytes());
    assert_eq!(opening.progress(), Some(Progress { processed: 919, total: 919 }));
    let shown = String::from_utf8(opening.take().to_vec()).unwrap();
    let (_, words) = chunks.rsplit_once("\"processed\":919").unwrap();
    let (_, words) = words.split_once("}}\n\n\r\n").unwrap();
    assert_eq!(shown, format!("{HEAD}{words}"));
}

#[test]
fn no_more_is_held_than_may_be() {
    let ping = chunk(&format!(":{}\n\n", "x".repeat(1000)));
    let role = chunk(&format!(":{}\n\n{ROLE}", "x".repeat(1000)));
    let mut opening = Opening::new(Asked::Client);
    opening.push(HEAD.as_bytes());
    for _ in 0..1000 {
        opening.push(ping.as_bytes());
    }
    assert!(!opening.is_open() && opening.held.len() == HEAD.len());
    let mut pushed = HEAD.len();
    while !opening.is_open() {
        opening.push(role.as_bytes());
        pushed += role.len();
        assert!(pushed <= HELD_BYTES_MAX + role.len());
    }
    assert_eq!(opening.take().len(), pushed);
    // A head without an end.
    let head = "HTTP/1.1 200 OK\r\n".to_owned() + &"x".repeat(2 * HELD_BYTES_MAX);
    assert_eq!(shown(Asked::Client, &[head.as_bytes()]).as_deref(), Some(head.as_str()));
    let pieces: Vec<_> = head.as_bytes().chunks(1000).collect();
    assert_eq!(shown(Asked::Client, &pieces).as_deref(), Some(head.as_str()));
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
                prop_assert_eq!(shown(Asked::Gateway, &[before, after]), shown(Asked::Gateway, &[&input]));
            }
        }

        #[test]
        fn cuts_change_nothing(
            parts in proptest::collection::vec(part(), 0..8),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
            asked in proptest::sample::select(vec![Asked::Client, Asked::Gateway]),
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
            prop_assert_eq!(shown(asked, &pieces), shown(asked, &[input.as_bytes()]));
        }
    }
}
