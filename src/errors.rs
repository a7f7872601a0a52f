//! Everything that can go wrong, and the Python exception that it becomes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::config::Address;
use crate::imports;
use crate::injection::{self, Point};
use crate::wire::ProtocolError;

/// One class of `django_cachex.exceptions` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Connection,
    Authentication,
    BusyLoading,
    MaxConnections,
    Timeout,
    Response,
    WrongType,
    ReadOnly,
    NoScript,
    NoPermission,
    OutOfMemory,
    ExecAbort,
    CrossSlot,
    ClusterDown,
    ClusterUnreachable,
    MasterNotFound,
    Serializer,
    PickleSerializer,
    Compressor,
    ValueTooLarge,
}

impl Kind {
    /// The class's name in `django_cachex.exceptions`; `tests/test_exceptions.py` compares the two lists.
    pub(crate) fn class_name(self) -> &'static str {
        match self {
            Self::Internal => "CachexError",
            Self::Connection => "CacheConnectionError",
            Self::Authentication => "AuthenticationError",
            Self::BusyLoading => "BusyLoadingError",
            Self::MaxConnections => "MaxConnectionsError",
            Self::Timeout => "CacheTimeoutError",
            Self::Response => "ResponseError",
            Self::WrongType => "WrongTypeError",
            Self::ReadOnly => "ReadOnlyError",
            Self::NoScript => "NoScriptError",
            Self::NoPermission => "NoPermissionError",
            Self::OutOfMemory => "OutOfMemoryError",
            Self::ExecAbort => "ExecAbortError",
            Self::CrossSlot => "CrossSlotError",
            Self::ClusterDown => "ClusterDownError",
            Self::ClusterUnreachable => "ClusterUnreachableError",
            Self::MasterNotFound => "MasterNotFoundError",
            Self::Serializer => "SerializerError",
            Self::PickleSerializer => "PickleSerializerError",
            Self::Compressor => "CompressorError",
            Self::ValueTooLarge => "ValueTooLargeError",
        }
    }

    /// Whether an exception is a server's error reply.
    fn is_response(py: Python<'_>, exception: &Bound<'_, PyAny>) -> bool {
        let is = |kind| class(py, kind).and_then(|class| exception.is_instance(class.as_any())).unwrap_or(false);
        is(Kind::Response) || is(Kind::BusyLoading)
    }

    /// What an error reply's first word means.
    fn of_reply(text: &str) -> Self {
        match text.split(' ').next().unwrap_or_default() {
            "WRONGTYPE" => Self::WrongType,
            "READONLY" => Self::ReadOnly,
            "NOSCRIPT" => Self::NoScript,
            "NOPERM" => Self::NoPermission,
            "OOM" => Self::OutOfMemory,
            "EXECABORT" => Self::ExecAbort,
            "CROSSSLOT" => Self::CrossSlot,
            "CLUSTERDOWN" => Self::ClusterDown,
            "LOADING" => Self::BusyLoading,
            "NOAUTH" | "WRONGPASS" => Self::Authentication,
            _ => Self::Response,
        }
    }
}

/// What a cluster's node says instead of serving a request.
pub(crate) enum Redirect {
    /// The slot is served there.
    Moved { slot: u16, host: String, port: u16 },
    /// This key may be there already.
    Ask { host: String, port: u16 },
    /// Not now.
    Later,
}

