//! Cutting an answer differently never changes what comes of it: every golden, cut at every place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "the whole file is a test")]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod fuzz;
mod support;

use proptest::prelude::*;
use toolgate::api::openai::Usage;
use toolgate::decode::Finish;
use toolgate::plan::Exchange;

use fuzz::decode::Case;
use support::Golden;

/// Texts longer than this are cut at some places only.
const CUTS_MAX: usize = 1500;

fn places(len: usize) -> impl Iterator<Item = usize> {
    // A prime step meets the lines of a text at different places.
    let step = if len <= CUTS_MAX { 1 } else { 7 };
    (1..len).step_by(step)
}

#[test]
fn texts_cut_in_two() {
    for Golden { path, case, text } in support::goldens() {
        println!("{}", path.display());
        case.check(&text);
        places(text.len()).for_each(|at| case.check_cut(&text, at));
    }
}

#[test]
fn an_answer_may_end_anywhere() {
    for Golden { path, case, text } in support::goldens() {
        println!("{}", path.display());
        for finish in [Finish::Stop, Finish::Cut] {
            let case = Case { finish, ..case.clone() };
            for at in places(text.len()).filter(|&at| text.is_char_boundary(at)) {
                case.check_end(&text[..at]);
            }
        }
    }
}

#[test]
fn event_streams_cut_in_two() {
    for Golden { case, text, .. } in support::goldens() {
        let stream = stream(&text, &[]);
        let exchange = exchange(&case);
        let whole = fuzz::response::rewrite(&exchange, [stream.as_bytes()], true);
        for at in places(stream.len()) {
            let (first, second) = stream.as_bytes().split_at(at);
            let cut = fuzz::response::rewrite(&exchange, [first, second], true);
            assert_eq!(cut, whole, "cut at {at}: {stream}");
        }
        let bytes = stream.as_bytes().chunks(1);
        assert_eq!(fuzz::response::rewrite(&exchange, bytes, true), whole, "byte by byte: {stream}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_cut_anywhere(cuts in prop::collection::vec(any::<prop::sample::Index>(), 2..6)) {
        for Golden { case, text, .. } in support::goldens() {
            let pieces = pieces(&text, &cuts);
            prop_assert_eq!(case.read(pieces.iter().copied()), case.read([text.as_str()]), "{:?}", pieces);
        }
    }

    /// However the text is divided among events, the folded message is the same.
    #[test]
    fn deltas_cut_anywhere(cuts in prop::collection::vec(any::<prop::sample::Index>(), 2..6)) {
        for Golden { case, text, .. } in support::goldens() {
            let exchange = exchange(&case);
            let message = |cuts: &[prop::sample::Index]| {
                let (out, summary) = fuzz::response::rewrite(&exchange, [stream(&text, cuts).as_bytes()], true);
                let mut folder = toolgate::api::openai::Folder::new(1 << 20);
                folder.push(out.into());
                let message = folder.finish().messages[&0].clone();
                let content = message.content.filter(|content| !content.is_empty());
                (content, message.reasoning, message.tool_calls, message.finish_reason, summary)
            };
            prop_assert_eq!(message(&cuts), message(&[]), "{}", text);
        }
    }
}

fn exchange(case: &Case) -> Exchange {
    Exchange { usage: Usage::Asked, ..Exchange::new(case.settings.clone()) }
}

fn pieces<'a>(text: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.retain(|&at| text.is_char_boundary(at));
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// The text as a server streams it, cut into deltas.
fn stream(text: &str, cuts: &[prop::sample::Index]) -> String {
    let event = |delta: String, finish: &str| {
        format!("data: {{\"id\":\"x\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let deltas = pieces(text, cuts).into_iter().map(|piece| {
        let piece = serde_json::to_string(piece).unwrap();
        event(format!("{{\"content\":{piece}}}"), "null")
    });
    let role = event("{\"role\":\"assistant\",\"content\":null}".into(), "null");
    role + &deltas.collect::<String>() + &event("{}".into(), "\"stop\"") + "data: [DONE]\n\n"
}
