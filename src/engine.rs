//! Where Python hands commands over: sync, on a loop, one or many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::batch::Batch;
use crate::config::{Config, Server};
use crate::errors::guarded;
use crate::request::Request;
use crate::spec::Spec;
use crate::topology::{Standalone, Topology};
use crate::{blocking, looped, node, registry, retry};

/// Sends commands to the servers of one set of settings. Holds no connection and no state of its own.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Engine {
    topology: Arc<dyn Topology>,
    /// The settings that hold for a whole operation, whichever server it ends up at.
    config: Arc<Config>,
}

/// What is sent for one call.
pub(crate) enum Outgoing {
    One(Request),
    /// Its result is a list of replies.
    Transaction(Batch),
}

#[pymethods]
impl Engine {
    #[new]
    // PyO3 extracts sequences by value.
    #[allow(clippy::needless_pass_by_value)]
    fn new(servers: Vec<Bound<'_, Server>>) -> PyResult<Self> {
        let nodes = servers.iter().map(|server| registry::node(&server.get().config)).collect();
        let topology = Standalone::new(nodes).ok_or_else(|| PyValueError::new_err("no server"))?;
        let config = servers[0].get().config.clone();
        Ok(Self { topology: Arc::new(topology), config })
    }

    /// Sends a command and waits for its reply. `at`: the index of the server; `wait`: how many seconds the server may
    /// wait before it answers, 0 for ever.
    #[pyo3(signature = (spec, args, at = None, wait = None, /))]
    fn call(
        &self,
        py: Python<'_>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
        wait: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| self.run(py, &self.request(spec.get(), args, at, wait)?))
    }

    /// Sends a command on the running loop; returns an `asyncio.Future` of its reply.
    #[pyo3(signature = (spec, args, at = None, wait = None, /))]
    fn send(
        &self,
        py: Python<'_>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
        wait: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| self.submit(py, self.request(spec.get(), args, at, wait)?))
    }

    /// An empty batch for `call_batch` or `send_batch`.
    fn batch(&self) -> Batch {
        Batch::new(self.config.max_value_size, self.sharded())
    }

    /// Sends what is in a batch, in one write to the write server, and empties it. Returns the list of replies, error
    /// replies as exceptions; raises if a transaction was not executed. `spread`: where keys are spread over several
    /// servers, it need not be a transaction.
    #[pyo3(signature = (batch, transaction, spread = false, /))]
    fn call_batch(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, Batch>,
        transaction: bool,
        spread: bool,
    ) -> PyResult<Py<PyAny>> {
        let transaction = transaction && !(spread && self.sharded());
        guarded(|| self.run_batch(py, batch.try_borrow_mut()?.take(), transaction))
    }

    /// As `call_batch`, on the running loop; returns an `asyncio.Future` of the list.
    #[pyo3(signature = (batch, transaction, spread = false, /))]
    fn send_batch(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, Batch>,
        transaction: bool,
        spread: bool,
    ) -> PyResult<Py<PyAny>> {
        let transaction = transaction && !(spread && self.sharded());
        guarded(|| self.submit_batch(py, batch.try_borrow_mut()?.take(), transaction))
    }

    /// Whether keys are spread over several servers.
    #[getter]
    fn sharded(&self) -> bool {
        self.topology.is_sharded()
    }
}

impl Engine {
    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.config.operation_timeout.map(|limit| now + limit)
    }

    pub(crate) fn max_value_size(&self) -> Option<usize> {
        self.config.max_value_size
    }

    fn request(
        &self,
        spec: &Spec,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
        wait: Option<f64>,
    ) -> PyResult<Request> {
        // What is no number of seconds is the server's to refuse.
        let wait = wait.map(|wait| Duration::try_from_secs_f64(wait).unwrap_or_default());
        Ok(Request::one(spec, args, self.config.max_value_size, self.sharded())?.at(at).waiting(wait))
    }

    /// Sends `outgoing` and waits for its result.
    pub(crate) fn run_any(&self, py: Python<'_>, outgoing: Outgoing) -> PyResult<Py<PyAny>> {
        match outgoing {
            Outgoing::One(request) => self.run(py, &request),
            Outgoing::Transaction(batch) => self.run_batch(py, batch, true),
        }
    }

    /// Sends `outgoing` on the running loop.
    pub(crate) fn submit_any(&self, py: Python<'_>, outgoing: Outgoing) -> PyResult<Py<PyAny>> {
        match outgoing {
            Outgoing::One(request) => self.submit(py, request),
            Outgoing::Transaction(batch) => self.submit_batch(py, batch, true),
        }
    }

    /// Sends `batch` and waits for its results.
    pub(crate) fn run_batch(&self, py: Python<'_>, batch: Batch, transaction: bool) -> PyResult<Py<PyAny>> {
        if batch.is_empty() {
            return Err(PyValueError::new_err("no command"));
        }
        self.run(py, &batch.whole(transaction)?)
    }

    /// Sends `batch` on the running loop.
    pub(crate) fn submit_batch(&self, py: Python<'_>, batch: Batch, transaction: bool) -> PyResult<Py<PyAny>> {
        if batch.is_empty() {
            return Err(PyValueError::new_err("no command"));
        }
        self.submit(py, batch.whole(transaction)?)
    }

    /// Sends `request` on the running loop.
    pub(crate) fn submit(&self, py: Python<'_>, request: Request) -> PyResult<Py<PyAny>> {
        looped::submit(py, &self.topology, request, self.deadline(Instant::now()))
    }

    /// Sends `request` and waits for its result.
    pub(crate) fn run(&self, py: Python<'_>, request: &Request) -> PyResult<Py<PyAny>> {
        let mut now = Instant::now();
        let deadline = self.deadline(now);
        let mut attempt = 0;
        loop {
            let node = self.topology.route(&request.place, request.write);
            let failure = match blocking::attempt(py, &node, request, deadline, now) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let Some(delay) = retry::delay(&node.config, request, &failure, attempt, deadline) else {
                return Err(failure.error.at(&node.config.name).during(request.name(0)).into());
            };
            node::sleep(py, delay)?;
            attempt += 1;
            now = Instant::now();
        }
    }
}
