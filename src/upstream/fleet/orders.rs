//! Orders to boxes: a model to be loaded or unloaded there, as the balancer wants it for those that wait.
//! Decides nothing; what becomes of an order is seen in the states of the box's models.

use std::sync::Arc;

use serde::Deserialize;

use crate::api::ollama::server::with_defaults;
use crate::balance::{Action, Answer, Order};
use crate::config;
use crate::engine::{Answered, Call, ChatApi, ModelPages};
use crate::upstream::health::catalog::{escaped, quoted};
use crate::upstream::wire::ask::{self, AskError, Question, Reply};
use crate::upstream::wire::endpoint::Endpoint;

/// Has it carried out. A model that has requests of others is not unloaded. What the box has against it is said in
/// words.
pub async fn carry_out(
    order: &Order,
    endpoint: &Arc<Endpoint>,
    pages: &ModelPages,
    timeouts: config::Timeouts,
) -> (Answer, Option<String>) {
    if order.action == Action::Unload && order.is_awake && is_busy(order, endpoint, pages, timeouts).await {
        return (Answer::Busy, Some(format!("{} has requests of others and is not unloaded", order.name)));
    }
    let call = match order.action {
        Action::Load => &pages.load,
        Action::Unload => &pages.unload,
    };
    let reply = ask::ask(endpoint, &question(call, &order.name), None, timeouts).await;
    match reply {
        // It goes on.
        Err(AskError::Late) if call.answered == Answered::Done => (Answer::Taken, None),
        reply => {
            let answer = answer(&reply);
            (answer, (answer != Answer::Taken).then(|| objection(call, order, &reply)))
        }
    }
}

/// Has a model loaded where that is answered once it is done, or has come to nothing. What the box says of that comes
/// with it, in words.
pub async fn load(
    order: &Order,
    endpoint: &Arc<Endpoint>,
    call: &Call,
    pool: &config::Pool,
) -> (Answer, Option<String>) {
    let mut question = question(call, &order.name);
    if pool.chat_api() == ChatApi::Ollama {
        question = question.edited(|body| with_defaults(body, &pool.ollama.defaults.of_load()));
    }
    let reply = ask::await_done(endpoint, &question, pool.timeouts.connect_ms).await;
    let answer = match &reply {
        Ok(Reply { status: 429 | 503, .. }) => Answer::Busy,
        // The model's own server need not know the page that made it start.
        Ok(Reply { status: 200..300 | 404, .. }) => Answer::Taken,
        Ok(_) => Answer::Refused,
        Err(_) => Answer::Silent,
    };
    (answer, (answer != Answer::Taken).then(|| objection(call, order, &reply)))
}

fn question(call: &Call, model: &str) -> Question {
    let path = call.path.replace("{model}", &escaped(model));
    match call.body {
        None => Question::page(&path),
        Some(body) => Question::order(&path, body.replace("{model}", &quoted(model))),
    }
}

fn objection(call: &Call, order: &Order, reply: &Result<Reply, AskError>) -> String {
    match reply {
        Ok(Reply { status, body }) => {
            let said = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).trim().to_owned();
            format!("`{}` of {} was answered {status}: {said}", call.path, order.name)
        }
        Err(e) => format!("`{}` of {}: {e}", call.path, order.name),
    }
}

/// What an answer means. A model that is as it was to be is refused, and its state says so.
fn answer(reply: &Result<Reply, AskError>) -> Answer {
    match reply {
        Ok(Reply { status: 200..300, .. }) => Answer::Taken,
        Ok(Reply { status: 400, body }) if says(body, "already") || says(body, "not running") => Answer::Taken,
        Ok(Reply { status: 500.., .. }) => Answer::Busy,
        Ok(_) => Answer::Refused,
        Err(_) => Answer::Silent,
    }
}

fn says(body: &[u8], words: &str) -> bool {
    body.windows(words.len()).any(|part| part == words.as_bytes())
}

/// Whether a model works on something, be it for whom it may. One that has no such page is taken for idle, and one that
/// is late for busy: in the middle of a long batch it is.
async fn is_busy(order: &Order, endpoint: &Arc<Endpoint>, pages: &ModelPages, timeouts: config::Timeouts) -> bool {
    let Some(slots) = pages.slots else { return false };
    let path = slots.replace("{model}", &escaped(&order.name));
    match ask::page(endpoint, &path, None, timeouts).await {
        Ok(Reply { status: 200, body }) => {
            let slots: Vec<Slot> = serde_json::from_slice(&body).unwrap_or_default();
            slots.iter().any(|slot| slot.is_processing)
        }
        Ok(Reply { status, .. }) => status >= 500 && status != 501,
        Err(_) => true,
    }
}

#[derive(Deserialize)]
struct Slot {
    #[serde(default)]
    is_processing: bool,
}
