//! What clients of Ollama's API are offered besides chats: names of models, pages about them, texts to go on with or to
//! embed, at the addresses where they are served; and how their requests are counted.

use serde_json::{Value, json};
use toolgate::config::{Alias, OllamaApi, Pool};
use toolgate::mock::{Mock, Script};

use crate::access::{line_of, named};
use crate::harness::{
    PATIENCE, Upstream, Wire, ask, config, dead_address, gateway_of, get, models, ok, peer, pool, post, wait_until,
};
use crate::led::{HEAD, answering, end};
use crate::ollama_clients::{
    TOOLS, WHOLE, assert_refused, chat, chat_of, content, gateway, gateway_with, generate, lines, llama,
};
use crate::prometheus::Page;

#[test]
fn a_model_goes_by_its_names_and_the_answer_repeats_what_was_said() {
    let llama = llama();
    let pools = vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(llama.addr())]) },
        Pool { models: models(&["other"]), ..pool("q", vec![peer(dead_address())]) },
    ];
    let gateway = gateway_with(pools, |config| {
        let alias = |name: &str| Alias { name: name.to_owned(), model: "m".to_owned() };
        config.view.aliases.extend([alias("qwen3:8b"), alias("gpt:latest")]);
    });
    for name in ["m", "M", "m:latest", "M:LATEST", "qwen3:8b", "QWEN3:8b", "gpt:latest"] {
        let generate = post("/api/generate", &format!(r#"{{"model":"{name}","prompt":"hi"}}"#));
        for request in [chat_of(name, "hi", ""), chat_of(name, "hi", TOOLS), generate] {
            let lines = lines(&ask(gateway.addr, request));
            assert!(lines.iter().all(|line| line["model"] == name), "{name}: {lines:?}");
        }
        let heard = llama.heard().last().unwrap().clone();
        let asked: Value = serde_json::from_str(&heard.body).unwrap();
        assert!(asked["model"].as_str().unwrap().eq_ignore_ascii_case("m"), "{name}: {}", heard.body);
    }
}

#[test]
fn they_are_served_where_that_is_configured_and_nowhere_else() {
    let echo = || Upstream::answering(|request| ok(&request.first_line)).0;
    let upstream = echo();
    let off = gateway_of(config(vec![pool("p", vec![peer(upstream.address)])]));
    let passes = |at| {
        for request in [chat("hi", ""), get("/api/tags"), get("/"), post("/api/pull", "{}")] {
            assert_eq!(ask(at, &request).text(), request.lines().next().unwrap());
        }
    };
    passes(off.addr);
    let both = gateway_with(vec![pool("p", vec![peer(upstream.address)])], |config| {
        config.listen.push("127.0.0.2:0".to_owned());
        config.view.ollama_api = Some(OllamaApi { listen: vec!["127.0.0.2:0".to_owned()], ..OllamaApi::default() });
    });
    passes(both.addr);
    let at = both.ollama_addr.unwrap();
    assert_eq!(ask(at, get("/")).text(), "Ollama is running");
    assert_eq!(ask(at, get("/api/version")).json(), json!({ "version": "0.30.0" }));
    assert!(ask(at, chat("hi", WHOLE)).json().get("error").is_some(), "it is no completion");
}

#[test]
fn the_models_of_all_servers_are_listed_and_shown() {
    let (one, two) = (
        llama(),
        Mock::start("127.0.0.1:0", Script::from_yaml("{ model: org/n, answers: [{ text: hi }] }").unwrap()).unwrap(),
    );
    let pools = vec![
        Pool { models: models(&["m"]), ..pool("p", vec![peer(one.addr())]) },
        Pool { models: models(&["org/*"]), ..pool("q", vec![peer(two.addr())]) },
    ];
    let gateway = gateway_with(pools, |config| {
        config.view.aliases.push(Alias { name: "qwen3:8b".to_owned(), model: "m".to_owned() });
    });
    for (path, key) in [("/api/tags", "modified_at"), ("/api/ps", "expires_at")] {
        let listed = ask(gateway.addr, get(path)).json();
        let listed = listed["models"].as_array().unwrap();
        let names: Vec<_> = listed.iter().map(|model| model["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["m:latest", "org/n:latest", "qwen3:8b"], "{path}");
        assert!(
            listed
                .iter()
                .all(|model| model["model"] == model["name"] && model[key].is_string() && model["size"].is_u64())
        );
    }
    for (name, context) in [("m", 16_384), ("M:latest", 16_384), ("org/n", 16_384), ("qwen3:8b", 16_384)] {
        for body in [json!({ "model": name }), json!({ "name": name })] {
            let shown = ask(gateway.addr, post("/api/show", &body.to_string())).json();
            assert_eq!(shown["capabilities"][1], "tools", "{shown}");
            let info = shown["model_info"].as_object().unwrap();
            let length = info.iter().find(|(key, _)| key.ends_with(".context_length")).map(|(_, length)| length);
            assert_eq!((length, &info["general.basename"]), (Some(&json!(context)), &json!(name)), "{shown}");
        }
        let pulled = ask(gateway.addr, post("/api/pull", &json!({ "model": name }).to_string()));
        assert_eq!((pulled.status(), pulled.json()), (200, json!({ "status": "success" })));
    }
    assert_refused(&ask(gateway.addr, post("/api/show", r#"{"model":"x"}"#)), 404, "model 'x' not found");
    let unknown = ask(gateway.addr, post("/api/pull", r#"{"model":"x"}"#));
    assert_refused(&unknown, 404, "pull model manifest: file does not exist");
    assert_refused(&ask(gateway.addr, post("/api/show", "{}")), 400, "model is required");
}

#[test]
fn pages_about_the_server_are_answered_here() {
    let gateway = gateway(vec![pool("p", vec![peer(dead_address())])]);
    let root = ask(gateway.addr, get("/"));
    assert_eq!((root.status(), root.text().as_str()), (200, "Ollama is running"));
    let mut client = Wire::connect(gateway.addr);
    for path in ["/", "/api/version"] {
        client.send(get(path).replace("GET", "HEAD"));
        assert_eq!(client.head().unwrap().status(), 200);
    }
    assert_eq!(ask(gateway.addr, get("/api/version")).json(), json!({ "version": "0.30.0" }));
    for request in [
        post("/api/create", "{}"),
        post("/api/push", "{}"),
        post("/api/copy", "{}"),
        post("/api/delete", "{}").replace("POST", "DELETE"),
        post("/api/blobs/sha256:0", "x"),
    ] {
        assert_refused(&ask(gateway.addr, request), 501, "toolgate does not manage models");
    }
    assert_refused(&ask(gateway.addr, get("/api/tags")), 502, "no server of the pool can be reached");
}

#[test]
fn who_only_wants_a_model_loaded_is_answered_here() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    for (path, member) in [("/api/chat", "message"), ("/api/generate", "response")] {
        for (more, reason) in
            [("", "load"), (r#","keep_alive":0"#, "unload"), (r#","keep_alive":"0s""#, "unload"), (WHOLE, "load")]
        {
            let answer = ask(gateway.addr, post(path, &format!(r#"{{"model":"m:latest"{more}}}"#)));
            let value = answer.json();
            assert_eq!(answer.field("content-type"), Some("application/json"));
            let found = (&value["model"], &value["done"], &value["done_reason"], value.get(member).is_some());
            assert_eq!(found, (&json!("m:latest"), &json!(true), &json!(reason), true), "{value}");
        }
        assert_refused(&ask(gateway.addr, post(path, r#"{"model":"x"}"#)), 404, "model 'x' not found");
    }
    assert!(llama.heard().iter().all(|heard| !heard.target.contains("completions")));
}

#[test]
fn a_text_to_go_on_with_is_asked_of_completions() {
    let whole = r#"{"choices":[{"index":0,"text":" there","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let streamed = "data: {\"choices\":[{\"index\":0,\"text\":\" there\",\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (upstream, requests) = answering(move |request| {
        request.first_line.starts_with("POST /v1/completions ").then(|| match request.json()["stream"] == true {
            true => format!("{HEAD}{:x}\r\n{streamed}\r\n0\r\n\r\n", streamed.len()).into_bytes(),
            false => ok(whole),
        })
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for more in [r#","raw":true"#, r#","suffix":"!""#] {
        let lines = lines(&ask(gateway.addr, generate("hi", more)));
        assert_eq!((content(&lines).as_str(), lines.last().unwrap()["done_reason"].as_str()), (" there", Some("stop")));
        let asked = requests.recv_timeout(PATIENCE).unwrap().json();
        assert_eq!((&asked["prompt"], asked.get("suffix").is_some()), (&json!("hi"), more.contains("suffix")));
        let answer = ask(gateway.addr, generate("hi", &format!("{more}{WHOLE}"))).json();
        assert_eq!((&answer["response"], &answer["eval_count"]), (&json!(" there"), &json!(1)), "{answer}");
        requests.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn texts_are_embedded() {
    let (upstream, requests) = answering(|request| {
        let data = r#"{"data":[{"index":0,"embedding":[3,4]}],"usage":{"prompt_tokens":2}}"#;
        request.first_line.starts_with("POST /v1/embeddings ").then(|| ok(data))
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    let answer = ask(gateway.addr, post("/api/embed", r#"{"model":"m:latest","input":["hi"]}"#)).json();
    assert_eq!(
        (&answer["model"], &answer["embeddings"], &answer["prompt_eval_count"]),
        (&json!("m:latest"), &json!([[0.6, 0.8]]), &json!(2))
    );
    assert_eq!(requests.recv_timeout(PATIENCE).unwrap().json(), json!({ "model": "m", "input": ["hi"] }));
    let answer = ask(gateway.addr, post("/api/embeddings", r#"{"model":"m","prompt":"hi"}"#)).json();
    assert_eq!(answer, json!({ "embedding": [3, 4] }));
}

#[test]
fn what_a_browser_asks_first_goes_to_its_server_as_for_any_chat() {
    const LEAVE: &str = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: http://page\r\n\r\n";
    let (upstream, requests) = answering(|request| match request.first_line.split(' ').next() {
        Some("OPTIONS") => Some(LEAVE.as_bytes().to_vec()),
        Some("POST") => Some(
            HEAD.replace("\r\n\r\n", "\r\nAccess-Control-Allow-Origin: http://page\r\n\r\n")
                .into_bytes()
                .into_iter()
                .chain(end().into_bytes())
                .collect(),
        ),
        _ => None,
    });
    let gateway = gateway(vec![pool("p", vec![peer(upstream.address)])]);
    for path in ["/v1/chat/completions", "/api/chat", "/api/tags", "/api/show"] {
        let request =
            get(path).replace("GET", "OPTIONS").replace("Host: gateway", "Host: gateway\r\nOrigin: http://page");
        let answer = ask(gateway.addr, request);
        assert_eq!(
            (answer.status(), answer.field("access-control-allow-origin")),
            (204, Some("http://page")),
            "{path}"
        );
        assert_eq!(requests.recv_timeout(PATIENCE).unwrap().first_line, format!("OPTIONS {path} HTTP/1.1"));
    }
    let request = chat("hi", "").replace("Host: gateway", "Host: gateway\r\nOrigin: http://page");
    let answer = ask(gateway.addr, request);
    assert_eq!(answer.field("access-control-allow-origin"), Some("http://page"));
    lines(&answer);
}

#[test]
fn their_requests_are_counted_and_logged_as_any_other() {
    let llama = llama();
    let gateway = gateway(vec![pool("p", vec![peer(llama.addr())])]);
    let requests = [
        ("down-chat", chat("[[call]]", TOOLS), "tool_calls"),
        ("down-whole", chat("[[call]]", &format!("{TOOLS}{WHOLE}")), "tool_calls"),
    ];
    for (id, request, finish) in requests {
        let answer = ask(gateway.addr, named(id, request));
        assert_eq!(answer.field("x-request-id"), Some(id));
        let (_, line) = line_of(id);
        let facts = ["model", "path", "status", "outcome", "calls", "finish"].map(|key| line[key].clone());
        let expected = [json!("m"), json!("/api/chat"), json!(200), json!("ok"), json!(1), json!(finish)];
        assert_eq!(facts, expected, "{line}");
        assert!(line["output_tokens"].as_u64().is_some_and(|count| count > 0), "{line}");
    }
    let chats = || {
        let page = Page::parse(&ask(gateway.admin_addr.unwrap(), get("/metrics")).text());
        let labels = [("operation", "chat"), ("code", "200")];
        page.sum("toolgate_requests_total", &labels).unwrap_or_default()
    };
    wait_until("both are counted", || chats() == 2.0);
}
