//! Where Python hands commands over: sync, on a loop, one or many.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::argument;
use crate::batch::Batch;
use crate::command::{Command, refusal};
use crate::config::{Config, Hook, Server};
use crate::errors::guarded;
use crate::reading;
use crate::request::Request;
use crate::retry::Attempts;
use crate::spec::{Merge, Sharding, Spec};
use crate::spread::{Cursor, Shape, Spread};
use crate::topology::{Cluster, ClusterOptions, Detour, Sentinel, Standalone, Topology};
use crate::wire::Payload;
use crate::{blocking, config, looped, node, registry, retry, topology};

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
    /// To several servers, or to one that another may stand in for.
    Spread(Batch, Shape),
}

/// Where the parts of a command go.
enum Parts {
    /// To one server, as it is.
    One,
    Several(Batch, Shape),
    /// To servers that are not known yet.
    Unknown,
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

    /// An engine for the cluster that these servers belong to.
    #[classmethod]
    #[pyo3(signature = (seeds, *, read_from_replicas, address_remap, max_redirects, topology_refresh_interval))]
    #[allow(clippy::needless_pass_by_value)]
    fn cluster(
        _class: &Bound<'_, PyType>,
        seeds: Vec<Bound<'_, Server>>,
        read_from_replicas: bool,
        address_remap: Option<Py<PyAny>>,
        max_redirects: u32,
        topology_refresh_interval: f64,
    ) -> PyResult<Self> {
        let refresh = config::seconds("topology_refresh_interval", Some(topology_refresh_interval))?;
        let options = ClusterOptions {
            read_from_replicas,
            remap: address_remap.map(Hook::new),
            max_redirects,
            refresh: refresh.filter(|interval| !interval.is_zero()),
        };
        let seeds: Vec<_> = seeds.iter().map(|server| server.get().config.clone()).collect();
        let config = seeds.first().cloned().ok_or_else(|| PyValueError::new_err("no server"))?;
        let topology = Cluster::new(seeds, options).ok_or_else(|| PyValueError::new_err("no server"))?;
        Ok(Self { topology: Arc::new(topology), config })
    }

    /// An engine for the master of `service` and its replicas, which `sentinels` know; `server` describes these but for
    /// the address.
    #[classmethod]
    #[pyo3(signature = (service, sentinels, server, *, address_remap))]
    #[allow(clippy::needless_pass_by_value)]
    fn sentinel(
        _class: &Bound<'_, PyType>,
        service: String,
        sentinels: Vec<Bound<'_, Server>>,
        server: &Bound<'_, Server>,
        address_remap: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        if sentinels.is_empty() {
            return Err(PyValueError::new_err("no sentinel"));
        }
        let sentinels = sentinels.iter().map(|server| server.get().config.clone()).collect();
        let config = server.get().config.clone();
        let topology = Sentinel::new(service, sentinels, config.clone(), address_remap.map(Hook::new));
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
        guarded(|| {
            // Most commands go to one server, and have no use for the clock here.
            let deadline = LazyCell::new(|| self.deadline(Instant::now()));
            loop {
                match self.parts(spec.get(), args)? {
                    Parts::One => return self.exchange(py, &self.request(spec.get(), args, at, wait)?),
                    Parts::Several(batch, shape) => return self.run_spread(py, batch, &shape, *deadline),
                    Parts::Unknown => self.find(py, &spec.get().name, *deadline)?,
                }
            }
        })
    }

    /// Sends a command on the running loop; returns an `asyncio.Future` of its reply.
    #[pyo3(signature = (spec, args, at = None, wait = None, /))]
    fn send(
        slf: &Bound<'_, Self>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
        wait: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        guarded(|| Self::send_by(slf, spec, args, at, wait, None, slf.get().deadline(Instant::now())))
    }

    /// Sends what a declaration has built and returns its result.
    #[pyo3(signature = (spec, built, /))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        spec: &Bound<'py, Spec>,
        built: &Bound<'py, Command>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let command = built.get();
        let raw = self.call(py, &command.spec(spec), command.args.bind(py), command.at, command.wait);
        match raw {
            Ok(raw) => reading::read(command.reply.bind(py), raw.bind(py)),
            Err(error) => Err(refusal(py, command.refused.as_ref(), error)),
        }
    }

    /// Sends what a declaration has built on the running loop; returns an `asyncio.Future` of the result, or of an
    /// [`Unread`](reading::Unread).
    #[pyo3(signature = (spec, built, /))]
    fn start<'py>(slf: &Bound<'py, Self>, spec: &Bound<'py, Spec>, built: &Bound<'py, Command>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let command = built.get();
        let (spec, args, reading) = (command.spec(spec), command.args.bind(py), command.reply.clone_ref(py));
        let deadline = slf.get().deadline(Instant::now());
        guarded(|| Self::send_by(slf, &spec, args, command.at, command.wait, Some(reading), deadline))
    }

    /// An empty batch for `call_batch` or `send_batch`.
    pub(crate) fn batch(&self) -> Batch {
        Batch::new(self.config.max_value_size, self.sharded())
    }

    /// Sends what is in a batch, in one write to each server that it concerns, and empties it. Returns the list of replies, error
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
        guarded(|| {
            let batch = batch.try_borrow_mut()?.take();
            self.run_any(py, self.outgoing(batch, transaction && !(spread && self.sharded()))?)
        })
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
        guarded(|| {
            let batch = batch.try_borrow_mut()?.take();
            self.submit_any(py, self.outgoing(batch, transaction && !(spread && self.sharded()))?)
        })
    }

    /// Whether keys are spread over several servers.
    #[getter]
    pub(crate) fn sharded(&self) -> bool {
        self.topology.is_sharded()
    }
}

