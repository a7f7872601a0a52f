//! Who is late: one timer for each lease.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::future;
use super::lease::{Inner, Lease, Phase};
use super::waiter::Waiter;
use crate::errors::Error;
use crate::imports::{self, intern};

/// Timers that fire this close to the moment are precise enough: loops round to their own clock.
const SLACK: Duration = Duration::from_millis(2);

impl Lease {
    /// The earliest moment at which somebody here may be late.
    pub(super) fn due(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        let now = Instant::now();
        // Those that are over have been told; their slots may remain.
        let ahead = |waiter: &Waiter| waiter.deadline.filter(|deadline| *deadline > now);
        let mut due: Option<Instant> = inner.queue.iter().filter_map(ahead).min();
        if let Phase::Open(open) = &inner.phase
            && open.link.in_flight() > 0
        {
            let silent = self.patience.and_then(|limit| open.progress.checked_add(limit));
            let deadline = open.link.waiters().filter_map(ahead).min();
            due = [due, silent, deadline, open.overdue(self.patience)].into_iter().flatten().min();
        }
        due
    }

    /// One timer for all: it is set when there is none, and looks who is late when it fires.
    pub(super) fn set_alarm(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        deadline: Option<Instant>,
    ) -> PyResult<()> {
        let this = slf.get();
        let silent = this.patience.and_then(|limit| Instant::now().checked_add(limit));
        match [deadline, silent].into_iter().flatten().min() {
            Some(due) => Self::alarm_at(slf, event_loop, due),
            None => Ok(()),
        }
    }

    /// Sets the timer, unless it fires before `due` anyway.
    pub(super) fn alarm_at(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>, due: Instant) -> PyResult<()> {
        let py = slf.py();
        {
            let mut inner = slf.get().inner.lock();
            if inner.alarm.is_some_and(|alarm| alarm <= due + SLACK) {
                return Ok(());
            }
            inner.alarm = Some(due);
        }
        let delay = due.saturating_duration_since(Instant::now()) + SLACK;
        let set = || {
            let keywords = PyDict::new(py);
            keywords.set_item(intern!(py, "context"), imports::new_context(py)?.call0()?)?;
            let callback = slf.getattr(intern!(py, "on_alarm"))?;
            event_loop
                .call_method(intern!(py, "call_later"), (delay.as_secs_f64(), callback), Some(&keywords))
                .map(drop)
        };
        // What a signal handler has raised must not leave a timer that nobody has set.
        set().inspect_err(|_| slf.get().inner.lock().alarm = None)
    }

    /// Fails the waiters whose deadline has passed. A connection that is silent for too long is given up.
    pub(super) fn expire(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) {
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
                silent = this.patience.is_some_and(|limit| now.saturating_duration_since(open.progress) >= limit)
                    || open.overdue(this.patience).is_some_and(|overdue| overdue <= now);
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
            future::settle(future.bind(py), Err(error.into()));
        }
        if silent {
            this.state.suspect();
            Self::lose(slf, event_loop, &Error::timeout("no reply", this.patience));
        }
    }
}
