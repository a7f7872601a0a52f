//! Wake-ups that a signal handler has come in the way of.
//!
//! A future that gets its result is done first, and then has its loop call back the tasks that wait for it. Where the loop
//! is written in Python, a signal handler may run in between; if that raises, nobody is called back, and the tasks would
//! wait for ever: they cannot even be cancelled, as what they wait for is done.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyList, PyTuple};

use crate::imports::intern;
use crate::sync::Mutex;

/// How often to try again: a handler is unlikely to raise so many times in a row.
const TRIES: usize = 3;

/// Who waits for a future.
pub(super) struct Waiting(Py<PyList>);

/// Whether signal handlers may run while this loop schedules a callback.
pub(super) fn is_interruptible(event_loop: &Bound<'_, PyAny>) -> bool {
    let method = event_loop.get_type().getattr(intern!(event_loop.py(), "call_soon"));
    method.is_ok_and(|method| method.is_exact_instance_of::<PyFunction>())
}

impl Waiting {
    /// Who waits for `future` now: afterwards it does not tell.
    pub(super) fn of(future: &Bound<'_, PyAny>) -> Option<Self> {
        let callbacks = future.getattr(intern!(future.py(), "_callbacks")).ok()?;
        let callbacks = callbacks.cast::<PyList>().ok()?;
        Some(Self(callbacks.get_slice(0, callbacks.len()).unbind()))
    }

    /// Sees to it that they are called back, and has the loop raise what the handler has raised.
    pub(super) fn rouse(self, future: &Bound<'_, PyAny>, error: PyErr) {
        let py = future.py();
        let scheduled =
            Bound::new(py, Wakeup { future: future.clone().unbind(), waiting: self.0, error: Mutex::new(Some(error)) })
                .and_then(|wakeup| {
                    let event_loop = future.call_method0(intern!(py, "get_loop"))?;
                    let call = || event_loop.call_method1(intern!(py, "call_soon"), (&wakeup,)).map(drop);
                    (1..TRIES).fold(call(), |called, _| called.or_else(|_| call()))
                });
        if let Err(error) = scheduled {
            // The loop is closed.
            error.write_unraisable(py, Some(future));
        }
    }
}

/// Called by the loop after everything that had been scheduled before.
#[pyclass(frozen, module = "django_cachex._core")]
pub(super) struct Wakeup {
    future: Py<PyAny>,
    waiting: Py<PyList>,
    error: Mutex<Option<PyErr>>,
}

#[pymethods]
impl Wakeup {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        for item in self.waiting.bind(py) {
            let item = item.cast_into::<PyTuple>()?;
            let (callback, context) = (item.get_item(0)?, item.get_item(1)?);
            // A task's own callback; who has been called back waits for something else by now.
            let waits = callback
                .getattr(intern!(py, "__self__"))
                .and_then(|task| task.getattr(intern!(py, "_fut_waiter")))
                .is_ok_and(|awaited| awaited.is(future));
            if waits {
                let keywords = PyDict::new(py);
                keywords.set_item(intern!(py, "context"), context)?;
                future.call_method0(intern!(py, "get_loop"))?.call_method(
                    intern!(py, "call_soon"),
                    (callback, future),
                    Some(&keywords),
                )?;
            }
        }
        let error = self.error.lock().take();
        error.map_or(Ok(()), Err)
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: pyo3::gc::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.waiting)
    }
}
