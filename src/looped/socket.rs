//! A connection's socket and the loop: who is called when it can be read or written.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::lease::{Lease, Phase};
use super::open::Open;
use crate::control::{self, Watch};
use crate::errors::Error;
use crate::imports::{self, intern};
use crate::transport::Transport;

impl Lease {
    /// Has the control plane watch the socket for a loop that cannot.
    pub(super) fn watch(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
        transport: &Transport,
    ) -> Result<Watch, Error> {
        let lease = slf.clone().unbind();
        // Nothing but the loop's owner may keep it alive.
        let event_loop = PyWeakrefReference::new(event_loop).map_err(Error::foreign)?.unbind();
        let tell = move || {
            let told = control::attach(|py| {
                let event_loop = event_loop.bind(py).upgrade()?;
                let callback = lease.bind(py).getattr(intern!(py, "on_readable")).ok()?;
                event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (callback,)).map(drop).ok()
            });
            told.flatten().is_some()
        };
        control::watch(transport, tell).map_err(|error| Error::io("watching the connection failed", &error))
    }

    /// Registers a callback in an empty context: else the first request's context would live, and be seen, for ever.
    pub(super) fn register(
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

    /// Writes what is buffered; what the socket does not take is written when it is ready again.
    pub(super) fn write(slf: &Bound<'_, Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let (fd, writing, watched) = {
            let mut inner = this.inner.lock();
            let Phase::Open(open) = &mut inner.phase else { return Ok(()) };
            open.unsent = 0;
            let before = open.link.output.total();
            match open.transport.send(&mut open.link.output) {
                Ok(complete) => {
                    let was_writing = std::mem::replace(&mut open.writing, !complete);
                    if was_writing && open.link.output.total() > before {
                        // The server takes what it is sent: a sign of life.
                        open.progress = Instant::now();
                    }
                    if was_writing == open.writing {
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
        let told = match (writing, watched) {
            (true, false) => Self::register(slf, event_loop, "add_writer", fd, "on_writable"),
            (false, false) => event_loop.call_method1(intern!(py, "remove_writer"), (fd,)).map(drop),
            // Without add_writer the loop looks again a little later.
            (true, true) => {
                this.set_writing(false);
                let callback = slf.getattr(intern!(py, "on_writable"))?;
                event_loop.call_method1(intern!(py, "call_later"), (0.005, callback)).map(drop)
            }
            (false, true) => Ok(()),
        };
        // What a signal handler has raised: the next time the loop is told again.
        told.inspect_err(|_| this.set_writing(!writing))
    }

    fn set_writing(&self, writing: bool) {
        if let Phase::Open(open) = &mut self.inner.lock().phase {
            open.writing = writing;
        }
    }
}

/// Takes a connection from the loop's selector.
pub(super) fn unregister(event_loop: &Bound<'_, PyAny>, open: &Open) {
    let py = event_loop.py();
    if open.watch.is_none() && open.transport.is_ours() {
        let fd = open.transport.fd();
        let _ = event_loop.call_method1(intern!(py, "remove_reader"), (fd,));
        if open.writing {
            let _ = event_loop.call_method1(intern!(py, "remove_writer"), (fd,));
        }
    }
}
