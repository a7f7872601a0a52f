//! The connections to one server: idle ones, limits, and how to behave while it cannot be reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use pyo3::prelude::*;

use crate::config::Config;
use crate::control;
use crate::errors::{Error, Kind, Result};
use crate::looped::{self, Leases};
use crate::registry;
use crate::sync::{Condvar, Mutex, MutexGuard, PerProcess};
use crate::transport::Transport;
use crate::wire::Link;

/// A connection that was used this recently is taken to be alive; otherwise a look costs one system call.
pub(crate) const FRESH: Duration = Duration::from_millis(1);
/// How long a sync caller waits before it looks for signals. Wake-ups do not depend on it.
const SLICE: Duration = Duration::from_millis(50);

/// A connection that owes nothing.
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) link: Link<()>,
    pub(crate) used: Instant,
}

impl Connection {
    fn is_usable(&self, now: Instant) -> bool {
        let recent = now.saturating_duration_since(self.used) < FRESH;
        self.transport.is_ours() && (recent || !self.transport.is_stale())
    }

    /// Nothing is owed, nothing is left to write: somebody else may use it.
    pub(crate) fn is_clean(&self) -> bool {
        self.link.is_clean() && !self.transport.is_writing()
    }
}

#[derive(Default)]
struct Stock {
    /// Last in, first out: connections that are not needed grow old at the bottom.
    idle: Vec<Connection>,
    /// Connections that sync callers hold.
    borrowed: usize,
    /// Sync callers that wait for one of these. To tell nobody is a system call too.
    waiting: usize,
}

/// What the last attempts to connect have shown.
#[derive(Default)]
struct Health {
    failures: u32,
    /// Until then callers fail with `last` instead of trying.
    not_before: Option<Instant>,
    last: Option<Error>,
    /// When a connection was last lost, refused or silent.
    troubled: Option<Instant>,
}

/// How long a server is spared after trouble, where another can serve.
const SPARE: Duration = Duration::from_secs(1);

/// A node's state; a forked child replaces it as a whole.
#[derive(Default)]
pub(crate) struct State {
    stock: Mutex<Stock>,
    freed: Condvar,
    /// Connections that come back from loops. Their destructors run at any time, so this takes no lock.
    returned: SegQueue<Connection>,
    health: Mutex<Health>,
    /// While the server is suspect, one connect at a time.
    probe: tokio::sync::Mutex<()>,
    pub(crate) leases: Leases,
}

impl State {
    /// Gives a loop's connection back.
    pub(crate) fn give(&self, connection: Connection) {
        self.returned.push(connection);
    }

    /// Gives back a connection that did not count against `limit`; it is closed if there are that many without it.
    pub(crate) fn give_spare(&self, connection: Connection, limit: Option<usize>) {
        let surplus = {
            let mut stock = self.stock.lock();
            if limit.is_some_and(|limit| stock.idle.len() + stock.borrowed >= limit) {
                Some(connection)
            } else {
                stock.idle.push(connection);
                None
            }
        };
        drop(surplus);
    }

