//! Knowledge of a pool's servers, as far as requests wait for it. Asks nobody.

/// What is known of a pool's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// They are being asked for the first time.
    Awaited,
    /// The same, and nobody waits for it any longer.
    Late,
    /// Every name has been looked up, and every server asked how it is, if they are asked at all.
    Complete,
}
