//! What `pki renew` and `pki rekey` have in common: which certificates, the plan, its steps one by one, and the report.

use pki::{
    Error,
    authority::{Authority, Issued},
    folder,
    index::timestamp,
    issuer::date,
    manifest::check_name,
    renewal::{Candidate, KeyBeside, Known, Outcome, RenewalRefused, Standing, Terms},
    text::escape,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::CommandError,
    commands::{now, patience},
    output::{ERROR, NOTICE, Output},
    passphrase::{NewKeysArgs, PassphraseArgs},
    period::Period,
    show,
};

/// Which certificates, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RenewalArgs {
    /// The folders below DIR
    #[arg(
        value_name = "NAME",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    names: Vec<String>,
    /// Every folder below DIR with a certificate that this CA issued; revoked ones are left alone
    #[arg(long)]
    all: bool,
    /// Only what expires within this time, as in 20d or 36h; the rest is left as it is
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    expiring: Option<Period>,
    /// The validity [default: as long as the present certificate's]
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true)]
    days: Option<u32>,
    /// Renew although the present certificate has extensions or key usages that are not given: they are dropped, and shown
    #[arg(long)]
    allow_dropped: bool,
    /// Print what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl RenewalArgs {
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            within: self.expiring.map(|Period(within)| within),
            days: self.days,
            allow_dropped: self.allow_dropped,
            leave_revoked: self.all,
            ..Terms::default()
        }
    }
}

/// One certificate of the report.
struct Item {
    name: String,
    state: State,
}

enum State {
    NotDue(OffsetDateTime),
    Due(Box<Candidate>),
    Done(Box<Candidate>, Box<Issued>),
    /// With `--all`: not ours to renew, for this reason.
    Skipped(String),
    Failed(Error),
}

/// `done` is what was done to a certificate: "renewed" or "rekeyed". Passphrases of new keys are asked for when there are
/// new keys.
pub(crate) fn run(
    global: &Global,
    args: &RenewalArgs,
    (terms, new_keys): (&Terms, Option<&NewKeysArgs>),
    done: &str,
    output: &mut Output,
) -> Result<(), CommandError> {
    let mut names = args.names.clone();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.iter().try_for_each(|name| check_name(name))?;
    let known = Known::open(&global.dir)?;
    if args.all {
        names = Known::folders(&global.dir)?;
    }
    let mut items: Vec<_> = names
        .into_iter()
        .map(|name| {
            let state = look(global, args, &known, terms, &name);
            Item { name, state }
        })
        .collect();
    for item in &items {
        tell_of(item, terms, &known, output);
    }
    if !args.dry_run {
        take(global, args, (terms, new_keys), &known, &mut items, output)?;
    }
    report(args, done, items, output)
}

fn look(global: &Global, args: &RenewalArgs, known: &Known, terms: &Terms, name: &str) -> State {
    let (now, path) = (now(), global.dir.join(name));
    match Standing::read(known, &path, terms, now) {
        Ok(Standing::NotDue(end)) => State::NotDue(end),
        Ok(Standing::Due(candidate)) => match candidate
            .check(known, now)
            .and_then(|()| Ok(folder::check(&path)?))
        {
            Ok(()) => State::Due(candidate),
            Err(error) => State::Failed(error),
        },
        Err(error) => not_renewed(error, args.all),
    }
}

/// What is not ours to renew is no failure when all are to be renewed, whether that was so before or has become so while
/// this command was at work.
fn not_renewed(error: Error, all: bool) -> State {
    match error {
        Error::Renewal(RenewalRefused::Revoked(_)) if all => State::Skipped("revoked".to_owned()),
        Error::Renewal(RenewalRefused::AnotherAuthority { .. }) if all => {
            State::Skipped("not issued by this CA".to_owned())
        }
        error => State::Failed(error),
    }
}

