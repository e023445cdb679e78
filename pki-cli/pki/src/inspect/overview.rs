//! Many files at once: what is in them, and who signed whom.

use std::collections::HashMap;

use ::time::OffsetDateTime;
use serde::Serialize;

use super::{Object, certificate, days_left};
use crate::{
    parse::certificate::Certificate,
    path_validation::{SignatureVerdict, verify_signature},
};

/// One certificate of an overview. Its JSON fields are those of this struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Relation {
    /// The file, as it was given.
    pub file: String,
    /// The subject, safe for a terminal.
    pub subject: String,
    /// In plain words, what it is for.
    pub used_for: String,
    /// Who signed it, as far as the signature can be checked with the certificates at hand.
    pub signed_by: String,
    /// The file of the certificate that signed it; none when it is not among these files.
    pub signed_by_file: Option<String>,
    /// Whole days until it expires; negative once it has.
    pub days_left: i64,
}

/// What is in a set of files.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    certificates: Vec<(String, Vec<u8>)>,
    others: Vec<(String, String)>,
}

impl Overview {
    /// Adds what was found in `file`.
    pub fn add(&mut self, file: &str, object: &Object) {
        match &object.certificate {
            Some(der) => self.certificates.push((file.to_owned(), der.clone())),
            None => self.others.push((file.to_owned(), object.short.clone())),
        }
    }

    /// What is no certificate: file and one line, in the order of adding.
    pub fn others(&self) -> &[(String, String)] {
        &self.others
    }

    /// Every certificate once per file, issuers before those whom they signed.
    pub fn relations(&self, now: OffsetDateTime) -> Vec<Relation> {
        let parsed: Vec<_> = self
            .certificates
            .iter()
            .filter_map(|(file, der)| {
                Certificate::from_der(der)
                    .ok()
                    .map(|certificate| (file, certificate))
            })
            .collect();
        let mut by_subject: HashMap<Vec<Vec<u8>>, Vec<usize>> = HashMap::new();
        for (at, (_, certificate)) in parsed.iter().enumerate() {
            by_subject
                .entry(certificate.subject.canonical())
                .or_default()
                .push(at);
        }
        let find_signer = |at: usize| -> Option<usize> {
            let (_, child) = parsed.get(at)?;
            // Of several copies of a root each is its own issuer.
            if verifies(child, child) {
                return Some(at);
            }
            let candidates = by_subject.get(&child.issuer.canonical())?;
            // Many files with one name are copies of one certificate; a few checks tell.
            candidates
                .iter()
                .copied()
                .take(8)
                .find(|issuer| verifies(child, &parsed[*issuer].1))
        };
        let signers: Vec<_> = (0..parsed.len()).map(find_signer).collect();
        let signer = |at: usize| signers.get(at).copied().flatten();
        let mut relations: Vec<(Vec<String>, Relation)> = (0..parsed.len())
            .map(|at| {
                let (file, child) = &parsed[at];
                let found = signer(at);
                let subject = name(child);
                let signed_by = match found {
                    Some(issuer) if parsed[issuer].1.raw == child.raw => "itself".to_owned(),
                    Some(issuer) => name(&parsed[issuer].1),
                    None => format!("{} (not among these files)", child.issuer),
                };
                // From the root down, so that sorting puts issuers first.
                let mut line = vec![subject.clone()];
                let mut above = found.filter(|issuer| *issuer != at);
                while let Some(issuer) = above.filter(|_| line.len() < 8) {
                    line.push(name(&parsed[issuer].1));
                    above = signer(issuer).filter(|next| *next != issuer);
                }
                line.reverse();
                let relation = Relation {
                    file: (*file).clone(),
                    subject,
                    used_for: certificate::used_for(child),
                    signed_by,
                    signed_by_file: found.map(|issuer| parsed[issuer].0.clone()),
                    days_left: days_left(child.not_after.at, now),
                };
                (line, relation)
            })
            .collect();
        relations.sort_by(|(a, one), (b, other)| (a, &one.file).cmp(&(b, &other.file)));
        relations
            .into_iter()
            .map(|(_, relation)| relation)
            .collect()
    }
}

fn verifies(child: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
    let same_name = child.issuer.canonical() == issuer.subject.canonical();
    let verdict = || {
        let key = &issuer.public_key;
        verify_signature(key, &child.signature_algorithm, child.tbs, child.signature)
    };
    same_name && verdict() == SignatureVerdict::Right
}

fn name(certificate: &Certificate<'_>) -> String {
    match certificate.subject.is_empty() {
        true => certificate::certificate_name(certificate),
        false => certificate.subject.to_string(),
    }
}
