//! Drives a link on the calling thread: write, read, done. The interpreter is free meanwhile.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::config::Config;
use crate::errors::Error;
use crate::node::{Borrowed, Connection, Node, State};
use crate::reply::{self, Answers, Landing, Origin, Reply};
use crate::request::Request;
use crate::retry::Failure;
use crate::transport::{Transport, Wait};
use crate::wire::{Link, Received};

/// Why the driver came back from the wire.
enum Step {
    /// A reply is complete.
    Reply,
    /// A large bulk string begins.
    Large(usize),
    /// A signal arrived.
    Interrupted,
}

/// Sends `request` to `node` and waits for its reply.
pub(crate) fn attempt(
    py: Python<'_>,
    node: &Arc<Node>,
    request: &Request,
    deadline: Option<Instant>,
    now: Instant,
) -> Result<Py<PyAny>, Failure> {
    let mut borrowed = borrow(py, node, request, deadline, now)?;
    let started = if borrowed.waited { Instant::now() } else { now };
    let connection = borrowed.connection().map_err(Failure::unsent)?;
    let deadline = if request.waits() { None } else { deadline };
    let outcome = exchange(py, &node.config, connection, request, deadline, started);
    settle(borrowed, &outcome);
    outcome
}

/// A request that has been sent, as far as the socket took it.
pub(crate) struct Flight {
    borrowed: Borrowed,
    before: u64,
}

/// Sends `request` to `node`; [`land`] waits for the reply.
pub(crate) fn launch(
    py: Python<'_>,
    node: &Arc<Node>,
    request: &Request,
    deadline: Option<Instant>,
) -> Result<Flight, Failure> {
    let mut borrowed = borrow(py, node, request, deadline, Instant::now())?;
    let Connection { transport, link, .. } = borrowed.connection().map_err(Failure::unsent)?;
    let before = link.output.total();
    link.push(&request.payload, request.replies, ());
    // What goes wrong here goes wrong again for who waits.
    let _ = transport.send(&mut link.output);
    Ok(Flight { borrowed, before })
}

/// Waits for the reply to what was launched.
pub(crate) fn land(
    py: Python<'_>,
    node: &Arc<Node>,
    request: &Request,
    flight: Flight,
    deadline: Option<Instant>,
) -> Result<Py<PyAny>, Failure> {
    let Flight { mut borrowed, before } = flight;
    let connection = borrowed.connection().map_err(Failure::unsent)?;
    let outcome = await_reply(py, &node.config, connection, request, before, deadline, Instant::now());
    settle(borrowed, &outcome);
    outcome
}

fn borrow(
    py: Python<'_>,
    node: &Arc<Node>,
    request: &Request,
    deadline: Option<Instant>,
    now: Instant,
) -> Result<Borrowed, Failure> {
    let config = &node.config;
    loop {
        let borrowed = if request.waits() { node.borrow_apart(py, deadline) } else { node.borrow(py, deadline, now) };
        let mut borrowed = borrowed.map_err(Failure::unsent)?;
        let connection = borrowed.connection().map_err(Failure::unsent)?;
        let interval = config.health_check_interval;
        if interval.is_zero() || connection.used.elapsed() < interval {
            return Ok(borrowed);
        }
        match exchange(py, config, connection, &Request::ping(), deadline, Instant::now()) {
            // What a signal handler has raised.
            Err(failure) if failure.error.is_foreign() => return Err(failure),
            // A refusal is an answer too.
            _ if connection.is_clean() => return Ok(borrowed),
            Err(failure) => take_note(borrowed.state(), &failure),
            Ok(_) => {}
        }
    }
}

/// Takes note of how the connection fared, and gives it back if it is fit for use.
fn settle(mut borrowed: Borrowed, outcome: &Result<Py<PyAny>, Failure>) {
    if let Err(failure) = outcome {
        take_note(borrowed.state(), failure);
    }
    if borrowed.connection().is_ok_and(|connection| connection.is_clean()) {
        borrowed.give_back();
    }
}

/// What a failure says of the server's other connections.
fn take_note(state: &State, failure: &Failure) {
    if failure.silent {
        state.suspect();
    }
    if failure.error.is_lost_connection() {
        state.distrust();
    }
}

/// One request on one connection. Afterwards the link is clean exactly if the connection may be used again.
pub(crate) fn exchange(
    py: Python<'_>,
    config: &Config,
    connection: &mut Connection,
    request: &Request,
    deadline: Option<Instant>,
    started: Instant,
) -> Result<Py<PyAny>, Failure> {
    let before = connection.link.output.total();
    connection.link.push(&request.payload, request.replies, ());
    await_reply(py, config, connection, request, before, deadline, started)
}

