//! What a dialect file may say. An optional part is an absent key; there are no flags.

use serde::Deserialize;

use super::builtin::DialectError;
use super::ids::IdsSpec;
use super::json_name::JsonName;
use super::messages::{Kind, MessagesSpec};
use super::prompt::PromptSpec;
use super::several::Several;
use super::written::WrittenSpec;
use crate::chat::IdForm;

/// One dialect, as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name in the configuration and in metrics.
    pub name: String,
    /// One sentence for `toolgate dialects`.
    pub about: String,
    #[serde(default)]
    pub detect: Detect,
    /// What `{suffix}` in a marker begins with, where it stands for something.
    #[serde(default)]
    pub suffix: Option<String>,
    #[serde(default)]
    pub reasoning: Option<ReasoningSpec>,
    #[serde(default)]
    pub messages: Option<MessagesSpec>,
    /// Markers around text that is no call. They are dropped outside of calls and reasoning.
    #[serde(default)]
    pub wrap: Vec<String>,
    #[serde(default)]
    pub section: Option<SectionSpec>,
    pub call: Call,
    /// How a call is written inside, the family's own form first: where there are several, they stand in the same
    /// wrapper, and the first bytes tell which it is.
    pub payload: Several<Payload>,
    /// How a call is written, the first spelling in past calls; versions of a family may have several.
    pub written: Several<WrittenSpec>,
    #[serde(default)]
    pub ids: IdsSpec,
    pub prompt: PromptSpec,
}

impl Spec {
    /// Reads a dialect file.
    pub(super) fn read(yaml: &str) -> Result<Self, DialectError> {
        serde_saphyr::from_str(yaml).map_err(|error| DialectError::Yaml(error.to_string()))
    }

    /// What stands around a call, a section and a message: from within a call the markers of all are alike.
    pub fn enclosing(&self) -> Call {
        let mut call = self.call.clone();
        if let Some(section) = &self.section {
            call.open.extend(section.open.iter().cloned());
            call.close.extend(section.close.iter().cloned());
        }
        if let Some(messages) = &self.messages {
            call.open.extend(messages.start.iter().cloned());
            call.close.extend(messages.end.iter().cloned());
        }
        call
    }

    /// Whether its calls have ids of the family's own form, which those of one conversation share.
    pub fn has_ids(&self) -> bool {
        let writes = |payload: &Payload| match payload {
            Payload::Json(json) => !json.id.is_empty(),
            Payload::Header(header) => header.id.is_some(),
            Payload::Tagged(_) | Payload::Literal(_) | Payload::Python(_) | Payload::Elements(_) | Payload::Code(_) => {
                false
            }
        };
        self.ids.mint != IdForm::Call || self.payload.iter().any(writes)
    }

    /// Whether it tells reasoning from text.
    pub fn reasons(&self) -> bool {
        let thinks = |messages: &MessagesSpec| messages.kinds.iter().any(|kind| kind.is == Kind::Reasoning);
        self.reasoning.is_some() || self.messages.as_ref().is_some_and(thinks)
    }

    /// Whether calls stand in code.
    pub fn reads_code(&self) -> bool {
        self.payload.iter().any(|payload| matches!(payload, Payload::Code(_)))
    }

    /// What begins with `c` where no marker opens it, in any of its forms.
    pub fn unmarked(&self, c: char) -> Option<Unmarked> {
        self.payload.iter().find_map(|payload| payload.unmarked(c))
    }
}

/// How `dialect: auto` knows the family.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Place in the order in which dialects are tried, lowest first.
    #[serde(default)]
    pub order: u32,
    /// Any of these sets of substrings, all in the server's chat template.
    #[serde(default)]
    pub template: Vec<Vec<String>>,
    /// Globs over the model's name, without regard to case.
    #[serde(default)]
    pub models: Vec<String>,
}

/// Where the model thinks aloud.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasoningSpec {
    pub open: Vec<String>,
    pub close: Vec<String>,
    /// What a call inside an open block is; absent, it is reasoning.
    #[serde(default)]
    pub call: Option<CallInReasoning>,
}

/// What a call inside an open block of reasoning does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CallInReasoning {
    /// A sound call of a declared tool ends the block.
    Ends,
}

