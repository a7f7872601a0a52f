//! The client's own certificate and its private key.

use std::path::Path;

use pkcs8::EncryptedPrivateKeyInfo;
use rustls::crypto::KeyProvider;
use rustls::pki_types::pem::{self as pki_pem, PemObject};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use super::{Options, Refusal, pem, quoted};

/// The pair that the options name.
pub(super) fn read(options: &Options, keys: &dyn KeyProvider) -> Result<Option<CertifiedKey>, Refusal> {
    let Some(certfile) = &options.certfile else {
        let missing = "needs ssl_certfile, the certificate that the key is for";
        return match (&options.keyfile, &options.key_password) {
            (Some(_), _) => Err(Refusal::new("ssl_keyfile", missing)),
            (None, Some(_)) => Err(Refusal::new("ssl_password", missing)),
            (None, None) => Ok(None),
        };
    };
    let bad_certificate = |reason| Refusal::of_file("ssl_certfile", certfile, reason);
    let bytes = pem::read("ssl_certfile", certfile)?;
    let chain = pem::certificates(&bytes).map_err(bad_certificate)?;
    let (option, path, bytes) = match &options.keyfile {
        Some(keyfile) if keyfile != certfile => ("ssl_keyfile", keyfile, pem::read("ssl_keyfile", keyfile)?),
        _ => ("ssl_certfile", certfile, bytes),
    };
    let bad_key = |reason| Refusal::of_file(option, path, reason);
    let key = read_key(&bytes, path, options.key_password.as_deref()).map_err(bad_key)?;
    let key = keys.load_private_key(key).map_err(|_| bad_key(UNUSABLE.to_owned()))?;
    let pair = CertifiedKey::new(chain, key);
    let mismatch = || bad_key(format!("the private key does not belong to ssl_certfile {}", quoted(certfile)));
    match pair.keys_match() {
        Ok(()) => Ok(Some(pair)),
        Err(Error::InvalidCertificate(_)) => match is_for_old_certificate(&pair) {
            Some(true) => Ok(Some(pair)),
            Some(false) => Err(mismatch()),
            None => Err(bad_certificate("the certificate cannot be read".to_owned())),
        },
        Err(_) => Err(mismatch()),
    }
}

const UNUSABLE: &str =
    "the private key cannot be used: it has to be RSA of 2048 bits or more, ECDSA with P-256 or P-384, or Ed25519";

/// Whether the key belongs to a certificate of X.509 version 1, as `openssl x509 -req` issues without extensions. rustls
/// reads these as authorities only, but servers accept them from clients. `None`: it is not even that.
fn is_for_old_certificate(pair: &CertifiedKey) -> Option<bool> {
    let mut store = RootCertStore::empty();
    store.add(pair.end_entity_cert().ok()?.clone()).ok()?;
    // An authority's key is kept without the tag and length that open it.
    let shown = store.roots.first()?.subject_public_key_info.as_ref();
    Some(pair.key.public_key()?.ends_with(shown))
}

/// The first private key of a PEM file.
fn read_key(bytes: &[u8], path: &Path, password: Option<&str>) -> Result<PrivateKeyDer<'static>, String> {
    let convert =
        |cipher: &str| format!("convert it with: openssl pkcs8 -topk8{cipher} -in {} -out NEW", path.display());
    if contains(bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(format!("the private key is encrypted in OpenSSL's legacy format; {}", convert("")));
    }
    if !contains(bytes, ENCRYPTED) {
        return PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
            pki_pem::Error::NoItemsFound => "no PEM private key in it".to_owned(),
            error => pem::plain(&error),
        });
    }
    let Some(password) = password else {
        return Err("the private key is encrypted; give its ssl_password".to_owned());
    };
    let unsupported = || format!("the private key's encryption is not supported; {}", convert(" -v2 aes-256-cbc"));
    let envelope = open_envelope(bytes)?;
    let sealed = EncryptedPrivateKeyInfo::try_from(envelope.secret_pkcs8_der()).map_err(|_| unsupported())?;
    let opened = sealed.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => unsupported(),
        _ => "the private key does not open with this ssl_password".to_owned(),
    })?;
    Ok(PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec()).into())
}

const ENCRYPTED: &[u8] = b"ENCRYPTED PRIVATE KEY-----";

/// What stands between the lines of an encrypted key. The PEM reader passes over labels that it does not know, so it
/// is shown one that it does.
fn open_envelope(bytes: &[u8]) -> Result<PrivatePkcs8KeyDer<'static>, String> {
    let text = String::from_utf8_lossy(bytes);
    let start = text.find("-----BEGIN ENCRYPTED PRIVATE KEY-----").unwrap_or_default();
    let relabelled = text[start..].replace("ENCRYPTED PRIVATE KEY-----", "PRIVATE KEY-----");
    PrivatePkcs8KeyDer::from_pem_slice(relabelled.as_bytes()).map_err(|error| pem::plain(&error))
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}
