//! Whether methods are still the ones that were written: not overridden in a subclass, not patched on a class or on an
//! instance. Only then may a native shortcut stand in for them.

use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

/// How many classes a seal remembers as intact.
const REMEMBERED: usize = 16;

/// The methods of a class as they were when the class was made.
pub(crate) struct Seal {
    methods: Vec<(Py<PyString>, Py<PyAny>)>,
    /// Version tags of classes that were found intact. No two classes ever have the same.
    intact: [AtomicU32; REMEMBERED],
    /// Where the next one goes, counted on and on.
    next: AtomicUsize,
}

impl Seal {
    pub(crate) fn new(class: &Bound<'_, PyType>, names: &[&str]) -> PyResult<Self> {
        let methods = names
            .iter()
            .map(|name| Ok((PyString::intern(class.py(), name).unbind(), class.getattr(*name)?.unbind())))
            .collect::<PyResult<_>>()?;
        Ok(Self { methods, intact: Default::default(), next: AtomicUsize::new(0) })
    }

    /// Whether all sealed methods of `object` are the sealed ones.
    pub(crate) fn holds(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.holds_with(object, &attributes(object)?)
    }

    /// The same, given the object's own attributes.
    pub(crate) fn holds_with(&self, object: &Bound<'_, PyAny>, own: &Bound<'_, PyDict>) -> PyResult<bool> {
        if !self.holds_for_class(&object.get_type())? {
            return Ok(false);
        }
        for (name, _) in &self.methods {
            if own.contains(name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether no method has been replaced in the class.
    pub(crate) fn holds_for_class(&self, class: &Bound<'_, PyType>) -> PyResult<bool> {
        let seen = tag(class);
        if seen != 0 && self.intact.iter().any(|intact| intact.load(Ordering::Relaxed) == seen) {
            return Ok(true);
        }
        for (name, method) in &self.methods {
            if !class.getattr(name)?.is(method) {
                return Ok(false);
            }
        }
        // The look-ups above have given the class a tag, if it can have one.
        let seen = tag(class);
        if seen != 0 {
            let place = self.next.fetch_add(1, Ordering::Relaxed) % REMEMBERED;
            self.intact[place].store(seen, Ordering::Relaxed);
        }
        Ok(true)
    }
}

/// The attributes that an object has of its own: its `__dict__`.
pub(crate) fn attributes<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: it takes any object, and raises AttributeError if this has none. What it returns is ours.
    let own = unsafe {
        let own = ffi::PyObject_GenericGetDict(object.as_ptr(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(object.py(), own)?
    };
    Ok(own.cast_into()?)
}

/// The interpreter's version tag of a class: another one after every change to the class or to one of its bases, 0 for none.
pub(crate) fn tag(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the class is alive and the interpreter is held, so nothing writes to it meanwhile.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}
