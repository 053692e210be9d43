//! Counting: where a server says how many tokens the prompt of a chat has, and generates nothing.
//! Data only.

use super::Member;

/// A page that counts.
#[derive(Debug)]
pub struct Counting {
    pub path: &'static str,
    /// What of the chat it reads; none means all.
    pub members: Option<&'static [&'static str]>,
    /// What it needs beside.
    pub beside: Option<Member>,
    /// The member of its answer that is the count.
    pub count: &'static str,
    /// Where older servers without that page spell the prompt that they write, token by token.
    pub spelling: Option<&'static str>,
}

/// llama.cpp's (`tools/server/README.md`).
pub(super) const LLAMA_CPP: Counting = Counting {
    path: "/v1/chat/completions/input_tokens",
    members: None,
    beside: None,
    count: "input_tokens",
    spelling: Some("/tokenize"),
};

/// vLLM's (`entrypoints/serve/tokenize`).
pub(super) const VLLM: Counting = Counting {
    path: "/tokenize",
    members: Some(&["model", "messages", "tools", "chat_template_kwargs"]),
    beside: Some(Member { key: "add_generation_prompt", value: "true" }),
    count: "count",
    spelling: None,
};
