//! Questions to the index. Each is answered by one of SQLite's indexes, so that a million rows answer in milliseconds,
//! and rows are handed out one by one, so that memory does not grow with their number.

use rusqlite::{OptionalExtension, ToSql};
use time::OffsetDateTime;

use super::{
    Index, IndexError, Row, Status,
    row::{COLUMNS, timestamp},
};
use crate::{certificate::Certificate, error::Error, issuer::Refusal, profile::Profile};

/// Which rows are asked for: those that meet every condition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// What became of the number.
    pub status: Option<Status>,
    /// The folder below `--dir`.
    pub name: Option<&'a str>,
    /// The issuer's name, as RFC 4514 writes it.
    pub issuer: Option<&'a str>,
    /// Whose validity is not over at this moment.
    pub valid_at: Option<OffsetDateTime>,
    /// Whose validity is over at this moment. With it or `valid_at` the next to expire comes first; without, the order is
    /// that of reservation.
    pub expired_at: Option<OffsetDateTime>,
}

impl<'a> Filter<'a> {
    /// Issued, not revoked, valid at `now`, and over by `then`.
    pub fn expiring(now: OffsetDateTime, then: OffsetDateTime) -> Self {
        Self {
            status: Some(Status::Issued),
            valid_at: Some(now),
            expired_at: Some(then),
            ..Self::default()
        }
    }

    /// Of this name.
    pub fn named(name: &'a str) -> Self {
        Self {
            name: Some(name),
            ..Self::default()
        }
    }

    /// In this state.
    pub fn status(status: Status) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// The same of a row that is in no table. Where a date is not known, no condition on it is met.
    fn lets_through(&self, row: &Row) -> bool {
        self.status.is_none_or(|status| row.status == status)
            && self
                .name
                .is_none_or(|name| row.name.as_deref() == Some(name))
            && self.issuer.is_none_or(|issuer| row.issuer == issuer)
            && self
                .valid_at
                .is_none_or(|at| row.not_after.is_some_and(|end| end >= at))
            && self
                .expired_at
                .is_none_or(|at| row.not_after.is_some_and(|end| end < at))
    }

    /// From here on SQL: the table with the index that answers, the conditions, and their values.
    fn sql(&self) -> (String, Vec<String>) {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let mut add = |condition: &'static str, value: Option<String>| {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        };
        add("name = ?", self.name.map(str::to_owned));
        add("issuer = ?", self.issuer.map(str::to_owned));
        add(
            "status = ?",
            self.status.map(|status| status.as_str().to_owned()),
        );
        add("not_after >= ?", self.valid_at.map(timestamp));
        add("not_after < ?", self.expired_at.map(timestamp));
        // SQLite would have to guess which condition leaves fewest rows; we know.
        let index = match self {
            Self { name: Some(_), .. } => "INDEXED BY certificate_by_name",
            Self {
                issuer: Some(_), ..
            } => "INDEXED BY certificate_by_issuer",
            Self {
                status: Some(_), ..
            } => "INDEXED BY certificate_by_status",
            _ => "",
        };
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", conditions.join(" AND ")),
        };
        (format!("certificate {index} {conditions}"), values)
    }

    fn order(&self) -> &'static str {
        match (self.valid_at, self.expired_at) {
            (None, None) => "rowid",
            _ => "not_after, rowid",
        }
    }
}

