//! How certificates that were made are shown: a few lines for people, one stable shape for machines.

use std::{
    io,
    path::{Path, PathBuf},
};

use pki::{
    authority::{Draft, Issued},
    certificate::Certificate,
    folder,
    index::timestamp,
    inspect::extensions_in_words,
    issuer::date,
    text::escape,
};
use serde_json::{Value, json};

use crate::output::Output;

/// A path in JSON, which is text: what is not UTF-8 in it is replaced. serde would refuse such a path, when the work
/// is done already.
pub(crate) fn path_json(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}

/// The same for many.
pub(crate) fn paths_json(paths: &[PathBuf]) -> Value {
    paths.iter().map(|path| path_json(path)).collect()
}

/// A certificate in JSON. Every command that makes one uses this shape.
pub(crate) fn certificate_json(certificate: &Certificate) -> Value {
    json!({
        "serial": certificate.serial(),
        "subject": certificate.subject().to_string(),
        "issuer": certificate.issuer().to_string(),
        "profile": certificate.profile().map(|profile| profile.name()),
        "ca": certificate.is_ca(),
        "names": certificate.names().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "key": certificate.public_key().to_string(),
        "not_before": timestamp(certificate.not_before()),
        "not_after": timestamp(certificate.not_after()),
        "sha256": certificate.fingerprint(),
        "pem": certificate.to_pem(),
    })
}

/// What was issued and where it lies, in JSON.
pub(crate) fn issued_json(name: &str, folder: &Path, issued: &Issued) -> Value {
    json!({
        "dry_run": false,
        "name": name,
        "folder": path_json(folder),
        "certificate": certificate_json(&issued.certificate),
        "chain_pem": issued.chain_pem(),
        "ca_pem": issued.anchor_pem(),
        "notices": issued.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A certificate for people, one fact a line.
pub(crate) fn certificate_lines(output: &mut Output, certificate: &Certificate) -> io::Result<()> {
    named_lines(output, certificate)?;
    output.line(format_args!("  serial   {}", certificate.serial()))?;
    valid_line(output, certificate)
}

fn named_lines(output: &mut Output, certificate: &Certificate) -> io::Result<()> {
    output.line(format_args!("  subject  {}", certificate.subject().shown()))?;
    if !certificate.names().is_empty() {
        let names: Vec<_> = certificate
            .names()
            .iter()
            .map(|name| escape(&name.to_string()))
            .collect();
        output.line(format_args!("  names    {}", names.join(", ")))?;
    }
    output.line(format_args!("  key      {}", certificate.public_key()))
}

fn valid_line(output: &mut Output, certificate: &Certificate) -> io::Result<()> {
    let days = (certificate.not_after() - certificate.not_before()).whole_days();
    output.line(format_args!(
        "  valid    {} to {}, {days} days",
        date(certificate.not_before()),
        date(certificate.not_after()),
    ))
}

/// The last line of every dry run.
pub(crate) const NOTHING_WAS_DONE: &str = "Nothing was done: this was a dry run.";

/// A certificate that was not made: as [`certificate_json`] shows it, without what it does not have, and with its
/// extensions in words.
pub(crate) fn draft_json(draft: &Certificate) -> Value {
    let mut document = certificate_json(draft);
    for absent in ["serial", "sha256", "pem"] {
        document[absent] = Value::Null;
    }
    let extensions = extensions_in_words(draft.der());
    document["extensions"] = extensions
        .iter()
        .map(|extension| {
            json!({
                "name": extension.name,
                "critical": extension.critical,
                "text": extension.text,
            })
        })
        .collect();
    document
}

/// A certificate that was not made, for people.
pub(crate) fn draft_lines(output: &mut Output, draft: &Certificate) -> io::Result<()> {
    named_lines(output, draft)?;
    valid_line(output, draft)?;
    for extension in extensions_in_words(draft.der()) {
        let critical = if extension.critical {
            " (critical)"
        } else {
            ""
        };
        output.line(format_args!(
            "  has      {}{critical}: {}",
            extension.name, extension.text
        ))?;
    }
    Ok(())
}

/// What would be issued and where it would lie, below a line of the command's own. `files` are those that would be written.
pub(crate) fn draft(
    output: &mut Output,
    (name, folder): (&str, &Path),
    draft: &Draft,
    files: &[&str],
    more: Value,
) -> io::Result<()> {
    for notice in &draft.notices {
        output.notice(notice);
    }
    if output.json() {
        let mut document = json!({
            "dry_run": true,
            "name": name,
            "folder": path_json(folder),
            "certificate": draft_json(&draft.certificate),
            "files": files,
            "notices": draft.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
            document.extend(more);
        }
        return output.document(&document);
    }
    output.line(format_args!(
        "  issuer   {}",
        draft.certificate.issuer().shown()
    ))?;
    draft_lines(output, &draft.certificate)?;
    output.line(format_args!(
        "  folder   {} ({})",
        escape(&folder.to_string_lossy()),
        files.join(", ")
    ))?;
    output.line(NOTHING_WAS_DONE)
}

/// What was issued and where it lies, for people.
pub(crate) fn issued_lines(output: &mut Output, folder: &Path, issued: &Issued) -> io::Result<()> {
    output.line(format_args!(
        "  issuer   {}",
        issued.certificate.issuer().shown()
    ))?;
    certificate_lines(output, &issued.certificate)?;
    let names = [
        folder::CERTIFICATE,
        folder::KEY,
        folder::ANCHOR,
        folder::REVOCATION_LISTS,
    ];
    let there: Vec<_> = names
        .into_iter()
        .filter(|name| folder.join(name).exists())
        .collect();
    output.line(format_args!(
        "  folder   {} ({})",
        escape(&folder.to_string_lossy()),
        there.join(", ")
    ))
}
