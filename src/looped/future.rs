//! What happens to an `asyncio.Future` that somebody may have given up meanwhile.

use pyo3::prelude::*;

use crate::imports::intern;

/// Whether nobody waits for it any more.
pub(super) fn is_done(future: &Bound<'_, PyAny>) -> bool {
    let done = future.call_method0(intern!(future.py(), "done"));
    done.and_then(|done| done.is_truthy()).unwrap_or(true)
}

/// Gives it its outcome, unless it is done. What its loop says to that is nobody's business any more.
pub(super) fn settle(future: &Bound<'_, PyAny>, outcome: PyResult<Bound<'_, PyAny>>) {
    if is_done(future) {
        return;
    }
    let py = future.py();
    let _ = match outcome {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error,)),
    };
}
