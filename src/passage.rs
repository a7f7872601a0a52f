//! Whether a shortcut may be taken: cache and client are as they were written, and what is known of that.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::imports::intern;
use crate::seal::{self, Seal};
use crate::watch;

/// How many ways there are.
const WAYS: usize = 7;

/// What a shortcut leaves out.
pub(crate) struct Way {
    /// Which of the ways it is.
    index: usize,
    cache: Seal,
    client: Seal,
}

impl Way {
    /// The way past these methods of a cache's and of a client's class; `index` is its own, below [`WAYS`].
    pub(crate) fn new(
        index: usize,
        (cache, of_cache): (&Bound<'_, PyType>, &[&str]),
        (client, of_client): (&Bound<'_, PyType>, &[&str]),
    ) -> PyResult<Self> {
        debug_assert!(index < WAYS, "nothing could be known of it");
        Ok(Self { index, cache: Seal::new(cache, of_cache)?, client: Seal::new(client, of_client)? })
    }
}

/// Whether a shortcut may be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Closed,
    /// Yes, as has been looked up for this call.
    Once,
    /// Yes, as was found out before. What else is found out now holds until `watch::changes` gives another number.
    Known,
}

/// Whether a cache that has no client yet, but is to have one of this class, is as it was written.
pub(crate) fn first(way: &Way, cache: &Bound<'_, PyAny>, client: &Bound<'_, PyType>) -> PyResult<Passage> {
    let own = seal::attributes(cache)?;
    let open = !own.contains(intern!(cache.py(), "_cache"))?
        && way.cache.holds_with(cache, &own)?
        && way.client.holds_for_class(client)?;
    Ok(if open { Passage::Once } else { Passage::Closed })
}

/// What was found out about a cache and its client.
#[derive(Default)]
pub(crate) struct Known {
    /// The addresses of the dicts of their attributes, both of which are watched.
    cache: AtomicUsize,
    client: AtomicUsize,
    /// For each way how many changes there had been when it was found open.
    open: [AtomicU64; WAYS],
    /// Somebody has wanted to know before.
    wanted: AtomicBool,
}

impl Known {
    /// Whether cache and client are as they were written, as far as the way goes.
    pub(crate) fn passage(&self, way: &Way, cache: &Bound<'_, PyAny>, client: &Bound<'_, PyAny>) -> PyResult<Passage> {
        let (own, clients) = (seal::attributes(cache)?, seal::attributes(client)?);
        if self.is_open(way, &own, &clients) {
            let same =
                way.cache.holds_for_class(&cache.get_type())? && way.client.holds_for_class(&client.get_type())?;
            return Ok(if same { Passage::Known } else { Passage::Closed });
        }
        // Held by nobody but the object, so that it can get another.
        drop((own, clients));
        let (own, clients, watched) = self.watch(cache, client)?;
        let changes = watch::changes();
        let open = own.get_item(intern!(cache.py(), "_cache"))?.is_some_and(|current| current.is(client))
            && way.cache.holds_with(cache, &own)?
            && way.client.holds_with(client, &clients)?;
        if !open {
            return Ok(Passage::Closed);
        }
        if watched {
            self.note(way, changes, &own, &clients);
        }
        Ok(Passage::Once)
    }

    /// Whether the way was found open, and nothing has changed since but, perhaps, the classes.
    fn is_open(&self, way: &Way, cache: &Bound<'_, PyDict>, client: &Bound<'_, PyDict>) -> bool {
        self.open[way.index].load(Ordering::Relaxed) == watch::changes() && self.is_about(cache, client)
    }

    fn is_about(&self, cache: &Bound<'_, PyDict>, client: &Bound<'_, PyDict>) -> bool {
        self.cache.load(Ordering::Relaxed) == cache.as_ptr() as usize
            && self.client.load(Ordering::Relaxed) == client.as_ptr() as usize
    }

    /// The dicts of their attributes, and whether these are watched: not for objects that are used once.
    fn watch<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        client: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>, bool)> {
        if self.wanted.swap(true, Ordering::Relaxed)
            && let Some(own) = watch::watch(cache, seal::attributes(cache)?)
            && let Some(clients) = watch::watch(client, seal::attributes(client)?)
        {
            return Ok((own, clients, true));
        }
        Ok((seal::attributes(cache)?, seal::attributes(client)?, false))
    }

    /// The way was found open, after so many changes.
    fn note(&self, way: &Way, mut changes: u64, cache: &Bound<'_, PyDict>, client: &Bound<'_, PyDict>) {
        if !self.is_about(cache, client) {
            // Nothing that was found out before is about these.
            changes = watch::change();
            self.cache.store(cache.as_ptr() as usize, Ordering::Relaxed);
            self.client.store(client.as_ptr() as usize, Ordering::Relaxed);
        }
        self.open[way.index].store(changes, Ordering::Relaxed);
    }
}
