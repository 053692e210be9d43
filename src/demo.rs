//! The conversation a newcomer runs first.

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("not yet")]
    Later,
}

/// Runs it.
pub fn run() -> Result<(), DemoError> {
    Err(DemoError::Later)
}
