//! Rows of another CA program, with its history: what it issued and revoked stays known, its serial numbers are never
//! used again, and what it revoked stays on the CRL.

use rusqlite::{Transaction, TransactionBehavior, params};
use time::OffsetDateTime;

use super::{
    Index, IndexError, Revocation, Row, Status, compromised,
    row::{COLUMNS, timestamp},
};
use crate::{certificate::Certificate, profile::Profile};

/// A row to be imported. Its certificate may be lost (an index.txt can name one whose file is gone): the row can be
/// revoked and its number is taken all the same.
#[derive(Clone, Debug)]
pub struct Foreign<'a> {
    /// The serial number, as [`crate::serial_number::text`] writes it.
    pub serial: String,
    /// The issuer's name, as RFC 4514 writes it.
    pub issuer: String,
    /// The folder below `--dir`, where there is one.
    pub name: Option<String>,
    /// The profile, where it is one of ours.
    pub profile: Option<Profile>,
    /// The subject.
    pub subject: String,
    /// The subject alternative names.
    pub names: Vec<String>,
    /// The first second of validity.
    pub not_before: Option<OffsetDateTime>,
    /// The last second of validity.
    pub not_after: Option<OffsetDateTime>,
    /// The certificate.
    pub certificate: Option<&'a Certificate>,
    /// When it was revoked.
    pub revocation: Option<Revocation>,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// They are new.
    pub added: usize,
    /// They were there, and now say more: a certificate that was lost, or a revocation.
    pub completed: usize,
    /// They were there, and said all of it.
    pub known: usize,
}

impl<'a> Foreign<'a> {
    /// A row from its certificate.
    pub fn from_certificate(certificate: &'a Certificate) -> Self {
        Self {
            serial: certificate.serial(),
            issuer: certificate.issuer().to_string(),
            name: None,
            profile: certificate.profile(),
            subject: certificate.subject().to_string(),
            names: certificate
                .names()
                .iter()
                .map(ToString::to_string)
                .collect(),
            not_before: Some(certificate.not_before()),
            not_after: Some(certificate.not_after()),
            certificate: Some(certificate),
            revocation: None,
        }
    }

    fn status(&self) -> Status {
        match self.revocation {
            Some(_) => Status::Revoked,
            None => Status::Issued,
        }
    }
}

impl Index {
    /// Imports rows, all of them or none. A second time changes nothing. A revocation is never taken back, and a number
    /// that is there with another certificate is an error.
    pub fn import<'a>(
        &self,
        rows: impl IntoIterator<Item = Foreign<'a>>,
        now: OffsetDateTime,
    ) -> Result<Imported, IndexError> {
        let wrote = |error| self.error("written", &error);
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
                .map_err(wrote)?;
        let mut imported = Imported::default();
        for row in rows {
            match self.find_in(&transaction, &row).map_err(wrote)? {
                None => {
                    insert(&transaction, &row, now).map_err(wrote)?;
                    note(&transaction, &row).map_err(wrote)?;
                    imported.added += 1;
                }
                Some(present) => {
                    if let Some(what) = conflict(&present, &row) {
                        return Err(IndexError::Conflict {
                            path: self.path.clone(),
                            serial: row.serial,
                            issuer: row.issuer,
                            what,
                        });
                    }
                    match complete(&transaction, &present, &row).map_err(wrote)? {
                        true => {
                            note(&transaction, &row).map_err(wrote)?;
                            imported.completed += 1;
                        }
                        false => imported.known += 1,
                    }
                }
            }
        }
        transaction.commit().map_err(wrote)?;
        Ok(imported)
    }

    fn find_in(
        &self,
        transaction: &Transaction<'_>,
        row: &Foreign<'_>,
    ) -> rusqlite::Result<Option<Row>> {
        let mut statement = transaction.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM certificate WHERE serial = ? AND issuer = ?"
        ))?;
        let mut rows = statement.query_map(params![row.serial, row.issuer], Row::from_sql)?;
        rows.next().transpose()
    }
}

/// What two rows of one number must not differ in.
fn conflict(present: &Row, row: &Foreign<'_>) -> Option<&'static str> {
    let differ = |present: &Option<String>, imported: Option<String>| matches!((present, imported), (Some(present), Some(imported)) if *present != imported);
    if differ(
        &present.fingerprint,
        row.certificate.map(Certificate::fingerprint),
    ) {
        return Some("fingerprint");
    }
    // A number that was only reserved here may have been signed under, for all that is known.
    let ends = (
        present.not_after.map(timestamp),
        row.not_after.map(timestamp),
    );
    if differ(&ends.0, ends.1) {
        return Some("end of validity");
    }
    None
}

fn insert(
    transaction: &Transaction<'_>,
    row: &Foreign<'_>,
    now: OffsetDateTime,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO certificate (serial, issuer, status, name, profile, subject, names, reserved_at, not_before,
                 not_after, fingerprint, certificate, revoked_at, revocation_reason, invalidity_date)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            row.serial,
            row.issuer,
            row.status().as_str(),
            row.name,
            row.profile.map(Profile::name),
            row.subject,
            row.names.join("\n"),
            timestamp(now),
            row.not_before.map(timestamp),
            row.not_after.map(timestamp),
            row.certificate.map(Certificate::fingerprint),
            row.certificate.map(Certificate::der),
            row.revocation.map(|revocation| timestamp(revocation.at)),
            row.revocation.map(|revocation| revocation.reason.name()),
            row.revocation.and_then(|revocation| revocation.invalid_since).map(timestamp),
        ])
        .map(drop)
}

