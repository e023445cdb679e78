//! `pki import ca`: a CA that was made elsewhere, with its history.

use std::path::PathBuf;

use pki::{
    authority::Authority,
    import::{History, ImportedAuthority, Named, Report, Source, Sources, Takeover, find},
    text::escape,
};
use serde_json::{Value, json};

use super::import::Args;
use crate::{
    Global,
    command_error::{CommandError, Kind},
    commands::{now, patience},
    output::Output,
    show,
};

/// The files of a CA.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AuthorityFiles {
    /// The folder of an openssl CA (cacert.pem, private/cakey.pem, index.txt, newcerts, crlnumber) or of easy-rsa (pki)
    #[arg(long, value_name = "FOLDER", help_heading = "A CA")]
    openssl: Option<PathBuf>,
    /// The table of what was issued and revoked, as openssl ca keeps it
    #[arg(long, value_name = "FILE", help_heading = "A CA")]
    index: Option<PathBuf>,
    /// A folder with the certificates of that table; may be given several times
    #[arg(long, value_name = "FOLDER", help_heading = "A CA")]
    newcerts: Vec<PathBuf>,
    /// The file with the number of the next CRL
    #[arg(long, value_name = "FILE", help_heading = "A CA")]
    crlnumber: Option<PathBuf>,
    /// The last CRL
    #[arg(long, value_name = "FILE", help_heading = "A CA")]
    crl: Option<PathBuf>,
    /// The certificate of an issuing CA below the root
    #[arg(long, value_name = "FILE", help_heading = "A CA")]
    issuing_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", help_heading = "A CA")]
    issuing_key: Option<PathBuf>,
    /// The openssl folder of the issuing CA, with its own history
    #[arg(long, value_name = "FOLDER", help_heading = "A CA")]
    issuing_openssl: Option<PathBuf>,
    /// Take over also a CA that issues nothing that verifiers accept, for its list and its CRLs
    #[arg(long, help_heading = "A CA")]
    allow_unfit: bool,
}

