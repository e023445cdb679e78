//! `pki sign`: a certificate for a request that somebody else made, in place of `openssl x509 -req`.

use std::path::{Path, PathBuf};

use pki::{
    Error,
    apply::write_certificate,
    authority::{Draft, Issued, Order, Subordinate},
    certificate_request::{CertificateRequest, Decision},
    distinguished_name::DistinguishedName,
    folder::{self, Folder},
    issuer::Refusal,
    key::{KeyError, PrivateKey},
    manifest::{DEFAULT_DAYS, DEFAULT_ISSUING_DAYS, check_name},
    profile::Profile,
    subject_alt_name::{GeneralName, deduplicate},
    text::escape,
};
use serde_json::json;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::{
        AuthorityArgs, NamesArgs, init::parse_subject, now, patience, tell_of_lists_elsewhere,
    },
    output::Output,
    show,
};

/// Sign a certificate request under a profile
///
/// With --profile intermediate the request is that of a CA below the root, whose key (root.key) signs it, or below the CA
/// of --ca. The new CA is bound to the domains of the one above, or to fewer.
///
/// The request only asks: the profile decides. What was asked for, granted and dropped is shown. Names that you give are
/// added to those of the request. Writes tls.crt and ca.crt into the folder of the request when `pki csr` made it, or
/// else into DIR/STEM, where STEM is the file's name without its ending.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: pki sign certs/payment/tls.csr --profile server --days 60
Example: pki sign branch.csr --profile intermediate --permit-dns branch.microservices.dev"
)]
pub(crate) struct Args {
    /// The request, PEM or DER
    file: PathBuf,
    /// The role: server, client, peer (a service that is called and calls) or intermediate (a CA)
    #[arg(long, default_value = "server", value_parser = crate::words::profile_or_intermediate(), hide_possible_values = true)]
    profile: Profile,
    #[command(flatten)]
    names: NamesArgs,
    /// A subject in place of the request's
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// The validity [default: 60; of a CA 1826]
    #[arg(long, value_name = "DAYS", value_parser = crate::number::days, allow_hyphen_values = true)]
    days: Option<u32>,
    /// Of a CA: how many CAs may stand below it [default: 0]
    #[arg(long, value_name = "N")]
    path_length: Option<u8>,
    /// Of a CA: bind the DNS names for which it may issue to this domain and what is below it [default: as the CA above]
    #[arg(long, value_name = "DOMAIN")]
    permit_dns: Vec<String>,
    /// Write to this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Sign although the request asks for things that are not granted: they are dropped, and shown
    #[arg(long)]
    allow_dropped: bool,
    /// Replace the certificate that is there
    #[arg(long)]
    force: bool,
    /// Print what would be signed, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    authority: AuthorityArgs,
}

pub(crate) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    refuse_misplaced(args)?;
    let bytes = folder::read_given(&args.file).map_err(Error::from)?;
    let request = CertificateRequest::read(&bytes).map_err(|reason| Error::Request {
        path: args.file.clone(),
        reason,
    })?;
    let mut decision = request
        .decide(args.profile, args.allow_dropped)
        .map_err(Error::from)?;
    let names = names(args, &request, &mut decision, output)?;
    let subject = match &args.subject {
        Some(given) => parse_subject(given, output)?,
        None => subject(&request)?,
    };
    let (name, path) = destination(global, args, &request)?;
    let order = Order {
        name: name.as_deref(),
        profile: args.profile,
        subject: &subject,
        names: &names,
        public_key: request.public_key(),
        days: args.days.unwrap_or_else(|| match args.profile.is_ca() {
            true => DEFAULT_ISSUING_DAYS,
            false => DEFAULT_DAYS,
        }),
    };
    let wanted = args.profile.is_ca().then(|| Subordinate {
        order: order.clone(),
        path_length: args.path_length.unwrap_or_default(),
        permitted_dns: &args.permit_dns,
    });
    if args.dry_run {
        let authority = match wanted {
            Some(_) => args.authority.rehearse_root(global, output)?,
            None => args.authority.rehearse(global, output)?,
        };
        folder::check(&path).map_err(Error::from)?;
        refuse_existing(args, &path)?;
        refuse_mixed_pair(&path, &request)?;
        let draft = match &wanted {
            Some(wanted) => authority.issue_subordinate(wanted, now())?,
            None => authority.issue(&order, now())?,
        };
        return rehearsed(args, &path, &draft, &decision, output);
    }
    let authority = match wanted {
        Some(_) => args.authority.open_root(global, output)?,
        None => args.authority.open(global, output)?,
    };

    let folder = Folder::lock(&path, &mut patience()).map_err(Error::from)?;
    refuse_existing(args, folder.path())?;
    refuse_mixed_pair(folder.path(), &request)?;
    let issued = match &wanted {
        Some(wanted) => authority.issue_subordinate(wanted, now())?,
        None => authority.issue(&order, now())?,
    };
    write_certificate(folder, &issued)?;
    tell_of_lists_elsewhere(global, &path, &issued, output);
    show(args, &path, &issued, &decision, output)
}

