//! What can be wrong with a certificate, in words: the outcome of path validation (RFC 5280, section 6) and of the
//! checks that this crate adds to it.
//!
//! The same values explain why a peer was refused, why a peer was not connected to, and why a folder is not used.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};
use rustls_pki_types::{ServerName, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use webpki::Error as PathError;

use crate::peer_identity::UnreadableIdentity;
use crate::text::Escaped;

/// What is wrong with a certificate or its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// No chain leads from the certificate to a trust anchor.
    UnknownIssuer,
    /// A certificate of the chain is past its end.
    Expired {
        /// Its last second.
        not_after: OffsetDateTime,
    },
    /// A certificate of the chain is before its begin.
    NotValidYet {
        /// Its first second.
        not_before: OffsetDateTime,
    },
    /// The trust anchor itself is outside its validity.
    TrustAnchorNotValid,
    /// The certificate is for another host.
    WrongName {
        /// The name that was asked for.
        expected: String,
        /// The names it has.
        presented: Vec<String>,
    },
    /// The certificate is not for this purpose.
    WrongPurpose {
        /// The purpose that was asked for.
        required: Purpose,
    },
    /// The certificate or one of its issuers is revoked.
    Revoked,
    /// No revocation list covers the certificate or one of its issuers.
    RevocationUnknown,
    /// A revocation list that would cover it is past its next update.
    RevocationListExpired {
        /// When the next list was due.
        next_update: OffsetDateTime,
    },
    /// A revocation list that would cover it is not signed by the issuer, or may not be.
    RevocationListUntrusted,
    /// A signature in the chain does not verify.
    BadSignature,
    /// A certificate of the chain issued another one and may not.
    IssuerMayNotIssue,
    /// A CA certificate is shown as the end-entity certificate.
    CaAsEndEntity,
    /// A name violates the name constraints of an issuer.
    NameConstraint,
    /// The chain is longer than an issuer allows.
    PathLength,
    /// A critical extension is not understood.
    UnknownCriticalExtension,
    /// A certificate of the chain cannot be read.
    Malformed,
    /// The chain is good, and a name in the certificate is not what its kind must be, so that no rule could be applied.
    Unreadable(UnreadableIdentity),
    /// A certificate of the chain uses an algorithm that is not accepted.
    Algorithm,
    /// Something rarer, in the words of the path validation.
    Other(String),
}

/// What a certificate must be for (extended key usage; RFC 5280, 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `serverAuth`
    Server,
    /// `clientAuth`
    Client,
}

impl CertificateProblem {
    /// A short, stable name: a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired { .. } => "expired",
            Self::NotValidYet { .. } => "not_valid_yet",
            Self::TrustAnchorNotValid => "trust_anchor_not_valid",
            Self::WrongName { .. } => "wrong_name",
            Self::WrongPurpose { .. } => "wrong_purpose",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::RevocationListExpired { .. } => "revocation_list_expired",
            Self::RevocationListUntrusted => "revocation_list_untrusted",
            Self::BadSignature => "bad_signature",
            Self::IssuerMayNotIssue => "issuer_may_not_issue",
            Self::CaAsEndEntity => "ca_as_end_entity",
            Self::NameConstraint => "name_constraint",
            Self::PathLength => "path_length",
            Self::UnknownCriticalExtension => "unknown_critical_extension",
            Self::Malformed => "malformed",
            Self::Unreadable(_) => "unreadable",
            Self::Algorithm => "algorithm",
            Self::Other(_) => "other",
        }
    }

    pub(crate) fn from_path_error(error: &PathError) -> Self {
        match error {
            PathError::UnknownIssuer => Self::UnknownIssuer,
            PathError::CertExpired { not_after, .. } => Self::Expired {
                not_after: moment(*not_after),
            },
            PathError::CertNotValidYet { not_before, .. } => Self::NotValidYet {
                not_before: moment(*not_before),
            },
            PathError::CertRevoked => Self::Revoked,
            PathError::UnknownRevocationStatus => Self::RevocationUnknown,
            PathError::CrlExpired { next_update, .. } => Self::RevocationListExpired {
                next_update: moment(*next_update),
            },
            PathError::InvalidCrlSignatureForPublicKey | PathError::IssuerNotCrlSigner => {
                Self::RevocationListUntrusted
            }
            PathError::InvalidSignatureForPublicKey | PathError::SignatureAlgorithmMismatch => {
                Self::BadSignature
            }
            PathError::EndEntityUsedAsCa => Self::IssuerMayNotIssue,
            PathError::CaUsedAsEndEntity => Self::CaAsEndEntity,
            PathError::NameConstraintViolation => Self::NameConstraint,
            PathError::PathLenConstraintViolated => Self::PathLength,
            PathError::UnsupportedCriticalExtension => Self::UnknownCriticalExtension,
            PathError::BadDer
            | PathError::BadDerTime
            | PathError::TrailingData(_)
            | PathError::MalformedExtensions
            | PathError::ExtensionValueInvalid
            | PathError::InvalidCertValidity
            | PathError::UnsupportedCertVersion => Self::Malformed,
            PathError::UnsupportedSignatureAlgorithmContext(_)
            | PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Self::Algorithm,
            other => Self::Other(format!("{other:?}")),
        }
    }

    /// The nearest kind that rustls knows, because it chooses the alert that the peer gets (RFC 8446, 6.2).
    pub(crate) fn to_rustls(&self, now: UnixTime) -> CertificateError {
        match self {
            Self::UnknownIssuer => CertificateError::UnknownIssuer,
            Self::Expired { not_after } => CertificateError::ExpiredContext {
                time: now,
                not_after: unix_time(*not_after),
            },
            Self::NotValidYet { not_before } => CertificateError::NotValidYetContext {
                time: now,
                not_before: unix_time(*not_before),
            },
            Self::Revoked => CertificateError::Revoked,
            Self::RevocationUnknown => CertificateError::UnknownRevocationStatus,
            Self::RevocationListExpired { next_update } => {
                CertificateError::ExpiredRevocationListContext {
                    time: now,
                    next_update: unix_time(*next_update),
                }
            }
            Self::BadSignature => CertificateError::BadSignature,
            Self::Malformed => CertificateError::BadEncoding,
            Self::WrongPurpose { required } => CertificateError::InvalidPurposeContext {
                required: match required {
                    Purpose::Server => rustls::ExtendedKeyPurpose::ServerAuth,
                    Purpose::Client => rustls::ExtendedKeyPurpose::ClientAuth,
                },
                presented: Vec::new(),
            },
            Self::WrongName {
                expected,
                presented,
            } => match ServerName::try_from(expected.clone()) {
                Ok(expected) => CertificateError::NotValidForNameContext {
                    expected,
                    presented: presented.clone(),
                },
                Err(_) => CertificateError::NotValidForName,
            },
            // certificate_unknown: "some other (unspecified) issue".
            _ => CertificateError::Other(OtherError(Arc::new(Unnamed(self.clone())))),
        }
    }

    /// The way back, out of an error that came through rustls.
    pub(crate) fn from_rustls(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired {
                not_after: moment(*not_after),
            },
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotValidYet {
                not_before: moment(*not_before),
            },
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus => Self::RevocationUnknown,
            CertificateError::ExpiredRevocationListContext { next_update, .. } => {
                Self::RevocationListExpired {
                    next_update: moment(*next_update),
                }
            }
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::BadEncoding => Self::Malformed,
            CertificateError::InvalidPurposeContext {
                required: rustls::ExtendedKeyPurpose::ServerAuth,
                ..
            } => Self::WrongPurpose {
                required: Purpose::Server,
            },
            CertificateError::InvalidPurposeContext {
                required: rustls::ExtendedKeyPurpose::ClientAuth,
                ..
            } => Self::WrongPurpose {
                required: Purpose::Client,
            },
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: presented.clone(),
            },
            CertificateError::Other(other) => other.0.downcast_ref::<Unnamed>().map_or_else(
                || Self::Other(other.to_string()),
                |unnamed| unnamed.0.clone(),
            ),
            other => Self::Other(other.to_string()),
        }
    }
}