impl Redirect {
    /// `from`: the address of the node that says so; where it leaves out a host, it means its own.
    pub(crate) fn of(text: &str, from: &Address) -> Option<Self> {
        let mut words = text.split(' ');
        let kind = words.next()?;
        match kind {
            "MOVED" | "ASK" => {
                let slot = words.next()?.parse().ok()?;
                let (host, port) = words.next()?.rsplit_once(':')?;
                let host = match (host, from) {
                    ("" | "?", Address::Tcp { host, .. }) => host.clone(),
                    (host, _) => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
                };
                let port = port.parse().ok()?;
                Some(if kind == "MOVED" { Self::Moved { slot, host, port } } else { Self::Ask { host, port } })
            }
            "TRYAGAIN" | "CLUSTERDOWN" => Some(Self::Later),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
enum Cause {
    None,
    Os { code: Option<i32>, text: String },
    Python(Arc<PyErr>),
}

/// An error on its way to Python. Cloneable: one lost connection fails many callers.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    text: String,
    address: Option<Arc<str>>,
    command: Option<Arc<str>>,
    cause: Cause,
    /// The exception of somebody else's code, raised as it is.
    foreign: bool,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), address: None, command: None, cause: Cause::None, foreign: false }
    }

    /// An error reply. `text` is the server's own, code included.
    pub(crate) fn reply(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let text = without_quotations(out_of_script(&text).unwrap_or(&text).to_owned());
        Self::new(Kind::of_reply(&text), text)
    }

    pub(crate) fn io(doing: &str, error: &io::Error) -> Self {
        let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        let kind = if timed_out { Kind::Timeout } else { Kind::Connection };
        let mut made = Self::new(kind, format!("{doing}: {}", plain(error)));
        made.cause = Cause::Os { code: error.raw_os_error(), text: plain(error) };
        made
    }

    pub(crate) fn closed() -> Self {
        Self::new(Kind::Connection, "connection closed by server")
    }

    pub(crate) fn protocol(error: ProtocolError) -> Self {
        Self::new(Kind::Connection, format!("protocol violation: {error}"))
    }

    pub(crate) fn timeout(what: &str, seconds: Option<std::time::Duration>) -> Self {
        let limit = seconds.map(|limit| format!(" within {} s", limit.as_secs_f64())).unwrap_or_default();
        Self::new(Kind::Timeout, format!("{what}{limit}"))
    }

    /// Application code raised this; it is raised again unchanged.
    pub(crate) fn foreign(error: PyErr) -> Self {
        let mut made = Self::new(Kind::Internal, String::new());
        made.cause = Cause::Python(Arc::new(error));
        made.foreign = true;
        made
    }

    /// A server's refusal that is an exception already; it is raised as it is.
    pub(crate) fn refusal(py: Python<'_>, exception: &Bound<'_, PyAny>) -> Self {
        let text = exception.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = if Kind::is_response(py, exception) { Kind::of_reply(&text) } else { Kind::Internal };
        Self { kind, text, ..Self::foreign(PyErr::from_value(exception.clone())) }
    }

    pub(crate) fn into_authentication(mut self) -> Self {
        self.kind = Kind::Authentication;
        self
    }

    pub(crate) fn caused_by(mut self, error: PyErr) -> Self {
        self.cause = Cause::Python(Arc::new(error));
        self
    }

    /// With the first cause that any of `errors` has.
    pub(crate) fn because(mut self, errors: &[Self]) -> Self {
        if let Some(error) = errors.iter().find(|error| !matches!(error.cause, Cause::None)) {
            self.cause = error.cause.clone();
        }
        self
    }

    pub(crate) fn at(mut self, address: &Arc<str>) -> Self {
        self.address.get_or_insert_with(|| address.clone());
        self
    }

    pub(crate) fn during(mut self, command: &Arc<str>) -> Self {
        self.command.get_or_insert_with(|| command.clone());
        self
    }

    /// The server's answer proves that it did not carry the command out, and another attempt may fare better.
    pub(crate) fn is_transient_refusal(&self) -> bool {
        matches!(self.kind, Kind::ReadOnly | Kind::BusyLoading | Kind::ClusterDown)
            || self.text.starts_with("TRYAGAIN")
            || self.text.starts_with("MASTERDOWN")
    }

    /// Whether it is in the server's own words, as far as these are a reason to send a command again. A script may answer with
    /// what looks the same.
    pub(crate) fn is_genuine(&self) -> bool {
        const OWN: [&str; 7] = [
            "READONLY You can't write against a read only",
            "LOADING Redis is loading",
            "LOADING Valkey is loading",
            "CLUSTERDOWN The cluster is down",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing",
            "MASTERDOWN Link with MASTER is down",
        ];
        let redirects = self.text.starts_with("MOVED ") || self.text.starts_with("ASK ");
        redirects || OWN.iter().any(|own| self.text.starts_with(own))
    }

    /// Whether, and where to, the server at `from` redirects.
    pub(crate) fn redirect(&self, from: &Address) -> Option<Redirect> {
        Redirect::of(&self.text, from)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_lost_connection(&self) -> bool {
        self.kind == Kind::Connection && !self.foreign
    }

    /// Application code raised it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    pub(crate) fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }

    fn message(&self) -> String {
        match (&self.command, &self.address) {
            (Some(command), Some(address)) => format!("{} ({command} at {address})", self.text),
            (Some(command), None) => format!("{} ({command})", self.text),
            (None, Some(address)) => format!("{} ({address})", self.text),
            (None, None) => self.text.clone(),
        }
    }

    /// The exception object, not raised.
    pub(crate) fn into_exception(self, py: Python<'_>) -> Py<PyAny> {
        PyErr::from(self).into_value(py).into_any()
    }
}

