//! Makes a cache's keys and converts its values natively, as long as no method on the way is overridden or patched.

use pyo3::exceptions::{PyReferenceError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::codec::Codec;
use crate::errors::{Error, Kind};
use crate::imports::intern;
use crate::shortcut::Shortcut;

/// A cache's `make_and_validate_key`, `encode` and `decode`, natively as long as none of these is overridden or patched.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Values {
    shortcut: Py<Shortcut>,
    /// It has us: a strong reference would leave every cache to the garbage collector.
    cache: Py<PyWeakrefReference>,
}

impl Values {
    pub(crate) fn new(shortcut: Py<Shortcut>, cache: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { shortcut, cache: PyWeakrefReference::new(cache)?.unbind() })
    }

    fn cache<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.cache.bind(py).upgrade().ok_or_else(|| PyReferenceError::new_err("the cache does not exist any more"))
    }

    /// The codec, unless `encode` or `decode` of cache or client has been replaced.
    fn codec(&self, py: Python<'_>) -> PyResult<Option<&Codec>> {
        self.shortcut.get().codec(&self.cache(py)?)
    }

    fn stored<'py>(&self, codec: Option<&Codec>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        match codec {
            Some(codec) => codec.encode(value),
            None => self.cache(py)?.call_method1(intern!(py, "encode"), (value,)),
        }
    }

    fn value<'py>(&self, codec: Option<&Codec>, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = reply.py();
        if reply.is_none() {
            return Ok(reply.clone());
        }
        if !reply.is_exact_instance_of::<PyBytes>() {
            return Err(unexpected(reply));
        }
        match codec {
            Some(codec) => codec.decode(reply),
            None => self.cache(py)?.call_method1(intern!(py, "decode"), (reply,)),
        }
    }
}

pub(crate) fn unexpected(reply: &Bound<'_, PyAny>) -> PyErr {
    match reply.get_type().qualname() {
        Ok(name) => Error::new(Kind::Response, format!("unexpected reply of type {name}")).into(),
        Err(error) => error,
    }
}

#[pymethods]
impl Values {
    /// What `cache.make_and_validate_key(key, version=version)` is.
    #[pyo3(signature = (key, version = None, /))]
    fn key<'py>(&self, key: &Bound<'py, PyAny>, version: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.shortcut.get().made_key(&self.cache(key.py())?, key, version)
    }

    /// What is stored for a value.
    #[pyo3(signature = (value, /))]
    fn encode<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.stored(self.codec(value.py())?, value)
    }

    /// What is stored for values, of which there must be one.
    #[pyo3(signature = (values, /))]
    fn encode_all<'py>(&self, values: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTuple>> {
        let py = values.py();
        if values.is_empty() {
            return Err(PyValueError::new_err("at least one value is needed"));
        }
        let codec = self.codec(py)?;
        let stored = values.iter().map(|value| self.stored(codec, &value)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, stored)
    }

    /// The value that a string reply stands for, `None` for the server's nil.
    #[pyo3(signature = (reply, /))]
    fn one<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.value(self.codec(reply.py())?, reply)
    }

    /// The values that an array reply stands for.
    #[pyo3(signature = (reply, /))]
    fn all<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = reply.py();
        let Ok(items) = reply.cast::<PyList>() else { return Err(unexpected(reply)) };
        let codec = self.codec(py)?;
        let values = items.iter().map(|item| self.value(codec, &item)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, values)
    }
}

/// Makes values of raw replies to GET.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct GetReply {
    shortcut: Py<Shortcut>,
    default: Py<PyAny>,
}

impl GetReply {
    pub(crate) fn new(shortcut: Py<Shortcut>, default: Py<PyAny>) -> Self {
        Self { shortcut, default }
    }
}

#[pymethods]
impl GetReply {
    fn __call__<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.shortcut.get().found(data, self.default.bind(data.py()))
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: pyo3::gc::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.default)
    }
}
