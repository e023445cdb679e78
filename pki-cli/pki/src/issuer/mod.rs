//! An issuer: a CA certificate with its key. The only place that uses a CA key.
//!
//! Issuing is two steps that cannot be taken in the wrong order. [`Issuer::prepare`] checks everything and returns a
//! [`Prepared`]; [`Prepared::issue`] consumes it together with a [`Reserved`] serial number and signs once. What was
//! not checked, or has no reserved serial number, cannot be signed.

mod chain;
mod crl;
mod fit;
mod notice;
mod refusal;

use std::{fmt, sync::OnceLock};

use time::{Duration, OffsetDateTime};

use crate::{
    certificate::{Certificate, KEY_CERT_SIGN, ToBeSigned, signed},
    distinguished_name::DistinguishedName,
    error::Error,
    key::{KeyAlgorithm, KeyError, PrivateKey, PublicKey},
    lint,
    profile::{Facts, Profile},
    serial_number::Reserved,
    subject_alt_name::{GeneralName, MOST_NAMES},
};

pub(crate) use chain::{
    Wanted, check_above, check_chain, check_common_name, check_fit, check_names,
};
pub use fit::Fit;
pub use notice::Notice;
pub use refusal::Refusal;

use chain::parents_of;
use notice::general_notices;

/// How far a certificate's validity begins in the past, so that a verifier whose clock is a little slow accepts it.
pub const BACKDATE: Duration = Duration::minutes(5);
/// The longest validity that can be asked for.
pub const MAX_DAYS: u32 = 36_500;

/// A CA that can issue.
pub struct Issuer {
    certificate: Certificate,
    key: PrivateKey,
    /// From the issuer's own issuer up to the trust anchor; empty when the issuer is the trust anchor.
    parents: Vec<Certificate>,
}

/// What is to be issued.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What the certificate is for.
    pub profile: Profile,
    /// Its subject; may be empty when there are names.
    pub subject: &'a DistinguishedName,
    /// Its subject alternative names, without repetitions.
    pub names: &'a [GeneralName],
    /// Its public key.
    pub public_key: &'a PublicKey,
    /// Its validity in days from now.
    pub days: u32,
    /// Of a CA: how many CAs may stand below it.
    pub path_length: u8,
    /// Of a CA: the DNS domains that it is bound to; none means all.
    pub permitted_dns: &'a [String],
}

/// A certificate that passed every check, ready to be signed once.
pub struct Prepared<'a> {
    key: &'a PrivateKey,
    to_be_signed: ToBeSigned,
    /// What it will be, read from its encoding, with placeholders for the serial number and the signature.
    linted: Certificate,
    notices: Vec<Notice>,
}

impl Issuer {
    /// A CA from its certificate, its key and the certificates above it, which may come in any order and with others
    /// among them. An issuer that may not issue cannot exist.
    pub fn new(
        certificate: Certificate,
        key: PrivateKey,
        others: impl IntoIterator<Item = Certificate>,
    ) -> Result<Self, Refusal> {
        Self::may_issue(&certificate)?;
        if key.public() != certificate.public_key() {
            return Err(Refusal::KeyMismatch(certificate.subject().to_string()));
        }
        let parents = parents_of(&certificate, others.into_iter().collect())?;
        Ok(Self {
            certificate,
            key,
            parents,
        })
    }

    /// Whether a certificate is that of a CA that may sign certificates, whoever has the key.
    pub(crate) fn may_issue(certificate: &Certificate) -> Result<(), Refusal> {
        let subject = || certificate.subject().to_string();
        if !certificate.is_ca() {
            return Err(Refusal::NotACa(subject()));
        }
        // RFC 5280 §6.1.4 (n) asks for the bit where key usage is present, and so do our own validator and rustls (which
        // asks for nothing). §4.2.1.3 demands the extension of CAs, and strict verifiers do: see `Notice::NoKeyUsage`.
        if certificate
            .key_usage
            .is_some_and(|usage| usage & (1 << KEY_CERT_SIGN) == 0)
        {
            return Err(Refusal::NoKeyCertSign(subject()));
        }
        Ok(())
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates above it, the trust anchor last.
    pub fn parents(&self) -> &[Certificate] {
        &self.parents
    }

    /// Where trust begins: the last certificate above the issuer, or the issuer itself.
    pub fn anchor(&self) -> &Certificate {
        self.parents.last().unwrap_or(&self.certificate)
    }

    /// What is sent along with an end entity's certificate: the chain without the trust anchor, the issuer first.
    pub fn intermediates(&self) -> Vec<&Certificate> {
        let chain: Vec<_> = self.chain().collect();
        chain[..chain.len().saturating_sub(1)].to_vec()
    }

    /// The issuer and everything above it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.parents)
    }

    /// Checks that this issuer may issue what is asked for, and how it would come out.
    pub fn prepare(
        &self,
        request: &Request<'_>,
        now: OffsetDateTime,
    ) -> Result<Prepared<'_>, Error> {
        // What is wrong with the request is told before what is wrong with the CA.
        self.check_request(request)?;
        self.fit(request.profile, now)?.prepare_checked(request)
    }

    /// Checks what does not hang on the request, once for many certificates: whether this issuer may issue under a
    /// profile now.
    pub fn fit(&self, profile: Profile, now: OffsetDateTime) -> Result<Fit<'_>, Refusal> {
        check_above(&self.chain().collect::<Vec<_>>(), profile, now)?;
        Ok(Fit {
            issuer: self,
            profile,
            now,
        })
    }

    fn check_request(&self, request: &Request<'_>) -> Result<(), Error> {
        check_request(request)?;
        if self
            .chain()
            .any(|above| above.public_key() == request.public_key)
        {
            return Err(Refusal::CaKey(request.subject.to_string()).into());
        }
        Ok(())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            certificate,
            key: _,
            parents,
        } = self;
        f.debug_struct("Issuer")
            .field("certificate", certificate)
            .field("key", &"[elided]")
            .field("parents", parents)
            .finish()
    }
}

