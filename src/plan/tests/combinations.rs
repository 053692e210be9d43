//! Every combination of what a request says and what its pool wants: each question about it has one answer, which is what
//! is really done.

use super::*;
use crate::json::counted;

/// What a request and its pool say, in one combination.
#[derive(Clone, Copy, Debug)]
struct Case {
    head: Head,
    alias: Option<&'static str>,
    /// Members of the body.
    stream: &'static str,
    tools: &'static str,
    choices: &'static str,
    mode: Option<ToolsMode>,
    engine: Engine,
    assemble: Chats,
    progress: Chats,
    comments: Option<Duration>,
}

const STREAMS: [&str; 4] = ["", r#","stream":false"#, r#","stream":true"#, r#","stream":7"#];
const CHATS: [Chats; 3] = [Chats::Tools, Chats::All, Chats::Off];
const MODES: [(Option<ToolsMode>, Engine); 5] = [
    (Some(ToolsMode::Inject), Engine::LlamaCpp),
    (Some(ToolsMode::Parse), Engine::LlamaCpp),
    (Some(ToolsMode::Native), Engine::LlamaCpp),
    (None, Engine::LlamaCpp),
    (Some(ToolsMode::Inject), Engine::Vllm),
];
const OFFERS: [&str; 4] = [
    r#""messages":[{"role":"user","content":"u"}]"#,
    r#""messages":[{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"get"}}]"#,
    r#""messages":[{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"get"}}],"tool_choice":"none""#,
    r#""messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"get","arguments":"{"}}]}]"#,
];

fn cases() -> Vec<Case> {
    let heads = [Operation::Chat, Operation::Completion, Operation::Other].into_iter().flat_map(|operation| {
        [Page::Own, Page::Foreign].into_iter().flat_map(move |page| {
            [Conversation::Unnamed, Conversation::Named].map(|conversation| Head { operation, page, conversation })
        })
    });
    let mut cases = vec![];
    for head in heads {
        for (mode, engine) in MODES {
            for (tools, stream, choices) in members() {
                for (assemble, progress) in CHATS.into_iter().flat_map(|a| CHATS.map(|p| (a, p))) {
                    let comments = [None, Some(Duration::from_secs(1))];
                    cases.extend([None, Some("real")].into_iter().flat_map(|alias| {
                        comments.map(|comments| Case {
                            head,
                            alias,
                            stream,
                            tools,
                            choices,
                            mode,
                            engine,
                            assemble,
                            progress,
                            comments,
                        })
                    }));
                }
            }
        }
    }
    cases
}

fn members() -> Vec<(&'static str, &'static str, &'static str)> {
    let choices = ["", r#","n":2"#];
    OFFERS.into_iter().flat_map(|o| STREAMS.into_iter().flat_map(move |s| choices.map(|n| (o, s, n)))).collect()
}

impl Case {
    fn body(&self) -> String {
        let Self { tools, stream, choices, .. } = self;
        format!(r#"{{"model":"alias",{tools}{stream}{choices}}}"#)
    }

    fn policy(&self) -> Policy {
        let tools = self.mode.map(|mode| policy("hermes", mode, self.engine).tools.unwrap());
        let Self { engine, assemble, progress, comments, .. } = *self;
        Policy { engine, tools, assemble, progress, comments, format: AgentFormat::Calls, ollama: None }
    }

    fn planned(&self, body: &str) -> Planned {
        let request = Request::read(body.as_bytes()).unwrap();
        assert_eq!(request.model().as_deref(), Some("alias"));
        assert!(request.messages().is_some_and(|messages| messages.len() == 1));
        request.is_about_tools();
        Plan::of(self.head, request, self.alias, &self.policy(), &Limits::default()).unwrap()
    }

    /// What goes up when each change is made by itself, one after the other, in what the one before left.
    fn step_by_step(&self, plan: &Plan) -> String {
        let edited = |body: String, edits: &dyn Fn(&Request<'_>) -> Option<Edits<'static>>| {
            let request = Request::read(body.as_bytes()).unwrap();
            let edits = edits(&request).unwrap_or_default();
            request.edited(&edits).map_or(body.clone(), |bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        let mut body = edited(self.body(), &|_| {
            let mut edits = Edits::default();
            edits.set_model(self.alias?);
            Some(edits)
        });
        if let Some(tools) = self.policy().tools.filter(|_| self.head.operation == Operation::Chat) {
            let request = Request::read(body.as_bytes()).unwrap();
            let policy = Policy::of_tools(self.engine, tools);
            let planned = Plan::of(Head::CHAT, request, None, &policy, &Limits::default()).unwrap();
            body = planned.body.map_or(body, |bytes| String::from_utf8(bytes.to_vec()).unwrap());
        }
        if plan.is_assembled() {
            body = edited(body, &|_| {
                let mut edits = Edits::default();
                edits.set("stream", "true");
                edits.set("stream_options", r#"{"include_usage":true}"#);
                Some(edits)
            });
        }
        if matches!(plan.delivery, Delivery::OnceSpoken { progress: Progress::Gateways, .. }) {
            body = edited(body, &|_| {
                let mut edits = Edits::default();
                edits.set("return_progress", "true");
                Some(edits)
            });
        }
        body
    }

    fn holds(&self) {
        let came = self.body();
        counted::begin(came.len());
        let Planned { plan, body } = self.planned(&came);
        let (read, written) = counted::end();
        assert_eq!(read, 1, "{self:?}");
        assert_eq!(written, usize::from(body.is_some()), "{self:?}");

        let up = body.map_or(came.clone(), |bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(up, self.step_by_step(&plan), "{self:?}");
        self.agrees(&plan, &serde_json::from_str(&up).unwrap());
    }

    /// Whether the answers are those that the combination asks for, and what goes up is what they need.
    fn agrees(&self, plan: &Plan, up: &serde_json::Value) {
        let is_chat = self.head.operation == Operation::Chat;
        let is_asked = self.stream.contains("true");
        let is_read =
            is_chat && matches!(self.mode, Some(ToolsMode::Inject | ToolsMode::Parse)) && self.tools == OFFERS[1];
        assert_eq!(plan.exchange.is_some(), is_read, "{self:?}");
        let may_be_told = is_chat && self.mode == Some(ToolsMode::Native) && self.tools == OFFERS[1];
        assert_eq!(plan.salvage.is_some(), may_be_told && !plan.is_kept(), "{self:?}");
        assert_eq!(plan.alias.is_some(), self.alias.is_some(), "{self:?}");
        let includes = |chats| chats == Chats::All || chats == Chats::Tools && is_read;
        let is_assembled = is_chat && includes(self.assemble) && !is_asked && !self.stream.contains('7');
        assert_eq!(plan.is_assembled(), is_assembled, "{self:?}");
        assert_eq!(plan.touches_answer(), is_read || is_assembled || self.alias.is_some(), "{self:?}");

        let is_wanted = self.head.conversation == Conversation::Named && self.engine == Engine::LlamaCpp;
        assert_eq!(plan.is_kept(), is_wanted && !plan.touches_answer(), "{self:?}");
        let may_hear = is_asked && self.head.page == Page::Own && self.head.operation != Operation::Other;
        assert_eq!(plan.comments(), self.comments.filter(|_| may_hear && !plan.is_kept()), "{self:?}");
        assert_eq!(plan.needs_identity(), plan.touches_answer() || plan.comments().is_some(), "{self:?}");

        let is_told = plan.comments().is_some() && is_chat && includes(self.progress) && self.choices.is_empty();
        assert_eq!(up.get("return_progress").is_some(), is_told, "{self:?}");
        let asks = |key: &str| up.pointer(key) == Some(&serde_json::Value::Bool(true));
        let delivery = match plan.delivery {
            Delivery::Assembled { choices } => {
                assert!(asks("/stream") && asks("/stream_options/include_usage"), "{self:?}");
                assert_eq!(choices, if self.choices.is_empty() { 1 } else { 2 }, "{self:?}");
                return;
            }
            delivery => delivery,
        };
        assert_eq!(asks("/stream"), is_asked, "{self:?}");
        let expected = match () {
            () if self.head.operation == Operation::Other || plan.is_kept() => Delivery::AtOnce,
            () if may_hear && is_told => Delivery::OnceSpoken { comments: self.comments, progress: Progress::Gateways },
            () if may_hear => Delivery::OnceSpoken { comments: self.comments, progress: Progress::Clients },
            () if plan.touches_answer() || plan.salvage.is_some() => Delivery::OnceKnown,
            () => Delivery::AtOnce,
        };
        assert_eq!(delivery, expected, "{self:?}");
    }
}

#[test]
fn a_body_is_read_once_and_every_answer_is_what_is_done() {
    let cases = cases();
    assert_eq!(cases.len(), 12 * MODES.len() * 32 * 9 * 4);
    cases.iter().for_each(Case::holds);
}

/// A request that was not read goes on as it came; the server may keep its stream all the same.
#[test]
fn what_is_not_read_is_not_touched() {
    for (conversation, engine, is_kept) in [
        (Conversation::Named, Engine::LlamaCpp, true),
        (Conversation::Named, Engine::Vllm, false),
        (Conversation::Unnamed, Engine::LlamaCpp, false),
    ] {
        let policy = policy("hermes", ToolsMode::Inject, engine);
        let plan = Plan::of_unread(Head { conversation, ..Head::CHAT }, &policy);
        assert_eq!((plan.is_kept(), plan.touches_answer(), plan.needs_identity()), (is_kept, false, false));
        assert_eq!(plan.delivery, Delivery::AtOnce);
    }
}
