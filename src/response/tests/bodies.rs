//! Answers that come whole.

use super::*;

pub(super) fn rewrite(exchange: &Exchange, input: &str) -> (String, Summary) {
    rewrite_within(exchange, input, &Limits::default())
}

fn rewrite_within(exchange: &Exchange, input: &str, limits: &Limits) -> (String, Summary) {
    let mut rewriter = BodyRewriter::new(exchange, limits);
    let mut out = BytesMut::new();
    for piece in input.as_bytes().chunks(7) {
        rewriter.push(Bytes::copy_from_slice(piece), &mut out);
    }
    let summary = rewriter.finish(&mut out);
    (without_ids(std::str::from_utf8(&out).unwrap()), summary)
}

/// An answer whose message has these members.
fn answer(message: &str, finish: &str) -> String {
    format!(
        r#"{{ "id": "x", "choices": [ {{"index": 0, "message": {{"role":"assistant",{message}}}, "finish_reason": {finish}}} ], "more": [1] }}"#
    )
}

macro_rules! t {
    ($name:ident, $message:expr, $finish:expr => $expected:expr, $expected_finish:expr) => {
        #[test]
        fn $name() {
            let (out, summary) = rewrite(&usual(), &answer($message, $finish));
            assert_eq!(out, answer($expected, $expected_finish));
            assert!(!summary.bailed_out);
        }
    };
}

t!(text, r#""content":"hi""#, r#""stop""# => r#""content":"hi""#, r#""stop""#);
t!(null, r#""content": null"#, r#""stop""# => r#""content": null"#, r#""stop""#);
t!(no_content, r#""refusal":null"#, r#""stop""# => r#""refusal":null"#, r#""stop""#);
t!(content_parts, r#""content":[{"type":"text"}]"#, r#""stop""# => r#""content":[{"type":"text"}]"#, r#""stop""#);
t!(escapes_stay, r#""content":"\u00e9\/ <tool""#, r#""stop""# => r#""content":"\u00e9\/ <tool""#, r#""stop""#);

#[test]
fn what_is_no_answer_passes() {
    for input in
        ["", "not json", "[1,2]", "{}", r#"{"choices":3}"#, r#"{"choices":[3]}"#, r#"{"error":{"message":"no"}}"#]
    {
        assert_eq!(rewrite(&usual(), input).0, input);
    }
    let cut = answer(r#""content":"<tool_call>{\"name\":\"f\"}</tool_call>""#, "\"stop\"");
    let cut = cut.strip_suffix('}').unwrap();
    assert_eq!(rewrite(&usual(), cut).0, cut);
}