impl<'a> Prepared<'a> {
    /// Prepares a root, which signs itself with the key that it certifies.
    pub fn root(
        key: &'a PrivateKey,
        request: &Request<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        check_request(request)?;
        let identifier = request.public_key.identifier();
        let validity = (now - BACKDATE, now + Duration::days(request.days.into()));
        let to_be_signed = to_be_signed(request, request.subject.clone(), &identifier, validity);
        Self::lint(key, to_be_signed, general_notices(request), request, None)
    }

    /// What the person should know.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The last second of the certificate to be.
    pub fn not_after(&self) -> OffsetDateTime {
        self.to_be_signed.not_after
    }

    /// The first second of the certificate to be.
    pub fn not_before(&self) -> OffsetDateTime {
        self.to_be_signed.not_before
    }

    /// Signs. The one place where a CA's key is used.
    pub fn issue(self, reserved: Reserved) -> Result<Certificate, Error> {
        let serial = reserved.serial();
        let algorithm = self.key.signature_algorithm();
        let encoded = self.to_be_signed.encode(serial.octets(), &algorithm);
        let signature = self.key.sign(&encoded)?;
        let der = signed(&encoded, &algorithm, &signature);
        Ok(self.linted.reissued(serial.octets(), &der))
    }

    /// The certificate to be, with placeholders for its serial number and its signature.
    pub fn draft(&self) -> &Certificate {
        &self.linted
    }

    /// Puts a placeholder where the signature will be and looks at the result as a stranger would, so that the real key
    /// never signs something malformed.
    fn lint(
        key: &'a PrivateKey,
        to_be_signed: ToBeSigned,
        notices: Vec<Notice>,
        request: &Request<'_>,
        issuer: Option<&Certificate>,
    ) -> Result<Self, Error> {
        const SERIAL: [u8; 20] = [0x55; 20];
        const SIGNATURE: [u8; 64] = [0x55; 64];
        let algorithm = key.signature_algorithm();
        let encoded = to_be_signed.encode(&SERIAL, &algorithm);
        let refused = |finding| Error::from(Refusal::Lint(finding));
        let linted = Certificate::from_der(&signed(&encoded, &algorithm, &SIGNATURE))
            .map_err(|error| refused(error.to_string()))?;
        lint::check(&linted, request, issuer).map_err(refused)?;
        Ok(Self {
            key,
            to_be_signed,
            linted,
            notices,
        })
    }
}

fn check_request(request: &Request<'_>) -> Result<(), Error> {
    if !(1..=MAX_DAYS).contains(&request.days) {
        return Err(Refusal::Days(request.days).into());
    }
    request
        .public_key
        .check_strength()
        .map_err(|weak| Refusal::WeakKey(weak.to_string()))?;
    if request.profile.is_server() && request.names.is_empty() {
        return Err(Refusal::NoNames(request.profile).into());
    }
    check_count(request.names)?;
    if request.subject.is_empty() && (request.names.is_empty() || request.profile.is_ca()) {
        return Err(Refusal::Nameless.into());
    }
    for name in request.permitted_dns {
        let refuse = |reason: String| Refusal::Domain {
            name: name.clone(),
            reason,
        };
        if name.contains('*') || name.starts_with('.') {
            let plain = name.trim_start_matches(['*', '.']);
            return Err(refuse(format!(
                "a constraint covers all that is below it already, so write {plain:?}"
            ))
            .into());
        }
        if name.parse::<std::net::IpAddr>().is_ok() {
            return Err(
                refuse("it is an IP address, and addresses are left unbound".to_owned()).into(),
            );
        }
        GeneralName::dns(name).map_err(|error| refuse(error.reason))?;
    }
    // Names from the command line were checked when they were read; those of a request come from a stranger.
    request
        .names
        .iter()
        .try_for_each(|name| name.checked().map(drop))?;
    Ok(())
}

/// Whether a certificate may have so many names: asked of every one before it is signed or its signing is rehearsed, and
/// already where names are read.
pub fn check_count(names: &[GeneralName]) -> Result<(), Refusal> {
    match names.len() {
        ..=MOST_NAMES => Ok(()),
        many => Err(Refusal::TooManyNames(many)),
    }
}

fn to_be_signed(
    request: &Request<'_>,
    issuer: DistinguishedName,
    authority_key_identifier: &[u8],
    (not_before, not_after): (OffsetDateTime, OffsetDateTime),
) -> ToBeSigned {
    ToBeSigned {
        issuer,
        subject: request.subject.clone(),
        not_before,
        not_after,
        spki: request.public_key.spki().to_vec(),
        extensions: request.profile.extensions(&Facts {
            subject_key_identifier: &request.public_key.identifier(),
            authority_key_identifier,
            subject_is_empty: request.subject.is_empty(),
            names: request.names,
            path_length: request.path_length,
            permitted_dns: request.permitted_dns,
        }),
    }
}

/// For the draft of a CRL. One throw-away key per process is enough: what it signs never leaves it.
fn throw_away_key() -> Result<&'static PrivateKey, KeyError> {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let key = PrivateKey::generate(KeyAlgorithm::P256)?;
    Ok(KEY.get_or_init(|| key))
}

/// A date for people, `2026-11-24`.
pub fn date(moment: OffsetDateTime) -> String {
    let date = moment.to_offset(time::UtcOffset::UTC).date();
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

#[cfg(test)]
mod tests;
