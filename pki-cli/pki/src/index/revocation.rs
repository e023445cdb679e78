//! Revocations, and the CRLs that tell of them, as the index keeps both.
//!
//! A CRL number is taken like a serial number: durably, before anything is signed under it, so that no two CRLs of one
//! issuer have one number, whoever dies when. What is revoked is read in the same transaction, so a CRL with a higher
//! number never knows less.

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use time::OffsetDateTime;

use super::{
    Index, IndexError, compromised,
    row::{Revocation, moment, revocation, timestamp},
};

/// What came of marking a certificate as revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Marked {
    /// It is revoked from now on.
    Now,
    /// It was revoked before, like this.
    Before(Revocation),
    /// There is no such number.
    Unknown,
}

/// A certificate that a CRL has to list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevokedRow {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// When and why.
    pub revocation: Revocation,
    /// The last second of its validity, where it is known.
    pub not_after: Option<OffsetDateTime>,
}

/// A CRL number that is on the disk and may be signed once, and what the CRL has to list.
#[derive(Debug)]
pub struct ReservedCrl {
    pub(crate) issuer: String,
    pub(crate) number: u64,
    pub(crate) revoked: Vec<RevokedRow>,
}

/// The CRL that was recorded last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CrlRow {
    /// The issuer's name, as RFC 4514 writes it.
    pub issuer: String,
    /// Its CRL number.
    pub number: u64,
    /// When it was issued.
    pub this_update: OffsetDateTime,
    /// When the next one comes at the latest.
    pub next_update: OffsetDateTime,
    /// The encoding.
    pub der: Vec<u8>,
}

impl ReservedCrl {
    /// The number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What the CRL has to list, by serial number.
    pub fn revoked(&self) -> &[RevokedRow] {
        &self.revoked
    }
}

impl Index {
    /// Marks a certificate as revoked; a number that is only reserved, too, for something may have been signed under it.
    /// When this returns, the mark is on the disk.
    pub fn revoke(
        &self,
        serial: &str,
        issuer: &str,
        revocation: &Revocation,
    ) -> Result<Marked, IndexError> {
        let mark = || {
            let transaction =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let changed = transaction.execute(
                "UPDATE certificate SET status = 'revoked', revoked_at = ?3, revocation_reason = ?4, invalidity_date = ?5
                 WHERE serial = ?1 AND issuer = ?2 AND status <> 'revoked'",
                params![
                    serial,
                    issuer,
                    timestamp(revocation.at),
                    revocation.reason.name(),
                    revocation.invalid_since.map(timestamp),
                ],
            )?;
            compromised::note(&transaction, serial, issuer)?;
            transaction.commit()?;
            Ok(changed)
        };
        if mark().map_err(|error| self.error("written", &error))? == 1 {
            return Ok(Marked::Now);
        }
        let row = self.find(serial, issuer)?;
        Ok(match row.and_then(|row| row.revocation) {
            Some(before) => Marked::Before(before),
            None => Marked::Unknown,
        })
    }

    /// What the next CRL of an issuer has to list, by serial number: everything that was revoked, but for what a CRL told
    /// of already after its validity was over (RFC 5280 §3.3).
    pub fn revoked(&self, issuer: &str) -> Result<Vec<RevokedRow>, IndexError> {
        let mut rows =
            revoked(&self.connection, issuer).map_err(|error| self.error("read", &error))?;
        self.supposed.list(&mut rows, issuer);
        Ok(rows)
    }

    /// Takes the next CRL number of an issuer, and reads what the CRL has to list.
    pub fn reserve_crl(&self, issuer: &str) -> Result<ReservedCrl, IndexError> {
        let reserve = || {
            let transaction =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let number: i64 = transaction.query_row(
                "INSERT INTO crl (issuer, number) VALUES (?1, 1)
                 ON CONFLICT (issuer) DO UPDATE SET number = number + 1 RETURNING number",
                [issuer],
                |row| row.get(0),
            )?;
            let revoked = revoked(&transaction, issuer)?;
            transaction.commit()?;
            Ok(ReservedCrl {
                issuer: issuer.to_owned(),
                number: number.unsigned_abs(),
                revoked,
            })
        };
        reserve().map_err(|error| self.error("written", &error))
    }

    /// Lets the next CRL number of an issuer be greater than this one, which another program used.
    pub fn raise_crl_number(&self, issuer: &str, used: u64) -> Result<(), IndexError> {
        let used = i64::try_from(used).unwrap_or(i64::MAX - 1);
        self.connection
            .execute(
                "INSERT INTO crl (issuer, number) VALUES (?1, ?2)
                 ON CONFLICT (issuer) DO UPDATE SET number = max(number, excluded.number)",
                params![issuer, used],
            )
            .map(drop)
            .map_err(|error| self.error("written", &error))
    }

