//! Formats: how calls are written for clients that read text. A file says one, and so does every dialect; a client may
//! say its own tags.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::style::CallStyle;
use crate::chat::IdForm;
use crate::dialect::prompt::{Hole, Piece, Text};
use crate::dialect::{ArgumentsForm, Dialect, Glob, WrittenSpec};

/// How calls are written for a client.
#[derive(Debug)]
pub struct Format {
    pub name: String,
    /// What stands between text and a call, in the place of white space; without it, the white space stays.
    pub gap: String,
    pub structured: Structured,
    pub style: Arc<CallStyle>,
    /// The form of the ids that stand in the text, where it is the family's own: they may say the tool's name.
    pub ids: Option<IdForm>,
    /// Which models write so themselves.
    models: Vec<Glob>,
    /// What stands around a call on one line.
    tags: Option<[String; 2]>,
}

/// Where a client gets calls as `tool_calls` beside their text.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Structured {
    /// In answers that come whole; a stream has the text alone.
    #[default]
    Whole,
    Always,
}

/// A format, as its file says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormatSpec {
    name: String,
    /// One sentence for people.
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    gap: String,
    #[serde(default)]
    structured: Structured,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    tags: Option<[String; 2]>,
    written: WrittenSpec,
}

/// Why tags are none.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TagsError {
    #[error("tags are `NAME`, or what stands before a call and what behind it, with one comma between them")]
    Commas,
    #[error("tags are not empty")]
    Empty,
}

/// The files of `conf/formats`, which `build.rs` lists.
const BUILTIN: &[&str] = include!(concat!(env!("OUT_DIR"), "/formats.rs"));

impl Format {
    /// Those that are compiled in.
    pub fn builtin() -> &'static [Arc<Self>] {
        static COMPILED: LazyLock<Vec<Arc<Format>>> =
            LazyLock::new(|| BUILTIN.iter().filter_map(|yaml| Format::parse(yaml).ok()).map(Arc::new).collect());
        &COMPILED
    }

    /// The built-in one of a name.
    pub fn named(name: &str) -> Option<&'static Arc<Self>> {
        Self::builtin().iter().find(|format| format.name.eq_ignore_ascii_case(name))
    }

    /// The built-in one that a model's name suggests; who serves the model may stand before it.
    pub fn of_model(model: &str) -> Option<&'static Arc<Self>> {
        let name = model.rsplit('/').next().unwrap_or(model);
        Self::builtin().iter().find(|format| format.models.iter().any(|glob| glob.matches(name)))
    }

    /// As the models of a dialect write calls. `None` where nobody knows.
    pub fn of_dialect(dialect: &Dialect) -> Option<Self> {
        Some(Self {
            name: dialect.name().into(),
            gap: "\n\n".into(),
            structured: Structured::default(),
            style: Arc::new(CallStyle::of(dialect)?),
            ids: Some(dialect.spec().ids.mint.clone()).filter(|form| *form != IdForm::Call),
            models: Vec::new(),
            tags: None,
        })
    }

    /// JSON between tags, on one line: `NAME` or `BEFORE,BEHIND`; or between a built-in format's, by its name.
    pub fn of_tags(tags: &str) -> Result<Self, TagsError> {
        let [before, behind] = match (Self::named(tags).and_then(|format| format.tags.clone()), tags.split_once(',')) {
            (Some(tags), _) => tags,
            (None, Some((_, behind))) if behind.contains(',') => return Err(TagsError::Commas),
            (None, Some((before, behind))) => [before, behind].map(|tag| tag.trim().to_owned()),
            (None, None) if tags.trim().is_empty() => return Err(TagsError::Empty),
            (None, None) => [format!("<{}>", tags.trim()), format!("</{}>", tags.trim())],
        };
        if before.is_empty() || behind.is_empty() {
            return Err(TagsError::Empty);
        }
        let call = vec![
            Piece::Literal(format!("{before}{{\"name\":\"")),
            Piece::Hole(Hole::Name),
            Piece::Literal("\",\"arguments\":".into()),
            Piece::Hole(Hole::Arguments),
            Piece::Literal(format!("}}{behind}")),
        ];
        let written = WrittenSpec {
            thought: Text::default(),
            calls: Text::default(),
            call: Text::from(call),
            arguments: ArgumentsForm::Json,
            between: "\n".into(),
        };
        Ok(Self {
            name: tags.into(),
            gap: String::new(),
            structured: Structured::Always,
            style: Arc::new(CallStyle::new(written)),
            ids: None,
            models: Vec::new(),
            tags: None,
        })
    }

    fn parse(yaml: &str) -> Result<Self, serde_saphyr::Error> {
        let FormatSpec { name, gap, structured, models, tags, written, .. } = serde_saphyr::from_str(yaml)?;
        let models = models.iter().map(|glob| Glob::new(glob)).collect();
        Ok(Self { name, gap, structured, style: Arc::new(CallStyle::new(written)), ids: None, models, tags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{CallHead, Encoder};

    fn call(format: &Format) -> String {
        let (mut encoder, mut out) = (Encoder::new(Arc::clone(&format.style)), String::new());
        encoder.begin(CallHead { name: "f", id: "" }, &mut out);
        encoder.arguments(r#"{"a":1}"#, &mut out);
        encoder.end(&mut out);
        encoder.close(&mut out);
        out
    }

    #[test]
    fn every_file_is_a_format() {
        assert_eq!(Format::builtin().len(), BUILTIN.len());
        for format in Format::builtin() {
            let text = call(format);
            assert!(text.contains("\n  \"arguments\": {\n    \"a\": 1\n  }\n}\n"), "{}: {text}", format.name);
        }
    }

    #[test]
    fn a_format_is_known_by_its_name_and_by_a_models() {
        let name = |format: Option<&'static Arc<Format>>| format.map(|format| format.name.as_str());
        assert_eq!(name(Format::named("Qwen3")), Some("qwen3"));
        assert_eq!(name(Format::named("qwen")), None);
        for (model, expected) in [
            ("ollama/llama3.1", Some("llama3")),
            ("ollama/deepseek-r1", None),
            ("lmstudio/google/gemma-3", Some("gemma")),
            ("Qwen3-Coder-30B", Some("qwen3")),
            ("llamas/mistral", None),
        ] {
            assert_eq!(name(Format::of_model(model)), expected, "{model}");
        }
    }

    #[test]
    fn tags_are_a_name_or_two_texts() {
        for (tags, expected) in [
            ("tool", Ok("<tool>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool>")),
            ("[T],[/T]", Ok("[T]{\"name\":\"f\",\"arguments\":{\"a\":1}}[/T]")),
            (" {name} , end ", Ok("{name}{\"name\":\"f\",\"arguments\":{\"a\":1}}end")),
            ("xml", Ok("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>")),
            ("gemma", Ok("```tool_code\n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n```")),
            ("A,B,C", Err(TagsError::Commas)),
            ("A,", Err(TagsError::Empty)),
            (" ", Err(TagsError::Empty)),
        ] {
            let written = Format::of_tags(tags).map(|format| call(&format));
            assert_eq!(written, expected.map(str::to_owned), "{tags}");
        }
    }
}
