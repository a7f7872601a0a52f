//! Makes a cache's keys and converts its values natively, as long as no method on the way is overridden or patched.

use pyo3::exceptions::{PyReferenceError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::codec::Codec;
use crate::imports::intern;
use crate::reading::{Reading, unexpected};
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
    pub(crate) fn codec(&self, py: Python<'_>) -> PyResult<Option<&Codec>> {
        self.shortcut.get().codec(&self.cache(py)?)
    }

    fn stored<'py>(&self, codec: Option<&Codec>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        match codec {
            Some(codec) => codec.encode(value),
            None => self.cache(py)?.call_method1(intern!(py, "encode"), (value,)),
        }
    }

    /// The value that a string reply stands for, `None` for the server's nil.
    pub(crate) fn value<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.decoded(self.codec(reply.py())?, reply)
    }

    fn decoded<'py>(&self, codec: Option<&Codec>, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
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

    /// What makes the value of a string reply, `None` of the server's nil.
    #[getter]
    fn one(slf: Py<Self>) -> Reading {
        Reading::value(slf)
    }

    /// The values that an array reply stands for.
    #[pyo3(signature = (reply, /))]
    fn all<'py>(&self, reply: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let py = reply.py();
        let Ok(items) = reply.cast::<PyList>() else { return Err(unexpected(reply)) };
        let codec = self.codec(py)?;
        let values = items.iter().map(|item| self.decoded(codec, &item)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, values)
    }
}