/// What stands around several calls. With something else behind its opener it is text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionSpec {
    pub open: Vec<String>,
    pub close: Vec<String>,
}

/// What stands around a call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Openers, each of which starts a payload.
    #[serde(default)]
    pub open: Vec<String>,
    /// Openers that count as the payload's own first bytes: a missing wrapper, or JSON that opens itself.
    /// Whitespace in one stands for any whitespace, none included.
    #[serde(default)]
    pub bare: Vec<String>,
    /// Those of a dialect that has no other openers, in a union with dialects that have some.
    #[serde(skip)]
    pub free: Vec<String>,
    /// Words on the first line of a code fence in which a bare opener may stand, or the payload that is the answer's
    /// start; a fence without a word is one too. The closing fence then belongs to the call.
    #[serde(default)]
    pub fence: Vec<String>,
    /// Closers; one after a complete payload belongs to the call.
    #[serde(default)]
    pub close: Vec<String>,
    /// The answer itself may begin with a payload, with no marker before it.
    #[serde(default)]
    pub start: Option<StartOfAnswer>,
    /// End-of-turn tokens that may be spelled out after a call at the end of an answer.
    #[serde(default)]
    pub end_tokens: Vec<String>,
}

/// How an answer may begin with a payload.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum StartOfAnswer {
    /// A JSON object or list, or a list of Python calls, bare or as the fence that is the whole answer.
    #[serde(alias = "python")]
    Json,
    /// The same, but only as that fence.
    FencedJson,
}

/// How a call is written inside its markers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    Json(JsonSpec),
    Tagged(TaggedSpec),
    Literal(LiteralSpec),
    Header(HeaderSpec),
    Python(PythonSpec),
    Elements(ElementsSpec),
    Code(CodeSpec),
}

/// What a payload can begin with where no marker opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmarked {
    Call,
    /// A list of calls.
    List,
    /// A call inside a list, a wrapper or a fence: elsewhere a word is a word.
    Item,
}

impl Payload {
    /// What a call in this form begins with, where that is a text of its own.
    pub(super) fn first(&self) -> Vec<&str> {
        match self {
            Self::Tagged(tagged) => tagged.name.0.texts().collect(),
            Self::Literal(literal) => literal.header.iter().map(String::as_str).collect(),
            Self::Header(header) => header.name.iter().flat_map(|name| name.0.texts()).collect(),
            Self::Json(_) | Self::Python(_) | Self::Elements(_) | Self::Code(_) => Vec::new(),
        }
    }

    /// What begins with `c` in this form where no marker opens it.
    fn unmarked(&self, c: char) -> Option<Unmarked> {
        match (self, c) {
            (Self::Json(_), '{') => Some(Unmarked::Call),
            (Self::Json(_) | Self::Python(_), '[') => Some(Unmarked::List),
            (Self::Python(_), c) if c == '_' || c.is_alphabetic() => Some(Unmarked::Item),
            _ => None,
        }
    }
}

/// A JSON object that carries name and arguments, or several of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct JsonSpec {
    pub name: JsonName,
    /// Keys whose value is the arguments. Where the name is a key, they are its value.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Keys whose value is the call's own id. One that stands behind the arguments comes too late.
    #[serde(default)]
    pub id: Vec<String>,
    /// Keys whose value is the object itself: `{"tool_call": {…}}`, `{"type": "function", "function": {…}}`.
    #[serde(default)]
    pub wrapper: Vec<String>,
    /// Characters that may stand between two objects, besides whitespace.
    #[serde(default)]
    pub between: String,
}

/// Parameters in tags, their values raw text: `<function=NAME><parameter=KEY>VALUE</parameter></function>`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TaggedSpec {
    pub name: TagName,
    /// Before and after a parameter's key.
    pub key: Around,
    /// Where the text says of what type a value is.
    #[serde(default, rename = "type")]
    pub stated: Option<StatedSpec>,
    /// Before and after a parameter's value.
    pub value: Around,
    /// After the last parameter; nothing, where the wrapper's closer ends them.
    pub close: Several<String>,
    #[serde(default)]
    pub trim: Trim,
    /// What may stand right around a value, and makes everything in it data.
    #[serde(default)]
    pub cdata: Option<[String; 2]>,
    /// What stands for what in names and keys.
    #[serde(default)]
    pub escapes: Vec<[String; 2]>,
}