/// What is said of CAs only, and what of end entities only.
fn refuse_misplaced(args: &Args) -> Result<(), CommandError> {
    let usage = |sentence: &str| Err(CommandError::new(Kind::Usage, sentence));
    match args.profile.is_ca() {
        true if !args.names.is_empty() => usage(
            "A CA has no subject alternative name; leave out --dns, --ip, --uri and --email (--permit-dns says for which names it may issue).",
        ),
        false if args.path_length.is_some() || !args.permit_dns.is_empty() => usage(
            "--path-length and --permit-dns are for a CA; add --profile intermediate, or leave them out.",
        ),
        _ => Ok(()),
    }
}

/// The subject of the request, if it is one that would be taken from the command line.
fn subject(request: &CertificateRequest) -> Result<DistinguishedName, CommandError> {
    request.subject().check().map_err(|error| {
        CommandError::new(
            Kind::Refused,
            format_args!("The request cannot be signed as it is. {error}"),
        )
        .hint("Sign it under a subject of your own with --subject, or have the request made again.")
    })?;
    Ok(request.subject().clone())
}

/// The names of the request and those of the command line. A name of the request that cannot be granted is an error:
/// whoever made the request would find out in production.
fn names(
    args: &Args,
    request: &CertificateRequest,
    decision: &mut Decision,
    output: &mut Output,
) -> Result<Vec<GeneralName>, CommandError> {
    let mut all = Vec::new();
    for name in request.names() {
        if args.profile.is_ca() {
            if args.allow_dropped {
                decision.dropped.push(name.to_string());
                continue;
            }
            return Err(Error::from(Refusal::NotGranted {
                asked: name.to_string(),
                profile: args.profile,
                advice: "a CA has no subject alternative name; have the request made without it, or sign without it with --allow-dropped".to_owned(),
            })
            .into());
        }
        let refused = match name {
            GeneralName::Dns(text) => GeneralName::dns(text).map(|name| all.push(name)),
            GeneralName::Uri(text) => GeneralName::uri(text).map(|name| all.push(name)),
            GeneralName::Email(text) => GeneralName::email(text).map(|name| all.push(name)),
            GeneralName::Ip(address) => {
                all.push(GeneralName::Ip(*address));
                Ok(())
            }
            _ if args.allow_dropped => {
                decision.dropped.push(name.to_string());
                continue;
            }
            _ => {
                return Err(Error::from(Refusal::NotGranted {
                    asked: name.to_string(),
                    profile: args.profile,
                    advice: "only DNS names, IP addresses, URIs and email addresses are issued; have the request made without it, or sign without it with --allow-dropped".to_owned(),
                })
                .into());
            }
        };
        match refused {
            Ok(()) => decision.granted.push(name.to_string()),
            Err(_) if args.allow_dropped => decision.dropped.push(name.to_string()),
            Err(error) => {
                return Err(CommandError::from(Error::from(error)).hint(
                    "the request asks for this name; have it made again, or sign without the name with --allow-dropped",
                ));
            }
        }
    }
    all.extend(args.names.read(output)?);
    let (kept, repeated) = deduplicate(all);
    for name in repeated {
        output.notice(format_args!(
            "{} was asked for more than once; it stands in the certificate once.",
            escape(&name.to_string())
        ));
    }
    Ok(kept)
}

