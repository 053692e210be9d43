//! Tools and calls: what is said in a turn of a conversation, in no API's words.
//! Does nothing; `api` reads it out of requests, and whoever writes prompts or reads answers takes it.

/// A function that a model may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    /// The JSON Schema of its arguments, byte for byte as the client wrote it.
    pub parameters: Option<Box<str>>,
}

/// Which tools an answer may call, and whether it must.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Auto,
    /// It must call nothing.
    None,
    /// It must call something.
    Required,
    /// It must call this one.
    Named(String),
}

/// The form of a call's id, where the model wrote none of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdForm {
    /// `call_` and 24 letters and digits.
    #[default]
    Call,
    /// So many letters and digits.
    Letters(usize),
    /// A text that says which call it is.
    Text(Vec<IdPart>),
}

/// A part of such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdPart {
    Literal(String),
    /// The tool's name.
    Name,
    /// The call's number in the conversation, from 0 on.
    Number,
}

/// How many calls an answer may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    #[default]
    All,
    /// The first; what follows it is dropped.
    First,
}
