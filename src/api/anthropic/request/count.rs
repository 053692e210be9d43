//! Count of tokens: what is answered, and what is said where no server counts.

use bytes::Bytes;

use crate::json::{Object, Token, tokens};

/// The answer of a server that counted so many.
pub fn counted(tokens: u64) -> Bytes {
    format!("{{\"input_tokens\":{tokens}}}").into()
}

/// About as many tokens as the messages and tools of a chat have, by their bytes. At least one. Images that stand in the
/// chat count nothing.
pub fn estimate(chat_body: &[u8]) -> u64 {
    let chat = Object::of_body(chat_body);
    let parts = ["messages", "tools"].into_iter().filter_map(|key| chat.as_ref()?.present(key));
    let bytes = parts.flat_map(tokens).map(bytes).fold(0, u64::saturating_add);
    // Three tokens for ten bytes.
    bytes.saturating_mul(3).div_ceil(10).max(1)
}

fn bytes(token: Token<'_>) -> u64 {
    let text = match token {
        Token::String(text) if text.starts_with("\"data:") => "",
        Token::String(text) | Token::Scalar(text) => text,
        Token::Open(_) | Token::Close(_) | Token::Colon | Token::Comma => return 1,
    };
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_estimated_by_bytes() {
        for (body, expected) in [
            ("", 1),
            ("{}", 1),
            (r#"{"messages":[]}"#, 1),
            // 33 bytes, and white space is none.
            (r#"{"messages":[{"role":"user","content":"foo"}]}"#, 10),
            (r#"{"messages":[ {"role": "user", "content":"foo"} ],"model":"m"}"#, 10),
            (r#"{"messages":[{"role":"user","content":"foo"}],"tools":["0123456789"]}"#, 15),
            (r#"{"messages":["data:image/png;base64,iVBORw0KGgo="]}"#, 1),
        ] {
            assert_eq!(estimate(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(counted(7), r#"{"input_tokens":7}"#);
    }
}