    /// Takes over a CRL that an older copy of this index does not know, unless it knows a later one.
    pub(crate) fn adopt_crl(&self, crl: &CrlRow) -> Result<(), IndexError> {
        self.raise_crl_number(&crl.issuer, crl.number)?;
        let number = i64::try_from(crl.number).unwrap_or(i64::MAX);
        self.connection
            .execute(
                "UPDATE crl SET signed_number = ?2, this_update = ?3, next_update = ?4, crl = ?5
                 WHERE issuer = ?1 AND (signed_number IS NULL OR signed_number < ?2)",
                params![
                    crl.issuer,
                    number,
                    timestamp(crl.this_update),
                    timestamp(crl.next_update),
                    crl.der
                ],
            )
            .map(drop)
            .map_err(|error| self.error("written", &error))
    }

    /// Records a CRL that was signed under a reserved number. `false` when one with a higher number was recorded in the
    /// meantime, which knows all that this one knows: then that one is the current one.
    pub fn record_crl(
        &self,
        reserved: &ReservedCrl,
        (this_update, next_update): (OffsetDateTime, OffsetDateTime),
        der: &[u8],
    ) -> Result<bool, IndexError> {
        let number = i64::try_from(reserved.number).unwrap_or(i64::MAX);
        let record = || {
            let transaction =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let changed = transaction.execute(
                "UPDATE crl SET signed_number = ?2, this_update = ?3, next_update = ?4, crl = ?5
                 WHERE issuer = ?1 AND (signed_number IS NULL OR signed_number < ?2)",
                params![
                    reserved.issuer,
                    number,
                    timestamp(this_update),
                    timestamp(next_update),
                    der
                ],
            )?;
            if changed == 1 {
                // Only what this CRL lists may be left out of later ones.
                let mut settle = transaction.prepare(
                    "UPDATE certificate SET last_crl = ?3
                     WHERE serial = ?1 AND issuer = ?2 AND last_crl IS NULL AND not_after < ?4",
                )?;
                let over = |row: &&RevokedRow| row.not_after.is_some_and(|end| end < this_update);
                for row in reserved.revoked.iter().filter(over) {
                    settle.execute(params![
                        row.serial,
                        reserved.issuer,
                        number,
                        timestamp(this_update)
                    ])?;
                }
            }
            transaction.commit()?;
            Ok(changed == 1)
        };
        record().map_err(|error| self.error("written", &error))
    }

    /// The number of the current CRL of an issuer, without the CRL.
    pub(crate) fn crl_number(&self, issuer: &str) -> Result<Option<i64>, IndexError> {
        self.value(
            "SELECT signed_number FROM crl WHERE issuer = ? AND crl IS NOT NULL",
            &[&issuer],
        )
    }

    /// The current CRL of an issuer.
    pub fn crl(&self, issuer: &str) -> Result<Option<CrlRow>, IndexError> {
        if let Some(crl) = self.supposed.crl(issuer) {
            return Ok(Some(crl.clone()));
        }
        self.connection
            .prepare_cached(
                "SELECT issuer, signed_number, this_update, next_update, crl FROM crl
                 WHERE issuer = ? AND crl IS NOT NULL",
            )
            .and_then(|mut statement| statement.query_row([issuer], crl_row).optional())
            .map(Option::flatten)
            .map_err(|error| self.error("read", &error))
    }
}

fn revoked(connection: &rusqlite::Connection, issuer: &str) -> rusqlite::Result<Vec<RevokedRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT serial, not_after, revoked_at, revocation_reason, invalidity_date FROM certificate
         WHERE issuer = ? AND status = 'revoked' AND last_crl IS NULL ORDER BY serial",
    )?;
    let rows = statement.query_map([issuer], |row| {
        Ok(revocation(row, 2)?.map(|revocation| (row.get(0), moment(row, 1), revocation)))
    })?;
    let mut revoked = Vec::new();
    for row in rows {
        // The table keeps a reason with every revocation.
        if let Some((serial, not_after, revocation)) = row? {
            revoked.push(RevokedRow {
                serial: serial?,
                not_after: not_after?,
                revocation,
            });
        }
    }
    Ok(revoked)
}

