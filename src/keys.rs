//! Made keys: Django's `make_and_validate_key`, natively where the result is beyond doubt.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyType};

use crate::imports::intern;
use crate::seal::Seal;

/// Longer keys make Django warn (`MEMCACHE_MAX_KEY_LENGTH`).
const MAX_LENGTH: usize = 250;

/// Makes keys as Django's `BaseCache` does.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct KeyMaker {
    /// `make_key` and `validate_key`.
    django: Seal,
    key_func: Py<PyAny>,
}

/// What Django would make of a key.
enum Made {
    Valid(String),
    /// Django's own key, about which Django's own validation may have something to say.
    Doubtful(String),
    /// Application code decides.
    Foreign,
}

#[pymethods]
impl KeyMaker {
    /// `base` is Django's `BaseCache`, `key_func` its default key function.
    #[new]
    fn new(base: &Bound<'_, PyType>, key_func: Py<PyAny>) -> PyResult<Self> {
        Ok(Self { django: Seal::new(base, &["make_key", "validate_key"])?, key_func })
    }

    /// What `BaseCache.make_and_validate_key(cache, key, version)` is: the made key, with a `CacheKeyWarning` if
    /// memcached would refuse it. Overridden or patched `make_key`, `validate_key` and `key_func` are honoured.
    #[pyo3(signature = (cache, key, version, /))]
    fn make_and_validate<'py>(
        &self,
        cache: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cache.py();
        let made = match self.make(cache, key, version)? {
            Made::Valid(made) => return Ok(PyString::new(py, &made).into_any()),
            Made::Doubtful(made) => PyString::new(py, &made).into_any(),
            Made::Foreign => {
                // By name, as Django passes it.
                let named = PyDict::new(py);
                named.set_item(intern!(py, "version"), version)?;
                cache.call_method(intern!(py, "make_key"), (key,), Some(&named))?
            }
        };
        cache.call_method1(intern!(py, "validate_key"), (&made,))?;
        Ok(made)
    }
}

impl KeyMaker {
    /// The made key, if it is beyond doubt. That `make_key` and `validate_key` are Django's is the caller's to know.
    pub(crate) fn valid(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
    ) -> PyResult<Option<String>> {
        match self.compose(cache, key, version)? {
            Made::Valid(made) => Ok(Some(made)),
            Made::Doubtful(_) | Made::Foreign => Ok(None),
        }
    }

    fn make(&self, cache: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>, version: &Bound<'_, PyAny>) -> PyResult<Made> {
        if self.django.holds(cache)? { self.compose(cache, key, version) } else { Ok(Made::Foreign) }
    }

    fn compose(&self, cache: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>, version: &Bound<'_, PyAny>) -> PyResult<Made> {
        let py = cache.py();
        let Ok(key) = key.cast_exact::<PyString>() else { return Ok(Made::Foreign) };
        if !cache.getattr(intern!(py, "key_func"))?.is(&self.key_func) {
            return Ok(Made::Foreign);
        }
        let prefix = cache.getattr(intern!(py, "key_prefix"))?;
        let own_version;
        let version = if version.is_none() {
            own_version = cache.getattr(intern!(py, "version"))?;
            &own_version
        } else {
            version
        };
        let Ok(prefix) = prefix.cast_exact::<PyString>() else { return Ok(Made::Foreign) };
        if !version.is_exact_instance_of::<PyInt>() {
            return Ok(Made::Foreign);
        }
        // Surrogates: Django can format them, UTF-8 cannot hold them.
        let (Ok(prefix), Ok(key), Ok(version)) = (prefix.to_str(), key.to_str(), version.extract::<i64>()) else {
            return Ok(Made::Foreign);
        };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(version);
        let mut made = String::with_capacity(prefix.len() + digits.len() + key.len() + 2);
        for part in [prefix, ":", digits, ":", key] {
            made.push_str(part);
        }
        let printable = made.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        let short = made.len() <= MAX_LENGTH || made.chars().count() <= MAX_LENGTH;
        Ok(if short && printable { Made::Valid(made) } else { Made::Doubtful(made) })
    }
}
