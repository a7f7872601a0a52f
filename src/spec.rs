//! What is known of a command before it is called.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::argument;
use crate::slots;
use crate::wire::Payload;

/// Where a command's keys stand.
#[derive(Clone)]
enum Keys {
    /// First key, last key (negative: from the end) and step, as COMMAND INFO gives them; the name is position 0.
    Range(i32, i32, i32),
    /// Their number is the second argument, and they follow.
    Numkeys,
    /// The first half of what follows the word STREAMS.
    Streams,
}

/// What one result the answers of several servers become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// One list: in the order of the keys, or one server's items after the other's.
    List,
    Sum,
    /// Any of them.
    Done,
    /// A page of keys, and the cursor of the next.
    Page,
}

impl Merge {
    fn of(name: &str) -> PyResult<Self> {
        match name {
            "list" => Ok(Self::List),
            "sum" => Ok(Self::Sum),
            "done" => Ok(Self::Done),
            "page" => Ok(Self::Page),
            _ => Err(PyValueError::new_err(format!("unknown way to merge: {name}"))),
        }
    }
}

/// What becomes of a command on several shards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharding {
    /// All keys in one slot; a command without keys goes to one server.
    OneSlot,
    /// It is sent once for each slot, with that slot's keys.
    Split(Merge),
    /// It is sent to every primary.
    Everywhere(Merge),
}

/// The slots of a command's keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slots {
    None,
    One(u16),
    Several,
}

impl Slots {
    pub(crate) fn add(self, slot: u16) -> Self {
        match self {
            Self::None => Self::One(slot),
            Self::One(other) if other == slot => self,
            _ => Self::Several,
        }
    }
}

/// A command's name and nature: which server it goes to, where its keys are, and whether it may be sent twice.
#[pyclass(frozen, module = "django_cachex._core")]
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: Arc<str>,
    pub(crate) packed: Vec<u8>,
    pub(crate) words: usize,
    #[pyo3(get)]
    pub(crate) write: bool,
    #[pyo3(get)]
    pub(crate) repeatable: bool,
    pub(crate) sharding: Sharding,
    keys: Keys,
}

impl Spec {
    /// Which of `args` are keys.
    pub(crate) fn key_positions(&self, args: &Bound<'_, PyTuple>) -> PyResult<Vec<usize>> {
        let count = args.len();
        Ok(match self.keys {
            Keys::Range(first, last, step) => {
                let (words, step) = (self.words, usize::try_from(step).unwrap_or(1).max(1));
                let Some(first) = usize::try_from(first).ok().and_then(|first| first.checked_sub(words)) else {
                    return Ok(Vec::new());
                };
                let last = match usize::try_from(last) {
                    Ok(last) => (last + 1).saturating_sub(words),
                    Err(_) => (count + 1).saturating_sub(usize::try_from(-last).unwrap_or(1)),
                };
                (first..last.min(count)).step_by(step).collect()
            }
            Keys::Numkeys => {
                let stated = if count > 1 { args.get_item(1)?.extract::<usize>().unwrap_or(0) } else { 0 };
                (2..count.min(stated.saturating_add(2))).collect()
            }
            Keys::Streams => {
                let is = |position: usize, word: &str| {
                    args.get_item(position).is_ok_and(|arg| {
                        arg.cast::<PyString>().is_ok_and(|text| text.to_str().is_ok_and(|text| text == word))
                    })
                };
                // A group or a consumer may be called STREAMS.
                let options = if is(0, "GROUP") { 3 } else { 0 };
                let first = (options..count).find(|position| is(*position, "STREAMS")).map_or(count, |at| at + 1);
                (first..first + (count - first) / 2).collect()
            }
        })
    }

    /// The slots of the keys among `args`.
    pub(crate) fn slots(&self, args: &Bound<'_, PyTuple>) -> PyResult<Slots> {
        let mut found = Slots::None;
        for position in self.key_positions(args)? {
            found = found.add(slots::slot(&argument::text(&args.get_item(position)?)?));
        }
        Ok(found)
    }
}

#[pymethods]
impl Spec {
    #[new]
    #[pyo3(signature = (name, *, write, repeatable = None, keys = None, split = None, everywhere = None))]
    fn new(
        name: &str,
        write: bool,
        repeatable: Option<bool>,
        keys: Option<&Bound<'_, PyAny>>,
        split: Option<&str>,
        everywhere: Option<&str>,
    ) -> PyResult<Self> {
        let mut packed = Payload::default();
        let mut words = 0;
        for word in name.split_ascii_whitespace() {
            packed.word(word.as_bytes());
            words += 1;
        }
        if words == 0 {
            return Err(PyValueError::new_err("a command needs a name"));
        }
        let keys = match keys {
            None => Keys::Range(1, 1, 1),
            Some(keys) => match keys.extract::<&str>() {
                Ok("numkeys") => Keys::Numkeys,
                Ok("streams") => Keys::Streams,
                _ => {
                    let (first, last, step) = keys
                        .extract()
                        .map_err(|_| PyTypeError::new_err("keys are three positions, 'numkeys' or 'streams'"))?;
                    Keys::Range(first, last, step)
                }
            },
        };
        let sharding = match (split, everywhere) {
            (Some(merge), _) => Sharding::Split(Merge::of(merge)?),
            (None, Some(merge)) => Sharding::Everywhere(Merge::of(merge)?),
            (None, None) => Sharding::OneSlot,
        };
        Ok(Self {
            name: name.into(),
            packed: packed.into_bytes(),
            words,
            write,
            repeatable: repeatable.unwrap_or(!write),
            sharding,
            keys,
        })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Where the keys stand, as it was declared.
    #[getter]
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.keys {
            Keys::Range(first, last, step) => Ok((first, last, step).into_pyobject(py)?.into_any()),
            Keys::Numkeys => Ok(PyString::new(py, "numkeys").into_any()),
            Keys::Streams => Ok(PyString::new(py, "streams").into_any()),
        }
    }

    /// Which of the arguments are keys.
    #[pyo3(signature = (args, /))]
    fn keys_of<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.key_positions(args)?.into_iter().map(|position| args.get_item(position)).collect()
    }

    fn __repr__(&self) -> String {
        format!("<Spec {}>", self.name)
    }
}
