//! Whom to trust: the authorities that the options name, or the system's.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use once_cell::race::OnceBox;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::verifier::Check;
use super::{Options, Refusal, pem};
use crate::errors;

pub(super) struct Roots {
    pub(super) store: Arc<RootCertStore>,
    /// Those that the options name; none of the system's.
    pub(super) certificates: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    pub(super) fn read(options: &Options) -> Result<Self, Refusal> {
        if !options.has_authorities() {
            // Reading the system's takes milliseconds, and may fail where nobody asks for them.
            let store = if options.check == Check::Nothing { Arc::new(RootCertStore::empty()) } else { system()? };
            return Ok(Self { store, certificates: Arc::new([]) });
        }
        let mut store = RootCertStore::empty();
        let mut certificates = Vec::new();
        if let Some(path) = &options.ca_certs {
            let found = pem::certificates(&pem::read("ssl_ca_certs", path)?)
                .and_then(|found| trust(&mut store, found))
                .map_err(|reason| Refusal::of_file("ssl_ca_certs", path, reason))?;
            certificates.extend(found);
        }
        if let Some(directory) = &options.ca_path {
            let found = read_directory(directory)
                .and_then(|found| trust(&mut store, found))
                .map_err(|reason| Refusal::of_file("ssl_ca_path", directory, reason))?;
            certificates.extend(found);
        }
        if let Some(data) = &options.ca_data {
            let found = parse(data)
                .and_then(|found| trust(&mut store, found))
                .map_err(|reason| Refusal::new("ssl_ca_data", reason))?;
            certificates.extend(found);
        }
        Ok(Self { store: Arc::new(store), certificates: certificates.into() })
    }
}

/// Adds what can be used. Bundles of many years have one or the other that cannot; none at all is an error.
fn trust(
    store: &mut RootCertStore,
    found: Vec<CertificateDer<'static>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let (added, _) = store.add_parsable_certificates(found.iter().cloned());
    if added == 0 { Err("no usable certificate in it".to_owned()) } else { Ok(found) }
}

fn parse(data: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    if data.windows(11).any(|window| window == b"-----BEGIN ") {
        return pem::certificates(data);
    }
    match pem::split_der(data) {
        Some(found) if !found.is_empty() => Ok(found),
        _ => Err("neither PEM nor DER certificates".to_owned()),
    }
}

/// The certificates of all files of a directory. OpenSSL finds them by links that are named after their hashes; those
/// lead to the same files, and a directory without the links works as well.
fn read_directory(directory: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .map_err(|error| errors::plain(&error))?
        .filter_map(|entry| fs::canonicalize(entry.ok()?.path()).ok())
        .filter(|path| path.is_file())
        .collect();
    // In one order every time: the same contents have to give the same hash.
    files.sort_unstable();
    files.dedup();
    let found: Vec<_> =
        files.iter().filter_map(|path| pem::certificates(&pem::read_file(path).ok()?).ok()).flatten().collect();
    if found.is_empty() { Err("no file with a PEM certificate in it".to_owned()) } else { Ok(found) }
}

/// The system's authorities, read once per process.
fn system() -> Result<Arc<RootCertStore>, Refusal> {
    static READ: OnceBox<Arc<RootCertStore>> = OnceBox::new();
    if let Some(store) = READ.get() {
        return Ok(store.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        // Not remembered: they may be installed before the next attempt.
        let reason = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        let text = format!("not given, and the system has no trusted certificates{reason}");
        return Err(Refusal::new("ssl_ca_certs", text));
    }
    Ok(READ.get_or_init(|| Box::new(Arc::new(store))).clone())
}
