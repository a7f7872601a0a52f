//! What is made of replies. Where no Python code has a part in it, a loop does so as soon as they arrive: many in a row
//! are made in less time than each in its task.

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt};

use crate::codec::Codec;
use crate::errors::{self, Error, Kind};
use crate::imports::intern;
use crate::values::Values;
use crate::wire::Element;

/// Longer strings are left to the task that waits for them: meanwhile the loop sees to others.
const SHORT: usize = 4096;

/// Makes a command's result out of the raw reply, natively.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Reading(Made);

enum Made {
    /// The reply itself.
    AsIs,
    /// `True`: the server did it.
    Done,
    /// The integer that it is.
    Integer,
    /// Whether it is an integer other than 0.
    Flag,
    /// The value that a string stands for, `None` for nil.
    Value(Py<Values>),
    /// The same, with `default` for nil and for what counts as missing, by a client whose methods are as they were
    /// written; `owner` has it, or is to.
    Found { owner: Py<PyAny>, codec: Py<Codec>, default: Py<PyAny> },
}

impl Reading {
    pub(crate) fn value(values: Py<Values>) -> Self {
        Self(Made::Value(values))
    }

    pub(crate) fn found(owner: Py<PyAny>, codec: Py<Codec>, default: Py<PyAny>) -> Self {
        Self(Made::Found { owner, codec, default })
    }

    pub(crate) fn done() -> Self {
        Self(Made::Done)
    }

    /// The result, if no Python code has a part in it, and nothing is wrong.
    fn at_once<'py>(&self, py: Python<'py>, element: &Element<'_>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match (&self.0, element) {
            (_, Element::Error(_)) => None,
            (Made::Done, _) => Some(PyBool::new(py, true).to_owned().into_any()),
            (Made::Integer, Element::Integer(value)) => Some(value.into_pyobject(py)?.into_any()),
            (Made::Flag, Element::Integer(value)) => Some(PyBool::new(py, *value != 0).to_owned().into_any()),
            (Made::Value(_), Element::Null) => Some(py.None().into_bound(py)),
            (Made::Found { default, .. }, Element::Null) => Some(default.bind(py).clone()),
            (Made::Value(values), Element::Bytes(bytes)) if bytes.len() <= SHORT => match values.get().codec(py)? {
                Some(codec) => codec.plain(py, bytes)?,
                None => None,
            },
            (Made::Found { codec, .. }, Element::Bytes(bytes)) if bytes.len() <= SHORT => {
                codec.get().plain(py, bytes)?
            }
            _ => None,
        })
    }
}

#[pymethods]
impl Reading {
    #[pyo3(signature = (reply, /))]
    fn __call__<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = reply.py();
        match &self.0 {
            Made::AsIs => Ok(reply.clone()),
            Made::Done => Ok(PyBool::new(py, true).to_owned().into_any()),
            Made::Integer if reply.is_exact_instance_of::<PyInt>() => Ok(reply.clone()),
            Made::Flag if reply.is_exact_instance_of::<PyInt>() => {
                Ok(PyBool::new(py, reply.is_truthy()?).to_owned().into_any())
            }
            Made::Integer | Made::Flag => Err(unexpected(reply)),
            Made::Value(values) => values.get().value(reply),
            Made::Found { owner, codec, default } => found(owner.bind(py), codec.get(), reply, default.bind(py)),
        }
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.0 {
            Made::Value(values) => visit.call(values),
            Made::Found { owner, default, .. } => {
                visit.call(owner)?;
                visit.call(default)
            }
            _ => Ok(()),
        }
    }
}

/// What an awaited command gives if its result has yet to be made.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Unread {
    reading: Py<PyAny>,
    reply: Py<PyAny>,
}

#[pymethods]
impl Unread {
    /// Makes it.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        read(self.reading.bind(py), self.reply.bind(py))
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reading)?;
        visit.call(&self.reply)
    }
}

/// The readings that need nothing.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for (name, made) in [("as_is", Made::AsIs), ("done", Made::Done), ("integer", Made::Integer), ("flag", Made::Flag)]
    {
        module.add(name, Reading(made))?;
    }
    Ok(())
}

/// The result that `reading`, a [`Reading`] or anything else that can be called, makes of a raw reply.
pub(crate) fn read<'py>(reading: &Bound<'py, PyAny>, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match reading.cast_exact::<Reading>() {
        Ok(native) => native.get().__call__(reply),
        Err(_) => reading.call1((reply,)),
    }
}

/// The result, if it can be made where other tasks wait.
pub(crate) fn at_once<'py>(
    py: Python<'py>,
    reading: &Py<PyAny>,
    element: &Element<'_>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match reading.bind(py).cast_exact::<Reading>() {
        Ok(native) => native.get().at_once(py, element),
        Err(_) => Ok(None),
    }
}

/// What stands for the result until it is made.
pub(crate) fn later(py: Python<'_>, reading: &Py<PyAny>, reply: Py<PyAny>) -> PyResult<Py<PyAny>> {
    let as_is = reading.bind(py).cast_exact::<Reading>().is_ok_and(|native| matches!(native.get().0, Made::AsIs));
    if as_is { Ok(reply) } else { Ok(Py::new(py, Unread { reading: reading.clone_ref(py), reply })?.into_any()) }
}

/// The value of a raw reply to GET, or `default`.
pub(crate) fn found<'py>(
    owner: &Bound<'py, PyAny>,
    codec: &Codec,
    reply: &Bound<'py, PyAny>,
    default: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if reply.is_none() {
        return Ok(default.clone());
    }
    if !reply.is_exact_instance_of::<PyBytes>() {
        return Err(unexpected(reply));
    }
    let py = reply.py();
    codec.decode(reply).or_else(|error| {
        if !error.is_instance(py, errors::class(py, Kind::Serializer)?.as_any()) {
            return Err(error);
        }
        // It raises the error again, or makes the value count as missing.
        let client = owner.getattr(intern!(py, "_cache"))?;
        client.call_method1(intern!(py, "_missing"), (error.into_value(py),))?;
        Ok(default.clone())
    })
}

/// The error for a reply of the wrong type.
pub(crate) fn unexpected(reply: &Bound<'_, PyAny>) -> PyErr {
    match reply.get_type().qualname() {
        Ok(name) => Error::new(Kind::Response, format!("unexpected reply of type {name}")).into(),
        Err(error) => error,
    }
}
