//! The health of a folder of a certificate, and of single files.

use std::path::Path;

use super::{Check, Level, NOT_CARRIED, Report, authority::Own, shown};
use crate::{
    authority::{Authority, Generations, read_certificates, read_given_certificates},
    certificate::Certificate,
    error::{Error, ErrorKind},
    folder as files, inspect,
    path_validation::{self, FailureKind},
    revocation::is_carried,
};

impl Check {
    /// A folder of the CA's `--dir`. Returns the fingerprint of its certificate. What is no folder of a certificate is
    /// passed over.
    pub(super) fn folder(
        &self,
        dir: &Path,
        path: &Path,
        own: &Own,
        report: &mut Report,
    ) -> Result<Option<String>, Error> {
        let Some(certificate) = self.pair(path, report)? else {
            return Ok(None);
        };
        if !own.is_spoilt && own.issued(&certificate) && !is_carried(dir, path)? {
            report.add(
                Level::Error,
                shown(path),
                NOT_CARRIED,
                "has not the crl.pem of the CA; run \"pki crl\"",
            );
        }
        self.trust(path, own, report)?;
        // A CRL may not say so yet, and the folder may have none.
        let is_told = report
            .findings
            .iter()
            .any(|finding| finding.kind == "revoked" && finding.subject == shown(path));
        if !is_told && own.revoked(&certificate)? {
            let message = "holds a certificate that the index has as revoked; run \"pki crl\", and replace it";
            report.add(Level::Error, shown(path), "revoked", message);
        } else if !is_told && let Some(known) = own.compromised(&certificate)? {
            let message = format!(
                "holds a certificate for a key that is in other hands, for which {} was revoked; make a new pair (pki rekey), and revoke this certificate as well",
                known.serial
            );
            report.add(Level::Error, shown(path), "key-compromised", message);
        }
        Ok(Some(certificate.fingerprint()))
    }

    /// What was issued under one root is refused where another one alone is trusted: while a root is being replaced,
    /// everybody has both.
    fn trust(&self, path: &Path, own: &Own, report: &mut Report) -> Result<(), Error> {
        // A folder without it was told of.
        if !files::is_there(&path.join(files::ANCHOR))? {
            return Ok(());
        }
        let trust = own.trust(path)?;
        if !trust.missing.is_empty() {
            let message = format!(
                "does not trust {}, whose certificates its service would refuse; run \"pki ca rotate\"",
                trust.missing.join(", ")
            );
            report.add(Level::Error, shown(path), "trust-missing", message);
        }
        if !trust.left_over.is_empty() {
            let message = format!(
                "still trusts {}, which is no root of this CA any more; run \"pki ca rotate\"",
                trust.left_over.join(", ")
            );
            report.add(Level::Error, shown(path), "trust-left-over", message);
        }
        Ok(())
    }

    /// A folder somewhere else.
    pub(super) fn lone_folder(
        &self,
        dir: &Path,
        path: &Path,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some(certificate) = self.pair(path, report)? else {
            return Err(files::FolderError::Missing(path.join(files::CERTIFICATE)).into());
        };
        let subject = shown(path);
        let is_told = report
            .findings
            .iter()
            .any(|finding| finding.kind == "revoked" && finding.subject == subject);
        match is_told {
            true => Ok(()),
            false => revoked(dir, &[(subject, certificate)], report),
        }
    }

    /// Every certificate of a file: whether it is valid, and not revoked by the CA below `dir`.
    pub(super) fn file(&self, dir: &Path, path: &Path, report: &mut Report) -> Result<(), Error> {
        let certificates = read_given_certificates(path)?;
        let one = certificates.len() == 1;
        let mut checked = Vec::new();
        for certificate in certificates {
            let subject = match one {
                true => shown(path),
                false => format!("{} ({})", shown(path), certificate.subject().to_slashes()),
            };
            report.checked += 1;
            let life = (certificate.not_before(), certificate.not_after());
            self.validity(&subject, life, report);
            checked.push((subject, certificate));
        }
        revoked(dir, &checked, report)
    }

