//! Drives a link on a running event loop: one connection per loop and server, shared by all its tasks.
//!
//! A lease is owned by its loop alone, through the callbacks that are registered there. The node knows it by weak
//! reference only, so a loop that is dropped takes its lease along, and the lease's destructor gives the connection back.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyNotImplementedError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, intern};

use crate::control::Watch;
use crate::errors::{Error, Kind};
use crate::injection::{self, Point};
use crate::node::{Connection, FRESH, Node, State};
use crate::reply::{self, Landing, Origin};
use crate::request::Request;
use crate::retry::{self, Failure};
use crate::sync::Mutex;
use crate::topology::Topology;
use crate::transport::{Transport, Wait};
use crate::wire::{Link, Received};
use crate::{control, imports};

/// So many unsent requests are sent at once, plus one for every so many in flight: the server works on them while the
/// loop goes on making others. A larger crowd needs fewer, larger writes.
const EAGER: usize = 8;
const EAGER_SHARE: usize = 4;

/// Timers that fire this close to the moment are precise enough: loops round to their own clock.
const SLACK: Duration = Duration::from_millis(2);

/// A task that waits for the reply to a request.
struct Waiter {
    future: Py<PyAny>,
    request: Arc<Request>,
    topology: Arc<dyn Topology>,
    at: Option<usize>,
    deadline: Option<Instant>,
    /// Attempts that have failed.
    attempt: u32,
    /// How many bytes the connection had taken before this request.
    offset: u64,
    /// The replies so far, for a request that gets several.
    values: Vec<Py<PyAny>>,
}

type Outcome = Result<Py<PyAny>, Error>;

/// A connection that the loop has registered.
struct Open {
    link: Link<Waiter>,
    transport: Transport,
    landing: Option<Landing>,
    /// A writer is registered too.
    writing: bool,
    /// Requests on the link since the last write.
    unsent: usize,
    /// A PING is on its way (`health_check_interval`); requests wait until it is answered.
    checking: bool,
    /// When the server last gave a sign of life, or began to owe one.
    progress: Instant,
    /// Watches the socket where the loop itself cannot.
    watch: Option<Watch>,
}

enum Phase {
    Vacant,
    Connecting,
    Open(Box<Open>),
    /// Replies are being taken from the link; new requests queue meanwhile.
    Busy,
}

struct Inner {
    phase: Phase,
    /// Requests that are not on the link yet.
    queue: VecDeque<Waiter>,
    /// A flush is scheduled on the loop.
    flushing: bool,
    /// When the timer fires.
    alarm: Option<Instant>,
    /// What the control plane delivered.
    made: Option<Result<Connection, Error>>,
}

/// One loop's connection to one server.
#[pyclass(frozen, weakref, module = "django_cachex._core")]
pub(crate) struct Lease {
    node: Arc<Node>,
    state: Arc<State>,
    inner: Mutex<Inner>,
}

/// The leases on a node, by loop.
#[derive(Default)]
pub(crate) struct Leases(Mutex<Vec<Entry>>);

struct Entry {
    /// The loop's address; meaningful only while `event_loop` is alive.
    id: usize,
    event_loop: Py<PyWeakrefReference>,
    lease: Py<PyWeakrefReference>,
}

impl Leases {
    fn find<'py>(&self, event_loop: &Bound<'py, PyAny>) -> Option<Bound<'py, Lease>> {
        let py = event_loop.py();
        let id = event_loop.as_ptr() as usize;
        let entries = self.0.lock();
        let entry = entries.iter().find(|entry| entry.id == id)?;
        let alive = entry.event_loop.bind(py).upgrade()?;
        if !alive.is(event_loop) {
            return None;
        }
        // SAFETY: only leases are ever stored here.
        Some(unsafe { entry.lease.bind(py).upgrade()?.cast_into_unchecked() })
    }

    fn add(&self, event_loop: &Bound<'_, PyAny>, lease: &Bound<'_, Lease>) -> PyResult<()> {
        let id = event_loop.as_ptr() as usize;
        let entry = Entry {
            id,
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            lease: PyWeakrefReference::new(lease.as_any())?.unbind(),
        };
        let mut entries = self.0.lock();
        entries.retain(|other| other.id != id);
        entries.push(entry);
        Ok(())
    }
}

