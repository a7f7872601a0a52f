//! A batch on several servers, sent by a loop to all of them at once.

use std::sync::Arc;
use std::time::Instant;

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use super::dispatch;
use super::found::when_found;
use super::future;
use super::waiter::Waiter;
use crate::errors::contained;
use crate::imports::{self, intern};
use crate::reading;
use crate::retry::Failure;
use crate::spread::{Group, Shape, Spread};
use crate::sync::Mutex;
use crate::topology::{Detour, Topology};

struct Inner {
    /// Taken out while Python may run.
    spread: Option<Spread>,
    /// Groups that have not been answered yet.
    outstanding: usize,
}

/// A batch on its way.
#[pyclass(frozen, module = "django_cachex._core")]
pub(super) struct Gather {
    future: Py<PyAny>,
    topology: Arc<dyn Topology>,
    deadline: Option<Instant>,
    shape: Shape,
    /// Makes the result out of the replies.
    reading: Option<Py<PyAny>>,
    inner: Mutex<Inner>,
}

/// The waiter for one group.
pub(super) struct Part {
    pub(super) gather: Py<Gather>,
    group: Arc<Group>,
}

impl Part {
    pub(super) fn arrived(&self, py: Python<'_>, replies: &Py<PyAny>) {
        self.note(py, |spread| spread.arrived(py, &self.group, replies.bind(py)));
    }

    pub(super) fn failed(&self, py: Python<'_>, failure: &Failure) {
        self.note(py, |spread| spread.failed(py, &self.group, failure));
    }

    fn note(&self, py: Python<'_>, note: impl FnOnce(&mut Spread)) {
        let gather = self.gather.bind(py);
        let taken = gather.get().inner.lock().spread.take();
        let Some(mut spread) = taken else { return };
        note(&mut spread);
        let complete = {
            let mut inner = gather.get().inner.lock();
            inner.spread = Some(spread);
            inner.outstanding = inner.outstanding.saturating_sub(1);
            inner.outstanding == 0
        };
        if complete {
            let go_on = || Gather::go_on(gather, &imports::running_loop(py)?.call0()?);
            if let Err(error) = contained(go_on) {
                Gather::fail(gather, error);
            }
        }
    }
}

impl Gather {
    fn fail(slf: &Bound<'_, Self>, error: PyErr) {
        future::settle(slf.get().future.bind(slf.py()), Err(error));
    }

    /// After a round: the next one, or the result.
    fn go_on(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let delay = slf.get().inner.lock().spread.as_ref().map(Spread::delay).unwrap_or_default();
        if delay.is_zero() {
            return Self::round(slf, event_loop);
        }
        let proceed = slf.getattr(intern!(py, "proceed"))?;
        event_loop.call_method1(intern!(py, "call_later"), (delay.as_secs_f64(), proceed)).map(drop)
    }

    fn round(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let taken = this.inner.lock().spread.take();
        // Whoever has given up does not want the rest sent any more.
        let Some(mut spread) = taken.filter(|_| !future::is_done(this.future.bind(py))) else { return Ok(()) };
        let Some(groups) = spread.groups() else {
            let command = spread.command();
            this.inner.lock().spread = Some(spread);
            let proceed = slf.getattr(intern!(py, "proceed"))?.unbind();
            let future = this.future.clone_ref(py);
            return when_found(event_loop, &this.topology, future, proceed, command, this.deadline);
        };
        if groups.is_empty() {
            let result = spread.results(py).and_then(|results| this.shape.of(py, results));
            let result = result.and_then(|result| match &this.reading {
                Some(reading) => Ok(reading::later(py, reading, result.unbind())?.into_bound(py)),
                None => Ok(result),
            });
            future::settle(this.future.bind(py), result);
            return Ok(());
        }
        {
            let mut inner = this.inner.lock();
            inner.outstanding = groups.len();
            inner.spread = Some(spread);
        }
        for group in groups {
            let group = Arc::new(group);
            let future = this.future.clone_ref(py);
            let mut waiter = Waiter::new(future, group.request.clone(), None, this.topology.clone(), this.deadline);
            waiter.detour = Some(Detour { node: group.node.clone(), asking: false });
            waiter.part = Some(Part { gather: slf.clone().unbind(), group });
            dispatch(event_loop, waiter)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Gather {
    fn proceed(slf: &Bound<'_, Self>) {
        let py = slf.py();
        if let Err(error) = contained(|| Self::round(slf, &imports::running_loop(py)?.call0()?)) {
            Self::fail(slf, error);
        }
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.reading)?;
        match self.inner.try_lock() {
            Some(inner) => inner.spread.iter().try_for_each(|spread| spread.visit(&visit)),
            None => Ok(()),
        }
    }
}

/// Sends a batch on the running loop; the returned future gets its results.
pub(crate) fn submit_batch(
    py: Python<'_>,
    topology: &Arc<dyn Topology>,
    spread: Spread,
    shape: Shape,
    reading: Option<Py<PyAny>>,
    deadline: Option<Instant>,
) -> PyResult<Py<PyAny>> {
    let event_loop = imports::running_loop(py)?.call0()?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    let inner = Mutex::new(Inner { spread: Some(spread), outstanding: 0 });
    let topology = topology.clone();
    let gather = Gather { future: future.clone().unbind(), topology, deadline, shape, reading, inner };
    Gather::round(&Bound::new(py, gather)?, &event_loop)?;
    Ok(future.unbind())
}
