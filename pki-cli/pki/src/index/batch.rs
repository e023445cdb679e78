//! Many serial numbers in one transaction: a batch costs one sync to reserve and one to record, as a single one does.

use rusqlite::{Transaction, TransactionBehavior, params};
use time::OffsetDateTime;

use super::{Index, Reservation, timestamp};
use crate::{
    certificate::Certificate,
    error::Error,
    serial_number::{Reserved, SerialNumber},
};

impl Index {
    /// Reserves a serial number for each of these, in their order, for a CA with those above it. When this returns, all of
    /// them are on the disk; when it fails, none is.
    ///
    /// Refused when one of the CAs is revoked, or a key is in other hands. That is asked in the transaction that reserves:
    /// once a revocation is on the disk, no number is reserved that it should have kept from being used.
    pub fn reserve_all<'c>(
        &self,
        chain: impl IntoIterator<Item = &'c Certificate>,
        all: &[Reservation<'_>],
        now: OffsetDateTime,
    ) -> Result<Vec<Reserved>, Error> {
        let failed = |error| Error::from(self.error("written", &error));
        let transaction = self.begin().map_err(failed)?;
        self.refuse_revoked(chain)?;
        self.refuse_any_compromised(all.iter().map(|what| what.key.as_str()))?;
        let mut reserved = Vec::with_capacity(all.len());
        for what in all {
            reserved.push(self.insert(what, now)?);
        }
        transaction.commit().map_err(failed)?;
        Ok(reserved.into_iter().map(Reserved::kept_by_index).collect())
    }

    /// Records what was signed under reserved numbers, all of it or nothing.
    ///
    /// Refused when a key is in other hands by now. That is asked in the transaction that records: whoever revokes every
    /// certificate of a key either finds this one recorded, or keeps it from being recorded.
    pub fn record_all<'a>(
        &self,
        certificates: impl IntoIterator<Item = &'a Certificate> + Clone,
    ) -> Result<(), Error> {
        let failed = |error| Error::from(self.error("written", &error));
        let transaction = self.begin().map_err(failed)?;
        let keys = certificates.clone().into_iter();
        self.refuse_any_compromised(keys.map(|one| one.public_key().fingerprint()))?;
        for certificate in certificates {
            self.record_one(certificate)?;
        }
        transaction.commit().map_err(failed)
    }

    fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        // Immediate: a transaction that begins by reading could find itself unable to write.
        Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
    }

    /// Inserts a row for a number that was never used. Durable when the transaction around it is.
    pub(super) fn insert(
        &self,
        what: &Reservation<'_>,
        now: OffsetDateTime,
    ) -> Result<SerialNumber, Error> {
        let failed = |error| self.error("written", &error);
        let mut statement = self
            .connection
            .prepare_cached(
                "INSERT INTO certificate (serial, status, name, profile, subject, names, issuer, reserved_at)
                 VALUES (?1, 'reserved', ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .map_err(failed)?;
        loop {
            let serial = SerialNumber::random()?;
            let inserted = statement.execute(params![
                serial.to_string(),
                what.name,
                what.profile.name(),
                what.subject,
                what.names.join("\n"),
                what.issuer,
                timestamp(now),
            ]);
            match inserted {
                Ok(_) => return Ok(serial),
                // The number is taken already: draw again.
                Err(rusqlite::Error::SqliteFailure(failure, _))
                    if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {}
                Err(error) => return Err(failed(error).into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distinguished_name::DistinguishedName,
        index::{Revocation, Status},
        issuer::{Prepared, Request},
        key::{KeyAlgorithm, PrivateKey},
        profile::Profile,
        revocation_reason::RevocationReason,
    };
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn reservations(count: usize) -> Vec<Reservation<'static>> {
        let one = Reservation {
            name: Some("order"),
            profile: Profile::Peer,
            subject: "CN=order".to_owned(),
            names: vec!["DNS:a.dev".to_owned()],
            issuer: "CN=CA".to_owned(),
            key: "00".repeat(32),
        };
        vec![one; count]
    }

    #[test]
    fn all_of_a_batch_are_on_the_disk_and_differ() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(crate::index::FILE);
        let index = Index::create(&path).expect("created");
        let reserved = index
            .reserve_all([], &reservations(50), NOW)
            .expect("reserved");
        let rows = Index::open(&path).expect("opened beside").rows();
        let rows = rows.expect("rows");
        let kept: Vec<_> = rows.iter().map(|row| row.serial.clone()).collect();
        let given: Vec<_> = reserved
            .iter()
            .map(|reserved| reserved.serial().to_string())
            .collect();
        assert_eq!(kept, given);
        let distinct: std::collections::BTreeSet<_> = given.iter().collect();
        assert_eq!(distinct.len(), 50);
        assert!(rows.iter().all(|row| row.status == Status::Reserved));
    }

    #[test]
    fn whether_the_ca_is_revoked_is_asked_while_nobody_else_can_say_so() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(crate::index::FILE);
        let index = Index::create(&path).expect("created");
        let other = Index::open(&path).expect("opened beside");
        let mut asked = false;
        // Called when the chain is looked at.
        let chain = std::iter::from_fn(|| {
            asked = true;
            other.connection.busy_timeout(Default::default()).ok()?;
            let writing = other.begin().map(drop);
            assert!(writing.is_err(), "a revocation could come in between");
            None
        });
        index
            .reserve(chain, &reservations(1)[0], NOW)
            .expect("reserved");
        assert!(asked);
        other.begin().expect("it is over");
    }

    /// A certificate of this key under a reserved number.
    fn sign(key: &PrivateKey, reserved: Reserved) -> Certificate {
        let asked = Request {
            profile: Profile::Root,
            subject: &DistinguishedName::common_name("CA").expect("a name"),
            names: &[],
            public_key: key.public(),
            days: 1,
            path_length: 0,
            permitted_dns: &[],
        };
        let prepared = Prepared::root(key, &asked, NOW).expect("prepared");
        prepared.issue(reserved).expect("signed")
    }

    #[test]
    fn what_was_signed_for_a_key_that_came_into_other_hands_is_not_recorded() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(crate::index::FILE)).expect("created");
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let mut reserved = index
            .reserve_all([], &reservations(2), NOW)
            .expect("reserved");
        let (late, first) = (reserved.pop(), reserved.pop());
        let first = sign(&key, first.expect("two"));
        index.record(&first).expect("recorded");
        let late = sign(&key, late.expect("two"));
        let revocation = Revocation {
            at: NOW,
            reason: RevocationReason::KeyCompromise,
            invalid_since: None,
        };
        index
            .revoke(&first.serial(), &first.issuer().to_string(), &revocation)
            .expect("revoked");
        let refused = index.record(&late).expect_err("its key is in other hands");
        assert!(refused.to_string().contains("in other hands"), "{refused}");
        let rows = index.rows().expect("rows");
        assert_eq!(rows[1].status, Status::Reserved);
    }

    #[test]
    fn a_batch_that_cannot_be_recorded_whole_is_not_recorded() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(crate::index::FILE)).expect("created");
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let mut reserved = index
            .reserve_all([], &reservations(1), NOW)
            .expect("reserved");
        let sign = |reserved| sign(&key, reserved);
        let kept = sign(reserved.remove(0));
        let stranger = sign(Reserved::without_index(
            SerialNumber::random().expect("randomness"),
        ));
        index
            .record_all([&kept, &stranger])
            .expect_err("one of them was not reserved");
        let rows = index.rows().expect("rows");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].status, Status::Reserved);
        index.record_all([&kept]).expect("recorded");
    }
}
