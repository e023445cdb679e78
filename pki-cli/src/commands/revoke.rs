//! `pki revoke`: a certificate is marked as revoked, and the CRL says so everywhere.

use std::path::{Path, PathBuf};

use pki::{
    Error,
    authority::FOLDER,
    index::{Filter, Marked, Revocation, Row, Status, timestamp},
    issuer::date,
    manifest::check_name,
    revocation::{Refreshed, RevocationLists, Target},
    revocation_reason::RevocationReason,
    text::escape,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::{
        now, patience,
        revocation::{self, ListArgs},
    },
    output::Output,
    passphrase::Remembered,
};

/// Revoke a certificate, and sign and carry the CRL that says so
///
/// CERTIFICATE is the name of a folder below DIR, which means the certificate that it holds now, or a file. Writes the
/// mark into the index, signs the issuer's CRL again, and puts crl.pem into DIR/ca and into the folder of every
/// certificate. A second time changes nothing, and there is no way back: issue a new certificate instead. A CA is revoked
/// by its file, which needs the root's key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reasons (RFC 5280 section 5.3.1): unspecified, keyCompromise, cACompromise, affiliationChanged,
superseded, cessationOfOperation, privilegeWithdrawn.

Example: pki revoke payment --reason keyCompromise --invalidity-date 2026-11-20T00:00:00Z")]
pub(crate) struct Args {
    /// A folder below DIR, or the file of a certificate
    #[arg(
        value_name = "CERTIFICATE",
        required_unless_present = "serial",
        conflicts_with = "serial"
    )]
    certificate: Option<PathBuf>,
    /// The certificate with this serial number, in hexadecimal
    #[arg(long, value_name = "HEX", allow_hyphen_values = true)]
    serial: Option<String>,
    /// Its issuer, as pki list --json shows it, where two CAs used one serial number
    #[arg(long, value_name = "NAME", requires = "serial")]
    issuer: Option<String>,
    /// Every certificate of this name that is still valid: earlier ones, too, which may have the same key
    #[arg(long, conflicts_with = "serial")]
    all: bool,
    /// Why
    #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = crate::words::reason(), hide_possible_values = true)]
    reason: RevocationReason,
    /// Since when somebody else may have the key, as 2026-11-24T12:00:00Z
    #[arg(long, value_name = "RFC3339")]
    invalidity_date: Option<String>,
    #[command(flatten)]
    lists: ListArgs,
}

/// One certificate, and what came of it.
struct Item {
    row: Row,
    revocation: Revocation,
    marked: Marked,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let revocation = Revocation {
        at: now(),
        reason: args.reason,
        invalid_since: invalidity_date(args.invalidity_date.as_deref())?,
    };
    let mut lists = args.lists.open(&global.dir)?;
    // What crl.pem tells of already, and an older index does not know, was revoked before.
    let behind = match args.lists.dry_run {
        true => lists.catch_up_supposedly(),
        false => lists.catch_up(),
    };
    output.notices(behind?);
    let target = target(global, args, &lists)?;
    let mut rows = look(&lists, &target, args, &revocation)?;
    // Whoever cannot sign revokes nothing: a mark that no CRL tells of helps nobody.
    let wish = args.lists.wish(false);
    wish.check().map_err(Error::from)?;
    let mut passphrases = Remembered::new(&args.lists.passphrase);
    let mut unlock = |lists: &mut RevocationLists, rows: &[Row]| {
        let due = rows.iter().filter(|row| row.revocation.is_none());
        let issuers: Vec<_> = due.map(|row| row.issuer.clone()).collect();
        lists.unlock(&issuers, &mut |path| passphrases.unlock(path), now())
    };
    unlock(&mut lists, &rows)?;
    let held = match args.lists.dry_run {
        true => Vec::new(),
        false => lists.hold(&target, &rows, &mut patience())?,
    };
    if !held.is_empty() {
        // What was looked at without the lock may have a successor by now.
        rows = look(&lists, &target, args, &revocation)?;
        unlock(&mut lists, &rows)?;
    }
    let others = match (&rows[..], args.all) {
        ([row], false) => lists.others_living(row, revocation.at)?,
        _ => 0,
    };
    let mut items = Vec::new();
    for row in rows {
        let revocation = Revocation {
            at: lists.issuer(&row.issuer).map_or(revocation.at, |issuer| {
                issuer.revocation_date(revocation.at)
            }),
            ..revocation
        };
        let marked = match (args.lists.dry_run, row.revocation) {
            (true, Some(before)) => Marked::Before(before),
            (true, None) => Marked::Now,
            (false, _) => lists
                .index()
                .revoke(&row.serial, &row.issuer, &revocation)
                .map_err(Error::from)?,
        };
        items.push(Item {
            row,
            revocation,
            marked,
        });
    }
    // The CRL goes into these folders as well.
    drop(held);
    let refreshed = match args.lists.dry_run {
        // The CRLs as they are say nothing of what this would change.
        true => Refreshed {
            lists: Vec::new(),
            ..args.lists.refresh(&mut lists, &wish, &mut passphrases)?
        },
        false => args.lists.refresh(&mut lists, &wish, &mut passphrases)?,
    };
    for item in &items {
        tell_of_authority(&item.row, &lists, revocation.at, output)?;
    }
    if others > 0 {
        let sentence = match others {
            1 => "1 other certificate of this name is still valid; revoke it as well with --all."
                .to_owned(),
            many => format!(
                "{many} other certificates of this name are still valid; revoke them as well with --all."
            ),
        };
        output.notice(sentence);
    }
    revocation::notices(output, &refreshed);
    let failure = revocation::failure(&refreshed, output);
    if output.json() {
        let mut document = revocation::json(&refreshed, &lists, args.lists.dry_run);
        document["certificates"] = items.iter().map(item_json).collect();
        return revocation::document(document, failure, output);
    }
    report(args, &items, &refreshed, &lists, (&revocation, output))?;
    failure.map_or(Ok(()), Err)
}

