//! What an index is taken to know although it is not in it, while it is only asked: a `crl.pem` that the CA signed tells of
//! more than an older copy of the index does. Whoever changes the index takes that over into it first, and supposes nothing.

use std::collections::{BTreeMap, HashMap};

use super::{Compromised, CrlRow, Index, IndexError, Revocation, RevokedRow, Row, Status};
use crate::certificate::Certificate;

/// Revocations and CRLs that count although they are not in the index.
#[derive(Debug, Default)]
pub(super) struct Supposed {
    /// By issuer and serial number.
    revoked: BTreeMap<String, BTreeMap<String, Row>>,
    /// By issuer.
    crls: HashMap<String, CrlRow>,
    /// By the key's fingerprint.
    pub(super) keys: HashMap<String, Compromised>,
}

impl Index {
    /// From now on these count as revoked by this issuer. Nothing is written.
    pub(crate) fn suppose<'r>(
        &mut self,
        crl: &CrlRow,
        revoked: impl IntoIterator<Item = &'r (String, Revocation)>,
    ) -> Result<(), IndexError> {
        for (serial, revocation) in revoked {
            let known = self.find(serial, &crl.issuer)?;
            let row = Row {
                status: Status::Revoked,
                revocation: Some(*revocation),
                ..known.unwrap_or_else(|| unknown(serial, crl))
            };
            if revocation.reason.is_compromise()
                && let Some(der) = self.certificate(serial, &crl.issuer)?
                && let Ok(certificate) = Certificate::from_der(&der)
            {
                let known = self
                    .supposed
                    .keys
                    .entry(certificate.public_key().fingerprint());
                known.or_insert_with(|| Compromised {
                    serial: serial.clone(),
                    issuer: crl.issuer.clone(),
                });
            }
            let of_issuer = self.supposed.revoked.entry(crl.issuer.clone());
            of_issuer.or_default().insert(serial.clone(), row);
        }
        if self
            .crl(&crl.issuer)?
            .is_none_or(|known| known.number < crl.number)
        {
            let issuer = crl.issuer.clone();
            self.supposed.crls.insert(issuer, crl.clone());
        }
        Ok(())
    }
}

impl Supposed {
    /// These rows, which are all of one serial number where one is given, as they would be.
    pub(super) fn apply(&self, rows: &mut Vec<Row>, serial: Option<&str>) {
        if self.revoked.is_empty() {
            return;
        }
        for row in &mut *rows {
            let of_issuer = self.revoked.get(&row.issuer);
            if let Some(supposed) = of_issuer.and_then(|all| all.get(&row.serial)) {
                *row = supposed.clone();
            }
        }
        let of_serial = serial.into_iter().flat_map(|serial| {
            let all = self.revoked.values();
            all.filter_map(move |of_issuer| of_issuer.get(serial))
        });
        for supposed in of_serial {
            if rows.iter().all(|row| row.issuer != supposed.issuer) {
                rows.push(supposed.clone());
            }
        }
    }

    /// Whether a row of the index is one of those that count as something else.
    pub(super) fn has(&self, row: &Row) -> bool {
        // Most often there are none.
        !self.revoked.is_empty()
            && self
                .revoked
                .get(&row.issuer)
                .is_some_and(|all| all.contains_key(&row.serial))
    }

    /// Everything that counts as revoked.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.revoked.values().flat_map(BTreeMap::values)
    }

    /// What a CRL of this issuer has to list.
    pub(super) fn list(&self, rows: &mut Vec<RevokedRow>, issuer: &str) {
        let Some(all) = self.revoked.get(issuer) else {
            return;
        };
        rows.extend(all.values().filter_map(|row| {
            Some(RevokedRow {
                serial: row.serial.clone(),
                revocation: row.revocation?,
                not_after: row.not_after,
            })
        }));
        rows.sort_by(|one, other| one.serial.cmp(&other.serial));
    }

    pub(super) fn crl(&self, issuer: &str) -> Option<&CrlRow> {
        self.crls.get(issuer)
    }
}

/// A certificate of which nothing is known but its number.
fn unknown(serial: &str, crl: &CrlRow) -> Row {
    Row {
        serial: serial.to_owned(),
        issuer: crl.issuer.clone(),
        status: Status::Revoked,
        name: None,
        profile: None,
        subject: String::new(),
        names: Vec::new(),
        reserved_at: crl.this_update,
        not_before: None,
        not_after: None,
        fingerprint: None,
        revocation: None,
    }
}