/// A key that is in other hands is known from now on. It may be the revocation that is new, or the certificate.
fn note(transaction: &Transaction<'_>, row: &Foreign<'_>) -> rusqlite::Result<()> {
    compromised::note(transaction, &row.serial, &row.issuer)
}

/// Adds what was not known; whether there was anything.
fn complete(
    transaction: &Transaction<'_>,
    present: &Row,
    row: &Foreign<'_>,
) -> rusqlite::Result<bool> {
    let brings_certificate = present.fingerprint.is_none() && row.certificate.is_some();
    let brings_revocation = present.revocation.is_none() && row.revocation.is_some();
    if brings_certificate {
        transaction
            .prepare_cached(
                "UPDATE certificate SET status = CASE status WHEN 'reserved' THEN 'issued' ELSE status END, subject = ?3,
                     names = ?4, not_before = ?5, not_after = ?6, fingerprint = ?7, certificate = ?8,
                     profile = coalesce(profile, ?9), name = coalesce(name, ?10)
                 WHERE serial = ?1 AND issuer = ?2",
            )?
            .execute(params![
                row.serial,
                row.issuer,
                row.subject,
                row.names.join("\n"),
                row.not_before.map(timestamp),
                row.not_after.map(timestamp),
                row.certificate.map(Certificate::fingerprint),
                row.certificate.map(Certificate::der),
                row.profile.map(Profile::name),
                row.name,
            ])?;
    }
    if let (true, Some(revocation)) = (brings_revocation, row.revocation) {
        transaction
            .prepare_cached(
                "UPDATE certificate SET status = 'revoked', revoked_at = ?3, revocation_reason = ?4, invalidity_date = ?5
                 WHERE serial = ?1 AND issuer = ?2",
            )?
            .execute(params![
                row.serial,
                row.issuer,
                timestamp(revocation.at),
                revocation.reason.name(),
                revocation.invalid_since.map(timestamp),
            ])?;
    }
    Ok(brings_certificate || brings_revocation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index::FILE, revocation_reason::RevocationReason};
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn lost(serial: &str) -> Foreign<'static> {
        Foreign {
            serial: serial.to_owned(),
            issuer: "CN=old".to_owned(),
            name: None,
            profile: None,
            subject: "/CN=order".to_owned(),
            names: Vec::new(),
            not_before: None,
            not_after: Some(NOW),
            certificate: None,
            revocation: None,
        }
    }

    #[test]
    fn a_row_whose_certificate_is_lost_is_kept_and_can_be_revoked() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        let imported = |added, completed, known| Imported {
            added,
            completed,
            known,
        };
        assert_eq!(
            index
                .import([lost("01"), lost("02")], NOW)
                .expect("imported"),
            imported(2, 0, 0)
        );
        assert_eq!(
            index.import([lost("01")], NOW).expect("seen"),
            imported(0, 0, 1)
        );
        let revocation = Revocation {
            at: NOW,
            reason: RevocationReason::Superseded,
            invalid_since: None,
        };
        let revoked = Foreign {
            revocation: Some(revocation),
            ..lost("01")
        };
        assert_eq!(
            index.import([revoked], NOW).expect("completed"),
            imported(0, 1, 0)
        );
        assert_eq!(
            index.import([lost("01")], NOW).expect("seen"),
            imported(0, 0, 1)
        );
        let row = index.find("01", "CN=old").expect("read").expect("there");
        assert_eq!(
            (row.status, row.revocation),
            (Status::Revoked, Some(revocation))
        );
        assert_eq!(index.certificate("01", "CN=old").expect("read"), None);
    }

    #[test]
    fn another_certificate_of_the_same_number_is_refused_and_nothing_is_imported() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        index.import([lost("01")], NOW).expect("imported");
        let other = Foreign {
            not_after: Some(NOW + time::Duration::days(1)),
            ..lost("01")
        };
        let error = index
            .import([lost("02"), other], NOW)
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("already, with another end of validity"),
            "{error}"
        );
        assert_eq!(index.rows().expect("rows").len(), 1);
        // Of another CA it is another number.
        let elsewhere = Foreign {
            issuer: "CN=new".to_owned(),
            ..lost("01")
        };
        assert_eq!(index.import([elsewhere], NOW).expect("imported").added, 1);
        assert_eq!(index.with_serial("01").expect("read").len(), 2);
    }
}
