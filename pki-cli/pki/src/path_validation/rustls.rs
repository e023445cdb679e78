//! What rustls-webpki, the verifier of the services, says to the same question.
//!
//! It never decides here. Its verdict is shown when it differs from ours, because a connection would then fail, or
//! succeed, against what `verify` says.

use std::collections::BTreeSet;

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder,
};

use super::{
    Accepted,
    request::{Expected, Purpose, Request},
};
use crate::parse::certificate::Certificate;

/// The verdict of rustls-webpki: nothing, or its reason to refuse, as a half sentence.
///
/// It need not verify again what was verified for `ours`, with the same arithmetic, when that was a yes.
pub fn rustls_verdict(request: &Request<'_>, ours: Option<&Accepted>) -> Result<(), String> {
    let verified = ours.map(Verified::all).unwrap_or_default();
    let algorithms: Vec<_> = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .map(|algorithm| Remembering {
            algorithm: *algorithm,
            verified: &verified,
        })
        .collect();
    let algorithms: Vec<_> = algorithms
        .iter()
        .map(|algorithm| algorithm as &dyn SignatureVerificationAlgorithm)
        .collect();
    let say = |error: webpki::Error| words(&error);
    let leaf = CertificateDer::from(request.leaf);
    let trust: Vec<_> = trust_anchors(request).map(CertificateDer::from).collect();
    let intermediates: Vec<_> = request
        .intermediates
        .iter()
        .map(|der| CertificateDer::from(*der))
        .collect();
    // rustls, too, leaves out the trust anchors that it cannot read.
    let anchors: Vec<_> = trust
        .iter()
        .filter_map(|der| webpki::anchor_from_trusted_cert(der).ok())
        .collect();
    let crls: Vec<CertRevocationList<'_>> = request
        .crls
        .iter()
        .flatten()
        .map(|der| read_crl(der).map(Into::into))
        .collect::<Result<_, _>>()?;
    let crls: Vec<_> = crls.iter().collect();
    let seconds = u64::try_from(request.time.unix_timestamp()).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let leaf = EndEntityCert::try_from(&leaf).map_err(say)?;
    let path = |usage| {
        let revocation = match request.crls {
            Some(_) => Some(
                RevocationOptionsBuilder::new(&crls)
                    .map_err(|_| "no CRL was given".to_owned())?
                    .with_expiration_policy(ExpirationPolicy::Enforce)
                    .build(),
            ),
            None => None,
        };
        leaf.verify_for_usage(
            &algorithms,
            &anchors,
            &intermediates,
            time,
            usage,
            revocation,
            None,
        )
        .map(|_| ())
        .map_err(say)
    };
    match request.purpose {
        Some(Purpose::Server) => path(KeyUsage::server_auth()),
        Some(Purpose::Client) => path(KeyUsage::client_auth()),
        // It always asks for one of the two: when we are not asked for any, either will do.
        None => path(KeyUsage::server_auth())
            .or_else(|reason| path(KeyUsage::client_auth()).map_err(|_| reason)),
    }?;
    for name in &request.names {
        let name = match &name.0 {
            Expected::Host(host) => {
                ServerName::try_from(host.as_str()).map_err(|error| error.to_string())?
            }
            Expected::Ip(ip) => ServerName::from(*ip),
            // It has no notion of these.
            Expected::Uri(_) | Expected::Email(_) => continue,
        };
        leaf.verify_is_valid_for_subject_name(&name).map_err(say)?;
    }
    Ok(())
}

/// A signature that is right.
#[derive(Debug, PartialEq, Eq)]
struct Verified<'p> {
    algorithm: &'p [u8],
    key_algorithm: &'p [u8],
    key: &'p [u8],
    message: &'p [u8],
    signature: &'p [u8],
}

impl<'p> Verified<'p> {
    /// Those of a path that was accepted.
    fn all(accepted: &'p Accepted) -> Vec<Self> {
        let read = |der: &'p Vec<u8>| Certificate::from_der(der).ok();
        let path: Option<Vec<_>> = accepted.path.iter().map(read).collect();
        let of_pair = |pair: &[Certificate<'p>]| Self {
            algorithm: pair[0].signature_algorithm.content,
            key_algorithm: pair[1].public_key.algorithm.content,
            key: pair[1].public_key.key,
            message: pair[0].tbs,
            signature: pair[0].signature.octets,
        };
        path.unwrap_or_default().windows(2).map(of_pair).collect()
    }
}

