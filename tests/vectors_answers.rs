//! Runs the conformance vectors of model answers through `toolgate decode --jsonl`, whole and streamed.
//!
//! The vectors stand in `../shared/conformance`, seen from the project's root. A clone without them says so; the
//! project's own suites are complete without it. Where a vector contradicts one of our decisions, the decision
//! wins, and the vector stands in `tests/vectors_answers/decided.txt` with the decision's number.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use toolgate::plan::{Agent, AgentFormat};
use toolgate::{Dialect, Dialects};

/// The dialects that exist here.
static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);

/// What the vectors call differently.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("apriel", "jamba"),
    ("command-r7b", "command-a"),
    ("deepseek-r1", "deepseek-v3"),
    ("deepseek-v3.2", "deepseek-dsml"),
    ("deepseek-v4", "deepseek-dsml"),
    ("deepseek-v4.1", "deepseek-dsml"),
    ("firefunction-v2", "functools"),
    ("glm4.5", "glm"),
    ("glm4.7", "glm"),
    ("granite4", "hermes"),
    ("hunyuan-v3", "hunyuan"),
    ("hunyuan-v4", "hunyuan"),
    ("ling3", "glm"),
    ("llama4-pythonic", "pythonic"),
    ("mimo", "qwen3-coder"),
    ("mistral-old", "mistral"),
    ("mistral-v11", "mistral"),
    ("muse-glimmer", "muse"),
    ("nemotron-deci", "nemotron"),
    ("nemotron-v2", "nemotron"),
    ("nemotron3", "qwen3-coder"),
    ("phi4-mini", "functools"),
    ("poolside", "glm"),
    ("reka-edge", "hermes"),
    ("spark2.5", "glm"),
];

struct Vector {
    id: String,
    request: Value,
    expect: Value,
}

#[test]
fn peers_answers() {
    let mut vectors = Vec::new();
    for peer in ["dynamo", "llamacpp", "sglang", "smg", "vllm"] {
        vectors.extend(read(&format!("peers-{peer}.jsonl")).iter().filter_map(peer_vector));
    }
    check(vectors, 200, peer_mistake);
}

/// Suites that were gathered after the first; they know the envelope too.
#[test]
fn more_peers_answers() {
    let rows = read("peers-more.jsonl");
    check(rows.iter().filter_map(peer_vector).collect(), 200, peer_mistake);
}

#[test]
fn systems_answers() {
    let rows = read("systems.jsonl");
    check(rows.iter().filter_map(system_vector).collect(), 40, system_mistake);
}

/// Calls written as text: of a server that read them itself, and of models that wrote them so.
#[test]
fn systems_formats() {
    let rows = read("systems.jsonl");
    check(rows.iter().filter_map(format_vector).collect(), 20, system_mistake);
}

/// What is chosen for whoever leaves it open.
#[test]
fn systems_choice_of_a_format() {
    let rows = read("systems.jsonl");
    let rows: Vec<_> = rows.iter().filter(|row| row["kind"] == "detect_format").collect();
    assert!(rows.is_empty() || rows.len() >= 10);
    let decided = decided();
    let (mut wrong, mut stale) = (Vec::new(), Vec::new());
    for row in rows {
        let input = &row["input"];
        let agent = Agent {
            kind: input["headers"]["X-Agent-Type"].as_str(),
            user_agent: input["user_agent"].as_str(),
            model: input["model"].as_str(),
        };
        let chosen = AgentFormat::suiting(agent, &DIALECTS);
        let want = AgentFormat::named(row["expect"]["format"].as_str().unwrap(), &DIALECTS).unwrap();
        let (id, is_same) = (row["id"].as_str().unwrap(), format!("{chosen:?}") == format!("{want:?}"));
        match (is_same, decided.contains_key(id)) {
            (false, false) => wrong.push(id),
            (true, true) => stale.push(id),
            _ => {}
        }
    }
    assert_eq!((wrong, stale), (Vec::new(), Vec::new()), "wrong, and decided otherwise though they agree");
}

