//! What `django_cachex.compressors` does, for its classes and, without them, for the codec.

use std::cell::Cell;

use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::compression::{Fault, Format, Output};
use crate::errors::{Error, Kind, contained};
use crate::growing::Growing;
use crate::{codec, imports};

/// Work that takes less than some 20 us is done with the interpreter held: others would not get far in that time, and
/// getting it back can take as long. In bytes before compression.
const fn worth_releasing(format: Format, packing: bool) -> usize {
    match (format, packing) {
        (Format::Lzma, _) => 512,
        (Format::Zlib | Format::Gzip, true) => 1 << 10,
        (Format::Zlib | Format::Gzip, false) | (Format::Zstd, true) => 8 << 10,
        (Format::Zstd, false) | (Format::Lz4, true) => 24 << 10,
        (Format::Lz4, false) => 48 << 10,
    }
}

/// A `NativeCompressor` as the codec needs it.
pub(crate) struct Native {
    pub(crate) format: Format,
    level: i32,
}

/// The format of a `NativeCompressor`, also of a subclass that does part of the work itself.
pub(crate) fn format_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Format>> {
    if !object.is_instance(imports::native_compressor(object.py())?)? {
        return Ok(None);
    }
    named(object.getattr("format")?.extract::<&str>()?).map(Some)
}

impl Native {
    /// `None` if `object` is something else, or a subclass that does part of the work itself.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let (class, base) = (object.get_type(), imports::native_compressor(object.py())?);
        let Some(format) = format_of(object)? else { return Ok(None) };
        for name in ["compress", "decompress", "_compress", "_decompress"] {
            if !class.getattr(name)?.is(&base.getattr(name)?) {
                return Ok(None);
            }
        }
        Ok(Some(Self { format, level: object.getattr("level")?.extract()? }))
    }
}

fn named(name: &str) -> PyResult<Format> {
    Format::named(name).ok_or_else(|| PyValueError::new_err("there is no such format"))
}

/// A buffer that has grown beyond this is given back.
const KEPT: usize = 1 << 20;

// The pages of a new buffer cost as much as the compression that fills it.
thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// `data` compressed, if that is at most so many bytes.
pub(crate) fn pack<'py>(
    py: Python<'py>,
    native: &Native,
    data: &[u8],
    most: usize,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let Native { format, level } = *native;
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    let packed = contained(|| {
        let mut work = || format.compress(level, data, &mut buffer);
        Ok(if data.len() < worth_releasing(format, true) { work() } else { py.detach(work) })
    })?;
    packed.map_err(|fault| error(fault, format, None))?;
    let bytes = (buffer.len() <= most).then(|| PyBytes::new(py, &buffer));
    if buffer.capacity() <= KEPT {
        _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    Ok(bytes)
}

/// What was compressed to `data`, in a new bytes object.
pub(crate) fn unpack<'py>(
    py: Python<'py>,
    format: Format,
    data: &[u8],
    limit: Option<usize>,
) -> PyResult<Result<Bound<'py, PyBytes>, Fault>> {
    contained(|| {
        if !format.fits(data) {
            return Ok(Err(Fault::Damaged));
        }
        let mut bytes = Growing::new();
        // Before the interpreter is let go: usually it is not needed again then.
        let size = match format.expected(data, limit).and_then(|size| bytes.resize(size)) {
            Ok(room) => room.len(),
            Err(fault) => return Ok(Err(fault)),
        };
        let mut work = || format.decompress(data, limit, &mut bytes);
        let done = if size < worth_releasing(format, false) { work() } else { py.detach(work) };
        Ok(done.map(|()| bytes.into_bytes(py)))
    })
}

/// The bytes of `unpack`, or its fault as an exception.
pub(crate) fn raised(
    unpacked: Result<Bound<'_, PyBytes>, Fault>,
    format: Format,
    limit: Option<usize>,
) -> PyResult<Bound<'_, PyAny>> {
    unpacked.map(Bound::into_any).map_err(|fault| error(fault, format, limit))
}

fn error(fault: Fault, format: Format, limit: Option<usize>) -> PyErr {
    match (fault, limit) {
        (Fault::Damaged, _) => {
            Error::new(Kind::Compressor, format!("these bytes are not {}, or damaged", format.name())).into()
        }
        (Fault::TooLarge, Some(limit)) => {
            let text = format!("{} bytes of more than max_decompressed_size ({limit})", format.name());
            Error::new(Kind::ValueTooLarge, text).into()
        }
        (Fault::TooLarge, None) => {
            Error::new(Kind::ValueTooLarge, format!("{} data wants too much memory", format.name())).into()
        }
        (Fault::Memory, _) => PyMemoryError::new_err(format!("no memory for {} data", format.name())),
    }
}

/// `data` in a format of `compression_levels`.
#[pyfunction]
#[pyo3(signature = (format, level, data, /))]
pub(crate) fn compress<'py>(format: &str, level: i32, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    let format = named(format)?;
    if !format.levels().contains(&level) {
        return Err(PyValueError::new_err("there is no such level"));
    }
    let data = codec::as_bytes(data)?;
    let packed = pack(py, &Native { format, level }, data.cast::<PyBytes>()?.as_bytes(), usize::MAX)?;
    Ok(packed.unwrap_or_else(|| PyBytes::new(py, b"")))
}

/// The reverse of `compress`, for up to `limit` bytes.
#[pyfunction]
#[pyo3(signature = (format, data, limit, /))]
pub(crate) fn decompress<'py>(
    format: &str,
    data: Bound<'py, PyAny>,
    limit: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = data.py();
    let format = named(format)?;
    let data = codec::as_bytes(data)?;
    raised(unpack(py, format, data.cast::<PyBytes>()?.as_bytes(), limit)?, format, limit)
}

/// The lowest and the highest level of a format.
#[pyfunction]
#[pyo3(signature = (format, /))]
pub(crate) fn compression_levels(format: &str) -> PyResult<(i32, i32)> {
    let levels = named(format)?.levels();
    Ok((*levels.start(), *levels.end()))
}
