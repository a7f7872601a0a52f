//! Why a TLS connection did not come about, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use crate::errors::{Error as Failure, Kind};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// The failure that rustls, somewhere inside `error`, tells of; `None` if TLS had no part in it.
pub(crate) fn failure(error: &io::Error) -> Option<Failure> {
    explain(error).map(|reason| Failure::new(Kind::Connection, format!("TLS failed: {reason}")))
}

fn explain(error: &io::Error) -> Option<String> {
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
        other => other.to_string(),
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
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("is not valid for the host name {:?}; it names {names}", expected.to_str())
        }
        E::Revoked => "has been revoked".to_owned(),
        E::BadSignature => {
            "is not signed by a trusted authority (ssl_ca_certs); the one of that name has another key".to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "is not meant for a server".to_owned(),
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that is not supported".to_owned()
        }
        E::BadEncoding => "cannot be read".to_owned(),
        E::Other(reason) => match reason.to_string().as_str() {
            "UnsupportedCertVersion" => {
                "is of X.509 version 1; issue it as version 3, with its names as subjectAltName".to_owned()
            }
            "CaUsedAsEndEntity" => {
                "is not signed by a trusted authority; it is one itself, but not in ssl_ca_certs".to_owned()
            }
            other => format!("cannot be used: {other}"),
        },
        other => format!("cannot be used: {other}"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)` without their kind.
fn bare(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')').trim_matches('"'))
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

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn wrap(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn the_cause_is_found_however_deep() {
        let shallow = wrap(CertificateError::UnknownIssuer.into());
        let deep = io::Error::other(io::Error::other(wrap(CertificateError::UnknownIssuer.into())));
        let text = "the server's certificate is not signed by a trusted authority (ssl_ca_certs)";
        assert_eq!(explain(&shallow).as_deref(), Some(text));
        assert_eq!(explain(&deep).as_deref(), Some(text));
    }

    #[test]
    fn other_failures_are_left_to_others() {
        assert_eq!(explain(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        assert_eq!(explain(&io::Error::new(io::ErrorKind::UnexpectedEof, "end of file")), None);
        let cut_off = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert!(explain(&cut_off).is_some_and(|text| text.contains("closed the connection")));
    }

    #[test]
    fn a_wrong_name_is_set_against_the_right_ones() {
        let expected = ServerName::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let names = |presented: &[&str]| {
            let presented = presented.iter().map(|name| (*name).to_owned()).collect();
            let error = CertificateError::NotValidForNameContext { expected: expected.clone(), presented };
            explain(&wrap(error.into()))
        };
        let start = "the server's certificate is not valid for the host name \"10.0.0.1\"; it names";
        assert_eq!(names(&[]), Some(format!("{start} none")));
        let several = names(&["DnsName(\"a.example\")", "IpAddress(10.0.0.2)"]);
        assert_eq!(several, Some(format!("{start} a.example, 10.0.0.2")));
    }
}