    /// The stock, with what has come back in it.
    fn stock(&self) -> MutexGuard<'_, Stock> {
        let mut stock = self.stock.lock();
        while let Some(connection) = self.returned.pop() {
            stock.idle.push(connection);
        }
        stock
    }

    /// An idle connection, the most recently used one first. What loops have left behind beyond `limit` is closed.
    pub(crate) fn take_idle(&self, limit: Option<usize>, now: Instant) -> Option<Connection> {
        loop {
            let (taken, surplus) = {
                let mut stock = self.stock();
                let taken = stock.idle.pop();
                let kept = limit.unwrap_or(usize::MAX).saturating_sub(stock.borrowed);
                let surplus = stock.idle.len().saturating_sub(kept);
                (taken, stock.idle.drain(..surplus).collect::<Vec<_>>())
            };
            drop(surplus);
            let taken = taken?;
            if taken.is_usable(now) {
                return Some(taken);
            }
        }
    }

    /// An idle connection for a sync caller, if there is one and the limit allows it.
    fn take_to_borrow(&self, limit: usize, now: Instant) -> Option<Connection> {
        if self.returned.is_empty() {
            let mut stock = self.stock.lock();
            if stock.borrowed >= limit {
                return None;
            }
            let taken = stock.idle.pop()?;
            stock.borrowed += 1;
            drop(stock);
            if taken.is_usable(now) {
                return Some(taken);
            }
            let is_wanted = {
                let mut stock = self.stock.lock();
                stock.borrowed -= 1;
                stock.waiting > 0
            };
            if is_wanted {
                self.freed.notify_one();
            }
        }
        None
    }

    /// A reply did not come in time. The server may be frozen, or the way to it cut: reconnects are probed one at a time,
    /// and the idle connections, on which the next callers would wait in vain too, are given up.
    pub(crate) fn suspect(&self) {
        {
            let mut health = self.health.lock();
            health.failures = health.failures.max(1);
            health.troubled = Some(Instant::now());
        }
        drop(self.take_all_idle());
    }

    /// A connection was lost. If the server closed one, it may have closed all: each idle one, however recently used, is
    /// looked at before it is used again.
    pub(crate) fn distrust(&self) {
        self.health.lock().troubled = Some(Instant::now());
        for connection in &mut self.stock().idle {
            connection.used = connection.used.checked_sub(FRESH).unwrap_or(connection.used);
        }
    }

    fn take_all_idle(&self) -> Vec<Connection> {
        std::mem::take(&mut self.stock().idle)
    }

    /// Closes the idle connections that the server has closed. Those at the bottom may not be taken for a long time, and
    /// those to a server that has left never.
    fn close_dead(&self) {
        let now = Instant::now();
        let mut dead = Vec::new();
        let mut stock = self.stock();
        for connection in std::mem::take(&mut stock.idle) {
            if connection.is_usable(now) { &mut stock.idle } else { &mut dead }.push(connection);
        }
        drop(stock);
        drop(dead);
    }

    /// Fails while it is too early to try again.
    fn may_connect(&self) -> Result<()> {
        let health = self.health.lock();
        match (&health.not_before, &health.last) {
            (Some(not_before), Some(last)) if Instant::now() < *not_before => Err(last.clone()),
            _ => Ok(()),
        }
    }

    fn is_suspect(&self) -> bool {
        self.health.lock().failures > 0
    }

    fn connected(&self) {
        *self.health.lock() = Health::default();
    }

    fn refused(&self, config: &Config, error: &Error) {
        // Wrong credentials say nothing against the server.
        if !error.is_lost_connection() && !error.is_timeout() {
            return;
        }
        let mut health = self.health.lock();
        health.failures += 1;
        health.troubled = Some(Instant::now());
        // The first attempt after a failure is free.
        let wait = health.failures.checked_sub(2).map(|nth| config.reconnect_backoff.delay(nth));
        health.not_before = wait.map(|wait| Instant::now() + wait);
        health.last = Some(error.clone());
    }
}

pub(crate) struct Node {
    pub(crate) config: Arc<Config>,
    state: PerProcess<Arc<State>>,
}

