//! What a dialect file says of the prompt: the form of the tools, the texts around them, their place, and history.
//! Only says it; `prompt` fills the texts in. There is no template language: a text has holes and nothing more.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::history::History;

/// The prompt part of a dialect file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptSpec {
    #[serde(default)]
    pub place: Place,
    /// What stands between the tools' text and the text that was in its place before.
    #[serde(default = "blank_line")]
    pub gap: String,
    pub tools: ToolsSpec,
    /// The tools' text; its hole is `{tools}`, and perhaps `{example}`, where their form has examples.
    #[serde(deserialize_with = "around_all_tools")]
    pub text: Text,
    #[serde(default)]
    pub choice: ChoiceSpec,
    pub history: History,
}

/// Where the tools' text goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Behind the first system message, or in one of its own.
    #[default]
    SystemEnd,
    /// In front of the first system message, or in one of its own.
    SystemStart,
    /// In front of the first user message.
    UserStart,
}

/// How the tools are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolsSpec {
    pub form: ToolsForm,
    /// Around each tool, or around all where they are written together; its hole is `{tools}`.
    #[serde(deserialize_with = "around_tools")]
    pub each: Text,
    /// What stands between two of them.
    #[serde(default)]
    pub between: String,
}

/// The forms in which tools can be written. In all of them their schemas reach the model whole.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ToolsForm {
    /// The tool's JSON on one line.
    Json,
    /// The tool's JSON, indented by four.
    JsonPretty,
    /// `<function>` with `<name>`, `<description>` and a `<parameter>` for each property.
    Xml,
    /// `declaration:NAME{…}`, in the literal of the payload.
    Declaration,
    /// `NAME(x: string, y: integer = None)`, what it does, and a line for each parameter.
    Signature,
    /// The JSON of its function, without what stands around that, on one line.
    Function,
    /// `type NAME = (_: { x: string }) => any;`, with a comment for each description.
    Typescript,
    /// `def NAME(x: str):`, with what it does and a line for each parameter in its docstring.
    Python,
    /// All of them as one module of Python: `class NAMEModel(BaseModel):` and `def NAME(args: NAMEModel):`. It has examples.
    Models,
}

/// Sentences at the end of the last turn, each a paragraph. There is none for what most requests want: what the model
/// is always to be told stands with the tools, where it is the same on every turn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChoiceSpec {
    /// It must call nothing.
    #[serde(deserialize_with = "plain")]
    pub none: Text,
    /// It must call something.
    #[serde(deserialize_with = "plain")]
    pub required: Text,
    /// It must call one tool; the hole is `{name}`.
    #[serde(deserialize_with = "around_name")]
    pub named: Text,
    /// It may call only some of the tools; the hole `{name}` is for all of their names.
    #[serde(deserialize_with = "around_name")]
    pub among: Text,
    /// It may call once.
    #[serde(deserialize_with = "plain")]
    pub single: Text,
}

impl Default for ChoiceSpec {
    fn default() -> Self {
        let literal = |text: &str| Text { pieces: vec![Piece::Literal(text.into())] };
        let around_name = |before: &str, behind: &str| Text {
            pieces: vec![Piece::Literal(before.into()), Piece::Hole(Hole::Name), Piece::Literal(behind.into())],
        };
        Self {
            none: literal("Call no function in your next answer; answer in plain words."),
            required: literal("Your next answer must be a call of one of the functions."),
            named: around_name("Your next answer must be a call of the function `", "`."),
            among: around_name("In your next answer, call no functions but these: ", "."),
            single: literal("Make no more than one call in an answer."),
        }
    }
}

/// How past results are written as text, where past calls are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySpec {
    /// Around all results of a turn; the hole is `{results}`.
    #[serde(default, deserialize_with = "around_results")]
    pub results: Text,
    pub result: ResultSpec,
}

/// How a past result is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultSpec {
    /// The turn that it becomes.
    pub role: String,
    /// Its hole is `{result}`, or `{json}` for the result as a JSON string; `{name}` (in Python's words `{function}`) and
    /// `{id}` are those of its call.
    #[serde(deserialize_with = "around_result")]
    pub text: Text,
    /// What stands between two results of a turn.
    #[serde(default = "new_line")]
    pub between: String,
}

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    Hole(Hole),
}

impl Piece {
    fn literal(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Hole(_) => "",
        }
    }
}

/// What a hole is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    Tools,
    /// Calls of some tools.
    Example,
    Name,
    /// The name as Python takes it.
    Function,
    /// The class of the arguments.
    Model,
    Arguments,
    Result,
    /// The result as a JSON string.
    Json,
    Number,
    Nth,
    Id,
    Thought,
    Calls,
    Results,
    Type,
    IsString,
}

/// Why a text is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TextError {
    #[error("`{{{0}}}` is no hole that this text may have")]
    NoHole(String),
    #[error("the text lacks its hole `{{{0}}}`")]
    Lacking(&'static str),
}

