//! Tools of a request, as OpenAI's API has them, and the choice among them.

use std::borrow::Cow;

use super::body::Body;
use super::builtin_tools::{Described, Kind};
use super::ignored::Ignored;
use super::mistake::Mistake;
use super::server::{HostedTools, Server};
use super::text::{compact, escaped, said};
use crate::json::{Object, elements, inside, write_string};

/// The tools that are offered.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    /// As JSON, without brackets.
    list: String,
    names: Vec<Cow<'a, str>>,
    /// Those of Anthropic's that its clients run.
    described: Vec<Described>,
    /// By which models call those that run here; these are offered without being listed.
    own: Vec<String>,
}

impl<'a> Tools<'a> {
    /// Reads them. An error is the client's.
    pub(super) fn read(request: &Object<'a>, server: &Server, ignored: &mut Ignored) -> Result<Self, Mistake> {
        let own = server.runs.iter().map(|tool| tool.called.clone()).collect();
        let mut tools = Self { own, ..Self::default() };
        let Some(written) = request.present("tools") else { return Ok(tools) };
        let written = elements(written).ok_or_else(|| Mistake::at("tools", "must be a list"))?;
        for (at, tool) in written.into_iter().enumerate() {
            let path = format!("tools.{at}");
            let object = Object::part(tool).ok_or_else(|| Mistake::at(&path, "must be an object"))?;
            tools.add(&Tool { path, object }, server, ignored)?;
        }
        Ok(tools)
    }