impl Index {
    /// Hands every row that the filter lets through to `take`, until that fails.
    pub fn each<E: From<IndexError>>(
        &self,
        filter: &Filter<'_>,
        mut take: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = |error| self.error("read", &error);
        let (from, values) = filter.sql();
        let order = filter.order();
        let mut statement = self
            .connection
            .prepare(&format!("SELECT {COLUMNS} FROM {from} ORDER BY {order}"))
            .map_err(read)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let row = Row::from_sql(row).map_err(read)?;
            if !self.supposed.has(&row) {
                take(row)?;
            }
        }
        // What counts as revoked comes after what is recorded.
        let supposed = self.supposed.rows().filter(|row| filter.lets_through(row));
        supposed.cloned().try_for_each(take)
    }

    /// The rows that the filter lets through, at once; for few.
    pub fn select(&self, filter: &Filter<'_>) -> Result<Vec<Row>, IndexError> {
        let mut rows = Vec::new();
        self.each(filter, |row| {
            rows.push(row);
            Ok::<_, IndexError>(())
        })?;
        Ok(rows)
    }

    /// How many rows the filter lets through.
    pub fn count(&self, filter: &Filter<'_>) -> Result<u64, IndexError> {
        let (from, values) = filter.sql();
        self.connection
            .query_row(
                &format!("SELECT count(*) FROM {from}"),
                rusqlite::params_from_iter(values),
                |row| row.get::<_, i64>(0),
            )
            .map(i64::unsigned_abs)
            .map_err(|error| self.error("read", &error))
    }

    /// Every row, in the order of reservation; for few.
    pub fn rows(&self) -> Result<Vec<Row>, IndexError> {
        self.select(&Filter::default())
    }

    /// The rows of a serial number, as [`crate::serial_number::text`] writes it: one, unless several CAs used it.
    pub fn with_serial(&self, serial: &str) -> Result<Vec<Row>, IndexError> {
        self.where_equal("serial", serial)
    }

    /// Whether there is a row of this name.
    pub fn has_name(&self, name: &str) -> Result<bool, IndexError> {
        let found: Option<i64> =
            self.value("SELECT 1 FROM certificate WHERE name = ? LIMIT 1", &[&name])?;
        Ok(found.is_some())
    }

    /// The row of a serial number of this issuer.
    pub fn find(&self, serial: &str, issuer: &str) -> Result<Option<Row>, IndexError> {
        let rows = self.with_serial(serial)?;
        Ok(rows.into_iter().find(|row| row.issuer == issuer))
    }

    /// Refuses the index of another CA, which may have the same name. One that has any certificate of these CAs is theirs,
    /// though it may be older than the others.
    pub fn refuse_foreign<'c>(
        &self,
        authorities: impl IntoIterator<Item = &'c Certificate>,
    ) -> Result<(), IndexError> {
        for own in authorities {
            if self.knows(own)? {
                return Ok(());
            }
        }
        Err(IndexError::OfAnotherCa(self.path.clone()))
    }

    /// Whether this very certificate has its row.
    pub(crate) fn knows(&self, own: &Certificate) -> Result<bool, IndexError> {
        let row = self.find(&own.serial(), &own.issuer().to_string())?;
        let fingerprint = row.and_then(|row| row.fingerprint);
        Ok(fingerprint.is_some_and(|fingerprint| fingerprint == own.fingerprint()))
    }

    /// Refuses to issue by a CA that has no row: it could not be revoked.
    pub(crate) fn refuse_unknown(&self, issuer: &Certificate) -> Result<(), IndexError> {
        match self.knows(issuer)? {
            true => Ok(()),
            false => Err(IndexError::Older {
                path: self.path.clone(),
                subject: issuer.subject().to_string(),
            }),
        }
    }

    /// The row of the certificate with this SHA-256.
    pub fn with_fingerprint(&self, fingerprint: &str) -> Result<Option<Row>, IndexError> {
        Ok(self.where_equal("fingerprint", fingerprint)?.pop())
    }

    /// Whether the index has this very certificate as revoked.
    pub fn is_revoked(&self, certificate: &Certificate) -> Result<bool, IndexError> {
        let row = self.find(&certificate.serial(), &certificate.issuer().to_string())?;
        // A lost one, of an imported CA, is known by its number alone.
        Ok(row.is_some_and(|row| {
            row.status == Status::Revoked
                && row
                    .fingerprint
                    .is_none_or(|known| known == certificate.fingerprint())
        }))
    }

    /// Refuses to issue by a CA that is revoked, or stands below one that is: verifiers would refuse what it signs
    /// (RFC 5280 §6.1.3 (a)(3)).
    pub fn refuse_revoked<'c>(
        &self,
        chain: impl IntoIterator<Item = &'c Certificate>,
    ) -> Result<(), Error> {
        match self.first_revoked(chain)? {
            Some(subject) => Err(Refusal::RevokedCa(subject).into()),
            None => Ok(()),
        }
    }

    /// The first of these certificates that is revoked, by its subject.
    pub(crate) fn first_revoked<'c>(
        &self,
        chain: impl IntoIterator<Item = &'c Certificate>,
    ) -> Result<Option<String>, IndexError> {
        for certificate in chain {
            if self.is_revoked(certificate)? {
                return Ok(Some(certificate.subject().to_string()));
            }
        }
        Ok(None)
    }

    fn where_equal(&self, column: &str, value: &str) -> Result<Vec<Row>, IndexError> {
        let read = |error| self.error("read", &error);
        let mut statement = self
            .connection
            .prepare_cached(&equal_sql(column))
            .map_err(read)?;
        let rows = statement.query_map([value], Row::from_sql).map_err(read)?;
        let mut rows = rows.collect::<Result<_, _>>().map_err(read)?;
        let serial = (column == "serial").then_some(value);
        self.supposed.apply(&mut rows, serial);
        Ok(rows)
    }

    /// The DER of a certificate; `None` when the number is unknown or only reserved, or the certificate lost.
    pub fn certificate(&self, serial: &str, issuer: &str) -> Result<Option<Vec<u8>>, IndexError> {
        self.value(
            "SELECT certificate FROM certificate WHERE serial = ? AND issuer = ?",
            &[&serial, &issuer],
        )
    }

    /// The issuers of all rows.
    pub fn issuers(&self) -> Result<Vec<String>, IndexError> {
        let read = |error| self.error("read", &error);
        // One step in the index for each issuer, and not one for each row.
        let mut statement = self
            .connection
            .prepare(
                "WITH RECURSIVE other (issuer) AS (
                     SELECT min(issuer) FROM certificate
                     UNION ALL
                     SELECT (SELECT min(issuer) FROM certificate WHERE issuer > other.issuer) FROM other WHERE other.issuer IS NOT NULL
                 ) SELECT issuer FROM other WHERE issuer IS NOT NULL",
            )
            .map_err(read)?;
        let issuers = statement.query_map([], |row| row.get(0)).map_err(read)?;
        issuers.collect::<Result<_, _>>().map_err(read)
    }

    /// When the last certificate of an issuer ends that is not revoked; `None` when there is none.
    pub fn last_not_after(&self, issuer: &str) -> Result<Option<OffsetDateTime>, IndexError> {
        let last: Option<String> = self.value(
            "SELECT not_after FROM certificate INDEXED BY certificate_by_issuer
             WHERE issuer = ? AND status = 'issued' AND not_after IS NOT NULL ORDER BY not_after DESC LIMIT 1",
            &[&issuer],
        )?;
        Ok(last.as_deref().and_then(super::row::parse_timestamp))
    }

    /// Whether an issuing CA was ever certified below the root.
    pub(crate) fn knows_issuing_authority(&self) -> Result<bool, IndexError> {
        self.connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM certificate WHERE profile = ?1 AND name = ?2)",
                // A CA of another name is somebody else's, signed by this one.
                [Profile::Intermediate.name(), crate::authority::FOLDER],
                |row| row.get(0),
            )
            .map_err(|error| self.error("read", &error))
    }

    /// The first column of the first row.
    pub(super) fn value<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
    ) -> Result<Option<T>, IndexError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_row(values, |row| row.get::<_, Option<T>>(0))
                    .optional()
            })
            .map(Option::flatten)
            .map_err(|error| self.error("read", &error))
    }
}

