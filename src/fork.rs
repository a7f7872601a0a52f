//! What must not be shared with a forked child.
//!
//! The child closes its copies of the parent's sockets (no shutdown, no TLS close-notify: the conversation is the
//! parent's) and starts with an empty registry. The locks that the child needs are taken before the fork, so that no
//! vanished thread can have left them locked. They are never held while waiting for the interpreter.

use std::collections::HashSet;
use std::os::fd::RawFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::{control, registry};

static GENERATION: AtomicU64 = AtomicU64::new(0);
static SOCKETS: LazyLock<Mutex<HashSet<RawFd>>> = LazyLock::new(Mutex::default);

/// How many forks lie between this process and the one that loaded the module.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

pub(crate) fn opened(fd: RawFd) {
    SOCKETS.lock().insert(fd);
}

pub(crate) fn closed(fd: RawFd) {
    SOCKETS.lock().remove(&fd);
}

#[pyfunction]
pub(crate) fn before_fork() {
    std::mem::forget(SOCKETS.lock());
    registry::lock_for_fork();
    control::lock_for_fork();
}

#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    control::unlock_after_fork();
    registry::unlock_after_fork();
    // SAFETY: this thread locked it in `before_fork`.
    unsafe { SOCKETS.force_unlock() };
}

#[pyfunction]
pub(crate) fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    control::unlock_after_fork();
    control::forget();
    registry::unlock_after_fork();
    registry::renew();
    // SAFETY: this thread (the only one that survived) locked it in `before_fork`.
    unsafe { SOCKETS.force_unlock() };
    for fd in SOCKETS.lock().drain() {
        // SAFETY: a descriptor of a socket that this module opened; its owner sees the new generation and leaves it be.
        unsafe { libc::close(fd) };
    }
}
