//! A loop that waits for the topology to find its servers.

use std::sync::Arc;
use std::time::Instant;

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use super::future;
use crate::control::attach;
use crate::errors::{Error, Result, contained};
use crate::imports::{self, intern};
use crate::sync::Mutex;
use crate::topology::{self, Topology};

/// Told of the end of a search, on the loop: goes on, or fails the future.
#[pyclass(frozen, module = "django_cachex._core")]
pub(super) struct Found {
    future: Py<PyAny>,
    /// Called if the servers were found.
    proceed: Py<PyAny>,
    command: Arc<str>,
    outcome: Mutex<Option<Result<()>>>,
    /// The loop's timer for the deadline.
    timer: Mutex<Option<Py<PyAny>>>,
}

impl Found {
    fn fail(&self, py: Python<'_>, error: Error) {
        future::settle(self.future.bind(py), Err(error.during(&self.command).into()));
    }
}

#[pymethods]
impl Found {
    fn __call__(&self, py: Python<'_>) {
        let timer = self.timer.lock().take();
        if let Some(timer) = timer {
            let _ = timer.call_method0(py, intern!(py, "cancel"));
        }
        let outcome = self.outcome.lock().take();
        let failed = match outcome {
            Some(Ok(())) => contained(|| self.proceed.call0(py)).err(),
            Some(Err(error)) => return self.fail(py, error),
            None => None,
        };
        if let Some(error) = failed {
            self.fail(py, Error::foreign(error));
        }
    }

    /// The time is up.
    fn late(&self, py: Python<'_>) {
        self.fail(py, topology::late());
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.proceed)?;
        match self.timer.try_lock() {
            Some(timer) => visit.call(&*timer),
            None => Ok(()),
        }
    }
}

/// Has `topology` find its servers and then calls `proceed` on the loop. `future`, which `command` waits for, fails if they
/// are not found, or not in time.
pub(super) fn when_found(
    event_loop: &Bound<'_, PyAny>,
    topology: &Arc<dyn Topology>,
    future: Py<PyAny>,
    proceed: Py<PyAny>,
    command: Arc<str>,
    deadline: Option<Instant>,
) -> PyResult<()> {
    let py = event_loop.py();
    let found = Bound::new(py, Found { future, proceed, command, outcome: Mutex::new(None), timer: Mutex::new(None) })?;
    if let Some(deadline) = deadline {
        let delay = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        let late = found.getattr(intern!(py, "late"))?;
        let timer = event_loop.call_method1(intern!(py, "call_later"), (delay, late))?.unbind();
        *found.get().timer.lock() = Some(timer);
    }
    let (found, event_loop) = (found.unbind(), event_loop.clone().unbind());
    topology.find(Box::new(move |outcome| {
        // When the interpreter is going away, so is the loop.
        attach(move |py| {
            *found.get().outcome.lock() = Some(outcome);
            // A loop that was closed meanwhile has nobody who waits.
            let _ = event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (found,));
        });
    }));
    Ok(())
}

/// What is done once the servers are known.
pub(crate) type Work = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + Sync>;

/// Work that gives a future, whose outcome becomes another's.
#[pyclass(frozen, module = "django_cachex._core")]
pub(super) struct Chained {
    work: Mutex<Option<Work>>,
    future: Py<PyAny>,
}

#[pymethods]
impl Chained {
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let work = slf.get().work.lock().take();
        let future = slf.get().future.bind(py);
        // Whoever has given up does not want it sent any more.
        let Some(work) = work.filter(|_| !future::is_done(future)) else { return Ok(()) };
        match work(py) {
            Ok(inner) => {
                inner.call_method1(py, intern!(py, "add_done_callback"), (slf.getattr("passed_on")?,)).map(drop)
            }
            Err(error) => {
                future::settle(future, Err(error));
                Ok(())
            }
        }
    }

    #[pyo3(signature = (inner, /))]
    fn passed_on(&self, py: Python<'_>, inner: &Bound<'_, PyAny>) {
        future::settle(self.future.bind(py), inner.call_method0(intern!(py, "result")));
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.future)
    }
}

/// Does `work`, for `command`, on the running loop once the servers are known; returns a future with its outcome.
pub(crate) fn once_found(
    py: Python<'_>,
    topology: &Arc<dyn Topology>,
    command: Arc<str>,
    deadline: Option<Instant>,
    work: Work,
) -> PyResult<Py<PyAny>> {
    let event_loop = imports::running_loop(py)?.call0()?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?.unbind();
    let chained = Chained { work: Mutex::new(Some(work)), future: future.clone_ref(py) };
    let proceed = Bound::new(py, chained)?.into_any().unbind();
    when_found(&event_loop, topology, future.clone_ref(py), proceed, command, deadline)?;
    Ok(future)
}
