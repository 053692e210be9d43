//! Configuration reload: puts another configuration in place while requests run, and the same one with an engine that was
//! found. Reads none itself; it is handed one that is good, and says what it changed.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

use crate::balance::Change;
use crate::config::{Config, Server};
use crate::gateway::Current;
use crate::metrics::Metrics;
use crate::toolbox::Toolbox;
use crate::upstream::ModelObserver;

use super::engines::{self, Engines};

/// Keeps the pools for as long as the gateway runs, and has them followed by those of newer configurations.
pub(super) struct Keeper {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    fixed: Fixed,
    engines: Mutex<Engines>,
    configs: watch::Receiver<Option<Arc<Config>>>,
}

impl Keeper {
    /// `engines` has the configuration that the gateway was started with.
    pub fn new(
        current: Arc<Current>,
        metrics: Arc<Metrics>,
        engines: Engines,
        configs: watch::Receiver<Option<Arc<Config>>>,
    ) -> Self {
        let fixed = Fixed::of(&engines.config());
        Self { current, metrics, fixed, engines: Mutex::new(engines), configs }
    }

    async fn keep(&self) {
        let settings = self.current.settings();
        settings.upstream.keep(&self.metrics);
        settings.toolbox().connect(&Handle::current());
        drop(settings);
        let mut engines = self.engines.lock().await;
        let mut configs = self.configs.clone();
        let mut is_told = true;
        loop {
            let servers = |pool: &str| engines::present(&self.current.settings().upstream, pool);
            tokio::select! {
                changed = configs.changed(), if is_told => {
                    // An error means that nobody is left who could send one.
                    is_told = changed.is_ok();
                    let config = configs.borrow_and_update().clone().filter(|_| is_told);
                    if let Some(config) = config {
                        engines.follow(Config::clone(&config)).await;
                        self.adopt(&engines.config());
                    }
                }
                () = engines.find_more(servers) => drop(self.replace(&engines.config())),
            }
        }
    }

    fn adopt(&self, config: &Config) {
        let notes = self.replace(config);
        self.metrics.models.configure(config.models(), config.limits.metrics_models_max);
        self.metrics.reloads.good();
        let notes = if notes.is_empty() { "no server came or left".to_owned() } else { notes.join("; ") };
        log::info!("the configuration was read again: {notes}");
        for key in self.fixed.differing(config) {
            log::warn!("`{key}` has changed; it stays as it was until toolgate is started anew");
        }
    }

    /// The tools of a configuration. They stay as they are where they cannot be opened.
    fn toolbox(&self, config: &Config) -> Arc<Toolbox> {
        let former = self.current.settings().toolbox();
        if *former.settings() == config.tools {
            return former;
        }
        match Toolbox::open(&config.tools) {
            Ok(toolbox) => {
                toolbox.succeed(&former);
                Arc::new(toolbox)
            }
            Err(e) => {
                log::warn!("{e}; the tools that run on the server stay as they were");
                former
            }
        }
    }

    /// Requests that begin from here on are held to this configuration. What has changed is told, in words.
    fn replace(&self, config: &Config) -> Vec<String> {
        let (settings, notes) = self.current.settings().succeed(config);
        let settings = settings.with_toolbox(self.toolbox(config));
        settings.upstream.keep(&self.metrics);
        self.current.replace(settings);
        notes
    }
}

#[async_trait]
impl BackgroundService for Keeper {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.keep() => {}
            // An error means that the server has gone.
            _ = shutdown.wait_for(|is_over| *is_over) => {}
        }
    }
}

impl ModelObserver for Metrics {
    fn model_changed(&self, pool: &str, change: &Change) {
        Self::model_changed(self, pool, change);
    }
}

/// What only a new start changes.
struct Fixed {
    listen: Vec<String>,
    admin: Option<String>,
    server: Server,
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self { listen: config.listen.clone(), admin: config.admin.clone(), server: config.server }
    }

    fn differing(&self, config: &Config) -> impl Iterator<Item = &'static str> {
        let other = Self::of(config);
        let keys = [
            ("listen", self.listen != other.listen),
            ("admin", self.admin != other.admin),
            ("server", self.server != other.server),
        ];
        keys.into_iter().filter_map(|(key, differs)| differs.then_some(key))
    }
}