fn equal_sql(column: &str) -> String {
    format!("SELECT {COLUMNS} FROM certificate WHERE {column} = ? ORDER BY rowid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{FILE, Foreign};
    use time::{Duration, macros::datetime};

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    /// Rows 00 to 49 of two CAs, which end a day apart, from yesterday on.
    fn index() -> (tempfile::TempDir, Index) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let index = Index::create(&home.path().join(FILE)).expect("created");
        let rows = (0..50).map(|number: u8| Foreign {
            serial: format!("{number:02}"),
            issuer: format!("CN=CA {}", number % 2),
            name: Some(format!("service-{}", number % 5)),
            profile: None,
            subject: format!("CN={number}"),
            names: Vec::new(),
            not_before: None,
            not_after: Some(NOW + Duration::days(i64::from(number) - 1)),
            certificate: None,
            revocation: None,
        });
        index.import(rows, NOW).expect("imported");
        (home, index)
    }

    fn serials(index: &Index, filter: &Filter<'_>) -> Vec<String> {
        let rows = index.select(filter).expect("read");
        assert_eq!(index.count(filter).expect("counted"), rows.len() as u64);
        rows.into_iter().map(|row| row.serial).collect()
    }

    #[test]
    fn a_filter_lets_through_what_meets_every_condition() {
        let (_home, index) = index();
        let soon = Filter::expiring(NOW, NOW + Duration::days(4));
        assert_eq!(serials(&index, &soon), ["01", "02", "03", "04"]);
        let of_one = Filter {
            issuer: Some("CN=CA 1"),
            ..soon
        };
        assert_eq!(serials(&index, &of_one), ["01", "03"]);
        let expired = Filter {
            expired_at: Some(NOW),
            ..Filter::default()
        };
        assert_eq!(serials(&index, &expired), ["00"]);
        let named = Filter {
            issuer: Some("CN=CA 0"),
            ..Filter::named("service-3")
        };
        assert_eq!(serials(&index, &named), ["08", "18", "28", "38", "48"]);
        assert_eq!(serials(&index, &Filter::status(Status::Revoked)), [""; 0]);
        assert_eq!(serials(&index, &Filter::default()).len(), 50);
        assert_eq!(index.issuers().expect("read"), ["CN=CA 0", "CN=CA 1"]);
        assert_eq!(
            index.last_not_after("CN=CA 1").expect("read"),
            Some(NOW + Duration::days(48))
        );
    }

    #[test]
    fn every_question_is_answered_by_an_index() {
        let (_home, index) = index();
        let soon = Filter::expiring(NOW, NOW);
        let filters = [
            soon,
            Filter {
                issuer: Some("CN=CA 1"),
                ..soon
            },
            Filter {
                name: Some("x"),
                ..soon
            },
            Filter::named("x"),
            Filter::status(Status::Reserved),
            Filter {
                issuer: Some("x"),
                ..Filter::default()
            },
        ];
        let mut questions: Vec<_> = filters
            .iter()
            .map(|filter| {
                let (from, values) = filter.sql();
                let order = filter.order();
                let sql = format!("SELECT {COLUMNS} FROM {from} ORDER BY {order}");
                (sql, values)
            })
            .collect();
        for column in ["name", "fingerprint"] {
            questions.push((equal_sql(column), vec!["x".to_owned()]));
        }
        for (sql, values) in questions {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut statement = index.connection.prepare(&sql).expect("a plan");
            let plan: Vec<String> = statement
                .query_map(rusqlite::params_from_iter(values), |row| row.get(3))
                .expect("a plan")
                .collect::<Result<_, _>>()
                .expect("a plan");
            assert!(
                plan[0].starts_with("SEARCH certificate USING INDEX"),
                "{sql}: {plan:?}"
            );
        }
    }
}
