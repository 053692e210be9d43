//! Embeddings: `/api/embed` and the older `/api/embeddings`, as `/v1/embeddings` is asked for them, and its answer back.

use std::fmt::Write;

use bytes::Bytes;

use super::cost::Moment;
use super::mistake::{Mistake, error_body};
use super::options::Body;
use super::request::model;
use super::text::{write_compact, write_text};
use crate::json::{Object, array, inside};

/// The page that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedPage {
    /// `/api/embed`.
    Embed,
    /// `/api/embeddings`.
    Embeddings,
}

/// What becomes of such a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// For `/v1/embeddings`.
    pub body: Bytes,
    /// As the client wrote it.
    pub model: String,
}

/// Reads a request. An error is the client's.
pub fn embed_request(page: EmbedPage, body: &[u8]) -> Result<Embedded, Mistake> {
    let asked = Object::of_body(body).ok_or_else(|| Mistake::new("the body must be a JSON object"))?;
    let model = model(&asked)?;
    let key = match page {
        EmbedPage::Embed => "input",
        EmbedPage::Embeddings => "prompt",
    };
    let input = asked.present(key).ok_or_else(|| Mistake::new(format!("{key} is required")))?;
    let texts = if input.starts_with('[') { array(input).unwrap_or_default() } else { vec![input] };
    let is_one = page == EmbedPage::Embeddings && input.starts_with('[');
    if is_one || texts.is_empty() || texts.iter().any(|text| inside(text).is_none()) {
        let what = if page == EmbedPage::Embed { "a string or a list of strings" } else { "a string" };
        return Err(Mistake::new(format!("{key} must be {what}")));
    }
    let mut body = Body::new();
    body.set("model", asked.get("model").unwrap_or_default());
    body.set("input", input);
    if let (EmbedPage::Embed, Some(dimensions)) = (page, asked.present("dimensions")) {
        let is_number = dimensions.parse::<u64>().is_ok();
        is_number.then_some(()).ok_or_else(|| Mistake::new("dimensions must be an integer"))?;
        body.set("dimensions", dimensions);
    }
    Ok(Embedded { body: body.finish().into(), model })
}

/// The answer for a client, of what `/v1/embeddings` answered. Vectors for the newer page have the length 1, as Ollama
/// makes them; for the older they are as they came. An error in the answer's place becomes Ollama's, as does what is no
/// answer.
pub fn embedded(page: EmbedPage, model: &str, body: &[u8], now: Moment) -> Bytes {
    let answer = Object::of_body(body);
    let vectors = answer.as_ref().and_then(vectors);
    let written = match (&vectors, page) {
        (Some(vectors), EmbedPage::Embed) => write_all(model, vectors, answer.as_ref(), now),
        (Some(vectors), EmbedPage::Embeddings) => vectors.first().map(|vector| {
            let mut out = String::from("{\"embedding\":");
            write_compact(vector, &mut out);
            out.push('}');
            out
        }),
        (None, _) => None,
    };
    match written {
        Some(written) => written.into(),
        None => error_body("the upstream's answer has no embeddings").into(),
    }
}

/// The vectors, each as it was written, in the order of what was asked.
fn vectors<'a>(answer: &Object<'a>) -> Option<Vec<&'a str>> {
    let mut placed = Vec::new();
    for (at, element) in array(answer.present("data")?)?.into_iter().enumerate() {
        let element = Object::part(element)?;
        let place = element.get("index").and_then(|index| index.parse().ok()).unwrap_or(at);
        placed.push((place, element.get("embedding").filter(|vector| vector.starts_with('['))?));
    }
    placed.sort_by_key(|(place, _)| *place);
    Some(placed.into_iter().map(|(_, vector)| vector).collect())
}

fn write_all(model: &str, vectors: &[&str], answer: Option<&Object<'_>>, now: Moment) -> Option<String> {
    let mut out = String::from("{\"model\":");
    write_text(model, &mut out);
    out.push_str(",\"embeddings\":[");
    for (at, vector) in vectors.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_unit(vector, &mut out)?;
    }
    let (total, waited) = (now.since.as_nanos().max(1), now.waited.as_nanos().max(1));
    // Writing to a string does not fail.
    let _ = write!(out, "],\"total_duration\":{total},\"load_duration\":{waited}");
    let usage = answer.and_then(|answer| Object::part(answer.present("usage")?));
    if let Some(tokens) = usage.and_then(|usage| usage.get("prompt_tokens")?.parse::<u64>().ok()) {
        let _ = write!(out, ",\"prompt_eval_count\":{tokens}");
    }
    out.push('}');
    Some(out)
}

