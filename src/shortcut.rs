//! `get`, `set`, `get_many`, `set_many` and `aincr` in one native step: key, codec, wire.
//!
//! They do what the Python methods of cache and client do, for the usual case that nobody has replaced any of these.
//! After every wait for the server the processor's caches are cold, so each detour costs several times what its
//! instructions say.

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyNone, PyNotImplemented, PyString, PyType};

use crate::argument;
use crate::batch::Batch;
use crate::codec::Codec;
use crate::engine::{Engine, Outgoing};
use crate::errors::{Error, Kind, guarded};
use crate::imports::{self, intern};
use crate::keys::KeyMaker;
use crate::passage::Way;
use crate::reading::Reading;
use crate::request::{self, Request};
use crate::spec::{Merge, Spec};
use crate::spread::Shape;
use crate::target::{Open, Target};
use crate::values::Values;

/// What the shortcuts of all clients have in common.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Shortcuts {
    keys: Py<KeyMaker>,
    making: Way,
    getting: Way,
    setting: Way,
    getting_many: Way,
    setting_many: Way,
    values: Way,
    summing: Way,
    get: Spec,
    set: Spec,
    mget: Spec,
    mset: Spec,
    incr: Script,
    done: Py<Reading>,
}

/// A script that servers know.
struct Script {
    spec: Spec,
    /// Makes its digest: at its first use, because it takes an import.
    digest: Py<PyAny>,
    made: OnceBox<String>,
}

impl Script {
    fn digest(&self, py: Python<'_>) -> PyResult<&str> {
        self.made.get_or_try_init(|| self.digest.call0(py)?.extract(py).map(Box::new)).map(String::as_str)
    }
}

#[pymethods]
impl Shortcuts {
    /// The classes are those that define the methods which a shortcut stands for, the specs what these send; `incr` is
    /// EVALSHA and what makes the script's digest.
    #[new]
    // A keyword for each command.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (keys, cache, client, *, get, set, mget, mset, incr))]
    fn new(
        keys: Py<KeyMaker>,
        cache: &Bound<'_, PyType>,
        client: &Bound<'_, PyType>,
        get: &Bound<'_, Spec>,
        set: &Bound<'_, Spec>,
        mget: &Bound<'_, Spec>,
        mset: &Bound<'_, Spec>,
        incr: (PyRef<'_, Spec>, Py<PyAny>),
    ) -> PyResult<Self> {
        let keys_made = ["make_and_validate_key", "make_key", "validate_key"];
        let way =
            |index, of_cache: &[&str], of_client: &[&str]| Way::new(index, (cache, of_cache), (client, of_client));
        let reading = [&keys_made[..], &["decode"]].concat();
        let writing = [&keys_made[..], &["encode", "get_backend_timeout"]].concat();
        let coded = ["encode", "decode"];
        Ok(Self {
            keys,
            making: way(0, &keys_made, &[])?,
            getting: way(1, &reading, &["get", "aget", "decode"])?,
            setting: way(2, &writing, &["set", "aset", "encode"])?,
            getting_many: way(3, &reading, &["get_many", "aget_many", "decode"])?,
            setting_many: way(4, &writing, &["set_many", "aset_many", "encode"])?,
            values: way(5, &coded, &coded)?,
            summing: way(6, &keys_made, &["aincr"])?,
            get: get.get().clone(),
            set: set.get().clone(),
            mget: mget.get().clone(),
            mset: mset.get().clone(),
            incr: Script { spec: incr.0.clone(), digest: incr.1, made: OnceBox::new() },
            done: Py::new(cache.py(), Reading::done())?,
        })
    }

    /// The shortcut of one client.
    fn of(
        slf: Bound<'_, Self>,
        client: Py<PyAny>,
        engine: Py<Engine>,
        async_engine: Py<Engine>,
        codec: Py<Codec>,
    ) -> PyResult<Shortcut> {
        let target = Target::made(slf.py(), client, engine, async_engine, codec)?;
        Ok(Shortcut { common: slf.unbind(), target: Some(target) })
    }

    /// The shortcut of all caches that are to have a client of this class with this codec, until they have one.
    #[pyo3(signature = (class, engine, async_engine, codec, /))]
    fn before(
        slf: Py<Self>,
        class: Py<PyType>,
        engine: Py<Engine>,
        async_engine: Py<Engine>,
        codec: Py<Codec>,
    ) -> Shortcut {
        Shortcut { common: slf, target: Some(Target::planned(class, engine, async_engine, codec)) }
    }

    /// The shortcut of what only stands for a client: always the long way.
    fn closed(slf: Py<Self>) -> Shortcut {
        Shortcut { common: slf, target: None }
    }
}

/// The shortcut of one client, or of caches without. Its methods say by their result whether the long way must be taken.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Shortcut {
    common: Py<Shortcuts>,
    /// `None`: always the long way.
    target: Option<Target>,
}

