//! What becomes of single events.

use super::*;

fn check(exchange: &Exchange, input: &[String], expected: &[String]) -> Summary {
    let (out, summary) = rewrite(exchange, &input.concat(), End::Clean);
    assert_eq!(out, expected.concat());
    summary
}

fn pass(input: &[String]) {
    check(&usual(), input, input);
}

#[test]
fn text_is_forwarded_as_the_bytes_that_came() {
    let spaced =
        "data:{ \"choices\" : [ {\"delta\" : {\"content\" : \"\\u00e9 \\/\" }, \"index\":0 } ] , \"x\":[1] }\n\n";
    pass(&[role(), text("a"), spaced.into(), text("é"), text("\n"), text(""), finish("stop"), DONE.into()]);
}
