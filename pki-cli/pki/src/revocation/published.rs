//! What the `crl.pem` that was given to everybody says and the index does not: somebody brought an older index back.
//!
//! Whoever was told that a certificate is revoked must not be told otherwise (RFC 5280 §5.3.1: only a hold ends), nor find
//! a smaller CRL number than before (§5.2.3). A list that the CA signed is as good a witness as its index.

use time::OffsetDateTime;

use super::{CrlIssuer, RevocationLists};
use crate::{
    error::Error,
    folder,
    import::{crl_number, revocation_of},
    index::{CrlRow, Foreign, Revocation},
    inspect,
    parse::{self, crl::Crl},
    path_validation::{SignatureVerdict, verify_signature},
    serial_number,
};

/// A CRL of one of the CAs that knows more than the index.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) crl: CrlRow,
    /// Whether its number is greater than that of the last one that the index has.
    is_newer: bool,
    /// What it lists and the index has not as revoked.
    missing: Vec<(String, Revocation)>,
}

impl Published {
    /// Half sentences.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.missing.len() {
            0 => {}
            1 => reasons.push("1 revocation of crl.pem is not in the index".to_owned()),
            many => reasons.push(format!(
                "{many} revocations of crl.pem are not in the index"
            )),
        }
        if self.is_newer {
            reasons.push(format!(
                "the index does not know CRL {} in crl.pem, and may be an older copy",
                self.crl.number
            ));
        }
        reasons
    }
}

impl RevocationLists {
    /// The CRLs in the `crl.pem` of the CA's folder that know more than the index. What cannot be read, or was not signed
    /// by one of the CAs, says nothing.
    pub(super) fn published(&self) -> Result<Vec<Published>, Error> {
        // The file is read before the index, which is always written first: in this order it is never behind.
        let Some(bytes) = folder::read_if_there(&self.path())? else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for der in inspect::crls(&bytes).unwrap_or_default() {
            all.extend(self.ahead(der)?);
        }
        Ok(all)
    }

    fn ahead(&self, der: Vec<u8>) -> Result<Option<Published>, Error> {
        let Ok(crl) = Crl::from_der(&der) else {
            return Ok(None);
        };
        let named = |issuer: &&CrlIssuer| issuer.certificate.subject().der() == crl.issuer.raw;
        let Some(issuer) = self.issuers.iter().find(named) else {
            return Ok(None);
        };
        let name = issuer.name();
        let current = self.index.crl(&name)?;
        // As a rule the file is a copy.
        if current.as_ref().is_some_and(|current| current.der == der) {
            return Ok(None);
        }
        let Some(next_update) = crl.next_update.filter(|_| is_signed_by(&crl, issuer)) else {
            return Ok(None);
        };
        let mut missing = Vec::new();
        for entry in &crl.revoked {
            let serial = serial_number::text(entry.serial);
            let row = self.index.find(&serial, &name)?;
            if row.is_none_or(|row| row.revocation.is_none()) {
                missing.push((serial, revocation_of(entry)));
            }
        }
        let number = crl_number(&crl).unwrap_or_default();
        let is_newer = current.is_none_or(|current| current.number < number);
        if missing.is_empty() && !is_newer {
            return Ok(None);
        }
        let this_update = crl.this_update.at;
        let crl = CrlRow {
            issuer: name,
            number,
            this_update,
            next_update: next_update.at,
            der,
        };
        Ok(Some(Published {
            crl,
            is_newer,
            missing,
        }))
    }

    /// Takes over into the index what the `crl.pem` of the CA's folder knows beyond it. What was taken over, a sentence for
    /// each CA.
    pub fn catch_up(&self, now: OffsetDateTime) -> Result<Vec<String>, Error> {
        let mut told = Vec::new();
        for published in self.published()? {
            let issuer = &published.crl.issuer;
            let rows = published
                .missing
                .iter()
                .map(|(serial, revocation)| Foreign {
                    serial: serial.clone(),
                    issuer: issuer.clone(),
                    name: None,
                    profile: None,
                    subject: String::new(),
                    names: Vec::new(),
                    not_before: None,
                    not_after: None,
                    certificate: None,
                    revocation: Some(*revocation),
                });
            self.index.import(rows, now)?;
            if published.is_newer {
                self.index.adopt_crl(&published.crl)?;
            }
            told.push(format!(
                "The index was behind crl.pem ({issuer}: {}), as an older copy is that was brought back; that was taken over into it. What was issued since then and is not revoked it does not know: bring a newer copy back if there is one.",
                published.reasons().join(", and ")
            ));
        }
        Ok(told)
    }
}

fn is_signed_by(crl: &Crl<'_>, issuer: &CrlIssuer) -> bool {
    let spki = issuer.certificate.public_key().spki();
    parse::public_key::PublicKey::from_der(spki).is_ok_and(|key| {
        let algorithm = &crl.signature_algorithm;
        verify_signature(&key, algorithm, crl.tbs, crl.signature) == SignatureVerdict::Right
    })
}