/// Takes back the connections of loops that are closed or gone.
pub(crate) fn sweep(py: Python<'_>, state: &State) {
    let entries: Vec<_> = {
        let entries = state.leases.0.lock();
        entries.iter().map(|entry| (entry.id, entry.event_loop.clone_ref(py), entry.lease.clone_ref(py))).collect()
    };
    let mut over = Vec::new();
    for (id, event_loop, lease) in entries {
        let closed = match event_loop.bind(py).upgrade() {
            None => true,
            Some(event_loop) => {
                event_loop.call_method0(intern!(py, "is_closed")).and_then(|closed| closed.is_truthy()).unwrap_or(false)
            }
        };
        if !closed {
            continue;
        }
        if let Some(lease) = lease.bind(py).upgrade()
            && let Ok(lease) = lease.cast::<Lease>()
        {
            lease.get().reclaim();
        }
        over.push((id, event_loop));
    }
    // Another thread may have replaced an entry while `is_closed` ran.
    state
        .leases
        .0
        .lock()
        .retain(|entry| !over.iter().any(|(id, event_loop)| *id == entry.id && entry.event_loop.is(event_loop)));
}

/// Gives up the running loop's connection to `node`.
pub(crate) fn release(py: Python<'_>, node: &Arc<Node>) -> PyResult<()> {
    let event_loop = imports::running_loop(py)?.call0()?;
    if let Some(lease) = node.state().leases.find(&event_loop)
        // One that is still being made is nobody's yet.
        && matches!(lease.get().inner.lock().phase, Phase::Open(_))
    {
        let error = Error::new(Kind::Connection, "connection given up by disconnect()");
        Lease::lose(&lease, &event_loop, &error);
    }
    Ok(())
}

/// Sends `request` on the running loop; the returned future gets its reply.
pub(crate) fn submit(
    py: Python<'_>,
    topology: &Arc<dyn Topology>,
    request: Request,
    at: Option<usize>,
    deadline: Option<Instant>,
) -> PyResult<Py<PyAny>> {
    let event_loop = imports::running_loop(py)?.call0()?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    let waiter = Waiter {
        future: future.clone().unbind(),
        request: Arc::new(request),
        topology: topology.clone(),
        at,
        deadline,
        attempt: 0,
        offset: 0,
        values: Vec::new(),
    };
    dispatch(&event_loop, waiter)?;
    Ok(future.unbind())
}

/// Routes a request to the loop's lease on the right node.
fn dispatch(event_loop: &Bound<'_, PyAny>, waiter: Waiter) -> PyResult<()> {
    let py = event_loop.py();
    let topology = waiter.topology.clone();
    let node = topology.route(&waiter.request, waiter.at);
    let state = node.state();
    let lease = if let Some(lease) = state.leases.find(event_loop) {
        lease
    } else {
        let inner = Mutex::new(Inner {
            phase: Phase::Vacant,
            queue: VecDeque::new(),
            flushing: false,
            alarm: None,
            made: None,
        });
        let lease = Bound::new(py, Lease { node: node.clone(), state: state.clone(), inner })?;
        state.leases.add(event_loop, &lease)?;
        lease
    };
    Lease::accept(&lease, event_loop, waiter)
}

/// What is left to do once the lock is released.
enum Next {
    Nothing,
    Write,
    Flush,
    Connect,
    Lost,
}

impl Waiter {
    /// A PING that nobody waits for: its future is done from the start.
    fn check(event_loop: &Bound<'_, PyAny>, like: &Self) -> PyResult<Self> {
        let py = event_loop.py();
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        future.call_method0(intern!(py, "cancel"))?;
        Ok(Self {
            future: future.unbind(),
            request: Arc::new(Request::ping()),
            topology: like.topology.clone(),
            at: None,
            deadline: None,
            attempt: 0,
            offset: 0,
            values: Vec::new(),
        })
    }

    fn origin<'a>(&'a self, node: &'a Node) -> Origin<'a> {
        self.request.origin(&node.config.name, self.values.len())
    }

    fn is_done(&self, py: Python<'_>) -> bool {
        let done = self.future.bind(py).call_method0(intern!(py, "done"));
        done.and_then(|done| done.is_truthy()).unwrap_or(true)
    }