impl Shortcut {
    /// The way, unless something on it has been replaced.
    fn open(&self, way: &Way, cache: &Bound<'_, PyAny>) -> PyResult<Option<Open<'_>>> {
        self.target.as_ref().map_or(Ok(None), |target| target.open(way, cache))
    }

    /// The made key, if everything on the way is as it was written, and what the call goes to.
    fn key(
        &self,
        way: &Way,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<(String, &Target)>> {
        let Some(open) = self.open(way, cache)? else { return Ok(None) };
        Ok(self.valid(&open, cache, key, version)?.map(|made| (made, open.target)))
    }

    /// The made key, if it is beyond doubt.
    fn valid(
        &self,
        open: &Open<'_>,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<String>> {
        self.common.get().keys.get().valid(cache, key, version, open.prefix)
    }

    /// What `cache.make_and_validate_key(key, version=version)` is.
    pub(crate) fn made_key<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, common) = (cache.py(), self.common.get());
        let none = PyNone::get(py);
        let version = version.unwrap_or(none.as_any());
        if let Some((made, _)) = self.key(&common.making, cache, key, version)? {
            return Ok(PyString::new(py, &made).into_any());
        }
        let named = PyDict::new(py);
        named.set_item(intern!(py, "version"), version)?;
        cache.call_method(intern!(py, "make_and_validate_key"), (key,), Some(&named))
    }

    /// The codec, if nothing between `cache` and it has been replaced.
    pub(crate) fn codec(&self, cache: &Bound<'_, PyAny>) -> PyResult<Option<&Codec>> {
        Ok(self.open(&self.common.get().values, cache)?.map(|open| open.target.codec.get()))
    }

    fn get_request(&self, key: &str, engine: &Engine) -> Request {
        let request = Request::get(&self.common.get().get, key);
        if engine.sharded() { request.for_key(key) } else { request }
    }

    fn get_many_request(
        &self,
        cache: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyList>,
        version: &Bound<'_, PyAny>,
        to_loop: bool,
    ) -> PyResult<Option<(Outgoing, &Engine)>> {
        let common = self.common.get();
        if keys.is_empty() {
            return Ok(None);
        }
        let Some(open) = self.open(&common.getting_many, cache)? else { return Ok(None) };
        let engine = open.target.engine(to_loop);
        let made =
            keys.iter().map(|key| self.valid(&open, cache, &key, version)).collect::<PyResult<Option<Vec<_>>>>()?;
        let Some(made) = made else { return Ok(None) };
        if !engine.sharded() {
            return Ok(Some((Outgoing::One(Request::mget(&common.mget, &made)), engine)));
        }
        let mut batch = engine.batch();
        batch.split_keys(&common.mget, Merge::List, 1, &made, |payload, index| {
            payload.word(made[index].as_bytes());
            Ok(())
        })?;
        Ok(Some((Outgoing::Spread(batch, Shape::Only), engine)))
    }

    fn set_many_request(
        &self,
        cache: &Bound<'_, PyAny>,
        data: &Bound<'_, PyDict>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
        to_loop: bool,
    ) -> PyResult<Option<(Outgoing, &Engine)>> {
        let common = self.common.get();
        let Some(timeout) = seconds(cache, timeout)? else { return Ok(None) };
        if data.is_empty() {
            return Ok(None);
        }
        let Some(open) = self.open(&common.setting_many, cache)? else { return Ok(None) };
        let (codec, engine) = (open.target.codec.get(), open.target.engine(to_loop));
        // All keys first: the long way would encode anew what was encoded before a key that it has to make.
        let mut items = Vec::with_capacity(data.len());
        for (key, value) in data {
            let Some(made) = self.valid(&open, cache, &key, version)? else { return Ok(None) };
            items.push((made, value));
        }
        for (_, value) in &mut items {
            *value = codec.encode(value)?;
        }
        let limit = engine.max_value_size();
        let mut batch = engine.batch();
        if timeout.is_none() {
            if !engine.sharded() {
                let request = Request::mset(&common.mset, &items, limit)?;
                return Ok(Some((Outgoing::One(request), engine)));
            }
            let keys: Vec<_> = items.iter().map(|(key, _)| key).collect();
            batch.split_keys(&common.mset, Merge::Done, 2, &keys, |payload, index| {
                payload.word(keys[index].as_bytes());
                argument::pack(payload, &common.mset.name, &items[index].1, limit)
            })?;
            return Ok(Some((Outgoing::Spread(batch, Shape::Only), engine)));
        }
        for (key, value) in &items {
            let place = batch.place(key);
            batch.command(&common.set, place, |payload| {
                request::set_words(payload, &common.set, key, value, timeout, limit)
            })?;
        }
        engine.together(batch).map(|outgoing| Some((outgoing, engine)))
    }

