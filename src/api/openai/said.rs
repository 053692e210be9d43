//! First events of a stream, before the model's first words: who speaks, or how far the server is with the prompt.
//! Changes nothing and remembers nothing.

use super::chunk::{self, Chunk};
use crate::api::{Progress, Said};
use crate::json::Object;

/// What the data of an event says. Whatever is not understood says something.
pub fn said(data: &[u8]) -> Said {
    let object = chunk::object(data);
    let Some(chunk) = object.as_ref().and_then(Chunk::of) else { return Said::Something };
    if chunk.error.is_some() || chunk.choices.iter().any(|choice| choice.says_something()) {
        return Said::Something;
    }
    match chunk.only_extra(PROGRESS) {
        None if chunk.carries => Said::Something,
        None => Said::Nothing,
        Some(value) => progress(value).map_or(Said::Something, Said::Prefill),
    }
}

/// llama.cpp's `prompt_progress` (`tools/server/README.md`), which it sends when `return_progress` asks for it.
fn progress(value: &str) -> Option<Progress> {
    let object = Object::parse(value)?;
    let tokens = |key| object.get(key)?.parse().ok();
    Some(Progress { processed: tokens("processed")?, total: tokens("total")? })
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
            assert_eq!(said(data.as_bytes()), expected, "{data}");
        }
    }
}
