//! What callers pass, as words on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};

use crate::errors::{Error, Kind};
use crate::wire::Payload;

/// From this size on, a value is sent from where Python keeps it.
pub(crate) const SHARE: usize = 16 * 1024;

/// Packs `arg`, an argument of `command`.
pub(crate) fn pack(
    payload: &mut Payload,
    command: &Arc<str>,
    arg: &Bound<'_, PyAny>,
    limit: Option<usize>,
) -> PyResult<()> {
    if arg.is_exact_instance_of::<PyInt>() {
        if let Ok(value) = arg.extract::<i64>() {
            payload.integer(value);
        } else {
            let digits = text(arg)?;
            check(digits.len(), command, limit)?;
            payload.word(&digits);
        }
        return Ok(());
    }
    if let Ok(bytes) = arg.cast_exact::<PyBytes>() {
        let word = bytes.as_bytes();
        check(word.len(), command, limit)?;
        if word.len() < SHARE {
            payload.word(word);
        } else {
            payload.shared(Arc::new(PyBackedBytes::from(bytes.clone())));
        }
        return Ok(());
    }
    // To ask a string or a number for its buffer costs an exception.
    let plain = arg.is_instance_of::<PyString>()
        || arg.is_instance_of::<PyBytes>()
        || arg.is_instance_of::<PyInt>()
        || arg.is_instance_of::<PyFloat>();
    if !plain && let Ok(view) = pyo3::buffer::PyBuffer::<u8>::get(arg) {
        // It is measured before it is copied.
        check(view.len_bytes(), command, limit)?;
    }
    let text = text(arg)?;
    check(text.len(), command, limit)?;
    payload.word(&text);
    Ok(())
}

fn check(size: usize, command: &Arc<str>, limit: Option<usize>) -> PyResult<()> {
    let Some(limit) = limit.filter(|limit| size > *limit) else { return Ok(()) };
    let text = format!("a value of {size} bytes is larger than max_value_size ({limit})");
    Err(Error::new(Kind::ValueTooLarge, text).during(command).into())
}

/// The bytes that stand for `arg`.
pub(crate) fn text<'a>(arg: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(text) = arg.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Err(_) => owned(&text.call_method1("encode", ("utf-8", "surrogateescape"))?),
        };
    }
    if let Ok(bytes) = arg.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if arg.is_instance_of::<PyBool>() {
        return Ok(Cow::Borrowed(if arg.is_truthy()? { b"1" } else { b"0" }));
    }
    if let Ok(value) = arg.cast::<PyInt>() {
        // An IntEnum's own str() may be anything.
        let plain = if value.is_exact_instance_of::<PyInt>() {
            value.clone().into_any()
        } else {
            value.py().get_type::<PyInt>().call1((value,))?
        };
        return Ok(Cow::Owned(plain.str()?.to_str()?.as_bytes().to_vec()));
    }
    if let Ok(value) = arg.cast::<PyFloat>() {
        // A subclass's own repr() may be anything.
        let plain = if value.is_exact_instance_of::<PyFloat>() {
            value.clone()
        } else {
            PyFloat::new(value.py(), value.value())
        };
        return Ok(Cow::Owned(plain.repr()?.to_str()?.as_bytes().to_vec()));
    }
    if let Ok(view) = pyo3::buffer::PyBuffer::<u8>::get(arg) {
        return Ok(Cow::Owned(view.to_vec(arg.py())?));
    }
    let kind = arg.get_type().qualname()?;
    Err(PyTypeError::new_err(format!("cannot send a {kind}: bytes, str, int, float or bool expected")))
}

fn owned<'a>(bytes: &Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    Ok(Cow::Owned(bytes.cast::<PyBytes>()?.as_bytes().to_vec()))
}
