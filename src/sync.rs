//! Locks that survive a fork, and state that does not.
//!
//! `std`'s locks are single words in memory, with no table shared between them, so a forked child that replaces its
//! state needs nothing of what vanished threads may have held.

use std::mem;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::fork;

pub(crate) type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

/// A mutex that a panic elsewhere does not make unusable: what it guards is never left half changed.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Condvar(std::sync::Condvar);

impl Condvar {
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Waits until notified, or until `until`, or for no reason.
    pub(crate) fn wait_until<T>(&self, guard: MutexGuard<'_, T>, until: Instant) {
        let limit = until.saturating_duration_since(Instant::now());
        drop(self.0.wait_timeout(guard, limit));
    }
}

/// Something that a forked child has anew. What it had from its parent is leaked: its locks may be held by threads that
/// do not exist in the child.
pub(crate) struct PerProcess<T>(ArcSwap<(u64, T)>);

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee((fork::generation(), T::default())))
    }
}

impl<T: Default> PerProcess<T> {
    /// What `look` makes of it, at less cost than [`PerProcess::get`].
    pub(crate) fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let current = self.0.load();
        if current.0 == fork::generation() {
            return look(&current.1);
        }
        drop(current);
        look(&self.get().1)
    }

    pub(crate) fn get(&self) -> Arc<(u64, T)> {
        let current = self.0.load_full();
        if current.0 == fork::generation() {
            return current;
        }
        let fresh = Arc::new((fork::generation(), T::default()));
        let before = self.0.compare_and_swap(&current, fresh);
        if Arc::ptr_eq(&before, &current) {
            mem::forget(current);
        }
        drop(before);
        self.0.load_full()
    }
}
