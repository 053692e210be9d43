//! Errors in a stream whose calls its server reads: one that tells what the model wrote is found, and read from there on.
//! Everything before it goes on as it came, and is not parsed.

use super::splice::Splice;
use crate::api::openai::chunk::object;
use crate::api::openai::{Glance, Glanced, ServerError};
use crate::decode::Reasoning;
use crate::limits::Limits;
use crate::plan::Exchange;
use crate::sse;

/// Looks for an error in a stream.
#[derive(Debug)]
pub(super) struct Errors {
    exchange: Exchange,
    limits: Limits,
    /// The first event that has data: what is made of an error is written as it is.
    first: Option<Vec<u8>>,
    glance: Glance,
}

/// What an event means for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Nothing,
    /// It is one that tells what the model wrote.
    Told,
    /// The answer goes where no error could be read behind it.
    Past,
}

impl Errors {
    pub(super) fn new(exchange: &Exchange, limits: &Limits) -> Self {
        let mut exchange = exchange.clone();
        // The server has split thoughts off by then.
        exchange.decoding.reasoning = Reasoning::Auto;
        Self { exchange, limits: limits.clone(), first: None, glance: Glance::default() }
    }

    /// What an event is. None is parsed but an error.
    pub(super) fn see(&mut self, event: &sse::Event<'_>) -> Sight {
        let Some(data) = event.data() else { return Sight::Nothing };
        let glanced = self.glance.at(data);
        if glanced == Glanced::Error {
            let told = object(data).and_then(|object| ServerError::of(&object)?.unparsed());
            return told.map_or(Sight::Past, |_| Sight::Told);
        }
        if self.first.is_none() {
            self.first = Some(event.raw.to_vec());
        }
        if glanced == Glanced::CallOrEnd { Sight::Past } else { Sight::Nothing }
    }

    /// Whoever reads the stream from an error on. The name is that of an alias.
    pub(super) fn into_splice(self, name: Option<&str>) -> Splice {
        let mut splice = Splice::new(&self.exchange, &self.limits);
        if let Some(first) = &self.first {
            splice.resume(first, name);
        }
        splice
    }
}
