//! The health of a folder of a certificate, and of single files.

use std::path::Path;

use super::{Check, Level, NOT_CARRIED, Report, authority::Own, shown};
use crate::{
    authority::{Authority, FOLDER, read_certificates, read_given_certificates},
    certificate::Certificate,
    error::{Error, ErrorKind},
    folder::{self as files, Wait},
    index::Compromised,
    inspect,
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
            report.add(
                Level::Error,
                shown(path),
                "key-compromised",
                compromised(&known),
            );
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

    /// One folder. Of one that lies beside the CA everything is asked that is asked of all of them.
    pub(super) fn lone_folder(
        &self,
        dir: &Path,
        path: &Path,
        report: &mut Report,
        wait: &mut Wait<'_>,
    ) -> Result<(), Error> {
        let own = own(dir)?;
        let before = report.checked;
        match &own {
            Some(own) if is_beside(dir, path) => {
                self.folder(dir, path, own, report)?;
                report.settle(dir, &[path.to_owned()], wait)?;
            }
            _ => {
                let certificate = self.pair(path, report)?;
                if let (Some(own), Some(certificate)) = (&own, &certificate) {
                    in_index(own, &shown(path), certificate, report)?;
                }
            }
        }
        if report.checked == before {
            return Err(files::FolderError::Missing(path.join(files::CERTIFICATE)).into());
        }
        own.map_or(Ok(()), |own| own.still_stands())
    }

    /// Every certificate of a file: whether it is valid, and not revoked by the CA below `dir`, nor its key in other hands.
    pub(super) fn file(&self, dir: &Path, path: &Path, report: &mut Report) -> Result<(), Error> {
        let certificates = read_given_certificates(path)?;
        let own = own(dir)?;
        let one = certificates.len() == 1;
        for certificate in certificates {
            let subject = match one {
                true => shown(path),
                false => format!("{} ({})", shown(path), certificate.subject().to_slashes()),
            };
            report.checked += 1;
            let life = (certificate.not_before(), certificate.not_after());
            self.validity(&subject, life, report);
            if let Some(own) = &own {
                in_index(own, &subject, &certificate, report)?;
            }
        }
        own.map_or(Ok(()), |own| own.still_stands())
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

/// The CA below `dir`, if there is one.
fn own(dir: &Path) -> Result<Option<Own>, Error> {
    match Authority::exists(dir) {
        true => Own::read(dir).map(Some),
        false => Ok(None),
    }
}

/// Whether a folder is one of those beside the CA, however it is named.
fn is_beside(dir: &Path, path: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match (real(dir), real(path)) {
        (Some(dir), Some(path)) => path.parent() == Some(&dir) && path != dir.join(FOLDER),
        _ => false,
    }
}

/// Tells what the index of the CA says of a certificate. Of what other CAs issued it knows the key at most.
fn in_index(
    own: &Own,
    subject: &str,
    certificate: &Certificate,
    report: &mut Report,
) -> Result<(), Error> {
    let is_told = report
        .findings
        .iter()
        .any(|finding| finding.kind == "revoked" && finding.subject == subject);
    if is_told {
        return Ok(());
    }
    if own.issued(certificate) && own.revoked(certificate)? {
        let message = "is revoked, as the index of its CA says; replace it";
        report.add(Level::Error, subject, "revoked", message);
    } else if let Some(known) = own.compromised(certificate)? {
        report.add(
            Level::Error,
            subject,
            "key-compromised",
            compromised(&known),
        );
    }
    Ok(())
}

fn compromised(known: &Compromised) -> String {
    format!(
        "holds a certificate for a key that is in other hands, for which {} was revoked; make a new pair (pki rekey), and revoke this certificate as well",
        known.serial
    )
}
