//! How certificates that were made are shown: a few lines for people, one stable shape for machines.

use std::{io, path::Path};

use pki::{
    authority::Issued, certificate::Certificate, folder, index::timestamp, issuer::date,
    text::escape,
};
use serde_json::{Value, json};

use crate::output::Output;

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
        "name": name,
        "folder": folder,
        "certificate": certificate_json(&issued.certificate),
        "chain_pem": issued.chain_pem(),
        "ca_pem": issued.anchor_pem(),
        "notices": issued.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A certificate for people, one fact a line.
pub(crate) fn certificate_lines(output: &mut Output, certificate: &Certificate) -> io::Result<()> {
    let days = (certificate.not_after() - certificate.not_before()).whole_days();
    output.line(format_args!(
        "  subject  {}",
        escape(&certificate.subject().to_slashes())
    ))?;
    if !certificate.names().is_empty() {
        let names: Vec<_> = certificate
            .names()
            .iter()
            .map(|name| escape(&name.to_string()))
            .collect();
        output.line(format_args!("  names    {}", names.join(", ")))?;
    }
    output.line(format_args!("  key      {}", certificate.public_key()))?;
    output.line(format_args!("  serial   {}", certificate.serial()))?;
    output.line(format_args!(
        "  valid    {} to {}, {days} days",
        date(certificate.not_before()),
        date(certificate.not_after()),
    ))
}

/// What was issued and where it lies, for people.
pub(crate) fn issued_lines(output: &mut Output, folder: &Path, issued: &Issued) -> io::Result<()> {
    output.line(format_args!(
        "  issuer   {}",
        escape(&issued.certificate.issuer().to_slashes())
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
