//! One row: a serial number, and what is known of the certificate that has it.

use std::fmt;

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use crate::revocation_reason::RevocationReason;

/// What became of a serial number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Status {
    /// It was taken, and no certificate was recorded: the process died, or is at work.
    Reserved,
    /// A certificate was issued under it.
    Issued,
    /// That certificate was revoked.
    Revoked,
}

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revocation {
    /// When the CA revoked it.
    pub at: OffsetDateTime,
    /// Why.
    pub reason: RevocationReason,
    /// Since when the key is suspected to be in other hands, where that is known (RFC 5280 §5.3.2).
    pub invalid_since: Option<OffsetDateTime>,
}

/// One row. The certificate itself is read by [`super::Index::certificate`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The serial number in hexadecimal, as [`crate::serial_number::text`] writes it.
    pub serial: String,
    /// The issuer's name, as RFC 4514 writes it.
    pub issuer: String,
    /// What became of it.
    pub status: Status,
    /// The folder below `--dir`.
    pub name: Option<String>,
    /// The profile's name; `None` of an imported certificate with none of ours.
    pub profile: Option<String>,
    /// The subject, as RFC 4514 writes it, or as the CA did that was imported.
    pub subject: String,
    /// The subject alternative names, `DNS:…`, `IP:…`, `URI:…`, `email:…`.
    pub names: Vec<String>,
    /// When the number was reserved, or the row imported.
    pub reserved_at: OffsetDateTime,
    /// The first second of validity.
    pub not_before: Option<OffsetDateTime>,
    /// The last second of validity.
    pub not_after: Option<OffsetDateTime>,
    /// The SHA-256 of the certificate; `None` when the index does not hold it.
    pub fingerprint: Option<String>,
    /// When it was revoked.
    pub revocation: Option<Revocation>,
}

/// What `Row::from_sql` reads, in its order.
pub(super) const COLUMNS: &str = "serial, issuer, status, name, profile, subject, names, reserved_at, not_before, not_after, fingerprint, revoked_at, revocation_reason, invalidity_date";

impl Status {
    /// The word in the index.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Issued => "issued",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Row {
    /// Whether it was issued, is not revoked, and its validity is not over.
    pub fn is_living(&self, now: OffsetDateTime) -> bool {
        self.status == Status::Issued && self.not_after.is_some_and(|end| end >= now)
    }

    pub(super) fn from_sql(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let names: String = row.get(6)?;
        Ok(Self {
            serial: row.get(0)?,
            issuer: row.get(1)?,
            status: match row.get_ref(2)?.as_str()? {
                "reserved" => Status::Reserved,
                "issued" => Status::Issued,
                "revoked" => Status::Revoked,
                other => return Err(damaged(2, format!("there is no status {other:?}"))),
            },
            name: row.get(3)?,
            profile: row.get(4)?,
            subject: row.get(5)?,
            names: names.lines().map(str::to_owned).collect(),
            reserved_at: required(moment(row, 7)?, 7)?,
            not_before: moment(row, 8)?,
            not_after: moment(row, 9)?,
            fingerprint: row.get(10)?,
            revocation: revocation(row, 11)?,
        })
    }
}

/// The three columns of a revocation, from this one on.
pub(super) fn revocation(
    row: &rusqlite::Row<'_>,
    from: usize,
) -> rusqlite::Result<Option<Revocation>> {
    let Some(at) = moment(row, from)? else {
        return Ok(None);
    };
    let reason = row.get_ref(from + 1)?.as_str()?;
    Ok(Some(Revocation {
        at,
        reason: reason
            .parse()
            .map_err(|_| damaged(from + 1, format!("there is no reason {reason:?}")))?,
        invalid_since: moment(row, from + 2)?,
    }))
}

pub(super) fn moment(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<OffsetDateTime>> {
    match row.get_ref(column)?.as_str_or_null()? {
        None => Ok(None),
        Some(text) => match parse_timestamp(text) {
            None => Err(damaged(column, format!("{text:?} is not a time"))),
            at => Ok(at),
        },
    }
}

fn required<T>(value: Option<T>, column: usize) -> rusqlite::Result<T> {
    value.ok_or_else(|| damaged(column, "a time is missing".to_owned()))
}

fn damaged(column: usize, reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, reason.into())
}

/// RFC 3339 in UTC, whole seconds.
pub fn timestamp(moment: OffsetDateTime) -> String {
    let utc = moment.to_offset(UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

/// What [`timestamp`] wrote.
pub(super) fn parse_timestamp(text: &str) -> Option<OffsetDateTime> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let two = |from| u8::try_from(number(from, from + 2)?).ok();
    let shape = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => other,
    });
    if !shape.eq(*b"0000-00-00T00:00:00Z") {
        return None;
    }
    let month = Month::try_from(two(5)?).ok()?;
    let date = Date::from_calendar_date(number(0, 4)?.into(), month, two(8)?).ok()?;
    let time = Time::from_hms(two(11)?, two(14)?, two(17)?).ok()?;
    Some(OffsetDateTime::new_utc(date, time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn timestamps_sort_as_time_does_and_are_read_again() {
        let moment = datetime!(2026-01-02 03:04:05 +2);
        assert_eq!(timestamp(moment), "2026-01-02T01:04:05Z");
        assert_eq!(parse_timestamp(&timestamp(moment)), Some(moment));
        for text in [
            "",
            "2026-01-02",
            "2026-13-02T01:04:05Z",
            "2026-01-02T01:04:05+00:00",
            "2026-01-02T25:04:05Z",
            "+026-01-02T01:04:05Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