    fn add(&mut self, tool: &Tool<'a>, server: &Server, ignored: &mut Ignored) -> Result<(), Mistake> {
        let kind = tool.object.present("type").unwrap_or("\"custom\"");
        let kind = inside(kind).ok_or_else(|| Mistake::at(format_args!("{}.type", tool.path), "must be a string"))?;
        let kind = said(kind);
        if kind == "mcp_toolset" && self.select(tool, server) {
            return Ok(());
        }
        let (description, schema) = match (kind.as_ref(), Kind::of(&kind)) {
            ("custom", _) => (tool.description()?, tool.schema()?),
            (_, Kind::Client(described)) => {
                self.describe(described, &kind, tool)?;
                (described.description.to_owned(), described.schema)
            }
            (_, Kind::Search) => return Ok(()),
            (_, Kind::Server) if server.hosted_tools == HostedTools::Drop => {
                ignored.add(&kind);
                return Ok(());
            }
            (_, Kind::Server) => {
                let why = format!("{kind} runs on Anthropic's servers and cannot be served here");
                return Err(Mistake::at(&tool.path, why));
            }
            (_, Kind::Screen) => return Err(Mistake::at(&tool.path, format!("{kind} cannot be served here"))),
            (_, Kind::Unknown) => {
                let kind: String = kind.chars().take(KIND_CHARS_MAX).collect();
                return Err(Mistake::at(&tool.path, format!("tools of the type {kind} are not known here")));
            }
        };
        tool.check_callers()?;
        let name = tool.name()?;
        self.list.push_str(if self.list.is_empty() { "" } else { "," });
        self.list.extend([r#"{"type":"function","function":{"name":""#, name, "\""]);
        if !description.is_empty() {
            self.list.extend([",\"description\":\"", &description, "\""]);
        }
        self.list.extend([",\"parameters\":", schema]);
        if let Some(strict @ ("true" | "false")) = tool.object.get("strict") {
            self.list.extend([",\"strict\":", strict]);
        }
        self.list.push_str("}}");
        self.names.push(said(name));
        Ok(())
    }

    /// Selects a server of tools that are run here. Whether it is one.
    fn select(&mut self, tool: &Tool<'a>, server: &Server) -> bool {
        let Some(label) = tool.object.string("mcp_server_name") else { return false };
        if server.runs.iter().all(|own| own.server != label) {
            return false;
        }
        self.list.push_str(if self.list.is_empty() { "" } else { "," });
        self.list.push_str(r#"{"type":"mcp","server_label":"#);
        write_string(&label, &mut self.list);
        self.list.push('}');
        true
    }

    /// What is said of such a tool is many times as long as its name, so it is said once.
    fn describe(&mut self, described: Described, kind: &str, tool: &Tool<'_>) -> Result<(), Mistake> {
        if self.described.contains(&described) {
            return Err(Mistake::at(&tool.path, format!("{kind} is offered twice")));
        }
        self.described.push(described);
        Ok(())
    }

    /// Adds them, and the choice among them. An error is the client's.
    pub(super) fn write(&self, request: &Object<'_>, body: &mut Body<'_>) -> Result<(), Mistake> {
        let choice = self.choice(request)?;
        if self.list.is_empty() {
            let is_emptied = request.present("tools").is_some();
            let is_none = choice.as_ref().is_some_and(|choice| choice.written == NONE);
            if !self.own.is_empty() && (is_emptied || is_none) {
                // Those that run here are not wanted either.
                body.set("tool_choice", NONE);
            }
            return Ok(());
        }
        body.set("tools", ["[", &self.list, "]"].concat());
        if let Some(choice) = choice {
            body.set("tool_choice", choice.written);
            if choice.is_single {
                body.set("parallel_tool_calls", "false");
            }
        }
        Ok(())
    }

    fn choice(&self, request: &Object<'_>) -> Result<Option<Choice>, Mistake> {
        let Some(written) = request.present("tool_choice") else { return Ok(None) };
        let choice = Object::part(written).ok_or_else(|| Mistake::at("tool_choice", "must be an object"))?;
        let written = match choice.string("type").as_deref() {
            Some("auto") => "\"auto\"".to_owned(),
            Some("none") => NONE.to_owned(),
            Some("any") if self.list.is_empty() && self.own.is_empty() => {
                return Err(Mistake::at("tool_choice", "no tool is offered"));
            }
            Some("any") => "\"required\"".to_owned(),
            Some("tool") => self.named(&choice)?,
            _ => return Err(Mistake::at("tool_choice.type", "must be auto, any, tool or none")),
        };
        let is_single = choice.get("disable_parallel_tool_use") == Some("true");
        Ok(Some(Choice { written, is_single }))
    }

    fn named(&self, choice: &Object<'_>) -> Result<String, Mistake> {
        let path = "tool_choice.name";
        let written = choice.present("name").ok_or_else(|| Mistake::required(path))?;
        let name = inside(written).map(said).ok_or_else(|| Mistake::at(path, "must be a string"))?;
        if !self.names.contains(&name) && self.own.iter().all(|own| *own != name) {
            return Err(Mistake::at(path, format!("no tool is named {name}")));
        }
        Ok([r#"{"type":"function","function":{"name":"#, written, "}}"].concat())
    }
}

#[derive(Debug)]
struct Choice {
    /// As JSON.
    written: String,
    /// No more than one call is wanted.
    is_single: bool,
}

struct Tool<'a> {
    path: String,
    object: Object<'a>,
}

impl<'a> Tool<'a> {
    /// As it stands within quotes.
    fn name(&self) -> Result<&'a str, Mistake> {
        let path = format!("{}.name", self.path);
        let written = self.object.present("name").ok_or_else(|| Mistake::required(&path))?;
        let name = inside(written).filter(|name| !name.is_empty());
        name.ok_or_else(|| Mistake::at(&path, "must be a string that is not empty"))
    }

    /// As it stands within quotes, with the examples, a line each. Empty where there is nothing to say.
    fn description(&self) -> Result<String, Mistake> {
        let path = |key: &str| format!("{}.{key}", self.path);
        let mut out = match self.object.present("description") {
            None => String::new(),
            Some(text) => inside(text).ok_or_else(|| Mistake::at(path("description"), "must be a string"))?.to_owned(),
        };
        let Some(examples) = self.object.present("input_examples") else { return Ok(out) };
        let mistake = || Mistake::at(path("input_examples"), "must be a list");
        let examples = elements(examples).ok_or_else(mistake)?;
        if !examples.is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\\n\\n" });
            out.push_str("Examples of its input:");
        }
        for example in examples {
            out.extend(["\\n", &escaped(&compact(example, None))]);
        }
        Ok(out)
    }

    /// As it was written.
    fn schema(&self) -> Result<&'a str, Mistake> {
        let path = format!("{}.input_schema", self.path);
        let schema = self.object.present("input_schema").ok_or_else(|| Mistake::required(&path))?;
        if schema.starts_with('{') { Ok(schema) } else { Err(Mistake::at(&path, "must be an object")) }
    }

    /// The model calls it here, and nobody else does.
    fn check_callers(&self) -> Result<(), Mistake> {
        let callers = self.object.present("allowed_callers").and_then(elements).unwrap_or_default();
        if callers.is_empty() || callers.contains(&"\"direct\"") {
            return Ok(());
        }
        Err(Mistake::at(&self.path, "a tool that only code execution may call cannot be served"))
    }
}

const NONE: &str = "\"none\"";
/// A longer name of a type says no more to anybody.
const KIND_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    /// The tools and the choice of a request, and what is ignored of them.
    fn told(hosted_tools: HostedTools, request: &str) -> Result<[String; 2], String> {
        let takes = Engine::LlamaCpp.row().messages;
        let server = Server { takes, sees: None, thinks: None, hosted_tools, runs: std::sync::Arc::default() };
        let (request, mut ignored) = (Object::parse(request).unwrap(), Ignored::default());
        let mut body = Body::default();
        Tools::read(&request, &server, &mut ignored)
            .and_then(|tools| tools.write(&request, &mut body))
            .map_err(|mistake| mistake.message.into_owned())?;
        Ok([body.finish(), ignored.into_names().join(" ")])
    }