/// Appends a vector of the length 1. `None` when it is none. One of the length 0 stays so.
fn write_unit(vector: &str, out: &mut String) -> Option<()> {
    let numbers: Vec<f32> = serde_json::from_str(vector).ok()?;
    let length = numbers.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    let divisor: f32 = if length > 0.0 { length.to_string().parse().ok()? } else { 1.0 };
    out.push('[');
    for (at, number) in numbers.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        let number = number / divisor;
        number.is_finite().then_some(())?;
        let _ = write!(out, "{number}");
    }
    out.push(']');
    Some(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_asks_for_the_same_vectors() {
        for (page, body, expected) in [
            (EmbedPage::Embed, r#"{"model":"m","input":"a","truncate":true}"#, Ok(r#"{"model":"m","input":"a"}"#)),
            (
                EmbedPage::Embed,
                r#"{"model":"m","input":["a","b"],"dimensions":8,"keep_alive":0}"#,
                Ok(r#"{"model":"m","input":["a","b"],"dimensions":8}"#),
            ),
            (EmbedPage::Embeddings, r#"{"model":"m","prompt":"a"}"#, Ok(r#"{"model":"m","input":"a"}"#)),
            (EmbedPage::Embed, r#"{"input":"a"}"#, Err("model is required")),
            (EmbedPage::Embed, r#"{"model":"m"}"#, Err("input is required")),
            (EmbedPage::Embed, r#"{"model":"m","input":[]}"#, Err("input must be a string or a list of strings")),
            (EmbedPage::Embed, r#"{"model":"m","input":[1]}"#, Err("input must be a string or a list of strings")),
            (EmbedPage::Embed, r#"{"model":"m","input":"a","dimensions":"x"}"#, Err("dimensions must be an integer")),
            (EmbedPage::Embeddings, r#"{"model":"m","prompt":["a"]}"#, Err("prompt must be a string")),
            (EmbedPage::Embeddings, "x", Err("the body must be a JSON object")),
        ] {
            let asked = embed_request(page, body.as_bytes());
            let asked = asked.map(|asked| String::from_utf8(asked.body.to_vec()).unwrap());
            assert_eq!(
                asked.map_err(|mistake| mistake.message.into_owned()),
                expected.map(str::to_owned).map_err(str::to_owned)
            );
        }
    }

    #[test]
    fn vectors_come_back_in_their_order_and_of_length_one() {
        let now = Moment { since: Duration::from_nanos(9), ..Moment::default() };
        let answer =
            r#"{"data":[{"index":1,"embedding":[0,0.0]},{"index":0,"embedding":[3, -4]}],"usage":{"prompt_tokens":5}}"#;
        let bare = r#"{"data":[{"embedding":[1e-30, 0]}]}"#;
        for (page, body, expected) in [
            (
                EmbedPage::Embed,
                answer,
                r#"{"model":"m","embeddings":[[0.6,-0.8],[0,0]],"total_duration":9,"load_duration":1,"prompt_eval_count":5}"#,
            ),
            (EmbedPage::Embed, bare, r#"{"model":"m","embeddings":[[1,0]],"total_duration":9,"load_duration":1}"#),
            (EmbedPage::Embeddings, answer, r#"{"embedding":[3,-4]}"#),
            (EmbedPage::Embed, r#"{"data":[{"embedding":["x"]}]}"#, NONE),
            (EmbedPage::Embed, r#"{"data":[{"embedding":"AAAA"}]}"#, NONE),
            (EmbedPage::Embeddings, r#"{"data":[]}"#, NONE),
            (EmbedPage::Embeddings, "x", NONE),
        ] {
            let body = embedded(page, "m", body.as_bytes(), now);
            assert_eq!(std::str::from_utf8(&body), Ok(expected));
        }
    }

    const NONE: &str = r#"{"error":"the upstream's answer has no embeddings"}"#;
}
