//! Threads of ours that need the interpreter for a moment, and its end.
//!
//! Until Python 3.14 a thread that waits for the interpreter while that ends is ended itself, wherever it is. Where that is
//! below a frame of Rust (a callback that we make has let others run), the process is aborted. So the end waits for those who
//! are inside, and nobody enters any more.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::sync::PerProcess;

/// How long the end waits, should an application's hook hang.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(200);

#[derive(Default)]
struct Visitors {
    /// The interpreter is about to end.
    closed: AtomicBool,
    /// Of a child that a visitor has forked, which is none of its own, there is one too few.
    inside: AtomicIsize,
}

static VISITORS: LazyLock<PerProcess<Visitors>> = LazyLock::new(PerProcess::default);

/// Makes what a fork must not find half made.
pub(super) fn prepare() {
    LazyLock::force(&VISITORS);
}

/// Counts one visitor until it is dropped.
struct Visit;

impl Visit {
    fn begin() -> Option<Self> {
        VISITORS.with(|visitors| {
            // Counted before the look at the door: whoever closes it looks at the count afterwards.
            visitors.inside.fetch_add(1, Ordering::SeqCst);
            let visit = Self;
            (!visitors.closed.load(Ordering::SeqCst)).then_some(visit)
        })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        VISITORS.with(|visitors| visitors.inside.fetch_sub(1, Ordering::SeqCst));
    }
}

/// Does `work` with the interpreter, on a thread that is not Python's; `None` if the interpreter is not to be had any more.
pub(crate) fn attach<R>(work: impl for<'py> FnOnce(Python<'py>) -> R) -> Option<R> {
    let _visit = Visit::begin()?;
    Python::try_attach(work)
}

/// Called by `atexit`: waits until none of our threads is inside the interpreter, and lets none in again.
#[pyfunction]
pub(crate) fn _end(py: Python<'_>) {
    VISITORS.with(|visitors| visitors.closed.store(true, Ordering::SeqCst));
    let begun = Instant::now();
    py.detach(|| {
        while VISITORS.with(|visitors| visitors.inside.load(Ordering::SeqCst)) > 0 && begun.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
    });
}