/// What a person should know before it is done.
fn tell_of(item: &Item, terms: &Terms, known: &Known, output: &mut Output) {
    let State::Due(candidate) = &item.state else {
        return;
    };
    let name = &item.name;
    for dropped in &candidate.carried.dropped {
        output.notice(format_args!(
            "{name}: {} is not given any more.",
            escape(dropped)
        ));
    }
    if candidate.ends_with_authority && terms.days.is_none() {
        output.notice(format_args!(
            "{name}: The certificate ended with its CA, perhaps earlier than was once asked for; its successor gets the same {} days. Ask for others with --days.",
            candidate.carried.days
        ));
    }
    let (before, after) = (candidate.certificate.issuer(), known.issuer().subject());
    if before != after {
        output.notice(format_args!(
            "{name}: It was issued by {}, and now {} issues.",
            before.shown(),
            after.shown()
        ));
    }
}

fn take(
    global: &Global,
    args: &RenewalArgs,
    (terms, new_keys): (&Terms, Option<&NewKeysArgs>),
    known: &Known,
    items: &mut [Item],
    output: &mut Output,
) -> Result<(), CommandError> {
    let is_encrypted = |item: &Item| match &item.state {
        State::Due(candidate) => {
            Some(candidate.key == KeyBeside::Encrypted || new_keys?.are_given())
        }
        _ => None,
    };
    if !items.iter().any(|item| matches!(item.state, State::Due(_))) {
        return Ok(());
    }
    // Everything that may be asked for is asked for before the first file.
    let mut passphrase = None;
    if let Some(new_keys) = new_keys {
        if items.iter().any(|item| is_encrypted(item) == Some(false)) {
            new_keys.tell_of_clear_keys(output);
        }
        if let Some(first) = items.iter().find(|item| is_encrypted(item) == Some(true)) {
            let why = format!("The new key of {} is to be encrypted", first.name);
            passphrase = Some(new_keys.choose(&why)?);
        }
    }
    let authority = Authority::open(&global.dir, &mut |path| args.passphrase.unlock(path))?;
    output.notices(authority.taken_over());
    for item in items {
        let encrypted = is_encrypted(item) == Some(true);
        let passphrase = passphrase.as_ref().filter(|_| encrypted);
        let State::Due(candidate) = &item.state else {
            continue;
        };
        let known = (&authority, known);
        let taken = candidate.take(known, &item.name, terms, passphrase, now(), &mut patience());
        item.state = match taken {
            Ok(Outcome::Renewed(issued)) => {
                for notice in &issued.notices {
                    output.notice(format_args!("{}: {notice}", item.name));
                }
                State::Done(candidate.clone(), issued)
            }
            Ok(Outcome::NotDue(end)) => State::NotDue(end),
            // The others are done all the same.
            Err(error) => not_renewed(error, args.all),
        };
    }
    Ok(())
}

fn report(
    args: &RenewalArgs,
    done: &str,
    items: Vec<Item>,
    output: &mut Output,
) -> Result<(), CommandError> {
    let count = items.len();
    let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let lines: Vec<_> = items.iter().map(|item| line(item, width, done)).collect();
    let documents: Vec<_> = items.iter().map(|item| document(item, done)).collect();
    let of = |action: &str| {
        documents
            .iter()
            .filter(|one| one["action"] == action)
            .count()
    };
    let counts = [done, "due", "not-due", "skipped", "failed"].map(of);
    let failures: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item.state {
            State::Failed(error) => Some((item.name, error)),
            _ => None,
        })
        .collect();
    let failure = failure(failures, count, args.all, done);
    // A single failure of what was named is the whole answer.
    if failure.is_some() && count == 1 && !args.all {
        return failure.map_or(Ok(()), Err);
    }
    let [made, due, not_due, skipped, failed] = counts;
    if output.json() {
        let mut whole = json!({
            "dry_run": args.dry_run,
            "certificates": documents,
            done: made,
            "due": due,
            "not_due": not_due,
            "skipped": skipped,
            "failed": failed,
        });
        if let Some(error) = &failure {
            whole["error"] = error.to_json();
        }
        output.document(&whole)?;
        return failure.map_or(Ok(()), |error| Err(error.told_in_json()));
    }
    for line in lines {
        output.line(line)?;
    }
    match (args.dry_run, made + due + failed) {
        (true, _) => output.line("Nothing was done: this was a dry run.")?,
        (false, 0) => output.line("Nothing is due.")?,
        (false, _) => output.line(format_args!("Done: {made} {done}, {not_due} not due."))?,
    }
    failure.map_or(Ok(()), Err)
}

