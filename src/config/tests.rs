use std::collections::BTreeSet;

use super::*;
use crate::api::ollama::server::Defaults;
use crate::balance::{LoadBy, Policy};
use crate::engine::ChatApi;
use crate::plan::AgentFormat;
use crate::tooling::AllowList;

mod engines;
mod mistakes;
mod tool_servers;

/// Variables and dialect files, as a table.
struct Table;

const DIALECT: &str = include_str!("../../conf/dialects/hermes.yaml");

impl Surroundings for Table {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "HOST" => Some("10.0.0.1".into()),
            "PORT" => Some("8081".into()),
            "KEY" | "TOOLGATE_API_KEY" => Some("sk-secret".into()),
            "TOOLGATE_ADDRESS_KEY" | "TOOLGATE_AGENT_KEY" => Some("0123456789abcdef".into()),
            "TRICK" => Some("${env.KEY}".into()),
            "EMPTY" => Some(String::new()),
            "BREAK" => Some("a\r\nb".into()),
            _ => None,
        }
    }

    fn dialects(&self, folder: &str) -> Result<Vec<(String, String)>, String> {
        match folder {
            "mine" | "dialects" => Ok(vec![("mine.yaml".into(), DIALECT.replace("name: hermes", "name: mine"))]),
            "bad" => Ok(vec![("bad/a.yaml".into(), "nothing".into())]),
            _ => Err("no such folder".into()),
        }
    }

    fn file(&self, name: &str) -> Result<(String, String), String> {
        let text = match name {
            "peers.yaml" => "- http://listed\n- {dns: more:80}",
            "peers.json" => r#"[{"url": "http://${env.HOST}", "weight": 2}]"#,
            "bad.yaml" => "- http://h\n- http://h\n- {url: x, wait: 1}",
            _ => return Err("no such file".into()),
        };
        Ok((format!("dir/{name}"), text.into()))
    }
}

fn read(yaml: &str) -> Result<Config, String> {
    Config::from_yaml(yaml, "t.yaml", &Table).map_err(|errors| errors.to_string())
}

fn good(yaml: &str) -> Config {
    read(yaml).unwrap_or_else(|errors| panic!("{errors}\n{yaml}"))
}

/// A pool `a` that needs nothing more, for the cases that look at something else.
const POOLS: &str = "pools: [{name: a, peers: [http://h]}]\n";

#[test]
fn the_smallest_file_gets_every_default() {
    let config = good(POOLS);
    assert_eq!(config.listen, ["127.0.0.1:8000"]);
    assert_eq!(config.admin, None);
    assert_eq!(config.limits, Limits::default());
    assert_eq!((&config.server, &config.view), (&Server::default(), &View::default()));
    assert_eq!(format!("{:?}", config.pools[0]), {
        let peers = vec![Peer::parse("http://h").unwrap()];
        format!("{:?}", Pool { peers, engine_choice: EngineChoice::Auto, ..Pool::named("a") })
    });
}

