//! Commands on their way to a server.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyTuple};

use crate::errors::{Error, Kind};
use crate::reply::Origin;
use crate::wire::Payload;

/// From this size on, a value is sent from where Python keeps it.
const SHARE: usize = 16 * 1024;

/// A command's name and nature: which server it goes to, and whether it may be sent twice.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Spec {
    pub(crate) name: Arc<str>,
    packed: Vec<u8>,
    words: usize,
    #[pyo3(get)]
    pub(crate) write: bool,
    #[pyo3(get)]
    pub(crate) repeatable: bool,
    /// First key, last key (negative: from the end) and step, as COMMAND INFO gives them; the name is position 0.
    #[pyo3(get)]
    keys: (i32, i32, i32),
}

impl Spec {
    /// A command of one word that may be repeated.
    pub(crate) fn plain(name: &str, write: bool, keys: (i32, i32, i32)) -> Self {
        let mut packed = Payload::default();
        packed.word(name.as_bytes());
        Self { name: name.into(), packed: packed.into_bytes(), words: 1, write, repeatable: true, keys }
    }
}

#[pymethods]
impl Spec {
    #[new]
    #[pyo3(signature = (name, *, write, repeatable = None, keys = (1, 1, 1)))]
    fn new(name: &str, write: bool, repeatable: Option<bool>, keys: (i32, i32, i32)) -> PyResult<Self> {
        let mut packed = Payload::default();
        let mut words = 0;
        for word in name.split_ascii_whitespace() {
            packed.word(word.as_bytes());
            words += 1;
        }
        if words == 0 {
            return Err(PyValueError::new_err("a command needs a name"));
        }
        Ok(Self {
            name: name.into(),
            packed: packed.into_bytes(),
            words,
            write,
            repeatable: repeatable.unwrap_or(!write),
            keys,
        })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!("<Spec {}>", self.name)
    }
}

/// What the commands of a request are called.
enum Names {
    One(Arc<str>),
    /// One for each reply; the result is a list of replies, errors included.
    Many(Vec<Arc<str>>),
    /// The same, with MULTI and EXEC around them.
    Transaction(Vec<Arc<str>>),
}

/// What is sent in one go to one server.
pub(crate) struct Request {
    pub(crate) payload: Payload,
    pub(crate) replies: usize,
    names: Names,
    pub(crate) write: bool,
    pub(crate) repeatable: bool,
}

impl Request {
    pub(crate) fn one(spec: &Spec, args: &Bound<'_, PyTuple>, limit: Option<usize>) -> PyResult<Self> {
        let mut payload = Payload::with_capacity(spec.packed.len() + 32 + 40 * args.len());
        pack(&mut payload, spec, args, limit)?;
        Ok(Self::single(spec, payload))
    }

    fn single(spec: &Spec, payload: Payload) -> Self {
        Self {
            payload,
            replies: 1,
            names: Names::One(spec.name.clone()),
            write: spec.write,
            repeatable: spec.repeatable,
        }
    }

    pub(crate) fn ping() -> Self {
        let mut payload = Payload::default();
        payload.command(1);
        payload.word(b"PING");
        Self { payload, replies: 1, names: Names::One("PING".into()), write: false, repeatable: true }
    }

    /// GET of a made key; `spec` says so.
    pub(crate) fn get(spec: &Spec, key: &str) -> Self {
        let mut payload = Payload::with_capacity(spec.packed.len() + 32 + key.len());
        payload.command(2);
        payload.packed(&spec.packed);
        payload.word(key.as_bytes());
        Self::single(spec, payload)
    }

    /// SET of a made key to an encoded value, for so many seconds; `spec` says so.
    pub(crate) fn set(
        spec: &Spec,
        key: &str,
        value: &Bound<'_, PyAny>,
        timeout: Option<i64>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let size = value.cast::<PyBytes>().map_or(32, |value| value.as_bytes().len().min(SHARE));
        let mut payload = Payload::with_capacity(spec.packed.len() + 80 + key.len() + size);
        set_words(&mut payload, spec, key, value, timeout, limit)?;
        Ok(Self::single(spec, payload))
    }

    /// MGET of made keys; `spec` says so.
    pub(crate) fn mget(spec: &Spec, keys: &[String]) -> Self {
        let size: usize = keys.iter().map(|key| key.len() + 16).sum();
        let mut payload = Payload::with_capacity(spec.packed.len() + 16 + size);
        payload.command(1 + keys.len());
        payload.packed(&spec.packed);
        for key in keys {
            payload.word(key.as_bytes());
        }
        Self::single(spec, payload)
    }

