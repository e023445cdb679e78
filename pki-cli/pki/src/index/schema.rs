//! The tables of the index, their versions, and how an older one becomes the present one.
//!
//! Everything is text that the `sqlite3` shell shows: names of states and reasons as RFC 5280 writes them, serial numbers
//! in hexadecimal, times as RFC 3339 in UTC, so that the order of text is the order of time.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::compromised;

/// "PKI" and a version, so that another program's database is not taken for an index.
pub(super) const APPLICATION_ID: i64 = 0x504b_4901;
/// The version of the tables below.
pub(super) const VERSION: i64 = 3;

/// The tables of version 2. A number is unique per issuer (RFC 5280 §4.1.2.2), and an imported CA may have used what another one did.
const SCHEMA: &str = "
CREATE TABLE certificate (
    -- Hexadecimal in small letters, whole octets without leading zero octets: 40 digits for nearly all that is drawn
    -- here, and as few as an imported CA used.
    serial TEXT NOT NULL,
    -- The issuer's name, as RFC 4514 writes it.
    issuer TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('reserved', 'issued', 'revoked')),
    -- The folder below --dir, where there is one.
    name TEXT,
    -- NULL where it is not known, of an imported one.
    profile TEXT,
    subject TEXT NOT NULL,
    -- DNS:…, IP:…, URI:…, email:…, one a line.
    names TEXT NOT NULL,
    -- When the number was reserved, or the row imported.
    reserved_at TEXT NOT NULL,
    not_before TEXT,
    not_after TEXT,
    -- SHA-256 of the DER, hexadecimal.
    fingerprint TEXT,
    -- NULL while the number is only reserved, and of an imported row whose certificate is lost.
    certificate BLOB,
    revoked_at TEXT,
    -- The name that RFC 5280 section 5.3.1 gives it: keyCompromise, superseded, …
    revocation_reason TEXT,
    invalidity_date TEXT,
    -- The first CRL, by its number, that listed it after its validity was over; later ones need not (RFC 5280 section 3.3).
    last_crl INTEGER,
    PRIMARY KEY (serial, issuer),
    CHECK (status <> 'reserved' OR certificate IS NULL),
    CHECK ((fingerprint IS NULL) = (certificate IS NULL)),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL)),
    CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL)),
    CHECK (invalidity_date IS NULL OR revoked_at IS NOT NULL),
    CHECK (last_crl IS NULL OR revoked_at IS NOT NULL)
) STRICT;
-- The last CRL of each issuer.
CREATE TABLE crl (
    -- The issuer's name, as RFC 4514 writes it.
    issuer TEXT NOT NULL PRIMARY KEY,
    -- The last CRL number that was taken, before anything was signed under it; it only grows (RFC 5280 section 5.2.3).
    number INTEGER NOT NULL CHECK (number >= 0),
    -- The number of the CRL below; smaller than `number` when a process died in between.
    signed_number INTEGER CHECK (signed_number <= number),
    this_update TEXT,
    next_update TEXT,
    -- The DER.
    crl BLOB,
    CHECK ((signed_number IS NULL) = (crl IS NULL)),
    CHECK ((crl IS NULL) = (this_update IS NULL)),
    CHECK ((crl IS NULL) = (next_update IS NULL))
) STRICT;
";

/// What version 3 brought: a key that is in other hands is known when another certificate is asked for it, whatever its
/// name. A table of its own, since there are few of these and certificates may be a million.
const COMPROMISED_KEYS: &str = "
CREATE TABLE compromised_key (
    -- SHA-256 of the key, without its algorithm, hexadecimal.
    key TEXT NOT NULL PRIMARY KEY,
    -- The certificate that was revoked for it, the first one.
    serial TEXT NOT NULL,
    issuer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Each answers one kind of question; `query.rs` says which.
const INDEXES: &str = "
CREATE INDEX certificate_by_status ON certificate (status, not_after);
CREATE INDEX certificate_by_issuer ON certificate (issuer, not_after);
CREATE INDEX certificate_by_name ON certificate (name);
CREATE INDEX certificate_by_fingerprint ON certificate (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX certificate_revoked ON certificate (issuer, last_crl) WHERE status = 'revoked';
";

/// Version 1 had one CA's rows, whose numbers had 40 digits each, and no CRLs. They are in the table whose name follows.
const FROM_VERSION_1: &str = "
INSERT INTO certificate (serial, issuer, status, name, profile, subject, names, reserved_at, not_before, not_after,
    fingerprint, certificate, revoked_at, revocation_reason)
SELECT CASE length(ltrim(serial, '0')) % 2 WHEN 1 THEN '0' ELSE '' END || ltrim(serial, '0'),
    issuer, status, name, profile, subject, names, reserved_at, not_before, not_after,
    fingerprint, certificate, revoked_at, CASE status WHEN 'revoked' THEN coalesce(revocation_reason, 'unspecified') END
FROM ";

/// Makes the tables in an empty database.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(INDEXES)?;
    transaction.execute_batch(COMPROMISED_KEYS)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// The version of an index, or `None` when the database is none of ours.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(match pragma("application_id")? {
        APPLICATION_ID => Some(pragma("user_version")?),
        _ => None,
    })
}

