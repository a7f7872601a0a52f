//! The server's certificate: who may have signed it, and whom it has to be for.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// How much of a certificate is checked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Check {
    #[default]
    ChainAndName,
    Chain,
    Nothing,
}

impl Check {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::ChainAndName => "verify='required', check_hostname=True",
            Self::Chain => "verify='required', check_hostname=False",
            Self::Nothing => "verify='none', check_hostname=False",
        }
    }
}

/// rustls's own verifier cannot leave the name out, and refuses a server that shows the very certificate that it is
/// told to trust if that is also marked as an authority, as `openssl req -x509` marks it.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) check: Check,
    pub(super) roots: Arc<RootCertStore>,
    /// The certificates that the options name.
    pub(super) given: Arc<[CertificateDer<'static>]>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Whether the server showed a trusted certificate itself, and that is all that is wrong with it. Its dates are
    /// checked before its role.
    fn is_given_itself(&self, shown: &CertificateDer<'_>, error: &Error) -> bool {
        let Error::InvalidCertificate(CertificateError::Other(reason)) = error else { return false };
        reason.to_string() == "CaUsedAsEndEntity" && self.given.contains(shown)
    }

    /// Without verification even a certificate that cannot be read will do. Nothing is lost: anybody could have shown one
    /// that can be read.
    fn is_waived(&self, shown: &CertificateDer<'_>) -> bool {
        self.check == Check::Nothing && ParsedCertificate::try_from(shown).is_err()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.check != Check::Nothing {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let (roots, algorithms) = (&self.roots, self.algorithms.all);
            match verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms) {
                Err(error) if !self.is_given_itself(end_entity, &error) => return Err(error),
                _ => {}
            }
            if self.check == Check::ChainAndName {
                verify_server_name(&parsed, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_waived(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_waived(cert) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
