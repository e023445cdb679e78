//! `pki import`: a pair that was made elsewhere; a whole CA is for `import_ca`.

use std::path::{Path, PathBuf};

use pki::{
    Error,
    authority::{self, Authority, Generations, pem_of, read_given_certificates},
    certificate::Certificate,
    folder::{self, CERTIFICATE, Entry, Folder, KEY, REQUEST, REVOCATION_LISTS},
    import::{ImportRefused, Pair, PairSource},
    key::{KeyError, Passphrase, PrivateKey},
    pkcs12::Pkcs12,
    text::escape,
};
use serde_json::json;

use super::import_ca::{self, AuthorityFiles};
use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::{end_entity_folder, now, patience},
    output::Output,
    passphrase::PassphraseArgs,
    show,
};

/// Take over a certificate with its key, or a whole CA with its history
///
/// With a name: the key must belong to the certificate, and the path to a trust anchor must be valid; the chain is put in
/// order, whatever order the files have. Writes DIR/NAME with tls.crt, tls.key and ca.crt, together or not at all.
///
/// With the name "ca": a CA of openssl or easy-rsa, from its folder (--openssl) or file by file. Every row of index.txt
/// goes to the index with its certificate; what was revoked stays revoked, with date and reason; CRL numbers go on where
/// they ended. A row that contradicts its certificate, or a certificate of another CA, ends the import. Writes DIR/ca,
/// whole or not at all, and never over another CA.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON: {\"name\", \"folder\", \"certificate\", \"intermediates\": [certificate], \"anchor\", \"notices\", \"dry_run\"} for a pair, and
{\"folder\", \"root\", \"issuing\", \"histories\": [{\"ca\", \"rows\", \"revoked\", \"lost\", \"unlisted\", \"held\", \"only_on_crl\",
\"unchecked\", \"crl_number\"}], \"notices\", \"dry_run\"} for a CA.

Example: pki import order --pkcs12 order.p12
Example: pki import ca --openssl /etc/ssl/old-ca --dry-run")]
pub(crate) struct Args {
    /// The folder below DIR, or "ca" for a CA
    name: String,
    /// The certificate; those above it may follow in the file, in any order
    #[arg(long, value_name = "FILE", conflicts_with = "pkcs12")]
    pub(super) cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", conflicts_with = "pkcs12")]
    pub(super) key: Option<PathBuf>,
    /// More certificates above it
    #[arg(long, value_name = "FILE")]
    pub(super) chain: Option<PathBuf>,
    /// A PKCS#12 file with key and certificates, instead of --cert and --key
    #[arg(long, value_name = "FILE", help_heading = "A pair")]
    pkcs12: Option<PathBuf>,
    /// The trust anchor [default: the CA below DIR, or the root among the files]
    #[arg(long, value_name = "FILE", help_heading = "A pair")]
    trust: Option<PathBuf>,
    /// Write to this folder instead of DIR/NAME
    #[arg(long, value_name = "FOLDER", help_heading = "A pair")]
    out: Option<PathBuf>,
    /// Replace the pair that is there
    #[arg(long, help_heading = "A pair")]
    force: bool,
    #[command(flatten)]
    pub(super) authority: AuthorityFiles,
    /// Tell what would be taken over, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Encrypt keys that are not (PKCS#8, scrypt and AES-256). Encrypted key files keep their passphrase in any case; a key
    /// from a PKCS#12 file is written in clear without this, and with it under the passphrase of that file
    #[arg(long, help_heading = "Passphrase")]
    pub(super) encrypt_key: bool,
    #[command(flatten)]
    pub(super) passphrase: PassphraseArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    if args.name == authority::FOLDER {
        let of_pairs = [
            (args.pkcs12.is_some(), "--pkcs12"),
            (args.trust.is_some(), "--trust"),
            (args.out.is_some(), "--out"),
            (args.force, "--force"),
        ];
        refuse_options(&of_pairs, "a pair, and a CA is imported here")?;
        return import_ca::run(global, args, output);
    }
    refuse_options(
        &args.authority.given(),
        "a CA, which is imported with the name \"ca\"",
    )?;
    let path = end_entity_folder(global, &args.name, args.out.as_deref())?;
    let refuse_existing = || {
        if !args.force && folder::holds_any(&path, &[CERTIFICATE, KEY])? {
            Err(Error::PairExists(path.clone()))
        } else {
            Ok(())
        }
    };
    refuse_existing()?;
    let (source, passphrase) = read(global, args, output)?;
    let pair = source.arrange(now()).map_err(Error::from)?;
    pair.refuse_revoked(&global.dir)?;
    let was_encrypted = passphrase.is_some();
    let passphrase = match passphrase {
        None if args.encrypt_key => Some(args.passphrase.choose()?),
        // The passphrase of a file on its way is not the one of a service.
        _ if args.pkcs12.is_some() && !args.encrypt_key => None,
        kept => kept,
    };
    if args.pkcs12.is_some() && was_encrypted && passphrase.is_none() {
        output.notice(
            "The key was encrypted in the PKCS#12 file and is not in the folder; to keep it encrypted under the same passphrase, add --encrypt-key.",
        );
    }
    if args.dry_run {
        folder::check(&path).map_err(Error::from)?;
    } else {
        write(global, &path, &pair, passphrase.as_ref(), refuse_existing)?;
    }
    report(args, &path, &pair, output)
}

fn refuse_options(given: &[(bool, &'static str)], of: &str) -> Result<(), CommandError> {
    match given.iter().find(|(is_given, _)| *is_given) {
        Some((_, option)) => Err(CommandError::new(
            Kind::Usage,
            format_args!("{option} is for {of}; leave it out."),
        )),
        None => Ok(()),
    }
}

/// What was given, and the passphrase under which the key was.
fn read(
    global: &Global,
    args: &Args,
    output: &mut Output,
) -> Result<(PairSource, Option<Passphrase>), CommandError> {
    let (key, mut certificates, passphrase) = match (&args.pkcs12, &args.cert, &args.key) {
        (Some(path), None, None) => from_pkcs12(args, path, output)?,
        (None, Some(cert), Some(key)) => {
            let certificates = read_given_certificates(cert)?;
            let (key, passphrase) = read_key(args, key)?;
            (key, certificates, passphrase)
        }
        _ => {
            return Err(CommandError::new(
                Kind::Usage,
                "A pair is a certificate and its key: give both with --cert and --key, or one file with --pkcs12.",
            ));
        }
    };
    if let Some(chain) = &args.chain {
        certificates.extend(read_given_certificates(chain)?);
    }
    let trust = match &args.trust {
        Some(path) => read_given_certificates(path)?,
        // While a root is being replaced there are several.
        None if Authority::exists(&global.dir) => Generations::read(&global.dir)?
            .anchors()
            .into_iter()
            .cloned()
            .collect(),
        None => Vec::new(),
    };
    let source = PairSource {
        key,
        certificates,
        trust,
        trusts_what_is_given: args.trust.is_none(),
    };
    Ok((source, passphrase))
}

fn read_key(args: &Args, path: &Path) -> Result<(PrivateKey, Option<Passphrase>), CommandError> {
    let bytes = folder::read_given(path).map_err(Error::from)?;
    let failed = |reason| Error::KeyFile {
        path: path.to_owned(),
        reason,
    };
    match PrivateKey::read(&bytes, None) {
        Err(KeyError::Encrypted) => {
            let passphrase = args.passphrase.unlock(path)?;
            let key = PrivateKey::read(&bytes, Some(&passphrase)).map_err(failed)?;
            Ok((key, Some(passphrase)))
        }
        other => Ok((other.map_err(failed)?, None)),
    }
}

/// The key of a PKCS#12 file, its certificates, and the passphrase that opened it.
fn from_pkcs12(
    args: &Args,
    path: &Path,
    output: &mut Output,
) -> Result<(PrivateKey, Vec<Certificate>, Option<Passphrase>), CommandError> {
    let octets = folder::read_given(path).map_err(Error::from)?;
    let failed = |reason| Error::Pkcs12File {
        path: path.to_owned(),
        reason,
    };
    let closed = Pkcs12::read(&octets, None).map_err(failed)?;
    let (opened, passphrase) = match closed.open() {
        Err(error) if error.is_about_passphrase() => {
            let passphrase = args.passphrase.unlock(path)?;
            let file = Pkcs12::read(&octets, Some(&passphrase)).map_err(failed)?;
            (file.open().map_err(failed)?, Some(passphrase))
        }
        other => (other.map_err(failed)?, None),
    };
    if !opened.has_mac {
        output.notice(format_args!(
            "{path:?} has no MAC, so nobody would have noticed a change of it; check the certificate below."
        ));
    }
    let left_out = opened.others.len() + opened.crls.len();
    if left_out > 0 {
        let were = match left_out {
            1 => "1 thing in it is neither key nor certificate, and was left out".to_owned(),
            many => {
                format!("{many} things in it are neither key nor certificate, and were left out")
            }
        };
        output.notice(format_args!(
            "{path:?}: {were}; \"pki inspect\" shows what there is."
        ));
    }
    let count = opened.keys.len();
    let mut keys = opened.keys.into_iter();
    match (keys.next(), count) {
        (Some(key), 1) => Ok((key, opened.certificates, passphrase)),
        _ => Err(Error::from(ImportRefused::Keys {
            path: path.to_owned(),
            count,
        })
        .into()),
    }
}

fn write(
    global: &Global,
    path: &Path,
    pair: &Pair,
    passphrase: Option<&Passphrase>,
    refuse_existing: impl Fn() -> Result<(), Error>,
) -> Result<(), CommandError> {
    let key = pem_of(&pair.key, passphrase).map_err(Error::from)?;
    let folder = Folder::lock(path, &mut patience()).map_err(Error::from)?;
    refuse_existing()?;
    let mut entries = pair.files(&global.dir)?;
    entries.push(Entry::private(KEY, key.as_bytes()));
    // CRLs of another CA would cover nothing, and who reads them would refuse everybody.
    let gone = [REQUEST, REVOCATION_LISTS]
        .into_iter()
        .filter(|name| !entries.iter().any(|entry| entry.name() == *name))
        .collect::<Vec<_>>();
    Ok(folder.replace(&entries, &gone).map_err(Error::from)?)
}

fn report(args: &Args, path: &Path, pair: &Pair, output: &mut Output) -> Result<(), CommandError> {
    for notice in &pair.notices {
        output.notice(notice);
    }
    let [own, intermediates @ ..] = pair.certificates.as_slice() else {
        return Ok(());
    };
    if output.json() {
        return Ok(output.document(&json!({
            "name": args.name,
            "folder": show::path_json(path),
            "certificate": show::certificate_json(own),
            "intermediates": intermediates.iter().map(show::certificate_json).collect::<Vec<_>>(),
            "anchor": show::certificate_json(&pair.anchor),
            "notices": pair.notices,
            "dry_run": args.dry_run,
        }))?);
    }
    let verb = if args.dry_run {
        "Would import"
    } else {
        "Imported"
    };
    output.line(format_args!("{verb} {}", args.name))?;
    show::certificate_lines(output, own)?;
    for intermediate in intermediates {
        let subject = intermediate.subject().shown();
        output.line(format_args!("  below    {subject}"))?;
    }
    let anchor = pair.anchor.subject().shown();
    output.line(format_args!("  anchor   {anchor}"))?;
    output.line(format_args!(
        "  folder   {}",
        escape(&path.to_string_lossy())
    ))?;
    if args.dry_run {
        output.line(show::NOTHING_WAS_DONE)?;
    }
    Ok(())
}
