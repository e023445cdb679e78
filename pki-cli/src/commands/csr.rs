//! `pki csr`: a key and a request for it, in place of `openssl req -newkey`. The key never leaves the host.

use std::path::PathBuf;

use pki::{
    apply::has_encrypted_key,
    authority::pem_of,
    certificate_request::CertificateRequest,
    folder::{self, Entry, Folder},
    key::{KeyAlgorithm, PrivateKey},
    profile::Profile,
    text::escape,
};
use serde_json::json;

use crate::{
    Global,
    command_error::CommandError,
    commands::{NamesArgs, end_entity_folder, init::subject_or_name, patience},
    output::Output,
    passphrase::KeyPassphraseArgs,
    show::{self, NOTHING_WAS_DONE},
};

/// Make a key and a certificate request for it
///
/// Writes DIR/NAME with tls.key and tls.csr. Take tls.csr to the CA, sign it there with `pki sign`, and bring tls.crt
/// and ca.crt back; the key stays where it was made.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: pki csr payment --subject \"/O=Software/OU=PaymentService/CN=payment.microservices.dev\" --dns payment.microservices.dev"
)]
pub(crate) struct Args {
    /// The folder below DIR, and the common name unless --subject is given
    name: String,
    /// The subject [default: /CN=NAME]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    #[command(flatten)]
    names: NamesArgs,
    /// Ask for this role: server, client or peer (a service that is called and calls)
    #[arg(long, value_parser = crate::words::profile(), hide_possible_values = true)]
    profile: Option<Profile>,
    /// The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "TYPE", default_value = "p256", value_parser = crate::words::key(), hide_possible_values = true)]
    key: KeyAlgorithm,
    /// Write to this folder instead of DIR/NAME
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Throw away the key, and the certificate, that are there
    #[arg(long)]
    force: bool,
    /// Print what would be made, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    passphrase: KeyPassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let path = end_entity_folder(global, &args.name, args.out.as_deref())?;
    let subject = subject_or_name(args.subject.as_deref(), &args.name, output)?;
    let names = args.names.read(output)?;
    refuse_existing(&path, args.force)?;
    let passphrase = args.passphrase.choose(output)?;
    let key = PrivateKey::generate(args.key).map_err(pki::Error::from)?;
    let request = CertificateRequest::create(&key, &subject, &names, args.profile)
        .map_err(pki::Error::from)?;
    let pem = pem_of(&key, passphrase.as_ref()).map_err(pki::Error::from)?;

    let folder = match args.dry_run {
        true => {
            folder::check(&path).map_err(pki::Error::from)?;
            None
        }
        false => Some(Folder::lock(&path, &mut patience()).map_err(pki::Error::from)?),
    };
    refuse_existing(&path, args.force)?;
    if passphrase.is_none() && has_encrypted_key(&path)? {
        output.notice(format_args!(
            "The key that {path:?} held was encrypted, and the one in its place is not; to have encryption, repeat this with --encrypt-key."
        ));
    }
    if folder::is_there(&path.join(folder::CERTIFICATE)).map_err(pki::Error::from)? {
        output.notice(format_args!(
            "The certificate in {} belonged to the key that was thrown away, so it was taken away as well.",
            escape(&path.to_string_lossy())
        ));
    }
    if let Some(folder) = folder {
        let files = [
            Entry::private(folder::KEY, pem.as_bytes()),
            Entry::public(folder::REQUEST, &request),
        ];
        folder
            .replace(&files, &[folder::CERTIFICATE, folder::ANCHOR])
            .map_err(pki::Error::from)?;
    }
    if output.json() {
        return Ok(output.document(&json!({
            "dry_run": args.dry_run,
            "name": args.name,
            "folder": show::path_json(&path),
            "subject": subject.to_string(),
            "names": names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "key": key.public().to_string(),
            "request": show::path_json(&path.join(folder::REQUEST)),
            // In a dry run its key is thrown away.
            "pem": (!args.dry_run).then_some(request),
        }))?);
    }
    let made = if args.dry_run { "Would make" } else { "Made" };
    output.line(format_args!(
        "{made} a key and a request in {}",
        escape(&path.to_string_lossy())
    ))?;
    output.line(format_args!("  subject  {}", subject.shown()))?;
    if !names.is_empty() {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        output.line(format_args!("  names    {}", names.join(", ")))?;
    }
    output.line(format_args!("  key      {}", key.public()))?;
    if args.dry_run {
        return Ok(output.line(NOTHING_WAS_DONE)?);
    }
    output.line(format_args!(
        "next: pki sign {}",
        escape(&path.join(folder::REQUEST).to_string_lossy())
    ))?;
    Ok(())
}

fn refuse_existing(path: &std::path::Path, force: bool) -> Result<(), CommandError> {
    let pair = [folder::CERTIFICATE, folder::KEY];
    if !force && folder::holds_any(path, &pair).map_err(pki::Error::from)? {
        return Err(pki::Error::PairExists(path.to_owned()).into());
    }
    Ok(())
}
