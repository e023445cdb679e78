//! Whom this side trusts, and the decision whether a chain leads there: webpki's path validation (RFC 5280, section 6)
//! plus what it leaves out.
//!
//! webpki accepts an end-entity certificate without any extended key usage, any certificate as a trust anchor, outside
//! its own validity too, and an issuer whose key usage lacks keyCertSign. Here all of that is refused, and a trusted
//! certificate that is no CA's vouches for itself alone (see [`crate::trusted_certificate`]). Revocation is checked along the whole
//! chain when there is a list, and fails closed: unknown and expired count as revoked.

use std::cell::Cell;
use std::slice;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, Error as PathError, ExpirationPolicy, KeyUsage,
    OwnedCertRevocationList, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
    VerifiedPath, anchor_from_trusted_cert,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::certificate_problem::{CertificateProblem, Purpose, unix_time};
use crate::peer_identity::PeerIdentity;
use crate::provider::crypto_provider;
use crate::trusted_certificate::{VouchesFor, vouches_for};

/// Trust anchors with their dates, and revocation lists. Immutable: new trust is a new value.
pub(crate) struct Trust {
    /// CAs: each vouches for whatever it issues.
    anchors: Vec<TrustAnchor<'static>>,
    /// The validity of each anchor, at the same position: a [`TrustAnchor`] carries no dates.
    validity: Vec<(UnixTime, UnixTime)>,
    /// End entities: each vouches for itself, octet by octet, and for nothing else.
    pinned: Vec<(CertificateDer<'static>, TrustAnchor<'static>)>,
    subjects: Vec<DistinguishedName>,
    revocation_lists: Vec<CertRevocationList<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    /// # Errors
    /// The position of the certificate or list that cannot be used.
    pub(crate) fn new(
        anchors: &[CertificateDer<'static>],
        revocation_lists: &[CertificateRevocationListDer<'_>],
    ) -> Result<Self, TrustError> {
        let mut trust = Self {
            anchors: Vec::new(),
            validity: Vec::new(),
            pinned: Vec::new(),
            subjects: Vec::new(),
            revocation_lists: Vec::new(),
            algorithms: crypto_provider().signature_verification_algorithms,
        };
        for (position, der) in anchors.iter().enumerate() {
            let anchor = anchor_from_trusted_cert(der).map_err(|_| TrustError::Anchor(position))?;
            let (_, certificate) =
                X509Certificate::from_der(der).map_err(|_| TrustError::Anchor(position))?;
            trust
                .subjects
                .push(DistinguishedName::in_sequence(anchor.subject.as_ref()));
            match vouches_for(&certificate) {
                Ok(VouchesFor::WhatItIssues) => {
                    let validity = certificate.validity();
                    trust.validity.push((
                        unix_time(validity.not_before.to_datetime()),
                        unix_time(validity.not_after.to_datetime()),
                    ));
                    trust.anchors.push(anchor.to_owned());
                }
                Ok(VouchesFor::Itself) => trust.pinned.push((der.clone(), anchor.to_owned())),
                Err(reason) => {
                    return Err(TrustError::NotTrustworthy {
                        position,
                        subject: certificate.subject().to_string(),
                        reason,
                    });
                }
            }
        }
        for (position, der) in revocation_lists.iter().enumerate() {
            let list = OwnedCertRevocationList::from_der(der)
                .map_err(|error| TrustError::RevocationList(position, format!("{error:?}")))?;
            trust.revocation_lists.push(CertRevocationList::Owned(list));
        }
        Ok(trust)
    }

    /// Decides whether `end_entity` is good for `purpose` at `now`, with the help of the `intermediates` it came with.
    pub(crate) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        purpose: Purpose,
        name: Option<&ServerName<'_>>,
        now: UnixTime,
    ) -> Result<(), CertificateProblem> {
        let certificate = EndEntityCert::try_from(end_entity)
            .map_err(|e| CertificateProblem::from_path_error(&e))?;
        // For issuers the extension is optional; that an end entity has it is checked below.
        let usage = match purpose {
            Purpose::Server => KeyUsage::server_auth(),
            Purpose::Client => KeyUsage::client_auth(),
        };
        let lists: Vec<&CertRevocationList<'_>> = self.revocation_lists.iter().collect();
        // No list, no check: `Material` sees to it that a crl.pem that exists holds at least one.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let anchor_not_valid = Cell::new(false);
        // A pinned certificate leads to itself: the dates of its trust anchor are its own, and there is no issuer.
        let pinned = self.pinned.iter().find(|(der, _)| der == end_entity);
        let (anchors, intermediates) = match pinned {
            Some((_, itself)) => (slice::from_ref(itself), &[][..]),
            None => (&*self.anchors, intermediates),
        };
        let check_path = |path: &VerifiedPath<'_>| match pinned {
            Some(_) => Ok(()),
            None => self.check_path(path, now, &anchor_not_valid),
        };
        certificate
            .verify_for_usage(
                self.algorithms.all,
                anchors,
                intermediates,
                now,
                usage,
                revocation,
                Some(&check_path),
            )
            .map_err(|error| match error {
                PathError::RequiredEkuNotFoundContext(_) | PathError::EmptyEkuExtension => {
                    CertificateProblem::WrongPurpose { required: purpose }
                }
                PathError::CertDistrusted if anchor_not_valid.get() => {
                    CertificateProblem::TrustAnchorNotValid
                }
                other => CertificateProblem::from_path_error(&other),
            })?;
        // Without the extension a certificate is for everything (RFC 5280, 4.2.1.12), and nobody who issues exact roles
        // means that.
        if !has_extended_key_usage(end_entity)? {
            return Err(CertificateProblem::WrongPurpose { required: purpose });
        }
        // Said in the handshake and not after it, so that the peer gets an alert and not a broken connection.
        PeerIdentity::from_certificate(end_entity).map_err(CertificateProblem::Unreadable)?;
        match name.map(|name| (name, certificate.verify_is_valid_for_subject_name(name))) {
            None | Some((_, Ok(()))) => Ok(()),
            Some((name, Err(PathError::CertNotValidForName(_)))) => {
                Err(CertificateProblem::WrongName {
                    expected: name.to_str().into_owned(),
                    presented: host_names(end_entity),
                })
            }
            Some((_, Err(error))) => Err(CertificateProblem::from_path_error(&error)),
        }
    }