/// A clause that follows "the certificate is refused because …".
impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer => f.write_str("no chain leads from it to a trust anchor (unknown issuer)"),
            Self::Expired { not_after } => write!(f, "it expired at {}", rfc3339(*not_after)),
            Self::NotValidYet { not_before } => write!(f, "it is not valid before {}", rfc3339(*not_before)),
            Self::TrustAnchorNotValid => f.write_str("its trust anchor has expired or is not valid yet"),
            Self::WrongName { expected, presented } => {
                write!(f, "it is not for {}", Escaped(expected))?;
                if presented.is_empty() {
                    return f.write_str(": it has no DNS name or IP address");
                }
                for (position, name) in presented.iter().enumerate() {
                    let before = if position == 0 { ", only for " } else { ", " };
                    write!(f, "{before}{}", Escaped(name))?;
                }
                Ok(())
            }
            Self::WrongPurpose {
                required: Purpose::Server,
            } => f.write_str("it is not for servers (its extended key usage lacks serverAuth)"),
            Self::WrongPurpose {
                required: Purpose::Client,
            } => f.write_str("it is not for clients (its extended key usage lacks clientAuth)"),
            Self::Revoked => f.write_str("it, or one of its issuers, is revoked"),
            Self::RevocationUnknown => {
                f.write_str("no revocation list in crl.pem covers it and each of its issuers, so it counts as revoked")
            }
            Self::RevocationListExpired { next_update } => write!(
                f,
                "the revocation list that covers it was to be replaced by {}, so it counts as revoked",
                rfc3339(*next_update)
            ),
            Self::RevocationListUntrusted => {
                f.write_str("the revocation list that would cover it is not one that its issuer signed")
            }
            Self::BadSignature => f.write_str("a signature of it or of its chain does not verify"),
            Self::IssuerMayNotIssue => f.write_str("one of its issuers may not issue certificates"),
            Self::CaAsEndEntity => f.write_str("it is a CA's certificate and not an end entity's"),
            Self::NameConstraint => f.write_str("one of its names violates the name constraints of an issuer"),
            Self::PathLength => f.write_str("its chain is longer than an issuer allows"),
            Self::UnknownCriticalExtension => f.write_str("it has a critical extension that is not understood"),
            Self::Malformed => f.write_str("it or its chain is malformed"),
            Self::Unreadable(reason) => write!(f, "{reason}"),
            Self::Algorithm => f.write_str("it or its chain uses a signature algorithm that is not accepted"),
            Self::Other(words) => write!(f, "path validation says: {}", Escaped(words)),
        }
    }
}

/// Carries a problem that rustls has no kind for through rustls and back.
#[derive(Debug)]
struct Unnamed(CertificateProblem);

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unnamed {}

pub(crate) fn rfc3339(moment: OffsetDateTime) -> String {
    moment
        .format(&Rfc3339)
        .unwrap_or_else(|_| moment.to_string())
}

/// Before 1970 or after 9999 there is no certificate to speak of: clamped.
fn moment(time: UnixTime) -> OffsetDateTime {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

pub(crate) fn unix_time(moment: OffsetDateTime) -> UnixTime {
    let seconds = u64::try_from(moment.unix_timestamp()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}
