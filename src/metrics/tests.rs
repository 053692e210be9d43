//! Requests in, a page out.

mod facts;

use super::*;
use crate::api::Tokens;
use crate::record::{Failure, Operation, Pace};

/// Metrics that learn models' names.
fn metrics() -> Metrics {
    let metrics = Metrics::default();
    metrics.models.configure([], 100);
    metrics
}

fn request(model: &str, status: u16) -> Record {
    Record {
        pool: Some("p".to_owned()),
        peer: Some("http://h".to_owned()),
        engine: Some("vllm"),
        model: Some(model.to_owned()),
        operation: Operation::Chat,
        status: Some(status),
        took: Duration::from_millis(15),
        priority: 3,
        ..Record::default()
    }
}

fn failed(blame: Blame, code: &'static str) -> Option<Failure> {
    Some(Failure { blame, code, message: String::new() })
}

fn lines<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    page.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn a_request_shows_under_its_labels() {
    let metrics = metrics();
    let tokens = Tokens { input: Some(10), output: Some(3), ..Tokens::default() };
    let summary = Summary { calls: 4, repaired: 1, truncated: 1, tokens: Some(tokens), ..Summary::default() };
    metrics.finished(&Record { summary: Some(summary), dialect: Some("d".to_owned()), ..request("m", 200) });
    metrics.finished(&request("m", 500));
    metrics.finished(&Record { operation: Operation::Other, ..request("m", 200) });
    let page = metrics.page(&Now::default());
    let expected = [
        r#"toolgate_requests_total{pool="p",peer="http://h",model="m",operation="chat",code="200"} 1"#,
        r#"toolgate_requests_total{pool="p",peer="http://h",model="m",operation="chat",code="500"} 1"#,
        r#"toolgate_requests_total{pool="p",peer="http://h",model="m",operation="other",code="200"} 1"#,
    ];
    assert_eq!(lines(&page, "toolgate_requests_total"), expected);
    let expected = [
        r#"toolgate_calls_total{dialect="d",outcome="complete"} 2"#,
        r#"toolgate_calls_total{dialect="d",outcome="repaired"} 1"#,
        r#"toolgate_calls_total{dialect="d",outcome="truncated"} 1"#,
    ];
    assert_eq!(lines(&page, "toolgate_calls_total"), expected);
    let gen_ai =
        r#"gen_ai_operation_name="chat",gen_ai_provider_name="vllm",gen_ai_request_model="m",pool="p",peer="http://h""#;
    assert!(page.contains(&format!("gen_ai_client_token_usage_sum{{{gen_ai},gen_ai_token_type=\"input\"}} 10\n")));
    assert!(page.contains(&format!("gen_ai_server_request_duration_seconds_sum{{{gen_ai}}} 0.03\n")));
    metrics.finished(&Record { failure: failed(Blame::Upstream, "upstream_error"), ..request("m", 200) });
    metrics.finished(&Record { failure: failed(Blame::Left, "client_left"), ..request("m", 200) });
    metrics.finished(&Record { failure: failed(Blame::Stop, "stopping"), ..request("m", 503) });
    let expected = Totals { requests: 6, failed: 2, input_tokens: 10, output_tokens: 3 };
    assert_eq!(metrics.totals().into_iter().collect::<Vec<_>>(), [(("p".into(), "http://h".into()), expected)]);
}

#[test]
fn servers_that_come_and_go_are_bounded() {
    let metrics = metrics();
    for n in 0..PEERS_MAX + 10 {
        let peer = n.to_string();
        metrics.finished(&Record { peer: Some(peer.clone()), operation: Operation::Other, ..request("", 200) });
        metrics.generated("p", &peer).increment();
    }
    let page = metrics.page(&Now::default());
    for metric in ["toolgate_requests_total{", "toolgate_generated_pieces_total{"] {
        let series = lines(&page, metric);
        assert_eq!(series.len(), PEERS_MAX + 1);
        let other = series.iter().find(|line| line.contains(r#"peer="other""#)).unwrap();
        assert!(other.ends_with(" 10"), "{other}");
    }
}

#[test]
fn series_are_bounded() {
    let metrics = metrics();
    let peers: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let models: Vec<String> = (0..90).map(|n| n.to_string()).collect();
    for (peer, model) in peers.iter().flat_map(|peer| models.iter().map(move |model| (peer, model))) {
        metrics.finished(&Record { peer: Some(peer.clone()), ..request(model, 200) });
    }
    let page = metrics.page(&Now::default());
    let series = lines(&page, "toolgate_requests_total{");
    assert!(series.len() <= SERIES_MAX + peers.len(), "{}", series.len());
    let count = |line: &&str| line.rsplit(' ').next().and_then(|count| count.parse::<usize>().ok());
    assert_eq!(series.iter().filter_map(count).sum::<usize>(), peers.len() * models.len());
}