/// Brings an index of an earlier version to the present one, all of it or nothing, whoever else does so at the same time.
pub(super) fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let before = version(&transaction)?;
    if before == Some(1) {
        transaction.execute_batch("ALTER TABLE certificate RENAME TO certificate_1;")?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute_batch(&format!(
            "{FROM_VERSION_1} certificate_1 ORDER BY rowid; DROP TABLE certificate_1;"
        ))?;
        transaction.execute_batch(INDEXES)?;
    }
    if matches!(before, Some(1 | 2)) {
        transaction.execute_batch(COMPROMISED_KEYS)?;
        compromised::note_all(&transaction)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Lets an index of an earlier version be asked like one of the present version, without a change of the file: what it
/// lacks stands in temporary tables, in memory, which SQLite finds before those of the file. `false` when the database is
/// none of ours, or of a later version.
pub(super) fn read_as_present(connection: &Connection) -> rusqlite::Result<bool> {
    let is_older = match version(connection)? {
        Some(VERSION) => return Ok(true),
        before => matches!(before, Some(1..VERSION)),
    };
    if !is_older {
        return Ok(false);
    }
    connection.execute_batch("PRAGMA temp_store = MEMORY;")?;
    let in_memory = |tables: &str| {
        tables
            .replace("CREATE TABLE ", "CREATE TEMP TABLE ")
            .replace("CREATE INDEX ", "CREATE INDEX temp.")
    };
    // All of it from one state of the file.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let before = version(&transaction)?;
    if before == Some(1) {
        transaction.execute_batch(&in_memory(SCHEMA))?;
        transaction.execute_batch(&format!(
            "{FROM_VERSION_1} main.certificate ORDER BY rowid;"
        ))?;
        transaction.execute_batch(&in_memory(INDEXES))?;
    }
    if matches!(before, Some(1 | 2)) {
        transaction.execute_batch(&in_memory(COMPROMISED_KEYS))?;
        compromised::note_all(&transaction)?;
    }
    transaction.commit()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        certificate::Certificate,
        distinguished_name::DistinguishedName,
        index::{FILE, Index, IndexError, Status},
        issuer::{Prepared, Request},
        key::{KeyAlgorithm, PrivateKey},
        profile::Profile,
        serial_number::{Reserved, SerialNumber},
    };

    /// What version 1 made, word for word.
    const VERSION_1: &str = "
PRAGMA journal_mode = WAL; BEGIN;
CREATE TABLE certificate (
    -- 40 hexadecimal digits.
    serial TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('reserved', 'issued', 'revoked')),
    -- The folder below --dir, where there is one.
    name TEXT,
    profile TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- DNS:…, IP:…, URI:…, email:…, one a line.
    names TEXT NOT NULL,
    issuer TEXT NOT NULL,
    -- RFC 3339 in UTC, so that text order is time order.
    reserved_at TEXT NOT NULL,
    not_before TEXT,
    not_after TEXT,
    -- SHA-256 of the DER, hexadecimal.
    fingerprint TEXT,
    certificate BLOB,
    revoked_at TEXT,
    revocation_reason TEXT,
    CHECK ((status = 'reserved') = (certificate IS NULL)),
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
) STRICT;
CREATE INDEX certificate_by_not_after ON certificate (not_after);
CREATE INDEX certificate_by_name ON certificate (name);
INSERT INTO certificate VALUES
    ('7a00000000000000000000000000000000000001', 'issued', 'ca', 'root', 'CN=CA', '', 'CN=CA', '2026-11-24T12:00:00Z', '2026-11-24T11:55:00Z', '2036-11-24T12:00:00Z', 'f1', x'3000', NULL, NULL),
    ('0000b00000000000000000000000000000000002', 'issued', 'order', 'peer', 'CN=order', 'DNS:a.dev', 'CN=CA', '2026-11-24T12:00:01Z', '2026-11-24T11:55:00Z', '2027-01-23T12:00:00Z', 'f2', x'3001', NULL, NULL),
    ('0a00000000000000000000000000000000000003', 'reserved', 'dead', 'peer', 'CN=dead', '', 'CN=CA', '2026-11-24T12:00:02Z', NULL, NULL, NULL, NULL, NULL, NULL),
    ('0b00000000000000000000000000000000000004', 'revoked', 'gone', 'peer', 'CN=gone', '', 'CN=CA', '2026-11-24T12:00:03Z', '2026-11-24T11:55:00Z', '2027-01-23T12:00:00Z', 'f4', x'3002', '2026-11-25T00:00:00Z', NULL);
