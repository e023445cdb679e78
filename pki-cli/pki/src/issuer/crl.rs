//! Signing a CRL (RFC 5280 §5).
//!
//! As with certificates, everything that can be refused is refused first, the list is judged once with a throw-away
//! signature, and what was signed is judged by the validator that judges strangers' lists.

use time::{Duration, OffsetDateTime};

use super::{BACKDATE, Issuer, Refusal, date, throw_away_key};
use crate::{
    certificate::{CRL_SIGN, Certificate, signed},
    certificate_revocation_list::{CertificateRevocationList, ToBeSigned, lacks},
    error::Error,
    index::ReservedCrl,
    key::PrivateKey,
    path_validation,
};

impl Issuer {
    /// Whether this issuer may sign a CRL now. Asked before a CRL number is taken.
    pub fn may_sign_crls(&self, now: OffsetDateTime) -> Result<(), Refusal> {
        let subject = || self.certificate.subject().to_string();
        Self::has_crl_sign(&self.certificate)?;
        if self.certificate.not_after() < now {
            return Err(Refusal::Expired {
                subject: subject(),
                not_after: date(self.certificate.not_after()),
            });
        }
        if self.certificate.not_before() > now {
            return Err(Refusal::NotYetValid {
                subject: subject(),
                not_before: date(self.certificate.not_before()),
            });
        }
        Ok(())
    }

    /// Whether the certificate of a CA lets it sign CRLs, whoever has the key (RFC 5280 §4.2.1.3: "the cRLSign bit MUST be
    /// asserted" where key usage is present).
    pub(crate) fn has_crl_sign(certificate: &Certificate) -> Result<(), Refusal> {
        match certificate.key_usage {
            Some(usage) if usage & (1 << CRL_SIGN) == 0 => {
                Err(Refusal::NoCrlSign(certificate.subject().to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Signs the CRL with this number, which lists what was read when the number was taken, for `life` from now on.
    ///
    /// thisUpdate lies [`BACKDATE`] in the past, like notBefore: a verifier whose clock is a little slow would refuse a
    /// list from its future, and with it everything that the list covers. What is revoked here is dated back as well; where another program dated a
    /// revocation later than that, the list is issued at that moment: it is not older than what it tells of.
    pub fn sign_crl(
        &self,
        reserved: &ReservedCrl,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<CertificateRevocationList, Error> {
        self.may_sign_crls(now)?;
        let last = reserved.revoked.iter().map(|row| row.revocation.at);
        let last = last.filter(|at| *at <= now).max();
        let dated_back = (now - BACKDATE).max(self.certificate.not_before());
        let content = ToBeSigned {
            issuer: self.certificate.subject(),
            authority_key_identifier: match &self.certificate.subject_key_identifier {
                Some(identifier) => identifier.clone(),
                None => self.key.public().identifier(),
            },
            number: reserved.number,
            this_update: last.map_or(dated_back, |last| last.max(dated_back)),
            next_update: now + life,
            revoked: &reserved.revoked,
        };
        let throw_away = sign(&content, throw_away_key()?)?;
        check_content(&throw_away, reserved).map_err(Refusal::CrlLint)?;
        let der = sign(&content, &self.key)?;
        check_content(&der, reserved)
            .and_then(|()| path_validation::judge_crl(&der, self.certificate.der(), now))
            .map_err(Error::OwnOutputRefused)?;
        Ok(CertificateRevocationList::new(der, &content))
    }
}

fn sign(content: &ToBeSigned<'_>, key: &PrivateKey) -> Result<Vec<u8>, Error> {
    let algorithm = key.signature_algorithm();
    let encoded = content.encode(&algorithm);
    let signature = key.sign(&encoded)?;
    Ok(signed(&encoded, &algorithm, &signature).to_vec())
}

/// Whether every certificate that has to be listed is, with its reason, and whether the services can read it: rustls
/// refuses everybody when it cannot.
fn check_content(der: &[u8], reserved: &ReservedCrl) -> Result<(), String> {
    path_validation::read_crl(der)
        .map_err(|reason| format!("rustls could not read it: {reason}"))?;
    match lacks(der, &reserved.revoked) {
        None => Ok(()),
        Some(missing) => Err(format!(
            "{missing} revoked certificates are not in it as they should be"
        )),
    }
}
