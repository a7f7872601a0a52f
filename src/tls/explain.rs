//! Why a TLS connection did not come about, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// What rustls, somewhere inside `error`, has to say about the failure; `None` if TLS had no part in it.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<Error>() {
            return Some(describe(found));
        }
        cause = match inner.downcast_ref::<io::Error>() {
            // An `io::Error` passes its content over when it is asked for its source.
            Some(nested) => nested.get_ref().map(|inner| inner as _),
            None => inner.source(),
        };
    }
    let is_cut_off = error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof";
    is_cut_off
        .then(|| "the server closed the connection during the TLS handshake; maybe the port is not for TLS".into())
}

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(reason) => format!("the server's certificate {}", certificate(reason)),
        Error::AlertReceived(alert) => refusal(*alert),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => "the server does not speak TLS on this port".to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic,
        ) => VERSION.to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

const VERSION: &str = "the server supports no TLS version that is allowed here (ssl_min_version)";

fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => "is not signed by a trusted authority (ssl_ca_certs)".to_owned(),
        E::Expired | E::ExpiredContext { .. } => "has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "is not valid yet".to_owned(),
        E::NotValidForName => "is not valid for this host name".to_owned(),
        E::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| inner_name(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("is not valid for the host name {:?}; it names {names}", expected.to_str())
        }
        E::Revoked => "has been revoked".to_owned(),
        E::BadSignature => "is not signed with the key of its authority".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "is not meant for a server".to_owned(),
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that is not supported".to_owned()
        }
        E::BadEncoding => "cannot be read".to_owned(),
        E::Other(reason) => match reason.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "is of X.509 version 1; issue it as version 3, with its names as subjectAltName".to_owned()
            }
            "CaUsedAsEndEntity" => "is an authority's own".to_owned(),
            other => format!("cannot be used: {other}"),
        },
        other => format!("cannot be used: {other}"),
    }
}

/// `DnsName("a.example")` -> `a.example`.
fn inner_name(name: &str) -> &str {
    name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")")).unwrap_or(name)
}

fn refusal(alert: AlertDescription) -> String {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => "the server requires a client certificate (ssl_certfile)".to_owned(),
        // The only alert that TLS 1.2 has for a missing certificate.
        A::HandshakeFailure => {
            "the server refused the TLS handshake: it requires a client certificate (ssl_certfile), or supports none of \
             the ciphers that are allowed here (ssl_ciphers)"
                .to_owned()
        }
        A::ProtocolVersion => VERSION.to_owned(),
        A::UnknownCA => "the server does not trust the authority of the client certificate (ssl_certfile)".to_owned(),
        A::CertificateExpired => "the server says that the client certificate (ssl_certfile) has expired".to_owned(),
        A::CertificateRevoked => "the server says that the client certificate (ssl_certfile) is revoked".to_owned(),
        A::BadCertificate | A::UnsupportedCertificate | A::CertificateUnknown | A::AccessDenied | A::DecryptError => {
            format!("the server does not accept the client certificate (ssl_certfile): {alert:?}")
        }
        A::UnrecognisedName => "the server has no certificate for this host name".to_owned(),
        other => format!("the server refused the TLS handshake: {other:?}"),
    }
}
