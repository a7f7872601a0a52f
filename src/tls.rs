//! How a server is to be recognised, and how we show who we are: the `ssl_*` options as a rustls configuration.

mod ciphers;
mod explain;
mod identity;
mod pem;
mod roots;
mod verifier;

use std::fmt::{Display, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;

pub(crate) use self::explain::failure;
use self::roots::Roots;
use self::verifier::{Check, Verifier};
use crate::errors::{Error, Kind};

/// What an option or its file is wrong about; the text names both and never holds a secret.
#[derive(Debug)]
struct Refusal(String);

impl Refusal {
    fn new(option: &str, reason: impl Display) -> Self {
        Self(format!("{option}: {reason}"))
    }

    fn of_file(option: &str, path: &Path, reason: impl Display) -> Self {
        Self(format!("{option} {}: {reason}", quoted(path)))
    }
}

impl From<Refusal> for PyErr {
    fn from(refusal: Refusal) -> Self {
        PyValueError::new_err(refusal.0)
    }
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Authorities in PEM as str, or PEM or DER as bytes.
#[derive(FromPyObject)]
enum Data {
    Text(String),
    Bytes(Vec<u8>),
}

/// The `ssl_*` options, without their prefix.
#[derive(Default, PartialEq, Eq, Hash)]
struct Options {
    ca_certs: Option<PathBuf>,
    ca_path: Option<PathBuf>,
    ca_data: Option<Vec<u8>>,
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    key_password: Option<String>,
    check: Check,
    min_version: Version,
    ciphers: Option<Vec<String>>,
}

impl Options {
    fn has_authorities(&self) -> bool {
        self.ca_certs.is_some() || self.ca_path.is_some() || self.ca_data.is_some()
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
enum Version {
    #[default]
    Tls12,
    Tls13,
}

impl Version {
    const TLS12_UP: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    const TLS13_UP: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

    fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    fn and_newer(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            Self::Tls12 => Self::TLS12_UP,
            Self::Tls13 => Self::TLS13_UP,
        }
    }
}

/// What the options said and what their files held when they were read.
#[derive(PartialEq, Eq, Hash)]
struct Material {
    /// Without the password.
    options: Options,
    authorities: Arc<[CertificateDer<'static>]>,
    /// Stands for its private key too: no other one fits.
    chain: Vec<CertificateDer<'static>>,
}

/// TLS settings of one server. Equal, and of one hash, if the options are and the files held the same: a renewed
/// certificate makes other connections, the same one shares them.
#[pyclass(frozen, eq, hash, module = "django_cachex._core", from_py_object)]
#[derive(Clone)]
pub(crate) struct Tls {
    material: Arc<Material>,
    hash: u64,
    config: Arc<ClientConfig>,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.material, &other.material) || (self.hash == other.hash && self.material == other.material)
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (
        *, ca_certs=None, ca_path=None, ca_data=None, certfile=None, keyfile=None, key_password=None,
        verify="required", check_hostname=true, min_version="1.2", ciphers=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "one for each option")]
    fn py_new(
        py: Python<'_>,
        ca_certs: Option<PathBuf>,
        ca_path: Option<PathBuf>,
        ca_data: Option<Data>,
        certfile: Option<PathBuf>,
        keyfile: Option<PathBuf>,
        key_password: Option<String>,
        verify: &str,
        check_hostname: bool,
        min_version: &str,
        ciphers: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let check = match (verify, check_hostname) {
            ("required", true) => Check::ChainAndName,
            ("required", false) => Check::Chain,
            ("none", false) => Check::Nothing,
            // Whoever asks for the name to be checked must not get a connection to anybody.
            ("none", true) => return Err(PyValueError::new_err("ssl_check_hostname needs ssl_cert_reqs 'required'")),
            _ => return Err(PyValueError::new_err(format!("verify must be 'required' or 'none', not {verify:?}"))),
        };
        let min_version = match min_version {
            "1.2" => Version::Tls12,
            "1.3" => Version::Tls13,
            _ => return Err(PyValueError::new_err(format!("ssl_min_version: TLS 1.2 or 1.3, not {min_version:?}"))),
        };
        let ca_data = ca_data.map(|data| match data {
            Data::Text(text) => text.into_bytes(),
            Data::Bytes(bytes) => bytes,
        });
        let options =
            Options { ca_certs, ca_path, ca_data, certfile, keyfile, key_password, check, min_version, ciphers };
        // Reading files and stretching a password take their time.
        Ok(py.detach(|| Self::new(options))?)
    }

    fn __repr__(&self) -> String {
        let Material { options, authorities, .. } = &*self.material;
        let mut text = String::from("Tls(");
        let paths = [
            ("ca_certs", &options.ca_certs),
            ("ca_path", &options.ca_path),
            ("certfile", &options.certfile),
            ("keyfile", &options.keyfile),
        ];
        for (name, path) in paths {
            if let Some(path) = path {
                let _ = write!(text, "{name}={}, ", quoted(path));
            }
        }
        if options.has_authorities() {
            let _ = write!(text, "authorities={}, ", authorities.len());
        }
        if let Some(ciphers) = &options.ciphers {
            let _ = write!(text, "ciphers='{}', ", ciphers.join(":"));
        }
        let _ = write!(text, "{}, min_version='{}')", options.check.describe(), options.min_version.name());
        text
    }
}

impl Tls {
    fn new(mut options: Options) -> Result<Self, Refusal> {
        let provider = ciphers::provider(options.ciphers.as_deref(), options.min_version)?;
        let algorithms = provider.signature_verification_algorithms;
        let roots = Roots::read(&options)?;
        let identity = identity::read(&options, provider.key_provider)?;
        options.key_password = None;

        let authorities = roots.certificates;
        let verifier = Verifier { check: options.check, roots: roots.store, given: authorities.clone(), algorithms };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(options.min_version.and_newer())
            .map_err(|error| Refusal::new("ssl_ciphers", error))?
            // The verifier's own reasons are in its file.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let chain = identity.as_ref().map(|pair| pair.cert.clone()).unwrap_or_default();
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        };
        // Connections live long; and the store of sessions has a lock that a fork could leave locked.
        config.resumption = Resumption::disabled();
        let material = Material { options, authorities, chain };
        let mut hasher = DefaultHasher::new();
        material.hash(&mut hasher);
        Ok(Self { material: Arc::new(material), hash: hasher.finish(), config: Arc::new(config) })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// What the server's certificate has to be for. IPv6 addresses come without brackets.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, Error> {
        // A scope such as %eth0 says how to get there and stands in no certificate.
        let name = host.split_once('%').map_or(host, |(address, _)| address);
        match ServerName::try_from(name) {
            Ok(name) => Ok(name.to_owned()),
            // Nobody looks at the name then; an address is sent to no server.
            Err(_) if self.material.options.check != Check::ChainAndName => {
                Ok(ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()))
            }
            Err(_) => Err(Error::new(Kind::Connection, format!("no certificate can be for the host name {host:?}"))),
        }
    }
}