/// Runs each vector in several forms and compares. `least` guards against vectors that vanish unseen.
fn check(vectors: Vec<Vector>, least: usize, mistake: fn(&Value, &Value) -> Option<String>) {
    if vectors.is_empty() {
        println!("no vectors: ../shared/conformance is absent");
        return;
    }
    assert!(vectors.len() >= least, "only {} vectors were understood", vectors.len());
    let decided = decided();
    let forms: Vec<(String, Value)> = vectors
        .iter()
        .enumerate()
        .flat_map(|(i, vector)| forms(&vector.request).into_iter().map(move |form| (i.to_string(), form)))
        .collect();
    let mut failures: BTreeMap<usize, String> = BTreeMap::new();
    for (answer, (i, form)) in decode(&forms).iter().zip(&forms) {
        let i: usize = i.parse().unwrap();
        if let Some(mistake) = mistake(answer, &vectors[i].expect) {
            failures.entry(i).or_insert_with(|| {
                format!("{}\n  {}\n  {form}\n  got {answer}\n  want {}", vectors[i].id, mistake, vectors[i].expect)
            });
        }
    }
    let failed: BTreeSet<&str> = failures.keys().map(|&i| vectors[i].id.as_str()).collect();
    let surprises: Vec<&String> =
        failures.iter().filter(|(i, _)| !decided.contains_key(&vectors[**i].id)).map(|(_, text)| text).collect();
    println!(
        "{} vectors, {} decided otherwise, {} wrong",
        vectors.len(),
        failed.len() - surprises.len(),
        surprises.len()
    );
    let ids: BTreeSet<&str> = vectors.iter().map(|v| v.id.as_str()).collect();
    let stale: Vec<_> =
        decided.keys().filter(|id| ids.contains(id.as_str()) && !failed.contains(id.as_str())).collect();
    assert!(surprises.is_empty(), "{}", surprises.into_iter().cloned().collect::<Vec<_>>().join("\n"));
    assert!(stale.is_empty(), "decided otherwise, but it agrees now: {stale:?}");
}

/// Whole; streamed in one delta, in the vector's own, letter by letter, and in three pieces.
fn forms(request: &Value) -> Vec<Value> {
    let form = |changes: Value| {
        let mut form = request.clone();
        form.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        form
    };
    let text = request["text"].as_str().unwrap();
    let letters: Vec<String> = text.chars().map(String::from).collect();
    let thirds: Vec<String> = letters.chunks(letters.len() / 3 + 1).map(<[String]>::concat).collect();
    let mut forms = vec![form(json!({"stream": false})), form(json!({"stream": true}))];
    for chunks in [request["own_chunks"].clone(), json!(letters), json!(thirds)] {
        if chunks.is_array() {
            forms.push(form(json!({"stream": true, "chunks": chunks})));
        }
    }
    for form in &mut forms {
        form.as_object_mut().unwrap().remove("own_chunks");
    }
    forms
}

fn decode(forms: &[(String, Value)]) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(["decode", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input: String = forms.iter().map(|(_, form)| format!("{form}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), forms.len(), "one line out for each line in: {}", String::from_utf8_lossy(&output.stderr));
    lines
}

// ---- vectors of peers ---------------------------------------------------------------------------------

fn peer_vector(row: &Value) -> Option<Vector> {
    let name = row["dialect"].as_str()?;
    let name = name.split_once('(').map_or(name, |(_, written_as)| written_as.trim_end_matches(')'));
    let other = OTHER_NAMES.iter().find_map(|&(other, ours)| (other == name).then_some(ours));
    let dialect = DIALECTS.get(other.unwrap_or(name))?;
    let mut expect = row["expect"].clone();
    let text = row["text"].as_str()?;
    let calls = expect["calls"].as_array().into_iter().flatten();
    let mut names = calls.filter_map(|call| call["name"].as_str());
    let thought = expect["reasoning"].as_str().is_some_and(|reasoning| !matches!(reasoning, "" | "*"));
    if (text.is_empty() && thought) || names.any(|name| !text.contains(name)) {
        // What the suite had as tokens is not all here.
        return None;
    }
    let request = json!({"dialect": dialect.name(), "tools": functions(&row["tools"]), "text": text,
        "own_chunks": row["chunks"], "reasoning": reasoning(row, dialect)});
    expect["synthesised"] = row["tools_synthesised"].clone();
    Some(Vector { id: row["id"].as_str()?.into(), request, expect })
}

/// How a vector's thoughts are read. Where it does not say how its prompt ended, or what its suite had read before, the
/// answer that it wants says so: a thought that the text begins with was open, and markers among the content are text.
fn reasoning(row: &Value, dialect: &Dialect) -> &'static str {
    let wanted = |key: &str| row["expect"][key].as_str().unwrap_or_default().trim();
    let (content, thought) = (wanted("content"), wanted("reasoning"));
    let text = row["text"].as_str().unwrap_or_default().trim();
    let block = dialect.reads().reasoning.clone().unwrap_or_default();
    let trimmed = |markers: &[String]| -> Vec<String> { markers.iter().map(|m| m.trim().into()).collect() };
    let (openers, closers) = (trimmed(&block.open), trimmed(&block.close));
    let first = |markers: &[String]| markers.iter().filter_map(|marker| text.find(marker)).min();
    let begins = |text: &str| openers.iter().chain(&closers).any(|marker| text.starts_with(marker));
    let holds = |text: &str| openers.iter().chain(&closers).any(|marker| text.contains(marker));
    if row["params"]["reasoning_format"] == "none" || (begins(text) && begins(content)) {
        return "off";
    }
    let is_hidden = content != "*" && !holds(content);
    let is_tool_stage = row["stage"] == "tool";
    let is_content = is_tool_stage && (content == "*" || (!content.is_empty() && text.starts_with(content)));
    let is_thought = !matches!(thought, "" | "*") && text.starts_with(thought);
    let is_closed = is_hidden && first(&closers).is_some_and(|at| first(&openers).is_none_or(|opens| at < opens));
    match row["starts_in_reasoning"].as_bool() {
        Some(true) if !is_content => "open",
        None if !is_tool_stage && (is_thought || is_closed) => "open",
        _ if is_tool_stage && !(is_hidden && holds(text)) => "off",
        _ => "auto",
    }
}

fn functions(tools: &Value) -> Value {
    let function = |tool: &Value| match tool.get("function") {
        Some(_) => tool.clone(),
        None => json!({"type": "function", "function": tool}),
    };
    Value::Array(tools.as_array().into_iter().flatten().map(function).collect())
}

fn peer_mistake(got: &Value, expect: &Value) -> Option<String> {
    for key in ["content", "reasoning"] {
        let (got, want) = (got[key].as_str().unwrap_or_default(), expect[key].as_str().unwrap_or_default());
        if want != "*" && got.trim() != want.trim() {
            return Some(format!("{key} differs"));
        }
    }
    let (calls, wanted) = (got["tool_calls"].as_array()?, expect["calls"].as_array()?);
    if calls.len() != wanted.len() {
        return Some(format!("{} calls, not {}", calls.len(), wanted.len()));
    }
    for (call, want) in calls.iter().zip(wanted) {
        if call["function"]["name"] != want["name"] {
            return Some("a name differs".into());
        }
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let parsed: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments));
        let subset = want["args_match"] == "subset";
        // A string may also stand for the arguments as they were written.
        let verbatim = want["arguments"].as_str() == Some(arguments);
        if !verbatim && !same(&parsed, &want["arguments"], subset, expect["synthesised"] == true) {
            return Some(format!("arguments differ: {arguments}"));
        }
    }
    None
}