/// Waits for the reply to a request that is on the link; `before`: how many bytes were written without it.
fn await_reply(
    py: Python<'_>,
    config: &Config,
    connection: &mut Connection,
    request: &Request,
    before: u64,
    deadline: Option<Instant>,
    started: Instant,
) -> Result<Py<PyAny>, Failure> {
    let Connection { transport, link, .. } = connection;
    let patience = request.patience(config);
    let mut answers = Answers::new(config, request);
    let mut driver = Driver { transport, link, landing: None, limit: Limit::new(patience, deadline, started) };
    loop {
        let step = py.detach(|| driver.advance());
        let sent = driver.link.output.total() > before;
        let step = step.map_err(|error| {
            let silent = error.is_timeout() && driver.limit.is_reply;
            let error = if error.is_timeout() {
                let limit = if silent { patience } else { config.operation_timeout };
                Error::timeout("no reply", limit)
            } else {
                error
            };
            Failure { error: answers.origin().mark(error), sent, connecting: false, silent }
        })?;
        match step {
            Step::Interrupted => py.check_signals().map_err(|error| Failure::sent(Error::foreign(error)))?,
            Step::Large(len) => driver.land(py, len).map_err(|error| Failure::sent(Error::foreign(error)))?,
            Step::Reply => {
                while let Some(reply) = driver.reply(py, answers.origin())? {
                    if let Some(outcome) = answers.add(py, reply) {
                        return outcome.map_err(Failure::sent);
                    }
                }
                driver.limit = Limit::new(patience, deadline, Instant::now());
            }
        }
    }
}

/// How long the server may say nothing, and how long there is in all.
struct Limit {
    patience: Option<Duration>,
    deadline: Option<Instant>,
    due: Option<Instant>,
    /// It is the limit on one reply, not what is left of the limit on the whole operation.
    is_reply: bool,
    /// What is left, as long as no time has been spent waiting.
    whole: Option<Duration>,
    spent: bool,
}

impl Limit {
    fn new(patience: Option<Duration>, deadline: Option<Instant>, now: Instant) -> Self {
        let reply = patience.and_then(|limit| now.checked_add(limit));
        let due = [reply, deadline].into_iter().flatten().min();
        let whole = due.map(|due| due.saturating_duration_since(now));
        Self { patience, deadline, due, is_reply: due == reply, whole, spent: false }
    }

    /// Begins anew, as bytes have moved.
    fn renew(&mut self) {
        *self = Self::new(self.patience, self.deadline, Instant::now());
    }

    /// Fails with `TimedOut` when nothing is left.
    fn left(&mut self) -> io::Result<Option<Duration>> {
        if !std::mem::replace(&mut self.spent, true) {
            return Ok(self.whole);
        }
        let Some(due) = self.due else { return Ok(None) };
        match due.checked_duration_since(Instant::now()) {
            Some(left) => Ok(Some(left)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// A link, its socket, and the time limit of the next reply.
struct Driver<'a> {
    transport: &'a mut Transport,
    link: &'a mut Link<()>,
    landing: Option<Landing>,
    limit: Limit,
}

impl Driver<'_> {
    /// Works on the wire until Python is needed.
    fn advance(&mut self) -> Result<Step, Error> {
        let mut moving = false;
        loop {
            if self.link.has_reply().map_err(Error::protocol)? {
                return Ok(Step::Reply);
            }
            if self.landing.is_none()
                && let Some(len) = self.link.large()
            {
                return Ok(Step::Large(len));
            }
            let sent = self.link.output.is_empty() && !self.transport.is_writing();
            if std::mem::replace(&mut moving, true) && self.limit.spent {
                self.limit.renew();
            }
            let moved = if sent { self.receive(Wait::Yes) } else { self.send() };
            match moved {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Step::Interrupted),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    // Unless the link says that it had no room.
                    self.link.has_reply().map_err(Error::protocol)?;
                    return Err(Error::closed());
                }
                Err(error) => return Err(Error::io("connection lost", &error)),
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.transport.send(&mut self.link.output)? {
            return Ok(());
        }
        // The server may be unable to read on because nobody takes its replies.
        if !self.transport.poll(true, self.limit.left()?)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.receive(Wait::No) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            done => done,
        }
    }

    fn receive(&mut self, wait: Wait) -> io::Result<()> {
        if wait == Wait::Yes {
            let left = self.limit.left()?;
            self.transport.set_receive_timeout(left)?;
        }
        let n = if let Some(landing) = self.landing.as_mut().filter(|landing| !landing.is_full()) {
            let n = self.transport.receive(landing.unfilled(), wait)?;
            landing.filled(n);
            if landing.is_full() {
                self.link.end_large();
            }
            n
        } else {
            let n = self.transport.receive_into(self.link.spare(), wait)?;
            self.link.filled(n);
            n
        };
        if n == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn land(&mut self, py: Python<'_>, len: usize) -> PyResult<()> {
        let mut landing = Landing::new(py, len)?;
        landing.copy(self.link.begin_large());
        if landing.is_full() {
            self.link.end_large();
        }
        self.landing = Some(landing);
        Ok(())
    }

    fn reply(&mut self, py: Python<'_>, origin: Origin<'_>) -> Result<Option<Reply>, Failure> {
        let received = self.link.receive().map_err(|error| Failure::sent(origin.mark(Error::protocol(error))))?;
        Ok(match received {
            None => None,
            Some(Received::Part((), frame) | Received::Last((), frame)) => {
                Some(reply::convert(py, frame, origin, None))
            }
            Some(Received::PartLarge(()) | Received::LastLarge(())) => {
                self.landing.take().map(|landing| Reply::Value(landing.into_bytes()))
            }
        })
    }
}