#[test]
fn every_key_is_read() {
    let config = good(
        r#"
listen: [0.0.0.0:80, "[::]:80"]
admin: localhost:0
dialects: mine
pools:
  - name: big
    models: ["Qwen*", other]
    engine: vllm
    dialect: mine
    tools: parse
    reasoning: open
    unknown_tools: pass
    timeouts: { connect_ms: 1, first_byte_ms: 2, idle_ms: null, total_ms: 4, client_ms: 5 }
    peers:
      - http://${env.HOST}:${env.PORT}/llm/
      - { url: "http://b", name: gpu-1, weight: 3, priority: 1, max_inflight: 4, api_key: "${env.KEY}" }
  - name: rest
    peers: http://c
limits:
  { headers_max: 1, header_bytes_max: 1024, header_ms_max: 10, upload_ms: 11, upload_bytes_per_second_min: 12,
    connections_max: 13, bodies_bytes_max: 14, request_body_bytes_max: 3, request_depth_max: 10,
    event_bytes_max: 4, pending_bytes_max: 5,
    value_bytes_max: 6, answer_bytes_max: 7, depth_max: 8, choices_max: 9, metrics_models_max: 15 }
server: { threads: 9, work_stealing: false, listener_tasks_per_fd: 2, upstream_keepalive_pool_size: 0, drain_pause_ms: 5000, grace_seconds: 0 }
"#,
    );
    assert_eq!((config.listen.join(" "), config.admin.as_deref()), ("0.0.0.0:80 [::]:80".into(), Some("localhost:0")));
    let [big, rest] = &config.pools[..] else { panic!("two pools") };
    assert!(big.takes("qwen3") && big.takes("OTHER") && !big.takes("gpt") && rest.takes("gpt"));
    let choices = (big.engine, big.tools, big.reasoning, big.unknown_tools);
    assert_eq!(choices, (Engine::Vllm, ToolsChoice::Parse, Reasoning::Open, UnknownTools::Pass));
    assert!(matches!(&big.dialect, DialectChoice::Named(dialect) if dialect.name() == "mine"));
    let timeouts =
        Timeouts { connect_ms: 1, first_byte_ms: Some(2), idle_ms: None, total_ms: Some(4), client_ms: Some(5) };
    assert_eq!(big.timeouts, timeouts);
    assert_eq!(big.peers[0], Peer::parse("http://10.0.0.1:8081/llm/").unwrap());
    let second = &big.peers[1];
    assert_eq!((&*second.name, second.weight, second.priority, second.max_inflight), ("gpu-1", 3, 1, Some(4)));
    assert_eq!(second.api_key.as_ref().map(Secret::reveal), Some("sk-secret"));
    let limits = Limits {
        headers_max: 1,
        header_bytes_max: 1024,
        header_ms_max: 10,
        upload_ms: 11,
        upload_bytes_per_second_min: 12,
        connections_max: Some(13),
        bodies_bytes_max: 14,
        request_body_bytes_max: 3,
        request_depth_max: 10,
        event_bytes_max: 4,
        pending_bytes_max: 5,
        value_bytes_max: 6,
        answer_bytes_max: 7,
        depth_max: 8,
        choices_max: 9,
        metrics_models_max: 15,
    };
    assert_eq!(config.limits, limits);
    let server = Server {
        threads: 9,
        work_stealing: false,
        listener_tasks_per_fd: 2,
        upstream_keepalive_pool_size: 0,
        drain_pause_ms: 5_000,
        grace_seconds: 0,
    };
    assert_eq!(config.server, server);
}

#[test]
fn who_there_is_is_read() {
    let config = good(
        r#"
pools:
  - name: a
    peers:
      - { url: "http://h", host: gpu.example:81, drain: true }
      - { dns: llama.default.svc:8080/llm/, refresh_ms: 5, weight: 2, max_inflight: 4, api_key: k }
      - { dns: other, host: "[::1]" }
    peers_file: peers.yaml
  - { name: b, models: b, peers_file: peers.json }
"#,
    );
    let [a, b] = &config.pools[..] else { panic!("two pools") };
    assert_eq!((a.peers[0].authority.as_deref(), a.peers[0].drain), (Some("gpu.example:81"), true));
    let first = &a.names[0];
    assert_eq!(
        (first.refresh_ms, &*first.each.host, first.each.port, &*first.each.prefix),
        (5, "llama.default.svc", 8080, "/llm")
    );
    assert_eq!((first.each.weight, first.each.max_inflight), (2, Some(4)));
    assert_eq!(first.each.authority.as_deref(), Some("llama.default.svc:8080"));
    assert_eq!(
        (a.names[1].refresh_ms, a.names[1].each.port, a.names[1].each.authority.as_deref()),
        (10_000, 80, Some("[::1]"))
    );
    let file = a.peers_file.as_ref().unwrap();
    assert_eq!(
        (&*file.path, &*file.entries.peers[0].url, &*file.entries.names[0].each.name),
        ("dir/peers.yaml", "http://listed", "more:80")
    );
    let all = a.entries();
    assert_eq!((all.peers.len(), all.names.len()), (2, 3));
    let listed = &b.peers_file.as_ref().unwrap().entries.peers[0];
    assert_eq!((&*listed.url, listed.weight), ("http://10.0.0.1", 2));
    assert!(a.pause().is_some() && b.pause().is_some(), "there may be a choice");
}

#[test]
fn what_clients_see_is_read() {
    let view =
        good(&format!("{POOLS}addressed: {{key: 0123456789abcdef}}\nmodels_list: pass\nexpose: [/props, /slots]\nalias: {{GPT-4o: qwen3, \"a/b:c\": x}}"))
            .view;
    assert_eq!(["gpt-4O", "a/b:c", "x"].map(|name| view.behind(name)), [Some("qwen3"), Some("x"), None]);
    assert_eq!(view.addressed.as_ref().map(Secret::reveal), Some("0123456789abcdef"));
    assert_eq!(view.models_list, ModelsList::Pass);
    let hidden: Vec<_> = view.hidden.iter().map(|page| page.path).collect();
    let all = View::default().hidden.into_iter().map(|page| page.path);
    assert_eq!(hidden, all.filter(|page| !["/props", "/slots"].contains(page)).collect::<Vec<_>>());
}