PRAGMA application_id = 1347111169; PRAGMA user_version = 1; COMMIT;
";

    type Open = fn(&Path) -> Result<Index, IndexError>;

    /// As it is asked without a change, twice, and as it is brought to the present version, which then stays.
    const ALL_WAYS: [Open; 4] = [
        Index::open_to_rehearse,
        Index::open_to_read,
        Index::open,
        Index::open,
    ];

    fn version_1(path: &Path) {
        let connection = Connection::open(path).expect("a database");
        connection.execute_batch(VERSION_1).expect("version 1");
    }

    #[test]
    fn an_index_of_version_1_is_opened_with_every_row_in_it() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        version_1(&path);
        for open in ALL_WAYS {
            let index = open(&path).expect("opened");
            let rows = index.rows().expect("rows");
            let seen: Vec<_> = rows
                .iter()
                .map(|row| (row.serial.as_str(), row.status, row.name.as_deref()))
                .collect();
            assert_eq!(
                seen,
                [
                    (
                        "7a00000000000000000000000000000000000001",
                        Status::Issued,
                        Some("ca")
                    ),
                    (
                        "b00000000000000000000000000000000002",
                        Status::Issued,
                        Some("order")
                    ),
                    (
                        "0a00000000000000000000000000000000000003",
                        Status::Reserved,
                        Some("dead")
                    ),
                    (
                        "0b00000000000000000000000000000000000004",
                        Status::Revoked,
                        Some("gone")
                    ),
                ]
            );
            assert_eq!(rows[1].names, ["DNS:a.dev"]);
            let certificate = index.certificate("b00000000000000000000000000000000002", "CN=CA");
            assert_eq!(certificate.expect("read"), Some(vec![0x30, 1]));
        }
    }

    /// A certificate of a root of its own, and its key.
    fn certificate() -> Certificate {
        let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
        let wanted = Request {
            profile: Profile::Root,
            subject: &DistinguishedName::common_name("CA").expect("a name"),
            names: &[],
            public_key: key.public(),
            days: 1,
            path_length: 0,
            permitted_dns: &[],
        };
        let now = time::macros::datetime!(2026-11-24 12:00 UTC);
        let prepared = Prepared::root(&key, &wanted, now).expect("prepared");
        let serial = SerialNumber::random().expect("randomness");
        let reserved = Reserved::without_index(serial);
        prepared.issue(reserved).expect("signed")
    }

    #[test]
    fn an_index_of_version_2_learns_which_keys_are_compromised() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        drop(Index::create(&path).expect("created"));
        let connection = Connection::open(&path).expect("opened");
        connection
            .execute_batch("DROP TABLE compromised_key; PRAGMA user_version = 2;")
            .expect("as version 2 left it");
        let [known, superseded, valid] = std::array::from_fn(|_| certificate());
        for (certificate, revoked) in [
            (&known, Some("keyCompromise")),
            (&superseded, Some("superseded")),
            (&valid, None),
        ] {
            connection
                .execute(
                    "INSERT INTO certificate (serial, issuer, status, subject, names, reserved_at, fingerprint, certificate,
                         revoked_at, revocation_reason)
                     VALUES (?1, 'CN=CA', iif(?4 IS NULL, 'issued', 'revoked'), 'CN=CA', '', '2026-11-24T12:00:00Z', ?2, ?3,
                         iif(?4 IS NULL, NULL, '2026-11-24T12:00:00Z'), ?4)",
                    rusqlite::params![
                        certificate.serial(),
                        certificate.fingerprint(),
                        certificate.der(),
                        revoked
                    ],
                )
                .expect("a row of version 2");
        }
        // One whose certificate is lost, of which no key is known.
        connection
            .execute_batch(
                "INSERT INTO certificate (serial, issuer, status, subject, names, reserved_at, revoked_at, revocation_reason)
                 VALUES ('01', 'CN=CA', 'revoked', 'CN=x', '', '2026-11-24T12:00:00Z', '2026-11-24T12:00:00Z', 'keyCompromise')",
            )
            .expect("a row of version 2");
        drop(connection);
        for open in ALL_WAYS {
            let index = open(&path).expect("opened");
            let found = |certificate: &Certificate| {
                let found = index.compromised(certificate.public_key()).expect("read");
                found.map(|one| one.serial)
            };
            assert_eq!(found(&known), Some(known.serial()));
            assert_eq!((found(&superseded), found(&valid)), (None, None));
        }
        let index = Index::open(&path).expect("opened");
        assert_eq!(version(&index.connection), Ok(Some(VERSION)));
    }

    #[test]
    fn an_upgrade_that_fails_leaves_version_1_as_it_was() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        version_1(&path);
        let connection = Connection::open(&path).expect("opened");
        // Something of the new name is in the way.
        connection
            .execute_batch("CREATE TABLE crl (x)")
            .expect("written");
        assert!(Index::open(&path).is_err());
        assert_eq!(version(&connection), Ok(Some(1)));
        let rows = connection.query_row("SELECT count(*) FROM certificate", [], |row| row.get(0));
        assert_eq!(rows, Ok(4));
    }

    #[test]
    fn an_index_of_a_later_version_is_left_alone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let path = home.path().join(FILE);
        drop(Index::create(&path).expect("created"));
        let connection = Connection::open(&path).expect("opened");
        connection
            .pragma_update(None, "user_version", VERSION + 1)
            .expect("changed");
        assert!(matches!(Index::open(&path), Err(IndexError::Foreign(_))));
    }
}