    /// MSET of made keys to encoded values; `spec` says so.
    pub(crate) fn mset(spec: &Spec, items: &[(String, Bound<'_, PyAny>)], limit: Option<usize>) -> PyResult<Self> {
        let mut payload = Payload::default();
        payload.command(1 + 2 * items.len());
        payload.packed(&spec.packed);
        for (key, value) in items {
            payload.word(key.as_bytes());
            argument(&mut payload, spec, value, limit)?;
        }
        Ok(Self::single(spec, payload))
    }

    /// SET of made keys to encoded values in one transaction, for so many seconds; `spec` says so.
    pub(crate) fn set_all(
        spec: &Spec,
        items: &[(String, Bound<'_, PyAny>)],
        timeout: i64,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let mut batch = Batch::new(true);
        for (key, value) in items {
            set_words(batch.add(spec), spec, key, value, Some(timeout), limit)?;
        }
        Ok(batch.finish())
    }

    /// `commands`: pairs of [`Spec`] and arguments.
    pub(crate) fn many(commands: &Bound<'_, PyAny>, transaction: bool, limit: Option<usize>) -> PyResult<Self> {
        let mut batch = Batch::new(transaction);
        for command in commands.try_iter()? {
            let (spec, args): (Bound<'_, Spec>, Bound<'_, PyTuple>) = command?.extract()?;
            let spec = spec.get();
            pack(batch.add(spec), spec, &args, limit)?;
        }
        if batch.names.is_empty() {
            return Err(PyValueError::new_err("no command"));
        }
        Ok(batch.finish())
    }

    /// Whether the result is a list.
    pub(crate) fn is_many(&self) -> bool {
        !matches!(self.names, Names::One(_))
    }

    /// Where reply number `index` comes from.
    pub(crate) fn origin<'a>(&'a self, address: &'a Arc<str>, index: usize) -> Origin<'a> {
        let queued = match &self.names {
            Names::Transaction(names) if index + 1 == names.len() => &names[1..],
            _ => &[],
        };
        Origin { address, command: self.name(index), queued }
    }

    /// The name of the command that reply number `index` answers.
    pub(crate) fn name(&self, index: usize) -> &Arc<str> {
        match &self.names {
            Names::One(name) => name,
            Names::Many(names) | Names::Transaction(names) => &names[index.min(names.len() - 1)],
        }
    }
}

/// Commands that go out together.
struct Batch {
    payload: Payload,
    names: Vec<Arc<str>>,
    transaction: bool,
    repeatable: bool,
}

impl Batch {
    fn new(transaction: bool) -> Self {
        let mut batch = Self { payload: Payload::default(), names: Vec::new(), transaction, repeatable: !transaction };
        if transaction {
            batch.mark("MULTI");
        }
        batch
    }

    fn mark(&mut self, word: &str) {
        self.payload.command(1);
        self.payload.word(word.as_bytes());
        self.names.push(word.into());
    }

    /// Where to pack the next command, which is `spec`.
    fn add(&mut self, spec: &Spec) -> &mut Payload {
        self.names.push(spec.name.clone());
        self.repeatable &= spec.repeatable;
        &mut self.payload
    }

    fn finish(mut self) -> Request {
        if self.transaction {
            self.mark("EXEC");
        }
        let Self { payload, names, transaction, repeatable } = self;
        let replies = names.len();
        let names = if transaction { Names::Transaction(names) } else { Names::Many(names) };
        Request { payload, replies, names, write: true, repeatable }
    }
}

fn set_words(
    payload: &mut Payload,
    spec: &Spec,
    key: &str,
    value: &Bound<'_, PyAny>,
    timeout: Option<i64>,
    limit: Option<usize>,
) -> PyResult<()> {
    payload.command(if timeout.is_some() { 5 } else { 3 });
    payload.packed(&spec.packed);
    payload.word(key.as_bytes());
    argument(payload, spec, value, limit)?;
    if let Some(timeout) = timeout {
        payload.word(b"EX");
        payload.integer(timeout);
    }
    Ok(())
}

fn pack(payload: &mut Payload, spec: &Spec, args: &Bound<'_, PyTuple>, limit: Option<usize>) -> PyResult<()> {
    payload.command(spec.words + args.len());
    payload.packed(&spec.packed);
    args.iter_borrowed().try_for_each(|arg| argument(payload, spec, &arg, limit))
}

fn argument(payload: &mut Payload, spec: &Spec, arg: &Bound<'_, PyAny>, limit: Option<usize>) -> PyResult<()> {
    // Text and buffers are measured too, before they are copied.
    let size = if arg.is_exact_instance_of::<PyInt>() { 0 } else { arg.len().unwrap_or(0) };
    if let Some(limit) = limit.filter(|limit| size > *limit) {
        let text = format!("a value of {size} bytes is larger than max_value_size ({limit})");
        return Err(Error::new(Kind::ValueTooLarge, text).during(&spec.name).into());
    }
    word(payload, arg)
}

fn word(payload: &mut Payload, arg: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Ok(text) = arg.cast::<PyString>() {
        if let Ok(text) = text.to_str() {
            payload.word(text.as_bytes());
        } else {
            let bytes = text.call_method1("encode", ("utf-8", "surrogateescape"))?;
            payload.word(bytes.cast::<PyBytes>()?.as_bytes());
        }
    } else if let Ok(bytes) = arg.cast::<PyBytes>() {
        if bytes.as_bytes().len() < SHARE {
            payload.word(bytes.as_bytes());
        } else {
            payload.shared(Arc::new(PyBackedBytes::from(bytes.clone())));
        }
    } else if arg.is_instance_of::<PyBool>() {
        payload.word(if arg.is_truthy()? { b"1" } else { b"0" });
    } else if arg.is_exact_instance_of::<PyInt>() {
        match arg.extract::<i64>() {
            Ok(value) => payload.integer(value),
            Err(_) => payload.word(arg.str()?.to_str()?.as_bytes()),
        }
    } else if let Ok(value) = arg.cast::<PyInt>() {
        // An IntEnum's own str() may be anything.
        let value = value.py().get_type::<PyInt>().call1((value,))?;
        payload.word(value.str()?.to_str()?.as_bytes());
    } else if let Ok(value) = arg.cast::<PyFloat>() {
        payload.word(value.repr()?.to_str()?.as_bytes());
    } else if let Ok(view) = pyo3::buffer::PyBuffer::<u8>::get(arg) {
        payload.word(&view.to_vec(arg.py())?);
    } else {
        let kind = arg.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!("cannot send a {kind}: bytes, str, int, float or bool expected")));
    }
    Ok(())
}
