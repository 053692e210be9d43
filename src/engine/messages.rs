//! Messages: how a server is told what a client of Anthropic's API asks, where servers differ.
//! Says nothing of what OpenAI's API has itself: every server takes that.

use super::Member;

/// What a server takes of such a request, beside OpenAI's own members.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// How it is told whether to think.
    pub thinking: ThinkingSwitch,
    /// Where it is told how many tokens a thought may have. None where it holds no such limit.
    pub budget: Option<Budget>,
    /// The member of a past message that holds what its model thought.
    pub reasoning: &'static str,
    /// What it needs beside a last message of the assistant so that the answer goes on with that.
    pub prefill: &'static [Member],
    /// Whether its whole answers say that message again, which its streams do not.
    pub repeats_prefill: bool,
    /// Whether images may stand in the result of a call.
    pub result_images: ResultImages,
    /// Whether it fetches images that stand somewhere else.
    pub addresses: Addresses,
    /// What becomes of members that neither API has.
    pub others: Others,
}

/// How a server is told whether to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingSwitch {
    /// By an argument of its chat template.
    Template,
    /// By an argument of its chat template, and that it is not to think by an effort.
    NoEffort,
    /// Strict servers refuse what would tell it.
    Untold,
}

/// Where a server is told how many tokens a thought may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// In a member of the body.
    Member(&'static str),
    /// In an argument of the chat template.
    Argument(&'static str),
}

/// Where images of a result are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultImages {
    Inside,
    /// In the user's message behind the results: its templates drop them in a result.
    Behind,
}

/// Whether images that stand somewhere else reach the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    Fetched,
    Refused,
}

/// What becomes of members that neither API has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They may be known.
    Taken,
    /// These are known; any other does no harm, and has no effect.
    Named(&'static [&'static str]),
    /// A strict server would refuse the request.
    Refused,
}

impl Messages {
    /// Nothing but what OpenAI's API has.
    pub const OPENAI: Self = Self {
        thinking: ThinkingSwitch::Untold,
        budget: None,
        reasoning: "reasoning_content",
        prefill: &[],
        repeats_prefill: false,
        result_images: ResultImages::Inside,
        addresses: Addresses::Fetched,
        others: Others::Refused,
    };
}

/// llama.cpp's (`tools/server/README.md`).
pub(super) const LLAMA_CPP: Messages = Messages {
    thinking: ThinkingSwitch::Template,
    budget: Some(Budget::Member("thinking_budget_tokens")),
    repeats_prefill: true,
    others: Others::Taken,
    ..Messages::OPENAI
};

/// vLLM's (`entrypoints/openai/chat_completion/protocol.py`).
pub(super) const VLLM: Messages = Messages {
    budget: Some(Budget::Member("thinking_token_budget")),
    reasoning: "reasoning",
    prefill: CONTINUED,
    repeats_prefill: false,
    result_images: ResultImages::Behind,
    ..LLAMA_CPP
};

/// SGLang's (`entrypoints/openai/protocol.py`).
pub(super) const SGLANG: Messages = Messages {
    budget: Some(Budget::Argument("thinking_budget")),
    prefill: CONTINUED,
    repeats_prefill: false,
    ..LLAMA_CPP
};

/// Ollama's (`docs/api.md`). What is known of other members is what becomes options of its own.
pub(super) const OLLAMA: Messages = Messages {
    thinking: ThinkingSwitch::NoEffort,
    reasoning: "reasoning",
    addresses: Addresses::Refused,
    others: Others::Named(&[
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "min_p",
        "typical_p",
        "repetition_penalty",
        "repeat_penalty",
        "repeat_last_n",
        "num_ctx",
        "options",
        "keep_alive",
        "truncate",
        "shift",
        "think",
        "format",
        "logprobs",
        "top_logprobs",
        "max_completion_tokens",
        "stop",
        "reasoning_effort",
        "response_format",
    ]),
    ..Messages::OPENAI
};

const CONTINUED: &[Member] =
    &[Member { key: "add_generation_prompt", value: "false" }, Member { key: "continue_final_message", value: "true" }];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn what_is_sent_beside_a_last_message_is_json() {
        for engine in Engine::ALL {
            let Messages { prefill, reasoning, .. } = engine.row().messages;
            assert!(!reasoning.is_empty(), "{}", engine.name());
            for Member { key, value } in prefill {
                assert!(serde_json::from_str::<bool>(value).is_ok(), "{}: {key}", engine.name());
            }
        }
    }
}
