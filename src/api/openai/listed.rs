//! Entry of a list of models: what a server tells of one beside its name.
//! Reads the members of those servers that tell more than OpenAI does; what is not told is not known.

use crate::json::Object;

/// What is told of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// When it was made or loaded, in seconds since 1970 began.
    pub created: Option<u64>,
    /// Bytes of its weights.
    pub size: Option<u64>,
    pub parameters: Option<u64>,
    /// Tokens that one conversation may have.
    pub context: Option<u64>,
}

impl Listed {
    /// Reads an entry: llama.cpp's `meta`, vLLM's and SGLang's `max_model_len`.
    pub fn read(entry: &str) -> Self {
        let Some(entry) = Object::parse(entry) else { return Self::default() };
        let meta = entry.get("meta").and_then(Object::part);
        let of_meta = |key: &str| number(meta.as_ref()?.get(key)?);
        Self {
            created: entry.get("created").and_then(number).filter(|created| *created > 0),
            size: of_meta("size"),
            parameters: of_meta("n_params"),
            context: of_meta("n_ctx")
                .or_else(|| of_meta("n_ctx_train"))
                .or_else(|| number(entry.get("max_model_len")?)),
        }
    }
}

/// A count; some servers write it with a fraction of nothing.
fn number(written: &str) -> Option<u64> {
    written.strip_suffix(".0").unwrap_or(written).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_tell_of_a_model_is_read() {
        let llama = r#"{"id":"m","created":7,"meta":{"n_ctx":4096.0,"n_ctx_train":8192,"n_params":5,"size":9}}"#;
        let vllm = r#"{"id":"m","created":0,"max_model_len":32768}"#;
        for (entry, expected) in [
            (llama, Listed { created: Some(7), size: Some(9), parameters: Some(5), context: Some(4096) }),
            (r#"{"meta":{"n_ctx_train":8192}}"#, Listed { context: Some(8192), ..Listed::default() }),
            (vllm, Listed { context: Some(32768), ..Listed::default() }),
            (r#"{"meta":null,"created":"x"}"#, Listed::default()),
            ("[]", Listed::default()),
        ] {
            assert_eq!(Listed::read(entry), expected, "{entry}");
        }
    }
}
