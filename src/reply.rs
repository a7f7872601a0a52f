//! Frames as Python objects, the same for RESP2 and RESP3.
//!
//! Integers are `int`, strings and statuses `bytes`, nil is `None`, aggregates are flat or nested `list`s as RESP2 sends
//! them, error replies inside aggregates are exception objects.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::config::Config;
use crate::errors::{Error, Kind};
use crate::injection::{self, Point};
use crate::reading;
use crate::request::Request;
use crate::wire::{Element, Elements};

/// The answer to one command.
pub(crate) enum Reply {
    Value(Py<PyAny>),
    Refused(Error),
}

/// Where a reply came from and what it answers, for error messages.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) address: &'a Arc<str>,
    pub(crate) command: &'a Arc<str>,
    /// What the elements of the reply answer, where that is several commands: EXEC's.
    pub(crate) queued: &'a [Arc<str>],
}

impl Origin<'_> {
    pub(crate) fn mark(self, error: Error) -> Error {
        error.at(self.address).during(self.command)
    }
}

/// The answer that a frame holds. What Python cannot make out of it is refused as well, so every frame has an answer.
///
/// With `reading`, the value is what that makes of it, or an [`Unread`](reading::Unread).
pub(crate) fn convert(py: Python<'_>, frame: &[u8], origin: Origin<'_>, reading: Option<&Py<PyAny>>) -> Reply {
    let made = catch_unwind(AssertUnwindSafe(|| {
        injection::trip(Point::Read);
        let Some(reading) = reading else { return objects(py, frame, origin) };
        if let Some(element) = Elements::of(frame).next()
            && let Some(value) = reading::at_once(py, reading, &element)?
        {
            return Ok(Reply::Value(value.unbind()));
        }
        match objects(py, frame, origin)? {
            Reply::Value(value) => reading::later(py, reading, value).map(Reply::Value),
            refused @ Reply::Refused(_) => Ok(refused),
        }
    }));
    match made {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => Reply::Refused(Error::foreign(error)),
        Err(_) => Reply::Refused(origin.mark(Error::new(Kind::Internal, "internal failure while reading a reply"))),
    }
}

/// The answer that a string is which was received into its own buffer; see [`convert`].
pub(crate) fn landed(py: Python<'_>, value: Py<PyAny>, reading: Option<&Py<PyAny>>) -> Reply {
    let Some(reading) = reading else { return Reply::Value(value) };
    reading::later(py, reading, value).map_or_else(|error| Reply::Refused(Error::foreign(error)), Reply::Value)
}

fn objects(py: Python<'_>, frame: &[u8], origin: Origin<'_>) -> PyResult<Reply> {
    let mut open: Vec<(Vec<Bound<'_, PyAny>>, usize)> = Vec::new();
    for element in Elements::of(frame) {
        let mut value = match element {
            // With RESP2 big numbers are text.
            Element::Bytes(bytes) | Element::BigNumber(bytes) => Landing::of(py, bytes)?.into_any(),
            Element::Integer(value) => value.into_pyobject(py)?.into_any(),
            Element::Null => py.None().into_bound(py),
            Element::Error(text) if open.is_empty() => return Ok(Reply::Refused(origin.mark(Error::reply(text)))),
            Element::Error(text) => {
                let mut origin = origin;
                if let [(items, _)] = open.as_slice() {
                    origin.command = origin.queued.get(items.len()).unwrap_or(origin.command);
                }
                origin.mark(Error::reply(text)).into_exception(py).into_bound(py)
            }
            Element::Array(0) => PyList::empty(py).into_any(),
            Element::Array(n) => {
                // The frame is complete, so it really has `n` elements.
                open.push((Vec::with_capacity(n), n));
                continue;
            }
        };
        loop {
            let Some((items, wanted)) = open.last_mut() else { return Ok(Reply::Value(value.unbind())) };
            items.push(value);
            if items.len() < *wanted {
                break;
            }
            let Some((items, _)) = open.pop() else { break };
            value = PyList::new(py, items)?.into_any();
        }
    }
    Ok(Reply::Value(py.None()))
}

/// The answers to a request, as they come in.
pub(crate) struct Answers<'a> {
    config: &'a Config,
    request: &'a Request,
    values: Vec<Py<PyAny>>,
}

