//! `pki apply`: makes reality match the manifest.

use std::path::PathBuf;

use pki::{
    apply::{self, Action, AuthorityStep, Plan, Step},
    authority::{Authority, Issued},
    folder,
    issuer::date,
    key::Passphrase,
    manifest::Manifest,
    text::escape,
};
use serde_json::{Value, json};

use crate::{
    Global,
    command_error::CommandError,
    commands::{now, patience},
    output::{GOOD, NOTICE, Output},
    passphrase::PassphraseArgs,
    show,
};

/// Make reality match a manifest: issue what is missing, re-issue what changed or expires, leave the rest
///
/// The manifest, pki.toml, holds the CA and one entry per certificate. A second run changes nothing. A certificate is
/// replaced, with a new key, when the manifest or its CA changed or less than a third of its life is left. With
/// `encrypt_key = true` below [ca] a new CA's keys are encrypted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: pki apply certs/pki.toml --dry-run")]
pub(crate) struct Args {
    /// The manifest [default: DIR/pki.toml]
    manifest: Option<PathBuf>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let path = args
        .manifest
        .clone()
        .unwrap_or_else(|| global.dir.join("pki.toml"));
    let manifest = Manifest::read(&path)?;
    let plan = Plan::make(&manifest, &global.dir, now())?;
    for entry in &manifest.certificates {
        for name in &entry.repeated {
            output.notice(format_args!(
                "{}: {name} is written more than once; it stands in the certificate once.",
                entry.name
            ));
        }
    }
    for stranger in apply::strangers(&manifest, &global.dir) {
        output.notice(format_args!(
            "{} is not in the manifest and is left alone.",
            stranger.display()
        ));
    }
    if let AuthorityStep::Keep(differences) = &plan.authority {
        for difference in differences {
            output.notice(format_args!("The CA differs from the manifest ({}); a CA is not replaced in passing, so it stays as it is.", escape(difference)));
        }
    }
    if !output.json() {
        print_plan(&plan, global, output)?;
    }
    let mut issued = Vec::new();
    if !args.dry_run && !plan.is_empty() {
        // What was chosen for a new CA opens it right away: nobody is asked twice.
        let mut chosen = None;
        if plan.authority == AuthorityStep::Create {
            if manifest.encrypt_ca_keys {
                chosen = Some(args.passphrase.choose()?);
            }
            match Authority::create(
                &global.dir,
                &manifest.authority,
                chosen.as_ref(),
                now(),
                &mut patience(),
            ) {
                Ok(created) => created
                    .notices
                    .iter()
                    .for_each(|notice| output.notice(notice)),
                // Another run made it in the meantime, which is as good.
                Err(pki::Error::AuthorityExists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        issued = carry_out(&plan, global, args, chosen, output)?;
    }
    if output.json() {
        return Ok(output.document(&document(&path, &plan, args.dry_run, issued))?);
    }
    match (plan.is_empty(), args.dry_run) {
        (true, _) => output.line("Nothing to do.")?,
        (false, true) => output.line("Nothing was done: this was a dry run.")?,
        (false, false) => output.line(format_args!("Done: {} issued.", issued.len()))?,
    }
    Ok(())
}

fn carry_out(
    plan: &Plan,
    global: &Global,
    args: &Args,
    chosen: Option<Passphrase>,
    output: &mut Output,
) -> Result<Vec<(String, Issued)>, CommandError> {
    if plan
        .steps
        .iter()
        .all(|step| matches!(step.action, Action::Keep(_)))
    {
        return Ok(Vec::new());
    }
    let authority = Authority::open(&global.dir, &mut |path| match &chosen {
        Some(chosen) => Ok(chosen.clone()),
        None => args.passphrase.unlock(path),
    })?;
    let mut done = Vec::new();
    for step in &plan.steps {
        if let Some(issued) = step.take(&authority, &global.dir, now(), &mut patience())? {
            for notice in &issued.notices {
                output.notice(format_args!("{}: {notice}", step.entry.name));
            }
            done.push((step.entry.name.clone(), issued));
        }
    }
    Ok(done)
}

fn print_plan(plan: &Plan, global: &Global, output: &mut Output) -> Result<(), CommandError> {
    let width = plan
        .steps
        .iter()
        .map(|step| step.entry.name.len())
        .max()
        .unwrap_or_default()
        .max(2);
    let authority = global.dir.join(pki::authority::FOLDER);
    match &plan.authority {
        AuthorityStep::Create => {
            output.line(format_args!(
                "{GOOD}+{GOOD:#} {:width$}  new CA in {}",
                "ca",
                authority.display()
            ))?;
        }
        AuthorityStep::Keep(_) => {
            output.line(format_args!("= {:width$}  {}", "ca", authority.display()))?
        }
    }
    for Step { entry, action } in &plan.steps {
        let name = &entry.name;
        match action {
            Action::Issue => {
                let names: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
                let names = if names.is_empty() {
                    "no names".to_owned()
                } else {
                    names.join(", ")
                };
                output.line(format_args!(
                    "{GOOD}+{GOOD:#} {name:width$}  {}, {}, {} days, {names}",
                    entry.profile, entry.key, entry.days
                ))?;
            }
            Action::Replace(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(|reason| escape(reason)).collect();
                output.line(format_args!(
                    "{NOTICE}~{NOTICE:#} {name:width$}  {}",
                    reasons.join("; ")
                ))?;
            }
            Action::Keep(not_after) => {
                output.line(format_args!(
                    "= {name:width$}  valid until {}",
                    date(*not_after)
                ))?;
            }
        }
    }
    let (issue, replace, keep) = plan.counts();
    output.line(format_args!(
        "Plan: {issue} to issue, {replace} to replace, {keep} unchanged."
    ))?;
    Ok(())
}

fn document(
    path: &std::path::Path,
    plan: &Plan,
    dry_run: bool,
    issued: Vec<(String, Issued)>,
) -> Value {
    let (issue, replace, keep) = plan.counts();
    let authority = match &plan.authority {
        AuthorityStep::Create => json!({"action": "create", "differences": []}),
        AuthorityStep::Keep(differences) => json!({"action": "keep", "differences": differences}),
    };
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| {
            let (action, reasons) = match &step.action {
                Action::Issue => ("issue", &[][..]),
                Action::Replace(reasons) => ("replace", &reasons[..]),
                Action::Keep(_) => ("keep", &[][..]),
            };
            let made = issued.iter().find(|(name, _)| *name == step.entry.name);
            json!({
                "name": step.entry.name,
                "action": action,
                "reasons": reasons,
                "certificate": made.map(|(_, issued)| show::certificate_json(&issued.certificate)),
            })
        })
        .collect();
    json!({
        "manifest": path,
        "dry_run": dry_run,
        "ca": authority,
        "steps": steps,
        "issue": issue,
        "replace": replace,
        "keep": keep,
        "files": [folder::CERTIFICATE, folder::KEY, folder::ANCHOR],
    })
}
