//! Service discovery by a file: watches the one that lists a pool's servers.
//! What its entries mean stands in `config`. A file that is bad or gone changes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::{self, Entries};

use super::members::Members;

/// How often it is looked at. It is a small file, and reading it tells more than its time and size do.
const PAUSE: Duration = Duration::from_secs(1);
/// A thousand servers, each with every key, are a tenth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Runs for ever, or as long as there is such a file in the configuration.
pub async fn watch(pool: &Arc<config::Pool>, members: &Members) {
    let Some(file) = &pool.peers_file else { return };
    let mut last = None;
    loop {
        sleep(PAUSE).await;
        let path = file.path.clone();
        let Ok(text) = spawn_blocking(move || read(&path).map_err(|e| e.to_string())).await else { continue };
        if last.as_ref() == Some(&text) {
            continue;
        }
        match &text {
            Ok(text) => list(pool, text, &file.path, members),
            Err(e) => log::error!("{}: {e}; the servers stay as they are", file.path),
        }
        last = Some(text);
    }
}

fn list(pool: &Arc<config::Pool>, text: &str, path: &str, members: &Members) {
    match Entries::from_yaml(text, path, &|name| std::env::var(name).ok()) {
        Ok(listed) => {
            let changes = members.list(pool, &listed);
            if !changes.is_empty() {
                log::info!("pool {}: {path}: {changes}", pool.name);
            }
        }
        Err(mistakes) => {
            for mistake in &mistakes.0 {
                log::error!("{mistake}");
            }
            log::error!("{path} has mistakes; the servers of pool {} stay as they are", pool.name);
        }
    }
}

fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
        return Err(io::Error::other(format!("over {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