impl Hole {
    const ALL: [Self; 16] = [
        Self::Tools,
        Self::Example,
        Self::Name,
        Self::Function,
        Self::Model,
        Self::Arguments,
        Self::Result,
        Self::Json,
        Self::Number,
        Self::Nth,
        Self::Id,
        Self::Thought,
        Self::Calls,
        Self::Results,
        Self::Type,
        Self::IsString,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Example => "example",
            Self::Name => "name",
            Self::Function => "function",
            Self::Model => "model",
            Self::Arguments => "arguments",
            Self::Result => "result",
            Self::Json => "json",
            Self::Number => "n",
            Self::Nth => "nth",
            Self::Id => "id",
            Self::Thought => "thought",
            Self::Calls => "calls",
            Self::Results => "results",
            Self::Type => "type",
            Self::IsString => "string",
        }
    }
}

impl From<Vec<Piece>> for Text {
    fn from(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }
}

impl Text {
    /// Reads a text that must have the holes `needed` and may have those in `allowed`.
    /// A brace is a literal brace unless it encloses nothing but small letters.
    pub fn parse(text: &str, needed: &[Hole], allowed: &[Hole]) -> Result<Self, TextError> {
        let mut pieces = vec![];
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, braced) = rest.split_at(open);
            literal.push_str(before);
            let inside = braced.strip_prefix('{').and_then(|b| b.split_once('}')).filter(|(word, _)| is_word(word));
            let Some((word, tail)) = inside else {
                literal.push('{');
                rest = braced.strip_prefix('{').unwrap_or_default();
                continue;
            };
            let hole = Hole::ALL.into_iter().find(|h| h.word() == word);
            let hole = hole.filter(|h| needed.contains(h) || allowed.contains(h));
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            pieces.push(Piece::Hole(hole.ok_or_else(|| TextError::NoHole(word.into()))?));
            rest = tail;
        }
        literal.push_str(rest);
        pieces.push(Piece::Literal(literal));
        pieces.retain(|piece| !matches!(piece, Piece::Literal(text) if text.is_empty()));
        match needed.iter().find(|h| !pieces.contains(&Piece::Hole(**h))) {
            Some(hole) => Err(TextError::Lacking(hole.word())),
            None => Ok(Self { pieces }),
        }
    }

    /// Its parts, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// What stands before its first hole and behind its last.
    pub fn sides(&self) -> (&str, &str) {
        (self.pieces.first().map_or("", Piece::literal), self.pieces.last().map_or("", Piece::literal))
    }

    /// Appends the text, each hole filled by `fill`.
    pub fn write(&self, out: &mut String, mut fill: impl FnMut(Hole, &mut String)) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(hole) => fill(*hole, out),
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())
}

fn blank_line() -> String {
    "\n\n".into()
}

fn new_line() -> String {
    "\n".into()
}

fn read<'de, D: Deserializer<'de>>(from: D, needed: &[Hole], allowed: &[Hole]) -> Result<Text, D::Error> {
    Text::parse(&String::deserialize(from)?, needed, allowed).map_err(D::Error::custom)
}

fn plain<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[], &[])
}

fn around_all_tools<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Tools], &[Hole::Example])
}

fn around_tools<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Tools], &[])
}

fn around_name<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Name], &[])
}

fn around_results<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    read(from, &[Hole::Results], &[])
}

fn around_result<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    let text = read(from, &[], &[Hole::Result, Hole::Json, Hole::Name, Hole::Function, Hole::Id])?;
    let says = |piece: &Piece| matches!(piece, Piece::Hole(Hole::Result | Hole::Json));
    if text.pieces.iter().any(says) { Ok(text) } else { Err(D::Error::custom(TextError::Lacking("result"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, needed: &[Hole], allowed: &[Hole], expected: Result<&str, TextError>) {
        let filled = Text::parse(text, needed, allowed).map(|text| {
            let mut out = String::new();
            text.write(&mut out, |hole, out| out.push_str(&hole.word().to_uppercase()));
            out
        });
        assert_eq!(filled, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn holes_and_braces() {
        use Hole::{Arguments, Name, Result, Tools};
        check("<tools>{tools}</tools>", &[Tools], &[], Ok("<tools>TOOLS</tools>"));
        check(r#"{"{name}": {arguments}}"#, &[Name, Arguments], &[], Ok(r#"{"NAME": ARGUMENTS}"#));
        check("{...} {Name} {} {{name}} { name}", &[Name], &[], Ok("{...} {Name} {} {NAME} { name}"));
        check("{", &[], &[], Ok("{"));
        check("", &[], &[], Ok(""));
        check("{result}", &[Result], &[Name], Ok("RESULT"));
        check("{name}{result}{name}", &[Result], &[Name], Ok("NAMERESULTNAME"));
        check("{city}", &[], &[], Err(TextError::NoHole("city".into())));
        check("{result}", &[], &[Tools], Err(TextError::NoHole("result".into())));
        check("none", &[Tools], &[], Err(TextError::Lacking("tools")));
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        let yaml = "tools: { form: json, each: '{tools}' }\ntext: |\n  x {tool}\nhistory: native\n";
        let error = serde_saphyr::from_str::<PromptSpec>(yaml).unwrap_err().to_string();
        assert!(error.contains("`{tool}` is no hole"), "{error}");
        assert!(error.contains("line 2") || error.contains("line 3"), "{error}");
    }
}
