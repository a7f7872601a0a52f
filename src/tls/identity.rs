//! The client's own certificate and its private key.

use std::path::{Path, PathBuf};

use pkcs8::EncryptedPrivateKeyInfo;
use rustls::pki_types::pem::{self as pki_pem, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Options, Refusal, pem, quoted};

pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) source: Source,
}

/// Where the key was read, for what is said about it.
pub(super) struct Source {
    option: &'static str,
    path: PathBuf,
    certfile: PathBuf,
}

impl Source {
    /// What rustls found wrong with the pair.
    pub(super) fn refuse(&self, error: &rustls::Error) -> Refusal {
        let reason = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("the private key does not belong to the certificate in ssl_certfile {}", quoted(&self.certfile))
            }
            rustls::Error::InvalidCertificate(_) => {
                let reason = format!("the certificate cannot be used: {error}");
                return Refusal::of_file("ssl_certfile", &self.certfile, reason);
            }
            _ => {
                "the private key cannot be used: it has to be RSA of 2048 bits or more, ECDSA with P-256 or P-384, or \
                  Ed25519"
                    .to_owned()
            }
        };
        Refusal::of_file(self.option, &self.path, reason)
    }
}

impl Identity {
    pub(super) fn read(options: &Options) -> Result<Option<Self>, Refusal> {
        let Some(certfile) = &options.certfile else {
            let missing = "needs ssl_certfile, the certificate that the key is for";
            return match (&options.keyfile, &options.key_password) {
                (Some(_), _) => Err(Refusal::new("ssl_keyfile", missing)),
                (None, Some(_)) => Err(Refusal::new("ssl_password", missing)),
                (None, None) => Ok(None),
            };
        };
        let bytes = pem::read("ssl_certfile", certfile)?;
        let chain = pem::certificates(&bytes).map_err(|reason| Refusal::of_file("ssl_certfile", certfile, reason))?;
        let (option, path, bytes) = match &options.keyfile {
            None => ("ssl_certfile", certfile, bytes),
            Some(keyfile) => ("ssl_keyfile", keyfile, pem::read("ssl_keyfile", keyfile)?),
        };
        let key = read_key(&bytes, path, options.key_password.as_deref())
            .map_err(|reason| Refusal::of_file(option, path, reason))?;
        let source = Source { option, path: path.clone(), certfile: certfile.clone() };
        Ok(Some(Self { chain, key, source }))
    }
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
    let sealed = open_envelope(bytes)?;
    let sealed = EncryptedPrivateKeyInfo::try_from(sealed.secret_pkcs8_der())
        .map_err(|_| format!("the private key is encrypted in an unknown way; {}", convert(" -v2 aes-256-cbc")))?;
    let opened = sealed.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => {
            format!("the private key is encrypted with an algorithm of old; {}", convert(" -v2 aes-256-cbc"))
        }
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
