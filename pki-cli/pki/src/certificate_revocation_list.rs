//! A certificate revocation list (RFC 5280 §5): version 2, complete, of one issuer's own certificates.
//!
//! Delta CRLs, indirect CRLs and distribution points are left out: every verifier reads the plain form, and the services
//! here get the list as a file beside their certificate. Signing is the business of `issuer`, what is to be listed that
//! of `index`.

use time::OffsetDateTime;

use crate::{
    der,
    distinguished_name::DistinguishedName,
    index::{Revocation, RevokedRow},
    parse, pem,
    profile::extension,
    revocation_reason::RevocationReason,
    serial_number,
};

/// The DER content of the object identifiers 2.5.29.x.
const CRL_NUMBER: [u8; 3] = [0x55, 29, 20];
const REASON_CODE: [u8; 3] = [0x55, 29, 21];
const INVALIDITY_DATE: [u8; 3] = [0x55, 29, 24];
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 29, 35];

/// A CRL that was signed.
#[derive(Clone, Eq, PartialEq)]
pub struct CertificateRevocationList {
    der: Vec<u8>,
    number: u64,
    this_update: OffsetDateTime,
    next_update: OffsetDateTime,
    entries: usize,
}

impl CertificateRevocationList {
    pub(crate) fn new(der: Vec<u8>, signed: &ToBeSigned<'_>) -> Self {
        Self {
            der,
            number: signed.number,
            this_update: signed.this_update,
            next_update: signed.next_update,
            entries: signed.revoked.len(),
        }
    }

    /// The encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The CRL number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was issued, a little in the past.
    pub fn this_update(&self) -> OffsetDateTime {
        self.this_update
    }

    /// When the next one comes at the latest.
    pub fn next_update(&self) -> OffsetDateTime {
        self.next_update
    }

    /// How many certificates it lists.
    pub fn entries(&self) -> usize {
        self.entries
    }
}

impl std::fmt::Debug for CertificateRevocationList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "CertificateRevocationList(number {}, {} entries)",
            self.number, self.entries
        )
    }
}

/// PEM of a CRL (RFC 7468 §7).
pub fn to_pem(der: &[u8]) -> String {
    pem::write("X509 CRL", der).to_string()
}

/// TBSCertList (RFC 5280 §5.1.2), ready but for the algorithm that will sign it.
#[derive(Clone, Debug)]
pub(crate) struct ToBeSigned<'a> {
    pub(crate) issuer: &'a DistinguishedName,
    pub(crate) authority_key_identifier: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) this_update: OffsetDateTime,
    pub(crate) next_update: OffsetDateTime,
    /// By serial number, each once.
    pub(crate) revoked: &'a [RevokedRow],
}

