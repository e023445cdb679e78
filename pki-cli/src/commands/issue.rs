//! `pki issue`: a key and a certificate for it in one step.

use std::path::{Path, PathBuf};

use pki::{
    apply::{has_encrypted_key, write_pair},
    authority::{Order, pem_of},
    distinguished_name::DistinguishedName,
    folder::{self, CERTIFICATE, Folder, KEY},
    key::{KeyAlgorithm, PrivateKey, PublicKey},
    manifest::DEFAULT_DAYS,
    profile::Profile,
    subject_alt_name::GeneralName,
};
use serde_json::json;

use crate::{
    Global,
    command_error::CommandError,
    commands::{
        AuthorityArgs, NamesArgs, end_entity_folder, init::subject_or_name, now, patience,
        tell_of_lists_elsewhere,
    },
    output::Output,
    passphrase::KeyPassphraseArgs,
    show,
};

/// Make a key and issue a certificate for it
///
/// Writes DIR/NAME with tls.crt (the certificate, then the issuing CA), tls.key and ca.crt (the root): certificate and
/// key together or not at all. An existing pair is replaced only with --force.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: pki issue payment --dns payment.microservices.dev --ip 127.0.0.1 --uri spiffe://microservices.dev/payment"
)]
pub(crate) struct Args {
    /// The folder below DIR, and the common name unless --subject is given
    name: String,
    /// The role: server, client or peer (a service that is called and calls)
    #[arg(long, default_value = "server", value_parser = crate::words::profile(), hide_possible_values = true)]
    profile: Profile,
    #[command(flatten)]
    names: NamesArgs,
    /// The subject [default: /CN=NAME]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// The validity
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true, default_value_t = DEFAULT_DAYS)]
    days: u32,
    /// The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "TYPE", default_value = "p256", value_parser = crate::words::key(), hide_possible_values = true)]
    key: KeyAlgorithm,
    /// Write to this folder instead of DIR/NAME
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace the pair that is there
    #[arg(long)]
    force: bool,
    /// Print what would be issued, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    passphrase: KeyPassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let path = end_entity_folder(global, &args.name, args.out.as_deref())?;
    let subject = subject_or_name(args.subject.as_deref(), &args.name, output)?;
    let names = args.names.read(output)?;
    let refuse_existing = || {
        if !args.force && folder::holds_any(&path, &[CERTIFICATE, KEY])? {
            Err(pki::Error::PairExists(path.clone()))
        } else {
            Ok(())
        }
    };
    refuse_existing()?;
    if args.dry_run {
        return rehearse(global, args, (&path, &subject, &names), output);
    }
    let authority = args.authority.open(global, output)?;
    let passphrase = args.passphrase.choose(output)?;
    // The key first: it may take seconds, and nobody should wait for the folder meanwhile.
    let key = PrivateKey::generate(args.key).map_err(pki::Error::from)?;
    let pem = pem_of(&key, passphrase.as_ref()).map_err(pki::Error::from)?;

    let folder = Folder::lock(&path, &mut patience()).map_err(pki::Error::from)?;
    refuse_existing()?;
    tell_of_clear_key(&path, passphrase.is_some(), output)?;
    let issued = authority.issue(&order(args, &subject, &names, key.public()), now())?;
    write_pair(folder, &issued, pem.as_bytes())?;

    for notice in &issued.notices {
        output.notice(notice);
    }
    tell_of_lists_elsewhere(global, &path, &issued, output);
    if output.json() {
        return Ok(output.document(&show::issued_json(&args.name, &path, &issued))?);
    }
    output.line(format_args!("Issued {} ({})", args.name, args.profile))?;
    Ok(show::issued_lines(output, &path, &issued)?)
}

fn order<'a>(
    args: &'a Args,
    subject: &'a DistinguishedName,
    names: &'a [GeneralName],
    public_key: &'a PublicKey,
) -> Order<'a> {
    Order {
        name: args.out.is_none().then_some(&args.name),
        profile: args.profile,
        subject,
        names,
        public_key,
        days: args.days,
    }
}

fn tell_of_clear_key(
    path: &Path,
    is_encrypted: bool,
    output: &mut Output,
) -> Result<(), CommandError> {
    if !is_encrypted && has_encrypted_key(path)? {
        output.notice(format_args!(
            "The key that {path:?} held was encrypted, and the one in its place is not; to have encryption, repeat this with --encrypt-key."
        ));
    }
    Ok(())
}

/// Everything that could be refused, with a key that is thrown away.
fn rehearse(
    global: &Global,
    args: &Args,
    (path, subject, names): (&Path, &DistinguishedName, &[GeneralName]),
    output: &mut Output,
) -> Result<(), CommandError> {
    let authority = args.authority.rehearse(global, output)?;
    let passphrase = args.passphrase.choose(output)?;
    folder::check(path).map_err(pki::Error::from)?;
    tell_of_clear_key(path, passphrase.is_some(), output)?;
    let key = PrivateKey::generate(args.key).map_err(pki::Error::from)?;
    let draft = authority.issue(&order(args, subject, names, key.public()), now())?;
    if !output.json() {
        output.line(format_args!("Would issue {} ({})", args.name, args.profile))?;
    }
    let files = [CERTIFICATE, KEY, folder::ANCHOR];
    Ok(show::draft(
        output,
        (&args.name, path),
        &draft,
        &files,
        json!({}),
    )?)
}
