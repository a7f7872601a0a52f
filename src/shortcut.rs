//! `get` and `set` in one native step: key, codec, wire.
//!
//! They do what the Python methods of cache and client do, for the usual case that nobody has replaced any of these.
//! After every wait for the server the processor's caches are cold, so each detour costs several times what its
//! instructions say.

use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyNotImplemented, PyType};

use crate::codec::Codec;
use crate::engine::Engine;
use crate::errors::{self, Kind, guarded};
use crate::keys::KeyMaker;
use crate::request::{Request, Spec};
use crate::seal::Seal;

/// What the shortcuts of all clients have in common.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Shortcuts {
    keys: Py<KeyMaker>,
    cache: Seal,
    client: Seal,
    get: Spec,
    set: Spec,
}

#[pymethods]
impl Shortcuts {
    /// The classes are those that define the methods which a shortcut stands for.
    #[new]
    fn new(keys: Py<KeyMaker>, cache: &Bound<'_, PyType>, client: &Bound<'_, PyType>) -> PyResult<Self> {
        Ok(Self {
            keys,
            cache: Seal::new(cache, &["make_and_validate_key", "make_key", "validate_key"])?,
            client: Seal::new(client, &["get", "aget", "set", "aset", "encode", "decode"])?,
            get: Spec::plain("GET", false),
            set: Spec::plain("SET", true),
        })
    }

    /// The shortcut of one client.
    fn of(
        slf: Py<Self>,
        client: Py<PyAny>,
        engine: Py<Engine>,
        async_engine: Py<Engine>,
        codec: Py<Codec>,
    ) -> Shortcut {
        Shortcut { common: slf, client, engine, async_engine, codec }
    }
}

/// One client's shortcut. Its methods say by their result whether the long way must be taken.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Shortcut {
    common: Py<Shortcuts>,
    client: Py<PyAny>,
    engine: Py<Engine>,
    async_engine: Py<Engine>,
    codec: Py<Codec>,
}

impl Shortcut {
    /// The made key, if everything on the way is as it was written.
    fn key(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<String>> {
        let py = cache.py();
        let common = self.common.get();
        let client = self.client.bind(py);
        let own = cache.getattr(intern!(py, "__dict__"))?;
        let own = own.cast::<PyDict>()?;
        if !own.get_item(intern!(py, "_cache"))?.is_some_and(|current| current.is(client))
            || !common.cache.holds_with(cache, own)?
            || !common.client.holds(client)?
        {
            return Ok(None);
        }
        common.keys.get().valid(cache, key, version)
    }

    fn set_request(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Option<i64>,
        version: &Bound<'_, PyAny>,
        engine: &Engine,
    ) -> PyResult<Option<Request>> {
        if timeout.is_some_and(|timeout| timeout <= 0) {
            return Ok(None);
        }
        let Some(key) = self.key(cache, key, version)? else { return Ok(None) };
        let stored = self.codec.get().encode(value)?;
        let request = Request::set(&self.common.get().set, &key, &stored, timeout, engine.max_value_size())?;
        Ok(Some(request))
    }
}

#[pymethods]
impl Shortcut {
    /// `cache.get(key, default, version)`, or `NotImplemented`.
    #[pyo3(signature = (cache, key, default, version, /))]
    fn get<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cache.py();
        let Some(key) = self.key(cache, key, version)? else {
            return Ok(PyNotImplemented::get(py).to_owned().into_any());
        };
        let data = guarded(|| self.engine.get().run(py, &Request::get(&self.common.get().get, &key), None))?;
        self.found(data.bind(py), default)
    }

    /// The future of the raw reply that `cache.aget(key, version)` waits for, or `None`.
    #[pyo3(signature = (cache, key, version, /))]
    fn send_get(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let Some(key) = self.key(cache, key, version)? else { return Ok(None) };
        let request = Request::get(&self.common.get().get, &key);
        guarded(|| self.async_engine.get().submit(cache.py(), request, None, Instant::now())).map(Some)
    }

    /// The value of a raw reply to GET, or `default`.
    #[pyo3(signature = (data, default, /))]
    fn found<'py>(&self, data: &Bound<'py, PyAny>, default: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if data.is_none() {
            return Ok(default.clone());
        }
        let py = data.py();
        self.codec.get().decode(data).or_else(|error| {
            if !error.is_instance(py, errors::class(py, Kind::Serializer)?.as_any()) {
                return Err(error);
            }
            // It raises the error again, or makes the value count as missing.
            self.client.bind(py).call_method1(intern!(py, "_missing"), (error.into_value(py),))?;
            Ok(default.clone())
        })
    }

    /// `cache.set(key, value, timeout, version)`; false if the long way must be taken.
    #[pyo3(signature = (cache, key, value, timeout, version, /))]
    fn set(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Option<i64>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let engine = self.engine.get();
        let Some(request) = self.set_request(cache, key, value, timeout, version, engine)? else { return Ok(false) };
        guarded(|| engine.run(cache.py(), &request, None))?;
        Ok(true)
    }

    /// The future that `cache.aset(key, value, timeout, version)` waits for, or `None`.
    #[pyo3(signature = (cache, key, value, timeout, version, /))]
    fn send_set(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Option<i64>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let engine = self.async_engine.get();
        let Some(request) = self.set_request(cache, key, value, timeout, version, engine)? else { return Ok(None) };
        guarded(|| engine.submit(cache.py(), request, None, Instant::now())).map(Some)
    }
}
