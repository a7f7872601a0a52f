//! One loop's connection to one server: who may use it when, and what happens to it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::PyTraverseError;
use pyo3::exceptions::PyNotImplementedError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::crowd::Work;
use super::dispatch;
use super::leases::take_idle;
use super::open::Open;
use super::socket::unregister;
use super::waiter::Waiter;
use super::wakeup::is_interruptible;
use crate::control::attach;
use crate::errors::{Error, Kind, contained};
use crate::imports::{self, intern};
use crate::node::{Connection, FRESH, Node, State};
use crate::retry::Failure;
use crate::sync::Mutex;

/// Room for so many replies is made before they are read.
const ROOM: usize = 64;

pub(super) enum Phase {
    Vacant,
    Connecting,
    Open(Box<Open>),
    /// Replies are being taken from the link; new requests queue meanwhile.
    Busy,
}

pub(super) struct Inner {
    pub(super) phase: Phase,
    /// Requests that are not on the link yet.
    pub(super) queue: VecDeque<Waiter>,
    /// A flush is scheduled on the loop.
    pub(super) flushing: bool,
    /// When the timer fires.
    pub(super) alarm: Option<Instant>,
    /// What the control plane delivered.
    pub(super) made: Option<Result<Connection, Error>>,
}

/// One loop's connection to one server.
#[pyclass(frozen, weakref, module = "django_cachex._core")]
pub(crate) struct Lease {
    pub(super) node: Arc<Node>,
    pub(super) state: Arc<State>,
    /// How long the server may stay silent while it owes a reply.
    pub(super) patience: Option<Duration>,
    pub(super) inner: Mutex<Inner>,
}

/// What is left to do once the lock is released.
enum Next {
    Nothing,
    Write,
    Flush,
    Connect,
    Lost,
}

impl Lease {
    fn new(node: &Arc<Node>, patience: Option<Duration>) -> Self {
        let phase = Phase::Vacant;
        let inner = Inner { phase, queue: VecDeque::new(), flushing: false, alarm: None, made: None };
        Self { node: node.clone(), state: node.state(), patience, inner: Mutex::new(inner) }
    }

