//! Values as bytes and back: integers as digits, everything else through serializer and compressor.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use crate::compression::{Fault, Format};
use crate::compressors::{self, Native};
use crate::errors::{Error, Kind};
use crate::imports::{self, intern};
use crate::seal::{self, Seal};
use crate::{errors, pickle};

/// Python itself converts no longer integers between `int` and `str`.
const MAX_DIGITS: usize = 4300;

struct Serializer {
    object: Py<PyAny>,
    /// What our own pickle serializer does, if this is one.
    pickle: Option<Seal>,
}

impl Serializer {
    /// The protocol, if this is our own pickle serializer, unmodified: then it is done without a detour.
    fn protocol<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(seal) = &self.pickle else { return Ok(None) };
        let object = self.object.bind(py);
        let own = seal::attributes(object)?;
        // It has nothing else of its own, unless somebody has put it there.
        if own.len() == 1 && seal.holds_for_class(&object.get_type())? {
            own.get_item(intern!(py, "protocol"))
        } else {
            Ok(None)
        }
    }
}

struct Compressor {
    object: Py<PyAny>,
    /// Shorter payloads are not offered, if nothing else speaks for it.
    min_length: usize,
    /// The format of its output, if that is known.
    format: Option<Format>,
    /// What it does, if it is one of our own, unmodified: then no Python runs.
    native: Option<Native>,
}

impl Compressor {
    /// Whether `data` begins with its magic number.
    fn fits(&self, data: &[u8]) -> bool {
        self.format.is_some_and(|format| format.has_magic() && format.fits(data))
    }

    /// Whether `data` may be taken for its output, by a magic number or by less.
    fn may_claim(&self, data: &[u8]) -> bool {
        self.format.is_some_and(|format| format.fits(data))
    }

    /// Whether all that it writes begins with a magic number.
    fn writes_magic(&self) -> bool {
        self.native.is_some() && self.format.is_some_and(Format::has_magic)
    }
}

/// Encodes with the first serializer and compressor, decodes with whichever fits.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct Codec {
    serializers: Vec<Serializer>,
    compressors: Vec<Compressor>,
    /// The largest payload that may come out of a compressor, in bytes.
    limit: Option<usize>,
}

