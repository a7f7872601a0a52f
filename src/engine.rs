//! Where Python hands commands over: sync, on a loop, one or many.

use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::config::{Config, Server};
use crate::errors::guarded;
use crate::request::{Request, Spec};
use crate::topology::{Standalone, Topology};
use crate::{blocking, looped, node, registry, retry};

/// Sends commands to the servers of one set of settings. Holds no connection and no state of its own.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Engine {
    topology: Arc<dyn Topology>,
    /// The settings that hold for a whole operation, whichever server it ends up at.
    config: Arc<Config>,
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

    /// Sends a command and waits for its reply.
    #[pyo3(signature = (spec, args, at = None, /))]
    fn call(
        &self,
        py: Python<'_>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| self.run(py, &Request::one(spec.get(), args, self.config.max_value_size)?, at))
    }

    /// Sends a command on the running loop; returns an `asyncio.Future` of its reply.
    #[pyo3(signature = (spec, args, at = None, /))]
    fn send(
        &self,
        py: Python<'_>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| {
            let request = Request::one(spec.get(), args, self.config.max_value_size)?;
            self.submit(py, request, at, Instant::now())
        })
    }

    /// Sends many commands in one write to the write server; returns the list of replies, error replies as exceptions.
    #[pyo3(signature = (commands, transaction, /))]
    fn call_many(&self, py: Python<'_>, commands: &Bound<'_, PyAny>, transaction: bool) -> PyResult<Py<PyAny>> {
        guarded(|| self.run(py, &Request::many(commands, transaction, self.config.max_value_size)?, None))
    }

    /// As `call_many`, on the running loop; returns an `asyncio.Future` of the list.
    #[pyo3(signature = (commands, transaction, /))]
    fn send_many(&self, py: Python<'_>, commands: &Bound<'_, PyAny>, transaction: bool) -> PyResult<Py<PyAny>> {
        guarded(|| {
            let request = Request::many(commands, transaction, self.config.max_value_size)?;
            self.submit(py, request, None, Instant::now())
        })
    }
}

impl Engine {
    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.config.operation_timeout.map(|limit| now + limit)
    }

    pub(crate) fn max_value_size(&self) -> Option<usize> {
        self.config.max_value_size
    }

    /// Sends `request` on the running loop.
    pub(crate) fn submit(
        &self,
        py: Python<'_>,
        request: Request,
        at: Option<usize>,
        now: Instant,
    ) -> PyResult<Py<PyAny>> {
        looped::submit(py, &self.topology, request, at, self.deadline(now))
    }

    /// Sends `request` and waits for its result.
    pub(crate) fn run(&self, py: Python<'_>, request: &Request, at: Option<usize>) -> PyResult<Py<PyAny>> {
        let mut now = Instant::now();
        let deadline = self.deadline(now);
        let mut attempt = 0;
        loop {
            let node = self.topology.route(request, at);
            let failure = match blocking::attempt(py, node, request, deadline, now) {
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
