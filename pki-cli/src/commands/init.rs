//! `pki init`: a new CA, in place of `openssl req -x509`.

use pki::{
    authority::{Authority, NewAuthority, Rehearsal, have_one_name},
    distinguished_name::DistinguishedName,
    issuer::Refusal,
    key::KeyAlgorithm,
    manifest::{DEFAULT_ISSUING_DAYS, DEFAULT_ROOT_DAYS, issuing_subject},
    text::escape,
};
use serde_json::json;

use crate::{
    Global,
    command_error::CommandError,
    commands::{now, patience},
    output::Output,
    passphrase::PassphraseArgs,
    ready_keys::ReadyKeys,
    show,
};

/// Create a CA: a root and an issuing CA below it
///
/// Writes DIR/ca with root.crt, root.key, issuing.crt, issuing.key and the index. An existing CA is never overwritten.
/// root.key is needed again for another issuing CA, to revoke one, and about twice a year for the root's CRL, once
/// something was revoked; the root's first CRL, for a year, is signed at once and kept in the index. Keep root.key
/// offline.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: pki init --subject \"/C=TR/O=Software/CN=Microservices CA\" --permit-dns microservices.dev"
)]
pub(crate) struct Args {
    /// The root's subject: /C=TR/O=Software/CN=name, or CN=name,O=Software,C=TR as RFC 4514 writes it
    #[arg(long, value_name = "NAME", default_value = "/CN=Private Root CA")]
    subject: String,
    /// The issuing CA's subject [default: the root's, with "Issuing CA" at the end of its common name]
    #[arg(long, value_name = "NAME", conflicts_with = "single_tier")]
    issuing_subject: Option<String>,
    /// One root that issues by itself, without an issuing CA
    #[arg(long)]
    single_tier: bool,
    /// The keys: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "TYPE", default_value = "p256", value_parser = crate::words::key(), hide_possible_values = true)]
    key: KeyAlgorithm,
    /// The root's validity
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true, default_value_t = DEFAULT_ROOT_DAYS)]
    days: u32,
    /// The issuing CA's validity [default: 1826, or the root's when that is shorter]
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true, conflicts_with = "single_tier")]
    issuing_days: Option<u32>,
    /// Bind the DNS names for which the CA may issue to this domain and what is below it (name constraints); may be given
    /// several times. IP addresses, URIs and email addresses are not bound
    #[arg(long, value_name = "DOMAIN")]
    permit_dns: Vec<String>,
    /// Print what would be made, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Encrypt the CA's keys (PKCS#8, scrypt and AES-256)
    #[arg(long, help_heading = "Passphrase")]
    encrypt_key: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let subject = parse_subject(&args.subject, output)?;
    let issuing = match &args.issuing_subject {
        _ if args.single_tier => None,
        Some(given) => Some(parse_subject(given, output)?),
        None => Some(issuing_subject(&subject).map_err(|error| {
            CommandError::from(error).hint("name the issuing CA yourself with --issuing-subject")
        })?),
    };
    if issuing
        .as_ref()
        .is_some_and(|issuing| have_one_name(issuing, &subject))
    {
        // Before anybody is asked for a passphrase.
        let error = pki::Error::from(Refusal::SameName(subject.to_string()));
        return Err(
            CommandError::from(error).hint("name the issuing CA yourself with --issuing-subject")
        );
    }
    let new = NewAuthority {
        subject,
        issuing_subject: issuing,
        key: args.key,
        days: args.days,
        issuing_days: args
            .issuing_days
            .unwrap_or_else(|| DEFAULT_ISSUING_DAYS.min(args.days)),
        permitted_dns: args.permit_dns.clone(),
    };
    // Before anybody is asked for a passphrase.
    Authority::refuse_another(&global.dir)?;
    let passphrase = if args.encrypt_key {
        Some(args.passphrase.choose()?)
    } else {
        args.passphrase
            .refuse_clear_keys("add --encrypt-key", output)?;
        None
    };
    let created = if args.dry_run {
        Rehearsal::create(&global.dir, &new, passphrase.as_ref(), now())?
    } else {
        let tiers = 1 + usize::from(new.issuing_subject.is_some());
        let keys =
            ReadyKeys::make(std::iter::repeat_n(new.key, tiers)).map_err(pki::Error::from)?;
        Authority::create_with(
            &global.dir,
            &new,
            &mut |algorithm| keys.take(algorithm),
            passphrase.as_ref(),
            now(),
            &mut patience(),
        )?
    };
    for notice in &created.notices {
        output.notice(notice);
    }
    let document = match args.dry_run {
        true => show::draft_json,
        false => show::certificate_json,
    };
    let lines = match args.dry_run {
        true => show::draft_lines,
        false => show::certificate_lines,
    };
    if output.json() {
        return Ok(output.document(&json!({
            "dry_run": args.dry_run,
            "folder": show::path_json(&created.folder),
            "root": document(&created.root),
            "issuing": created.issuing.as_ref().map(document),
            "permit_dns": new.permitted_dns,
            "notices": created.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?);
    }
    let made = if args.dry_run {
        "Would create"
    } else {
        "Created"
    };
    output.line(format_args!(
        "{made} a CA in {}",
        escape(&created.folder.to_string_lossy())
    ))?;
    output.line("root")?;
    lines(output, &created.root)?;
    if let Some(issuing) = &created.issuing {
        output.line("issuing CA")?;
        lines(output, issuing)?;
    }
    if !new.permitted_dns.is_empty() {
        output.line(format_args!(
            "bound to {} and what is below, in DNS names only: IP addresses, URIs and email addresses are not bound",
            new.permitted_dns.join(", ")
        ))?;
    }
    if args.dry_run {
        output.line(show::NOTHING_WAS_DONE)?;
    }
    Ok(())
}

/// The subject of an end entity: as given, or its name as the common name.
pub(super) fn subject_or_name(
    given: Option<&str>,
    name: &str,
    output: &mut Output,
) -> Result<DistinguishedName, CommandError> {
    match given {
        Some(given) => parse_subject(given, output),
        None => Ok(DistinguishedName::common_name(name).map_err(pki::Error::from)?),
    }
}

/// A subject from the command line. In RFC 4514 the last part comes first, and people write it the other way round.
pub(super) fn parse_subject(
    text: &str,
    output: &mut Output,
) -> Result<DistinguishedName, CommandError> {
    let subject = DistinguishedName::parse(text).map_err(pki::Error::from)?;
    subject.check().map_err(pki::Error::from)?;
    let is_rfc_4514 = !text.starts_with('/');
    let ends_with_country = subject.attributes().count() > 1
        && subject
            .attributes()
            .last()
            .is_some_and(|last| last.name == "C");
    if is_rfc_4514 && ends_with_country {
        output.notice(format_args!(
            "RFC 4514 writes the last part of a name first, so this subject is {}. If you meant the other order, write it with slashes.",
            subject.to_slashes()
        ));
    }
    Ok(subject)
}
