//! The keys that are in other hands: a certificate for one was revoked for that reason (RFC 5280 §5.3.1, keyCompromise and
//! its like), and no certificate for it is issued again, under whatever name it is asked for. RFC 5280 leaves that to the
//! CA; section 6.1.1.3 of the CA/Browser Forum's Baseline Requirements asks it of every public one.
//!
//! The key of a certificate that is lost, as one of an imported CA may be, is not known, so nothing keeps it out.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Index, IndexError};
use crate::{
    certificate::Certificate, error::Error, issuer::Refusal, key::PublicKey,
    revocation_reason::RevocationReason,
};

/// The certificate that was revoked because its key is in other hands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Compromised {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// Its issuer, as RFC 4514 writes it.
    pub issuer: String,
}

impl Index {
    /// The certificate that was revoked because this key is in other hands; the first one.
    pub fn compromised(&self, key: &PublicKey) -> Result<Option<Compromised>, IndexError> {
        let key = key.fingerprint();
        let found = find(&self.connection, &key).map_err(|error| self.error("read", &error))?;
        Ok(found.or_else(|| self.supposed.keys.get(&key).cloned()))
    }

    /// The fingerprints of all of them.
    pub fn compromised_keys(&self) -> Result<HashSet<String>, IndexError> {
        let read = |error| self.error("read", &error);
        let mut statement = self
            .connection
            .prepare("SELECT key FROM compromised_key")
            .map_err(read)?;
        let keys = statement.query_map([], |row| row.get(0)).map_err(read)?;
        let mut keys: HashSet<_> = keys.collect::<Result<_, _>>().map_err(read)?;
        keys.extend(self.supposed.keys.keys().cloned());
        Ok(keys)
    }

    /// Refuses to certify a key that is in other hands.
    pub fn refuse_compromised(&self, key: &PublicKey) -> Result<(), Error> {
        match self.compromised(key)? {
            Some(known) => Err(refusal(known).into()),
            None => Ok(()),
        }
    }

    /// The same for many keys, by their fingerprints. Most often there are none at all.
    pub(super) fn refuse_any_compromised(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), Error> {
        let failed = |error| self.error("read", &error);
        let are_there: bool = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM compromised_key)")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        if !are_there {
            return Ok(());
        }
        for key in keys {
            if let Some(known) = find(&self.connection, key.as_ref()).map_err(failed)? {
                return Err(refusal(known).into());
            }
        }
        Ok(())
    }
}

fn refusal(known: Compromised) -> Refusal {
    Refusal::CompromisedKey {
        serial: known.serial,
        issuer: known.issuer,
    }
}

fn find(connection: &Connection, key: &str) -> rusqlite::Result<Option<Compromised>> {
    connection
        .prepare_cached("SELECT serial, issuer FROM compromised_key WHERE key = ?")?
        .query_row([key], |row| {
            Ok(Compromised {
                serial: row.get(0)?,
                issuer: row.get(1)?,
            })
        })
        .optional()
}

/// Notes the key of a row, if that is revoked for a reason that says so and holds its certificate. Whoever changes such a row
/// calls this in the same transaction.
pub(super) fn note(connection: &Connection, serial: &str, issuer: &str) -> rusqlite::Result<()> {
    let row: Option<(Option<String>, Option<Vec<u8>>)> = connection
        .prepare_cached(
            "SELECT revocation_reason, certificate FROM certificate WHERE serial = ?1 AND issuer = ?2",
        )?
        .query_row([serial, issuer], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((Some(reason), Some(der))) = row else {
        return Ok(());
    };
    let is_compromise = reason
        .parse::<RevocationReason>()
        .is_ok_and(RevocationReason::is_compromise);
    match Certificate::from_der(&der) {
        Ok(certificate) if is_compromise => connection
            .prepare_cached(
                "INSERT INTO compromised_key (key, serial, issuer) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                certificate.public_key().fingerprint(),
                serial,
                issuer
            ])
            .map(drop),
        _ => Ok(()),
    }
}

/// Notes the keys of all rows.
pub(super) fn note_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT serial, issuer FROM certificate WHERE status = 'revoked'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (serial, issuer): (String, String) = (row.get(0)?, row.get(1)?);
        note(connection, &serial, &issuer)?;
    }
    Ok(())
}