fn crl_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<CrlRow>> {
    let (Some(this_update), Some(next_update)) = (moment(row, 2)?, moment(row, 3)?) else {
        return Ok(None);
    };
    Ok(Some(CrlRow {
        issuer: row.get(0)?,
        number: row.get::<_, i64>(1)?.unsigned_abs(),
        this_update,
        next_update,
        der: row.get(4)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{FILE, Filter, Foreign, Status};
    use crate::revocation_reason::RevocationReason;
    use time::{Duration, macros::datetime};

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const CA: &str = "CN=CA";

    /// An index with imported rows 01 to 09 of one CA, which end one day after another.
    fn index() -> (tempfile::TempDir, Index) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        let rows = (1..10).map(|number: u8| Foreign {
            serial: format!("{number:02}"),
            issuer: CA.to_owned(),
            name: None,
            profile: None,
            subject: format!("CN={number}"),
            names: Vec::new(),
            not_before: None,
            not_after: Some(NOW + Duration::days(number.into())),
            certificate: None,
            revocation: None,
        });
        index.import(rows, NOW).expect("imported");
        (home, index)
    }

    fn revocation(reason: RevocationReason) -> Revocation {
        Revocation {
            at: NOW,
            reason,
            invalid_since: Some(NOW - Duration::days(2)),
        }
    }

    fn serials(index: &Index) -> Vec<String> {
        let revoked = index.revoked(CA).expect("read");
        revoked.into_iter().map(|row| row.serial).collect()
    }

    #[test]
    fn a_certificate_is_revoked_once_and_the_first_reason_stays() {
        let (_home, index) = index();
        let first = revocation(RevocationReason::KeyCompromise);
        assert_eq!(index.revoke("03", CA, &first).expect("marked"), Marked::Now);
        let second = revocation(RevocationReason::Superseded);
        assert_eq!(
            index.revoke("03", CA, &second).expect("seen"),
            Marked::Before(first)
        );
        assert_eq!(
            index.revoke("0a", CA, &first).expect("seen"),
            Marked::Unknown
        );
        assert_eq!(
            index.revoke("03", "CN=other", &first).expect("seen"),
            Marked::Unknown
        );
        let revoked = index
            .select(&Filter::status(Status::Revoked))
            .expect("read");
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0].revocation, Some(first));
    }

    #[test]
    fn no_crl_number_is_taken_twice_and_an_older_crl_never_takes_the_place_of_a_newer_one() {
        let (home, index) = index();
        let other = Index::open(&home.path().join(FILE)).expect("opened beside");
        let first = index.reserve_crl(CA).expect("taken");
        index
            .revoke("01", CA, &revocation(RevocationReason::Unspecified))
            .expect("marked");
        let second = other.reserve_crl(CA).expect("taken");
        assert_eq!((first.number(), second.number()), (1, 2));
        assert_eq!((first.revoked().len(), second.revoked().len()), (0, 1));
        let life = (NOW, NOW + Duration::days(30));
        assert!(
            other
                .record_crl(&second, life, b"second")
                .expect("recorded")
        );
        assert!(!index.record_crl(&first, life, b"first").expect("left out"));
        let current = index.crl(CA).expect("read").expect("there");
        assert_eq!(
            (current.number, current.der.as_slice()),
            (2, &b"second"[..])
        );
        assert_eq!(index.crl("CN=other").expect("read"), None);
        index.raise_crl_number(CA, 1).expect("left");
        assert_eq!(index.reserve_crl(CA).expect("taken").number(), 3);
        index.raise_crl_number(CA, 4096).expect("raised");
        assert_eq!(index.reserve_crl(CA).expect("taken").number(), 4097);
    }

    #[test]
    fn a_revoked_certificate_is_listed_once_more_after_its_end_and_then_no_longer() {
        let (_home, index) = index();
        for serial in ["01", "05"] {
            index
                .revoke(serial, CA, &revocation(RevocationReason::Unspecified))
                .expect("marked");
        }
        let sign = |at: OffsetDateTime| {
            let reserved = index.reserve_crl(CA).expect("taken");
            index
                .record_crl(&reserved, (at, at + Duration::days(30)), b"crl")
                .expect("recorded");
        };
        sign(NOW);
        assert_eq!(serials(&index), ["01", "05"]);
        // A number that was taken and never signed tells nobody anything.
        index.reserve_crl(CA).expect("taken");
        assert_eq!(serials(&index), ["01", "05"]);
        // This one is issued after the end of 01 and lists it for the last time.
        sign(NOW + Duration::days(2));
        assert_eq!(serials(&index), ["05"]);
    }
}
