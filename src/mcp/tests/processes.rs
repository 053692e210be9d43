//! Servers that are processes: what they are given, how they end, and what a reload leaves alone.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::peer::configured;
use crate::mcp::{Servers, Standing};

/// A server of a few lines, whose one tool answers what a command prints. The numbers of requests are the library's.
fn server(name: &str, before: &str, print: &str) -> Value {
    let info = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"sh","version":"1"}}"#;
    let tools = r#"{"tools":[{"name":"say","inputSchema":{"type":"object"}}]}"#;
    let script = format!(
        r#"{before}
        number=0
        while read -r line; do
          case $line in
            *'"initialize"'*) result='{info}' ;;
            *'"tools/list"'*) result='{tools}' ;;
            *'"tools/call"'*) said=$({print}); result='{{"content":[{{"type":"text","text":"'$said'"}}]}}' ;;
            *) continue ;;
          esac
          echo '{{"jsonrpc":"2.0","id":'$number',"result":'$result'}}'
          number=$((number + 1))
        done
        {after}"#,
        after = if before.contains("trap") { "while :; do sleep 1; done" } else { "" },
    );
    json!({"name": name, "command": ["sh", "-c", script], "env": {"EXTRA": "given"}})
}

const PATIENCE: Duration = Duration::from_secs(60);

async fn started(servers: &[Value]) -> Servers {
    let servers = Servers::start(&configured(&json!(servers)), &Handle::current());
    servers.settled(PATIENCE).await;
    servers
}

fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // One that nobody has waited for is as good as gone.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits until a process has ended.
async fn ended(pid: &str) {
    let gone = async {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn a_process_gets_no_environment_but_its_own() {
    let servers = started(&[server("a", "", r"env | cut -d= -f1 | sort | tr '\n' ' '")]).await;
    let outcome = servers.call("a__say", "{}").await;
    let names: Vec<_> = outcome.text.split_whitespace().collect();
    let shells_own = ["OLDPWD", "PWD", "SHLVL", "_"];
    let given: Vec<_> = names.into_iter().filter(|name| !shells_own.contains(name)).collect();
    let home = std::env::var_os("HOME").map(|_| "HOME");
    assert_eq!(given, ["EXTRA"].into_iter().chain(home).chain(["PATH"]).collect::<Vec<_>>());
    servers.stop().await;
}

#[tokio::test]
async fn a_process_ends_with_all_that_it_has_started() {
    let stubborn = server("a", "trap '' TERM; sleep 1000 & child=$!", "echo $$ $child");
    let servers = started(&[stubborn]).await;
    let pids = servers.call("a__say", "{}").await.text;
    let pids: Vec<_> = pids.split_whitespace().collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_running(pid)), "{pids:?}");
    servers.stop().await;
    assert!(!is_running(pids[0]), "whoever waits for the server finds it gone");
    ended(pids[1]).await;
    assert!(servers.tools().is_empty());
}

#[tokio::test]
async fn a_process_ends_when_nobody_is_left_who_could_call_it() {
    let servers = started(&[server("a", "", "echo $$")]).await;
    let pid = servers.call("a__say", "{}").await.text;
    drop(servers);
    ended(&pid).await;
}

#[tokio::test]
async fn a_process_that_ends_is_started_again() {
    // Whoever is left of its group holds its pipes open.
    let servers = started(&[server("a", "sleep 1000 &", "echo $$; kill $$")]).await;
    let lost = servers.call("a__say", "{}").await;
    assert_eq!(lost.text, "Error: a: the connection was lost before it answered");
    let server = servers.shared.kept()[0].server.clone();
    server.until(|standing| matches!(standing, Standing::Down(_))).await;
    let absent = servers.call("a__say", "{}").await;
    assert_eq!(absent.text, "Error: Tool server 'a' is not available");
    server.until(|standing| *standing == Standing::Up).await;
    assert_eq!(servers.tools().len(), 1);
    servers.stop().await;
}

#[tokio::test]
async fn a_reload_leaves_alone_what_has_not_changed() {
    let pid = async |servers: &Servers, tool: &str| servers.call(tool, "{}").await.text;
    let [kept, changed, gone] = ["kept", "changed", "gone"].map(|name| server(name, "", "echo $$"));
    let servers = started(&[kept.clone(), changed.clone(), gone]).await;
    let before = (pid(&servers, "kept__say").await, pid(&servers, "changed__say").await);
    let left = pid(&servers, "gone__say").await;
    let mut changed = changed;
    changed["alias"] = json!({"say": "tell"});
    servers.reload(&configured(&json!([changed, kept])));
    assert_eq!(pid(&servers, "kept__say").await, before.0);
    servers.settled(PATIENCE).await;
    assert_eq!(servers.status().iter().map(|status| status.server.as_str()).collect::<Vec<_>>(), ["changed", "kept"]);
    assert_ne!(pid(&servers, "tell").await, before.1);
    assert!(!servers.has("gone") && servers.has("kept"));
    assert_eq!(servers.call("gone__say", "{}").await.text, "Error: Unknown tool 'gone__say'");
    ended(&left).await;
    ended(&before.1).await;
    servers.stop().await;
}

#[tokio::test]
async fn a_process_that_floods_harms_no_other() {
    let servers = started(&[json!({"name": "a", "command": "yes"}), server("b", "", "echo here")]).await;
    assert_eq!(servers.call("b__say", "{}").await.text, "here");
    let [a, b] = &servers.status()[..] else { panic!("two servers") };
    assert_eq!(a.standing, Standing::Down("it sent more than 512 messages a second".to_owned()));
    assert_eq!(b.standing, Standing::Up);
    servers.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_has_the_last_word() {
    let script = "echo one >&2; echo 'no such module: docs' >&2; exit 1";
    let servers = started(&[json!({"name": "a", "command": ["sh", "-c", script]})]).await;
    let why = "it ended; the last that it logged: no such module: docs";
    assert_eq!(servers.status()[0].standing, Standing::Down(why.to_owned()));
    servers.stop().await;
}

#[tokio::test]
async fn tools_are_found_by_the_names_that_models_know() {
    let mut first = server("a", "", "echo first");
    first["alias"] = json!({"say": "b__say"});
    let servers = started(&[first, server("b", "", "echo second"), json!({"name": "no", "command": "/no/such"})]).await;
    let tools: Vec<_> = servers.tools().iter().map(|tool| (tool.name.clone(), tool.server.clone())).collect();
    assert_eq!(tools, [("b__say".to_owned(), "a".to_owned())], "of two tools of one name the first is offered");
    for (name, arguments, expected) in [
        ("b__say", "{}", "first"),
        ("a__say", "{}", "Error: Unknown tool 'a__say'"),
        ("no__say", "{}", "Error: Tool server 'no' is not available"),
        ("b__say", "[]", "Error executing b__say: arguments are not a JSON object: it is a list"),
    ] {
        assert_eq!(servers.call(name, arguments).await.text, expected, "{name}");
    }
    let down = servers.status().into_iter().find(|status| status.server == "no").unwrap();
    let why = "it cannot be started: No such file or directory (os error 2)";
    assert_eq!((down.standing, down.tools), (Standing::Down(why.to_owned()), 0));
    servers.stop().await;
}
