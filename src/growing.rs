//! A `bytes` object that is decompressed into.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::compression::{Fault, Output};

unsafe extern "C" {
    // Python's stable interface has it, pyo3 does not.
    fn _PyBytes_Resize(object: *mut *mut ffi::PyObject, size: ffi::Py_ssize_t) -> std::ffi::c_int;
}

/// Bytes that nobody else has seen yet, so that they may still change. Works with and without the interpreter held: it
/// is asked for only when the size changes.
pub(crate) struct Growing {
    /// Null, or an object that is owned.
    object: *mut ffi::PyObject,
    len: usize,
}

// SAFETY: the object is known here only, and the interpreter is held whenever its reference count or size changes.
unsafe impl Send for Growing {}

impl Growing {
    pub(crate) fn new() -> Self {
        Self { object: ptr::null_mut(), len: 0 }
    }

    pub(crate) fn into_bytes(mut self, py: Python<'_>) -> Bound<'_, PyBytes> {
        if self.object.is_null() {
            return PyBytes::new(py, b"");
        }
        let object = std::mem::replace(&mut self.object, ptr::null_mut());
        // SAFETY: `object` is a bytes object with the reference that was owned here.
        unsafe { Bound::from_owned_ptr(py, object).cast_into_unchecked() }
    }

    /// Changes the size; null if there is no memory.
    fn reallocate(&mut self, py: Python<'_>, size: usize) {
        let Ok(wanted) = ffi::Py_ssize_t::try_from(size) else {
            return self.release(py);
        };
        // SAFETY: the interpreter is held. With a null source the first call makes an object with uninitialised content;
        // the second moves an object with a single reference, and leaves null where it fails. Both set an exception then.
        unsafe {
            if self.object.is_null() {
                self.object = ffi::PyBytes_FromStringAndSize(ptr::null(), wanted);
            } else {
                _PyBytes_Resize(&raw mut self.object, wanted);
            }
        }
        if self.object.is_null() {
            drop(PyErr::take(py));
        }
    }

    fn release(&mut self, _py: Python<'_>) {
        let object = std::mem::replace(&mut self.object, ptr::null_mut());
        self.len = 0;
        // SAFETY: the interpreter is held and the reference, if there is one, was owned here.
        unsafe { ffi::Py_XDECREF(object) };
    }
}

impl Output for Growing {
    fn resize(&mut self, size: usize) -> Result<&mut [u8], Fault> {
        if size == 0 {
            // The empty bytes object is everybody's.
            if !self.object.is_null() {
                Python::try_attach(|py| self.release(py)).ok_or(Fault::Memory)?;
            }
            return Ok(&mut []);
        }
        if size != self.len || self.object.is_null() {
            Python::try_attach(|py| self.reallocate(py, size)).ok_or(Fault::Memory)?;
            if self.object.is_null() {
                self.len = 0;
                return Err(Fault::Memory);
            }
        }
        let old = std::mem::replace(&mut self.len, size);
        // SAFETY: the object is alive and known here only; PyBytes_AsString on a bytes object only computes an address.
        // What is new of its `size` bytes is set before a slice of them is made.
        unsafe {
            let start = ffi::PyBytes_AsString(self.object).cast::<u8>();
            if size > old {
                start.add(old).write_bytes(0, size - old);
            }
            Ok(std::slice::from_raw_parts_mut(start, size))
        }
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.object.is_null() {
            Python::try_attach(|py| self.release(py));
        }
    }
}
