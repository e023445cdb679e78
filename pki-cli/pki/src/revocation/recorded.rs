//! What the index knows of a path: whoever has the index need not wait for a CRL that says the same.

use crate::{
    certificate::Certificate,
    error::Error,
    index::Index,
    issuer::date,
    path_validation::{Accepted, FailureKind, Position, Rejected},
};

/// The first certificate of a path, the trust anchor left aside, that the index says is revoked.
pub fn recorded(index: &Index, accepted: &Accepted) -> Result<Option<Rejected>, Error> {
    let below = accepted.path.len().saturating_sub(1);
    for (at, der) in accepted.path.iter().take(below).enumerate() {
        let Ok(certificate) = Certificate::from_der(der) else {
            continue;
        };
        let row = index.find(&certificate.serial(), &certificate.issuer().to_string())?;
        let Some(revocation) = row.and_then(|row| row.revocation) else {
            continue;
        };
        return Ok(Some(Rejected {
            kind: FailureKind::Revoked,
            position: match at {
                0 => Position::Leaf,
                at => Position::Intermediate(at),
            },
            subject: accepted.subjects.get(at).cloned().unwrap_or_default(),
            reason: format!(
                "it was revoked on {} ({}), as the index of the CA says",
                date(revocation.at),
                revocation.reason
            ),
            clause: "RFC 5280 section 6.3",
            advice: "issue another one; others know of it by the CRL alone, which \"pki crl\" signs and carries".to_owned(),
        }));
    }
    index.still_stands()?;
    Ok(None)
}
