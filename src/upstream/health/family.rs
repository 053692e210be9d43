//! Family of a model: how it writes its calls, and what is to be done with tools for it, by what the configuration says,
//! its chat template shows, and its name suggests. Asks nobody.

use std::fmt;
use std::sync::Arc;

use crate::api::ollama::server::Description;
use crate::config::{self, DialectChoice, ToolsChoice};
use crate::decode::Reasoning;
use crate::dialect::{CallsOfTurn, Dialect, Dialects, Past};
use crate::engine::{Constraint, ToolsMode};

use super::description::Offered;
use super::template::{Template, Tools};

/// How a model writes, and what is done with tools for it.
#[derive(Clone, Debug)]
pub struct Family {
    pub dialect: Arc<Dialect>,
    pub reasoning: Reasoning,
    pub tools: ToolsMode,
    /// In which form of the past the template drops nothing, where that is known.
    pub kept: Option<Past>,
    /// The strongest constraint that its servers take.
    pub constraint: Constraint,
    /// What its server puts before a conversation that has no system message of its own.
    pub system: Option<Arc<str>>,
}

/// What a model's chat template shows, by what its pool leaves open.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The dialect whose family it is.
    dialect: Option<Arc<Dialect>>,
    /// Whether the template itself is not to be seen, and only what it writes.
    is_hidden: bool,
    /// How its answers begin.
    reasoning: Reasoning,
    tools: (ToolsMode, ToolsReason),
    kept: Option<Past>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToolsReason {
    Configured,
    /// The template writes tools, and the dialect is its family's.
    Written,
    /// The template is of a family whose calls the engine hands on to nobody as text.
    Kept,
    LeftOut,
    /// What it writes its server did not say.
    Untold,
    /// The template is of no family that is known.
    Unknown,
    /// The template is of another family than the dialect that was named.
    Another,
    /// It writes tools, but of which family it is its server does not show.
    Hidden,
    /// The engine writes tools only where it reads calls.
    Engine,
}

impl Shown {
    /// What a template shows of a model of this pool.
    pub fn of(pool: &config::Pool, template: &Template, dialects: &Dialects) -> Self {
        let (own, row) = (own(pool, &template.text, dialects), pool.engine.row());
        let (dialect, unread) = match &pool.dialect {
            DialectChoice::Named(dialect) => (Some(dialect), ToolsReason::Another),
            DialectChoice::Auto => (own, ToolsReason::Unknown),
        };
        let keeps_calls = row.keeps_calls(&template.text);
        let (is_hidden, written) = (template.is_hidden(), template.writes.map(|writes| writes.tools));
        let chosen = || match (own, &pool.dialect, written) {
            (_, _, Some(Tools::Written)) if is_hidden => (ToolsMode::Inject, ToolsReason::Hidden),
            (_, _, Some(Tools::LeftOut)) if is_hidden => (ToolsMode::Inject, ToolsReason::LeftOut),
            (Some(_), ..) | (None, DialectChoice::Auto, _) if keeps_calls => (ToolsMode::Native, ToolsReason::Kept),
            (None, ..) => (ToolsMode::Inject, unread),
            _ if row.needs.parse.is_none() => (ToolsMode::Inject, ToolsReason::Engine),
            (_, _, Some(Tools::Written)) => (ToolsMode::Parse, ToolsReason::Written),
            (_, _, Some(Tools::LeftOut)) => (ToolsMode::Inject, ToolsReason::LeftOut),
            (_, _, None) => (ToolsMode::Inject, ToolsReason::Untold),
        };
        let tools = match (pool.tools.mode(), written) {
            // Nobody would tell the model of them.
            (Some(ToolsMode::Parse), Some(Tools::LeftOut)) => (ToolsMode::Inject, ToolsReason::LeftOut),
            (Some(mode), _) => (mode, ToolsReason::Configured),
            (None, _) => chosen(),
        };
        let reasoning = dialect.map_or(Reasoning::Auto, |dialect| prompt_reasoning(dialect, &template.text));
        let kept = template.writes.map(|writes| writes.past);
        Self { dialect: dialect.cloned(), is_hidden, reasoning, tools, kept }
    }

