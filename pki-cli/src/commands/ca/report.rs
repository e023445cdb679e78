//! How a rotation stands, for people and machines.

use pki::{
    authority::Stage,
    certificate::Certificate,
    index::timestamp,
    issuer::date,
    rotation::{Outlook, Step},
    text::escape,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::rotate::Done;
use crate::{
    command_error::CommandError,
    output::{GOOD, NOTICE, Output},
    show,
};

/// Without anything done. `would` is the stage that a run would enter.
pub(super) fn outlook(
    outlook: &Outlook,
    would: Option<Step>,
    is_dry_run: bool,
    now: OffsetDateTime,
    output: &mut Output,
) -> Result<(), CommandError> {
    if output.json() {
        let mut document = document(outlook, now);
        document["dry_run"] = json!(is_dry_run);
        document["would"] = json!(would.map(Step::name));
        return Ok(output.document(&document)?);
    }
    lines(outlook, now, output)?;
    if is_dry_run {
        match would {
            Some(step) => output.line(format_args!("This would {}.", in_words(step)))?,
            None => output.line("Nothing is due.")?,
        }
        output.line("Nothing was done: this was a dry run.")?;
    }
    Ok(())
}

/// After a run.
pub(super) fn done(
    outlook: &Outlook,
    done: &Done,
    now: OffsetDateTime,
    output: &mut Output,
) -> Result<(), CommandError> {
    for notice in &done.notices {
        output.notice(notice);
    }
    for made in &done.made {
        made.notices.iter().for_each(|notice| output.notice(notice));
    }
    if done.step == Some(Step::Prepare) && !done.folders.is_empty() {
        output.notice("What is known here are the folders below --dir. Copies of ca.crt and crl.pem that were made of them (on other machines, in Kubernetes secrets) must be renewed before the next CA is activated.");
    }
    let failure = failure(done);
    if output.json() {
        let mut document = document(outlook, now);
        let made = |one: &pki::rotation::Made| {
            let mut json = show::certificate_json(&one.certificate);
            json["role"] = json!(one.role.name());
            json
        };
        document["dry_run"] = json!(false);
        document["did"] = json!(done.step.map(Step::name));
        document["made"] = done.made.iter().map(made).collect();
        document["folders"] = show::paths_json(&done.folders);
        document["notices"] = json!(done.notices);
        if let Some(error) = &failure {
            document["error"] = error.to_json();
        }
        output.document(&document)?;
        return failure.map_or(Ok(()), |error| Err(error.told_in_json()));
    }
    match done.step {
        Some(Step::Prepare) => {
            output.line("Prepared: the next CA is there, and issues nothing yet.")?;
        }
        Some(Step::Activate) => {
            output.line("Activated: the next CA issues from now on.")?;
        }
        Some(Step::Retire) => {
            output.line("Retired: the previous CA is out of service.")?;
        }
        _ if done.was_asked_for => output.line("Nothing to do: this was done before.")?,
        _ => output.line("Nothing is due.")?,
    }
    for made in &done.made {
        output.line(made.role.name())?;
        show::certificate_lines(output, &made.certificate)?;
    }
    for folder in &done.folders {
        output.line(format_args!(
            "{NOTICE}~{NOTICE:#} {}  trust renewed",
            escape(&folder.to_string_lossy())
        ))?;
    }
    lines(outlook, now, output)?;
    failure.map_or(Ok(()), Err)
}

fn failure(done: &Done) -> Option<CommandError> {
    let mut failures = done.failures.iter().map(|failure| {
        let kind = failure.error.kind().into();
        let place = match &failure.folder {
            Some(folder) => format!("{}: ", escape(&folder.to_string_lossy())),
            None => String::new(),
        };
        (kind, format!("{place}{}", failure.error))
    });
    let (kind, first) = failures.next()?;
    let whole = CommandError::new(
        kind,
        "Not everything could be brought up to date; repeat this once it is put right.",
    )
    .hint(first);
    Some(failures.fold(whole, |whole, (_, more)| whole.hint(more)))
}

fn lines(outlook: &Outlook, now: OffsetDateTime, output: &mut Output) -> Result<(), CommandError> {
    output.line(format_args!(
        "stage          {GOOD}{}{GOOD:#}",
        outlook.generations.stage().name()
    ))?;
    for (role, certificate) in outlook.generations.members() {
        output.line(format_args!(
            "{:<14} {}, until {}",
            role.name(),
            certificate.subject().shown(),
            date(certificate.not_after())
        ))?;
    }
    if outlook.generations.stage() == Stage::Active {
        let living = &outlook.living;
        match living.until {
            Some(until) => output.line(format_args!(
                "still valid    {} of the previous CA, the last until {}",
                certificates(living.count),
                date(until)
            ))?,
            None => output.line("still valid    no certificate of the previous CA")?,
        }
    }
    for lacking in &outlook.lacking {
        output.line(format_args!(
            "{NOTICE}!{NOTICE:#} {}  lacks {}",
            escape(&lacking.folder.to_string_lossy()),
            escape(&lacking.what.join(", "))
        ))?;
    }
    let when = match outlook.due <= now {
        true => "due now".to_owned(),
        false => format!("due on {}", date(outlook.due)),
    };
    let root = match (outlook.step, outlook.is_root_due) {
        (Step::Prepare, true) => " --root",
        _ => "",
    };
    Ok(output.line(format_args!(
        "next stage     {when}: pki ca rotate {}{root}",
        outlook.step.name()
    ))?)
}

fn certificates(count: u64) -> String {
    match count {
        1 => "1 certificate".to_owned(),
        more => format!("{more} certificates"),
    }
}

fn in_words(step: Step) -> &'static str {
    match step {
        Step::Prepare => "make the next CA, and have every folder trust it",
        Step::Activate => "let the next CA issue",
        Step::Retire => "end the trust in the previous CA",
    }
}

fn document(outlook: &Outlook, now: OffsetDateTime) -> Value {
    let authority = |(role, certificate): (pki::authority::Role, &Certificate)| {
        json!({
            "role": role.name(),
            "subject": certificate.subject().to_string(),
            "serial": certificate.serial(),
            "not_before": timestamp(certificate.not_before()),
            "not_after": timestamp(certificate.not_after()),
            "sha256": certificate.fingerprint(),
        })
    };
    let lacking = |one: &pki::rotation::Lacking| json!({ "folder": show::path_json(&one.folder), "what": one.what });
    json!({
        "stage": outlook.generations.stage().name(),
        "authorities": outlook.generations.members().map(authority).collect::<Vec<_>>(),
        "living": {
            "count": outlook.living.count,
            "until": outlook.living.until.map(timestamp),
        },
        "lacking": outlook.lacking.iter().map(lacking).collect::<Vec<_>>(),
        "next": {
            "step": outlook.step.name(),
            "due": timestamp(outlook.due),
            "is_due": outlook.due <= now,
            "root": outlook.step == Step::Prepare && outlook.is_root_due,
        },
    })
}