    fn set_request(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
        to_loop: bool,
    ) -> PyResult<Option<(Request, &Engine)>> {
        let common = self.common.get();
        let Some(timeout) = seconds(cache, timeout)? else { return Ok(None) };
        let Some((key, target)) = self.key(&common.setting, cache, key, version)? else { return Ok(None) };
        let engine = target.engine(to_loop);
        let stored = target.codec.get().encode(value)?;
        let request = Request::set(&common.set, &key, &stored, timeout, engine.max_value_size())?;
        Ok(Some((if engine.sharded() { request.for_key(&key) } else { request }, engine)))
    }
}

/// What `get_backend_timeout` makes of a timeout, if SET can be given that: `None` means that there is none. Zero and less
/// deletes, and what is no integer of the server's is for the server to refuse.
// Three cases: a number, no timeout, neither.
#[allow(clippy::option_option)]
fn seconds(cache: &Bound<'_, PyAny>, timeout: &Bound<'_, PyAny>) -> PyResult<Option<Option<i64>>> {
    let py = cache.py();
    let timeout = if timeout.is(imports::default_timeout(py)?) {
        cache.getattr(intern!(py, "default_timeout"))?
    } else if timeout.is_exact_instance_of::<PyFloat>() {
        match py.get_type::<PyInt>().call1((timeout,)) {
            Ok(whole) => whole,
            Err(_) => return Ok(None),
        }
    } else {
        timeout.clone()
    };
    Ok(match timeout.extract::<Option<i64>>() {
        Ok(Some(timeout)) => (timeout > 0).then_some(Some(timeout)),
        Ok(None) => Some(None),
        Err(_) => None,
    })
}