    /// Completes the future, unless its task was cancelled meanwhile: then the reply is dropped here.
    fn finish(&self, py: Python<'_>, outcome: Outcome) {
        let future = self.future.bind(py);
        let told = match outcome {
            Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
            Err(_) if self.is_done(py) => return,
            Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_exception(py),)),
        };
        if let Err(error) = told
            && !self.is_done(py)
        {
            error.write_unraisable(py, Some(future));
        }
    }

    /// Tries again if that is allowed, else fails the future.
    fn fail(mut self, event_loop: &Bound<'_, PyAny>, node: &Node, failure: Failure) {
        let py = event_loop.py();
        if self.is_done(py) {
            return;
        }
        let Some(delay) = retry::delay(&node.config, &self.request, &failure, self.attempt, self.deadline) else {
            let error = self.origin(node).mark(failure.error);
            return self.finish(py, Err(error));
        };
        self.attempt += 1;
        self.values.clear();
        let future = self.future.clone_ref(py);
        let again = if delay.is_zero() {
            dispatch(event_loop, self)
        } else {
            Bound::new(py, Resend(Mutex::new(Some(self)))).and_then(|resend| {
                event_loop.call_method1(intern!(py, "call_later"), (delay.as_secs_f64(), resend)).map(drop)
            })
        };
        if let Err(error) = again {
            // The loop refuses callbacks, so nobody will wait for this future either; say it all the same.
            let _ = future.bind(py).call_method1(intern!(py, "set_exception"), (error,));
        }
    }
}

/// Sends a request once more, when the loop calls it.
#[pyclass(frozen, module = "django_cachex._core")]
struct Resend(Mutex<Option<Waiter>>);

#[pymethods]
impl Resend {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let Some(waiter) = self.0.lock().take() else { return Ok(()) };
        if waiter.is_done(py) {
            return Ok(());
        }
        dispatch(&imports::running_loop(py)?.call0()?, waiter)
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.0.try_lock() {
            Some(waiter) => waiter.iter().try_for_each(|waiter| visit.call(&waiter.future)),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        drop(self.0.lock().take());
    }
}

impl Open {
    fn push(&mut self, mut waiter: Waiter) {
        if self.link.in_flight() == 0 {
            self.progress = Instant::now();
        }
        self.unsent += 1;
        waiter.offset = self.link.output.pushed();
        let request = waiter.request.clone();
        self.link.push(&request.payload, request.replies, waiter);
    }

    /// Receives once, or until nothing is left, and takes every reply that is complete.
    fn read(
        &mut self,
        py: Python<'_>,
        node: &Node,
        drain: bool,
        done: &mut Vec<(Waiter, Outcome)>,
    ) -> Result<(), Error> {
        loop {
            let (n, room) = match self.receive() {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("connection lost", &error)),
            };
            if n == 0 {
                return Err(Error::closed());
            }
            self.progress = Instant::now();
            injection::trip(Point::Read);
            self.take(py, node, done)?;
            // A large value keeps arriving, and the TLS session may hold records that the socket no longer shows.
            if n < room && self.landing.is_none() && !drain && !self.transport.is_tls() {
                return Ok(());
            }
        }
    }

    fn receive(&mut self) -> io::Result<(usize, usize)> {
        if let Some(landing) = self.landing.as_mut().filter(|landing| !landing.is_full()) {
            let room = landing.unfilled().len();
            let n = self.transport.receive(landing.unfilled(), Wait::No)?;
            landing.filled(n);
            if landing.is_full() {
                self.link.end_large();
            }
            return Ok((n, room));
        }
        let spare = self.link.spare();
        let room = spare.len();
        let n = self.transport.receive_into(spare, Wait::No)?;
        self.link.filled(n);
        Ok((n, room))
    }

    fn take(&mut self, py: Python<'_>, node: &Node, done: &mut Vec<(Waiter, Outcome)>) -> Result<(), Error> {
        let convert = |waiter: &mut Waiter, frame: &[u8]| {
            let reply = reply::convert(py, frame, waiter.origin(node));
            reply::add(py, &waiter.request, &mut waiter.values, reply)
        };
        let landed = |waiter: &mut Waiter, landing: Option<Landing>| {
            let value = landing.map_or_else(|| py.None(), Landing::into_bytes);
            reply::add(py, &waiter.request, &mut waiter.values, reply::Reply::Value(value))
        };
        while let Some(received) = self.link.receive().map_err(Error::protocol)? {
            match received {
                Received::Part(waiter, frame) => drop(convert(waiter, frame)),
                Received::PartLarge(waiter) => drop(landed(waiter, self.landing.take())),
                Received::Last(mut waiter, frame) => {
                    let outcome = convert(&mut waiter, frame);
                    done.extend(outcome.map(|outcome| (waiter, outcome)));
                }
                Received::LastLarge(mut waiter) => {
                    let outcome = landed(&mut waiter, self.landing.take());
                    done.extend(outcome.map(|outcome| (waiter, outcome)));
                }
            }
        }
        if self.landing.is_none()
            && let Some(len) = self.link.large()
        {
            let mut landing = Landing::new(py, len).map_err(Error::foreign)?;
            landing.copy(self.link.begin_large());
            if landing.is_full() {
                self.link.end_large();
            }
            self.landing = Some(landing);
        }
        Ok(())
    }

    fn into_connection(self) -> Option<Connection> {
        let Self { link, transport, .. } = self;
        if !transport.is_ours() || transport.is_writing() || !link.is_clean() {
            return None;
        }
        let link = link.handover()?;
        // uvloop leaves O_NONBLOCK set.
        transport.make_blocking().ok()?;
        Some(Connection { transport, link, used: Instant::now() })
    }
}