    /// A function without a schema of note, and with what stands behind its name.
    fn function(name: &str, more: &str) -> String {
        format!(r#"{{"type":"function","function":{{"name":"{name}"{more}}}}}"#)
    }

    #[test]
    fn a_tool_becomes_a_function() {
        const SCHEMA: &str = r#","parameters":{ "b":1.0, "a":2 }"#;
        for (tool, more) in [
            ("", SCHEMA.to_owned()),
            (r#""type":null,"description":null,"strict":null,"allowed_callers":["x","direct"],"#, SCHEMA.to_owned()),
            (r#""type":"custom","description":"d\n","#, format!(r#","description":"d\n"{SCHEMA}"#)),
            (r#""input_examples":[],"strict":false,"#, format!(r#"{SCHEMA},"strict":false"#)),
            (
                r#""input_examples":[{ "x" : "\n" }],"#,
                format!(r#","description":"Examples of its input:\n{{\"x\":\"\\n\"}}"{SCHEMA}"#),
            ),
        ] {
            let request = format!(r#"{{"tools":[{{{tool}"name":"f","input_schema":{{ "b":1.0, "a":2 }}}}]}}"#);
            let expected = format!(r#"{{"tools":[{}]}}"#, function("f", &more));
            assert_eq!(told(HostedTools::Refuse, &request), Ok([expected, String::new()]), "{tool}");
        }
    }

    #[test]
    fn a_choice_is_made_among_the_tools_that_are_offered() {
        const TOOLS: &str = r#"{"name":"f","input_schema":{}}"#;
        let tools = format!(r#""tools":[{}]"#, function("f", r#","parameters":{}"#));
        for (tools_asked, choice, expected) in [
            (TOOLS, r#"{"type":"auto"}"#, Ok(format!(r#"{{{tools},"tool_choice":"auto"}}"#))),
            (TOOLS, r#"{"type":"none"}"#, Ok(format!(r#"{{{tools},"tool_choice":"none"}}"#))),
            (
                TOOLS,
                r#"{"type":"any","disable_parallel_tool_use":true}"#,
                Ok(format!(r#"{{{tools},"tool_choice":"required","parallel_tool_calls":false}}"#)),
            ),
            (
                TOOLS,
                r#"{"type":"tool","name":"\u0066"}"#,
                Ok(format!(r#"{{{tools},"tool_choice":{{"type":"function","function":{{"name":"\u0066"}}}}}}"#)),
            ),
            (TOOLS, "null", Ok(format!("{{{tools}}}"))),
            ("", r#"{"type":"auto","disable_parallel_tool_use":true}"#, Ok("{}".to_owned())),
            ("", r#"{"type":"none"}"#, Ok("{}".to_owned())),
            ("", r#"{"type":"any"}"#, Err("tool_choice: no tool is offered")),
            ("", r#"{"type":"tool","name":"f"}"#, Err("tool_choice.name: no tool is named f")),
            (TOOLS, r#"{"type":"tool"}"#, Err("tool_choice.name: Field required")),
            (TOOLS, r#"{"type":"tool","name":7}"#, Err("tool_choice.name: must be a string")),
            (TOOLS, r#"{"type":"some"}"#, Err("tool_choice.type: must be auto, any, tool or none")),
            (TOOLS, r#""auto""#, Err("tool_choice: must be an object")),
        ] {
            let request = format!(r#"{{"tools":[{tools_asked}],"tool_choice":{choice}}}"#);
            let expected = expected.map(|body| [body, String::new()]).map_err(str::to_owned);
            assert_eq!(told(HostedTools::Refuse, &request), expected, "{request}");
        }
    }

    #[test]
    fn what_only_anthropic_can_run_is_refused_or_dropped_and_named() {
        for kind in
            ["web_search_20250305", "web_fetch_20250910", "code_execution_20250825", "advisor_20260301", "mcp_toolset"]
        {
            let request = format!(
                r#"{{"tools":[{{"type":"{kind}","name":"x","allowed_callers":["y"]}}],"tool_choice":{{"type":"auto"}}}}"#
            );
            let refused = format!("tools.0: {kind} runs on Anthropic's servers and cannot be served here");
            assert_eq!(told(HostedTools::Refuse, &request), Err(refused));
            assert_eq!(told(HostedTools::Drop, &request), Ok(["{}".to_owned(), kind.to_owned()]));
        }
        let search = r#"{"tools":[{"type":"tool_search_tool_bm25_20251119","name":"x"}]}"#;
        assert_eq!(told(HostedTools::Refuse, search), Ok(["{}".to_owned(), String::new()]));
    }

    #[test]
    fn what_cannot_be_offered_is_told() {
        for (tools, expected) in [
            ("{}", "tools: must be a list"),
            ("[7]", "tools.0: must be an object"),
            (r#"[{"type":7}]"#, "tools.0.type: must be a string"),
            (r#"[{"type":"x"}]"#, "tools.0: tools of the type x are not known here"),
            (r#"[{"type":"computer_20250124","name":"c"}]"#, "tools.0: computer_20250124 cannot be served here"),
            (r#"[{"input_schema":{}}]"#, "tools.0.name: Field required"),
            (r#"[{"name":"","input_schema":{}}]"#, "tools.0.name: must be a string that is not empty"),
            (r#"[{"name":"f"}]"#, "tools.0.input_schema: Field required"),
            (r#"[{"name":"f","input_schema":[]}]"#, "tools.0.input_schema: must be an object"),
            (r#"[{"name":"f","input_schema":{},"description":7}]"#, "tools.0.description: must be a string"),
            (r#"[{"name":"f","input_schema":{},"input_examples":7}]"#, "tools.0.input_examples: must be a list"),
            (
                r#"[{"type":"bash_20250124","name":"bash"},{"type":"bash_20241022","name":"b"}]"#,
                "tools.1: bash_20241022 is offered twice",
            ),
        ] {
            let request = format!(r#"{{"tools":{tools}}}"#);
            assert_eq!(told(HostedTools::Drop, &request), Err(expected.to_owned()), "{tools}");
        }
    }
}
