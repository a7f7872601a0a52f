//! A command about to be sent, as a declaration builds it.

use pyo3::PyTraverseError;
use pyo3::exceptions::PyException;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple, PyType};

use crate::errors::{self, Kind};
use crate::imports::intern;
use crate::reading;
use crate::spec::Spec;

/// A command about to be sent: what follows the name, and what becomes of the reply.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Command {
    /// Makes the result out of the raw reply.
    #[pyo3(get)]
    pub(crate) reply: Py<PyAny>,
    #[pyo3(get)]
    pub(crate) args: Py<PyTuple>,
    /// The command, where it is another than the declared one.
    #[pyo3(get)]
    pub(crate) spec: Option<Py<Spec>>,
    /// Makes the exception to raise out of the server's refusal, where that is another.
    #[pyo3(get)]
    pub(crate) refused: Option<Py<PyAny>>,
    /// The index of the server that must serve it.
    #[pyo3(get)]
    pub(crate) at: Option<usize>,
    /// How many seconds the server may wait before it answers, 0 for ever.
    #[pyo3(get)]
    pub(crate) wait: Option<f64>,
}

#[pymethods]
impl Command {
    #[new]
    #[pyo3(signature = (reply, *args, spec = None, refused = None, at = None, wait = None))]
    fn new(
        reply: Py<PyAny>,
        args: Py<PyTuple>,
        spec: Option<Py<Spec>>,
        refused: Option<Py<PyAny>>,
        at: Option<usize>,
        wait: Option<f64>,
    ) -> Self {
        Self { reply, args, spec, refused, at, wait }
    }

    /// A command of a key and the words that follow it, a tuple or a list.
    #[staticmethod]
    #[pyo3(signature = (reply, key, words, /))]
    fn of(reply: Py<PyAny>, key: Bound<'_, PyAny>, words: &Bound<'_, PyAny>) -> PyResult<Self> {
        let args = match words.cast::<PyTuple>() {
            Ok(words) => Line { key: Some(key), words: words.iter() }.collected(words.py()),
            Err(_) => Line { key: Some(key), words: words.cast::<PyList>()?.iter() }.collected(words.py()),
        }?;
        Ok(Self { reply, args, spec: None, refused: None, at: None, wait: None })
    }

    /// `Command[int]` is `Command`.
    #[classmethod]
    fn __class_getitem__(class: Py<PyType>, _item: &Bound<'_, PyAny>) -> Py<PyType> {
        class
    }

    // The signature is PyO3's.
    #[allow(clippy::needless_pass_by_value)]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reply)?;
        visit.call(&self.args)?;
        visit.call(&self.refused)
    }
}

impl Command {
    /// What is sent, of a declaration that says `declared`.
    pub(crate) fn spec<'py>(&self, declared: &Bound<'py, Spec>) -> Bound<'py, Spec> {
        self.spec.as_ref().map_or_else(|| declared.clone(), |own| own.bind(declared.py()).clone())
    }
}

/// A key and the words that follow it.
struct Line<'py, I> {
    key: Option<Bound<'py, PyAny>>,
    words: I,
}

impl<'py, I: ExactSizeIterator<Item = Bound<'py, PyAny>>> Line<'py, I> {
    fn collected(self, py: Python<'py>) -> PyResult<Py<PyTuple>> {
        PyTuple::new(py, self).map(Bound::unbind)
    }
}

impl<'py, I: Iterator<Item = Bound<'py, PyAny>>> Iterator for Line<'py, I> {
    type Item = Bound<'py, PyAny>;

    fn next(&mut self) -> Option<Self::Item> {
        self.key.take().or_else(|| self.words.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (key, (least, most)) = (usize::from(self.key.is_some()), self.words.size_hint());
        (least + key, most.map(|most| most + key))
    }
}

impl<'py, I: ExactSizeIterator<Item = Bound<'py, PyAny>>> ExactSizeIterator for Line<'py, I> {}

/// What `refused` makes of an error, if the error is a server's refusal.
pub(crate) fn refusal(py: Python<'_>, refused: Option<&Py<PyAny>>, error: PyErr) -> PyErr {
    let Some(refused) = refused else { return error };
    let is_refusal = errors::class(py, Kind::Response).map(|class| error.is_instance(py, class.as_any()));
    if !is_refusal.unwrap_or(false) {
        return error;
    }
    let value = error.value(py);
    match refused.call1(py, (value,)) {
        Ok(made) if made.bind(py).is(value) => error,
        Ok(made) => {
            let made = PyErr::from_value(made.into_bound(py));
            made.set_cause(py, Some(error));
            made
        }
        Err(failure) => failure,
    }
}

/// One call that is queued on a pipeline.
pub(crate) struct Call {
    pub(crate) name: std::sync::Arc<str>,
    /// How many replies `reply` gets as a list; `None`: it gets the only one as it is.
    pub(crate) listed: Option<usize>,
    pub(crate) reply: Py<PyAny>,
    pub(crate) refused: Option<Py<PyAny>>,
}

impl Call {
    /// How many replies it gets.
    pub(crate) fn replies(&self) -> usize {
        self.listed.unwrap_or(1)
    }

    /// The result.
    pub(crate) fn result<'py>(&self, py: Python<'py>, replies: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        if let Some(failed) = replies.iter().find(|reply| reply.is_instance_of::<PyException>()) {
            return Err(refusal(py, self.refused.as_ref(), PyErr::from_value(failed.clone())));
        }
        match (self.listed, replies) {
            (None, [reply]) => reading::read(self.reply.bind(py), reply),
            _ => self.reply.bind(py).call1((replies.to_vec(),)),
        }
    }

    /// Says in an exception where in the pipeline it comes from.
    pub(crate) fn note(&self, error: &Bound<'_, PyAny>, position: usize) -> PyResult<()> {
        let text = format!("at position {position} of the pipeline: {}", self.name);
        error.call_method1(intern!(error.py(), "add_note"), (text,)).map(drop)
    }
}
