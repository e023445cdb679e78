//! A CRL, read once, and what makes one useless for everybody (RFC 5280 sections 5.1 to 5.3).

use std::collections::{BTreeSet, HashMap};

use time::OffsetDateTime;

use super::super::candidate::Candidate;
use crate::parse::{
    crl::{Crl, Revoked},
    extensions::{Content, IssuingDistributionPoint, directory_name},
    name::Canonical,
    oid::known,
};

/// A CRL, read once.
pub(in super::super) struct List<'a> {
    pub(super) crl: Crl<'a>,
    pub(super) issuer: Canonical,
    pub(super) scope: Option<IssuingDistributionPoint<'a>>,
    /// The CRL number (section 5.2.3); a list of version 1 has none.
    number: Option<&'a [u8]>,
    /// The number of the complete list that a delta CRL starts from (section 5.2.4).
    base: Option<&'a [u8]>,
    /// The place of each entry, by the number of its issuer in `issuers`, and by serial number.
    entries: HashMap<(usize, &'a [u8]), usize>,
    /// Whose certificates are in it: the list's own issuer first.
    issuers: HashMap<Canonical, usize>,
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
        let (mut scope, mut number, mut base) = (None, None, None);
        let mut broken = check_form(&crl).err();
        for extension in &crl.extensions {
            match extension.decode() {
                Ok(Content::IssuingDistributionPoint(point)) => scope = Some(point),
                Ok(Content::CrlNumber(octets)) => number = Some(octets),
                Ok(Content::DeltaCrlIndicator(octets)) => base = Some(octets),
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
            match certificate_issuer(entry) {
                Ok(None) => {}
                // It holds for the entries that follow, too (section 5.3.3).
                Ok(Some(name)) if is_indirect => {
                    let next = issuers.len();
                    issuer_of_entry = *issuers.entry(name).or_insert(next);
                }
                Ok(Some(_)) => {
                    broken.get_or_insert_with(|| {
                        let text = "an entry is about another issuer's certificate, and the list is not indirect";
                        ("RFC 5280 section 5.3.3", text.to_owned())
                    });
                }
                Err(problem) => {
                    broken.get_or_insert(("RFC 5280 section 5.3", problem));
                }
            }
            entries.entry((issuer_of_entry, entry.serial)).or_insert(at);
        }
        Self {
            issuer,
            crl,
            scope,
            number,
            base,
            entries,
            issuers,
            broken,
        }
    }

    /// How many certificates it lists, each counted once.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_delta(&self) -> bool {
        self.base.is_some()
    }

    /// Whether `delta` brings this complete list up to date (sections 5.2.4 and 6.3.3 (c)): the same issuer, scope and
    /// key; it starts from this list or an earlier one, and is later than it.
    pub(super) fn is_updated_by(&self, delta: &List<'_>) -> bool {
        let same = |oid| {
            let (one, other) = (self.crl.extension(oid), delta.crl.extension(oid));
            one.map(|extension| extension.value) == other.map(|extension| extension.value)
        };
        let (Some(number), Some(base), Some(later)) = (self.number, delta.base, delta.number)
        else {
            return false;
        };
        delta.broken.is_none()
            && self.issuer == delta.issuer
            && same(known::ISSUING_DISTRIBUTION_POINT)
            && same(known::AUTHORITY_KEY_IDENTIFIER)
            && magnitude(base) <= magnitude(number)
            && magnitude(number) < magnitude(later)
    }

    /// A key to order lists by their number.
    pub(super) fn order(&self) -> (usize, &'a [u8]) {
        self.number.map_or((0, &[]), magnitude)
    }

    /// Not later than its own nextUpdate.
    pub(super) fn is_current(&self, now: OffsetDateTime) -> bool {
        let next = self.crl.next_update;
        next.is_some_and(|next| now.unix_timestamp() <= next.at.unix_timestamp())
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

/// The name in certificateIssuer, if an entry has one. Every extension of an entry must be readable, since what cannot be
/// read may change what the entry is about.
fn certificate_issuer(entry: &Revoked<'_>) -> Result<Option<Canonical>, String> {
    let mut issuer = None;
    for extension in &entry.extensions {
        match extension.decode() {
            Ok(Content::CertificateIssuer(names)) => {
                let name = directory_name(&names)
                    .ok_or("an entry gives a certificate issuer without a directory name")?;
                issuer = Some(name.canonical());
            }
            Ok(_) => {}
            Err(error) => return Err(format!("an entry cannot be read: {error}")),
        }
    }
    Ok(issuer)
}

/// A non-negative INTEGER's octets in a form that orders as the numbers do: by length, then by octets.
fn magnitude(octets: &[u8]) -> (usize, &[u8]) {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[zeros..];
    (octets.len(), octets)
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
    // “Conforming applications that support CRLs are REQUIRED to process both version 1 and version 2 complete CRLs”
    // (section 5); version 1, which is absent, has no extensions.
    let has_extensions =
        !crl.extensions.is_empty() || crl.revoked.iter().any(|entry| !entry.extensions.is_empty());
    match crl.version {
        Some(1) => {}
        None if !has_extensions => {}
        None => {
            return wrong(
                "RFC 5280 section 5.1.2.1",
                "it has extensions and does not say that it is of version 2",
            );
        }
        Some(_) => return wrong("RFC 5280 section 5.1.2.1", "its version does not exist"),
    }
    if crl.next_update.is_none() {
        return wrong(
            "RFC 5280 section 5.1.2.5",
            "it does not say when the next one comes",
        );
    }
    if !crl.this_update.has_seconds || crl.next_update.is_some_and(|next| !next.has_seconds) {
        return wrong(
            "RFC 5280 section 5.1.2.4",
            "its times are written without seconds",
        );
    }
    if crl.version.is_none() {
        return Ok(());
    }
    match crl.extension(known::CRL_NUMBER) {
        None => return wrong("RFC 5280 section 5.2.3", "it has no CRL number"),
        Some(extension) if extension.critical => {
            return wrong(
                "RFC 5280 section 5.2.3",
                "its CRL number is critical and must not be",
            );
        }
        Some(extension) => {
            // tag, length, and the first octet of the number
            if extension.value.get(2).is_some_and(|first| *first >= 0x80) {
                return wrong("RFC 5280 section 5.2.3", "its CRL number is negative");
            }
        }
    }
    if crl
        .extension(known::DELTA_CRL_INDICATOR)
        .is_some_and(|extension| !extension.critical)
    {
        return wrong(
            "RFC 5280 section 5.2.4",
            "its delta CRL indicator is not critical",
        );
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