impl AuthorityFiles {
    /// Which of the options are given.
    pub(super) fn given(&self) -> [(bool, &'static str); 9] {
        [
            (self.openssl.is_some(), "--openssl"),
            (self.index.is_some(), "--index"),
            (!self.newcerts.is_empty(), "--newcerts"),
            (self.crlnumber.is_some(), "--crlnumber"),
            (self.crl.is_some(), "--crl"),
            (self.issuing_cert.is_some(), "--issuing-cert"),
            (self.issuing_key.is_some(), "--issuing-key"),
            (self.issuing_openssl.is_some(), "--issuing-openssl"),
            (self.allow_unfit, "--allow-unfit"),
        ]
    }
}

pub(super) fn run(global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    // Before anybody is asked for a passphrase.
    Authority::refuse_another(&global.dir)?;
    let sources = sources(args)?;
    let mut unlock = |path: &std::path::Path| args.passphrase.unlock(path);
    let takeover = Takeover::check(sources, &mut unlock, now())?;
    if !args.encrypt_key && !takeover.has_encrypted_key() {
        args.passphrase
            .refuse_clear_keys("add --encrypt-key", output)?;
    }
    let passphrase = match args.encrypt_key && takeover.has_clear_key() {
        true => Some(args.passphrase.choose()?),
        false => None,
    };
    let rows = takeover.rows();
    if args.dry_run {
        let mut told = |done| output.progress("rows read", done, rows);
        let imported = takeover.rehearse(&global.dir, &mut told);
        output.end_progress();
        return report(args, &imported?, output);
    }
    let mut told = |done| output.progress("rows imported", done, rows);
    let mut wait = patience();
    let imported = takeover.write(
        &global.dir,
        passphrase.as_ref(),
        now(),
        &mut wait,
        &mut told,
    );
    output.end_progress();
    report(args, &imported?, output)
}

fn sources(args: &Args) -> Result<Sources, CommandError> {
    let files = &args.authority;
    let named = Named {
        certificate: args.cert.clone(),
        key: args.key.clone(),
        index: files.index.clone(),
        certificates: files.newcerts.clone(),
        crl_number: files.crlnumber.clone(),
        crl: files.crl.clone(),
    };
    let ca = match &files.openssl {
        Some(folder) => find(folder, named)?,
        None => by_hand(named)?,
    };
    let issuing = match (&files.issuing_openssl, &files.issuing_cert) {
        (Some(folder), _) => {
            let named = Named {
                certificate: files.issuing_cert.clone(),
                key: files.issuing_key.clone(),
                ..Named::default()
            };
            Some(find(folder, named)?)
        }
        (None, Some(certificate)) => Some(Source {
            certificate: certificate.clone(),
            key: files.issuing_key.clone(),
            history: None,
        }),
        (None, None) if files.issuing_key.is_some() => {
            return Err(CommandError::new(
                Kind::Usage,
                "--issuing-key is the key of a CA that was not named; give its certificate with --issuing-cert.",
            ));
        }
        (None, None) => None,
    };
    Ok(Sources {
        ca,
        issuing,
        chain: args.chain.clone(),
        allow_unfit: files.allow_unfit,
    })
}

/// A CA file by file.
fn by_hand(named: Named) -> Result<Source, CommandError> {
    let Some(certificate) = named.certificate else {
        return Err(CommandError::new(
            Kind::Usage,
            "A CA is imported from its folder or from its files: give --openssl, or --cert and --key.",
        ));
    };
    let has_history =
        !named.certificates.is_empty() || named.crl_number.is_some() || named.crl.is_some();
    let history = match named.index {
        Some(index) => Some(History {
            index,
            certificates: named.certificates,
            crl_number: named.crl_number,
            crl: named.crl,
        }),
        None if has_history => {
            return Err(CommandError::new(
                Kind::Usage,
                "--newcerts, --crlnumber and --crl belong to the table of a CA; give it with --index.",
            ));
        }
        None => None,
    };
    Ok(Source {
        certificate,
        key: named.key,
        history,
    })
}

/// More serial numbers than this are counted and not told one by one.
const MOST_TOLD: usize = 5;

/// What a history has that a person should know.
fn notices(report: &Report) -> Vec<String> {
    let told = |serials: &[String]| {
        let mut told = serials[..serials.len().min(MOST_TOLD)].join(", ");
        if serials.len() > MOST_TOLD {
            told.push_str(&format!(" and {} more", serials.len() - MOST_TOLD));
        }
        told
    };
    let lists: [(&[String], &str); 4] = [
        (
            &report.lost,
            "The certificates of these rows are not there; their numbers are taken, and they can be revoked",
        ),
        (
            &report.unlisted,
            "These certificates were signed by the CA and are not in its table; they were taken in as issued",
        ),
        (
            &report.held,
            "These were on hold, which is not known here; they stay revoked, without a reason",
        ),
        (
            &report.only_on_crl,
            "The last CRL revokes these and the table does not; they are revoked",
        ),
    ];
    let mut notices: Vec<_> = lists
        .into_iter()
        .filter(|(serials, _)| !serials.is_empty())
        .map(|(serials, what)| format!("{what}: {}.", told(serials)))
        .collect();
    if report.unchecked > 0 {
        notices.push(format!(
            "{} certificates were signed with an algorithm that is not relied on, so their signatures were not checked.",
            report.unchecked
        ));
    }
    if report.passed_over > 0 {
        notices.push(format!(
            "{} files beside the certificates hold none of this CA's that is not known already, and were passed over.",
            report.passed_over
        ));
    }
    notices
}

/// A CA whose table was not given starts anew, which would bring back what it had revoked.
fn without_history(imported: &ImportedAuthority) -> impl Iterator<Item = String> {
    let authorities = [Some(&imported.root), imported.issuing.as_ref()];
    authorities
        .into_iter()
        .flatten()
        .map(|certificate| certificate.subject().to_string())
        .filter(|name| !imported.histories.iter().any(|(known, _)| known == name))
        .map(|name| {
            format!(
                "Nothing is known of what {name} issued and revoked before, so its CRLs begin with number 1 and list nothing; if it issued anything, import it with its table (--index, --openssl or --issuing-openssl)."
            )
        })
}

fn report(
    args: &Args,
    imported: &ImportedAuthority,
    output: &mut Output,
) -> Result<(), CommandError> {
    let mut all = imported.notices.clone();
    for (_, history) in &imported.histories {
        all.extend(notices(history));
    }
    all.extend(without_history(imported));
    for notice in &all {
        output.notice(escape(notice));
    }
    if output.json() {
        let histories: Vec<_> = imported.histories.iter().map(history_json).collect();
        return Ok(output.document(&json!({
            "folder": show::path_json(&imported.folder),
            "root": show::certificate_json(&imported.root),
            "issuing": imported.issuing.as_ref().map(show::certificate_json),
            "histories": histories,
            "notices": all,
            "dry_run": args.dry_run,
        }))?);
    }
    let verb = if args.dry_run {
        "Would import"
    } else {
        "Imported"
    };
    output.line(format_args!(
        "{verb} a CA into {}",
        escape(&imported.folder.to_string_lossy())
    ))?;
    output.line("root")?;
    show::certificate_lines(output, &imported.root)?;
    if let Some(issuing) = &imported.issuing {
        output.line("issuing CA")?;
        show::certificate_lines(output, issuing)?;
    }
    for (ca, history) in &imported.histories {
        output.line(format_args!(
            "history of {}: {} certificates, {} of them revoked",
            escape(ca),
            history.rows + history.unlisted.len(),
            history.revoked + history.only_on_crl.len(),
        ))?;
        if let Some(number) = history.crl_number {
            output.line(format_args!("  last CRL  {number}"))?;
        }
    }
    if !args.dry_run && !imported.histories.is_empty() {
        output.line("Sign a new CRL now with: pki crl")?;
    }
    if args.dry_run {
        output.line(show::NOTHING_WAS_DONE)?;
    }
    Ok(())
}

fn history_json((ca, report): &(String, Report)) -> Value {
    json!({
        "ca": ca,
        "rows": report.rows,
        "revoked": report.revoked,
        "lost": report.lost,
        "unlisted": report.unlisted,
        "held": report.held,
        "only_on_crl": report.only_on_crl,
        "unchecked": report.unchecked,
        "crl_number": report.crl_number,
    })
}
