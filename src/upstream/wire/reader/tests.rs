use super::*;

/// What is read of an answer: each head, the data, and how it ends; `None` when it is none.
fn read(pieces: &[&[u8]], is_closed: bool) -> Option<(Vec<String>, String, Option<Ending>)> {
    let (mut reader, mut parts) = (Reader::new(), Vec::new());
    pieces.iter().try_for_each(|piece| reader.push(piece, &mut parts)).ok()?;
    if is_closed {
        reader.end(&mut parts).ok()?;
    }
    let (mut heads, mut data, mut end) = (Vec::new(), Vec::new(), None);
    for part in parts {
        assert!(end.is_none());
        match part {
            Part::Head(head) => {
                let reason = head.get_reason_phrase().unwrap_or_default();
                let fields = head.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
                heads.push(format!("{} {reason} {}", head.status.as_u16(), fields.collect::<Vec<_>>().join(" ")));
            }
            Part::Data(part) => {
                assert!(!part.is_empty());
                data.extend_from_slice(&part);
            }
            Part::End(ending) => end = Some(ending),
        }
    }
    Some((heads, String::from_utf8_lossy(&data).into_owned(), end))
}

/// The same, however it is cut.
fn read_at_every_cut(answer: &str, is_closed: bool) -> Option<(Vec<String>, String, Option<Ending>)> {
    let bytes = answer.as_bytes();
    let whole = read(&[bytes], is_closed);
    for at in 0..bytes.len() {
        let (before, after) = bytes.split_at(at);
        assert_eq!(read(&[before, after], is_closed), whole, "{answer:?} cut at {at}");
    }
    assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>(), is_closed), whole, "{answer:?}");
    whole
}

#[test]
fn an_answer_is_read_out_of_its_framing() {
    let framed = Some(Ending::Framed);
    for (answer, heads, data, end) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", &["200 OK content-length=2"][..], "hi", framed),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", &["200 OK content-length=2"], "hi", framed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", &["200 OK content-length=2, 2"], "hi", framed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &["200 OK content-length=0"], "", framed),
        ("HTTP/1.1 204 No Content\r\n\r\n", &["204 No Content "], "", framed),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &["304 Not Modified content-length=9"], "", framed),
        ("HTTP/1.1 200 OK\r\n\r\nhi", &["200 OK "], "hi", None),
        ("HTTP/1.0 418 Odd\r\nA: 1\r\na: 2\r\n\r\n", &["418 Odd a=1 a=2"], "", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n1 ;a=b\r\n!\r\n0\r\n\r\n",
            &["200 OK transfer-encoding=Chunked"],
            "hi!",
            framed,
        ),
        // A length beside it does not count.
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: trailer\r\n\r\n",
            &["200 OK transfer-encoding=chunked"],
            "hi",
            framed,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
            &["100 Continue ", "103 Early Hints link=x", "200 OK content-length=1"],
            "!",
            framed,
        ),
    ] {
        let heads: Vec<_> = heads.iter().map(|head| (*head).to_owned()).collect();
        assert_eq!(read_at_every_cut(answer, false), Some((heads, data.to_owned(), end)), "{answer}");
    }
}

#[test]
fn what_follows_an_answer_is_not_read() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(read(&[answer.as_bytes(), b"more"], true).unwrap().1, "hi");
}

#[test]
fn the_end_of_the_connection_ends_what_has_no_other_end() {
    let closed = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhi";
    assert_eq!(read_at_every_cut(closed, true).unwrap().2, Some(Ending::Closed));
    for cut in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert!(read_at_every_cut(cut, false).is_some(), "{cut}");
        assert_eq!(read_at_every_cut(cut, true), None, "{cut}");
    }
}

#[test]
fn what_cannot_be_understood_is_no_answer() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\r\n\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2x\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123456\r\n",
    ] {
        assert_eq!(read_at_every_cut(answer, false), None, "{answer}");
    }
    let endless = vec![b'x'; HEAD_BYTES_MAX + 1];
    assert_eq!(read(&[&endless], false), None);
}

#[test]
fn a_head_ends_with_an_empty_line() {
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\nA: b\r\n\r\nbody", Some(24)),
        ("GET / HTTP/1.1\nA: b\n\nbody", Some(21)),
        ("GET / HTTP/1.1\r\nA: b\r\n\r", None),
        ("GET / HTTP/1.1\r\n", None),
        ("", None),
    ] {
        assert_eq!(head_end(bytes.as_bytes(), 0), expected, "{bytes:?}");
        let mut pieces = (1..=bytes.len()).map(|at| head_end(&bytes.as_bytes()[..at], at - 1));
        assert_eq!(pieces.find_map(|found| found), expected, "{bytes:?} byte by byte");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_too_odd(pieces in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40), 0..6)) {
        for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            let whole = [head.as_bytes(), &pieces.concat()].concat();
            let cut: Vec<&[u8]> = std::iter::once(head.as_bytes()).chain(pieces.iter().map(Vec::as_slice)).collect();
            proptest::prop_assert_eq!(read(&cut, true), read(&[&whole], true));
        }
    }
}
