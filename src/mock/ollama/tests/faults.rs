//! What goes wrong by the script.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{chat, error, lines, start, status, told, until, value};
use crate::mock::tests::{body, chunks, get};

const FAULTS: &str = r#"
answers:
  - { when: { marker: busy }, error: { status: 503, message: "server busy, please try again.  maximum pending requests exceeded" } }
  - { when: { marker: parse }, error: { status: 500, message: "error parsing tool call: raw='x', err=invalid" } }
  - { when: { marker: forbidden }, error: { status: 403, message: "" } }
  - { when: { marker: late }, text: one two, error: { status: 500, message: fell over, after: 1 } }
  - { when: { marker: first }, error: { status: 500, message: fell over, after: 0 } }
  - { when: { marker: no-done }, text: one two, odd: [no-done] }
  - { when: { marker: die }, text: one two, die_after: 1 }
  - { when: { marker: blank }, text: one, odd: [blank-lines] }
  - { when: { marker: crlf }, text: one, odd: [crlf, blank-lines] }
  - { when: { marker: silent }, text: one, silent_ms: 3600000 }
  - { when: { marker: raw }, lines: ['{"error parsing tool call":"x"}', "<html>", '{"a":1}'] }
"#;

#[test]
fn errors_come_before_the_first_line_or_among_them() {
    let mock = start(FAULTS);
    for (marker, code, message) in [
        ("busy", 503, "server busy, please try again.  maximum pending requests exceeded"),
        ("parse", 500, "error parsing tool call: raw='x', err=invalid"),
    ] {
        for fields in ["", r#","stream":false"#] {
            let reply = chat(&mock, &format!("[[{marker}]]"), fields);
            assert_eq!((status(&reply), error(&reply).as_str()), (code, message));
        }
    }
    let reply = chat(&mock, "[[forbidden]]", "");
    assert_eq!((status(&reply), body(&reply)), (403, ""));
    let fell = json!({ "error": "fell over" });
    assert_eq!(told(&chat(&mock, "[[late]]", "")), [json!({ "content": "one" }), fell.clone()]);
    assert_eq!(told(&chat(&mock, "[[first]]", "")), [fell]);
    let whole = chat(&mock, "[[late]]", r#","stream":false"#);
    assert_eq!((status(&whole), error(&whole).as_str()), (500, "fell over"));
    assert_eq!(error(&chat(&mock, "nothing", "")), "the script has no answer for this conversation");
    mock.stop();
}

#[test]
fn an_end_may_be_missing() {
    let mock = start(FAULTS);
    // Cleanly: the body ends as it should.
    assert_eq!(told(&chat(&mock, "[[no-done]]", "")), [json!({ "content": "one" }), json!({ "content": " two" })]);
    let whole = value(body(&chat(&mock, "[[no-done]]", r#","stream":false"#)));
    assert_eq!((&whole["message"]["content"], &whole["done"]), (&json!("one two"), &json!(false)));
    // Or the connection drops.
    let dead = chat(&mock, "[[die]]", "");
    assert!(!dead.ends_with("0\r\n\r\n") && chunks(&dead).len() == 1, "{dead}");
    let dead = chat(&mock, "[[die]]", r#","stream":false"#);
    assert!(serde_json::from_str::<serde_json::Value>(body(&dead)).is_err(), "{dead}");
    mock.stop();
}

#[test]
fn lines_may_be_odd() {
    let mock = start(FAULTS);
    let blank = lines(&chat(&mock, "[[blank]]", ""));
    assert_eq!((blank.len(), blank[0].as_str(), blank[2].as_str()), (4, "", ""));
    let crlf = lines(&chat(&mock, "[[crlf]]", ""));
    assert!(crlf[0] == "\r" && crlf.iter().all(|line| line.ends_with('\r')), "{crlf:?}");
    assert_eq!(lines(&chat(&mock, "[[raw]]", "")), [r#"{"error parsing tool call":"x"}"#, "<html>", r#"{"a":1}"#]);
    assert_eq!(body(&chat(&mock, "[[raw]]", r#","stream":false"#)), r#"{"a":1}"#);
    mock.stop();
}

#[test]
fn no_byte_comes_while_it_is_silent_and_who_leaves_frees_the_slot() {
    let mock = start(&format!("slots: 1\n{FAULTS}"));
    let body = r#"{"model":"m","messages":[{"role":"user","content":"[[silent]]"}]}"#;
    let mut client = TcpStream::connect(mock.addr()).unwrap();
    write!(client, "POST /api/chat HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    until(|| mock.heard().len() == 1);
    // By the time that these are answered, it would have been.
    for _ in 0..20 {
        get(&mock, "/");
    }
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(client);
    assert_eq!(told(&chat(&mock, "[[late]]", "")).len(), 2);
    mock.stop();
}
