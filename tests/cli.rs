//! The program as its users run it: arguments and stdin in, stdout, stderr and exit code out.
//! What the answers' texts turn into is tested with the decoder; here it is how the commands pass them on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the whole file is a test")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use toolgate::mock::{Mock, Script};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn toolgate(arguments: &[&str], stdin: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("UPSTREAM", "http://127.0.0.1:8080")
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    // A program that fails early closes its stdin; what it says about that is what counts.
    let writer = std::thread::spawn(move || drop(input.write_all(stdin.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of its own for each test, in the folder that the test runner keeps for that.
fn file(name: &str, text: &str) -> String {
    let path = format!("{}/cli-{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).unwrap();
    path
}

/// What `toolgate probe` says of a scripted server, without its address and version.
fn probed(script: Value, load: &str) -> String {
    let mock = Mock::start("127.0.0.1:0", Script::from_yaml(&script.to_string()).unwrap()).unwrap();
    let url = format!("http://{}", mock.addr());
    if !load.is_empty() {
        let mut wire = std::net::TcpStream::connect(mock.addr()).unwrap();
        let body = json!({ "model": load, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        wire.write_all([head, body].concat().as_bytes()).unwrap();
        std::io::read_to_string(wire).unwrap();
    }
    let ran = toolgate(&["probe", &url], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    ran.out.replace(&url, "URL").replace(" b11669-mock", "")
}

#[test]
fn a_probe_says_what_a_server_is_and_how_tools_reach_its_models() {
    let answers = json!([{ "when": { "anywhere": "\"grammar\"" }, "text": "yes" }, { "text": "no" }]);
    let one = json!({ "model": "m", "chat_template": "<tool_call>", "template_writes": ["tools", "first-calls"], "answers": answers });
    let expected = "\
server     llama.cpp, ready, 4 slots
known by   the owner of its models, `llamacpp`
model      m
dialect    hermes, by its chat template
tools      parse: the template writes them
history    native, one call a turn: of that the template drops nothing
reasoning  auto
grammar    obeyed: a call that is required is forced

configure  pools: [{ name: default, peers: [\"URL\"] }]
";
    assert_eq!(probed(one, ""), expected);

    let many = json!({ "places": 1, "slots": 1, "answers": [{ "text": "no" }], "models": {
        "a": { "chat_template": "of nobody", "template_writes": [] }, "qwen3-8b": {},
    }});
    let expected = "\
server     llama.cpp, ready
known by   the owner of its models, `llamacpp`
models     2, 1 at once

model      a, loaded, 1 slot
dialect    json-envelope; the chat template is of no family that is known
tools      inject: the template is of no family that is known
history    text: the template drops some of any other
reasoning  auto
grammar    not obeyed: only the prompt asks for a call that is required

model      qwen3-8b, unloaded
dialect    hermes, until it is loaded: then its chat template says it
tools      inject
reasoning  auto

configure  pools: [{ name: default, peers: [\"URL\"] }]
";
    assert_eq!(probed(many.clone(), "a"), expected);

    // One that shows no template, and keeps from the model what it may not call.
    let hidden = json!({ "pages": "vllm", "model": "qwen3-8b", "template_writes": ["callable-tools", "calls"], "answers": [{ "text": "yes" }] });
    let expected = "\
server     vllm 0.31.0-mock, ready
known by   the owner of its models, `vllm`
model      qwen3-8b
dialect    hermes, by its name; no chat template is to be seen
tools      inject: the server's prompt leaves them out
history    native: of that the template drops nothing
reasoning  auto
grammar    obeyed: a call that is required is forced

configure  pools: [{ name: default, peers: [\"URL\"], dialect: hermes }]
";
    assert_eq!(probed(hidden, ""), expected);

    let loads = json!({ "model": "m", "loading_ms": 600_000, "answers": [{ "text": "yes" }] });
    let said = probed(loads, "");
    assert!(said.starts_with("server     llama.cpp, loading\nknown by   what it says while it loads\n"), "{said}");

    // Another engine is known by its list; its models load nothing for that.
    let mut swapped = many;
    swapped["pages"] = "llama-swap".into();
    let said = probed(swapped, "");
    assert!(
        said.starts_with(
            "server     llama-swap, ready\nknown by   the owner of its models, `llama-swap`\nmodels     2, as many at once as fit\n\n\
             model      a, unloaded\n"
        ),
        "{said}"
    );
    assert!(said.ends_with("configure  pools: [{ name: default, peers: [\"URL\"] }]\n"), "{said}");
}

#[test]
fn a_server_that_shows_no_engine_is_named_one() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for wire in server.incoming() {
            let mut wire = wire.unwrap();
            let head = std::io::BufReader::new(wire.try_clone().unwrap()).lines();
            head.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let _ = wire.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let ran = toolgate(&["probe", &url], "");
    assert!(
        ran.out.starts_with("server     openai, ready\nknown by   nothing: it shows no sign of any engine\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(", engine: openai"), "{}", ran.out);
}

#[test]
fn what_fails_says_so_in_one_line_and_by_its_exit_code() {
    for (arguments, code, error) in [
        (
            &["frob"][..],
            2,
            "toolgate: Found argument 'frob' which wasn't expected, or isn't valid in this context (see toolgate --help)\n",
        ),
        (&["run"], 2, "toolgate: `run` needs -c FILE or --upstream URL\n"),
        (&["probe", "http://127.0.0.1:1"], 1, "toolgate: http://127.0.0.1:1: Connection refused (os error 111)\n"),
        (&["-t"], 2, "toolgate: `run` needs -c FILE or --upstream URL\n"),
        (
            &["decode"],
            2,
            "toolgate: The following required arguments were not provided: --dialect <NAME> (see toolgate --help)\n",
        ),
        (&["run", "-c", "no/such.yaml"], 1, "toolgate: no/such.yaml: No such file or directory (os error 2)\n"),
        (&["dialects", "x"], 1, &format!("toolgate: unknown dialect `x` (known: {})\n", dialects().join(", "))),
        (&["decode", "--dialect", "./no.yaml"], 1, "toolgate: ./no.yaml: No such file or directory (os error 2)\n"),
        (&["mock", "--listen", "nowhere"], 1, "toolgate: cannot listen on nowhere: invalid socket address\n"),
        (
            &["run", "--upstream", "http://h", "--engine", "vlm"],
            1,
            "--engine: unknown engine `vlm` (did you mean `vllm`?)\n",
        ),
        (
            &["mock", "--api", "grpc"],
            2,
            "toolgate: Invalid value for '--api <API>': `grpc` is none of openai, ollama (see toolgate --help)\n",
        ),
        (&["run", "--upstream", "h"], 1, "--upstream: `h` has no scheme (write http://HOST:PORT)\n"),
    ] {
        let ran = toolgate(arguments, "");
        assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (code, error, ""), "{arguments:?}");
    }
    let ran = toolgate(&[], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("USAGE"), "{}", ran.err);
}

#[test]
fn the_mock_speaks_what_it_is_told_to() {
    let mut mock = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["mock", "--listen", "127.0.0.1:0", "--api", "ollama"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(mock.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("mock: listening on http://").unwrap();
    let mut wire = std::net::TcpStream::connect(address).unwrap();
    wire.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let page = std::io::read_to_string(wire).unwrap();
    mock.kill().unwrap();
    mock.wait().unwrap();
    assert!(page.ends_with("\r\n\r\nOllama is running"), "{page}");
}

#[test]
fn help_and_version_succeed() {
    for (arguments, expected) in [
        (&["--version"][..], "toolgate 0."),
        (&["--help"], "USAGE"),
        (&["run", "--help"], "--upstream"),
        (&["help"], "USAGE"),
        (&["help", "run"], "--upstream"),
    ] {
        let ran = toolgate(arguments, "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        assert!(ran.out.contains(expected), "{}", ran.out);
    }
}

#[test]
fn the_printed_configuration_is_good() {
    let printed = toolgate(&["--print-config"], "");
    assert_eq!((printed.code, printed.out.as_str()), (0, include_str!("../conf/toolgate.yaml")));
    let path = file("printed.yaml", &printed.out);
    let ran = toolgate(&["run", "-t", "-c", &path], "");
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "the configuration is good\n", ""));
}

#[test]
fn the_configuration_of_the_image_is_good() {
    let ran = toolgate(&["run", "-t", "-c", "conf/docker.yaml"], "");
    assert_eq!((ran.code, ran.out.as_str()), (0, "the configuration is good\n"));
    assert!(ran.err.lines().all(|line| line.contains("can be reached from other machines")), "{}", ran.err);
}

/// Neither what a check means nor what it prints depends on servers.
#[test]
fn a_check_asks_nobody() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let path = file("asks.yaml", &format!("pools: [{{name: a, engine: auto, peers: \"{url}\"}}]\n"));
    for arguments in [&["-t", "-c", &path][..], &["-t", "--upstream", &url], &["--print-config"]] {
        let ran = toolgate(&[&["run"], arguments].concat(), "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    assert_eq!(server.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_check_warns_of_what_may_be_meant() {
    let pools = "pools: [{name: a, peers: http://h}]";
    let loopback = "127.0.0.1:1, \"[::1]:1\", localhost:2, unix:/run/t";
    for (addresses, warned) in [
        (format!("listen: [{loopback}]\nadmin: 127.0.0.1:3"), &[][..]),
        ("listen: 0.0.0.0:1\nadmin: box:2".to_owned(), &["listen", "admin"]),
    ] {
        let path = file("warned.yaml", &format!("{addresses}\n{pools}\n"));
        let ran = toolgate(&["run", "-t", "-c", &path], "");
        assert_eq!((ran.code, ran.out.as_str()), (0, "the configuration is good\n"));
        let words: Vec<_> = ran.err.lines().map(|line| line.split(": ").nth(2).unwrap()).collect();
        assert_eq!(words, warned, "{}", ran.err);
    }
}

#[test]
fn too_few_descriptors_are_an_error_and_no_panic() {
    let command = format!(
        "ulimit -n 16; exec {} run --upstream http://127.0.0.1:1 --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_toolgate")
    );
    let ran = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!((ran.status.code(), err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.starts_with("toolgate: 16 files and sockets may be open"), "{err}");
}

#[test]
fn a_check_names_every_mistake() {
    let path = file("bad.yaml", "listen: here\npools:\n  - name: a\n    peer: http://h\n");
    let ran = toolgate(&["run", "-t", "-c", &path], "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let expected = format!(
        "{path}:1:9: listen: `here` is not host:port (as in 127.0.0.1:8000)\n\
         {path}:3:5: pool `a` has no peers (peers: [\"http://127.0.0.1:8080\"])\n\
         {path}:4:5: unknown key `peer` in a pool (did you mean `peers`?)\n"
    );
    assert_eq!(ran.err, expected);
}

#[test]
fn other_files_count_from_the_configuration_s_folder() {
    let folder = format!("{}/cli-dialects", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(format!("{folder}/own")).unwrap();
    let dialect = toolgate(&["dialects", "hermes"], "").out.replace("name: hermes", "name: mine");
    std::fs::write(format!("{folder}/own/mine.yaml"), dialect).unwrap();
    let config = "dialects: own\npools: [{name: a, peers_file: own/peers.json, dialect: mine}]\n";
    std::fs::write(format!("{folder}/own/peers.json"), r#"["http://h", {"dns": "h:80"}]"#).unwrap();
    std::fs::write(format!("{folder}/toolgate.yaml"), config).unwrap();
    let ran = toolgate(&["run", "-t", "-c", &format!("{folder}/toolgate.yaml")], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = toolgate(&["decode", "--dialect", &format!("{folder}/own/mine.yaml")], "hello");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    std::fs::write(format!("{folder}/own/peers.json"), r#"["h"]"#).unwrap();
    let ran = toolgate(&["run", "-t", "-c", &format!("{folder}/toolgate.yaml")], "");
    let expected = format!("{folder}/own/peers.json:1:2: the peer's url `h` has no scheme (write http://HOST:PORT)\n");
    assert_eq!((ran.code, ran.err), (1, expected));
}

/// The names of those that are compiled in.
fn dialects() -> Vec<String> {
    toolgate::Dialects::builtin().iter().map(|dialect| dialect.name().to_owned()).collect()
}

#[test]
fn dialects_are_listed_and_shown() {
    let list = toolgate(&["dialects"], "").out;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(names, dialects());
    let shown = toolgate(&["dialects", "hermes"], "");
    assert_eq!((shown.code, shown.out.as_str()), (0, include_str!("../conf/dialects/hermes.yaml")));
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn text_without_calls_comes_out_as_it_went_in() {
    for chunk in [&[][..], &["--chunk", "1"], &["--chunk", "3"]] {
        let ran = toolgate(&[&["decode", "--dialect", "hermes"], chunk].concat(), "Grüße <b>\n");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let message: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(message, json!({"role": "assistant", "content": "Grüße <b>\n"}), "{chunk:?}");
    }
}

#[test]
fn a_bad_line_gets_an_error_and_the_next_is_read() {
    let input = r#"{"id": 1, "dialect": "hermes", "tools": [], "text": "a"}

not JSON
{"id": "x", "dialect": "nope", "text": "a"}
{"id": [2], "dialect": "hermes"}
{"id": 3, "dialect": "hermes", "text": "a", "finish": "later"}
{"dialect": "hermes", "chunks": ["a", "b"], "finish": "length", "expect": {}}
"#;
    let ran = toolgate(&["decode", "--jsonl"], input);
    assert_eq!((ran.code, ran.err.as_str()), (1, "toolgate: 4 of 6 lines failed\n"));
    let lines = lines(&ran);
    let message = |id: Value, content: &str, finish: &str| json!({"id": id, "content": content, "reasoning": null, "tool_calls": [], "finish_reason": finish});
    assert_eq!(lines[0], message(json!(1), "a", "stop"));
    for (line, id, error) in [
        (1, json!(null), "not a case: expected ident"),
        (2, json!("x"), "unknown dialect `nope`"),
        (3, json!([2]), "neither `text` nor `chunks`"),
        (4, json!(3), "not a case: unknown variant `later`"),
    ] {
        assert_eq!(lines[line]["id"], id);
        assert!(lines[line]["error"].as_str().unwrap().starts_with(error), "{}", lines[line]);
    }
    assert_eq!(lines[5], message(json!(null), "ab", "length"));
}

#[test]
fn a_prompt_is_what_goes_to_the_server() {
    let request = json!({"messages": [{"role": "user", "content": "hi"}], "tools": [
        {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
    ]});
    let ran = toolgate(&["prompt", "--dialect", "hermes"], &request.to_string());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let sent: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(sent.get("tools"), None);
    let system = sent["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("\"add\"") && system.contains("<tool_call>"), "{system}");

    let plain = "{\"messages\": [ ] }";
    let ran = toolgate(&["prompt", "--dialect", "hermes"], plain);
    assert_eq!((ran.code, ran.out.as_str()), (0, plain));

    let mut request = request;
    request["tool_choice"] = json!({"type": "function", "function": {"name": "sub"}});
    let ran = toolgate(&["prompt", "--dialect", "hermes"], &request.to_string());
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("toolgate: tool_choice names `sub`"), "{}", ran.err);
}

const TOOLS: &str = r#"[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]"#;
const CALL: &str = "Now.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";

#[test]
fn calls_are_the_same_streamed_and_whole() {
    let tools = file("tools.json", TOOLS);
    let mut answers = Vec::new();
    for chunk in [&[][..], &["--chunk", "1"], &["--chunk", "1000"]] {
        let ran = toolgate(&[&["decode", "--dialect", "hermes", "--tools", &tools], chunk].concat(), CALL);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let mut message: Value = serde_json::from_str(&ran.out).unwrap();
        let id = message["tool_calls"][0]["id"].take();
        assert!(id.as_str().unwrap().starts_with("call_"), "{id}");
        answers.push(message);
    }
    let expected = json!({"role": "assistant", "content": "Now.\n", "tool_calls": [
        {"id": null, "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1}"}},
    ]});
    assert_eq!(answers, [expected.clone(), expected.clone(), expected]);
}

#[test]
fn a_case_says_how_it_is_read() {
    let case = |more: &str, text: &str| {
        format!("{{\"dialect\":\"hermes\",\"tools\":{TOOLS},{more}\"text\":{}}}\n", json!(text))
    };
    let two = format!("{CALL}{CALL}");
    let thinking = "<think>Hm</think>Yes";
    let input = [
        case("", CALL),
        case("\"stream\":true,", CALL),
        case("\"parallel_tool_calls\":false,", &two),
        case("", &two),
        case("", thinking),
        case("\"reasoning\":\"off\",", thinking),
        case("\"reasoning\":\"open\",\"stream\":true,", "Hm</think>Yes"),
        case("\"finish\":\"length\",", "Now.<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":\"x"),
        "{\"dialect\":\"hermes\",\"tools\":[],\"text\":\"<think>Hm</think><tool_call>{\\\"name\\\":\\\"add\\\"}</tool_call>\"}\n".into(),
    ]
    .concat();
    let ran = toolgate(&["decode", "--jsonl"], &input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let seen: Vec<Value> = lines(&ran)
        .iter()
        .map(|line| {
            let arguments = line["tool_calls"].as_array().unwrap().iter().map(|call| &call["function"]["arguments"]);
            json!([line["content"], line["reasoning"], arguments.collect::<Vec<_>>(), line["finish_reason"]])
        })
        .collect();
    let arguments = "{\"a\": 1}";
    let expected = [
        json!(["Now.\n", null, [arguments], "tool_calls"]),
        json!(["Now.\n", null, [arguments], "tool_calls"]),
        json!(["Now.\n", null, [arguments], "tool_calls"]),
        json!(["Now.\nNow.\n", null, [arguments, arguments], "tool_calls"]),
        json!(["Yes", "Hm", [], "stop"]),
        json!([thinking, null, [], "stop"]),
        json!(["Yes", "Hm", [], "stop"]),
        json!(["Now.", null, ["{\"a\":\"x"], "length"]),
        json!(["<tool_call>{\"name\":\"add\"}</tool_call>", "Hm", [], "stop"]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn the_demo_shows_a_conversation_and_succeeds() {
    for (arguments, shown) in [
        (&["demo"][..], "finish_reason tool_calls"),
        (&["demo", "--server-tools"], ": tool read_file done"),
        (&["demo", "--api", "anthropic"], "stop_reason tool_use"),
    ] {
        let ran = toolgate(arguments, "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        let checks = if arguments.contains(&"--server-tools") { 3 } else { 6 };
        assert_eq!(ran.out.matches('✓').count(), checks, "{}", ran.out);
        assert!(ran.out.contains(shown), "{}", ran.out);
        assert!(!ran.out.contains('\x1b'), "colours without a terminal");
        assert!(ran.out.trim_end().contains("toolgate run --upstream http://127.0.0.1:8080"), "{}", ran.out);
    }
}

/// An MCP server of a few lines. It numbers its answers as the requests are numbered.
const TOOL_SERVER: &str = r#"
number=0
while read -r line; do
  case $line in
    *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[{"name":"say","description":"Says it.","inputSchema":{"type":"object"}}]}' ;;
    *'"fail"'*) result='{"content":[{"type":"text","text":"no"}],"isError":true}' ;;
    *'"tools/call"'*) result='{"content":[{"type":"text","text":"said"}]}' ;;
    *) continue ;;
  esac
  echo '{"jsonrpc":"2.0","id":'$number',"result":'$result'}'
  number=$((number + 1))
done
"#;

#[test]
fn tools_of_servers_are_listed_and_called() {
    let servers =
        json!([{ "name": "sh", "command": ["sh", "-c", TOOL_SERVER] }, { "name": "no", "command": "/no/such" }]);
    let config =
        |servers: Value| json!({ "pools": [{ "name": "a", "peers": "http://h" }], "tools": { "servers": servers } });
    let both = file("tool-servers.yaml", &config(servers.clone()).to_string());
    let absent = "toolgate: tool server no: it cannot be started: No such file or directory (os error 2)\n";
    let unlisted = format!("{absent}toolgate: 1 of 2 tool servers are not there\n");
    for (arguments, code, out, err) in [
        (&["tools"][..], 1, "sh__say\n    Says it.\n", unlisted.as_str()),
        (&["tool", "sh__say", "{}"], 0, "said", ""),
        (&["tool", "sh__say", r#"{"how": "fail"}"#], 1, "Error: no", ""),
        (&["tool", "sh__shout", "{}"], 1, "Error: Unknown tool 'sh__shout'", ""),
        (&["tool", "no__say", "{}"], 1, "Error: Tool server 'no' is not available", absent),
        (&["tool", "say", "{}"], 1, "Error: Unknown tool 'say'", ""),
    ] {
        let ran = toolgate(&[arguments, &["-c", &both]].concat(), "");
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (code, out, err), "{arguments:?}");
    }
    let one = file("tool-server.yaml", &config(json!([servers[0]])).to_string());
    let ran = toolgate(&["tools", "--json", "-c", &one], "");
    let function = json!({ "name": "sh__say", "description": "Says it.", "parameters": { "type": "object" } });
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), json!([{ "type": "function", "function": function }]));
}