/// One error for all that failed; its kind, and exit code, is that of the first.
fn failure(
    failures: Vec<(String, Error)>,
    count: usize,
    all: bool,
    done: &str,
) -> Option<CommandError> {
    let mut failures: Vec<_> = failures
        .into_iter()
        .map(|(name, error)| (name, with_fix(error)))
        .collect();
    if count == 1 && !all {
        return failures.pop().map(|(_, error)| error);
    }
    let kind = failures.first()?.1.kind();
    let number = failures.len();
    let message = format!("{number} of {count} certificates could not be {done}.");
    Some(
        failures
            .into_iter()
            .fold(CommandError::new(kind, message), |whole, (name, error)| {
                let whole = whole.hint(format_args!("{name}: {error}"));
                error.hints().iter().fold(whole, CommandError::hint)
            }),
    )
}

fn with_fix(error: Error) -> CommandError {
    let is_weak = matches!(error, Error::Refused(pki::issuer::Refusal::WeakKey(_)));
    let error = CommandError::from(error);
    match is_weak {
        true => error.hint("a new key is made with pki rekey --key p256"),
        false => error,
    }
}

fn line(item: &Item, width: usize, done: &str) -> String {
    let name = format!("{:width$}", item.name);
    match &item.state {
        State::NotDue(end) => format!("= {name}  not due: valid until {}", date(*end)),
        State::Skipped(reason) => format!("- {name}  left alone: {reason}"),
        State::Failed(_) => format!("{ERROR}!{ERROR:#} {name}  not {done}"),
        State::Due(candidate) => format!(
            "{NOTICE}~{NOTICE:#} {name}  would be {done}: valid until {}",
            date(candidate.certificate.not_after())
        ),
        State::Done(candidate, issued) => format!(
            "{NOTICE}~{NOTICE:#} {name}  {done}: valid until {} and not {}, serial {}",
            date(issued.certificate.not_after()),
            date(candidate.certificate.not_after()),
            issued.certificate.serial()
        ),
    }
}

fn document(item: &Item, done: &str) -> Value {
    let mut one = json!({ "name": item.name });
    match &item.state {
        State::NotDue(end) => {
            one["action"] = json!("not-due");
            one["not_after"] = json!(timestamp(*end));
        }
        State::Skipped(reason) => {
            one["action"] = json!("skipped");
            one["reason"] = json!(reason);
        }
        State::Failed(error) => {
            one["action"] = json!("failed");
            one["reason"] = json!(error.to_string());
        }
        State::Due(candidate) => {
            one["action"] = json!("due");
            one["not_after"] = json!(timestamp(candidate.certificate.not_after()));
            one["days"] = json!(candidate.carried.days);
            one["dropped"] = json!(candidate.carried.dropped);
        }
        State::Done(candidate, issued) => {
            one["action"] = json!(done);
            one["replaced"] = json!(candidate.certificate.serial());
            one["dropped"] = json!(candidate.carried.dropped);
            one["certificate"] = show::certificate_json(&issued.certificate);
            one["notices"] = issued.notices.iter().map(ToString::to_string).collect();
        }
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_meanwhile_fails_only_where_it_was_named() {
        let revoked = || Error::from(RenewalRefused::Revoked("certs/d/tls.crt".into()));
        let all = not_renewed(revoked(), true);
        assert!(matches!(all, State::Skipped(reason) if reason == "revoked"));
        assert!(matches!(not_renewed(revoked(), false), State::Failed(_)));
    }
}