#[pymethods]
impl Codec {
    #[new]
    fn new(
        py: Python<'_>,
        serializers: &Bound<'_, PyAny>,
        compressors: &Bound<'_, PyAny>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let own = imports::pickle_serializer(py)?;
        let serializers = serializers
            .try_iter()?
            .map(|object| {
                let object = object?;
                let class = object.get_type();
                let pickle = if class.is(own) {
                    Some(Seal::new(&class, &["dumps", "loads", "_dumps", "_loads"])?)
                } else {
                    None
                };
                Ok(Serializer { object: object.unbind(), pickle })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let compressors = compressors
            .try_iter()?
            .map(|object| {
                let object = object?;
                let min_length = match object.getattr_opt("min_length")? {
                    Some(length) => length.extract()?,
                    None => 0,
                };
                let format = compressors::format_of(&object)?;
                Ok(Compressor { min_length, format, native: Native::of(&object)?, object: object.unbind() })
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self { serializers, compressors, limit })
    }

    /// What is stored for `value`: an exact int as it is, anything else as bytes.
    pub(crate) fn encode<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        if value.is_exact_instance_of::<PyInt>() && is_short(value)? {
            return Ok(value.clone());
        }
        let Some(serializer) = self.serializers.first() else {
            return Err(Error::new(Kind::Serializer, "no serializer").into());
        };
        if let Some(protocol) = serializer.protocol(py)? {
            // No pickle reads as an integer.
            if let Some(payload) = protocol.extract().ok().and_then(|protocol| pickle::write(value, protocol)) {
                return self.compress(payload.into_any());
            }
            return match imports::pickle_dumps(py)?.call1((value, protocol)) {
                Ok(payload) => self.compress(payload),
                Err(error) => Err(refused(py, error, &format!("cannot serialize a {}", value.get_type().qualname()?))),
            };
        }
        let payload = serializer.object.bind(py).call_method1(intern!(py, "dumps"), (value,))?;
        if payload.is_exact_instance_of::<PyInt>() {
            if !is_short(&payload)? {
                let text = format!("the serializer gives an integer of more than {MAX_DIGITS} digits");
                return Err(Error::new(Kind::Serializer, text).into());
            }
            return Ok(payload);
        }
        let payload = as_bytes(payload)?;
        if let Some(integer) = integer(py, payload.cast::<PyBytes>()?.as_bytes())? {
            let back = serializer.object.bind(py).call_method1(intern!(py, "loads"), (&payload,));
            let same = back
                .and_then(|back| back.eq(&integer))
                .or_else(|error| if error.is_instance_of::<PyException>(py) { Ok(false) } else { Err(error) })?;
            if !same {
                let text = "the serializer's output reads as an integer but means something else";
                return Err(Error::new(Kind::Serializer, text).into());
            }
            return Ok(payload);
        }
        self.compress(payload)
    }

    /// The value that `data` (bytes from the server, or an int) stands for.
    pub(crate) fn decode<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = data.py();
        let Ok(bytes) = data.cast::<PyBytes>() else { return Ok(data.clone()) };
        if let Some(value) = integer(py, bytes.as_bytes())? {
            return Ok(value);
        }
        let mut damaged = None;
        let unpacked;
        let payload = if self.compressors.is_empty() {
            data
        } else {
            unpacked = self.decompress(bytes, &mut damaged)?;
            &unpacked
        };
        let mut last = None;
        for serializer in &self.serializers {
            let read = if serializer.protocol(py)?.is_some() {
                let bytes = payload.cast::<PyBytes>().map(PyBytesMethods::as_bytes).unwrap_or_default();
                if let Some(value) = pickle::read(py, bytes) {
                    return Ok(value);
                }
                // What somebody else has compressed may be digits.
                if let Some(value) = integer(py, bytes)? {
                    return Ok(value);
                }
                let read = imports::pickle_loads(py)?.call1((payload,));
                read.map_err(|error| refused(py, error, "cannot read the stored bytes"))
            } else {
                serializer.object.bind(py).call_method1(intern!(py, "loads"), (payload,))
            };
            match read {
                Ok(value) => return Ok(value),
                Err(error) if error.is_instance_of::<PyException>(py) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(value) = fraction(py, bytes.as_bytes())? {
            return Ok(value);
        }
        let mut text = "no configured serializer can read the stored bytes".to_owned();
        if let Some(format) = damaged {
            text = format!("{text}; they begin as {} does, but are damaged", format.name());
        }
        let error = Error::new(Kind::Serializer, text);
        Err(last.map_or(error.clone(), |last| error.caused_by(last)).into())
    }
}

impl Codec {
    /// The value that `bytes` stand for, if they are what our own pickle serializer stores of plain values.
    pub(crate) fn plain<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(value) = integer(py, bytes)? {
            return Ok(Some(value));
        }
        let Some(serializer) = self.serializers.first() else { return Ok(None) };
        if self.compressors.iter().any(|compressor| !compressor.writes_magic() || compressor.fits(bytes))
            || serializer.protocol(py)?.is_none()
        {
            return Ok(None);
        }
        Ok(pickle::read(py, bytes))
    }

    fn compress<'py>(&self, payload: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = payload.py();
        let Some(compressor) = self.compressors.first() else { return Ok(payload) };
        let bytes = payload.cast::<PyBytes>()?.as_bytes();
        // A serializer's own output may begin as a compressor's does, and would be unpacked when it is read.
        let mistakable = self.compressors.iter().any(|compressor| compressor.may_claim(bytes));
        if bytes.len() < compressor.min_length && !mistakable {
            return Ok(payload);
        }
        let most = if mistakable { usize::MAX } else { bytes.len().saturating_sub(1) };
        if let Some(native) = &compressor.native {
            let packed = compressors::pack(py, native, bytes, most)?;
            return Ok(packed.map_or(payload, Bound::into_any));
        }
        let packed = compressor.object.bind(py).call_method1(intern!(py, "compress"), (&payload,))?;
        let packed = as_bytes(packed)?;
        Ok(if packed.len()? <= most { packed } else { payload })
    }

    /// The payload of `data`, which is `data` if no compressor made it. `damaged` becomes what it looked like.
    fn decompress<'py>(&self, data: &Bound<'py, PyBytes>, damaged: &mut Option<Format>) -> PyResult<Bound<'py, PyAny>> {
        // A magic number says more than a compressor that does not complain.
        let fits = |compressor: &&Compressor| compressor.fits(data.as_bytes());
        for compressor in self.compressors.iter().filter(fits) {
            if let Some(unpacked) = self.try_one(compressor, data)? {
                return Ok(unpacked);
            }
            *damaged = compressor.native.as_ref().map(|native| native.format).or(*damaged);
        }
        let others = |compressor: &&Compressor| !fits(compressor) && !compressor.writes_magic();
        for compressor in self.compressors.iter().filter(others) {
            if let Some(unpacked) = self.try_one(compressor, data)? {
                return Ok(unpacked);
            }
        }
        Ok(data.clone().into_any())
    }

    /// What one compressor makes of it, `None` if it did not come from there.
    fn try_one<'py>(&self, compressor: &Compressor, data: &Bound<'py, PyBytes>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(native) = &compressor.native else { return self.try_foreign(compressor, data) };
        match compressors::unpack(data.py(), native.format, data.as_bytes(), self.limit)? {
            Err(Fault::Damaged) => Ok(None),
            unpacked => compressors::raised(unpacked, native.format, self.limit).map(Some),
        }
    }

    fn try_foreign<'py>(
        &self,
        compressor: &Compressor,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = data.py();
        match compressor.object.bind(py).call_method1(intern!(py, "decompress"), (data,)).and_then(as_bytes) {
            Ok(payload) => {
                let size = payload.len()?;
                if let Some(limit) = self.limit.filter(|limit| size > *limit) {
                    let text = format!("{size} bytes are more than max_decompressed_size ({limit})");
                    return Err(Error::new(Kind::ValueTooLarge, text).into());
                }
                Ok(Some(payload))
            }
            Err(error) if error.is_instance(py, errors::class(py, Kind::ValueTooLarge)?.as_any()) => Err(error),
            Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What `PickleSerializer` raises for an error of pickle's, in the same words.
fn refused(py: Python<'_>, error: PyErr, what: &str) -> PyErr {
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let hidden = imports::hide_items(py).and_then(|hide_items| hide_items.call1((error.value(py),)));
    match hidden.and_then(|_| error.get_type(py).name()) {
        Ok(name) => Error::new(Kind::PickleSerializer, format!("{what}: {name}")).caused_by(error).into(),
        Err(failure) => failure,
    }
}

fn is_short(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.extract::<i64>().is_ok() {
        return Ok(true);
    }
    // What Python would not read back, at its usual limit or at one that is set lower, is for the serializer.
    let bits: usize = value.call_method0(intern!(value.py(), "bit_length"))?.extract()?;
    // The lowest limit is 640 digits: 10 ** 639 needs 2,123 bits.
    if bits < 2_120 {
        return Ok(true);
    }
    if bits > MAX_DIGITS * 4 {
        return Ok(false);
    }
    let Ok(text) = value.str() else { return Ok(false) };
    let text = text.to_str()?;
    Ok(text.strip_prefix('-').unwrap_or(text).len() <= MAX_DIGITS)
}

/// `dumps` may return anything bytes-like, or text.
pub(crate) fn as_bytes(payload: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = payload.py();
    if payload.is_exact_instance_of::<PyBytes>() {
        Ok(payload)
    } else if let Ok(text) = payload.cast::<PyString>() {
        Ok(PyBytes::new(py, text.to_str()?.as_bytes()).into_any())
    } else {
        py.get_type::<PyBytes>().call1((pyo3::types::PyMemoryView::from(&payload)?,))
    }
}

/// Bytes that are an optional minus and digits only, as that integer.
fn integer<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(value) => Ok(Some(value.into_pyobject(py)?.into_any())),
        // None where Python is told to read fewer digits.
        Err(_) => Ok(py.get_type::<PyInt>().call1((text,)).ok()),
    }
}

/// A plain decimal fraction, as HINCRBYFLOAT writes it.
fn fraction<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let Some(point) = unsigned.iter().position(|byte| *byte == b'.') else { return Ok(None) };
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if !digits(&unsigned[..point]) || !digits(&unsigned[point + 1..]) {
        return Ok(None);
    }
    let value = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    value.map(|value| Ok(value.into_pyobject(py)?.into_any())).transpose()
}