#[test]
fn rules_say_who_gets_calls_as_text() {
    let rules =
        "agents: [{user_agent: '*a*', path: /v1/*, format: hermes}, {model: m*, key: k, tags: 'A,B'}, {format: auto}]";
    let agents = good(&format!("{POOLS}{rules}")).view.agents;
    let format = |rule: &AgentRule| match &rule.wants {
        Wants::Format(AgentFormat::Text(format)) => format.name.clone(),
        Wants::Format(_) => "calls".to_owned(),
        Wants::Auto => "auto".to_owned(),
    };
    assert_eq!(agents.iter().map(format).collect::<Vec<_>>(), ["hermes", "A,B", "auto"]);
    assert!(agents[0].path.as_ref().is_some_and(|path| path.matches("/v1/chat")) && agents[0].key.is_none());
    assert_eq!(agents[1].key.as_ref().map(Secret::reveal), Some("k"));
}

#[test]
fn where_tools_work_is_read() {
    assert_eq!(good(POOLS).tools.workspace, Workspace::default());
    let text =
        "tools: {workspace: {root: /srv/a, roots: [/srv/b, {path: c, write: true}], write: true, file_bytes_max: 9}}\n";
    let root = |path: &str, write| WorkspaceRoot { path: path.into(), write };
    let expected = Workspace {
        root: Some("/srv/a".into()),
        roots: vec![root("/srv/b", false), root("c", true)],
        write: true,
        file_bytes_max: 9,
    };
    assert_eq!(good(&format!("{text}{POOLS}")).tools.workspace, expected);
}

#[test]
fn a_client_may_hear_nothing() {
    for (value, expected) in [("5", Some(5)), ("null", None)] {
        let config = good(&format!("pools: [{{name: a, peers: http://h, keepalive_ms: {value}}}]"));
        assert_eq!(config.pools[0].keepalive_ms, expected);
    }
}

#[test]
fn only_llama_cpp_s_answers_are_assembled() {
    for (keys, expected) in [
        ("", Chats::Tools),
        ("engine: llama.cpp, assemble: all", Chats::All),
        ("assemble: off", Chats::Off),
        ("engine: vllm", Chats::Off),
        ("engine: openai, assemble: off", Chats::Off),
    ] {
        let config = good(&format!("pools: [{{name: a, peers: http://h, {keys}}}]"));
        assert_eq!(config.pools[0].assemble, expected, "{keys}");
    }
}

#[test]
fn every_key_of_balancing_is_read() {
    let of = |keys: &str| good(&format!("pools: [{{name: a, peers: http://h{keys}}}]")).pools[0].balancing.clone();
    let set = Balancing {
        policy: Policy::RandomTwo,
        queue: Queue {
            max: 0,
            timeout_ms: 5,
            overtaken_max: 0,
            patience_ms: 0,
            priority_header: Some("X-Urgency".into()),
        },
        failovers_max: 0,
        checks: Checks::Never,
        session_header: "X-Chat".into(),
    };
    let keys = ", policy: random-two, failovers_max: 0, check_ms: null, session_header: X-Chat, \
                queue: {max: 0, timeout_ms: 5, overtaken_max: 0, patience_ms: 0, priority_header: X-Urgency}";
    assert_eq!((of(keys), of("")), (set, Balancing::default()));
    assert_eq!(of(", check_ms: 7").checks, Checks::Every { ms: 7 });
    let alike = of(", queue: {priority_header: null}").queue;
    assert_eq!((alike.priorities(), Queue::default().priorities()), (3..=3, 0..=7));
    let pauses = [Checks::WithChoice.pause(1), Checks::Never.pause(2), Checks::Every { ms: 7 }.pause(1)];
    assert_eq!(pauses.map(|pause| pause.map(|pause| pause.as_millis())), [None, None, Some(7)]);
    assert!(Checks::WithChoice.pause(2).is_some());
}

