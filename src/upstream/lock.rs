//! Mutex: a lock that outlives a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere leaves the plain values that are locked here whole, so a poisoned lock is as good as any.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