    /// The loop's connection to `node`, shared by all its tasks.
    pub(super) fn shared<'py>(event_loop: &Bound<'py, PyAny>, node: &Arc<Node>) -> PyResult<Bound<'py, Self>> {
        let state = node.state();
        if let Some(lease) = state.leases.find(event_loop) {
            return Ok(lease);
        }
        let lease = Bound::new(event_loop.py(), Self::new(node, node.config.socket_timeout))?;
        state.leases.add(event_loop, &lease, false)?;
        Ok(lease)
    }

    /// A connection for one request, which gives it back, or up, when its future is done.
    pub(super) fn apart<'py>(
        event_loop: &Bound<'py, PyAny>,
        node: &Arc<Node>,
        waiter: &Waiter,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let lease = Bound::new(py, Self::new(node, waiter.request.patience(&node.config)))?;
        node.state().leases.add(event_loop, &lease, true)?;
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), imports::new_context(py)?.call0()?)?;
        let done = lease.getattr(intern!(py, "on_apart_done"))?;
        waiter.future.bind(py).call_method(intern!(py, "add_done_callback"), (done,), Some(&keywords))?;
        Ok(lease)
    }

    /// Whether it holds a connection that is not still being made.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.inner.lock().phase, Phase::Open(_))
    }

    /// Puts a request on the link, or in the queue, and sees to it that it gets sent and timed.
    pub(super) fn accept(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, waiter: Waiter) -> PyResult<()> {
        let this = slf.get();
        let deadline = waiter.deadline;
        let check = if this.wants_check() { Some(Waiter::check(event_loop, waiter.topology.clone())?) } else { None };
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
                        let sharded = waiter.topology.is_sharded();
                        let work = Work::of(&waiter.request);
                        open.push(waiter);
                        let (unsent, in_flight) = (open.unsent, open.link.in_flight());
                        let ready = !open.writing && open.crowd.is_ready(unsent, in_flight, work, sharded);
                        match (ready, *flushing) {
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
            Next::Lost => {
                // The server closed it while it was idle: nothing of this was sent, and no attempt was made.
                let (_, queued) = Self::tear_down(slf, event_loop);
                queued.into_iter().try_for_each(|waiter| dispatch(event_loop, waiter))?;
            }
        }
        Self::set_alarm(slf, event_loop, deadline)
    }

    /// Whether the connection has been idle for so long that it must be checked first.
    fn wants_check(&self) -> bool {
        match &self.inner.lock().phase {
            Phase::Open(open) => open.link.is_clean() && self.is_long(open.progress.elapsed()),
            _ => false,
        }
    }

    /// Whether a connection that has been idle for this time must be checked.
    fn is_long(&self, idle: Duration) -> bool {
        let interval = self.node.config.health_check_interval;
        !interval.is_zero() && idle >= interval
    }

    fn schedule_flush(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let flush = slf.getattr(intern!(py, "flush"))?;
        event_loop.call_method1(intern!(py, "call_soon"), (flush,)).map(drop).inspect_err(|_| {
            // What a signal handler has raised: the next request schedules it.
            slf.get().inner.lock().flushing = false;
        })
    }

    fn connect(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if let Some(connection) = take_idle(py, &this.node.config, &this.state) {
            return Self::attach(slf, event_loop, connection);
        }
        let lease = slf.clone().unbind();
        let event_loop = event_loop.clone().unbind();
        this.node.connect(move |made| {
            // When the interpreter is going away, so is the loop. Both are let go of where it is held.
            attach(move |py| Self::deliver(lease.bind(py), event_loop.bind(py), made));
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
        let Connection { transport, link, used } = connection;
        let Some(link) = link.handover() else {
            Self::lose(slf, event_loop, &Error::closed());
            return Ok(());
        };
        let fd = transport.fd();
        let watch = match Self::register(slf, event_loop, "add_reader", fd, "on_readable") {
            Ok(()) => Ok(None),
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {
                Self::watch(slf, event_loop, &transport).map(Some)
            }
            Err(error) => Err(Error::foreign(error)),
        };
        let watch = match watch {
            Ok(watch) => watch,
            Err(error) => {
                Self::lose(slf, event_loop, &error);
                return Ok(());
            }
        };
        let mut open = Open::new(link, transport, watch);
        let topology = this.inner.lock().queue.front().map(|waiter| waiter.topology.clone());
        if let Some(topology) = topology.filter(|_| this.is_long(used.elapsed()))
            && let Ok(check) = Waiter::check(event_loop, topology)
        {
            open.push(check);
            open.checking = true;
        }
        this.inner.lock().phase = Phase::Open(Box::new(open));
        this.refill(py);
        Self::write(slf, event_loop)?;
        // The timer that was set while connecting knew nothing of replies.
        Self::set_alarm(slf, event_loop, None)
    }

    /// Moves queued requests to the link, as far as they may be in flight; true if any was moved. Those that nobody waits
    /// for any more are not sent.
    fn refill(&self, py: Python<'_>) -> bool {
        let mut moved = false;
        loop {
            let next: Vec<_> = {
                let mut inner = self.inner.lock();
                let Inner { phase, queue, .. } = &mut *inner;
                let Phase::Open(open) = phase else { return moved };
                open.checking &= open.link.in_flight() > 0;
                if open.checking {
                    return moved;
                }
                let room = self.node.config.max_in_flight.saturating_sub(open.link.in_flight());
                queue.drain(..room.min(queue.len())).collect()
            };
            if next.is_empty() {
                return moved;
            }
            let wanted = next.into_iter().filter(|waiter| !waiter.is_done(py)).collect::<Vec<_>>();
            let mut inner = self.inner.lock();
            let Inner { phase, queue, .. } = &mut *inner;
            let Phase::Open(open) = phase else {
                // A `done` of the application's own has given the connection up.
                wanted.into_iter().rev().for_each(|waiter| queue.push_front(waiter));
                return moved;
            };
            moved |= !wanted.is_empty();
            for waiter in wanted {
                open.push(waiter);
            }
        }
    }

    /// Takes what has arrived and completes the futures it belongs to.
    pub(super) fn read(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, drain: bool) -> PyResult<()> {
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
        let mut done = Vec::with_capacity(open.link.in_flight().min(ROOM));
        let drain = drain || open.watch.is_some();
        let read = catch_unwind(AssertUnwindSafe(|| open.read(py, &this.node, drain, &mut done)))
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal failure while reading a reply")));
        this.inner.lock().phase = Phase::Open(open);
        let refilled = this.refill(py);
        let interruptible = is_interruptible(event_loop);
        for done in done {
            done.tell(event_loop, &this.node, interruptible);
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
    pub(super) fn lose(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, error: &Error) {
        let node = &slf.get().node;
        if error.is_lost_connection() {
            slf.get().state.distrust();
        }
        let (waiting, queued) = Self::tear_down(slf, event_loop);
        for (waiter, sent) in waiting {
            waiter.fail(event_loop, node, Failure { error: error.clone(), sent, connecting: false, silent: false });
        }
        for waiter in queued {
            waiter.fail(event_loop, node, Failure::unsent(error.clone()));
        }
    }

    /// Closes the connection. Returns who was owed a reply, and whether the request may have reached the server; and who
    /// was not on the link yet.
    fn tear_down(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> (Vec<(Waiter, bool)>, VecDeque<Waiter>) {
        let (phase, queued) = {
            let this = slf.get();
            let mut inner = this.inner.lock();
            (std::mem::replace(&mut inner.phase, Phase::Vacant), std::mem::take(&mut inner.queue))
        };
        let mut waiting = Vec::new();
        if let Phase::Open(mut open) = phase {
            // Before the descriptor is closed, or its number may be somebody else's by then.
            unregister(event_loop, &open);
            let written = open.link.output.total();
            waiting.extend(open.link.abandon().map(|waiter| {
                let sent = written > waiter.offset;
                (waiter, sent)
            }));
        }
        (waiting, queued)
    }

    /// Takes the connection back from a loop that is closed.
    pub(super) fn reclaim(&self) {
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
        contained(|| Self::read(slf, &imports::running_loop(slf.py())?.call0()?, false))
    }

    fn on_writable(slf: &Bound<'_, Self>) -> PyResult<()> {
        contained(|| Self::write(slf, &imports::running_loop(slf.py())?.call0()?))
    }

    fn flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().inner.lock().flushing = false;
        contained(|| Self::write(slf, &imports::running_loop(slf.py())?.call0()?))
    }

    /// The request of a lease apart is over: the connection is somebody else's now, or, if its reply is still owed, closed,
    /// so that the server waits no longer.
    #[pyo3(signature = (_future, /))]
    fn on_apart_done(slf: &Bound<'_, Self>, _future: &Bound<'_, PyAny>) -> PyResult<()> {
        contained(|| {
            let event_loop = imports::running_loop(slf.py())?.call0()?;
            let this = slf.get();
            let open = {
                let mut inner = this.inner.lock();
                match std::mem::replace(&mut inner.phase, Phase::Vacant) {
                    Phase::Open(open) if open.link.is_clean() => Some(open),
                    other => {
                        inner.phase = other;
                        None
                    }
                }
            };
            if let Some(open) = open {
                unregister(&event_loop, &open);
                if let Some(connection) = open.into_connection() {
                    this.state.give_spare(connection, this.node.config.max_connections);
                }
            } else {
                drop(Self::tear_down(slf, &event_loop));
            }
            Ok(())
        })
    }

    fn on_connected(slf: &Bound<'_, Self>) -> PyResult<()> {
        contained(|| {
            let event_loop = imports::running_loop(slf.py())?.call0()?;
            let this = slf.get();
            let (made, wanted) = {
                let mut inner = this.inner.lock();
                (inner.made.take(), matches!(inner.phase, Phase::Connecting))
            };
            match made {
                None => {}
                Some(Ok(connection)) if wanted => Self::attach(slf, &event_loop, connection)?,
                Some(Ok(connection)) => this.state.give(connection),
                Some(Err(error)) => Self::lose(slf, &event_loop, &error.at(&this.node.config.name)),
            }
            Ok(())
        })
    }

    fn on_alarm(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        let event_loop = imports::running_loop(slf.py())?.call0()?;
        this.inner.lock().alarm = None;
        // A loop that was held up by other code may find replies that came in time.
        let read = contained(|| Self::read(slf, &event_loop, true));
        contained(|| {
            Self::expire(slf, &event_loop);
            this.due().map_or(Ok(()), |due| Self::alarm_at(slf, &event_loop, due))
        })?;
        read
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(inner) = self.inner.try_lock() else { return Ok(()) };
        inner.queue.iter().try_for_each(|waiter| waiter.visit(&visit))?;
        match &inner.phase {
            Phase::Open(open) => open.link.waiters().try_for_each(|waiter| waiter.visit(&visit)),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.reclaim();
    }
}
