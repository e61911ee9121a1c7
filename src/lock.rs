//! Locks of plain data.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a lock. One whose holder panicked still holds plain data: whoever comes next goes on with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
