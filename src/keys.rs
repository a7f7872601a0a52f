//! Made keys: Django's `make_and_validate_key`, natively where the result is beyond doubt.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyType};

use crate::imports::intern;
use crate::seal::{self, Seal};
use crate::sync::Mutex;
use crate::watch;

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
    /// `prefix`: the cache's, if its attributes are watched.
    pub(crate) fn valid(
        &self,
        cache: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        version: &Bound<'_, PyAny>,
        prefix: Option<&Prefix>,
    ) -> PyResult<Option<String>> {
        let made = match (prefix, key.cast_exact::<PyString>().map(|key| key.to_str())) {
            (Some(prefix), Ok(Ok(text))) if version.is_none() => {
                if let Some(made) = prefix.before(cache, text) {
                    made
                } else {
                    let made = self.compose(cache, key, version)?;
                    prefix.learn(cache, text, &made)?;
                    made
                }
            }
            _ => self.compose(cache, key, version)?,
        };
        match made {
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
        Ok(Made::of(&[prefix, ":", digits.format(version), ":", key]))
    }
}

impl Made {
    fn of(parts: &[&str]) -> Self {
        let made = parts.concat();
        let printable = made.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        let short = made.len() <= MAX_LENGTH || made.chars().count() <= MAX_LENGTH;
        if short && printable { Self::Valid(made) } else { Self::Doubtful(made) }
    }
}

/// What stands before the keys of a cache whose attributes are watched.
#[derive(Default)]
pub(crate) struct Prefix(Mutex<Option<Known>>);

struct Known {
    text: Box<str>,
    /// How many changes there had been.
    changes: u64,
    /// The version tag of the cache's class.
    class: u32,
}

impl Prefix {
    /// The made key, if nothing has changed since the prefix was learned.
    fn before(&self, cache: &Bound<'_, PyAny>, key: &str) -> Option<Made> {
        let known = self.0.lock();
        let known = known.as_ref()?;
        (known.changes == watch::changes() && known.class == seal::tag(&cache.get_type()))
            .then(|| Made::of(&[&known.text, key]))
    }

    /// Takes the prefix from a made key, if it is the same for all keys until something changes.
    fn learn(&self, cache: &Bound<'_, PyAny>, key: &str, made: &Made) -> PyResult<()> {
        let (changes, class) = (watch::changes(), cache.get_type());
        let Made::Valid(made) = made else { return Ok(()) };
        // What a class has under these names may be computed.
        for name in [intern!(cache.py(), "key_func"), intern!(cache.py(), "key_prefix"), intern!(cache.py(), "version")]
        {
            if class.getattr_opt(name)?.is_some() {
                return Ok(());
            }
        }
        let (tag, text) = (seal::tag(&class), made.strip_suffix(key));
        if let Some(text) = text.filter(|_| tag != 0) {
            *self.0.lock() = Some(Known { text: text.into(), changes, class: tag });
        }
        Ok(())
    }
}
