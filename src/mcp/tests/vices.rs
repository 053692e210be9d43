//! Servers that flood, hang, die and lie: each loses its connection, and harms nobody else.

use std::sync::Arc;

use serde_json::{Map, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::peer::{Deed, config, greeting, keep, result, say, text, tool, with_call};
use crate::mcp::server::{Server, Standing};
use crate::mcp::session::End;

const LOST: &str = "Error: docs: the connection was lost before it answered";

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_the_beginning_is_given_up() {
    let began = Instant::now();
    let rig = keep(config(), |_, _| Vec::new());
    assert_eq!(rig.down().await, "it did not begin within 60 s");
    assert_eq!(began.elapsed().as_secs(), 60);
    let rig = keep(config(), |_, message| match message["method"].as_str() {
        Some("tools/list") => Vec::new(),
        _ => greeting(message),
    });
    assert_eq!(rig.down().await, "its list of tools: no answer within 30 s");
}

#[tokio::test(start_paused = true)]
async fn one_that_speaks_something_else_is_given_up() {
    let rig = keep(config(), |_, _| vec![Deed::Raw("Usage: docs [OPTIONS]\n".to_owned()), Deed::Die]);
    assert_eq!(rig.down().await, "it closed the connection");
    let rig = keep(config(), |_, message| say(result(message, json!({"tools": []}))));
    assert_eq!(rig.down().await, "it does not speak the protocol");
}

#[tokio::test(start_paused = true)]
async fn one_whose_list_does_not_end_is_given_up() {
    let rig = keep(config(), |_, message| match message["method"].as_str() {
        Some("tools/list") => say(result(message, json!({"tools": [], "nextCursor": "again"}))),
        _ => greeting(message),
    });
    assert_eq!(rig.down().await, "its list of tools: it does not end");
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_in_a_call_is_there_again() {
    let rig = keep(config(), |session, message| {
        with_call(message, |call| match session {
            0 => vec![Deed::Die],
            _ => say(result(call, text("again"))),
        })
    });
    assert_eq!(rig.call("search").await.text, LOST);
    assert_eq!(rig.down().await, "it closed the connection");
    assert!(rig.tools().is_empty(), "what is not there is not offered");
    let absent = rig.server.call("search", Map::new()).await;
    assert_eq!(absent.text, "Error: Tool server 'docs' is not available");
    assert_eq!(rig.call("search").await.text, "again");
    assert_eq!(rig.tools(), ["search"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_floods_is_cut_off() {
    let changed = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n";
    for flood in ["\n", "noise\n", changed] {
        let rig = keep(config(), move |_, message| with_call(message, |_| vec![Deed::Flood(flood)]));
        assert_eq!(rig.call("search").await.text, LOST, "{flood}");
        assert_eq!(rig.down().await, "it sent more than 512 messages a second", "{flood}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_list_changes_all_the_time_is_asked_once_a_second() {
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let mut rig = keep(config(), move |_, message| match message["method"].as_str() {
        Some("tools/list") => {
            vec![
                Deed::Say(changed.clone()),
                Deed::Say(result(message, json!({"tools": []}))),
                Deed::Say(changed.clone()),
            ]
        }
        _ => greeting(message),
    });
    rig.heard("tools/list").await;
    let first = Instant::now();
    for _ in 0..10 {
        rig.heard("tools/list").await;
    }
    assert_eq!(first.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_without_end_is_cut_off() {
    let asks = "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n";
    let rig = keep(config(), move |_, message| with_call(message, |_| vec![Deed::Raw(asks.repeat(200))]));
    assert_eq!(rig.call("search").await.text, LOST);
    assert_eq!(rig.down().await, "it asked more than 2 questions a second");
}

#[tokio::test(start_paused = true)]
async fn one_whose_message_has_no_end_is_cut_off() {
    let rig = keep(config(), |_, message| with_call(message, |_| vec![Deed::Flood("{\"jsonrpc\": \"2.0\", \"x\": [")]));
    assert_eq!(rig.call("search").await.text, LOST);
    assert_eq!(rig.down().await, "it sent a message of more than 4194304 bytes");
}

#[tokio::test(start_paused = true)]
async fn one_that_reads_nothing_is_cut_off() {
    let rig = keep(config(), |_, message| with_call(message, |_| vec![Deed::Deafen]));
    let large = Map::from_iter([("q".to_owned(), "x".repeat(1 << 20).into())]);
    rig.up().await;
    let (first, _) = tokio::join!(rig.server.call("search", large.clone()), rig.server.call("search", large));
    assert!(first.is_error);
    assert_eq!(rig.down().await, "it read nothing of what it was sent for 60 s");
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_no_call_holds_no_more_than_some() {
    let rig = keep(config(), |_, message| with_call(message, |_| Vec::new()));
    rig.up().await;
    let calls: Vec<_> = (0..33)
        .map(|_| {
            let server = Arc::clone(&rig.server);
            tokio::spawn(async move { server.call("search", Map::new()).await.text })
        })
        .collect();
    let mut texts = Vec::new();
    for call in calls {
        texts.push(call.await.unwrap());
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts, ["Error: docs: 32 calls run there already", "Error: docs: no answer within 60 s"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_lists_too_much_is_taken_in_part() {
    let rig = keep(config(), |_, message| match message["method"].as_str() {
        Some("tools/list") => {
            let at = message["params"]["cursor"].as_str().unwrap_or("0").parse::<usize>().unwrap();
            let tools: Vec<_> = (at..at + 100).map(|at| tool(&format!("t{at}"))).collect();
            say(result(message, json!({"tools": tools, "nextCursor": (at + 100).to_string()})))
        }
        _ => greeting(message),
    });
    rig.up().await;
    assert_eq!(rig.tools().len(), 256);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_sessions_grow() {
    let server = Arc::new(Server::new(config(), Box::new(|| {})));
    let (tell, mut began) = unbounded_channel();
    tokio::spawn(Arc::clone(&server).keep_by(move |_, _, _| {
        let _ = tell.send(Instant::now());
        Box::pin(async { End::Closed })
    }));
    let mut last = began.recv().await.unwrap();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let next = began.recv().await.unwrap();
        pauses.push((next - last).as_secs());
        last = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(server.standing(), Standing::Down("it closed the connection".to_owned()));
}
