//! What must not be shared with a forked child.
//!
//! The child closes its copies of the parent's sockets (no shutdown, no TLS close-notify: the conversation is the
//! parent's) and everything else finds by the generation that it has to start anew. No lock is involved: one that is
//! taken before a fork would be held while the interpreter runs other handlers, and may switch threads.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

/// Descriptors beyond this are not tracked; Linux allows a process so many unless it is told otherwise.
const DESCRIPTORS: usize = 1 << 20;

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// A bit for each descriptor that is a socket of ours.
static SOCKETS: [AtomicU64; DESCRIPTORS / 64] = [const { AtomicU64::new(0) }; DESCRIPTORS / 64];

/// How many forks lie between this process and the one that loaded the module.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

fn bit(fd: RawFd) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((SOCKETS.get(fd / 64)?, 1 << (fd % 64)))
}

pub(crate) fn opened(fd: RawFd) {
    if let Some((word, bit)) = bit(fd) {
        word.fetch_or(bit, Ordering::Relaxed);
    }
}

/// To be called before the descriptor is closed: afterwards its number may be somebody else's.
pub(crate) fn closed(fd: RawFd) {
    if let Some((word, bit)) = bit(fd) {
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

#[pyfunction]
pub(crate) fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for (index, word) in SOCKETS.iter().enumerate() {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            let fd = index * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if let Ok(fd) = RawFd::try_from(fd) {
                // SAFETY: a descriptor of a socket that this module opened; its owner sees the new generation and
                // leaves it be.
                unsafe { libc::close(fd) };
            }
        }
    }
}