fn declined(py: Python<'_>) -> Bound<'_, PyAny> {
    PyNotImplemented::get(py).to_owned().into_any()
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
        let Some((key, target)) = self.key(&self.common.get().getting, cache, key, version)? else {
            return Ok(declined(py));
        };
        let engine = target.engine(false);
        let data = guarded(|| engine.exchange(py, &self.get_request(&key, engine)))?;
        target.value(cache, data.bind(py), default)
    }

    /// The future that `cache.aget(key, default, version)` waits for, or `None`.
    #[pyo3(signature = (cache, key, default, version, /))]
    fn send_get(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        default: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let Some((key, target)) = self.key(&self.common.get().getting, cache, key, version)? else { return Ok(None) };
        let engine = target.engine(true);
        let request = self.get_request(&key, engine);
        let reading = target.found(cache, default)?.into_any();
        guarded(|| engine.submit(cache.py(), request, Some(reading))).map(Some)
    }

    /// What makes stored data of the cache's values, and values of raw replies.
    #[pyo3(signature = (cache, /))]
    fn values(slf: Py<Self>, cache: &Bound<'_, PyAny>) -> PyResult<Values> {
        Values::new(slf, cache)
    }

    /// `pipeline.get(key, default, version)`; false if the long way must be taken. `reply` makes the value.
    #[pyo3(signature = (batch, cache, key, version, reply, /))]
    fn queue_get(
        &self,
        batch: &Bound<'_, Batch>,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
        reply: Py<PyAny>,
    ) -> PyResult<bool> {
        let Some((key, _)) = self.key(&self.common.get().getting, cache, key, version)? else { return Ok(false) };
        let spec = &self.common.get().get;
        let mut batch = batch.try_borrow_mut()?;
        let place = batch.place(&key);
        batch.queue(spec, place, reply, |payload| {
            request::get_words(payload, spec, &key);
            Ok(())
        })?;
        Ok(true)
    }

    /// `pipeline.set(key, value, timeout, version)`; false if the long way must be taken. `reply` makes the result.
    // What a pipeline knows, and what its caller says.
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (batch, cache, key, value, timeout, version, reply, /))]
    fn queue_set(
        &self,
        batch: &Bound<'_, Batch>,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
        reply: Py<PyAny>,
    ) -> PyResult<bool> {
        let Some(timeout) = seconds(cache, timeout)? else { return Ok(false) };
        let Some((key, target)) = self.key(&self.common.get().setting, cache, key, version)? else { return Ok(false) };
        // Serializers are application code, which may use this very pipeline.
        let stored = target.codec.get().encode(value)?;
        let spec = &self.common.get().set;
        let mut batch = batch.try_borrow_mut()?;
        let (place, limit) = (batch.place(&key), batch.limit());
        batch.queue(spec, place, reply, |payload| request::set_words(payload, spec, &key, &stored, timeout, limit))?;
        Ok(true)
    }

    /// What makes values of raw replies to GET for `queue_get`, `None` where that never takes the short way; `default` stands
    /// for a missing one.
    #[pyo3(signature = (cache, default, /))]
    fn found(&self, cache: &Bound<'_, PyAny>, default: &Bound<'_, PyAny>) -> PyResult<Option<Py<Reading>>> {
        self.target.as_ref().map(|target| target.found(cache, default)).transpose()
    }

    /// `cache.set(key, value, timeout, version)`; false if the long way must be taken.
    #[pyo3(signature = (cache, key, value, timeout, version, /))]
    fn set(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let sent = self.set_request(cache, key, value, timeout, version, false)?;
        let Some((request, engine)) = sent else { return Ok(false) };
        guarded(|| engine.exchange(cache.py(), &request))?;
        Ok(true)
    }

    /// The future that `cache.aset(key, value, timeout, version)` waits for, or `None`.
    #[pyo3(signature = (cache, key, value, timeout, version, /))]
    fn send_set(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let sent = self.set_request(cache, key, value, timeout, version, true)?;
        let Some((request, engine)) = sent else { return Ok(None) };
        let (py, done) = (cache.py(), &self.common.get().done);
        guarded(|| engine.submit(py, request, Some(done.clone_ref(py).into_any()))).map(Some)
    }

    /// The future of the script's reply that `cache.aincr(key, delta, version)` waits for, or `None`.
    #[pyo3(signature = (cache, key, delta, version, /))]
    fn send_incr(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        delta: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let (py, common) = (cache.py(), self.common.get());
        let Some((key, target)) = self.key(&common.summing, cache, key, version)? else { return Ok(None) };
        let engine = target.engine(true);
        let Script { spec, .. } = &common.incr;
        let request = Request::script(spec, common.incr.digest(py)?, &key, delta, engine.max_value_size())?;
        let request = if engine.sharded() { request.for_key(&key) } else { request };
        guarded(|| engine.submit(py, request, None)).map(Some)
    }

    /// `cache.get_many(keys, version)`, or `NotImplemented`.
    #[pyo3(signature = (cache, keys, version, /))]
    fn get_many<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        keys: &Bound<'py, PyList>,
        version: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cache.py();
        let sent = self.get_many_request(cache, keys, version, false)?;
        let Some((request, engine)) = sent else { return Ok(declined(py)) };
        let replies = guarded(|| engine.run_any(py, request))?;
        Ok(self.found_many(cache, replies.bind(py), keys)?.into_any())
    }

    /// The future of the raw reply that `cache.aget_many(keys, version)` waits for, or `None`.
    #[pyo3(signature = (cache, keys, version, /))]
    fn send_get_many(
        &self,
        cache: &Bound<'_, PyAny>,
        keys: &Bound<'_, PyList>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let sent = self.get_many_request(cache, keys, version, true)?;
        let Some((request, engine)) = sent else { return Ok(None) };
        guarded(|| engine.submit_any(cache.py(), request)).map(Some)
    }

    /// The values of a raw reply to MGET, by user key.
    #[pyo3(signature = (cache, replies, keys, /))]
    fn found_many<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        replies: &Bound<'py, PyAny>,
        keys: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let replies = replies.cast::<PyList>().ok().filter(|replies| replies.len() == keys.len());
        let (Some(replies), Some(target)) = (replies, &self.target) else {
            return Err(Error::new(Kind::Response, "unexpected reply").during(&self.common.get().mget.name).into());
        };
        let values = PyDict::new(keys.py());
        // Nobody else has it.
        let missing = PyList::empty(keys.py()).into_any();
        for (key, data) in keys.iter().zip(replies) {
            let value = target.value(cache, &data, &missing)?;
            if !value.is(&missing) {
                values.set_item(key, value)?;
            }
        }
        Ok(values)
    }

    /// The raw replies to what `cache.set_many(data, timeout, version)` sends, or `NotImplemented`.
    #[pyo3(signature = (cache, data, timeout, version, /))]
    fn set_many<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        data: &Bound<'py, PyDict>,
        timeout: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cache.py();
        let sent = self.set_many_request(cache, data, timeout, version, false)?;
        let Some((request, engine)) = sent else { return Ok(declined(py)) };
        Ok(guarded(|| engine.run_any(py, request))?.into_bound(py))
    }

    /// The future of the raw replies that `cache.aset_many(data, timeout, version)` waits for, or `None`.
    #[pyo3(signature = (cache, data, timeout, version, /))]
    fn send_set_many(
        &self,
        cache: &Bound<'_, PyAny>,
        data: &Bound<'_, PyDict>,
        timeout: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let sent = self.set_many_request(cache, data, timeout, version, true)?;
        let Some((request, engine)) = sent else { return Ok(None) };
        guarded(|| engine.submit_any(cache.py(), request)).map(Some)
    }
}
