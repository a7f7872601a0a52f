//! PEM files: what OpenSSL writes, and what other tools make of it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use super::Refusal;
use crate::errors;

/// The system's whole bundle has 0.2 MB; more than this is a mistake such as a device.
const MAX_BYTES: u64 = 16 << 20;

pub(super) fn read(option: &str, path: &Path) -> Result<Vec<u8>, Refusal> {
    read_file(path).map_err(|reason| Refusal::of_file(option, path, reason))
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| errors::plain(&error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("too large to be a certificate or key".to_owned());
    }
    Ok(bytes)
}

/// All certificates in `bytes`; other sections are passed over.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| plain(&error))?;
    if found.is_empty() { Err("no PEM certificate in it".to_owned()) } else { Ok(found) }
}

/// What is wrong, without quoting what may be part of a key.
pub(super) fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "cut off: a PEM section has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "not PEM: a section starts wrongly".to_owned(),
        pem::Error::Base64Decode(_) => "not PEM: bad base64".to_owned(),
        _ => "not PEM".to_owned(),
    }
}

/// The DER values that follow one another in `bytes`; `None` if that is not what it holds.
pub(super) fn split_der(mut bytes: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    const SEQUENCE: u8 = 0x30;
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
        let (header, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            0x81..=0x84 => {
                let octets = rest.get(..usize::from(first & 0x7f))?;
                (2 + octets.len(), octets.iter().fold(0, |length, &octet| length << 8 | usize::from(octet)))
            }
            _ => return None,
        };
        let value = bytes.get(..header.checked_add(length)?).filter(|_| tag == SEQUENCE)?;
        found.push(CertificateDer::from(value.to_vec()));
        bytes = &bytes[value.len()..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_values_are_told_apart_by_their_lengths() {
        let mut long = vec![0x30, 0x82, 0x01, 0x00];
        long.resize(4 + 256, 7);
        let both = [&[0x30, 2, 1, 1][..], &long].concat();
        assert_eq!(split_der(&both), Some(vec![CertificateDer::from(vec![0x30, 2, 1, 1]), CertificateDer::from(long)]));
    }

    #[test]
    fn nothing_else_passes_as_der() {
        let wrong: [&[u8]; 6] =
            [b"0", b"hello", &[0x30, 5, 1], &[0x30, 0x80], &[0x30, 0x82, 1], &[0x30, 0x84, 255, 255, 255, 255]];
        assert!(wrong.iter().all(|bytes| split_der(bytes).is_none()));
    }
}
