//! A CRL, read once, and what makes one useless for everybody (RFC 5280 sections 5.1 to 5.3).

use std::collections::{BTreeSet, HashMap};

use super::super::candidate::Candidate;
use crate::parse::{
    crl::{Crl, Revoked},
    extensions::{Content, IssuingDistributionPoint, directory_name},
    oid::known,
};

/// A CRL, read once.
pub(in super::super) struct List<'a> {
    pub(super) crl: Crl<'a>,
    pub(super) issuer: Vec<Vec<u8>>,
    pub(super) scope: Option<IssuingDistributionPoint<'a>>,
    pub(super) is_delta: bool,
    /// The place of each entry, by the number of its issuer in `issuers`, and by serial number.
    entries: HashMap<(usize, &'a [u8]), usize>,
    /// Whose certificates are in it: the list's own issuer first.
    issuers: HashMap<Vec<Vec<u8>>, usize>,
    /// Why it can be used for nothing.
    pub(super) broken: Option<(&'static str, String)>,
}

impl<'a> List<'a> {
    /// Reads every CRL that was given; the second value says what is wrong with those that cannot be read.
    pub(in super::super) fn read_all(octets: &[&'a [u8]]) -> (Vec<Self>, Vec<String>) {
        let mut unreadable = Vec::new();
        let lists = octets
            .iter()
            .filter_map(|octets| match Crl::from_der(octets) {
                Ok(crl) => Some(Self::new(crl)),
                Err(error) => {
                    unreadable.push(error.to_string());
                    None
                }
            });
        (lists.collect(), unreadable)
    }

    fn new(crl: Crl<'a>) -> Self {
        let mut scope = None;
        let mut is_delta = false;
        let mut broken = check_form(&crl).err();
        for extension in &crl.extensions {
            match extension.decode() {
                Ok(Content::IssuingDistributionPoint(point)) => scope = Some(point),
                Ok(Content::DeltaCrlIndicator(_)) => is_delta = true,
                Ok(_) => {}
                Err(error) => {
                    broken.get_or_insert_with(|| ("RFC 5280 section 5.2", error.to_string()));
                }
            }
        }
        let issuer = crl.issuer.canonical();
        let is_indirect = scope.as_ref().is_some_and(|scope| scope.indirect);
        let mut issuers = HashMap::from([(issuer.clone(), 0)]);
        let mut entries = HashMap::new();
        let mut issuer_of_entry = 0;
        for (at, entry) in crl.revoked.iter().enumerate() {
            if is_indirect && let Some(name) = certificate_issuer(entry) {
                // It holds for the entries that follow, too (section 5.3.3).
                let next = issuers.len();
                issuer_of_entry = *issuers.entry(name).or_insert(next);
            }
            entries.entry((issuer_of_entry, entry.serial)).or_insert(at);
        }
        Self {
            issuer,
            crl,
            scope,
            is_delta,
            entries,
            issuers,
            broken,
        }
    }

    /// How many certificates it lists, each counted once.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_indirect(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.indirect)
    }

    /// The entry for a certificate, by serial number and issuer (sections 5.3.3 and 6.3.3 (i)).
    pub(super) fn entry(&self, candidate: &Candidate<'_>) -> Option<&Revoked<'a>> {
        let issuer = *self.issuers.get(&candidate.issuer)?;
        let at = *self.entries.get(&(issuer, candidate.certificate.serial))?;
        self.crl.revoked.get(at)
    }
}

fn certificate_issuer(entry: &Revoked<'_>) -> Option<Vec<Vec<u8>>> {
    let extension = entry
        .extensions
        .iter()
        .find(|extension| extension.oid == known::CERTIFICATE_ISSUER)?;
    match extension.decode() {
        Ok(Content::CertificateIssuer(names)) => {
            directory_name(&names).map(|name| name.canonical())
        }
        _ => None,
    }
}

/// What makes a CRL useless for everybody (sections 5.1 to 5.3).
fn check_form(crl: &Crl<'_>) -> Result<(), (&'static str, String)> {
    let wrong = |clause, text: &str| Err((clause, text.to_owned()));
    if crl.signature_algorithm != crl.tbs_signature_algorithm {
        return wrong(
            "RFC 5280 section 5.1.1.2",
            "the signature algorithm that is signed and the one outside differ",
        );
    }
    if crl.version != Some(1) {
        return wrong("RFC 5280 section 5.1.2.1", "it is not of version 2");
    }
    if crl.next_update.is_none() {
        return wrong(
            "RFC 5280 section 5.1.2.5",
            "it does not say when the next one comes",
        );
    }
    if !crl.this_update.form_is_right || crl.next_update.is_some_and(|next| !next.form_is_right) {
        return wrong(
            "RFC 5280 section 5.1.2.4",
            "its times are not UTCTime through 2049 and GeneralizedTime from 2050 on",
        );
    }
    match crl.extension(known::CRL_NUMBER) {
        None => return wrong("RFC 5280 section 5.2.3", "it has no CRL number"),
        Some(extension) if extension.critical => {
            return wrong(
                "RFC 5280 section 5.2.3",
                "its CRL number is critical and must not be",
            );
        }
        Some(_) => {}
    }
    if crl.extension(known::AUTHORITY_KEY_IDENTIFIER).is_none() {
        return wrong("RFC 5280 section 5.2.1", "it has no authorityKeyIdentifier");
    }
    if crl
        .extension(known::ISSUING_DISTRIBUTION_POINT)
        .is_some_and(|extension| !extension.critical)
    {
        return wrong(
            "RFC 5280 section 5.2.5",
            "its issuingDistributionPoint is not critical",
        );
    }
    let mut seen = BTreeSet::new();
    for extension in &crl.extensions {
        if !seen.insert(extension.oid) {
            return Err((
                "RFC 5280 section 5.2",
                format!("it has the extension {} twice", extension.oid.name()),
            ));
        }
        let understood = matches!(
            extension.oid,
            known::ISSUING_DISTRIBUTION_POINT
                | known::DELTA_CRL_INDICATOR
                | known::AUTHORITY_KEY_IDENTIFIER
        );
        if extension.critical && !understood {
            return Err((
                "RFC 5280 section 5.2",
                format!(
                    "it has the critical extension {}, which is not understood",
                    extension.oid.name_and_numbers()
                ),
            ));
        }
    }
    for extension in crl.revoked.iter().flat_map(|entry| &entry.extensions) {
        let understood = matches!(
            extension.oid,
            known::CERTIFICATE_ISSUER | known::REASON_CODE
        );
        if extension.critical && !understood {
            return Err((
                "RFC 5280 section 5.3",
                format!(
                    "an entry has the critical extension {}, which is not understood",
                    extension.oid.name_and_numbers()
                ),
            ));
        }
    }
    Ok(())
}
