//! Cipher suites by the names that OpenSSL, and so every server's configuration, has for them.

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite as suite};
use rustls::{CipherSuite, SupportedCipherSuite};

use super::{Refusal, Version};

/// In rustls's own order of preference.
const OFFERED: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// A suite by its OpenSSL or its IANA name.
fn find(name: &str) -> Option<SupportedCipherSuite> {
    let is_named = |offered: &&(&str, SupportedCipherSuite)| {
        offered.0.eq_ignore_ascii_case(name) || iana_name(offered.1.suite()).eq_ignore_ascii_case(name)
    };
    OFFERED.iter().find(is_named).map(|offered| offered.1)
}

fn iana_name(suite: CipherSuite) -> String {
    // rustls writes TLS13_ where the registry has TLS_.
    suite.as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

/// ring's primitives, with `names` and nothing else offered to servers, in that order; all suites without names.
pub(super) fn provider(names: Option<&[String]>, min_version: Version) -> Result<CryptoProvider, Refusal> {
    let mut provider = ring::default_provider();
    let Some(names) = names else { return Ok(provider) };
    let mut suites = Vec::with_capacity(names.len());
    for name in names {
        let Some(suite) = find(name) else {
            return Err(Refusal::new("ssl_ciphers", format!("{name:?} is not offered; these are: {}", list(|_| true))));
        };
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    let is_usable = |suite: &SupportedCipherSuite| min_version.and_newer().contains(&suite.version());
    if !suites.iter().any(is_usable) {
        let usable = list(is_usable);
        return Err(Refusal::new("ssl_ciphers", format!("none that suits ssl_min_version; these do: {usable}")));
    }
    provider.cipher_suites = suites;
    Ok(provider)
}

fn list(filter: impl Fn(&SupportedCipherSuite) -> bool) -> String {
    let names: Vec<_> = OFFERED.iter().filter(|offered| filter(&offered.1)).map(|offered| offered.0).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(given: &[&str]) -> Vec<String> {
        given.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_suite_of_the_library_has_a_name() {
        let all = ring::default_provider().cipher_suites;
        assert_eq!(all.len(), OFFERED.len());
        assert!(OFFERED.iter().all(|offered| all.contains(&offered.1)));
    }

    #[test]
    fn both_spellings_mean_one_suite() {
        let both = names(&["ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        let provider = provider(Some(&both), Version::Tls12).unwrap();
        assert_eq!(provider.cipher_suites, [suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]);
    }

    #[test]
    fn the_order_is_the_callers() {
        let given = names(&["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]);
        let provider = provider(Some(&given), Version::Tls13).unwrap();
        let wanted = [suite::TLS13_AES_128_GCM_SHA256, suite::TLS13_AES_256_GCM_SHA384];
        assert_eq!(provider.cipher_suites, wanted);
    }

    #[test]
    fn unknown_and_unusable_names_are_refused_with_the_offered_ones() {
        let Refusal(text) = provider(Some(&names(&["RC4-MD5"])), Version::Tls12).unwrap_err();
        assert!(text.starts_with("ssl_ciphers: \"RC4-MD5\" is not offered"), "{text}");
        assert!(OFFERED.iter().all(|offered| text.contains(offered.0)), "{text}");
        let Refusal(text) = provider(Some(&names(&["ECDHE-RSA-AES128-GCM-SHA256"])), Version::Tls13).unwrap_err();
        assert!(text.contains("TLS_AES_128_GCM_SHA256") && !text.contains("ECDHE"), "{text}");
        assert!(provider(Some(&[]), Version::Tls12).is_err());
    }
}
