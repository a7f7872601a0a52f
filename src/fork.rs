//! What must not be shared with a forked child.
//!
//! The child closes its copies of the parent's sockets (no shutdown, no TLS close-notify: the conversation is the
//! parent's) and everything else finds by the generation that it has to start anew. No lock is involved: one that is
//! taken before a fork would be held while the interpreter runs other handlers, and may switch threads.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pyo3::prelude::*;

/// Descriptors beyond this are not tracked; Linux allows a process so many unless it is told otherwise.
const DESCRIPTORS: usize = 1 << 20;

/// How long to wait for a fork that is under way; it takes the kernel about as long.
const PAUSE: Duration = Duration::from_millis(1);

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Forks of this process that have begun, and that are over.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicU64 = AtomicU64::new(0);
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

/// What `open` makes, on the list before any child can have it: threads without the GIL go on while another one forks.
pub(crate) async fn listed<T: AsRawFd>(open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        let begun = BEGUN.load(Ordering::SeqCst);
        if OVER.load(Ordering::SeqCst) == begun {
            let made = open()?;
            opened(made.as_raw_fd());
            if BEGUN.load(Ordering::SeqCst) == begun {
                return Ok(made);
            }
            // A child may have it that does not know of it: it is to be a copy of nothing.
            closed(made.as_raw_fd());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[pyfunction]
pub(crate) fn before_fork() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

#[pyfunction]
pub(crate) fn after_fork_in_parent() {
    OVER.fetch_add(1, Ordering::SeqCst);
}

#[pyfunction]
pub(crate) fn after_fork_in_child() {
    OVER.store(BEGUN.load(Ordering::SeqCst), Ordering::SeqCst);
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
