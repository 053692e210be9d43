//! Cache of the merged list of models, for some seconds.
//! Asks nobody itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::models::Models;

/// How long a list holds: a program that polls for models must not poll every server.
const FRESH: Duration = Duration::from_secs(5);

/// The newest list, and whose it is: servers may show theirs only to those who have a key.
#[derive(Debug, Default)]
pub struct ModelsCache(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    authorization: Option<String>,
    until: Instant,
    models: Arc<Models>,
}

impl ModelsCache {
    /// The list for whoever has this key: the newest while it holds, else what `ask` finds. Requests that come while
    /// it is asked wait for the answer.
    pub async fn get_or_ask(
        &self,
        authorization: Option<&str>,
        ask: impl Future<Output = Option<Models>>,
    ) -> Option<Arc<Models>> {
        let mut last = self.0.lock().await;
        if let Some(known) = last.as_ref()
            && known.authorization.as_deref() == authorization
            && Instant::now() < known.until
        {
            return Some(Arc::clone(&known.models));
        }
        let models = Arc::new(ask.await?);
        let authorization = authorization.map(str::to_owned);
        *last = Some(Known { authorization, until: Instant::now() + FRESH, models: Arc::clone(&models) });
        Some(models)
    }
}
