//! Where a shortcut leads: a client, or one that is yet to be made, with its engines and its codec.

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::codec::Codec;
use crate::engine::Engine;
use crate::keys::Prefix;
use crate::passage::{self, Known, Passage, Way};
use crate::reading::{self, Reading};

/// What encodes and sends the long way.
enum Client {
    Made {
        client: Py<PyAny>,
        /// What `get` makes of a reply, with `None` for a missing one.
        found: Py<Reading>,
        known: Known,
        prefix: Prefix,
    },
    /// Caches make theirs, of this class, when they need it.
    Planned(Py<PyType>),
}

/// What a call goes to.
pub(crate) struct Target {
    client: Client,
    engine: Py<Engine>,
    async_engine: Py<Engine>,
    pub(crate) codec: Py<Codec>,
}

impl Target {
    pub(crate) fn made(
        py: Python<'_>,
        client: Py<PyAny>,
        engine: Py<Engine>,
        async_engine: Py<Engine>,
        codec: Py<Codec>,
    ) -> PyResult<Self> {
        let found = Reading::found(client.clone_ref(py), codec.clone_ref(py), py.None());
        let client =
            Client::Made { client, found: Py::new(py, found)?, known: Known::default(), prefix: Prefix::default() };
        Ok(Self { client, engine, async_engine, codec })
    }

    pub(crate) fn planned(class: Py<PyType>, engine: Py<Engine>, async_engine: Py<Engine>, codec: Py<Codec>) -> Self {
        Self { client: Client::Planned(class), engine, async_engine, codec }
    }

    /// The way there, unless something on it has been replaced.
    pub(crate) fn open(&self, way: &Way, cache: &Bound<'_, PyAny>) -> PyResult<Option<Open<'_>>> {
        let (passage, prefix) = match &self.client {
            Client::Made { client, known, prefix, .. } => {
                (known.passage(way, cache, client.bind(cache.py()))?, Some(prefix))
            }
            Client::Planned(class) => (passage::first(way, cache, class.bind(cache.py()))?, None),
        };
        Ok(match passage {
            Passage::Closed => None,
            Passage::Once => Some(Open { target: self, prefix: None }),
            Passage::Known => Some(Open { target: self, prefix }),
        })
    }

    pub(crate) fn engine(&self, to_loop: bool) -> &Engine {
        if to_loop { self.async_engine.get() } else { self.engine.get() }
    }

    /// What has the client.
    fn owner<'a, 'py>(&'a self, cache: &'a Bound<'py, PyAny>) -> &'a Bound<'py, PyAny> {
        match &self.client {
            Client::Made { client, .. } => client.bind(cache.py()),
            Client::Planned(_) => cache,
        }
    }

    /// The value of a raw reply to GET, or `default`.
    pub(crate) fn value<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        reply: &Bound<'py, PyAny>,
        default: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        reading::found(self.owner(cache), self.codec.get(), reply, default)
    }

    /// What makes values of raw replies to GET; `default` stands for a missing one.
    pub(crate) fn found(&self, cache: &Bound<'_, PyAny>, default: &Bound<'_, PyAny>) -> PyResult<Py<Reading>> {
        let py = cache.py();
        match &self.client {
            Client::Made { found, .. } if default.is_none() => Ok(found.clone_ref(py)),
            _ => {
                let owner = self.owner(cache).clone().unbind();
                Py::new(py, Reading::found(owner, self.codec.clone_ref(py), default.clone().unbind()))
            }
        }
    }
}

/// A way on which everything is as it was written.
pub(crate) struct Open<'a> {
    pub(crate) target: &'a Target,
    /// What stands before keys, where that may be remembered.
    pub(crate) prefix: Option<&'a Prefix>,
}
