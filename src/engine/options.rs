//! Options: what of a request that a client of Ollama's API writes reaches a server that speaks OpenAI's.
//! Says nothing of what OpenAI's API has itself: every server takes that.

/// What a server takes of such a request, beside OpenAI's own members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// What has a name there.
    Named {
        options: &'static [OptionName],
        /// The member whose object goes to the chat template. None where strict servers refuse it.
        template_arguments: Option<&'static str>,
    },
    /// Everything, as the client wrote it: the server reads such members beside OpenAI's.
    AsWritten,
}

/// An option that a server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionName {
    /// As Ollama's clients call it.
    pub asked: &'static str,
    /// As the server calls it.
    pub sent: &'static str,
}

impl Options {
    /// Nothing but what OpenAI's API has.
    pub const OPENAI: Self = Self::Named { options: &[], template_arguments: None };
}

/// llama.cpp's (`tools/server/README.md`).
pub(super) const LLAMA_CPP: Options = Options::Named {
    options: &[
        same("top_k"),
        same("min_p"),
        same("repeat_penalty"),
        same("typical_p"),
        same("repeat_last_n"),
        same("mirostat"),
        same("mirostat_tau"),
        same("mirostat_eta"),
        OptionName { asked: "num_keep", sent: "n_keep" },
    ],
    template_arguments: TEMPLATE_ARGUMENTS,
};

/// vLLM's (`SamplingParams`) and SGLang's (`sampling_params.md`), which agree.
pub(super) const VLLM_AND_SGLANG: Options = Options::Named {
    options: &[same("top_k"), same("min_p"), OptionName { asked: "repeat_penalty", sent: "repetition_penalty" }],
    template_arguments: TEMPLATE_ARGUMENTS,
};

const TEMPLATE_ARGUMENTS: Option<&str> = Some("chat_template_kwargs");

const fn same(name: &'static str) -> OptionName {
    OptionName { asked: name, sent: name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::Engine;

    #[test]
    fn no_option_is_named_twice() {
        for engine in Engine::ALL {
            let Options::Named { options, .. } = engine.row().options else { continue };
            for name in [|option: &OptionName| option.asked, |option: &OptionName| option.sent] {
                let names: BTreeSet<_> = options.iter().map(name).collect();
                assert_eq!(names.len(), options.len(), "{}", engine.name());
            }
        }
    }
}