impl Lease {
    /// Puts a request on the link, or in the queue, and sees to it that it gets sent and timed.
    fn accept(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, waiter: Waiter) -> PyResult<()> {
        let this = slf.get();
        let deadline = waiter.deadline;
        let check = if this.wants_check() { Some(Waiter::check(event_loop, &waiter)?) } else { None };
        let next = {
            let mut inner = this.inner.lock();
            let Inner { phase, queue, flushing, .. } = &mut *inner;
            match (phase, check) {
                (Phase::Open(open), Some(check)) if open.link.is_clean() => {
                    open.push(check);
                    open.checking = true;
                    queue.push_back(waiter);
                    Next::Write
                }
                (Phase::Open(open), _)
                    if !open.checking && queue.is_empty() && open.link.in_flight() < this.node.config.max_in_flight =>
                {
                    let idle = open.link.is_clean();
                    if idle && open.progress.elapsed() > FRESH && open.transport.is_stale() {
                        queue.push_back(waiter);
                        Next::Lost
                    } else {
                        open.push(waiter);
                        let eager = open.unsent >= EAGER + open.link.in_flight() / EAGER_SHARE;
                        match (idle || eager && !open.writing, *flushing) {
                            (true, _) => Next::Write,
                            (false, true) => Next::Nothing,
                            (false, false) => {
                                *flushing = true;
                                Next::Flush
                            }
                        }
                    }
                }
                (phase @ Phase::Vacant, _) => {
                    queue.push_back(waiter);
                    *phase = Phase::Connecting;
                    Next::Connect
                }
                (Phase::Open(_) | Phase::Connecting | Phase::Busy, _) => {
                    queue.push_back(waiter);
                    Next::Nothing
                }
            }
        };
        match next {
            Next::Nothing => {}
            Next::Write => Self::write(slf, event_loop)?,
            Next::Flush => Self::schedule_flush(slf, event_loop)?,
            Next::Connect => Self::connect(slf, event_loop)?,
            Next::Lost => Self::lose(slf, event_loop, &Error::closed()),
        }
        Self::set_alarm(slf, event_loop, deadline)
    }

    /// Whether the connection has been idle for so long that it must be checked first.
    fn wants_check(&self) -> bool {
        let interval = self.node.config.health_check_interval;
        !interval.is_zero()
            && match &self.inner.lock().phase {
                Phase::Open(open) => open.link.is_clean() && open.progress.elapsed() >= interval,
                _ => false,
            }
    }

    fn schedule_flush(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let flush = slf.getattr(intern!(py, "flush"))?;
        event_loop.call_method1(intern!(py, "call_soon"), (flush,)).map(drop)
    }

    fn connect(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let mut idle = this.state.take_idle(Instant::now());
        if idle.is_none() {
            sweep(py, &this.state);
            idle = this.state.take_idle(Instant::now());
        }
        if let Some(connection) = idle {
            return Self::attach(slf, event_loop, connection);
        }
        let lease = slf.clone().unbind();
        let event_loop = event_loop.clone().unbind();
        this.node.connect(move |made| {
            // When the interpreter is going away, so is the loop.
            Python::try_attach(|py| Self::deliver(lease.bind(py), event_loop.bind(py), made));
        });
        Ok(())
    }

