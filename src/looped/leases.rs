//! The leases on a node, by loop: found again, and swept when their loops are over.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::lease::Lease;
use crate::config::Config;
use crate::imports::intern;
use crate::node::{Connection, State};
use crate::sync::Mutex;

/// The leases on a node, by loop.
#[derive(Default)]
pub(crate) struct Leases(Mutex<Vec<Entry>>);

struct Entry {
    /// The loop's address; meaningful only while `event_loop` is alive.
    id: usize,
    event_loop: Py<PyWeakrefReference>,
    lease: Py<PyWeakrefReference>,
    /// One call has it to itself.
    apart: bool,
}

impl Leases {
    pub(super) fn find<'py>(&self, event_loop: &Bound<'py, PyAny>) -> Option<Bound<'py, Lease>> {
        let py = event_loop.py();
        let id = event_loop.as_ptr() as usize;
        let entries = self.0.lock();
        let entry = entries.iter().find(|entry| entry.id == id && !entry.apart)?;
        let alive = entry.event_loop.bind(py).upgrade()?;
        if !alive.is(event_loop) {
            return None;
        }
        // SAFETY: only leases are ever stored here.
        Some(unsafe { entry.lease.bind(py).upgrade()?.cast_into_unchecked() })
    }

    pub(super) fn add(&self, event_loop: &Bound<'_, PyAny>, lease: &Bound<'_, Lease>, apart: bool) -> PyResult<()> {
        let id = event_loop.as_ptr() as usize;
        let entry = Entry {
            id,
            event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
            lease: PyWeakrefReference::new(lease.as_any())?.unbind(),
            apart,
        };
        let mut entries = self.0.lock();
        // A loop that has gone has taken its lease along.
        entries.retain(|other| {
            (other.id != id || other.apart || apart) && other.lease.bind(event_loop.py()).upgrade().is_some()
        });
        entries.push(entry);
        Ok(())
    }
}

/// An idle connection, if need be one of a loop that is closed or gone.
pub(crate) fn take_idle(py: Python<'_>, config: &Config, state: &State) -> Option<Connection> {
    let now = Instant::now();
    state.take_idle(config.max_connections, now).or_else(|| {
        sweep(py, state);
        state.take_idle(config.max_connections, now)
    })
}

/// Takes back the connections of loops that are closed or gone.
fn sweep(py: Python<'_>, state: &State) {
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