pub(crate) fn class(py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyType>> {
    imports::exception(py, kind.class_name())
}

/// Runs `work`; a panic becomes an internal error instead of an exception that no `except Exception` catches.
pub(crate) fn contained<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Error::new(Kind::Internal, "internal failure").into()))
}

/// The same for a call of the application's, where tests can ask for a panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    contained(|| {
        injection::trip(Point::Call);
        work()
    })
}

/// Where servers quote arguments, and so may quote values or passwords: the words before and after.
const QUOTATIONS: [(&str, &str); 3] = [
    (", with args beginning with: ", ""),
    ("Error in ACL SETUSER modifier '", "': "),
    ("Invalid argument '", "' for CONFIG SET"),
];

/// A server's words without the caller's among them.
fn without_quotations(mut text: String) -> String {
    for (before, after) in QUOTATIONS {
        if let Some(at) = text.find(before) {
            let from = at + before.len();
            // The last place: what is quoted may look like the end of the quotation.
            let to = text.rfind(after).filter(|to| *to >= from).unwrap_or(text.len());
            text.replace_range(from..to, "...");
        }
    }
    text
}

/// What a command inside a script was refused with, where the server (before Redis 7) tells of the script first.
fn out_of_script(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix("ERR Error running script (call to f_")?.split_once("): ")?.1;
    // Where the error was raised may stand there twice, as `@user_script:3:` and `@user_script: 3:`.
    while let Some(place) = rest.strip_prefix("@user_script:") {
        rest = place.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').strip_prefix(": ")?;
    }
    let refused = rest.strip_prefix('-').unwrap_or(rest);
    let code = refused.split(' ').next()?;
    (code.len() > 1 && code.bytes().all(|letter| letter.is_ascii_uppercase())).then_some(refused)
}

/// What the system says, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| {
            if error.foreign
                && let Cause::Python(cause) = &error.cause
            {
                return if Arc::strong_count(cause) == 1 { cause.clone_ref(py) } else { another(py, cause) };
            }
            let class = match class(py, error.kind) {
                Ok(class) => class,
                Err(failure) => return failure,
            };
            let made = PyErr::from_type(class, (error.message(),));
            match error.cause {
                Cause::None => {}
                Cause::Os { code: Some(code), text } => made.set_cause(py, Some(PyOSError::new_err((code, text)))),
                Cause::Os { code: None, text } => made.set_cause(py, Some(PyOSError::new_err(text))),
                Cause::Python(cause) => made.set_cause(py, Some(cause.clone_ref(py))),
            }
            made
        })
    }
}

