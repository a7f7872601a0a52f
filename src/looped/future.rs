//! What happens to an `asyncio.Future` that somebody may have given up meanwhile.

use pyo3::prelude::*;

use super::wakeup::Waiting;
use crate::imports::{self, intern};

/// Whether nobody waits for it any more.
pub(super) fn is_done(future: &Bound<'_, PyAny>) -> bool {
    let done = future.call_method0(intern!(future.py(), "done"));
    done.and_then(|done| done.is_truthy()).unwrap_or(true)
}

/// Gives it its outcome, unless it is done.
pub(super) fn settle(future: &Bound<'_, PyAny>, outcome: PyResult<Bound<'_, PyAny>>) {
    if !is_done(future) {
        tell(future, outcome, true);
    }
}

/// Gives it its outcome; if it is done, nothing comes of that. `interruptible`: signal handlers may come in the way.
pub(super) fn tell(future: &Bound<'_, PyAny>, outcome: PyResult<Bound<'_, PyAny>>, interruptible: bool) {
    let py = future.py();
    let waiting = if interruptible { Waiting::of(future) } else { None };
    let told = match outcome {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error,)),
    };
    let Err(error) = told else { return };
    if imports::invalid_state_error(py).is_ok_and(|class| error.is_instance(py, class)) {
        return;
    }
    match waiting {
        Some(waiting) if is_done(future) => waiting.rouse(future, error),
        _ => error.write_unraisable(py, Some(future)),
    }
}
