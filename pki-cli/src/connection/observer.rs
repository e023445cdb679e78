//! What rustls asks its client during a handshake, answered so that the handshake goes on, and written down.
//!
//! The certificate of the server is recorded and not judged; the signature by which the server proves that it holds the
//! key is verified as always, by the provider's algorithms (RFC 8446 section 4.4.3, RFC 5246 section 7.4.3).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};

/// What the server asked for when it asked for a certificate (RFC 8446 section 4.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The CAs that it names (distinguished names in DER); none is any.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Whether our key can make a signature of a kind that it takes.
    pub(crate) takes_our_key: bool,
}

/// What was written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) ocsp_staple: bool,
    pub(super) proved: bool,
    pub(super) asked: Option<Asked>,
}

/// Answers and writes down.
#[derive(Debug)]
pub(super) struct Observer {
    algorithms: WebPkiSupportedAlgorithms,
    own: Option<Arc<CertifiedKey>>,
    notes: Mutex<Notes>,
}

impl Observer {
    pub(super) fn new(
        algorithms: WebPkiSupportedAlgorithms,
        own: Option<Arc<CertifiedKey>>,
    ) -> Self {
        Self {
            algorithms,
            own,
            notes: Mutex::default(),
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proved(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.lock().proved = verified.is_ok();
        verified
    }
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut notes = self.lock();
        notes.chain = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|certificate| certificate.to_vec())
            .collect();
        notes.ocsp_staple = !ocsp_response.is_empty();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proved(verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.algorithms,
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proved(verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.algorithms,
        ))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Observer {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let takes_our_key = self
            .own
            .as_ref()
            .is_some_and(|own| own.key.choose_scheme(sigschemes).is_some());
        self.lock().asked = Some(Asked {
            authorities: root_hint_subjects
                .iter()
                .map(|name| name.to_vec())
                .collect(),
            takes_our_key,
        });
        // Also when the server names other CAs: what it says to our certificate is what was asked.
        self.own.clone()
    }

    /// Always: without a certificate, too, we want to know whether one is asked for.
    fn has_certs(&self) -> bool {
        true
    }
}
