//! The cryptography that every configuration of this crate names explicitly: aws-lc-rs.
//!
//! Never the process-wide default of rustls: that one depends on which features the whole program happens to unite.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// TLS versions that a side accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersions {
    /// TLS 1.3 and nothing else.
    #[default]
    Tls13,
    /// TLS 1.3, and TLS 1.2 for peers that cannot do better.
    Tls12And13,
}

impl TlsVersions {
    pub(crate) fn as_rustls(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            Self::Tls13 => TLS13_ONLY,
            Self::Tls12And13 => rustls::ALL_VERSIONS,
        }
    }
}

static TLS13_ONLY: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What HTTP/2 over TLS negotiates (RFC 9113, 3.3; gRPC over anything else does not exist).
pub(crate) const ALPN: &[u8] = b"h2";

pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    // The hybrid first: what is recorded today must not be readable by the quantum computer of tomorrow. Written out,
    // because the library's own order depends on its features.
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_post_quantum_hybrid_is_offered_first() {
        let groups: Vec<NamedGroup> = crypto_provider()
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();
        assert_eq!(groups.first(), Some(&NamedGroup::X25519MLKEM768));
    }
}
