//! The properties of `fuzz/`, held on inputs that a small generator makes, so that they are held without a fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use proptest::prelude::*;
use proptest::sample::Index;

/// Bytes, most of which stand for fragments.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 128_u8..=255, 2 => 32_u8..=126, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..most)
}

/// A few bytes that choose, and then the others.
fn input(most: usize) -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 4]>(), bytes(most)).prop_map(|(choice, rest)| [&choice[..], &rest].concat())
}

/// A part of an answer of the goldens, in which a few bytes are others.
fn edited() -> impl Strategy<Value = Vec<u8>> {
    let answers: Vec<Vec<u8>> = support::goldens().into_iter().map(|golden| golden.text.into_bytes()).collect();
    let edit = (any::<Index>(), 0..12_usize, bytes(4));
    let part = (prop::sample::select(answers), any::<Index>(), 20..200_usize);
    (any::<[u8; 4]>(), part, prop::collection::vec(edit, 1..8)).prop_map(|(choice, (answer, from, len), edits)| {
        let from = from.index(answer.len());
        let mut text = answer[from..answer.len().min(from + len)].to_vec();
        for (at, gone, come) in edits {
            let at = at.index(text.len() + 1);
            text.splice(at..text.len().min(at + gone), come);
        }
        [&choice[..], &text].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decode(data in input(24)) {
        fuzz::decode::holds(&data);
    }

    #[test]
    fn decode_edited(data in edited()) {
        fuzz::decode::holds(&data);
    }

    #[test]
    fn response(data in input(40)) {
        fuzz::response::holds(&data);
    }

    #[test]
    fn request(data in input(16)) {
        fuzz::request::holds(&data);
    }

    #[test]
    fn apis(data in (any::<[u8; 2]>(), bytes(40)).prop_map(|(choice, rest)| [&choice[..], &rest].concat())) {
        fuzz::apis::holds(&data);
    }

    #[test]
    fn sse(limit in any::<u8>(), size in any::<u8>(), parts in prop::collection::vec(prop::sample::select(
        &["data:", "data: ", "x", "{\"a\":1}", "\n", "\n\n", "\r", "\r\n", ":", "id: 1", "é", "\u{feff}"][..]), 0..40)) {
        fuzz::sse::holds(&[&[limit, size], parts.concat().as_bytes()].concat());
    }
}
