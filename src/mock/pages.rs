//! The mock's pages besides chat: health, properties, slots and models.
//! Only the fields that a gateway or a client is known to read.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::http::Reply;
use super::model::Model;
use super::script::Pages;

/// The context that a slot has, in tokens; an answer ends there at the latest.
pub(super) const CONTEXT_TOKENS: u32 = 16_384;

impl Model {
    pub(super) fn page(&self, path: &str) -> Option<Reply> {
        let page = match path {
            "/metrics" => return Some(Reply::text(self.metrics())),
            "/health" | "/v1/health" => json!({ "status": "ok" }),
            "/props" => self.props(),
            "/slots" => self.slots(),
            "/models" | "/v1/models" => self.models(),
            _ => return None,
        };
        Some(Reply::json(&page))
    }

    fn props(&self) -> Value {
        json!({
            "default_generation_settings": { "n_ctx": CONTEXT_TOKENS },
            "total_slots": self.script.slots,
            "model_alias": self.script.model,
            "model_path": self.script.model,
            "modalities": { "vision": false, "video": false, "audio": false },
            "endpoint_slots": true,
            "endpoint_props": true,
            "endpoint_metrics": true,
            "chat_template": self.script.chat_template,
            "build_info": FINGERPRINT,
            "is_sleeping": self.machine.is_sleeping(),
        })
    }

    fn slots(&self) -> Value {
        let slot = |(id, is_busy)| json!({ "id": id, "n_ctx": CONTEXT_TOKENS, "is_processing": is_busy });
        self.machine.busy().into_iter().enumerate().map(slot).collect()
    }

    fn metrics(&self) -> String {
        let gauges = [
            ("requests_processing", "Number of requests processing.", self.machine.processing()),
            ("requests_deferred", "Number of requests deferred.", self.machine.deferred()),
        ];
        let gauge = |(name, help, value): (&str, &str, usize)| {
            format!("# HELP llamacpp:{name} {help}\n# TYPE llamacpp:{name} gauge\nllamacpp:{name} {value}\n")
        };
        gauges.map(gauge).concat()
    }

    fn models(&self) -> Value {
        let model = &self.script.model;
        json!({
            "object": "list",
            "data": [{
                "id": model,
                "aliases": [model],
                "object": "model",
                "created": unix_seconds(),
                "owned_by": if self.script.pages == Pages::Vllm { "vllm" } else { "llamacpp" },
                "meta": { "n_ctx": CONTEXT_TOKENS },
            }],
        })
    }
}

/// What the server says it is.
pub(super) const FINGERPRINT: &str = "b11669-mock";

pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