    /// Whether the template is of a family that is known, or its models are read as one that was named.
    pub fn is_known(&self) -> bool {
        self.dialect.is_some()
    }

    /// Whether the template itself is not to be seen.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Why that is done with tools which is.
    pub fn why(&self) -> &'static str {
        self.tools.1.words()
    }
}

impl PartialEq for Shown {
    /// Whether models of both are read and written for in the same way.
    fn eq(&self, other: &Self) -> bool {
        let dialect = |shown: &Self| shown.dialect.as_ref().map(|dialect| dialect.name().to_owned());
        dialect(self) == dialect(other)
            && (self.reasoning, self.tools.0, self.kept) == (other.reasoning, other.tools.0, other.kept)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dialect {
            Some(dialect) => write!(f, "dialect {}", dialect.name())?,
            None if self.is_hidden => write!(f, "a chat template that is not shown")?,
            None => write!(f, "a chat template of no family that is known")?,
        }
        let (tools, why) = self.tools;
        write!(f, ", tools {} ({}), reasoning {}", tools.name(), why.words(), self.reasoning.name())?;
        match self.kept {
            Some(past) => write!(f, ", history {}", past.name()),
            None => Ok(()),
        }
    }
}

/// Whether it makes a difference to a pool what a template writes: where the template may be chosen to write the tools,
/// and where it writes the past.
pub fn is_written_by_template(pool: &config::Pool) -> bool {
    match (pool.tools, &pool.dialect) {
        (ToolsChoice::Native, _) => false,
        (ToolsChoice::Auto | ToolsChoice::Inject, DialectChoice::Auto) | (ToolsChoice::Parse, _) => true,
        (ToolsChoice::Auto, DialectChoice::Named(dialect)) => !dialect.spec().detect.template.is_empty(),
        (ToolsChoice::Inject, DialectChoice::Named(dialect)) => dialect.spec().prompt.history.text().is_none(),
    }
}

/// The dialect of a template's family, where its models are read as that.
fn own<'d>(pool: &config::Pool, text: &str, dialects: &'d Dialects) -> Option<&'d Arc<Dialect>> {
    dialects.by_template(text).filter(|own| match &pool.dialect {
        DialectChoice::Named(dialect) => own.name() == dialect.name(),
        DialectChoice::Auto => true,
    })
}

/// Whether the configuration leaves open what a chat template says.
pub fn is_open(pool: &config::Pool) -> bool {
    match &pool.dialect {
        DialectChoice::Auto => true,
        // Its servers read the calls, and what they fail to read is written as it says.
        DialectChoice::Named(_) if pool.tools == ToolsChoice::Native => false,
        DialectChoice::Named(dialect) => {
            let opens = pool.reasoning == Reasoning::Auto && dialect.spec().reasoning.is_some();
            opens || is_written_by_template(pool)
        }
    }
}

impl Family {
    /// The family of a model of this pool, by what its template shows, else by its name. `None` only when there is no
    /// dialect at all.
    pub fn of(pool: &config::Pool, shown: Option<&Shown>, model: Option<&str>, dialects: &Dialects) -> Option<Self> {
        let of_template = shown.and_then(|shown| shown.dialect.as_ref());
        let by_name = || model.and_then(|model| dialects.by_model(model));
        let dialect = match (&pool.dialect, of_template) {
            (DialectChoice::Named(dialect), _) | (DialectChoice::Auto, Some(dialect)) => dialect,
            (DialectChoice::Auto, None) => by_name().or_else(|| dialects.union())?,
        };
        let reasoning = match shown {
            Some(shown) if pool.reasoning == Reasoning::Auto => shown.reasoning,
            _ => pool.reasoning,
        };
        let tools = shown.map(|shown| shown.tools.0).or(pool.tools.mode()).unwrap_or(ToolsMode::Inject);
        let kept = shown.and_then(|shown| shown.kept);
        let (dialect, constraint) = (Arc::clone(dialect), Constraint::STRONGEST);
        Some(Self { dialect, reasoning, tools, kept, constraint, system: None })
    }