/// An algorithm that knows some signatures to be right.
#[derive(Debug)]
struct Remembering<'p> {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    verified: &'p [Verified<'p>],
}

impl SignatureVerificationAlgorithm for Remembering<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let (algorithm, key_algorithm) = (self.signature_alg_id(), self.public_key_alg_id());
        let asked = Verified {
            algorithm: algorithm.as_ref(),
            key_algorithm: key_algorithm.as_ref(),
            key: public_key,
            message,
            signature,
        };
        match self.verified.contains(&asked) {
            true => Ok(()),
            false => self
                .algorithm
                .verify_signature(public_key, message, signature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Those that can be the issuer of the leaf or of an intermediate. It compares names octet by octet and passes over every
/// other trust anchor, so it need not be given them, of which the operating system has more than a hundred.
fn trust_anchors<'a>(request: &Request<'a>) -> impl Iterator<Item = &'a [u8]> {
    let below = [request.leaf]
        .into_iter()
        .chain(request.intermediates.iter().copied());
    // Nothing when there is one that it may read another way than we do.
    let issuers: Option<BTreeSet<_>> = below
        .map(|der| Certificate::names(der).map(|(issuer, _)| issuer))
        .collect();
    request
        .trust
        .iter()
        .copied()
        .filter(move |der| match (&issuers, Certificate::names(der)) {
            (Some(issuers), Some((_, subject))) => issuers.contains(subject),
            _ => true,
        })
}

/// A CRL, read to its last entry; or why rustls-webpki cannot use it, as a half sentence.
pub(crate) fn read_crl(der: &[u8]) -> Result<OwnedCertRevocationList, String> {
    OwnedCertRevocationList::from_der(der)
        .map_err(|error| format!("it cannot use a CRL: {}", words(&error)))
}

/// Its errors are called by the names that they have in the source.
fn words(error: &webpki::Error) -> String {
    use webpki::Error;
    let known = match error {
        Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => {
            "something in it is not encoded as DER"
        }
        Error::CaUsedAsEndEntity => {
            "the leaf is a CA's certificate, and it takes none for a peer's"
        }
        Error::EndEntityUsedAsCa => "a certificate that is no CA's issued another one",
        Error::CertExpired { .. } => "a certificate is expired",
        Error::CertNotValidYet { .. } => "a certificate is not yet valid",
        Error::InvalidCertValidity => "a validity ends before it begins",
        Error::CertNotValidForName(_) => "the certificate is not for that name",
        Error::CertRevoked => "a certificate is revoked",
        Error::UnknownRevocationStatus => "no CRL tells whether a certificate is revoked",
        Error::CrlExpired { .. } => "a CRL is out of date",
        Error::InvalidCrlSignatureForPublicKey => "the signature of a CRL is wrong",
        Error::IssuerNotCrlSigner => "the issuer of a CRL may not sign CRLs",
        Error::UnsupportedDeltaCrl => "it does not know delta CRLs",
        Error::UnsupportedIndirectCrl => "it does not know indirect CRLs",
        Error::UnsupportedRevocationReasonsPartitioning => {
            "it does not know CRLs for some reasons only"
        }
        Error::InvalidSignatureForPublicKey => "a signature is wrong",
        Error::NameConstraintViolation => "a name is outside of what a CA above may issue for",
        Error::PathLenConstraintViolated => "a path length is exceeded",
        Error::MaximumPathDepthExceeded => "the path is longer than it follows",
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => "its work limit was reached",
        Error::RequiredEkuNotFoundContext(_) => {
            "the certificate is not for that purpose (extended key usage)"
        }
        Error::UnknownIssuer => "it finds no path to a trust anchor",
        Error::UnsupportedCriticalExtension => "it does not know a critical extension",
        Error::UnsupportedCertVersion => "a certificate is not of version 3",
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            "a signature algorithm is not one that it relies on"
        }
        _ => return spelled_out(&error.to_string()),
    };
    known.to_owned()
}

/// `MalformedExtensions` as “malformed extensions”.
fn spelled_out(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(character.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_reasons_are_told_in_words() {
        for error in [
            webpki::Error::CaUsedAsEndEntity,
            webpki::Error::UnknownIssuer,
            webpki::Error::MalformedExtensions,
            webpki::Error::InvalidNetworkMaskConstraint,
        ] {
            let words = words(&error);
            assert!(words.contains(' '), "{words}");
            assert!(!words.contains(&error.to_string()), "{words}");
        }
        assert_eq!(spelled_out("MalformedExtensions"), "malformed extensions");
    }
}