impl Node {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, state: PerProcess::default() }
    }

    /// A number that tells it from others, the same in every process (FNV-1a).
    pub(crate) fn mark(&self) -> u32 {
        self.config.name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.state.with(Arc::clone)
    }

    /// Whether it is better spared for a while.
    pub(crate) fn is_out_of_order(&self) -> bool {
        let state = self.state();
        let health = state.health.lock();
        health.troubled.is_some_and(|troubled| troubled.elapsed() < SPARE)
            || health.not_before.is_some_and(|not_before| Instant::now() < not_before)
    }

    /// Closes idle connections that are of no use any more.
    pub(crate) fn close_dead(&self) {
        self.state().close_dead();
    }

    /// Closes idle connections.
    pub(crate) fn disconnect(&self) {
        drop(self.state().take_all_idle());
    }

    /// Makes a connection on the control plane; `done` is called there, once.
    pub(crate) fn connect(self: &Arc<Self>, done: impl FnOnce(Result<Connection>) + Send + 'static) {
        let state = self.state();
        if let Err(error) = state.may_connect() {
            return done(Err(error));
        }
        let config = self.config.clone();
        control::spawn(
            async move {
                let turn = if state.is_suspect() { Some(state.probe.lock().await) } else { None };
                // Once one has succeeded nobody waits for the others.
                let turn = turn.filter(|_| state.is_suspect());
                state.may_connect()?;
                let mut connecting = std::pin::pin!(control::connect(&config));
                // The application's hooks have no time limit: others need not wait for one that hangs.
                let limit = config.connect_timeout.unwrap_or(Duration::MAX);
                let made = if let Ok(made) = tokio::time::timeout(limit, &mut connecting).await {
                    made
                } else {
                    drop(turn);
                    connecting.await
                };
                match &made {
                    Ok(_) => {
                        state.connected();
                        registry::close_dead();
                    }
                    Err(error) => state.refused(&config, error),
                }
                made
            },
            done,
        );
    }

    /// Borrows a connection for a sync call.
    pub(crate) fn borrow(
        self: &Arc<Self>,
        py: Python<'_>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Borrowed> {
        let state = self.state();
        let limit = self.config.max_connections.unwrap_or(usize::MAX);
        if let Some(connection) = state.take_to_borrow(limit, now) {
            return Ok(Borrowed::new(state, Some(connection), false));
        }
        let give_up = if self.config.pool_blocking {
            let own = self.config.pool_timeout.map(|limit| Instant::now() + limit);
            [own, deadline].into_iter().flatten().min()
        } else {
            Some(Instant::now())
        };
        let mut borrowed = loop {
            let free = {
                let mut stock = state.stock.lock();
                let free = stock.borrowed < limit;
                stock.borrowed += usize::from(free);
                free
            };
            if free {
                break Borrowed::new(state.clone(), None, true);
            }
            if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
                let text = format!("all {limit} connections are in use");
                return Err(Error::new(Kind::MaxConnections, text).at(&self.config.name));
            }
            wait(py, |slice| {
                let mut stock = state.stock.lock();
                if stock.borrowed >= limit {
                    stock.waiting += 1;
                    state.freed.wait_until(stock, give_up.map_or(slice, |give_up| slice.min(give_up)));
                    state.stock.lock().waiting -= 1;
                }
            })?;
        };
        borrowed.connection = Some(self.obtain(py, &state, deadline)?);
        Ok(borrowed)
    }

    /// A connection for a call that may wait for a long time. It does not count against `max_connections`.
    pub(crate) fn borrow_apart(self: &Arc<Self>, py: Python<'_>, deadline: Option<Instant>) -> Result<Borrowed> {
        let state = self.state();
        let connection = self.obtain(py, &state, deadline)?;
        let mut borrowed = Borrowed::new(state, Some(connection), true);
        (borrowed.apart, borrowed.limit) = (true, self.config.max_connections);
        Ok(borrowed)
    }

    fn obtain(self: &Arc<Self>, py: Python<'_>, state: &State, deadline: Option<Instant>) -> Result<Connection> {
        match looped::take_idle(py, &self.config, state) {
            Some(connection) => Ok(connection),
            None => self.connect_and_wait(py, deadline),
        }
    }

    fn connect_and_wait(self: &Arc<Self>, py: Python<'_>, deadline: Option<Instant>) -> Result<Connection> {
        let state = self.state();
        // A connection that comes too late for this caller is the next one's.
        let late = move |made: Result<Connection>| made.into_iter().for_each(|connection| state.give(connection));
        let made = wait_for(py, deadline, |done| self.connect(done), late)?;
        made.unwrap_or_else(|| Err(Error::timeout("no connection", self.config.operation_timeout)))
            .map_err(|error| error.at(&self.config.name))
    }
}