/// An equal exception, for one of several callers. A traceback belongs to its exception: one that is raised to many would
/// gather the frames of all of them, and show each the variables of the others.
fn another(py: Python<'_>, error: &PyErr) -> PyErr {
    let original = error.value(py);
    let copied = || {
        let copy = imports::shallow_copy(py)?.call1((original,))?;
        if !copy.get_type().is(original.get_type()) {
            return Err(PyTypeError::new_err("no copy"));
        }
        for name in ["__traceback__", "__context__", "__cause__", "__suppress_context__"] {
            copy.setattr(name, original.getattr(name)?)?;
        }
        Ok(PyErr::from_value(copy))
    };
    // Those that cannot be copied, as their constructors take other arguments, are raised themselves.
    copied().unwrap_or_else(|_| error.clone_ref(py))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> Option<(u16, String, u16)> {
        let from = Address::Tcp { host: "asked".to_owned(), port: 1 };
        match Redirect::of(text, &from)? {
            Redirect::Moved { slot, host, port } => Some((slot, host, port)),
            Redirect::Ask { host, port } => Some((0, host, port)),
            Redirect::Later => Some((0, String::new(), 0)),
        }
    }

    #[test]
    fn redirects_name_a_server() {
        assert_eq!(redirect("MOVED 3999 127.0.0.1:6381"), Some((3999, "127.0.0.1".to_owned(), 6381)));
        assert_eq!(redirect("ASK 3999 [::1]:6381"), Some((0, "::1".to_owned(), 6381)));
        assert_eq!(redirect("MOVED 1 ::1:6381"), Some((1, "::1".to_owned(), 6381)));
        assert_eq!(redirect("MOVED 1 :6381"), Some((1, "asked".to_owned(), 6381)));
        assert_eq!(redirect("MOVED 1 ?:6381"), Some((1, "asked".to_owned(), 6381)));
        assert_eq!(redirect("TRYAGAIN Multiple keys"), Some((0, String::new(), 0)));
        assert_eq!(redirect("CLUSTERDOWN Hash slot not served"), Some((0, String::new(), 0)));
    }

    #[test]
    fn a_script_does_not_hide_what_refused_it() {
        let sha = "abe1b6a4dbc2bf4c5b7e4e4f4e4f4e4f4e4f4e4f";
        let told = |rest: &str| Error::reply(format!("ERR Error running script (call to f_{sha}): {rest}").as_bytes());
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        let error = told(&format!("@user_script:3: {wrong}"));
        assert_eq!((error.kind, error.text()), (Kind::WrongType, wrong));
        let error = told("@user_script:3: @user_script: 3: -READONLY You can't write against a read only replica.");
        assert_eq!(error.kind, Kind::ReadOnly);
        assert!(error.is_genuine());
        assert_eq!(told("@user_script: 3: -OOM command not allowed when used memory").kind, Kind::OutOfMemory);
        // What is no refusal of a command's is told as the server tells it.
        let own = told("@user_script:1: attempt to index a nil value");
        assert!(own.text().starts_with("ERR Error running script"), "{}", own.text());
    }

    #[test]
    fn what_servers_quote_is_left_out() {
        for (said, kept) in [
            (
                "ERR unknown command 'X', with args beginning with: 'pw' ",
                "ERR unknown command 'X', with args beginning with: ...",
            ),
            (
                "ERR Error in ACL SETUSER modifier '>p': w': Syntax error",
                "ERR Error in ACL SETUSER modifier '...': Syntax error",
            ),
            ("ERR Error in ACL SETUSER modifier '>pw", "ERR Error in ACL SETUSER modifier '..."),
            ("ERR Invalid argument 'pw' for CONFIG SET 'x'", "ERR Invalid argument '...' for CONFIG SET 'x'"),
            ("WRONGTYPE Operation against a key", "WRONGTYPE Operation against a key"),
        ] {
            assert_eq!(Error::reply(said.as_bytes()).text(), kept);
        }
    }

    #[test]
    fn what_is_no_redirect() {
        for text in
            ["", "MOVED", "MOVED x y:1", "MOVED 70000 a:1", "MOVED 1 a", "MOVED 1 a:x", "ASK 1 a:70000", "ERR no"]
        {
            assert_eq!(redirect(text), None, "{text}");
        }
    }
}
