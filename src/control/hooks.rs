//! Application code that takes part in connecting: always on a thread of its own, never inside the runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::handshake::Credentials;
use super::visit::attach;
use crate::config::{Config, Hook};
use crate::errors::{Error, Kind, Result};
use crate::node::Connection;
use crate::request::Request;
use crate::spec::Spec;
use crate::sync::Mutex;
use crate::{blocking, imports};

/// Calls `work` with the interpreter, on a thread where it may block.
async fn with_python<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(Python<'_>) -> PyResult<T> + Send + 'static,
{
    let ran = tokio::task::spawn_blocking(move || attach(|py| work(py).map_err(Error::foreign))).await;
    match ran {
        Ok(Some(result)) => result,
        Ok(None) => Err(Error::new(Kind::Connection, "the interpreter is shutting down")),
        Err(_) => Err(Error::new(Kind::Internal, "a connection hook failed")),
    }
}

fn held(hook: &Hook) -> Result<Py<PyAny>> {
    attach(|py| hook.0.clone_ref(py)).ok_or_else(|| Error::new(Kind::Connection, "the interpreter is shutting down"))
}

/// Where servers can be reached that announce these addresses. A hook that hangs must not end all searching, so it has the
/// time that a connection has.
pub(crate) async fn remap(hook: &Hook, announced: Vec<(String, u16)>, config: &Config) -> Result<Vec<(String, u16)>> {
    let hook = held(hook)?;
    let mapping = with_python(move |py| {
        let addresses = announced.into_iter().map(|(host, port)| hook.bind(py).call1((host, port))?.extract());
        addresses.collect()
    });
    let limit = config.connect_timeout;
    tokio::time::timeout(limit.unwrap_or(Duration::MAX), mapping)
        .await
        .unwrap_or_else(|_| Err(Error::timeout("address_remap has not answered", limit)))
}

pub(super) async fn prepare(hook: &Hook) -> Result<()> {
    let hook = held(hook)?;
    with_python(move |py| hook.call0(py).map(drop)).await
}

pub(super) async fn credentials(provider: &Hook) -> Result<Credentials> {
    let provider = held(provider)?;
    with_python(move |py| {
        let given = provider.bind(py).call0()?;
        let text = |value: Bound<'_, PyAny>| value.extract::<Option<String>>();
        if given.is_instance_of::<PyString>() {
            return Ok(Credentials { username: None, password: text(given)? });
        }
        let given = given.cast::<PyTuple>().map_err(|_| misshapen())?;
        match given.len() {
            1 => Ok(Credentials { username: None, password: text(given.get_item(0)?)? }),
            2 => Ok(Credentials { username: text(given.get_item(0)?)?, password: text(given.get_item(1)?)? }),
            _ => Err(misshapen()),
        }
    })
    .await
}

fn misshapen() -> PyErr {
    PyTypeError::new_err("a credential provider returns (username, password), (password,) or a str")
}

/// A connection as the `on_connect` hook sees it: commands go to this connection and no other.
#[pyclass(frozen, module = "django_cachex._core")]
pub(crate) struct BoundConnection {
    config: Arc<Config>,
    /// Empty once the hook has returned.
    connection: Mutex<Option<Connection>>,
}

#[pymethods]
impl BoundConnection {
    /// Sends one command and waits for its reply.
    fn call(&self, py: Python<'_>, spec: &Bound<'_, Spec>, args: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let request = Request::one(spec.get(), args, self.config.max_value_size, false)?;
        let taken = self.connection.lock().take();
        let mut connection = taken
            .ok_or_else(|| Error::new(Kind::Connection, "this client was only valid while its connection was made"))?;
        let outcome = blocking::exchange(py, &self.config, &mut connection, &request, None, Instant::now());
        // A connection that owes nothing is fit for use, whatever the server answered.
        if connection.is_clean() {
            *self.connection.lock() = Some(connection);
        }
        outcome.map_err(|failure| failure.error.into())
    }
}

pub(super) async fn on_connect(config: &Arc<Config>, hook: &Hook, connection: Connection) -> Result<Connection> {
    let hook = held(hook)?;
    let config = config.clone();
    with_python(move |py| {
        let bound = BoundConnection { config, connection: Mutex::new(Some(connection)) };
        let bound = pyo3::Bound::new(py, bound)?;
        let client = imports::bound_client(py)?.call1((&bound,))?;
        hook.bind(py).call1((client,))?;
        let connection = bound.get().connection.lock().take();
        connection.ok_or_else(|| Error::new(Kind::Connection, "connection lost during on_connect").into())
    })
    .await
}
