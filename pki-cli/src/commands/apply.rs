//! `pki apply`: makes reality match the manifest.

use std::{collections::BTreeMap, path::PathBuf};

use pki::{
    apply::{self, Action, AuthorityStep, Plan, Step},
    authority::Authority,
    folder::{self, FolderError},
    issuer::date,
    key::Passphrase,
    manifest::Manifest,
    revocation::{self as crl, Due, Refreshed},
    text::escape,
};
use serde_json::{Value, json};

use crate::{
    Global, bulk,
    command_error::{CommandError, Kind},
    commands::{
        now, patience,
        revocation::{self, Outstanding},
    },
    output::{GOOD, NOTICE, Output},
    passphrase::{NewKeysArgs, PassphraseArgs, Remembered},
    ready_keys::ReadyKeys,
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
    #[command(flatten)]
    new_keys: NewKeysArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let path = args
        .manifest
        .clone()
        .unwrap_or_else(|| global.dir.join("pki.toml"));
    let manifest = Manifest::read(&path).map_err(|error| match error {
        pki::Error::Folder(FolderError::Missing(_)) => CommandError::new(
            Kind::NotFound,
            format_args!("There is no manifest {path:?}."),
        )
        .hint("name it: pki apply FILE. A manifest is pki.toml with [ca] and one [certificate.NAME] for each certificate"),
        other => other.into(),
    })?;
    let plan = Plan::make_in_parts(&manifest, &global.dir, now(), &bulk::compare)?;
    for entry in &manifest.certificates {
        for name in &entry.repeated {
            output.notice(format_args!(
                "{}: {name} is written more than once; it stands in the certificate once.",
                entry.name
            ));
        }
    }
    tell_of_strangers(&apply::strangers(&manifest, &global.dir), output);
    if let AuthorityStep::Keep(differences) = &plan.authority
        && !differences.is_empty()
    {
        let differences: Vec<_> = differences.iter().map(|one| escape(one)).collect();
        output.notice(format_args!(
            "The CA in {} is not the one of the manifest, and stays as it is: a CA is not replaced in passing. In the CA → in the manifest: {}. Write into [ca] what the CA has, or move the CA's folder away to have a new CA made.",
            escape(&global.dir.join(pki::authority::FOLDER).to_string_lossy()),
            differences.join("; ")
        ));
    }
    if plan.authority == AuthorityStep::Create && !manifest.encrypt_ca_keys {
        args.passphrase.refuse_clear_keys(
            "write \"encrypt_key = true\" below [ca] in the manifest",
            output,
        )?;
    }
    if plan
        .steps
        .iter()
        .any(|step| step.makes_key() && !is_to_be_encrypted(step, args))
    {
        args.new_keys.tell_of_clear_keys(output);
    }
    let crls = match plan.authority {
        AuthorityStep::Keep(_) => Outstanding::find(&global.dir, output)?,
        AuthorityStep::Create => None,
    };
    let is_empty = plan.is_empty() && crls.is_none();
    if !output.json() {
        print_plan(&plan, crls.as_ref(), global, args, output)?;
    }
    let crls_json = crls.as_ref().map(Outstanding::json);
    let mut refreshed = Refreshed::default();
    let mut unlock = Remembered::new(&args.passphrase);
    let mut issued = Done::default();
    // From the first step on a failure does not hide what was done.
    let mut outcome = Ok(());
    let mut is_made = false;
    if !args.dry_run {
        plan.settle(&global.dir)?;
    }
    if !args.dry_run && !plan.is_empty() {
        // Everything that may be asked for is asked for before the first file.
        let key_passphrase = plan
            .steps
            .iter()
            .find(|step| step.makes_key() && is_to_be_encrypted(step, args))
            .map(|step| {
                args.new_keys.choose(&format!(
                    "The new key of {} is to be encrypted",
                    step.entry.name
                ))
            })
            .transpose()?;
        // What was chosen for a new CA opens it right away: nobody is asked twice.
        let mut chosen = None;
        let mut keys = ReadyKeys::default();
        if plan.authority == AuthorityStep::Create {
            if manifest.encrypt_ca_keys {
                chosen = Some(args.passphrase.choose()?);
            }
            // All keys that take long at once, the CA's and those below it.
            let authority = &manifest.authority;
            let tiers = 1 + usize::from(authority.issuing_subject.is_some());
            let below = plan.steps.iter().map(|step| step.entry.key);
            keys = ReadyKeys::make(std::iter::repeat_n(authority.key, tiers).chain(below))
                .map_err(pki::Error::from)?;
            match Authority::create_with(
                &global.dir,
                authority,
                &mut |algorithm| keys.take(algorithm),
                chosen.as_ref(),
                now(),
                &mut patience(),
            ) {
                Ok(created) => {
                    is_made = true;
                    created
                        .notices
                        .iter()
                        .for_each(|notice| output.notice(notice));
                }
                // Another run made it in the meantime, which is as good.
                Err(pki::Error::AuthorityExists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let passphrases = Passphrases {
            authority: chosen,
            key: key_passphrase,
        };
        outcome = carry_out(
            &plan,
            global,
            args,
            (&passphrases, &mut unlock),
            &keys,
            (&mut issued, output),
        );
    }
    if let (Some(crls), false, true) = (crls, args.dry_run, outcome.is_ok()) {
        outcome = match crls.take(&mut |path| unlock.unlock(path), output) {
            Ok(done) => {
                refreshed = done;
                Ok(())
            }
            Err(error) => Err(error),
        };
    }
    let is_cut_short = outcome.is_err();
    let failure = match outcome {
        Ok(()) => revocation::failure(&refreshed, output),
        Err(error) => Some(error),
    };
    if output.json() {
        let mut document = document(&path, &plan, args, &issued);
        document["crls"] = json!(crls_json);
        return revocation::document(document, failure, output);
    }
    let done = in_words(is_made, &issued, &refreshed);
    match (is_empty, args.dry_run) {
        _ if is_cut_short => {
            if let Some(done) = done {
                output.line(format_args!("Done before the failure: {done}."))?;
            }
        }
        (true, _) => output.line("Nothing to do.")?,
        (false, true) => output.line("Nothing was done: this was a dry run.")?,
        (false, false) => {
            let done = done.unwrap_or_else(|| "0 issued".to_owned());
            output.line(format_args!("Done: {done}."))?;
        }
    }
    failure.map_or(Ok(()), Err)
}

/// What was done, as half a sentence; `None` when nothing was.
fn in_words(is_made: bool, done: &Done, refreshed: &Refreshed) -> Option<String> {
    let is_signed = |due: &&Due| matches!(due.action, crl::Action::Sign(_));
    let signed = refreshed.lists.iter().filter(is_signed).count();
    if !is_made && (done.count, done.trusts, signed) == (0, 0, 0) {
        return None;
    }
    let made = if is_made { "a new CA, " } else { "" };
    let trusts = match done.trusts {
        0 => String::new(),
        trusts => format!(", the trust of {trusts} renewed"),
    };
    let crls = match signed {
        0 => String::new(),
        1 => ", 1 CRL signed".to_owned(),
        signed => format!(", {signed} CRLs signed"),
    };
    Some(format!("{made}{} issued{trusts}{crls}", done.count))
}

/// One line, however many there are: it is said on every run.
fn tell_of_strangers(strangers: &[PathBuf], output: &mut Output) {
    const SHOWN: usize = 5;
    let mut names: Vec<_> = strangers
        .iter()
        .take(SHOWN)
        .map(|path| escape(&path.to_string_lossy()))
        .collect();
    match strangers {
        [] => {}
        [_] => output.notice(format_args!(
            "{} is not in the manifest and is left alone.",
            names.join("")
        )),
        many => {
            if many.len() > SHOWN {
                names.push(format!("and {} more", many.len() - SHOWN));
            }
            output.notice(format_args!(
                "{} folders are not in the manifest and are left alone: {}.",
                many.len(),
                names.join(", ")
            ));
        }
    }
}

/// Whether that key is written encrypted: as its forerunner was, or because all are to be.
fn is_to_be_encrypted(step: &Step, args: &Args) -> bool {
    step.is_encrypted || args.new_keys.are_given()
}

/// What was issued.
#[derive(Default)]
struct Done {
    count: usize,
    /// Folders in which only the trust was renewed.
    trusts: usize,
    /// By name, when it is shown.
    shown: BTreeMap<String, Value>,
}

/// What was typed or read for this run.
struct Passphrases {
    /// Of the new CA.
    authority: Option<Passphrase>,
    /// Of new keys that are to be encrypted.
    key: Option<Passphrase>,
}

fn carry_out(
    plan: &Plan,
    global: &Global,
    args: &Args,
    (passphrases, unlock): (&Passphrases, &mut Remembered<'_>),
    keys: &ReadyKeys,
    (done, output): (&mut Done, &mut Output),
) -> Result<(), CommandError> {
    for step in &plan.steps {
        done.trusts += usize::from(step.trust(&global.dir, now(), &mut patience())?);
    }
    if !plan.steps.iter().any(Step::makes_key) {
        return Ok(());
    }
    let mut authority = Authority::open(&global.dir, &mut |path| match &passphrases.authority {
        Some(chosen) => Ok(chosen.clone()),
        None => unlock.unlock(path),
    })?;
    output.notices(authority.taken_over());
    let passphrase = |step: &Step| {
        passphrases
            .key
            .as_ref()
            .filter(|_| is_to_be_encrypted(step, args))
    };
    let due = plan.steps.iter().filter(|step| step.makes_key()).count();
    let is_shown = output.json();
    let outcome = bulk::take(
        &plan.steps,
        &mut authority,
        &global.dir,
        keys,
        &passphrase,
        // Of ten thousand certificates nothing is kept that is not shown.
        &|made| {
            let shown = is_shown.then(|| show::certificate_json(&made.certificate));
            (made.step, made.notices.clone(), shown)
        },
        &mut |(step, notices, shown)| {
            let name = &step.entry.name;
            for notice in &notices {
                output.notice(format_args!("{name}: {notice}"));
            }
            done.count += 1;
            if let Some(shown) = shown {
                done.shown.insert(name.clone(), shown);
            }
            output.progress("issued", done.count, due);
        },
    );
    output.end_progress();
    Ok(outcome?)
}

fn print_plan(
    plan: &Plan,
    crls: Option<&Outstanding>,
    global: &Global,
    args: &Args,
    output: &mut Output,
) -> Result<(), CommandError> {
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
                escape(&authority.to_string_lossy())
            ))?;
        }
        AuthorityStep::Keep(_) => {
            output.line(format_args!(
                "= {:width$}  {}",
                "ca",
                escape(&authority.to_string_lossy())
            ))?;
        }
    }
    for step in &plan.steps {
        let entry = &step.entry;
        let name = &entry.name;
        let encrypted = if is_to_be_encrypted(step, args) {
            "; the new key is encrypted"
        } else {
            ""
        };
        match &step.action {
            Action::Issue => {
                let names: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
                let names = if names.is_empty() {
                    "no names".to_owned()
                } else {
                    names.join(", ")
                };
                output.line(format_args!(
                    "{GOOD}+{GOOD:#} {name:width$}  {}, {}, {} days, {names}{encrypted}",
                    entry.profile, entry.key, entry.days
                ))?;
            }
            Action::Replace(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(|reason| escape(reason)).collect();
                output.line(format_args!(
                    "{NOTICE}~{NOTICE:#} {name:width$}  {}{encrypted}",
                    reasons.join("; ")
                ))?;
            }
            Action::Trust(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(|reason| escape(reason)).collect();
                output.line(format_args!(
                    "{NOTICE}~{NOTICE:#} {name:width$}  {}; the certificate stays",
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
    if let Some(crls) = crls {
        crls.lines(width, output)?;
    }
    let (issue, replace, keep) = plan.counts();
    let authority = match &plan.authority {
        AuthorityStep::Create => "a new CA, ",
        AuthorityStep::Keep(_) => "",
    };
    output.line(format_args!(
        "Plan: {authority}{issue} to issue, {replace} to replace, {keep} unchanged{}.",
        match plan.trusts() {
            0 => String::new(),
            trusts => format!(", {trusts} of them to be given other roots"),
        }
    ))?;
    Ok(())
}

fn document(path: &std::path::Path, plan: &Plan, args: &Args, issued: &Done) -> Value {
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
                Action::Trust(reasons) => ("trust", &reasons[..]),
                Action::Keep(_) => ("keep", &[][..]),
            };
            json!({
                "name": step.entry.name,
                "action": action,
                "reasons": reasons,
                "key_is_encrypted": step.is_encrypted || step.makes_key() && is_to_be_encrypted(step, args),
                "certificate": issued.shown.get(&step.entry.name),
            })
        })
        .collect();
    json!({
        "manifest": show::path_json(path),
        "dry_run": args.dry_run,
        "ca": authority,
        "steps": steps,
        "issue": issue,
        "replace": replace,
        "keep": keep,
        "files": [folder::CERTIFICATE, folder::KEY, folder::ANCHOR],
    })
}