/// What somebody waits for, from the control plane.
enum Delivery<T> {
    Awaited,
    Filled(T),
    /// Nobody waits any more.
    Abandoned,
}

/// Waits for what the control plane delivers to the callback that `start` gets; `None` if that is not in time. What comes
/// after that goes to `late`, there.
pub(crate) fn wait_for<T: Send + 'static>(
    py: Python<'_>,
    deadline: Option<Instant>,
    start: impl FnOnce(Box<dyn FnOnce(T) + Send>),
    late: impl FnOnce(T) + Send + 'static,
) -> Result<Option<T>> {
    if control::is_here() {
        // Python's garbage collector runs in any thread, and with it the application's destructors.
        return Err(Error::new(Kind::Connection, "no connection can be waited for in the thread that makes them"));
    }
    let delivery = Arc::new((Mutex::new(Delivery::Awaited), Condvar::default()));
    let filler = delivery.clone();
    start(Box::new(move |made| {
        let mut delivery = filler.0.lock();
        if matches!(*delivery, Delivery::Abandoned) {
            drop(delivery);
            return late(made);
        }
        *delivery = Delivery::Filled(made);
        filler.1.notify_one();
    }));
    let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let mut waited = Ok(());
    while waited.is_ok() && matches!(*delivery.0.lock(), Delivery::Awaited) && !is_over() {
        waited = wait(py, |slice| {
            let current = delivery.0.lock();
            if matches!(*current, Delivery::Awaited) {
                delivery.1.wait_until(current, deadline.map_or(slice, |deadline| slice.min(deadline)));
            }
        });
    }
    let last = std::mem::replace(&mut *delivery.0.lock(), Delivery::Abandoned);
    waited.map(|()| if let Delivery::Filled(made) = last { Some(made) } else { None })
}

/// Waits without the interpreter, for at most a slice, then lets signal handlers run.
fn wait(py: Python<'_>, pause: impl FnOnce(Instant) + Send) -> Result<()> {
    py.detach(|| pause(Instant::now() + SLICE));
    py.check_signals().map_err(Error::foreign)
}

/// Sleeps without the interpreter, reacting to signals.
pub(crate) fn sleep(py: Python<'_>, duration: Duration) -> Result<()> {
    let until = Instant::now() + duration;
    while Instant::now() < until {
        wait(py, |slice| std::thread::sleep(slice.min(until).saturating_duration_since(Instant::now())))?;
    }
    Ok(())
}

/// A sync caller's claim on a connection. Dropped without [`Borrowed::give_back`], the connection is closed.
pub(crate) struct Borrowed {
    state: Arc<State>,
    connection: Option<Connection>,
    reusable: bool,
    /// It took time to get.
    pub(crate) waited: bool,
    /// It does not count as borrowed.
    apart: bool,
    /// How many connections there may be that do.
    limit: Option<usize>,
}

impl Borrowed {
    fn new(state: Arc<State>, connection: Option<Connection>, waited: bool) -> Self {
        Self { state, connection, reusable: false, waited, apart: false, limit: None }
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| Error::new(Kind::Internal, "connection is gone"))
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn give_back(mut self) {
        if let Some(connection) = &mut self.connection {
            connection.used = Instant::now();
            connection.link.settle();
        }
        self.reusable = true;
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let connection = self.connection.take();
        if self.apart {
            if let Some(connection) = connection.filter(|_| self.reusable) {
                self.state.give_spare(connection, self.limit);
            }
            return;
        }
        let (closing, is_wanted) = {
            let mut stock = self.state.stock.lock();
            stock.borrowed -= 1;
            let closing = match connection {
                Some(connection) if self.reusable => {
                    stock.idle.push(connection);
                    None
                }
                other => other,
            };
            (closing, stock.waiting > 0)
        };
        if is_wanted {
            self.state.freed.notify_one();
        }
        // Closing is a system call, and nobody needs to wait for it.
        drop(closing);
    }
}
