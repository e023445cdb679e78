//! `pki list`: what was issued, from the index. No key is needed, and rows are printed as they are read, so that a
//! million of them take no more memory than one.

use std::cell::RefCell;

use pki::{
    Error, ErrorKind,
    authority::{Authority, FOLDER, Generations},
    index::{self, Filter, Index, IndexError, Row, Status, timestamp},
    text::escape,
    validity,
};
use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::CommandError,
    output::{ERROR, GOOD, NOTICE, Output},
    period::Period,
};

/// List the certificates of the CA, from its index
///
/// Without options, those that are valid: issued, not revoked, not expired. The next to expire comes first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki list --expiring 30d")]
pub(crate) struct Args {
    /// Those that expire within this time, as in 30d or 36h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, group = "which")]
    expiring: Option<Period>,
    /// Those that were revoked
    #[arg(long, group = "which")]
    revoked: bool,
    /// Those whose validity is over
    #[arg(long, group = "which")]
    expired: bool,
    /// Serial numbers that were reserved and never recorded as issued: their processes died, or are at work
    #[arg(long, group = "which")]
    reserved: bool,
    /// Everything that was ever issued, in the order of issuing
    #[arg(long, group = "which")]
    all: bool,
    /// Those of this name, with the options above; alone, everything of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Those of this issuer, as pki list --json shows it
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let folder = global.dir.join(FOLDER);
    if !Authority::exists(&global.dir) {
        return Err(Error::NoAuthority(folder).into());
    }
    let (index, told) = match Generations::read(&global.dir) {
        Ok(generations) => generations.index_supposing(Index::open_to_read)?,
        Err(error) if error.kind() == ErrorKind::Io => return Err(error.into()),
        // Whatever has become of the certificates: what was issued may be what brings them back.
        Err(_) => {
            let index = Index::open_to_read(&folder.join(index::FILE)).map_err(Error::from)?;
            (index, Vec::new())
        }
    };
    output.notices(told);
    let now = OffsetDateTime::now_utc();
    let filter = args.filter(now);
    if output.json() {
        let rows = Rows {
            index: &index,
            filter: &filter,
            now,
            failure: RefCell::new(None),
        };
        let printed = output.document(&Listing {
            certificates: &rows,
        });
        // A row that cannot be read cuts the document off, and is told as what it is.
        if let Some(error) = rows.failure.take() {
            return Err(CommandError::from(Error::from(error)).told_in_json());
        }
        printed?;
        return index
            .still_stands()
            .map_err(|error| CommandError::from(Error::from(error)).told_in_json());
    }
    let mut count = 0_u64;
    index.each(&filter, |row| {
        if count == 0 {
            output.line(format_args!(
                "{:<10} {:>6}  {:<24} {:<12} {:<40}  {}",
                "STATUS", "DAYS", "NAME", "PROFILE", "SERIAL", "NAMES"
            ))?;
        }
        count += 1;
        line(&row, now, output).map_err(CommandError::from)
    })?;
    if count == 0 {
        output.line("No certificate.")?;
    }
    Ok(index.still_stands().map_err(Error::from)?)
}

impl Args {
    fn filter(&self, now: OffsetDateTime) -> Filter<'_> {
        let issued = Some(Status::Issued);
        let which = match self {
            Self {
                expiring: Some(Period(within)),
                ..
            } => Filter::expiring(now, now + *within),
            Self { revoked: true, .. } => Filter::status(Status::Revoked),
            Self { reserved: true, .. } => Filter::status(Status::Reserved),
            Self { expired: true, .. } => Filter {
                status: issued,
                expired_at: Some(now),
                ..Filter::default()
            },
            Self { all: true, .. } => Filter::default(),
            Self { name: Some(_), .. } => Filter::default(),
            _ => Filter {
                status: issued,
                valid_at: Some(now),
                ..Filter::default()
            },
        };
        Filter {
            name: self.name.as_deref(),
            issuer: self.issuer.as_deref(),
            ..which
        }
    }
}

/// What a person wants to know of a status: an issued certificate may be over.
fn status(row: &Row, now: OffsetDateTime) -> &'static str {
    match (row.status, row.not_after) {
        (Status::Issued, Some(end)) if end < now => "expired",
        (status, _) => status.as_str(),
    }
}

fn days_left(row: &Row, now: OffsetDateTime) -> Option<i64> {
    row.not_after.map(|end| validity::days_left(end, now))
}

fn line(row: &Row, now: OffsetDateTime, output: &mut Output) -> std::io::Result<()> {
    let status = status(row, now);
    let style = match status {
        "issued" => GOOD,
        "revoked" => ERROR,
        _ => NOTICE,
    };
    let days = match days_left(row, now) {
        Some(days) if status != "revoked" => days.to_string(),
        _ => "-".to_owned(),
    };
    // What has no folder is known by its subject.
    let name = match &row.name {
        Some(name) => escape(name),
        None => escape(&row.subject),
    };
    let mut names: Vec<_> = row.names.iter().map(|name| escape(name)).collect();
    if let Some(revocation) = row.revocation {
        names.insert(
            0,
            format!("({}, {})", revocation.reason, timestamp(revocation.at)),
        );
    }
    output.line(format_args!(
        "{style}{status:<10}{style:#} {days:>6}  {name:<24} {:<12} {:<40}  {}",
        escape(row.profile.as_deref().unwrap_or("-")),
        escape(&row.serial),
        names.join(", ")
    ))
}

#[derive(Serialize)]
struct Listing<'a> {
    certificates: &'a Rows<'a>,
}

/// Rows that are read while they are written.
struct Rows<'a> {
    index: &'a Index,
    filter: &'a Filter<'a>,
    now: OffsetDateTime,
    failure: RefCell<Option<IndexError>>,
}

/// Why no more rows are written.
enum Stop<E> {
    Index(IndexError),
    Writer(E),
}

impl<E> From<IndexError> for Stop<E> {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        let written = self.index.each(self.filter, |row| {
            sequence
                .serialize_element(&row_json(&row, self.now))
                .map_err(Stop::Writer)
        });
        match written {
            Ok(()) => {}
            Err(Stop::Writer(error)) => return Err(error),
            Err(Stop::Index(error)) => {
                self.failure.replace(Some(error));
            }
        }
        sequence.end()
    }
}

fn row_json(row: &Row, now: OffsetDateTime) -> serde_json::Value {
    json!({
        "serial": row.serial,
        "issuer": row.issuer,
        "status": status(row, now),
        "name": row.name,
        "profile": row.profile,
        "subject": row.subject,
        "names": row.names,
        "reserved_at": timestamp(row.reserved_at),
        "not_before": row.not_before.map(timestamp),
        "not_after": row.not_after.map(timestamp),
        "days_left": days_left(row, now),
        "sha256": row.fingerprint,
        "revoked_at": row.revocation.map(|revocation| timestamp(revocation.at)),
        "reason": row.revocation.map(|revocation| revocation.reason.name()),
        "invalidity_date": row.revocation.and_then(|revocation| revocation.invalid_since).map(timestamp),
    })
}