/// The rows that are meant, each of which may be revoked for this reason. What is revoked already may have any.
fn look(
    lists: &RevocationLists,
    target: &Target,
    args: &Args,
    revocation: &Revocation,
) -> Result<Vec<Row>, CommandError> {
    let rows = lists.find(target, revocation.at)?;
    for row in rows.iter().filter(|row| row.revocation.is_none()) {
        lists.may_revoke(row, args.reason, revocation.invalid_since, revocation.at)?;
    }
    Ok(rows)
}

/// What a CA issued is not accepted any more, either.
fn tell_of_authority(
    row: &Row,
    lists: &RevocationLists,
    now: OffsetDateTime,
    output: &mut Output,
) -> Result<(), CommandError> {
    let below = Filter {
        issuer: Some(&row.subject),
        status: Some(Status::Issued),
        valid_at: Some(now),
        ..Filter::default()
    };
    let count = lists.index().count(&below)?;
    if lists.issuer(&row.subject).is_some() && count > 0 {
        output.notice(format_args!(
            "{} issued {count} of the certificates that are still valid, and no verifier with this CRL accepts them: have them issued by another CA (pki ca rotate, then pki renew --all).",
            escape(&row.subject)
        ));
    }
    Ok(())
}

fn report(
    args: &Args,
    items: &[Item],
    refreshed: &Refreshed,
    lists: &RevocationLists,
    (revocation, output): (&Revocation, &mut Output),
) -> Result<(), CommandError> {
    let dry_run = args.lists.dry_run;
    for item in items {
        let what = describe(&item.row, args.certificate.as_deref());
        match item.marked {
            Marked::Now if dry_run => output.line(format_args!(
                "{what} would be revoked ({}).",
                revocation.reason
            ))?,
            Marked::Now => {
                output.line(format_args!("Revoked {what} ({}).", revocation.reason))?;
            }
            Marked::Before(before) => output.line(format_args!(
                "{what} was revoked on {} already ({}); that stays as it is.",
                date(before.at),
                before.reason
            ))?,
            Marked::Unknown => {}
        }
    }
    match dry_run {
        true => Ok(output.line("Nothing was done: this was a dry run.")?),
        false => revocation::lines(output, refreshed, lists, false),
    }
}

/// `order, serial 1b…, valid until 2027-01-23`. Of what only `crl.pem` told the index has the number alone, so it is named
/// as it was given.
fn describe(row: &Row, given: Option<&Path>) -> String {
    let name = match (row.name.as_deref(), given) {
        (Some(name), _) if name != FOLDER => escape(name),
        (_, Some(given)) if row.subject.is_empty() => escape(&given.to_string_lossy()),
        (_, None) if row.subject.is_empty() => "A certificate".into(),
        _ => escape(&row.subject),
    };
    let end = match row.not_after {
        Some(end) => format!(", valid until {}", date(end)),
        None => String::new(),
    };
    format!("{name}, serial {}{end}", row.serial)
}

fn item_json(item: &Item) -> Value {
    let row = &item.row;
    let (is_new, revocation) = match item.marked {
        Marked::Before(before) => (false, before),
        _ => (true, item.revocation),
    };
    json!({
        "serial": row.serial,
        "issuer": row.issuer,
        "name": row.name,
        "subject": row.subject,
        "not_after": row.not_after.map(timestamp),
        "changed": is_new,
        "revoked_at": timestamp(revocation.at),
        "reason": revocation.reason.name(),
        "invalidity_date": revocation.invalid_since.map(timestamp),
    })
}

/// A name that is known is a name; everything else is a file, or a folder with a certificate in it.
fn target(global: &Global, args: &Args, lists: &RevocationLists) -> Result<Target, CommandError> {
    if let Some(serial) = &args.serial {
        return Ok(Target::Serial(serial.clone(), args.issuer.clone()));
    }
    let path = args.certificate.clone().unwrap_or_default();
    let name = path
        .to_str()
        .filter(|name| *name == FOLDER || check_name(name).is_ok());
    if args.all {
        return name
            .map(|name| Target::AllOf(name.to_owned()))
            .ok_or_else(|| {
                CommandError::new(
                    Kind::Usage,
                    format_args!(
                        "--all takes the name of a folder below --dir, and {path:?} is none."
                    ),
                )
            });
    }
    let is_known = match name {
        Some(name) => {
            global.dir.join(name).is_dir() || lists.index().has_name(name).map_err(Error::from)?
        }
        None => false,
    };
    Ok(match (name, path.is_dir(), path.exists()) {
        (Some(name), ..) if is_known => Target::Name(name.to_owned()),
        (_, true, _) => Target::File(path.join(pki::folder::CERTIFICATE)),
        (Some(name), false, false) => Target::Name(name.to_owned()),
        _ => Target::File(path),
    })
}

fn invalidity_date(given: Option<&str>) -> Result<Option<OffsetDateTime>, CommandError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let refused = || {
        CommandError::new(
            Kind::Usage,
            format_args!("--invalidity-date “{}” is not a time.", escape(given)),
        )
        .hint("Give it as RFC 3339 writes it: 2026-11-24T12:00:00Z or 2026-11-24T13:00:00+01:00.")
    };
    let moment = OffsetDateTime::parse(given, &Rfc3339).map_err(|_| refused())?;
    // Whole seconds: GeneralizedTime has no fractions here (RFC 5280 section 5.3.2).
    moment
        .replace_nanosecond(0)
        .map(Some)
        .map_err(|_| refused())
}
