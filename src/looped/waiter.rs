//! A task that waits for the reply to a request, and what becomes of it when there is none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;

use super::gather::Part;
use super::{dispatch, find_first, future};
use crate::errors::Error;
use crate::imports::{self, intern};
use crate::node::Node;
use crate::reply::Origin;
use crate::request::Request;
use crate::retry::{self, Again, Attempts, Failure};
use crate::sync::Mutex;
use crate::topology::{Detour, Topology};

/// What becomes of a waiter that has left the link.
pub(super) enum Done {
    /// The future gets this value.
    Value(Py<PyAny>, Py<PyAny>),
    /// These are the replies to a part of a batch.
    Part(Part, Py<PyAny>),
    /// It tries again, or fails.
    Failed(Box<Waiter>, Error),
}

impl Done {
    pub(super) fn of(waiter: Waiter, outcome: Result<Py<PyAny>, Error>) -> Self {
        match (outcome, waiter) {
            (Ok(value), Waiter { part: Some(part), .. }) => Self::Part(part, value),
            (Ok(value), Waiter { future, .. }) => Self::Value(future, value),
            (Err(error), waiter) => Self::Failed(Box::new(waiter), error),
        }
    }

    /// Tells whoever waits. If that task was cancelled meanwhile, the reply is dropped here.
    pub(super) fn tell(self, event_loop: &Bound<'_, PyAny>, node: &Arc<Node>, interruptible: bool) {
        let py = event_loop.py();
        match self {
            Self::Value(future, value) => future::tell(future.bind(py), Ok(value.into_bound(py)), interruptible),
            Self::Part(part, replies) => part.arrived(py, &replies),
            Self::Failed(waiter, error) => waiter.fail(event_loop, node, Failure::sent(error)),
        }
    }
}

/// A task that waits for the reply to a request.
pub(super) struct Waiter {
    pub(super) future: Py<PyAny>,
    pub(super) request: Arc<Request>,
    /// Makes the result out of the reply; without it the future gets the raw one.
    pub(super) reading: Option<Py<PyAny>>,
    /// The request as it was, while it is sent with an ASKING before it.
    pub(super) plain: Option<Arc<Request>>,
    pub(super) topology: Arc<dyn Topology>,
    pub(super) deadline: Option<Instant>,
    /// What was left until then when the server began to wait.
    pub(super) left: Option<Duration>,
    pub(super) attempts: Attempts,
    /// Where the next attempt goes, if a server has sent us there.
    pub(super) detour: Option<Detour>,
    /// What of a batch the request is; its replies go there.
    pub(super) part: Option<Part>,
    /// How many bytes the connection had taken before this request.
    pub(super) offset: u64,
    /// The replies so far, for a request that gets several.
    pub(super) values: Vec<Py<PyAny>>,
}

impl Waiter {
    pub(super) fn new(
        future: Py<PyAny>,
        request: Request,
        reading: Option<Py<PyAny>>,
        topology: Arc<dyn Topology>,
        deadline: Option<Instant>,
    ) -> Self {
        let request = Arc::new(request);
        Self {
            future,
            request,
            reading,
            plain: None,
            topology,
            deadline,
            left: None,
            attempts: Attempts::default(),
            detour: None,
            part: None,
            offset: 0,
            values: Vec::new(),
        }
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.reading)?;
        if let Some(part) = &self.part {
            visit.call(&part.gather)?;
        }
        self.values.iter().try_for_each(|value| visit.call(value))
    }

    /// A PING that nobody waits for: its future is done from the start.
    pub(super) fn check(event_loop: &Bound<'_, PyAny>, topology: Arc<dyn Topology>) -> PyResult<Self> {
        let py = event_loop.py();
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        future.call_method0(intern!(py, "cancel"))?;
        Ok(Self::new(future.unbind(), Request::ping(), None, topology, None))
    }

    pub(super) fn origin<'a>(&'a self, node: &'a Node) -> Origin<'a> {
        self.request.origin(&node.config.name, self.values.len())
    }

    pub(super) fn is_done(&self, py: Python<'_>) -> bool {
        future::is_done(self.future.bind(py))
    }

    /// Tries again if that is allowed, else fails the future.
    pub(super) fn fail(mut self, event_loop: &Bound<'_, PyAny>, node: &Arc<Node>, failure: Failure) {
        let py = event_loop.py();
        if self.is_done(py) {
            return;
        }
        if let Some(part) = &self.part {
            return part.failed(py, &failure);
        }
        if let Some(left) = self.left.take() {
            self.deadline = Some(Instant::now() + left);
        }
        let topology = self.topology.clone();
        let (place, nature) = (&self.request.place, self.request.nature());
        let again = retry::again(&*topology, node, place, nature, &failure, &mut self.attempts, self.deadline);
        let Some(Again { delay, detour, search }) = again else {
            let error = self.origin(node).mark(failure.error);
            return future::settle(self.future.bind(py), Err(error.into()));
        };
        self.detour = detour;
        self.values.clear();
        let future = self.future.clone_ref(py);
        let again = if search {
            find_first(event_loop, self)
        } else if delay.is_zero() {
            dispatch(event_loop, self)
        } else {
            Bound::new(py, Resend::of(self)).and_then(|resend| {
                event_loop.call_method1(intern!(py, "call_later"), (delay.as_secs_f64(), resend)).map(drop)
            })
        };
        if let Err(error) = again {
            // The loop refuses callbacks, so nobody will wait for this future either; say it all the same.
            future::settle(future.bind(py), Err(error));
        }
    }
}

/// Sends a request once more, when the loop calls it.
#[pyclass(frozen, module = "django_cachex._core")]
pub(super) struct Resend(Mutex<Option<Waiter>>);

impl Resend {
    pub(super) fn of(waiter: Waiter) -> Self {
        Self(Mutex::new(Some(waiter)))
    }
}

#[pymethods]
impl Resend {
    fn __call__(&self, py: Python<'_>) {
        let Some(waiter) = self.0.lock().take() else { return };
        if waiter.is_done(py) {
            return;
        }
        let future = waiter.future.clone_ref(py);
        let again = imports::running_loop(py).and_then(Bound::call0).and_then(|running| dispatch(&running, waiter));
        if let Err(error) = again {
            future::settle(future.bind(py), Err(error));
        }
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Some(waiter) => waiter.iter().try_for_each(|waiter| waiter.visit(&visit)),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        drop(self.0.lock().take());
    }
}
