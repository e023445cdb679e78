//! `pki export`: a pair in the form that another program takes.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use pki::{
    export::{Exported, Files},
    folder::{self, ANCHOR, Access, CERTIFICATE, KEY, REVOCATION_LISTS},
    kubernetes::Secret,
    manifest::check_name,
    pkcs12,
    text::escape,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::{now, patience},
    output::Output,
    passphrase::{ExportPassphraseArgs, PassphraseArgs},
    show,
};

/// Put a certificate and its key into one file for another program
///
/// The formats: pkcs12 for Java, Windows and browsers, protected by an export passphrase (PBES2 with AES-256, and a MAC
/// with HMAC-SHA-256); pem for haproxy and its like: the key, the certificate, the intermediates; kubernetes: a Secret of
/// the type kubernetes.io/tls as YAML, for kubectl apply. The key must belong to the certificate. The file is 0600, is
/// there whole or not at all, and replaces another one only with --force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
JSON: {\"name\", \"folder\", \"format\", \"out\", \"private_key\", \"certificates\": [certificate], \"crl\", \"dry_run\"}

The export passphrase comes from a file, an open file descriptor, PKI_EXPORT_PASSPHRASE or the terminal, and is never empty.

Example: pki export order --format pkcs12 --out order.p12
Example: pki export order --format kubernetes --namespace shop --out - | kubectl apply -f -")]
pub(crate) struct Args {
    /// The folder below DIR, or the path of a folder with tls.crt and tls.key
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// The form: pkcs12, pem or kubernetes
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Format,
    /// The file to write; - is stdout, which must not be a terminal when a key is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file that is there
    #[arg(long)]
    force: bool,
    /// Leave the private key out
    #[arg(long)]
    no_key: bool,
    /// Tell what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// With pkcs12: the name that people will see, in Java the alias [default: the folder's name]
    #[arg(long, value_name = "TEXT")]
    friendly_name: Option<String>,
    /// With kubernetes: the name of the Secret [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
    /// With kubernetes: the namespace [default: the one that kubectl is told]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    #[command(flatten)]
    export: ExportPassphraseArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Format {
    Pkcs12,
    Pem,
    Kubernetes,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Pkcs12 => "pkcs12",
            Self::Pem => "pem",
            Self::Kubernetes => "kubernetes",
        }
    }
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    check(args, output)?;
    let path = folder_of(global, &args.name);
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("certificate");
    // What is wrong with names is said before anybody is asked for a passphrase.
    let secret = match args.format {
        Format::Kubernetes => {
            let name = args.secret.as_deref().unwrap_or(name);
            let secret = Secret::new(name, args.namespace.as_deref());
            Some(secret.map_err(refused)?)
        }
        _ => None,
    };
    if !is_stdout(&args.out) {
        refuse_destination(&args.out, args.force)?;
    }
    let files = Files::read(&path, !args.no_key)?;
    let mut unlock = |path: &Path| args.passphrase.unlock(path);
    let exported = files.open(&mut unlock)?;
    tell_of_rejected(global, &exported, output)?;
    let content = match (args.format, secret) {
        (_, Some(secret)) => kubernetes(&secret, &exported)?,
        (Format::Pkcs12, _) => {
            let name = args.friendly_name.as_deref().unwrap_or(name);
            pkcs12(name, &exported, &args.export, &args.out)?
        }
        _ => Zeroizing::new(exported.to_pem().as_bytes().to_vec()),
    };
    if args.dry_run {
        if !is_stdout(&args.out) {
            folder::check_place(&args.out, args.force).map_err(pki::Error::from)?;
        }
        return report(args, &path, name, &exported, output);
    }
    if is_stdout(&args.out) {
        return Ok(output.octets(&content)?);
    }
    let access = match exported.key {
        None if args.format == Format::Pem => Access::Public,
        _ => Access::Private,
    };
    folder::place_file(&args.out, access, &content, args.force, &mut patience())
        .map_err(pki::Error::from)?;
    report(args, &path, name, &exported, output)
}

fn refused(error: pki::kubernetes::SecretRefused) -> CommandError {
    pki::Error::from(pki::export::ExportRefused::from(error)).into()
}

/// What makes no sense, whatever is in the folder.
fn check(args: &Args, output: &Output) -> Result<(), CommandError> {
    let usage = |what: &str| Err(CommandError::new(Kind::Usage, what));
    if args.format == Format::Kubernetes && args.no_key {
        return usage(
            "A Secret of the type kubernetes.io/tls must hold a key; leave --no-key out, or choose --format pem.",
        );
    }
    if args.format != Format::Kubernetes && (args.secret.is_some() || args.namespace.is_some()) {
        return usage("--secret and --namespace are for --format kubernetes; leave them out.");
    }
    if args.format != Format::Pkcs12 && (args.friendly_name.is_some() || args.export.are_given()) {
        return usage(
            "--friendly-name and the export passphrase are for --format pkcs12; leave them out, for the other formats are not encrypted.",
        );
    }
    if !is_stdout(&args.out) || args.dry_run {
        return Ok(());
    }
    if output.json() {
        return usage(
            "With --json the document goes to stdout, so the export cannot; give a file with --out.",
        );
    }
    let is_text_without_key = args.format == Format::Pem && args.no_key;
    if !is_text_without_key && std::io::stdout().is_terminal() {
        return Err(CommandError::new(
            Kind::Refused,
            "A private key is not printed on a terminal; send stdout into a program or a file, or give a file with --out.",
        ));
    }
    Ok(())
}

fn is_stdout(out: &Path) -> bool {
    out == Path::new("-")
}