impl<'a> Answers<'a> {
    pub(crate) fn new(config: &'a Config, request: &'a Request) -> Self {
        Self { config, request, values: Vec::new() }
    }

    /// Where the next answer comes from.
    pub(crate) fn origin(&self) -> Origin<'a> {
        self.request.origin(&self.config.name, self.values.len())
    }

    /// The result, once it is complete: a value, or a list of values and exceptions for a request of many commands.
    pub(crate) fn add(&mut self, py: Python<'_>, reply: Reply) -> Option<Result<Py<PyAny>, Error>> {
        add(py, self.request, &mut self.values, reply)
    }
}

/// See [`Answers::add`]; `values` are the answers so far.
pub(crate) fn add(
    py: Python<'_>,
    request: &Request,
    values: &mut Vec<Py<PyAny>>,
    reply: Reply,
) -> Option<Result<Py<PyAny>, Error>> {
    if !request.is_many() {
        if request.is_asking() && values.is_empty() {
            values.push(py.None());
            return None;
        }
        return Some(match reply {
            Reply::Value(value) => Ok(value),
            Reply::Refused(error) => Err(error),
        });
    }
    values.push(match reply {
        Reply::Value(value) => value,
        Reply::Refused(error) => error.into_exception(py),
    });
    (values.len() == request.replies).then(|| {
        let mut values = std::mem::take(values);
        if request.is_transaction() {
            return executed(py, &mut values);
        }
        let list = PyList::new(py, values).map_err(Error::foreign)?;
        Ok(list.into_any().unbind())
    })
}

/// What EXEC gave, out of the replies to MULTI, the commands and EXEC. A command that was refused while it was queued says
/// more than the EXECABORT that follows from it.
fn executed(py: Python<'_>, values: &mut Vec<Py<PyAny>>) -> Result<Py<PyAny>, Error> {
    if let Some(refused) = values.iter().find(|value| value.bind(py).is_instance_of::<PyBaseException>()) {
        return Err(Error::refusal(py, refused.bind(py)));
    }
    let executed = values.pop().filter(|list| list.bind(py).is_instance_of::<PyList>());
    executed.ok_or_else(|| Error::new(Kind::Response, "the transaction was not executed"))
}

/// A `bytes` object that a large bulk string is received into.
pub(crate) struct Landing {
    bytes: Py<PyBytes>,
    len: usize,
    filled: usize,
}

impl Landing {
    pub(crate) fn new(py: Python<'_>, len: usize) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(len)?;
        // SAFETY: with a null source the call makes a bytes object with uninitialised content, or raises. Nobody else
        // sees the object before it is full.
        let bytes = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))?
                .cast_into_unchecked::<PyBytes>()
        };
        Ok(Self { bytes: bytes.unbind(), len, filled: 0 })
    }

    /// A copy of `bytes`; unlike `PyBytes::new` it raises when there is no memory.
    fn of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut landing = Self::new(py, bytes.len())?;
        landing.copy(bytes);
        Ok(landing.bytes.into_bound(py))
    }

    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        let target = self.unfilled();
        let len = bytes.len().min(target.len());
        // SAFETY: `u8` and `MaybeUninit<u8>` have the same layout, and initialised bytes may stand for uninitialised.
        let source = unsafe { &*(std::ptr::from_ref(&bytes[..len]) as *const [MaybeUninit<u8>]) };
        target[..len].copy_from_slice(source);
        self.filled(bytes.len());
    }

    pub(crate) fn unfilled(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object is alive, `len` bytes long and only known here; PyBytes_AsString on a bytes object only
        // computes an address, which needs no interpreter.
        unsafe {
            let start = ffi::PyBytes_AsString(self.bytes.as_ptr()).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start.add(self.filled), self.len - self.filled)
        }
    }

    pub(crate) fn filled(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.len);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.filled == self.len
    }

    pub(crate) fn into_bytes(self) -> Py<PyAny> {
        self.bytes.into_any()
    }
}
