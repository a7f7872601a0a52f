//! One server and how to talk to it: the key of the process-wide registry.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::node::Node;
use crate::registry;
use crate::tls::Tls;

/// Application code that is called on the control plane. Equal only to itself.
#[derive(Clone)]
pub(crate) struct Hook(pub(crate) Arc<Py<PyAny>>);

impl Hook {
    pub(crate) fn new(hook: Py<PyAny>) -> Self {
        Self(Arc::new(hook))
    }
}

impl PartialEq for Hook {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }
}

impl Eq for Hook {}

impl Hash for Hook {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    Unix {
        path: String,
    },
    /// Not known yet; the topology fills it in.
    Unknown,
}

fn name(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) last: Duration,
}

impl Backoff {
    /// A random delay before attempt number `attempt` (0, 1, ...): exponential with full jitter.
    pub(crate) fn delay(self, attempt: u32) -> Duration {
        let ceiling = self.first.saturating_mul(1 << attempt.min(16)).min(self.last);
        ceiling.mul_f64(fastrand::f64())
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub(crate) address: Address,
    pub(crate) name: Arc<str>,
    pub(crate) db: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) credentials: Option<Hook>,
    pub(crate) prepare: Option<Hook>,
    pub(crate) on_connect: Option<Hook>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) socket_timeout: Option<Duration>,
    pub(crate) operation_timeout: Option<Duration>,
    pub(crate) keepalive: Option<Vec<(i32, i32)>>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) retry: u32,
    pub(crate) retry_on_timeout: bool,
    pub(crate) retry_backoff: Backoff,
    pub(crate) reconnect_backoff: Backoff,
    pub(crate) health_check_interval: Duration,
    pub(crate) max_connections: Option<usize>,
    pub(crate) pool_timeout: Option<Duration>,
    pub(crate) pool_blocking: bool,
    pub(crate) max_in_flight: usize,
    pub(crate) max_value_size: Option<usize>,
    pub(crate) client_name: Option<String>,
    pub(crate) protocol: Option<u8>,
    pub(crate) lib_name: Option<String>,
    pub(crate) lib_version: Option<String>,
    pub(crate) tls: Option<Tls>,
    /// Connections are for reading from a cluster's replica.
    pub(crate) read_only: bool,
}

impl Config {
    /// The same settings for another server.
    pub(crate) fn at(&self, host: &str, port: u16) -> Self {
        let name = name(host, port).into();
        Self { address: Address::Tcp { host: host.to_owned(), port }, name, ..self.clone() }
    }
}

/// A server as the settings describe it. Servers with equal settings share the process's connections.
#[pyclass(frozen, eq, hash, module = "django_cachex._core")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) config: Arc<Config>,
}

pub(crate) fn seconds(name: &str, value: Option<f64>) -> PyResult<Option<Duration>> {
    value
        .map(|value| {
            Duration::try_from_secs_f64(value)
                .map_err(|_| PyValueError::new_err(format!("{name} is not a number of seconds")))
        })
        .transpose()
}

fn backoff(name: &str, (first, last): (f64, f64)) -> PyResult<Backoff> {
    let bound = |value| Ok::<_, PyErr>(seconds(name, Some(value))?.unwrap_or_default());
    Ok(Backoff { first: bound(first)?, last: bound(last)? })
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (
        *, host = None, port = None, path = None, db = 0, username = None, password = None, credentials = None,
        prepare = None, on_connect = None, connect_timeout = None, socket_timeout = None, operation_timeout = None,
        keepalive = None, tcp_user_timeout = None, retry = 1, retry_on_timeout = false, retry_backoff = (0.01, 0.1),
        reconnect_backoff = (0.05, 1.0), health_check_interval = 0.0, max_connections = None, pool_timeout = None,
        pool_blocking = false, max_in_flight = 1000, max_value_size = None, client_name = None, protocol = None,
        lib_name = None, lib_version = None, tls = None,
    ))]
    // Settings arrive by name, one each.
    #[allow(clippy::too_many_arguments)]
    fn new(
        host: Option<String>,
        port: Option<u16>,
        path: Option<String>,
        db: u32,
        username: Option<String>,
        password: Option<String>,
        credentials: Option<Py<PyAny>>,
        prepare: Option<Py<PyAny>>,
        on_connect: Option<Py<PyAny>>,
        connect_timeout: Option<f64>,
        socket_timeout: Option<f64>,
        operation_timeout: Option<f64>,
        keepalive: Option<Vec<(i32, i32)>>,
        tcp_user_timeout: Option<f64>,
        retry: u32,
        retry_on_timeout: bool,
        retry_backoff: (f64, f64),
        reconnect_backoff: (f64, f64),
        health_check_interval: f64,
        max_connections: Option<usize>,
        pool_timeout: Option<f64>,
        pool_blocking: bool,
        max_in_flight: usize,
        max_value_size: Option<usize>,
        client_name: Option<String>,
        protocol: Option<u8>,
        lib_name: Option<String>,
        lib_version: Option<String>,
        tls: Option<&Bound<'_, Tls>>,
    ) -> PyResult<Self> {
        let (address, name) = match (host, port, path) {
            (Some(host), Some(port), None) => {
                let name = name(&host, port);
                (Address::Tcp { host, port }, name)
            }
            (None, None, Some(path)) => {
                let name = path.clone();
                (Address::Unix { path }, name)
            }
            (None, None, None) => (Address::Unknown, "no address".to_owned()),
            _ => return Err(PyValueError::new_err("either host and port or path")),
        };
        let config = Config {
            address,
            name: name.into(),
            db,
            username,
            password,
            credentials: credentials.map(Hook::new),
            prepare: prepare.map(Hook::new),
            on_connect: on_connect.map(Hook::new),
            connect_timeout: seconds("connect_timeout", connect_timeout)?,
            socket_timeout: seconds("socket_timeout", socket_timeout)?,
            operation_timeout: seconds("operation_timeout", operation_timeout)?,
            keepalive,
            tcp_user_timeout: seconds("tcp_user_timeout", tcp_user_timeout)?,
            retry,
            retry_on_timeout,
            retry_backoff: backoff("retry_backoff", retry_backoff)?,
            reconnect_backoff: backoff("reconnect_backoff", reconnect_backoff)?,
            health_check_interval: seconds("health_check_interval", Some(health_check_interval))?.unwrap_or_default(),
            max_connections,
            pool_timeout: seconds("pool_timeout", pool_timeout)?,
            pool_blocking,
            max_in_flight: max_in_flight.max(1),
            max_value_size,
            client_name,
            protocol,
            lib_name,
            lib_version,
            tls: tls.map(|tls| tls.get().clone()),
            read_only: false,
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Closes the server's idle connections. `alike`: and those of all servers that differ in their addresses only.
    #[pyo3(signature = (*, alike = false))]
    fn disconnect(&self, py: Python<'_>, alike: bool) {
        let nodes = self.nodes(alike);
        py.detach(|| nodes.iter().for_each(|node| node.disconnect()));
    }

    /// Gives up the running loop's connections to the same servers. What is still owed on them has lost its connection.
    #[pyo3(signature = (*, alike = false))]
    fn release_loop(&self, py: Python<'_>, alike: bool) -> PyResult<()> {
        self.nodes(alike).iter().try_for_each(|node| crate::looped::release(py, node))
    }

    fn __repr__(&self) -> String {
        format!("<Server {} db {}>", self.config.name, self.config.db)
    }
}

impl Server {
    fn nodes(&self, alike: bool) -> Vec<Arc<Node>> {
        if alike { registry::alike(&self.config) } else { vec![registry::node(&self.config)] }
    }
}