#[test]
fn what_is_loaded_where_is_read() {
    let of = |peer: &str, pool: &str| {
        let mut config = good(&format!("pools: [{{name: a, peers: [{{url: http://h{peer}}}]{pool}}}]"));
        config.pools.remove(0)
    };
    let pool = of("", ", models_loaded: {pin: {x: 2, 'y:1': 1}, preload: [y, z], stay_ms: 5, patience_ms: 7}");
    let expected = ModelsLoaded {
        by: LoadBy::Order,
        pins: vec![("x".into(), 2), ("y:1".into(), 1)],
        preload: vec!["y".into(), "z".into()],
        stay_ms: Some(5),
        patience_ms: Some(7),
    };
    assert_eq!((&pool.models_loaded, pool.names_models(&pool.peers[0])), (&expected, true));
    let pool = of("", ", models_loaded: {swaps: false}");
    assert_eq!((pool.models_loaded.by, pool.names_models(&pool.peers[0])), (LoadBy::Request, true));
    let pool = of(", places: 3, models: [a*, b]", "");
    let Peer { places, models, .. } = &pool.peers[0];
    let may_load = |model: &str| models.iter().any(|glob| glob.matches(model));
    assert_eq!((*places, ["ab", "b", "bc"].map(may_load)), (Some(3), [true, true, false]));
    assert!(pool.names_models(&pool.peers[0]));
    let pool = of("", "");
    assert_eq!((&pool.models_loaded, pool.names_models(&pool.peers[0])), (&ModelsLoaded::default(), false));
}

