//! `pki issue`: a key and a certificate for it in one step.

use std::path::PathBuf;

use pki::{
    apply::{has_encrypted_key, write_pair},
    authority::{Order, pem_of},
    folder::{CERTIFICATE, Folder, KEY},
    key::{KeyAlgorithm, PrivateKey},
    manifest::DEFAULT_DAYS,
    profile::Profile,
};

use crate::{
    Global,
    command_error::CommandError,
    commands::{AuthorityArgs, NamesArgs, end_entity_folder, init::subject_or_name, now, patience},
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
    #[arg(long, default_value = "server")]
    profile: Profile,
    #[command(flatten)]
    names: NamesArgs,
    /// The subject [default: /CN=NAME]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// The validity
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_DAYS)]
    days: u32,
    /// The key: p256, p384, ed25519, rsa-2048, rsa-3072 or rsa-4096
    #[arg(long, value_name = "TYPE", default_value = "p256")]
    key: KeyAlgorithm,
    /// Write to this folder instead of DIR/NAME
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace the pair that is there
    #[arg(long)]
    force: bool,
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
        let is_there = path.join(CERTIFICATE).exists() || path.join(KEY).exists();
        if is_there && !args.force {
            Err(pki::Error::PairExists(path.clone()))
        } else {
            Ok(())
        }
    };
    refuse_existing()?;
    let authority = args.authority.open(global)?;
    let passphrase = args.passphrase.choose(output)?;
    // The key first: it may take seconds, and nobody should wait for the folder meanwhile.
    let key = PrivateKey::generate(args.key).map_err(pki::Error::from)?;
    let pem = pem_of(&key, passphrase.as_ref()).map_err(pki::Error::from)?;

    let folder = Folder::lock(&path, &mut patience()).map_err(pki::Error::from)?;
    refuse_existing()?;
    if passphrase.is_none() && has_encrypted_key(&path)? {
        output.notice(format_args!(
            "The key that {path:?} held was encrypted, and the one in its place is not; to have encryption, repeat this with --encrypt-key."
        ));
    }
    let order = Order {
        name: args.out.is_none().then_some(&args.name),
        profile: args.profile,
        subject: &subject,
        names: &names,
        public_key: key.public(),
        days: args.days,
    };
    let issued = authority.issue(&order, now())?;
    write_pair(folder, &issued, pem.as_bytes())?;

    for notice in &issued.notices {
        output.notice(notice);
    }
    if output.json() {
        return Ok(output.document(&show::issued_json(&args.name, &path, &issued))?);
    }
    output.line(format_args!("Issued {} ({})", args.name, args.profile))?;
    Ok(show::issued_lines(output, &path, &issued)?)
}