impl ToBeSigned<'_> {
    pub(crate) fn encode(&self, signature_algorithm: &[u8]) -> Vec<u8> {
        // §5.1.2.6: "When there are no revoked certificates, the revoked certificates list MUST be absent."
        let mut revoked = Vec::new();
        if !self.revoked.is_empty() {
            let mut entries = Vec::with_capacity(self.revoked.len() * 56);
            for row in self.revoked {
                entries.extend_from_slice(&self.entry(row));
            }
            revoked = der::sequence([entries]);
        }
        let extensions = [
            // §5.2.1: conforming CRL issuers MUST use the key identifier method.
            extension(
                &AUTHORITY_KEY_IDENTIFIER,
                false,
                &der::sequence([der::implicit(0, &self.authority_key_identifier)]),
            ),
            // §5.2.3: "Conforming CRL issuers MUST […] mark this extension as non-critical."
            extension(
                &CRL_NUMBER,
                false,
                &der::unsigned(&self.number.to_be_bytes()),
            ),
        ];
        der::sequence([
            // §5.1.2.1: version 2, because there are extensions.
            &der::unsigned(&[1])[..],
            signature_algorithm,
            self.issuer.der(),
            &der::time(self.this_update),
            &der::time(self.next_update),
            &revoked,
            &der::explicit(0, &der::sequence(extensions)),
        ])
    }

    fn entry(&self, row: &RevokedRow) -> Vec<u8> {
        let Revocation {
            at,
            reason,
            invalid_since,
        } = row.revocation;
        let mut extensions = Vec::new();
        // §5.3.1: the extension "SHOULD be absent instead of using the unspecified (0) reasonCode value".
        if reason != RevocationReason::Unspecified {
            extensions.push(extension(
                &REASON_CODE,
                false,
                &der::enumerated(reason.code()),
            ));
        }
        if let Some(since) = invalid_since.map(readable) {
            // §5.3.2: a GeneralizedTime, also before the year 2050.
            extensions.push(extension(
                &INVALIDITY_DATE,
                false,
                &der::generalized_time(since),
            ));
        }
        let extensions = match extensions.is_empty() {
            true => Vec::new(),
            false => der::sequence(extensions),
        };
        der::sequence([
            // The text in the index came from octets, so it is one.
            serial_number::encoded(&row.serial).unwrap_or_default(),
            // §5.1.2.6: the date on which the CA processed it, the same in every list.
            der::time(readable(at)),
            extensions,
        ])
    }
}

/// The serial numbers that the CRLs of one issuer list, of all those in a file. What cannot be read lists nothing: who
/// asks decides about certificates that are to be replaced, and not about whom to believe.
pub(crate) fn serials(
    bundle: &[u8],
    issuer: &DistinguishedName,
) -> std::collections::HashSet<String> {
    let lists = crate::inspect::crls(bundle).unwrap_or_default();
    let parsed = lists
        .iter()
        .filter_map(|der| parse::crl::Crl::from_der(der).ok());
    parsed
        .filter(|crl| crl.issuer.raw == issuer.der())
        .flat_map(|crl| crl.revoked)
        .map(|entry| serial_number::text(entry.serial))
        .collect()
}

/// What differs between a CRL and what it has to list; `None` when nothing does. Entries that need not be listed any
/// more are no difference.
pub(crate) fn lacks(crl: &[u8], revoked: &[RevokedRow]) -> Option<usize> {
    let Ok(parsed) = parse::crl::Crl::from_der(crl) else {
        return Some(revoked.len());
    };
    let listed: std::collections::HashMap<String, &parse::crl::Revoked<'_>> = parsed
        .revoked
        .iter()
        .map(|entry| (serial_number::text(entry.serial), entry))
        .collect();
    let is_told = |row: &&RevokedRow| {
        listed
            .get(&row.serial)
            .is_some_and(|entry| extensions_of(&row.revocation) == told(entry))
    };
    match revoked.len() - revoked.iter().filter(is_told).count() {
        0 => None,
        missing => Some(missing),
    }
}

fn extensions_of(revocation: &Revocation) -> (u8, Option<OffsetDateTime>) {
    (
        revocation.reason.code(),
        revocation.invalid_since.map(readable),
    )
}

/// A moment as verifiers can read it. rustls refuses a CRL with one before 1970, and an imported history may have such: no
/// certificate of it is that old, so nobody is told anything else by the first moment that can be said.
fn readable(moment: OffsetDateTime) -> OffsetDateTime {
    moment.max(OffsetDateTime::UNIX_EPOCH)
}

/// The reason and the invalidity date of an entry.
fn told(entry: &parse::crl::Revoked<'_>) -> (u8, Option<OffsetDateTime>) {
    use parse::{extensions::Content, oid::known};
    let mut told = (0, None);
    for extension in &entry.extensions {
        match (extension.oid, extension.decode()) {
            (known::REASON_CODE, Ok(Content::ReasonCode(code))) => {
                told.0 = code;
            }
            (_, Ok(Content::InvalidityDate(since))) => told.1 = Some(since.at),
            _ => {}
        }
    }
    told
}