/// What nobody accepts is handed out all the same, for evidence or a test, and told.
fn tell_of_rejected(
    global: &Global,
    exported: &Exported,
    output: &mut Output,
) -> Result<(), CommandError> {
    let lists = global
        .dir
        .join(pki::authority::FOLDER)
        .join(REVOCATION_LISTS);
    let lists = folder::read_if_there(&lists).map_err(pki::Error::from)?;
    if let Some(reason) = exported.rejected(lists.as_ref().map(|lists| lists.as_slice()), now()) {
        output.notice(format_args!(
            "Nobody who checks will accept the certificate: {}; issue another one before you hand it out.",
            escape(&reason)
        ));
    }
    Ok(())
}

/// A name is looked up below DIR; anything else is a path.
fn folder_of(global: &Global, name: &Path) -> PathBuf {
    let is_name = name
        .to_str()
        .is_some_and(|name| check_name(name).is_ok() || name == pki::authority::FOLDER);
    if is_name {
        global.dir.join(name)
    } else {
        name.to_owned()
    }
}

/// The file must not be there, and not be part of a pair or a CA in any case.
fn refuse_destination(out: &Path, force: bool) -> Result<(), CommandError> {
    let parent = folder::parent(out);
    if folder::is_of_authority(parent).map_err(pki::Error::from)? {
        return Err(pki::Error::from(folder::FolderError::OfAuthority(parent.to_owned())).into());
    }
    let is_ours = out.file_name().is_some_and(|name| {
        [CERTIFICATE, KEY, ANCHOR, REVOCATION_LISTS]
            .iter()
            .any(|ours| name == *ours)
    });
    let pair = parent.join(CERTIFICATE);
    if is_ours && folder::is_there(&pair).map_err(pki::Error::from)? {
        return Err(CommandError::new(
            Kind::Usage,
            format_args!(
                "{out:?} is part of a pair, which an export must not tear; choose another name."
            ),
        ));
    }
    // A link such as /dev/stdout must not be replaced by a file, whatever it leads to now.
    let is_device = ["/dev/fd/", "/dev/std", "/proc/"]
        .iter()
        .any(|place| out.to_string_lossy().starts_with(place))
        || out
            .metadata()
            .is_ok_and(|there| !there.is_file() && !there.is_dir());
    if is_device {
        return Err(CommandError::new(
            Kind::Usage,
            format_args!(
                "{out:?} is a device or a pipe, and an export replaces a file at once; write to stdout with --out -, and send it on from there."
            ),
        ));
    }
    if out.symlink_metadata().is_ok() && !force {
        return Err(pki::Error::from(folder::FolderError::Exists(out.to_owned())).into());
    }
    Ok(())
}

fn kubernetes(
    secret: &Secret<'_>,
    exported: &Exported,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let (chain, anchors) = (exported.chain_pem(), exported.anchors_pem());
    let key = exported.key.as_ref().map(|key| key.to_pem());
    let mut data: Vec<(&'static str, &[u8])> = Vec::new();
    if !anchors.is_empty() {
        data.push((ANCHOR, anchors.as_bytes()));
    }
    if let Some(crl) = &exported.crl {
        data.push((REVOCATION_LISTS, crl));
    }
    data.push((CERTIFICATE, chain.as_bytes()));
    if let Some(key) = &key {
        data.push((KEY, key.as_bytes()));
    }
    let yaml = secret.to_yaml(&data).map_err(refused)?;
    Ok(Zeroizing::new(yaml.as_bytes().to_vec()))
}

fn pkcs12(
    name: &str,
    exported: &Exported,
    passphrase: &ExportPassphraseArgs,
    out: &Path,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let passphrase = passphrase.choose()?;
    let contents = pkcs12::Contents {
        friendly_name: name,
        key: exported.key.as_ref(),
        certificates: &exported.all_certificates(),
    };
    let written =
        pkcs12::write(&contents, &passphrase).map_err(|reason| pki::Error::Pkcs12File {
            path: out.to_owned(),
            reason,
        })?;
    Ok(Zeroizing::new(written))
}

fn report(
    args: &Args,
    path: &Path,
    name: &str,
    exported: &Exported,
    output: &mut Output,
) -> Result<(), CommandError> {
    let certificates = match args.format {
        Format::Pem => exported.certificates.clone(),
        _ => exported.all_certificates(),
    };
    let with_crl = args.format == Format::Kubernetes && exported.crl.is_some();
    if exported.key.is_some() && args.format != Format::Pkcs12 {
        output.notice(
            "The key in the export is not encrypted; keep it where only its user can read it.",
        );
    }
    if output.json() {
        return Ok(output.document(&json!({
            "name": name,
            "folder": show::path_json(path),
            "format": args.format.name(),
            "out": show::path_json(&args.out),
            "private_key": exported.key.is_some(),
            "certificates": certificates.iter().map(show::certificate_json).collect::<Vec<_>>(),
            "crl": with_crl,
            "dry_run": args.dry_run,
        }))?);
    }
    let verb = if args.dry_run {
        "Would export"
    } else {
        "Exported"
    };
    output.line(format_args!(
        "{verb} {} as {} to {}",
        escape(&path.to_string_lossy()),
        args.format.name(),
        escape(&args.out.to_string_lossy())
    ))?;
    if let Some(key) = &exported.key {
        output.line(format_args!("  key          {}", key.public()))?;
    }
    for certificate in &certificates {
        output.line(format_args!(
            "  certificate  {}",
            certificate.subject().shown()
        ))?;
    }
    if with_crl {
        output.line("  CRLs")?;
    }
    if args.dry_run {
        output.line(show::NOTHING_WAS_DONE)?;
    }
    Ok(())
}