/// The number that an argument is to a server, `None` if it is none.
fn number(spec: &Spec, arg: &Bound<'_, PyAny>) -> PyResult<Option<u128>> {
    let mut payload = Payload::default();
    argument::pack(&mut payload, &spec.name, arg, None)?;
    // Behind its length.
    let packed = payload.into_bytes();
    let word = packed.split(|byte| *byte == b'\n').nth(1).and_then(|line| line.strip_suffix(b"\r"));
    Ok(word.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
}

impl Engine {
    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.config.operation_timeout.map(|limit| now + limit)
    }

    /// Sends a command on the running loop, once its servers are known; all that within `deadline`.
    fn send_by(
        slf: &Bound<'_, Self>,
        spec: &Bound<'_, Spec>,
        args: &Bound<'_, PyTuple>,
        at: Option<usize>,
        wait: Option<f64>,
        reading: Option<Py<PyAny>>,
        deadline: Option<Instant>,
    ) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        match this.parts(spec.get(), args)? {
            Parts::One => {
                let request = this.request(spec.get(), args, at, wait)?;
                looped::submit(py, &this.topology, request, reading, deadline)
            }
            Parts::Several(batch, shape) => this.submit_spread(py, batch, shape, reading, deadline),
            Parts::Unknown => {
                let (engine, spec, args) = (slf.clone().unbind(), spec.clone().unbind(), args.clone().unbind());
                let command = spec.get().name.clone();
                let work = move |py: Python<'_>| {
                    Self::send_by(engine.bind(py), spec.bind(py), args.bind(py), at, wait, reading, deadline)
                };
                looped::once_found(py, &this.topology, command, deadline, Box::new(work))
            }
        }
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

    /// A command's parts on the shards.
    fn parts(&self, spec: &Spec, args: &Bound<'_, PyTuple>) -> PyResult<Parts> {
        if !self.sharded() {
            return Ok(Parts::One);
        }
        let py = args.py();
        match spec.sharding {
            Sharding::OneSlot => Ok(Parts::One),
            Sharding::Everywhere(merge) => {
                let Some(primaries) = self.topology.primaries() else { return Ok(Parts::Unknown) };
                let mut batch = self.batch();
                if merge != Merge::Page {
                    let (places, nodes): (Vec<_>, Vec<_>) = primaries.into_iter().unzip();
                    batch.everywhere(spec, args, merge, places)?;
                    let names = nodes.iter().map(|node| node.config.name.clone()).collect();
                    return Ok(Parts::Several(batch, Shape::Everywhere(names)));
                }
                let cursor = Cursor::of(number(spec, &args.get_item(0)?)?, &primaries)
                    .map_err(|error| error.during(&spec.name))?;
                let low = cursor.low.into_pyobject(py)?.into_any();
                let words: Vec<_> = std::iter::once(low).chain(args.iter().skip(1)).collect();
                batch.everywhere(spec, &PyTuple::new(py, words)?, merge, vec![primaries[cursor.index].0.clone()])?;
                Ok(Parts::Several(batch, Shape::Page(cursor)))
            }
            Sharding::Split(merge) => {
                let mut batch = self.batch();
                batch.split(spec, args, merge)?;
                Ok(Parts::Several(batch, Shape::Only))
            }
        }
    }

    fn run_spread(
        &self,
        py: Python<'_>,
        batch: Batch,
        shape: &Shape,
        deadline: Option<Instant>,
    ) -> PyResult<Py<PyAny>> {
        let mut spread = Spread::new(batch, self.topology.clone(), shape, deadline);
        loop {
            let Some(groups) = spread.groups() else {
                self.find(py, &spread.command(), deadline)?;
                continue;
            };
            if groups.is_empty() {
                return Ok(shape.of(py, spread.results(py)?)?.unbind());
            }
            let mut launched = Vec::with_capacity(groups.len());
            for group in groups {
                match blocking::launch(py, &group.node, &group.request, deadline) {
                    // What a signal handler or a hook has raised ends it, and nothing more is sent.
                    Err(failure) if failure.error.is_foreign() => return Err(failure.error.into()),
                    flight => launched.push((flight, group)),
                }
            }
            for (flight, group) in launched {
                let landed =
                    flight.and_then(|flight| blocking::land(py, &group.node, &group.request, flight, deadline));
                match landed {
                    Ok(replies) => spread.arrived(py, &group, replies.bind(py)),
                    Err(failure) if failure.error.is_foreign() => return Err(failure.error.into()),
                    Err(failure) => spread.failed(py, &group, &failure),
                }
            }
            node::sleep(py, spread.delay())?;
        }
    }

    fn submit_spread(
        &self,
        py: Python<'_>,
        batch: Batch,
        shape: Shape,
        reading: Option<Py<PyAny>>,
        deadline: Option<Instant>,
    ) -> PyResult<Py<PyAny>> {
        let spread = Spread::new(batch, self.topology.clone(), &shape, deadline);
        looped::submit_batch(py, &self.topology, spread, shape, reading, deadline)
    }

    /// Finds the servers, for `command`.
    fn find(&self, py: Python<'_>, command: &Arc<str>, deadline: Option<Instant>) -> PyResult<()> {
        let found = node::wait_for(py, deadline, |done| self.topology.find(done), drop)?;
        found.unwrap_or_else(|| Err(topology::late())).map_err(|error| error.during(command).into())
    }

    /// Sends `outgoing` and waits for its result.
    pub(crate) fn run_any(&self, py: Python<'_>, outgoing: Outgoing) -> PyResult<Py<PyAny>> {
        match outgoing {
            Outgoing::One(request) => self.exchange(py, &request),
            Outgoing::Spread(batch, shape) => self.run_spread(py, batch, &shape, self.deadline(Instant::now())),
        }
    }

    /// Sends `outgoing` on the running loop.
    pub(crate) fn submit_any(&self, py: Python<'_>, outgoing: Outgoing) -> PyResult<Py<PyAny>> {
        match outgoing {
            Outgoing::One(request) => self.submit(py, request, None),
            Outgoing::Spread(batch, shape) => self.submit_spread(py, batch, shape, None, self.deadline(Instant::now())),
        }
    }

    /// Commands that take effect together, unless their keys are spread over several servers. The result is a list.
    pub(crate) fn together(&self, batch: Batch) -> PyResult<Outgoing> {
        self.outgoing(batch, !self.sharded())
    }

    /// How a batch is sent.
    fn outgoing(&self, batch: Batch, transaction: bool) -> PyResult<Outgoing> {
        if batch.is_empty() {
            return Err(PyValueError::new_err("no command"));
        }
        if self.topology.changes() && !transaction {
            return Ok(Outgoing::Spread(batch, Shape::List));
        }
        Ok(Outgoing::One(batch.whole(transaction)?))
    }

    /// Sends `request` on the running loop; see [`looped::submit`].
    pub(crate) fn submit(&self, py: Python<'_>, request: Request, reading: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        looped::submit(py, &self.topology, request, reading, self.deadline(Instant::now()))
    }

    /// Sends `request` and waits for its result.
    pub(crate) fn exchange(&self, py: Python<'_>, request: &Request) -> PyResult<Py<PyAny>> {
        let mut now = Instant::now();
        let mut deadline = self.deadline(now);
        let mut attempts = Attempts::default();
        let mut detour: Option<Detour> = None;
        loop {
            let asked;
            let (node, sent) = if let Some(Detour { node, asking }) = detour.take() {
                if asking {
                    asked = request.asked();
                    (node, &asked)
                } else {
                    (node, request)
                }
            } else if let Some(node) = self.topology.route(&request.place, request.write) {
                (node, request)
            } else {
                self.find(py, request.name(0), deadline)?;
                now = Instant::now();
                continue;
            };
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            let failure = match blocking::attempt(py, &node, sent, deadline, now) {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let (place, nature) = (&request.place, request.nature());
            if request.waits() && failure.sent {
                // The server's waiting does not count.
                deadline = left.map(|left| Instant::now() + left);
            }
            let again = retry::again(&*self.topology, &node, place, nature, &failure, &mut attempts, deadline);
            let Some(again) = again else {
                return Err(failure.error.at(&node.config.name).during(request.name(0)).into());
            };
            node::sleep(py, again.delay)?;
            if again.search {
                // What it finds or does not find shows in the next attempt.
                node::wait_for(py, deadline, |done| self.topology.find(done), drop)?.transpose().ok();
            }
            detour = again.detour;
            now = Instant::now();
        }
    }
}