/// Where the certificate goes, and the name under which the index keeps it.
fn destination(
    global: &Global,
    args: &Args,
    request: &CertificateRequest,
) -> Result<(Option<String>, PathBuf), CommandError> {
    if let Some(out) = &args.out {
        return Ok((None, out.clone()));
    }
    let parent = folder::parent(&args.file);
    let is_ours = args
        .file
        .file_name()
        .is_some_and(|name| name == folder::REQUEST);
    if is_ours && folder::is_there(&parent.join(folder::KEY)).map_err(Error::from)? {
        let name = parent
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| check_name(name).is_ok());
        return Ok((name.map(str::to_owned), parent.to_owned()));
    }
    // `tls.csr` says nothing about whose it is; its folder or its subject does.
    let stem = match args.file.file_stem().and_then(|stem| stem.to_str()) {
        Some("tls") => parent
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned)
            .or_else(|| {
                request
                    .subject()
                    .attributes()
                    .last()
                    .map(|last| last.value.clone())
            }),
        Some(stem) => Some(stem.to_owned()),
        None => None,
    };
    let usable = stem.filter(|stem| check_name(stem).is_ok()).ok_or_else(|| {
        CommandError::new(
            Kind::Usage,
            format_args!("The name of {:?} cannot be the name of a folder; say with --out where the certificate goes.", args.file),
        )
    })?;
    let path = global.dir.join(&usable);
    Ok((Some(usable), path))
}

fn refuse_existing(args: &Args, folder: &Path) -> Result<(), CommandError> {
    let certificate = folder.join(folder::CERTIFICATE);
    if !args.force && folder::is_there(&certificate).map_err(Error::from)? {
        return Err(Error::PairExists(folder.to_owned()).into());
    }
    Ok(())
}

/// A certificate is not put beside a key that it does not belong to.
fn refuse_mixed_pair(folder: &Path, request: &CertificateRequest) -> Result<(), CommandError> {
    let path = folder.join(folder::KEY);
    let Some(bytes) = folder::read_if_there(&path).map_err(Error::from)? else {
        return Ok(());
    };
    let belongs = match PrivateKey::read(&bytes, None) {
        Ok(key) => key.public() == request.public_key(),
        // What cannot be opened here is judged by the request that was made together with it.
        Err(KeyError::Encrypted) => folder::read_if_there(&folder.join(folder::REQUEST))
            .map_err(Error::from)?
            .and_then(|beside| CertificateRequest::read(&beside).ok())
            .is_some_and(|beside| beside.public_key() == request.public_key()),
        Err(_) => false,
    };
    if belongs {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Refused,
        format_args!(
            "The key {path:?} is not the one that this request is for, so the certificate would not fit it; write to another folder with --out."
        ),
    ))
}

fn show(
    args: &Args,
    path: &Path,
    issued: &Issued,
    decision: &Decision,
    output: &mut Output,
) -> Result<(), CommandError> {
    for notice in &issued.notices {
        output.notice(notice);
    }
    tell_of_dropped(args, decision, output);
    if output.json() {
        let mut document = show::issued_json(&name_of(path), path, issued);
        document["granted"] = json!(decision.granted);
        document["dropped"] = json!(decision.dropped);
        return Ok(output.document(&document)?);
    }
    output.line(format_args!(
        "Signed {} ({})",
        escape(&args.file.to_string_lossy()),
        args.profile
    ))?;
    decision_lines(decision, output)?;
    Ok(show::issued_lines(output, path, issued)?)
}

/// What would be signed.
fn rehearsed(
    args: &Args,
    path: &Path,
    draft: &Draft,
    decision: &Decision,
    output: &mut Output,
) -> Result<(), CommandError> {
    tell_of_dropped(args, decision, output);
    if !output.json() {
        output.line(format_args!(
            "Would sign {} ({})",
            escape(&args.file.to_string_lossy()),
            args.profile
        ))?;
        decision_lines(decision, output)?;
    }
    let more = json!({"granted": decision.granted, "dropped": decision.dropped});
    let files = [folder::CERTIFICATE, folder::ANCHOR];
    Ok(show::draft(
        output,
        (&name_of(path), path),
        draft,
        &files,
        more,
    )?)
}

fn tell_of_dropped(args: &Args, decision: &Decision, output: &mut Output) {
    for dropped in &decision.dropped {
        output.notice(format_args!(
            "The request asked for {}, which was dropped: the profile {} does not give it.",
            escape(dropped),
            args.profile
        ));
    }
}

fn name_of(folder: &Path) -> String {
    folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn decision_lines(decision: &Decision, output: &mut Output) -> std::io::Result<()> {
    for (word, list) in [
        ("granted", &decision.granted),
        ("dropped", &decision.dropped),
    ] {
        if !list.is_empty() {
            let list: Vec<_> = list.iter().map(|item| escape(item)).collect();
            output.line(format_args!("  {word}  {}", list.join("; ")))?;
        }
    }
    Ok(())
}