/// `loose` compares scalars by their text, whichever is the string: without a schema their type is a matter of taste.
fn same(got: &Value, want: &Value, subset: bool, loose: bool) -> bool {
    match (got, want) {
        (_, Value::String(s)) if s == "*" => true,
        (Value::Object(got), Value::Object(want)) => {
            (subset || got.len() == want.len())
                && want.iter().all(|(k, v)| got.get(k).is_some_and(|g| same(g, v, subset, loose)))
        }
        (Value::Array(got), Value::Array(want)) => {
            got.len() == want.len() && got.iter().zip(want).all(|(g, w)| same(g, w, subset, loose))
        }
        (Value::Number(got), Value::Number(want)) => got.as_f64() == want.as_f64(),
        (Value::String(text), other) | (other, Value::String(text)) if loose && got.is_string() != want.is_string() => {
            serde_json::from_str::<Value>(text).is_ok_and(|value| same(&value, other, subset, false))
                || *text == python(other)
        }
        (got, want) => got == want,
    }
}

fn python(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        other => other.to_string(),
    }
}

// ---- vectors of the systems ---------------------------------------------------------------------------

fn system_vector(row: &Value) -> Option<Vector> {
    if !matches!(row["kind"].as_str()?, "chat" | "chat_stream" | "parse_text_calls") {
        return None;
    }
    let input = &row["input"];
    let source = if input["upstream"].is_object() { &input["upstream"] } else { input };
    let chunks = source["chunks"].as_array().or(source["deltas"].as_array());
    let text = match chunks {
        Some(chunks) => chunks.iter().map(|c| c.as_str().unwrap_or_default()).collect(),
        None => source["text"].as_str()?.to_string(),
    };
    let request = &input["request"];
    let dialect = match row["system"].as_str()? {
        "000" if source["api"] != "ollama" => "json-envelope",
        "001" => "gemma4",
        "002" => "python-code",
        // It reads the calls of many families, and hands text through where it is told to.
        "004" if request["agent_format"] != "passthrough" => {
            FAMILIES.iter().find(|(opener, _)| text.contains(opener)).map_or("hermes", |(_, dialect)| dialect)
        }
        _ => return None,
    };
    let called = row["expect"]["tool_calls"].as_array().into_iter().flatten();
    let tools = match &request["tools"] {
        Value::Null => called.map(|call| json!({"name": call["name"]})).collect(),
        tools => tools.clone(),
    };
    let request = json!({"dialect": dialect, "tools": functions(&tools), "text": text,
        "own_chunks": chunks, "finish": source["finish"].as_str().unwrap_or("stop"),
        "parallel_tool_calls": request["parallel_tool_calls"].as_bool().unwrap_or(true),
        "agent_format": request["agent_format"]});
    Some(Vector { id: row["id"].as_str()?.into(), request, expect: row["expect"].clone() })
}