    /// Certificate and key, and whether the certificate leads to `ca.crt` and is not revoked. `None` when there is no
    /// certificate that could be read.
    fn pair(&self, path: &Path, report: &mut Report) -> Result<Option<Certificate>, Error> {
        let subject = shown(path);
        let has_certificate = files::is_there(&path.join(files::CERTIFICATE))?;
        let has_key = files::is_there(&path.join(files::KEY))?;
        if !has_certificate {
            if has_key && !files::is_there(&path.join(files::REQUEST))? {
                report.checked += 1;
                report.add(
                    Level::Error,
                    &subject,
                    "incomplete",
                    "has a key and no certificate",
                );
            }
            return Ok(None);
        }
        report.checked += 1;
        let chain = match read_certificates(&path.join(files::CERTIFICATE)) {
            Ok(chain) => chain,
            // What is damaged is a finding; what cannot be read at all is a failure.
            Err(error) if error.kind() == ErrorKind::Malformed => {
                report.add(Level::Error, &subject, "unreadable", error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let Some(own) = chain.first() else {
            return Ok(None);
        };
        self.key(&path.join(files::KEY), own.public_key(), report)?;
        if !has_key {
            // Signed for a request, whose key never was here; or else somebody took it away.
            let message = "holds no tls.key: whoever made the request has it, or else it was lost, and the service needs a new pair";
            report.add(Level::Note, &subject, "no-key", message);
        }
        if self.validity(&subject, (own.not_before(), own.not_after()), report) {
            self.chain(path, &chain, report)?;
        }
        Ok(chain.into_iter().next())
    }

    fn chain(&self, path: &Path, chain: &[Certificate], report: &mut Report) -> Result<(), Error> {
        let subject = shown(path);
        let Some((own, intermediates)) = chain.split_first() else {
            return Ok(());
        };
        let Some(anchors) = files::read_if_there(&path.join(files::ANCHOR))? else {
            report.add(Level::Error, &subject, "incomplete", "has no ca.crt");
            return Ok(());
        };
        let anchors = inspect::certificates(&anchors).unwrap_or_default();
        let lists = files::read_if_there(&path.join(files::REVOCATION_LISTS))?;
        let lists = lists.map(|lists| inspect::crls(&lists).unwrap_or_default());
        let mut request = path_validation::Request::new(own.der(), self.now)
            .trust(&anchors)
            .intermediates(intermediates.iter().map(Certificate::der));
        if let Some(lists) = &lists {
            request = request.crls(lists);
        }
        if let Err(rejected) = path_validation::validate(&request) {
            let kind = match rejected.kind {
                FailureKind::Revoked => "revoked",
                _ => "rejected",
            };
            let message = format!("is not accepted: {} ({})", rejected.reason, rejected.clause);
            report.add(Level::Error, &subject, kind, message);
        }
        Ok(())
    }
}

/// Tells which of these certificates the CA below `dir`, if there is one, has revoked.
fn revoked(
    dir: &Path,
    certificates: &[(String, Certificate)],
    report: &mut Report,
) -> Result<(), Error> {
    if !Authority::exists(dir) {
        return Ok(());
    }
    let generations = Generations::read(dir)?;
    let is_own = |certificate: &Certificate| {
        generations
            .members()
            .any(|(_, ca)| certificate.names_as_issuer(ca))
    };
    // Of what other CAs issued the index knows nothing.
    let mut own = certificates
        .iter()
        .filter(|(_, certificate)| is_own(certificate))
        .peekable();
    if own.peek().is_none() {
        return Ok(());
    }
    let index = generations.index_to_read()?;
    for (subject, certificate) in own {
        if index.is_revoked(certificate)? {
            let message = "is revoked, as the index of its CA says; replace it";
            report.add(Level::Error, subject, "revoked", message);
        }
    }
    Ok(index.still_stands()?)
}