    /// Called by the control plane with a new connection.
    fn deliver(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, made: Result<Connection, Error>) {
        let py = slf.py();
        slf.get().inner.lock().made = Some(made);
        let told = slf
            .getattr(intern!(py, "on_connected"))
            .and_then(|callback| event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (callback,)));
        if told.is_err() {
            // The loop was closed while we connected; somebody else can use the connection.
            slf.get().reclaim();
        }
    }

    /// Registers a connection with the loop and sends what has queued up.
    fn attach(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, connection: Connection) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let Connection { transport, link, .. } = connection;
        let Some(link) = link.handover() else {
            Self::lose(slf, event_loop, &Error::closed());
            return Ok(());
        };
        let fd = transport.fd();
        let watch = match Self::register(slf, event_loop, "add_reader", fd, "on_readable") {
            Ok(()) => None,
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {
                let lease = slf.clone().unbind();
                // Nothing but the loop's owner may keep it alive.
                let event_loop = PyWeakrefReference::new(event_loop)?.unbind();
                Some(control::watch(&transport, move || {
                    let told = Python::try_attach(|py| {
                        let event_loop = event_loop.bind(py).upgrade()?;
                        let callback = lease.bind(py).getattr(intern!(py, "on_readable")).ok()?;
                        event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (callback,)).map(drop).ok()
                    });
                    told.flatten().is_some()
                })?)
            }
            Err(error) => {
                let error = Error::foreign(error);
                Self::lose(slf, event_loop, &error);
                return Ok(());
            }
        };
        let open = Open {
            link,
            transport,
            landing: None,
            writing: false,
            unsent: 0,
            checking: false,
            progress: Instant::now(),
            watch,
        };
        this.inner.lock().phase = Phase::Open(Box::new(open));
        this.refill();
        Self::write(slf, event_loop)
    }

    /// Registers a callback in an empty context: else the first request's context would live, and be seen, for ever.
    fn register(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        method: &str,
        fd: i32,
        callback: &str,
    ) -> PyResult<()> {
        let py = slf.py();
        let context = imports::new_context(py)?.call0()?;
        let method = event_loop.getattr(method)?;
        context.call_method1(intern!(py, "run"), (method, fd, slf.getattr(callback)?)).map(drop)
    }

    /// Moves queued requests to the link, as far as they may be in flight; true if any was moved.
    fn refill(&self) -> bool {
        let mut inner = self.inner.lock();
        let Inner { phase, queue, .. } = &mut *inner;
        let Phase::Open(open) = phase else { return false };
        open.checking &= open.link.in_flight() > 0;
        if open.checking {
            return false;
        }
        let room = self.node.config.max_in_flight.saturating_sub(open.link.in_flight()).min(queue.len());
        for waiter in queue.drain(..room) {
            open.push(waiter);
        }
        room > 0
    }

    /// Writes what is buffered; what the socket does not take is written when it is ready again.
    fn write(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (fd, writing, watched) = {
            let mut inner = this.inner.lock();
            let Phase::Open(open) = &mut inner.phase else { return Ok(()) };
            open.unsent = 0;
            match open.transport.send(&mut open.link.output) {
                Ok(complete) => {
                    let before = std::mem::replace(&mut open.writing, !complete);
                    if before != complete {
                        return Ok(());
                    }
                    (open.transport.fd(), !complete, open.watch.is_some())
                }
                Err(error) => {
                    drop(inner);
                    Self::lose(slf, event_loop, &Error::io("connection lost", &error));
                    return Ok(());
                }
            }
        };
        match (writing, watched) {
            (true, false) => Self::register(slf, event_loop, "add_writer", fd, "on_writable"),
            (false, false) => event_loop.call_method1(intern!(py, "remove_writer"), (fd,)).map(drop),
            // Without add_writer the loop looks again a little later.
            (true, true) => {
                this.set_writing(false);
                let callback = slf.getattr(intern!(py, "on_writable"))?;
                event_loop.call_method1(intern!(py, "call_later"), (0.005, callback)).map(drop)
            }
            (false, true) => Ok(()),
        }
    }

    fn set_writing(&self, writing: bool) {
        if let Phase::Open(open) = &mut self.inner.lock().phase {
            open.writing = writing;
        }
    }

    /// Takes what has arrived and completes the futures it belongs to.
    fn read(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, drain: bool) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        // The link is taken out of the lock, because making Python objects may run Python code.
        let mut open = {
            let mut inner = this.inner.lock();
            match std::mem::replace(&mut inner.phase, Phase::Busy) {
                Phase::Open(open) => open,
                other => {
                    inner.phase = other;
                    return Ok(());
                }
            }
        };
        let mut done = Vec::new();
        let drain = drain || open.watch.is_some();
        let read = catch_unwind(AssertUnwindSafe(|| open.read(py, &this.node, drain, &mut done)))
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal failure while reading a reply")));
        this.inner.lock().phase = Phase::Open(open);
        let refilled = this.refill();
        for (waiter, outcome) in done {
            match outcome {
                Ok(value) => waiter.finish(py, Ok(value)),
                Err(error) => waiter.fail(event_loop, &this.node, Failure::sent(error)),
            }
        }
        match read {
            Ok(()) if refilled => Self::write(slf, event_loop),
            Ok(()) => Ok(()),
            Err(error) => {
                Self::lose(slf, event_loop, &error);
                Ok(())
            }
        }
    }

    /// Gives the connection up: whoever waits for it tries again, or fails with `error`.
    fn lose(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, error: &Error) {
        let py = slf.py();
        let this = slf.get();
        let (phase, queued) = {
            let mut inner = this.inner.lock();
            (std::mem::replace(&mut inner.phase, Phase::Vacant), std::mem::take(&mut inner.queue))
        };
        if let Phase::Open(mut open) = phase {
            // Before the descriptor is closed, or its number may be somebody else's by then.
            if open.watch.is_none() && open.transport.is_ours() {
                let fd = open.transport.fd();
                let _ = event_loop.call_method1(intern!(py, "remove_reader"), (fd,));
                if open.writing {
                    let _ = event_loop.call_method1(intern!(py, "remove_writer"), (fd,));
                }
            }
            let written = open.link.output.total();
            let waiters: Vec<Waiter> = open.link.abandon().collect();
            drop(open);
            for waiter in waiters {
                let sent = written > waiter.offset;
                waiter.fail(event_loop, &this.node, Failure { error: error.clone(), sent, connecting: false });
            }
        }
        for waiter in queued {
            waiter.fail(event_loop, &this.node, Failure::unsent(error.clone()));
        }
    }

    /// The earliest moment at which somebody here may be late.
    fn due(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        let now = Instant::now();
        // Those that are over have been told; their slots may remain.
        let ahead = |waiter: &Waiter| waiter.deadline.filter(|deadline| *deadline > now);
        let mut due: Option<Instant> = inner.queue.iter().filter_map(ahead).min();
        if let Phase::Open(open) = &inner.phase
            && open.link.in_flight() > 0
        {
            let silent = self.node.config.socket_timeout.map(|limit| open.progress + limit);
            let deadline = open.link.waiters().filter_map(ahead).min();
            due = [due, silent, deadline].into_iter().flatten().min();
        }
        due
    }

    /// One timer for all: it is set when there is none, and looks who is late when it fires.
    fn set_alarm(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, deadline: Option<Instant>) -> PyResult<()> {
        let this = slf.get();
        let now = Instant::now();
        let silent = this.node.config.socket_timeout.map(|limit| now + limit);
        let Some(due) = [deadline, silent].into_iter().flatten().min() else { return Ok(()) };
        {
            let mut inner = this.inner.lock();
            if inner.alarm.is_some_and(|alarm| alarm <= due + SLACK) {
                return Ok(());
            }
            inner.alarm = Some(due);
        }
        Self::call_at(slf, event_loop, due)
    }

    fn call_at(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, due: Instant) -> PyResult<()> {
        let py = slf.py();
        let delay = due.saturating_duration_since(Instant::now()) + SLACK;
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), imports::new_context(py)?.call0()?)?;
        let callback = slf.getattr(intern!(py, "on_alarm"))?;
        event_loop.call_method(intern!(py, "call_later"), (delay.as_secs_f64(), callback), Some(&keywords)).map(drop)
    }

    /// Fails whoever is over his deadline. A connection that is silent for too long is given up.
    fn expire(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) {
        let py = slf.py();
        let this = slf.get();
        let config = &this.node.config;
        let now = Instant::now();
        let late = |waiter: &Waiter| waiter.deadline.is_some_and(|deadline| deadline <= now);
        let mut silent = false;
        let mut expired: Vec<(Py<PyAny>, Error)> = Vec::new();
        {
            let mut inner = this.inner.lock();
            let Inner { phase, queue, .. } = &mut *inner;
            let error = Error::timeout("no reply", config.operation_timeout).at(&config.name);
            if let Phase::Open(open) = phase
                && open.link.in_flight() > 0
            {
                silent = config.socket_timeout.is_some_and(|limit| open.progress + limit <= now);
                for waiter in open.link.waiters().filter(|waiter| late(waiter)) {
                    let error = error.clone().during(waiter.request.name(0));
                    expired.push((waiter.future.clone_ref(py), error));
                }
            }
            queue.retain(|waiter| {
                if late(waiter) {
                    let error = Error::timeout("not sent", config.operation_timeout).at(&config.name);
                    expired.push((waiter.future.clone_ref(py), error.during(waiter.request.name(0))));
                }
                !late(waiter)
            });
        }
        for (future, error) in expired {
            // Its slot in the FIFO stays: the reply, should it come, is dropped there.
            let _ = future.bind(py).call_method1(intern!(py, "set_exception"), (error.into_exception(py),));
        }
        if silent {
            this.state.suspect();
            Self::lose(slf, event_loop, &Error::timeout("no reply", config.socket_timeout));
        }
    }

    /// Takes the connection back from a loop that is closed.
    fn reclaim(&self) {
        let (phase, queue, made) = {
            let mut inner = self.inner.lock();
            let phase = std::mem::replace(&mut inner.phase, Phase::Vacant);
            (phase, std::mem::take(&mut inner.queue), inner.made.take())
        };
        drop(queue);
        let connection = match phase {
            Phase::Open(open) => open.into_connection(),
            _ => made.and_then(Result::ok),
        };
        if let Some(connection) = connection {
            self.state.give(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.reclaim();
    }
}

#[pymethods]
impl Lease {
    fn on_readable(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::read(slf, &imports::running_loop(slf.py())?.call0()?, false)
    }

    fn on_writable(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::write(slf, &imports::running_loop(slf.py())?.call0()?)
    }

    fn flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().inner.lock().flushing = false;
        Self::write(slf, &imports::running_loop(slf.py())?.call0()?)
    }

    fn on_connected(slf: &Bound<'_, Self>) -> PyResult<()> {
        let event_loop = imports::running_loop(slf.py())?.call0()?;
        let this = slf.get();
        let (made, wanted) = {
            let mut inner = this.inner.lock();
            (inner.made.take(), matches!(inner.phase, Phase::Connecting))
        };
        match made {
            None => Ok(()),
            Some(Ok(connection)) if wanted => Self::attach(slf, &event_loop, connection),
            Some(Ok(connection)) => {
                this.state.give(connection);
                Ok(())
            }
            Some(Err(error)) => {
                Self::lose(slf, &event_loop, &error.at(&this.node.config.name));
                Ok(())
            }
        }
    }

    fn on_alarm(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        let event_loop = imports::running_loop(slf.py())?.call0()?;
        this.inner.lock().alarm = None;
        // A loop that was held up by other code may find replies that came in time.
        Self::read(slf, &event_loop, true)?;
        Self::expire(slf, &event_loop);
        let Some(due) = this.due() else { return Ok(()) };
        {
            let mut inner = this.inner.lock();
            if inner.alarm.is_some_and(|alarm| alarm <= due + SLACK) {
                return Ok(());
            }
            inner.alarm = Some(due);
        }
        Self::call_at(slf, &event_loop, due)
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(inner) = self.inner.try_lock() else { return Ok(()) };
        let visit_waiter = |waiter: &Waiter| {
            visit.call(&waiter.future)?;
            waiter.values.iter().try_for_each(|value| visit.call(value))
        };
        inner.queue.iter().try_for_each(visit_waiter)?;
        match &inner.phase {
            Phase::Open(open) => open.link.waiters().try_for_each(visit_waiter),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.reclaim();
    }
}
