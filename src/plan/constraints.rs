//! Constraints of an answer: by which means a call that is required is brought about, and what becomes of what the client
//! itself says that the answer may be.

use std::sync::Arc;

use crate::api::openai::{Edits, Request};
use crate::chat::{Calls, Choice, Tool};
use crate::decode::Reasoning;
use crate::dialect::Dialect;
use crate::engine::{Constraint, ConstraintMember, Engine, Row};
use crate::grammar::{self, GrammarError, Wish};
use crate::json::write_string;

/// What became of a shape of the answer that the client asks for beside tools. It would forbid a call, so it is worth a
/// line in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// There was none, or nothing may be called.
    #[default]
    Unconcerned,
    /// It went up: the model may choose not to call.
    Kept,
    /// It was taken out, because a call is required.
    Dropped,
}

/// Whether an answer has to call something, and what brings that about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequiredCall {
    /// It need not.
    #[default]
    No,
    /// The prompt asks for it; there is no grammar, for this reason where there could be one.
    Prompted(Option<GrammarError>),
    /// The server lets the model write nothing but a JSON object that is a call; the reason is that there is no grammar.
    AsObject(Option<GrammarError>),
    /// The server lets the model write nothing but calls, in its own form.
    Forced,
}

/// What is told to a server, and how its answer is read where that is not as usual.
#[derive(Debug)]
pub(super) struct Forced {
    pub(super) constraint: Constraint,
    pub(super) required_call: RequiredCall,
    pub(super) read_as: Option<Arc<Dialect>>,
}

/// The constraints that there are for a model's answers.
#[derive(Debug)]
pub(super) struct Constraints<'a> {
    pub(super) row: &'static Row,
    /// The strongest that its servers take.
    pub(super) strongest: Constraint,
    pub(super) dialect: &'a Dialect,
}

impl Shape {
    /// Whether a request says what its answer may be, in any of the ways of this engine's servers.
    pub fn is_asked(request: &Request<'_>, engine: Engine) -> bool {
        let others = || engine.row().shapes.iter().any(|key| request.asks_for(key));
        request.response_format().is_some() || others()
    }

    /// What becomes of the shape that a request asks for.
    pub(super) fn of(request: &Request<'_>, engine: Engine, choice: &Choice) -> Self {
        match choice {
            Choice::None => Self::Unconcerned,
            _ if !Self::is_asked(request, engine) => Self::Unconcerned,
            Choice::Auto => Self::Kept,
            Choice::Required | Choice::Named(_) => Self::Dropped,
        }
    }
}

impl RequiredCall {
    /// Its name in headers and in metrics.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Prompted(_) => Some("prompted"),
            Self::AsObject(_) => Some("object"),
            Self::Forced => Some("forced"),
        }
    }

    /// Why there is no grammar, where there could be one.
    pub fn why(self) -> Option<GrammarError> {
        match self {
            Self::Prompted(why) | Self::AsObject(why) => why,
            Self::No | Self::Forced => None,
        }
    }
}

impl Constraints<'_> {
    /// Has the server let the model write nothing but calls, if it can: in the model's own form, else as a JSON object.
    /// What the client says that the answer may be gives way.
    pub(super) fn force(&self, edits: &mut Edits<'_>, request: &Request<'_>, wish: &Wish<'_>) -> Forced {
        let grammar = self.member(Constraint::Grammar).map(|member| (member, grammar::forced(self.dialect, wish)));
        let why = grammar.as_ref().and_then(|(_, grammar)| grammar.as_ref().err().copied());
        let object = || Some((self.member(Constraint::Schema)?, self.dialect.or_json()?));
        let (constraint, required_call, given, read_as) = match (grammar, object()) {
            (Some((member, Ok(grammar))), _) => {
                let value = member.value(&quoted(&grammar));
                (Constraint::Grammar, RequiredCall::Forced, Some((member.key, value)), None)
            }
            (_, Some((member, dialect))) => {
                let value = member.value(&grammar::object_schema(wish));
                let read_as = Some(Arc::clone(dialect));
                (Constraint::Schema, RequiredCall::AsObject(why), Some((member.key, value)), read_as)
            }
            _ => (Constraint::None, RequiredCall::Prompted(why), None, None),
        };
        let own = given.as_ref().map(|(key, _)| *key);
        for key in self.row.all_shapes().filter(|key| Some(*key) != own && request.asks_for(key)) {
            edits.remove(key);
        }
        if let Some((key, value)) = given {
            edits.set(key, value);
        }
        Forced { constraint, required_call, read_as }
    }

    /// Has the server hold the calls of these tools to their schemas, if it can; those of others are free.
    pub(super) fn hold(&self, edits: &mut Edits<'_>, held: &[String], callable: &[Tool], calls: Calls) -> Constraint {
        let free = |tool: &Tool| Tool {
            parameters: tool.parameters.clone().filter(|_| held.contains(&tool.name)),
            ..tool.clone()
        };
        let tools: Vec<_> = callable.iter().map(free).collect();
        let wish = Wish { tools: &tools, calls, reasoning: Reasoning::Off };
        let member = self.member(Constraint::Grammar);
        let Some((member, grammar)) = member.and_then(|m| Some((m, grammar::strict(self.dialect, &wish).ok()?))) else {
            return Constraint::None;
        };
        edits.set(member.key, member.value(&quoted(&grammar)));
        Constraint::Grammar
    }

    /// Where a request has such a constraint, if the server takes it.
    fn member(&self, constraint: Constraint) -> Option<&'static ConstraintMember> {
        let member = match constraint {
            Constraint::Grammar => self.row.grammar.as_ref(),
            Constraint::Schema => self.row.schema.as_ref(),
            Constraint::None => None,
        };
        member.filter(|_| constraint <= self.strongest)
    }
}

fn quoted(text: &str) -> String {
    let mut written = String::new();
    write_string(text, &mut written);
    written
}