/// A call of the server's own is what a family's model would have written.
fn format_vector(row: &Value) -> Option<Vector> {
    let input = &row["input"];
    let (key, format) = match row["kind"].as_str()? {
        "rewrite" => ("agent_format", &input["format"]),
        "tag_rewrite" | "tag_stream" => ("tool_call_tags", &input["tool_call_tags"]),
        "chat_stream" if input["request"]["agent_format"].is_string() => {
            ("agent_format", &input["request"]["agent_format"])
        }
        _ => return None,
    };
    let chunks = input["upstream"]["chunks"].as_array();
    let said = match chunks {
        Some(chunks) => chunks.iter().map(|chunk| chunk.as_str().unwrap_or_default()).collect(),
        None => input["content"].as_str().or(input["text"].as_str())?.to_owned(),
    };
    let served = input["tool_calls"].as_array().into_iter().flatten();
    let written: Vec<String> = served
        .map(|call| format!("<tool_call>{}</tool_call>", json!({"name": call["name"], "arguments": call["arguments"]})))
        .collect();
    let text = format!("{said}{}", written.join("\n"));
    let dialect = FAMILIES.iter().find(|(opener, _)| text.contains(opener)).map_or("hermes", |(_, dialect)| dialect);
    let tools = match (&input["request"]["tools"], &input["tools"]) {
        // What no request offers is no call.
        (Value::Null, Value::Null) if written.is_empty() && !input["text"].is_string() => json!([]),
        (Value::Null, Value::Null) => {
            ["get_weather", "a", "b", "x", "list", "list_files"].iter().map(|name| json!({"name": name})).collect()
        }
        (Value::Null, tools) | (tools, _) => tools.clone(),
    };
    let mut request = json!({"dialect": dialect, "tools": functions(&tools), "text": text, "own_chunks": chunks});
    request[key] = format.clone();
    Some(Vector { id: row["id"].as_str()?.into(), request, expect: row["expect"].clone() })
}

/// By which opener a family is known.
const FAMILIES: &[(&str, &str)] = &[
    ("<|channel|>", "harmony"),
    ("```tool_code", "tool-code"),
    ("<|tool_call|>", "generic"),
    ("<function_call>", "generic"),
    ("<tool_call>", "hermes"),
];

fn system_mistake(got: &Value, expect: &Value) -> Option<String> {
    if expect["status"] == 400 {
        return got["error"].is_null().then(|| "no error".to_owned());
    }
    let content = got["content"].as_str().unwrap_or_default();
    let texts = |key: &str| -> Vec<String> {
        expect[key].as_array().into_iter().flatten().filter_map(|t| t.as_str().map(Into::into)).collect()
    };
    let mut wrong = Vec::new();
    if expect.get("content").is_some() && content != expect["content"].as_str().unwrap_or_default() {
        wrong.push("content");
    }
    if expect["content_trim"].as_str().is_some_and(|want| content.trim() != want.trim()) {
        wrong.push("content_trim");
    }
    let mut rest = content;
    for part in texts("content_trim_all") {
        match rest.split_once(&part) {
            Some((_, after)) => rest = after,
            None => wrong.push("content_trim_all"),
        }
    }
    if texts("content_contains").iter().any(|part| !content.contains(part)) {
        wrong.push("content_contains");
    }
    if texts("content_lacks").iter().any(|part| content.contains(part)) {
        wrong.push("content_lacks");
    }
    if expect["finish_reason"].is_string() && got["finish_reason"] != expect["finish_reason"] {
        wrong.push("finish_reason");
    }
    let calls: Vec<Value> = got["tool_calls"].as_array().into_iter().flatten().map(|c| c["function"].clone()).collect();
    if let Some(wanted) = expect["tool_calls"].as_array() {
        let equal = |(call, want): (&Value, &Value)| {
            let arguments: Value =
                serde_json::from_str(call["arguments"].as_str().unwrap_or_default()).unwrap_or_default();
            call["name"] == want["name"]
                && (want.get("arguments").is_none() || same(&arguments, &want["arguments"], false, false))
        };
        if calls.len() != wanted.len() || !calls.iter().zip(wanted).all(equal) {
            wrong.push("tool_calls");
        }
    }
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

// ---- files --------------------------------------------------------------------------------------------

fn read(name: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance").join(name);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // A vector that nests deeper than this reader follows (128) is one of another dialect.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Vectors that a decision of ours contradicts: a decision's number, a blank, the vector's id, a line.
fn decided() -> BTreeMap<String, u32> {
    let text = include_str!("vectors_answers/decided.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (number, id) = line.split_once(' ').expect("a number and an id");
            (id.to_string(), number.parse().expect("a decision's number"))
        })
        .collect()
}