    /// The family of a model by how its server describes it, and by what was found that it does not take. Without a
    /// description its tools are injected, in a dialect that no server reads. `None` only when there is no dialect at all.
    pub fn described(
        pool: &config::Pool,
        (model, description): (&str, Option<&Description>),
        offered: Offered,
        dialects: &Dialects,
    ) -> Option<Self> {
        let takes_tools = offered == Offered::Taken && description.is_some_and(|told| told.takes_tools);
        let chosen = if takes_tools { ToolsMode::Parse } else { ToolsMode::Inject };
        let tools = pool.tools.mode().unwrap_or(chosen);
        let by_template = description.and_then(|told| dialects.by_template(&told.template));
        let own = by_template.or_else(|| dialects.by_model(model));
        let neutral = || pool.engine.row().neutral_dialect.and_then(|name| dialects.get(name));
        let has_reader = description.is_none_or(|told| told.parser.is_some());
        let dialect = match &pool.dialect {
            DialectChoice::Named(dialect) => dialect,
            DialectChoice::Auto if tools == ToolsMode::Inject && has_reader => neutral().or(own)?,
            DialectChoice::Auto if tools == ToolsMode::Inject => own.or_else(neutral)?,
            DialectChoice::Auto => own.or_else(|| dialects.union())?,
        };
        let kept = (tools != ToolsMode::Inject).then_some(Past::Native(CallsOfTurn::All));
        let system = description.and_then(|told| told.system.clone());
        let (dialect, constraint) = (Arc::clone(dialect), Constraint::STRONGEST);
        Some(Self { dialect, reasoning: pool.reasoning, tools, kept, constraint, system })
    }
}

impl Family {
    /// The same with its tools injected, in the dialect that the engine has for that.
    pub fn injected(self, pool: &config::Pool, dialects: &Dialects) -> Self {
        let neutral = pool.engine.row().neutral_dialect.and_then(|name| dialects.get(name));
        let dialect = neutral.map_or(self.dialect, Arc::clone);
        Self { dialect, tools: ToolsMode::Inject, kept: None, ..self }
    }
}

impl ToolsReason {
    fn words(self) -> &'static str {
        match self {
            Self::Configured => "as configured",
            Self::Written => "the template writes them",
            Self::Kept => "the server hands on no call of this family as text",
            Self::LeftOut => "the server's prompt leaves them out",
            Self::Untold => "the server does not show what its template writes",
            Self::Unknown => "the template is of no family that is known",
            Self::Another => "the template is of another family",
            Self::Hidden => "the server's prompt has them, but of which family its template is it does not show",
            Self::Engine => "the server writes them only where it reads calls",
        }
    }
}

