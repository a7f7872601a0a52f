//! Drives a link on a running event loop: one connection per loop and server, shared by all its tasks.
//!
//! A lease is owned by its loop alone, through the callbacks that are registered there. The node knows it by weak
//! reference only, so a loop that is dropped takes its lease along, and the lease's destructor gives the connection back.

mod alarm;
mod crowd;
mod found;
mod future;
mod gather;
mod lease;
mod leases;
mod open;
mod socket;
mod waiter;
mod wakeup;

use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;

use crate::errors::{Error, Kind};
use crate::imports::{self, intern};
use crate::node::Node;
use crate::request::Request;
use crate::topology::{Detour, Topology};

pub(crate) use found::once_found;
pub(crate) use gather::submit_batch;
pub(crate) use leases::{Leases, take_idle};

use found::{Chained, Found, when_found};
use gather::Gather;
use lease::Lease;
use waiter::{Resend, Waiter};
use wakeup::Wakeup;

/// Makes the classes that are not in the module: at their first use a fork might come between.
pub(crate) fn prepare(py: Python<'_>) {
    let _ = (py.get_type::<Chained>(), py.get_type::<Found>(), py.get_type::<Gather>());
    let _ = (py.get_type::<Lease>(), py.get_type::<Resend>(), py.get_type::<Wakeup>());
}

/// Gives up the running loop's connection to `node`.
pub(crate) fn release(py: Python<'_>, node: &Arc<Node>) -> PyResult<()> {
    let event_loop = imports::running_loop(py)?.call0()?;
    if let Some(lease) = node.state().leases.find(&event_loop)
        // One that is still being made is nobody's yet.
        && lease.get().is_open()
    {
        let error = Error::new(Kind::Connection, "connection given up by disconnect()");
        Lease::lose(&lease, &event_loop, &error);
    }
    Ok(())
}

/// Sends `request` on the running loop; the returned future gets its reply, or what `reading` makes of it, or an
/// [`Unread`](crate::reading::Unread) if that is for the task to do.
pub(crate) fn submit(
    py: Python<'_>,
    topology: &Arc<dyn Topology>,
    request: Request,
    reading: Option<Py<PyAny>>,
    deadline: Option<Instant>,
) -> PyResult<Py<PyAny>> {
    let event_loop = imports::running_loop(py)?.call0()?;
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    let waiter = Waiter::new(future.clone().unbind(), request, reading, topology.clone(), deadline);
    dispatch(&event_loop, waiter)?;
    Ok(future.unbind())
}

/// Routes a request to the loop's lease on the right node.
fn dispatch(event_loop: &Bound<'_, PyAny>, mut waiter: Waiter) -> PyResult<()> {
    if let Some(plain) = waiter.plain.take() {
        waiter.request = plain;
    }
    // It stays: the connection there may turn out to be closed.
    let node = match &waiter.detour {
        Some(Detour { node, asking }) => {
            let (node, asking) = (node.clone(), *asking);
            if asking {
                let asked = Arc::new(waiter.request.asked());
                waiter.plain = Some(std::mem::replace(&mut waiter.request, asked));
            }
            node
        }
        None => match waiter.topology.route(&waiter.request.place, waiter.request.write) {
            Some(node) => node,
            None => return find_first(event_loop, waiter),
        },
    };
    let lease = if waiter.request.waits() {
        Lease::apart(event_loop, &node, &waiter)?
    } else {
        Lease::shared(event_loop, &node)?
    };
    Lease::accept(&lease, event_loop, waiter)
}

/// Has the topology find its servers, then sends the request.
fn find_first(event_loop: &Bound<'_, PyAny>, waiter: Waiter) -> PyResult<()> {
    let py = event_loop.py();
    let (topology, deadline) = (waiter.topology.clone(), waiter.deadline);
    let (command, future) = (waiter.request.name(0).clone(), waiter.future.clone_ref(py));
    let resend = Bound::new(py, Resend::of(waiter))?.into_any().unbind();
    when_found(event_loop, &topology, future, resend, command, deadline)
}
