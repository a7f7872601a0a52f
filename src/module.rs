//! `django_cachex._core`: what Python sees.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::batch::Batch;
use crate::codec::Codec;
use crate::command::Command;
use crate::config::Server;
use crate::control::BoundConnection;
use crate::engine::Engine;
use crate::keys::KeyMaker;
use crate::reading::{Reading, Unread};
use crate::shortcut::{Shortcut, Shortcuts};
use crate::spec::Spec;
use crate::tls::Tls;
use crate::values::Values;
use crate::{compressors, control, fork, imports, injection, looped, pickle, reading, registry, watch};

/// Names that belong to the native module's interface but are defined in Python are looked up when first asked for.
#[pyfunction]
fn __getattr__(py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
    match imports::home(name) {
        Some((module, attribute)) => Ok(PyModule::import(py, module)?.getattr(attribute)?.unbind()),
        None => Err(PyAttributeError::new_err(format!("module 'django_cachex._core' has no attribute '{name}'"))),
    }
}

// Free-threaded builds are not declared tested yet.
#[pymodule(gil_used = true)]
fn _core(py: Python<'_>, module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Batch>()?;
    module.add_class::<BoundConnection>()?;
    module.add_class::<Codec>()?;
    module.add_class::<Command>()?;
    module.add_class::<Engine>()?;
    module.add_class::<KeyMaker>()?;
    module.add_class::<Reading>()?;
    module.add_class::<Server>()?;
    module.add_class::<Shortcut>()?;
    module.add_class::<Shortcuts>()?;
    module.add_class::<Spec>()?;
    module.add_class::<Tls>()?;
    module.add_class::<Unread>()?;
    module.add_class::<Values>()?;
    module.add_function(wrap_pyfunction!(compressors::compress, module)?)?;
    module.add_function(wrap_pyfunction!(compressors::compression_levels, module)?)?;
    module.add_function(wrap_pyfunction!(compressors::decompress, module)?)?;
    module.add_function(wrap_pyfunction!(__getattr__, module)?)?;
    module.add_function(wrap_pyfunction!(injection::_panic_next, module)?)?;
    reading::add_to(module)?;
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(control::_end, module)?,))?;
    control::prepare();
    registry::prepare();
    looped::prepare(py);
    pickle::prepare(py)?;
    watch::prepare(py);
    Ok(fork::prepare()?)
}