    /// The names of the anchors, which a server sends so that a client can choose among its certificates.
    pub(crate) fn subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    pub(crate) fn anchor_count(&self) -> usize {
        self.anchors.len() + self.pinned.len()
    }

    pub(crate) fn revocation_list_count(&self) -> usize {
        self.revocation_lists.len()
    }

    /// Runs on every path that webpki found good; a refusal makes it look for another one.
    fn check_path(
        &self,
        path: &VerifiedPath<'_>,
        now: UnixTime,
        anchor_not_valid: &Cell<bool>,
    ) -> Result<(), PathError> {
        let position = self
            .anchors
            .iter()
            .position(|anchor| std::ptr::eq(anchor, path.anchor()));
        let valid = position
            .and_then(|position| self.validity.get(position))
            .is_some_and(|(not_before, not_after)| (*not_before..=*not_after).contains(&now));
        if !valid {
            // webpki's error cannot say this, so the cell does; the variant only has to outrank the lesser ones.
            anchor_not_valid.set(true);
            return Err(PathError::CertDistrusted);
        }
        for issuer in path.intermediate_certificates() {
            let der = issuer.der();
            let (_, issuer) = X509Certificate::from_der(&der).map_err(|_| PathError::BadDer)?;
            let usage = issuer
                .key_usage()
                .map_err(|_| PathError::MalformedExtensions)?;
            // RFC 5280, 6.1.4 (n): if a key usage extension is present, verify that the keyCertSign bit is set.
            if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
                return Err(PathError::EndEntityUsedAsCa);
            }
        }
        Ok(())
    }
}

fn has_extended_key_usage(certificate: &CertificateDer<'_>) -> Result<bool, CertificateProblem> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateProblem::Malformed)?;
    let extension = certificate
        .extended_key_usage()
        .map_err(|_| CertificateProblem::Malformed)?;
    Ok(extension.is_some())
}

/// The names that a host can be called by, for the sentence of a refusal.
fn host_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    PeerIdentity::from_certificate(certificate)
        .map(|identity| {
            let addresses = identity.ip_addresses().iter().map(ToString::to_string);
            identity
                .dns_names()
                .iter()
                .cloned()
                .chain(addresses)
                .collect()
        })
        .unwrap_or_default()
}

/// What cannot become trust: the position in its file.
#[derive(Debug)]
pub(crate) enum TrustError {
    Anchor(usize),
    NotTrustworthy {
        position: usize,
        subject: String,
        reason: &'static str,
    },
    RevocationList(usize, String),
}

/// [`Trust`] in the shape that rustls asks, for either side.
pub(crate) struct PeerVerifier(pub(crate) Arc<Trust>);

impl std::fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("anchors", &self.0.anchor_count())
            .field("revocation_lists", &self.0.revocation_list_count())
            .finish()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0
            .verify(end_entity, intermediates, Purpose::Client, None, now)
            .map(|()| ClientCertVerified::assertion())
            .map_err(|problem| problem.to_rustls(now).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0
            .verify(
                end_entity,
                intermediates,
                Purpose::Server,
                Some(server_name),
                now,
            )
            .map(|()| ServerCertVerified::assertion())
            .map_err(|problem| problem.to_rustls(now).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
