//! `pki check`: the health of files, folders or the whole CA, for cron and systemd.

use std::path::PathBuf;

use pki::{
    health::{Check, Finding, Level, Report},
    text::escape,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::patience,
    output::{ERROR, GOOD, NOTICE, Output},
    period::Period,
};

/// Check what ends soon, has ended, or does not fit together
///
/// Without PATH: the CA below DIR with its keys and CRLs, every folder of a certificate beside it (validity, key, rights
/// of the key's file, chain, revocation), and what the index knows of certificates that went elsewhere. With PATH: those
/// folders, or the certificates in those files, each asked the same; of single files the validity and what the index knows.
/// One line for each finding. Nothing is written, and no key is used.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all is well, 101 something ends soon, 102 something has ended or does not fit together;
1 to 9 mean that it could not be checked (see pki --help). Notes do not count.

Example: pki check --warn 14d")]
pub(crate) struct Args {
    /// Folders with tls.crt, or files with certificates [default: everything below DIR]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Warn of what ends within this time, as in 20d or 36h [default: a third of its life, and 20d at most; a quarter of
    /// a CRL's]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    warn: Option<Period>,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let check = Check {
        now: OffsetDateTime::now_utc(),
        warn: args.warn.map(|Period(warn)| warn),
    };
    let report = match args.paths.is_empty() {
        true => check.everything(&global.dir, &mut patience())?,
        false => {
            let mut report = Report::default();
            for path in &args.paths {
                check.path(&global.dir, path, &mut report, &mut patience())?;
            }
            report
        }
    };
    if output.json() {
        let findings: Vec<_> = report.findings.iter().map(finding_json).collect();
        output.document(&json!({
            "healthy": report.worst() < Some(Level::Warning),
            "checked": report.checked,
            "findings": findings,
        }))?;
    } else {
        for finding in &report.findings {
            line(finding, output)?;
        }
    }
    let (errors, warnings) = (report.count(Level::Error), report.count(Level::Warning));
    let kind = match report.worst() {
        Some(Level::Error) => Kind::Unhealthy,
        Some(Level::Warning) => Kind::EndsSoon,
        _ => {
            if !output.json() {
                output.line(format_args!(
                    "{GOOD}All is well{GOOD:#}: {} checked.",
                    report.checked
                ))?;
            }
            return Ok(());
        }
    };
    let error = CommandError::new(
        kind,
        format_args!(
            "{} checked; not in order: {errors}; ends soon: {warnings}.",
            report.checked
        ),
    );
    Err(match output.json() {
        true => error.told_in_json(),
        false => error,
    })
}

fn line(finding: &Finding, output: &mut Output) -> std::io::Result<()> {
    let style = match finding.level {
        Level::Error => ERROR,
        Level::Warning => NOTICE,
        Level::Note => anstyle::Style::new(),
    };
    output.line(format_args!(
        "{style}{:<7}{style:#}  {}  {}",
        finding.level.name(),
        escape(&finding.subject),
        finding.message
    ))
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    json!({
        "level": finding.level.name(),
        "subject": finding.subject,
        "kind": finding.kind,
        "message": finding.message,
    })
}
