//! Mistakes in a configuration: each is named with its place, and all at once.

use super::*;

/// One mistake, or several, a row: the file and the lines that say what is wrong with it.
const MISTAKES: &[(&str, &str)] = &[
    ("", "t.yaml:1:1: the configuration is a mapping, not nothing (its keys: listen, admin, pools, alias, agents, models_list, addressed, expose, ollama_api, limits, dialects, server, tools)"),
    ("- a", "t.yaml:1:1: the configuration is a mapping, not a list (its keys: listen, admin, pools, alias, agents, models_list, addressed, expose, ollama_api, limits, dialects, server, tools)"),
    ("listen: a:1", "t.yaml:1:1: no pools (pools: [{name: default, peers: [\"http://127.0.0.1:8080\"]}])"),
    ("pools: []", "t.yaml:1:8: pools is an empty list (fill it, or leave the key out)"),
    ("pools:\n  - peers: http://h", "t.yaml:2:5: a pool without `name` (it stands in logs and metrics)"),
    ("pools:\n  - name: a", "t.yaml:2:5: pool `a` has no peers (peers: [\"http://127.0.0.1:8080\"])"),
    ("pools:\n  - name: a\n    peers: []", "t.yaml:3:12: peers is an empty list (fill it, or leave the key out)"),
    ("pools:\n  - name: a\n    peer: [http://h]\n    models: x", "\
t.yaml:2:5: pool `a` has no peers (peers: [\"http://127.0.0.1:8080\"])
t.yaml:3:5: unknown key `peer` in a pool (did you mean `peers`?)"),
    ("pools: [{name: a, peers: [http://h], retries: 3}]", "t.yaml:1:38: unknown key `retries` in a pool (known: name, models, engine, peers, peers_file, policy, queue, keepalive_ms, models_loaded, ollama, messages, hosted_tools, server_tools, offer, show, failovers_max, check_ms, session_header, dialect, tools, reasoning, unknown_tools, assemble, progress, conversations, timeouts)"),
    ("pools:\n  - {name: a, models: [y, Q*], peers: http://h}\n  - {name: b, models: 'q*', peers: http://h}", "t.yaml:3:5: pools `a` and `b` both take `q*` (the first would get every request for it)"),
    ("listen: ['0.0.0.0:80', '[::]:80', '127.0.0.1:80', '*:81']\nadmin: localhost:80\npools: [{name: a, peers: http://h}]", "\
t.yaml:1:35: listen: `127.0.0.1:80` and `0.0.0.0:80` cannot be listened on both (give one of them another port)
t.yaml:1:51: listen: `*:81` names no address (0.0.0.0:PORT is every address of IPv4, [::]:PORT every one of IPv6)
t.yaml:2:8: admin: `localhost:80` and `0.0.0.0:80` cannot be listened on both (give one of them another port)"),
    ("pools:\n  - {name: a, models: x, peers: http://h}\n  - {name: a, models: y, peers: http://h}", "t.yaml:3:5: pool `a` twice (names are unique)"),
    ("pools:\n  - {name: a, peers: http://h}\n  - {name: b, peers: http://h}", "t.yaml:3:5: pools `a` and `b` both take any model (give one of them `models`)"),
    ("pools:\n  - {name: a, peers: [http://h, http://h]}", "t.yaml:2:33: peer `http://h` twice in a pool (use `weight`)"),
    ("pools: [{name: a, peers_file: nowhere.yaml}]", "t.yaml:1:31: peers_file: `nowhere.yaml`: no such file (a list of servers, as `peers` is one)"),
    ("pools: [{name: a, peers_file: bad.yaml}]\nadmin: x", "\
t.yaml:2:8: admin: `x` is not host:port (as in 127.0.0.1:8000)
dir/bad.yaml:2:3: peer `http://h` twice in a pool (use `weight`)
dir/bad.yaml:3:9: the peer's url `x` has no scheme (write http://HOST:PORT)
dir/bad.yaml:3:12: unknown key `wait` in a peer (known: url, dns, refresh_ms, name, weight, priority, max_inflight, places, models, api_key, host, drain)"),
    ("pools: [{name: a, peers: [{dns: 'http://h', name: x}, {dns: 'h:x'}, {dns: 'u:p@h'}, {dns: h}, {dns: 'h:80'}]}]", "\
t.yaml:1:33: the peer's dns name has a scheme (NAME:PORT, and a path prefix if there is one)
t.yaml:1:51: `name` of a dns name (each of its servers is named by its address)
t.yaml:1:61: the peer's dns name `h:x` has a port that is not a number from 1 to 65535 (NAME:PORT, and a path prefix if there is one)
t.yaml:1:75: the peer's dns name holds credentials (NAME:PORT, and a path prefix if there is one)"),
    ("pools: [{name: a, peers: [{url: http://h, dns: h}, {url: http://h, refresh_ms: 5, host: 'a b', drain: 1}]}]", "\
t.yaml:1:48: a peer with both `url` and `dns` (make two of it)
t.yaml:1:80: `refresh_ms` of a url (it is for `dns`)
t.yaml:1:89: host is a name, and a port if need be, not `a b` (as in gpu.example)
t.yaml:1:103: unknown drain `1` (known: true, false)"),
    ("pools: [{name: a, peers: [{weight: 1}]}]", "t.yaml:1:27: a peer without `url` or `dns` (as in http://127.0.0.1:8080)"),
    ("pools: [{name: a, peers: [https://h]}]", "t.yaml:1:27: the peer's url `https://h` asks for TLS, which is not supported yet (use http:// inside a trusted network, or a TLS-terminating proxy beside the server)"),
    ("pools: [{name: a, peers: [\"h:80\"]}]", "t.yaml:1:27: the peer's url `h:80` has no scheme (write http://HOST:PORT)"),
    ("pools: [{name: a, peers: [[http://h]]}]", "t.yaml:1:27: a peer's url is a text, not a list (write one value)"),
    ("pools: [{name: a, peers: [{url: http://h, weight: 0, max_inflight: -1}]}]", "\
t.yaml:1:51: weight is out of range: 0 (from 1 to 1000)
t.yaml:1:68: max_inflight is a whole number, not `-1` (from 1 to 1000000; the unit stands in the key)"),
    ("pools: [{name: a, peers: [{url: http://h, api_key: \"${env.BREAK}\"}]}]", "t.yaml:1:52: api_key has characters that a header cannot carry (ASCII without spaces)"),
    ("pools: [{name: a, peers: [{url: http://h, api_key: \"${env.EMPTY}\"}]}]", "t.yaml:1:52: api_key is empty (give it a value, or leave the key out)"),
    ("pools: [{name: a, peers: http://h, engine: llamacpp, tools: on, reasoning: [], unknown_tools: drop}]", "\
t.yaml:1:44: unknown engine `llamacpp` (did you mean `llama.cpp`?)
t.yaml:1:61: unknown tools mode `on` (known: auto, inject, parse, native)
t.yaml:1:76: reasoning policy is a word, not a list (known: auto, off, open)
t.yaml:1:95: unknown unknown_tools policy `drop` (known: text, pass)"),
    ("pools: [{name: a, peers: http://h, engine: vllm, models_loaded: {pin: [x], stay: 1}}]", "\
t.yaml:1:65: models_loaded is for llama.cpp, llama-swap, ollama (other servers have one model)
t.yaml:1:71: pin is a mapping, not a list (models and how many copies of each, as in {NAME: 1})
t.yaml:1:76: unknown key `stay` in models_loaded (known: pin, preload, swaps, stay_ms, patience_ms)"),
    ("pools: [{name: a, peers: http://h, models_loaded: {pin: {x: 0}, preload: [], swaps: off}}]", "\
t.yaml:1:61: the number of copies is out of range: 0 (from 1 to 1000)
t.yaml:1:74: preload is an empty list (fill it, or leave the key out)
t.yaml:1:85: unknown swaps `off` (known: true, false)"),
    ("pools: [{name: a, peers: http://h, models_loaded: {preload: x, stay_ms: 1, swaps: false}}]", "\
t.yaml:1:61: preload where no server is told what to load (with `swaps: false` servers load what they are asked for)
t.yaml:1:73: stay_ms where no server is told what to load (with `swaps: false` servers load what they are asked for)"),
    ("pools: [{name: a, peers: http://h, check_ms: null, models_loaded: {pin: {x: 1}}}]", "t.yaml:1:73: pin where no server is told what to load (with `check_ms: null` nobody sees what is loaded)"),
    ("pools: [{name: a, peers: http://h, queue: {max: 0}, models_loaded: {pin: {x: 1}}}]", "t.yaml:1:74: pin where no server is told what to load (with `queue: {max: 0}` servers load what they are asked for)"),
    ("pools: [{name: a, engine: ollama, peers: http://h, ollama: {api: v2, num_ctx: 0, truncate: 1, options: {a: [1]}, think: 1}}]", "\
t.yaml:1:66: unknown api `v2` (did you mean `v1`?)
t.yaml:1:79: num_ctx is out of range: 0 (from 1 to 100000000)
t.yaml:1:92: unknown truncate `1` (known: true, false)
t.yaml:1:108: option `a` is one value (write one value)
t.yaml:1:114: unknown key `think` in ollama (known: api, num_ctx, keep_alive, truncate, options)"),
    ("pools: [{name: a, engine: vllm, peers: http://h, ollama: {num_ctx: 1}}]", "t.yaml:1:58: ollama is for ollama (other servers know none of its keys)"),
    ("ollama_api: maybe\npools: [{name: a, peers: http://h}]", "t.yaml:1:13: unknown ollama_api `maybe` (known: true, false)"),
    ("listen: 127.0.0.1:8\nollama_api: {listen: [127.0.0.1:8, unix:/x], version: v1, x: 1}\npools: [{name: a, peers: http://h}]", "\
t.yaml:2:23: listen: address `127.0.0.1:8` twice (each is listened on once)
t.yaml:2:36: a socket's file under ollama_api (host:port)
t.yaml:2:55: version `v1` (numbers and dots, as in 0.30.0)
t.yaml:2:59: unknown key `x` in ollama_api (known: listen, version)"),
    ("pools: [{name: a, peers: http://h, assemble: true}]", "t.yaml:1:46: unknown assemble policy `true` (known: tools, all, off)"),
    ("pools: [{name: a, peers: http://h, engine: vllm, assemble: all}]", "t.yaml:1:60: assemble is for llama.cpp, llama-swap (other servers notice when a client leaves)"),
    ("pools: [{name: a, peers: http://h, engine: sglang, tools: parse}]", "t.yaml:1:59: tools: parse is for llama.cpp, llama-swap, vllm, ollama, openai (inject, or native where the server reads the calls: it writes tools only if it reads them too)"),
    ("pools: [{name: a, peers: http://h, engine: vllm, progress: tools}]", "t.yaml:1:60: progress is for llama.cpp, llama-swap (other servers do not tell how far they are)"),
    ("pools: [{name: a, peers: http://h, timeouts: {connect_ms: 5s, idle_ms: 0, total: 1}}]", "\
t.yaml:1:59: connect_ms is a whole number, not `5s` (from 1 to 86400000; the unit stands in the key)
t.yaml:1:72: idle_ms is out of range: 0 (from 1 to 86400000)
t.yaml:1:75: unknown key `total` in timeouts (known: connect_ms, first_byte_ms, idle_ms, total_ms, client_ms)"),
    ("pools: [{name: a, peers: http://h, policy: hash, queue: {max: x, priority_header: ':'}, check_ms: 0, session_header: 'a b'}]", "\
t.yaml:1:44: unknown policy `hash` (known: slots, round-robin, random-two, prefix)
t.yaml:1:63: max is a whole number, not `x` (from 0 to 1000000; the unit stands in the key)
t.yaml:1:83: priority_header `:` is no header's name (as in Priority)
t.yaml:1:99: check_ms is out of range: 0 (from 1 to 86400000)
t.yaml:1:118: session_header `a b` is no header's name (as in X-Session-Id)"),
    ("pools: [{name: a, peers: http://h, dialect: herms}]", "t.yaml:1:45: unknown dialect `herms` (did you mean `hermes`?)"),
    ("pools: [{name: a, peers: http://h, models: [*coder]}]", "t.yaml:1:45: `*coder` is a YAML alias that nothing defines (a value that begins with `*` needs quotes: \"*coder\")"),
    ("listen: [a:1, a, a:1, \":1\", a:99999]\nadmin: a:1\npools: [{name: a, peers: http://h}]", "\
t.yaml:1:15: listen: `a` is not host:port (as in 127.0.0.1:8000)
t.yaml:1:18: listen: address `a:1` twice (each is listened on once)
t.yaml:1:23: listen: `:1` names no address (0.0.0.0:PORT is every address of IPv4, [::]:PORT every one of IPv6)
t.yaml:1:29: listen: `a:99999` is not host:port (as in 127.0.0.1:8000)
t.yaml:2:8: admin: address `a:1` twice (each is listened on once)"),
    ("pools: [{name: a, peers: http://h}]\nlisten: a:1\nlisten: a:2", "t.yaml:3:1: key `listen` twice in the configuration (its first value stands in line 2)"),
    ("pools: [{name: a, peers: http://h}]\nlimits: 5\nserver: []", "\
t.yaml:2:9: limits is a mapping, not a single value (its keys: headers_max, header_bytes_max, header_ms_max, upload_ms, upload_bytes_per_second_min, connections_max, bodies_bytes_max, request_body_bytes_max, request_depth_max, event_bytes_max, pending_bytes_max, value_bytes_max, answer_bytes_max, depth_max, choices_max, metrics_models_max)
t.yaml:3:9: server is a mapping, not a list (its keys: threads, work_stealing, listener_tasks_per_fd, upstream_keepalive_pool_size, drain_pause_ms, grace_seconds)"),
    ("pools: [{name: a, peers: http://h}]\nlimits: {headers_max: 257, header_bytes_max: 65537}\nserver: {work_stealing: yes}", "\
t.yaml:2:23: headers_max is out of range: 257 (from 1 to 256)
t.yaml:2:46: header_bytes_max is out of range: 65537 (from 1024 to 65536)
t.yaml:3:25: unknown work_stealing `yes` (known: true, false)"),
    ("pools: [{name: a, peers: http://h, models: m}]\nalias: {a: m, A: m, b: x, c: [], d: a}", "\
t.yaml:2:15: alias `A` twice (case does not tell models apart)
t.yaml:2:24: alias `b` leads to `x`, which no pool takes (name a model that a pool's `models` match)
t.yaml:2:30: an alias's model is a text, not a list (write one value)
t.yaml:2:37: alias `d` leads to `a`, which no pool takes (name a model that a pool's `models` match)
t.yaml:2:37: alias `d` leads to `a`, which is an alias itself (name the model behind it)"),
    ("pools: [{name: a, peers: http://h}]\ntools: {workspace: {roots: [{write: true}, [], x], write: maybe, root_dir: x}, command: {}}", "\
t.yaml:2:20: a workspace without `root` (the directory from which relative paths count)
t.yaml:2:29: a root without `path` (as in /srv/notes)
t.yaml:2:44: a root is a mapping, not a list (its keys: path, write)
t.yaml:2:59: unknown write `maybe` (known: true, false)
t.yaml:2:66: unknown key `root_dir` in workspace (known: root, roots, write, file_bytes_max)
t.yaml:2:80: unknown key `command` in tools (did you mean `commands`?)"),
    ("pools: [{name: a, peers: http://h}]\ntools:\n  commands: {enabled: 1, sandbox: docker, allow: [ls, 'a; b', ''], read: [usr, /lib], env: {A=: x, PATH: y, B: []}, processes_max: 0}\n  code: {python: [python3, -I], ruby: x}", "\
t.yaml:3:23: unknown enabled `1` (known: true, false)
t.yaml:3:35: unknown sandbox `docker` (namespaces, landlock, or unix:PATH of a cage service's socket)
t.yaml:3:55: allow: `a; b` is no beginning of a command: a program's name and words, without what a shell reads (as in \"git status\")
t.yaml:3:63: an allowed command is empty (give it a value, or leave the key out)
t.yaml:3:75: read: `usr` is no full path (one that begins with /)
t.yaml:3:93: env: `A=` is no variable's name (as in LANG)
t.yaml:3:100: env: `PATH` is the sandbox's own (leave it out)
t.yaml:3:112: env: B is a text, not a list (write one value)
t.yaml:3:132: processes_max is out of range: 0 (from 1 to 100000)
t.yaml:4:19: python: `python3` is no full path (one that begins with /)
t.yaml:4:33: unknown key `ruby` in code (known: python)"),
    ("pools: [{name: a, peers: http://h}]\ntools:\n  workspace: {root: ., write: true, roots: [./a/b, /s, {path: /s/w, write: true}, /s/w/./x]}\n  commands: {enabled: true, read: [/s/r, /s/w/r]}", "\
t.yaml:3:45: `./a/b` lies within `.`, which commands may write (commands could put another directory there: name directories beside each other)
t.yaml:3:83: `/s/w/./x` lies within `/s/w`, which commands may write (commands could put another directory there: name directories beside each other)
t.yaml:4:42: read: `/s/w/r` lies within `/s/w`, which commands may write (commands could put another directory there: name directories beside each other)"),
    ("pools: [{name: a, peers: http://h}]\ntools: {commands: {sandbox: 'unix:cage.sock'}}", "t.yaml:2:29: unknown sandbox `unix:cage.sock` (namespaces, landlock, or unix:PATH of a cage service's socket)"),
    ("pools: [{name: a, peers: http://h, server_tools: [[]], offer: never, show: all}]\ntools: {limits: {rounds_max: 0, turn_seconds: x}, memory: {seconds: 0}, hosts: [{}]}", "\
t.yaml:1:51: a tool is a text, not a list (write one value)
t.yaml:1:63: unknown offer policy `never` (known: without_tools, always, asked)
t.yaml:1:76: unknown show policy `all` (known: comments, none, reasoning)
t.yaml:2:30: rounds_max is out of range: 0 (from 1 to 1000)
t.yaml:2:47: turn_seconds is a whole number, not `x` (from 1 to 86400; the unit stands in the key)
t.yaml:2:69: seconds is out of range: 0 (from 1 to 86400)
t.yaml:2:81: a host is a text, not a mapping (write one value)"),
    ("listen: 0.0.0.0:1\npools: [{name: a, peers: http://h, server_tools: ['*']}]\ntools: {commands: {enabled: true}}", "t.yaml:3:8: tools that run commands, offered at `0.0.0.0:1`, which other machines reach (clients need no key: `listen` at 127.0.0.1, or do without `commands` and `code`)"),
    ("listen: 0.0.0.0:1\npools: [{name: a, peers: http://h, server_tools: ['*']}]\ntools: {workspace: {root: a, write: true}}", "t.yaml:3:8: tools that change files, offered at `0.0.0.0:1`, which other machines reach (clients need no key: `listen` at 127.0.0.1, or do without `write`)"),
    ("pools: [{name: a, peers: http://h, tools: inject}]\ntools: {workspace: {root: a, write: true, file_bytes_max: 0}}",
     "t.yaml:2:59: file_bytes_max is out of range: 0 (from 1 to 1073741824)"),
    ("pools: [{name: a, peers: http://h}]\nalias: m", "t.yaml:2:8: alias is a mapping, not a single value (as in {short-name: the-model})"),
    ("pools: [{name: a, peers: http://h}]\nagents: [{path: /}, {format: x}, {tags: 'a,b,c'}, {format: xml, tags: a}, {key: k, form: xml}]", "\
t.yaml:2:10: a rule of agents has either `format` or `tags` (as in {user_agent: \"*reader*\", format: xml})
t.yaml:2:30: agent_format `x` is none: it is openai, codex, passthrough, auto, gemma, llama3, qwen3, xml, or a dialect's name (`toolgate dialects` lists dialects)
t.yaml:2:41: tags are `NAME`, or what stands before a call and what behind it, with one comma between them (tags: \"<call>,</call>\")
t.yaml:2:51: a rule of agents has either `format` or `tags` (as in {user_agent: \"*reader*\", format: xml})
t.yaml:2:75: a rule of agents has either `format` or `tags` (as in {user_agent: \"*reader*\", format: xml})
t.yaml:2:84: unknown key `form` in a rule of agents (known: user_agent, path, model, key, format, tags)"),
    ("pools: [{name: a, peers: {url: http://h, name: a/b}}]\nmodels_list: x", "\
t.yaml:1:48: a peer's name is a word, not `a/b` (letters, digits, `-`, `.`, `_` and `:`)
t.yaml:2:14: unknown models_list policy `x` (known: merge, pass)"),
    ("pools: [{name: a, peers: [http://h/a, http://h/b]}]\naddressed: {key: short}", "\
t.yaml:2:12: peers `http://h/a` and `http://h/b` are both named `h:80` (give one of them a `name`)
t.yaml:2:18: addressed key has fewer than 16 characters (as `openssl rand -hex 16` makes one)"),
    ("pools: [{name: a, peers: http://h}]\naddressed: {}", "t.yaml:2:12: addressed without `key` (the servers' own pages are not for everybody)"),
    ("pools: [{name: a, peers: http://h}]\nexpose: [/slot]", "t.yaml:2:10: unknown page to expose `/slot` (did you mean `/slots`?)"),
    ("pools: [{name: a, peers: http://h}]\ndialects: nowhere", "t.yaml:2:11: dialects: `nowhere`: no such folder (a folder of dialect files, one *.yaml each)"),
    ("pools: [{name: '${env.NOPE}', peers: 'http://${env.ALSO}'}]", "\
t.yaml:1:16: environment variable `NOPE` is not set (set it, or write the value here)
t.yaml:1:38: environment variable `ALSO` is not set (set it, or write the value here)"),
    ("pools: [{name: '${HOME}', peers: 'http://${env.'}]", "\
t.yaml:1:16: `${HOME}` means nothing (`${env.NAME}` is replaced; `$${` writes a plain `${`)
t.yaml:1:34: `${` without its `}` (`$${` writes a plain `${`)"),
    ("pools: &p [{name: !x a, peers: http://h}]\nlisten: *p", "\
t.yaml:1:11: YAML anchors are not supported (write the value out where it is used)
t.yaml:1:22: YAML tags are not supported (a value that begins with `!` needs quotes)"),
    ("pools: [{name: a, peers: http://h}]\n---\nlisten: 5", "t.yaml:2:1: a second YAML document (a configuration is one document)"),
    ("? [a]\n: b\npools: [{name: a, peers: http://h}]", "t.yaml:1:3: a key that is not a word (keys are words, each followed by `:`)"),
    ("pools: [{name: a", "t.yaml:1:9: not YAML: unclosed bracket '{' (a value with `{`, `}`, `&`, `#` or `: ` in it needs quotes)"),
    ("pools:\n\t- name: a", "t.yaml:2:2: not YAML: tabs disallowed within this context (block indentation) (a value with `{`, `}`, `&`, `#` or `: ` in it needs quotes)"),
];

#[test]
fn every_mistake_is_named_with_its_place_and_a_hint() {
    for (yaml, expected) in MISTAKES {
        let errors = read(yaml).err().unwrap_or_else(|| panic!("no mistake found in\n{yaml}"));
        assert_eq!(&errors, expected, "in\n{yaml}");
    }
}

#[test]
fn a_mistake_in_a_dialect_file_names_that_file() {
    let errors = read(&format!("{POOLS}dialects: bad")).unwrap_err();
    assert!(errors.starts_with("bad/a.yaml: "), "{errors}");
}