/// Before and after a name, and what ends its tag where attributes may follow it, which mean nothing. Nothing after it
/// is where the next markup begins.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct TagName(pub Several<String>, pub Several<String>, #[serde(default)] pub Option<String>);

/// A value's type, stated in the text behind its key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StatedSpec {
    pub open: String,
    pub close: String,
    /// The types whose values are the text as it stands. All others are JSON.
    pub text: Vec<String>,
}

/// What of a value's edges is the dialect's own.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Trim {
    /// A newline on each side, where one stands there.
    #[default]
    #[serde(rename = "\n")]
    Newline,
    #[serde(rename = "")]
    Nothing,
}

/// Elements that nest, each tag behind a prefix: `P<invoke name="f">P<key>text P</key>P</invoke>`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ElementsSpec {
    /// What stands before every tag.
    pub prefix: String,
    /// The tag that names the tool, before and after the name.
    pub name: Around,
    /// The element of a list's item.
    pub item: String,
    /// The tag behind the last argument.
    pub close: Several<String>,
}

impl ElementsSpec {
    /// The name that a tag gives.
    pub fn name_in<'t>(&self, tag: &'t str) -> Option<&'t str> {
        let behind = self.name.0.texts().find_map(|before| tag.strip_prefix(before))?;
        self.name.1.texts().find_map(|after| behind.strip_suffix(after))
    }
}

/// A call as Python writes it, alone or in a list: `f(a=1, b='x')`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PythonSpec {}

/// Python code in a fence, or as the answer: a statement that calls a tool is a call, and the rest is text.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct CodeSpec {}

/// A literal of its own: `call:NAME{key:<|"|>text<|"|>,n:1}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LiteralSpec {
    /// What may stand before the name.
    pub header: Vec<String>,
    /// The delimiter of strings, inside which nothing is escaped.
    pub quote: String,
}

/// A name, perhaps an id, and one JSON value. What stands before the value is its header.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HeaderSpec {
    /// Before and after the name. Absent, something outside has named the call.
    #[serde(default)]
    pub name: Option<Around>,
    /// Before and after the call's own id, which may be the same text.
    #[serde(default)]
    pub id: Option<Around>,
    /// Before and after the value.
    #[serde(default)]
    pub arguments: Option<Around>,
}

/// What stands before a text, and what after it. Nothing before it is where the header begins, nothing after it is where
/// the next literal does.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Around(pub Several<String>, pub Several<String>);

impl HeaderSpec {
    /// The name that a header has, if all that stands around it does.
    pub fn name_in<'h>(&self, header: &'h str) -> Option<&'h str> {
        self.part(self.name.as_ref()?, header)
    }

    /// The call's own id that a header has.
    pub fn id_in<'h>(&self, header: &'h str) -> Option<&'h str> {
        self.part(self.id.as_ref()?, header)
    }

    /// The texts that tell the parts of a header from each other.
    pub fn literals(&self) -> impl Iterator<Item = &str> + Clone {
        self.name.iter().chain(&self.id).flat_map(Around::literals)
    }

    fn part<'h>(&self, around: &Around, header: &'h str) -> Option<&'h str> {
        around.part(header, self.literals())
    }
}

impl Around {
    /// The part of `text` that it stands around, trimmed. Where nothing need stand after the part, the next of
    /// `literals` does. `None` when what should stand around it does not, or nothing stands there.
    pub fn part<'t, 'l>(&self, text: &'t str, literals: impl Iterator<Item = &'l str>) -> Option<&'t str> {
        let behind = |before: &String| text.split_once(before.as_str()).map(|(_, behind)| behind);
        let part = self.0.iter().find_map(behind)?;
        let end = self.1.texts().filter_map(|after| part.find(after)).min();
        let next = || literals.filter_map(|literal| part.find(literal)).min().unwrap_or(part.len());
        let end = end.or_else(|| self.1.may_lack().then(next))?;
        let part = part.get(..end).unwrap_or_default().trim();
        (!part.is_empty()).then_some(part)
    }

    /// Both sides, as far as something stands there.
    pub fn literals(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.texts().chain(self.1.texts())
    }
}
