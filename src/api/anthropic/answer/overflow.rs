//! Overflow: a conversation that is longer than the context, in the words by which Claude Code knows that it has to make
//! it shorter, or to ask for less. It acts on nothing else.

use crate::api::openai::Overflow;

/// The words.
pub(super) fn words(overflow: Overflow) -> String {
    let Overflow { prompt, output, context } = overflow;
    match output {
        Some(output) if prompt < context => format!(
            "input length and `max_tokens` exceed context limit: {prompt} + {output} > {context}, \
             decrease input length or `max_tokens` and try again"
        ),
        _ => format!("prompt is too long: {prompt} tokens > {context} maximum"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_said_in_the_words_that_are_looked_for() {
        let both = "input length and `max_tokens` exceed context limit: 20000 + 32000 > 40960, decrease input length or `max_tokens` and try again";
        for (prompt, output, expected) in [
            (20_000, Some(32_000), both),
            (40_960, Some(32_000), "prompt is too long: 40960 tokens > 40960 maximum"),
            (50_000, Some(1), "prompt is too long: 50000 tokens > 40960 maximum"),
            (50_000, None, "prompt is too long: 50000 tokens > 40960 maximum"),
        ] {
            assert_eq!(words(Overflow { prompt, output, context: 40_960 }), expected);
        }
    }
}
