//! A count of the bytes that the parser looks at, moves or clears: what "linear" means without a clock.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

pub(in crate::wire) fn count(bytes: usize) {
    BYTES.set(BYTES.get() + bytes);
}

/// The work that `run` causes on this thread.
pub(super) fn of(run: impl FnOnce()) -> usize {
    let before = BYTES.get();
    run();
    BYTES.get() - before
}
