//! Load of one server: how many requests it has, everybody's, as its own page of metrics says.
//! Does not know whose they are; `balance` knows ours.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::Work;
use crate::config;
use crate::engine::Engine;
use crate::upstream::wire::ask::{self, Reply};
use crate::upstream::wire::endpoint::Endpoint;

/// A server without the page is asked for it again this seldom: it may have been started anew in between two checks.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is known of a server's page.
#[derive(Debug, Default)]
pub struct Load {
    last: Option<LastQuestion>,
}

/// The last question.
#[derive(Debug)]
struct LastQuestion {
    /// How often the server had come back by then: another may run there since.
    returns: u32,
    /// Before that it is not asked again, and this is what holds.
    next: Instant,
    meanwhile: Work,
}

impl Load {
    /// The requests that a server works on and those that wait there, if it says so.
    pub async fn ask(&mut self, endpoint: &Arc<Endpoint>, engine: Engine, timeouts: config::Timeouts) -> Work {
        let Some(metrics) = &engine.row().metrics else { return Work::Untold };
        let (now, returns) = (Instant::now(), endpoint.returns());
        if let Some(last) = self.last.as_ref().filter(|last| last.returns == returns && now < last.next) {
            return last.meanwhile;
        }
        let page = ask::page(endpoint, metrics.path, None, timeouts).await;
        let told = page.as_ref().ok().and_then(|page| requests(page, metrics.gauges));
        let (pause, meanwhile) = match (page, told) {
            // It has no such page: llama.cpp only with `--metrics` (501 without), SGLang with `--enable-metrics` (404),
            // and a router of llama.cpp's for one model at a time (400).
            (Ok(_), None) => (AGAIN_AFTER, Work::Untold),
            // In the middle of a long batch llama.cpp is late.
            (Err(_), _) => (Duration::ZERO, Work::Untold),
            (Ok(_), Some(_)) => (Duration::ZERO, Work::Unasked),
        };
        self.last = Some(LastQuestion { returns, next: now + pause.max(metrics.pause), meanwhile });
        told.map_or(Work::Untold, Work::Told)
    }
}

/// The sum of the samples of these gauges on a page in Prometheus' text format; a gauge may have one for each engine
/// in the server. `None` when there is none.
fn requests(page: &Reply, gauges: &[&str]) -> Option<u32> {
    let text = std::str::from_utf8(&page.body).ok().filter(|_| page.status == 200)?;
    let samples = text.lines().filter_map(|line| sample(line, gauges));
    samples.fold(None, |sum: Option<u32>, value| Some(sum.unwrap_or(0).saturating_add(value)))
}

/// `name{labels} value`, the labels optional and a time behind it too. A value that is no count says nothing.
fn sample(line: &str, gauges: &[&str]) -> Option<u32> {
    let rest = gauges.iter().find_map(|gauge| line.strip_prefix(gauge))?;
    let value = match rest.strip_prefix('{') {
        Some(labels) => labels.rsplit_once('}')?.1,
        None => rest.strip_prefix(' ')?,
    };
    let value = value.split_ascii_whitespace().next()?;
    // Python's client library writes every number as a float, large ones with an exponent.
    value.split_once('.').map_or(value, |(whole, _)| whole).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_many_requests_there_are() {
        let vllm = "# HELP vllm:num_requests_running Number of requests.\n# TYPE vllm:num_requests_running gauge\n\
                    vllm:num_requests_running{engine=\"0\",model_name=\"a } 7\"} 2.0\n\
                    vllm:num_requests_running{engine=\"1\",model_name=\"a } 7\"} 1.0\n\
                    vllm:num_requests_waiting{engine=\"0\",model_name=\"a } 7\"} 4.0 1700000000000\n\
                    vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 4.0\n";
        let sglang = "sglang:num_running_reqs{model_name=\"m\"} 3.0\nsglang:num_queue_reqs{model_name=\"m\"} 0.0\n";
        let table = [
            (Engine::LlamaCpp, 200, "llamacpp:requests_processing 1\nllamacpp:requests_deferred 2\n", Some(3)),
            (Engine::LlamaCpp, 200, "llamacpp:requests_processing 0", Some(0)),
            (Engine::LlamaCpp, 200, "llamacpp:requests_processing_max 1\n", None),
            (Engine::LlamaCpp, 200, "llamacpp:requests_processing -1\nllamacpp:requests_deferred NaN\n", None),
            (Engine::LlamaCpp, 200, "llamacpp:requests_processing{ 1\nllamacpp:requests_deferred", None),
            (
                Engine::LlamaCpp,
                200,
                "llamacpp:requests_processing 4294967295\nllamacpp:requests_deferred 9",
                Some(u32::MAX),
            ),
            (Engine::LlamaCpp, 501, "llamacpp:requests_processing 1\n", None),
            (Engine::LlamaCpp, 200, "<html>", None),
            (Engine::Vllm, 200, vllm, Some(7)),
            (Engine::Sglang, 200, sglang, Some(3)),
            (Engine::Sglang, 200, vllm, None),
        ];
        for (engine, status, body, expected) in table {
            let page = Reply { status, body: body.into() };
            assert_eq!(requests(&page, engine.row().metrics.as_ref().unwrap().gauges), expected, "{body}");
        }
    }
}