/// Whether the template's generation prompt ends inside reasoning: what follows its last `add_generation_prompt`
/// names an opener and no closer.
fn prompt_reasoning(dialect: &Dialect, template: &str) -> Reasoning {
    let Some(reasoning) = &dialect.spec().reasoning else { return Reasoning::Auto };
    let Some((_, tail)) = template.rsplit_once("add_generation_prompt") else { return Reasoning::Auto };
    let names = |markers: &[String]| markers.iter().any(|marker| !marker.is_empty() && tail.contains(marker.as_str()));
    if names(&reasoning.open) && !names(&reasoning.close) { Reasoning::Open } else { Reasoning::Auto }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::upstream::health::template::Writes;

    /// What is done with tools by what the configuration says and by what a template shows.
    #[test]
    fn a_template_is_told_from_another_and_what_is_configured_holds() {
        let dialects = Dialects::builtin();
        let of = |dialect: &str, tools, text: &str, written: Option<Tools>| {
            let named = dialects.get(dialect).cloned();
            let dialect = named.map_or(DialectChoice::Auto, DialectChoice::Named);
            let pool = config::Pool { dialect, tools, ..config::Pool::named("p") };
            let past = Past::Native(CallsOfTurn::One);
            let writes = written.map(|tools| Writes { tools, past });
            let shown = Shown::of(&pool, &Template { text: text.into(), writes }, &dialects);
            let family = Family::of(&pool, Some(&shown), None, &dialects).unwrap();
            assert_eq!(family.kept, written.map(|_| past));
            shown.to_string()
        };
        let (auto, written) = (ToolsChoice::Auto, Some(Tools::Written));
        for (shown, expected) in [
            (
                of("", auto, "<tool_call>", written),
                "dialect hermes, tools parse (the template writes them), reasoning auto, history native, one call a turn",
            ),
            (
                of("", auto, "<tool_call>", None),
                "dialect hermes, tools inject (the server does not show what its template writes), reasoning auto",
            ),
            (
                of("hermes", auto, "<|channel|>", None),
                "dialect hermes, tools inject (the template is of another family), reasoning auto",
            ),
            (
                of("", ToolsChoice::Inject, "<tool_call>", written),
                "dialect hermes, tools inject (as configured), reasoning auto, history native, one call a turn",
            ),
            (
                of("", auto, "of nobody", None),
                "a chat template of no family that is known, tools inject (the template is of no family that is known), reasoning auto",
            ),
        ] {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_model_is_offered_tools_as_its_server_describes_it() {
        let dialects = Dialects::builtin();
        let told = |takes_tools: bool, parser: Option<&str>, template: &str| {
            let (parser, template) = (parser.map(str::to_owned), template.to_owned());
            Some(Description {
                takes_tools,
                parser,
                template,
                system: Some("Be brief.".into()),
                ..Description::default()
            })
        };
        let (auto, taken) = (ToolsChoice::Auto, Offered::Taken);
        for (tools, description, offered, expected) in [
            (auto, told(true, None, "<tool_call>"), taken, "parse hermes"),
            (auto, told(true, Some("x"), ""), taken, "parse json-envelope"),
            (auto, told(true, None, "<tool_call>"), Offered::Refused, "inject hermes"),
            (auto, told(false, None, "<tool_call>"), taken, "inject hermes"),
            (auto, told(false, Some("x"), "<tool_call>"), taken, "inject json-envelope"),
            (auto, told(false, None, ""), taken, "inject json-envelope"),
            (auto, None, taken, "inject json-envelope"),
            (ToolsChoice::Inject, told(true, None, "<tool_call>"), taken, "inject hermes"),
            (ToolsChoice::Native, told(false, None, "<tool_call>"), taken, "native hermes"),
        ] {
            let pool = config::Pool { tools, engine: Engine::Ollama, ..config::Pool::named("p") };
            let family = Family::described(&pool, ("m", description.as_ref()), offered, &dialects).unwrap();
            assert_eq!(format!("{} {}", family.tools.name(), family.dialect.name()), expected, "{description:?}");
            assert_eq!(family.system.as_deref(), description.map(|_| "Be brief."));
            let injected = family.injected(&pool, &dialects);
            assert_eq!((injected.tools, injected.dialect.name()), (ToolsMode::Inject, "json-envelope"));
        }
    }

    #[test]
    fn a_generation_prompt_that_opens_reasoning_is_seen() {
        let dialects = Dialects::builtin();
        let dialect = dialects.get("hermes").unwrap();
        let table = [
            ("{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}", Reasoning::Open),
            ("{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}", Reasoning::Auto),
            ("{% if add_generation_prompt %}{% if x %}<think>\n\n</think>{% endif %}{% endif %}", Reasoning::Auto),
            ("<think> everywhere else {% if add_generation_prompt %}{% endif %}", Reasoning::Auto),
            ("<think>", Reasoning::Auto),
        ];
        for (template, expected) in table {
            assert_eq!(prompt_reasoning(dialect, template), expected, "{template}");
        }
    }
}
