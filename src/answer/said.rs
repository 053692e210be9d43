//! What an event says before the model's first words: who speaks, or how far the server is with the prompt.
//! Changes nothing and remembers nothing.

use super::chunk::Chunk;
use crate::json::Object;

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// At most whose words will follow.
    Nothing,
    /// How far the server is with the prompt, and nothing else.
    Prefill(Progress),
    /// Anything that a client could miss.
    Something,
}

/// How much of a prompt has been read, in tokens, what was cached included.
/// llama.cpp's `prompt_progress` (`tools/server/README.md`), which it sends when `return_progress` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub processed: u64,
    pub total: u64,
}

impl Said {
    /// What the data of an event says. Whatever is not understood says something.
    pub fn of(data: &[u8]) -> Self {
        let Some(chunk) = Chunk::parse(data) else { return Self::Something };
        if chunk.error.is_some() || chunk.choices.iter().any(|choice| choice.says_something()) {
            return Self::Something;
        }
        match chunk.only_extra(PROGRESS) {
            None if chunk.carries => Self::Something,
            None => Self::Nothing,
            Some(progress) => Progress::read(progress).map_or(Self::Something, Self::Prefill),
        }
    }
}

impl Progress {
    fn read(value: &str) -> Option<Self> {
        let object = Object::parse(value)?;
        let tokens = |key| object.get(key)?.parse().ok();
        Some(Self { processed: tokens("processed")?, total: tokens("total")? })
    }
}

const PROGRESS: &str = "prompt_progress";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_and_progress_say_nothing() {
        const PREFILL: &str = r#""prompt_progress":{"total":919,"cache":0,"processed":64,"time_ms":9253}"#;
        let prefill = Said::Prefill(Progress { processed: 64, total: 919 });
        let role = r#""choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}]"#;
        let table = [
            (format!("{{{role},\"id\":\"c\",\"model\":\"m\"}}"), Said::Nothing),
            (
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null}]}"#.into(),
                Said::Nothing,
            ),
            (r#"{"choices":[{"index":0,"text":"","finish_reason":null}]}"#.into(), Said::Nothing),
            (r#"{"choices":[]}"#.into(), Said::Nothing),
            (format!("{{{role},{PREFILL}}}"), prefill),
            (format!("{{\"choices\":[],{PREFILL}}}"), prefill),
            (format!("{{{role},{PREFILL},\"timings\":{{\"cache_n\":1}}}}"), Said::Something),
            (format!("{{{role},\"prompt_progress\":{{\"total\":-1}}}}"), Said::Something),
            (r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#.into(), Said::Something),
            (r#"{"choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}"#.into(), Said::Something),
            (r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#.into(), Said::Something),
            (r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#.into(), Said::Something),
            (r#"{"choices":[{"index":0,"delta":{},"logprobs":{"content":[1]}}]}"#.into(), Said::Something),
            (r#"{"choices":[{"index":0,"text":"a"}]}"#.into(), Said::Something),
            (r#"{"choices":[],"usage":{"total_tokens":3}}"#.into(), Said::Something),
            (r#"{"error":{"code":500}}"#.into(), Said::Something),
            ("[DONE]".into(), Said::Something),
            ("{\"half".into(), Said::Something),
        ];
        for (data, expected) in table {
            assert_eq!(Said::of(data.as_bytes()), expected, "{data}");
        }
    }
}