#[test]
fn ollamas_servers_are_asked_as_the_pool_says() {
    let of = |keys: &str| good(&format!("pools: [{{name: a, engine: ollama, peers: http://h{keys}}}]")).pools.remove(0);
    let plain = of("");
    assert_eq!((plain.chat_api(), plain.ollama.defaults.truncate), (ChatApi::Ollama, Some(false)));
    let pool = of(", ollama: {api: v1}");
    assert_eq!(pool.chat_api(), ChatApi::OpenAi);
    let pool =
        of(", ollama: {num_ctx: 8192, keep_alive: 30m, truncate: true, options: {num_batch: 64, use_mmap: false}}");
    let options = [("num_batch", "64"), ("use_mmap", "false")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let (num_ctx, keep_alive) = (Some(8192), Some("\"30m\"".to_owned()));
    let expected = Defaults { num_ctx, keep_alive, truncate: Some(true), options: options.to_vec() };
    assert_eq!(*pool.ollama.defaults, expected);
    assert_eq!(good("pools: [{name: a, peers: http://h}]").pools[0].chat_api(), ChatApi::OpenAi);
}

#[test]
fn ollamas_clients_are_served_where_the_configuration_says() {
    let of = |keys: &str| {
        let config = good(&format!("listen: 127.0.0.1:1\n{keys}\npools: [{{name: a, peers: http://h}}]"));
        (config.view.ollama_api, config.listen)
    };
    let everywhere = vec!["127.0.0.1:1".to_owned()];
    assert_eq!(of(""), (None, everywhere.clone()));
    assert_eq!(of("ollama_api: false"), (None, everywhere.clone()));
    assert_eq!(of("ollama_api: true"), (Some(OllamaApi::default()), everywhere));
    let own = || vec!["127.0.0.1:2".to_owned()];
    let listen = ["127.0.0.1:1", "127.0.0.1:2"].map(str::to_owned).to_vec();
    let api = OllamaApi { listen: own(), version: "1.2".to_owned() };
    assert_eq!(of("ollama_api: {listen: 127.0.0.1:2, version: 1.2}"), (Some(api), listen));
}

#[test]
fn commands_are_off_and_what_is_said_of_them_is_read() {
    let tools = good(POOLS).tools;
    assert_eq!((tools.commands.enabled, tools.code.python), (false, None));
    let text = "tools:\n  commands: {enabled: true, sandbox: 'unix:/run/cage.sock', allow: [ls, git status], read: /usr, \
                env: {KEY: '${env.HOST}'}, network: true, memory_bytes_max: 33554432, processes_max: 9, \
                timeout_seconds: 600, concurrent_max: 1}\n  code: {python: [/bin/python3, -I]}\n";
    let tools = good(&format!("{text}{POOLS}")).tools;
    let expected = Commands {
        enabled: true,
        sandbox: Sandbox::Service("/run/cage.sock".into()),
        allow: AllowList::new(["ls", "git status"]).unwrap(),
        read: vec!["/usr".into()],
        env: vec![("KEY".to_owned(), "10.0.0.1".to_owned())],
        network: true,
        memory_bytes_max: 32 << 20,
        processes_max: 9,
        timeout_seconds: 600,
        concurrent_max: 1,
    };
    assert_eq!(tools.commands, expected);
    assert_eq!(tools.code.python, Some(vec!["/bin/python3".to_owned(), "-I".to_owned()]));
    assert!(good(&format!("tools: {{commands: {{allow: []}}}}\n{POOLS}")).tools.commands.allow.is_empty());
}

#[test]
fn a_key_is_shown_nowhere() {
    let config = good("pools: [{name: a, peers: [{url: http://h, api_key: sk-secret}]}]");
    assert!(!format!("{config:?}").contains("sk-secret"));
    for yaml in [
        "pools: [{name: a, peers: [{url: http://h, api_key: \"sk-secret \"}]}]",
        "pools: [{name: a, peers: [http://user:sk-secret@h]}]",
    ] {
        assert!(!read(yaml).unwrap_err().contains("sk-secret"), "{yaml}");
    }
}

#[test]
fn variables_are_replaced_once() {
    for (value, expected) in [
        ("${env.HOST}", "10.0.0.1"),
        ("a-${env.HOST}-${env.PORT}-b", "a-10.0.0.1-8081-b"),
        ("$${env.HOST}", "${env.HOST}"),
        ("$$${env.HOST}", "$${env.HOST}"),
        ("${env.TRICK}", "${env.KEY}"),
        ("$HOST", "$HOST"),
        ("a$", "a$"),
    ] {
        let config = good(&format!("pools:\n  - name: '{value}'\n    peers: http://h"));
        assert_eq!(config.pools[0].name, expected, "{value}");
    }
}

/// `conf/toolgate.yaml` with its keys commented in.
fn commented_in() -> String {
    let line = |line: &str| {
        let text = line.trim_start();
        let is_key =
            text.strip_prefix('#').is_some_and(|t| t.starts_with(|c: char| c.is_ascii_lowercase() || c == '-'));
        let indent = &line[..line.len() - text.len()];
        if is_key { format!("{indent}{}\n", &text[1..]) } else { format!("{line}\n") }
    };
    DEFAULT_YAML.lines().map(line).collect()
}

#[test]
fn the_documented_file_is_valid_as_it_is_and_with_every_key() {
    let bare = good(DEFAULT_YAML);
    assert_eq!(bare.listen, [good(POOLS).listen[0].as_str()]);
    let full = good(&commented_in());
    assert_eq!((&full.limits, &full.server), (&bare.limits, &bare.server), "a documented default is not the default");
    assert_eq!(full.tools.commands, bare.tools.commands, "a documented default is not the default");
    let same = |pool: &Pool| Pool {
        models: Vec::new(),
        peers: Vec::new(),
        names: Vec::new(),
        peers_file: None,
        models_loaded: ModelsLoaded::default(),
        ollama: Ollama::default(),
        server_tools: ServerTools { names: Vec::new(), ..pool.server_tools.clone() },
        ..pool.clone()
    };
    assert_eq!(format!("{:?}", same(&full.pools[0])), format!("{:?}", same(&bare.pools[0])));
    assert_eq!(full.pools[0].peers[1].weight, bare.pools[0].peers[0].weight);
    assert_eq!(full.pools[0].models_loaded.by, bare.pools[0].models_loaded.by);
}

#[test]
fn every_key_is_documented() {
    let text = commented_in();
    let documented: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key.trim_start_matches([' ', '-']))
        .collect();
    let known: BTreeSet<&str> = [
        read::TOP,
        read::POOL,
        super::entries::PEER,
        super::balancing::QUEUE,
        super::loads::MODELS_LOADED,
        super::ollama::OLLAMA,
        super::ollama::OLLAMA_API,
        read::TIMEOUTS,
        read::LIMITS,
        read::SERVER,
        view::ADDRESSED,
        super::agents::AGENT,
        super::workspace::TOOLS,
        super::commands::COMMANDS,
        super::commands::CODE,
        super::turns::TURN_LIMITS,
        super::turns::TURN_MEMORY,
        super::workspace::WORKSPACE,
        super::workspace::WORKSPACE_ROOT,
        super::tool_servers::SERVER,
    ]
    .concat()
    .into_iter()
    .collect();
    assert_eq!(&known - &documented, BTreeSet::new(), "known but not documented");
    // `- http://…` is the one line that has a colon and no key.
    assert_eq!(&documented - &known, BTreeSet::from(["http"]), "documented but not known");
}

#[test]
fn options_without_a_file_make_one_pool() {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = Config::from_upstreams(&texts(&["http://a", "http://b:81/x"]), &[], Some("hermes")).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:8000"]);
    assert_eq!(config.pools.len(), 1);
    assert_eq!(config.pools[0].peers[1].port, 81);
    assert!(matches!(&config.pools[0].dialect, DialectChoice::Named(dialect) if dialect.name() == "hermes"));
    let errors = Config::from_upstreams(&texts(&["a", "https://b"]), &texts(&["here"]), Some("x")).unwrap_err();
    assert_eq!(errors.to_string().lines().count(), 4, "{errors}");
    assert!(errors.to_string().starts_with("--upstream: `a` has no scheme (write http://HOST:PORT)"), "{errors}");
}
