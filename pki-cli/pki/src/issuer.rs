//! An issuer: a CA certificate with its key. The only file that uses a CA key.
//!
//! Issuing is two steps that cannot be taken in the wrong order. [`Issuer::prepare`] checks everything and returns a
//! [`Prepared`]; [`Prepared::issue`] consumes it together with a [`Reserved`] serial number and signs once. What was
//! not checked, or has no reserved serial number, cannot be signed.

use std::{fmt, sync::OnceLock};

use time::{Duration, OffsetDateTime};

use crate::{
    certificate::{Certificate, KEY_CERT_SIGN, ToBeSigned, signed},
    distinguished_name::DistinguishedName,
    error::Error,
    key::{KeyAlgorithm, KeyError, PrivateKey, PublicKey},
    lint, parse,
    path_validation::{self, FailureKind, Position, SignatureVerdict, verify_signature},
    profile::{Facts, Profile},
    serial_number::Reserved,
    subject_alt_name::GeneralName,
};

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

/// Something that the person did not ask for and should know; whole sentences.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The certificate ends with its issuer.
    Clamped {
        /// The end that was asked for.
        asked: OffsetDateTime,
        /// The end that it got.
        granted: OffsetDateTime,
        /// The CA that ends then.
        issuer: String,
    },
    /// A client without any subject alternative name.
    ClientWithoutNames,
    /// 0.0.0.0 or :: as a name.
    UnspecifiedAddress(String),
    /// The trust anchor is not self-signed.
    AnchorIsNoRoot(String),
}

/// Why a certificate is not issued: one sentence with the reason and the fix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The issuer is not a CA.
    #[error(
        "The certificate {0:?} is not a CA (its basicConstraints do not say CA:TRUE), so nobody would accept what it signs; give the certificate of a CA."
    )]
    NotACa(String),
    /// The issuer may not sign certificates.
    #[error(
        "The CA {0:?} may not sign certificates (its key usage lacks keyCertSign); give a CA certificate that has it."
    )]
    NoKeyCertSign(String),
    /// The key is of another certificate.
    #[error(
        "The CA key does not belong to the CA certificate {0:?}; give the key that was made with it."
    )]
    KeyMismatch(String),
    /// The CA's validity is over.
    #[error(
        "The CA {subject:?} expired on {not_after}, so nothing that it signs would be accepted; renew the CA first."
    )]
    Expired {
        /// The CA.
        subject: String,
        /// When.
        not_after: String,
    },
    /// The CA's validity has not begun.
    #[error(
        "The CA {subject:?} is not valid before {not_before}; wait, or set this machine's clock."
    )]
    NotYetValid {
        /// The CA.
        subject: String,
        /// When.
        not_before: String,
    },
    /// The chain above the issuer does not hold together.
    #[error(
        "The CA {subject:?} says that it was issued by {issuer:?}, which is not among the certificates given; add it to the file, after the CA's own certificate."
    )]
    ChainBroken {
        /// The certificate whose issuer is missing.
        subject: String,
        /// The name of that issuer.
        issuer: String,
    },
    /// A path length would be exceeded.
    #[error(
        "The CA {subject:?} allows {allowed} CAs below it (path length), and this certificate would need {needed}; issue from a CA further up."
    )]
    PathLength {
        /// The CA with the constraint.
        subject: String,
        /// Its path length.
        allowed: u32,
        /// What it would have to be.
        needed: u32,
    },
    /// A CA above may not issue for this name.
    #[error(
        "The CA {subject:?} may not issue for this name: {reason}; ask for a name that it covers, or use another CA."
    )]
    NameConstraint {
        /// The CA with the constraint.
        subject: String,
        /// Which name and which constraint.
        reason: String,
    },
    /// A CA above may not issue for this use.
    #[error(
        "The CA {subject:?} may issue only for the uses that its extended key usage names, and a {profile} certificate needs another one; use a CA without extended key usage, or with this one."
    )]
    CaPurpose {
        /// The CA with the extended key usage.
        subject: String,
        /// What was asked for.
        profile: Profile,
    },
    /// A CA above breaks a rule to which verifiers hold it.
    #[error(
        "The CA {subject:?} is not fit to issue, because verifiers would not accept it: {reason}; have the CA's certificate issued again. Nothing was signed."
    )]
    UnfitCa {
        /// The CA.
        subject: String,
        /// The rule, as half a sentence with its clause.
        reason: String,
    },
    /// The issuing CA would be called as the root is.
    #[error(
        "The issuing CA would have the root's name, {0:?}, and verifiers could not tell them apart; give it another one."
    )]
    SameName(String),
    /// A CA above signs with a broken hash.
    #[error(
        "The CA {0:?} was itself signed with SHA-1 or MD5, so nobody would accept the chain; have it issued again."
    )]
    WeakChain(String),
    /// A server without a name.
    #[error(
        "A {0} certificate needs a name that its callers can check, and none was asked for; add --dns, --ip or --uri."
    )]
    NoNames(Profile),
    /// A certificate without subject and names.
    #[error(
        "The certificate would have neither a subject nor a name; add --subject, --dns, --ip, --uri or --email."
    )]
    Nameless,
    /// The CA's own key.
    #[error(
        "The request is for the CA's own key, and a key must not be a CA's and somebody else's at once; make a new key for {0:?}."
    )]
    CaKey(String),
    /// The key is weak.
    #[error("The key is refused: {0}.")]
    WeakKey(String),
    /// The validity.
    #[error("A validity of {0} days is not possible; ask for 1 to 36500 days.")]
    Days(u32),
    /// A domain that a CA is to be bound to.
    #[error("The CA cannot be bound to {name:?}: {reason}; give a domain such as example.org.")]
    Domain {
        /// What was given.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The throw-away signed certificate breaks a rule.
    #[error("The certificate would break a rule, so it was not signed: {0}.")]
    Lint(String),
    /// The request asked for something that the profile does not give.
    #[error(
        "The request asks for {asked}, which is not granted under the profile {profile}: {advice}."
    )]
    NotGranted {
        /// What.
        asked: String,
        /// Under which profile.
        profile: Profile,
        /// What to do.
        advice: String,
    },
}

/// A certificate that passed every check, ready to be signed once.
pub struct Prepared<'a> {
    key: &'a PrivateKey,
    to_be_signed: ToBeSigned,
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
        let subject = || certificate.subject().to_string();
        if !certificate.is_ca() {
            return Err(Refusal::NotACa(subject()));
        }
        // RFC 5280 §4.2.1.3: a CA certificate without key usage may do anything.
        if certificate
            .key_usage
            .is_some_and(|usage| usage & (1 << KEY_CERT_SIGN) == 0)
        {
            return Err(Refusal::NoKeyCertSign(subject()));
        }
        if key.public() != certificate.public_key() {
            return Err(Refusal::KeyMismatch(subject()));
        }
        let parents = parents_of(&certificate, others.into_iter().collect())?;
        Ok(Self {
            certificate,
            key,
            parents,
        })
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
    fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.certificate).chain(&self.parents)
    }

    /// Checks that this issuer may issue what is asked for, and how it would come out.
    pub fn prepare(
        &self,
        request: &Request<'_>,
        now: OffsetDateTime,
    ) -> Result<Prepared<'_>, Error> {
        check_request(request)?;
        if self
            .chain()
            .any(|above| above.public_key() == request.public_key)
        {
            return Err(Refusal::CaKey(request.subject.to_string()).into());
        }
        let wanted = Wanted {
            profile: request.profile,
            subject: request.subject,
            names: request.names,
        };
        check_chain(&self.chain().collect::<Vec<_>>(), &wanted, now)?;

        let mut notices = general_notices(request);
        if !self.anchor().is_self_issued() {
            notices.push(Notice::AnchorIsNoRoot(self.anchor().subject().to_string()));
        }
        let asked = now + Duration::days(request.days.into());
        let mut not_after = asked;
        for above in self.chain().filter(|above| above.not_after() < asked) {
            if above.not_after() < not_after {
                not_after = above.not_after();
                notices.retain(|notice| !matches!(notice, Notice::Clamped { .. }));
                notices.push(Notice::Clamped {
                    asked,
                    granted: not_after,
                    issuer: above.subject().to_string(),
                });
            }
        }
        let not_before = (now - BACKDATE).max(self.certificate.not_before());
        let authority_key_identifier = match &self.certificate.subject_key_identifier {
            Some(identifier) => identifier.clone(),
            None => self.key.public().identifier(),
        };
        let to_be_signed = to_be_signed(
            request,
            self.certificate.subject().clone(),
            &authority_key_identifier,
            (not_before, not_after),
        );
        let prepared = Prepared {
            key: &self.key,
            to_be_signed,
            notices,
        };
        prepared.lint(request, Some(&self.certificate))?;
        Ok(prepared)
    }
}

/// What the CAs above are asked for: a request without its key.
pub(crate) struct Wanted<'a> {
    pub(crate) profile: Profile,
    pub(crate) subject: &'a DistinguishedName,
    pub(crate) names: &'a [GeneralName],
}

/// Whether a CA (first) with those above it (the trust anchor last) may issue this now, without its key: everything above
/// must be valid, allow what is asked for, and be what verifiers accept.
pub(crate) fn check_chain(
    chain: &[&Certificate],
    wanted: &Wanted<'_>,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    // RFC 5280 §4.2.1.9: the path length counts the intermediates that are not self-issued between a CA and the end
    // entity; a new CA counts itself.
    let mut below = u32::from(wanted.profile.is_ca());
    for above in chain {
        let subject = || above.subject().to_string();
        if above.not_after() < now {
            return Err(Refusal::Expired {
                subject: subject(),
                not_after: date(above.not_after()),
            });
        }
        if above.not_before() > now {
            return Err(Refusal::NotYetValid {
                subject: subject(),
                not_before: date(above.not_before()),
            });
        }
        if let Some(allowed) = above
            .basic_constraints
            .and_then(|constraints| constraints.path_length)
            && allowed < below
        {
            return Err(Refusal::PathLength {
                subject: subject(),
                allowed,
                needed: below,
            });
        }
        if let Some(constraints) = &above.name_constraints {
            let outside = |reason| Refusal::NameConstraint {
                subject: subject(),
                reason,
            };
            wanted
                .names
                .iter()
                .try_for_each(|name| constraints.check(name))
                .map_err(outside)?;
            constraints.check_subject(wanted.subject).map_err(outside)?;
        }
        if !above.is_self_issued() {
            if lint::is_weak_signature(above.signature_algorithm()) {
                return Err(Refusal::WeakChain(subject()));
            }
            below += 1;
        }
    }
    check_as_verifier(chain, wanted.profile, now)
}

/// The rules of the validator that will judge what comes out, asked of the CAs before their key signs.
fn check_as_verifier(
    chain: &[&Certificate],
    profile: Profile,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    let ([own, parents @ ..], Some(anchor)) = (chain, chain.last()) else {
        return Ok(());
    };
    for above in chain {
        let subject = above.subject().to_string();
        let allows = |usages: &[String], purpose: &String| {
            usages.contains(purpose) || usages.iter().any(|usage| usage == ANY_EXTENDED_KEY_USAGE)
        };
        if let Some(usages) = &above.extended_key_usage
            && !profile
                .purposes()
                .iter()
                .all(|purpose| allows(usages, purpose))
        {
            return Err(Refusal::CaPurpose { subject, profile });
        }
        // The validator asks this of issuers only, and is asked about the first one as if it were a leaf.
        if !above
            .extensions
            .iter()
            .any(|(oid, is_critical)| oid == "2.5.29.19" && *is_critical)
        {
            let reason = "its basicConstraints are not critical (RFC 5280 section 4.2.1.9)";
            return Err(Refusal::UnfitCa {
                subject,
                reason: reason.to_owned(),
            });
        }
    }
    let question = path_validation::Request::new(own.der(), now)
        .trust([anchor.der()])
        .intermediates(parents.iter().map(|parent| parent.der()));
    let Err(rejected) = path_validation::validate(&question) else {
        return Ok(());
    };
    match rejected.kind {
        // Above a trust anchor that is no root nobody looks.
        FailureKind::NoPath if parents.is_empty() => Ok(()),
        // A CA's own name may lie outside of what it issues for.
        FailureKind::NameConstraint => Ok(()),
        _ => {
            let at = match rejected.position {
                Position::Leaf => own,
                Position::Intermediate(at) => chain.get(at).unwrap_or(own),
                _ => anchor,
            };
            Err(Refusal::UnfitCa {
                subject: at.subject().to_string(),
                reason: format!("{} ({})", rejected.reason, rejected.clause),
            })
        }
    }
}

const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";

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
        let prepared = Self {
            key,
            to_be_signed,
            notices: general_notices(request),
        };
        prepared.lint(request, None)?;
        Ok(prepared)
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
        sign(&self.to_be_signed, reserved.serial().octets(), self.key)
    }

    /// Signs with a key that is worth nothing and looks at the result as a stranger would, so that the real key never
    /// signs something malformed.
    fn lint(&self, request: &Request<'_>, issuer: Option<&Certificate>) -> Result<(), Error> {
        const PLACEHOLDER: [u8; 20] = [0x55; 20];
        let throw_away = throw_away_key()?;
        let certificate = sign(&self.to_be_signed, &PLACEHOLDER, throw_away)?;
        lint::check(&certificate, request, issuer).map_err(|finding| Refusal::Lint(finding).into())
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clamped { asked, granted, issuer } => write!(
                f,
                "The certificate ends on {} and not on {}, because the CA {issuer:?} ends then.",
                date(*granted),
                date(*asked)
            ),
            Self::ClientWithoutNames => f.write_str(
                "The client certificate has no subject alternative name; who looks at names (as the services here do) will not know this client. Add --uri or --dns.",
            ),
            Self::UnspecifiedAddress(address) => write!(
                f,
                "{address} is the address to listen on all interfaces; nobody connects to it, so no caller will ever check for it."
            ),
            Self::AnchorIsNoRoot(subject) => write!(
                f,
                "The last CA that was given, {subject:?}, is not self-signed; some verifiers (openssl without -partial_chain) trust roots only. Add the root to the CA's file."
            ),
        }
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

fn general_notices(request: &Request<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    if request.profile == Profile::Client && request.names.is_empty() {
        notices.push(Notice::ClientWithoutNames);
    }
    for name in request.names {
        if let GeneralName::Ip(address) = name
            && address.is_unspecified()
        {
            notices.push(Notice::UnspecifiedAddress(address.to_string()));
        }
    }
    notices
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

fn sign(content: &ToBeSigned, serial: &[u8; 20], key: &PrivateKey) -> Result<Certificate, Error> {
    let algorithm = key.signature_algorithm();
    let encoded = content.encode(serial, &algorithm);
    let signature = key.sign(&encoded)?;
    Certificate::from_der(&signed(&encoded, &algorithm, &signature))
        .map_err(|error| Refusal::Lint(error.to_string()).into())
}

/// One throw-away key per process is enough: what it signs never leaves it.
fn throw_away_key() -> Result<&'static PrivateKey, KeyError> {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let key = PrivateKey::generate(KeyAlgorithm::P256)?;
    Ok(KEY.get_or_init(|| key))
}

/// Walks from a CA to the trust anchor.
fn parents_of(
    certificate: &Certificate,
    mut others: Vec<Certificate>,
) -> Result<Vec<Certificate>, Refusal> {
    let mut parents: Vec<Certificate> = Vec::new();
    loop {
        let last = parents.last().unwrap_or(certificate);
        if is_self_signed(last) {
            return Ok(parents);
        }
        // Each turn takes one out, so a circle of certificates ends as well.
        let is_above =
            |other: &Certificate| other.der() != last.der() && last.names_as_issuer(other);
        match others.iter().position(is_above) {
            Some(at) => parents.push(others.swap_remove(at)),
            None if parents.is_empty() && others.is_empty() => return Ok(parents),
            None => {
                return Err(Refusal::ChainBroken {
                    subject: last.subject().to_string(),
                    issuer: last.issuer().to_string(),
                });
            }
        }
    }
}

/// Whether a certificate ends its chain. A name that is its own issuer's is not enough: a CA may have a new key certified
/// under its name by the old one (RFC 5280 §6.1, "self-issued").
fn is_self_signed(certificate: &Certificate) -> bool {
    certificate.is_self_issued()
        && parse::certificate::Certificate::from_der(certificate.der()).is_ok_and(|parsed| {
            let verdict = verify_signature(
                &parsed.public_key,
                &parsed.signature_algorithm,
                parsed.tbs,
                parsed.signature,
            );
            // What a root signed itself with is not relied on, so it may be an algorithm that is not.
            verdict != SignatureVerdict::Wrong
        })
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
mod tests {
    use super::*;
    use crate::serial_number::SerialNumber;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    struct Subject {
        name: DistinguishedName,
        key: PrivateKey,
    }

    fn subject(name: &str) -> Subject {
        Subject {
            name: DistinguishedName::common_name(name).expect(name),
            key: PrivateKey::generate(KeyAlgorithm::P256).expect("a key"),
        }
    }

    fn request<'a>(
        profile: Profile,
        subject: &'a Subject,
        names: &'a [GeneralName],
    ) -> Request<'a> {
        Request {
            profile,
            subject: &subject.name,
            names,
            public_key: subject.key.public(),
            days: 60,
            path_length: 0,
            permitted_dns: &[],
        }
    }

    fn sign(prepared: Prepared<'_>) -> Certificate {
        let serial = SerialNumber::random().expect("randomness");
        prepared
            .issue(Reserved::without_index(serial))
            .expect("signed")
    }

    /// A root of this path length.
    fn root(path_length: u8) -> Issuer {
        let root = subject("root");
        let request = Request {
            days: 365,
            path_length,
            ..request(Profile::Root, &root, &[])
        };
        let certificate = sign(Prepared::root(&root.key, &request, NOW).expect("prepared"));
        Issuer::new(certificate, root.key, []).expect("an issuer")
    }

    fn dns(name: &str) -> Vec<GeneralName> {
        vec![GeneralName::dns(name).expect(name)]
    }

    #[test]
    fn a_ca_below_a_root_counts_against_its_path_length() {
        let intermediate = subject("intermediate");
        let request = request(Profile::Intermediate, &intermediate, &[]);
        assert!(root(1).prepare(&request, NOW).is_ok());
        let refused = root(0)
            .prepare(&request, NOW)
            .map(drop)
            .expect_err("refused")
            .to_string();
        assert!(refused.contains("allows 0 CAs below it"), "{refused}");
    }

    #[test]
    fn a_chain_ends_at_what_signed_itself_and_not_at_a_name_that_repeats() {
        let old = root(1);
        let new = subject("root");
        let asked = request(Profile::Intermediate, &new, &[]);
        let rolled_over = sign(old.prepare(&asked, NOW).expect("prepared"));
        assert!(rolled_over.is_self_issued());
        let anchor = old.certificate().clone();
        let others = [rolled_over.clone(), anchor.clone()];
        let issuer = Issuer::new(rolled_over.clone(), new.key, others).expect("an issuer");
        assert_eq!(issuer.parents(), std::slice::from_ref(&anchor));
        assert_eq!(issuer.intermediates(), [&rolled_over]);
        let (leaf, names) = (subject("leaf"), dns("a.dev"));
        let certificate = sign(
            issuer
                .prepare(&request(Profile::Server, &leaf, &names), NOW)
                .expect("prepared"),
        );
        let question = path_validation::Request::new(certificate.der(), NOW)
            .trust([anchor.der()])
            .intermediates([rolled_over.der()]);
        path_validation::validate(&question).expect("accepted");
    }

    #[test]
    fn the_same_key_certified_twice_gets_two_serial_numbers() {
        let (ca, leaf, names) = (root(0), subject("leaf"), dns("a.dev"));
        let request = request(Profile::Server, &leaf, &names);
        let serials: Vec<_> = (0..2)
            .map(|_| sign(ca.prepare(&request, NOW).expect("prepared")).serial())
            .collect();
        assert_ne!(serials[0], serials[1]);
    }

    #[test]
    fn validity_begins_five_minutes_ago_and_ends_with_the_issuer_at_the_latest() {
        let (ca, leaf, names) = (root(0), subject("leaf"), dns("a.dev"));
        let prepared = ca
            .prepare(&request(Profile::Server, &leaf, &names), NOW)
            .expect("prepared");
        assert_eq!(prepared.not_before(), NOW - BACKDATE);
        assert_eq!(prepared.not_after(), NOW + Duration::days(60));
        assert_eq!(prepared.notices(), []);
        let long = Request {
            days: 400,
            ..request(Profile::Server, &leaf, &names)
        };
        let prepared = ca.prepare(&long, NOW).expect("prepared");
        assert_eq!(prepared.not_after(), ca.certificate().not_after());
        assert!(matches!(prepared.notices(), [Notice::Clamped { .. }]));
        // An issuer that was made a moment ago.
        let prepared = ca
            .prepare(&request(Profile::Server, &leaf, &names), NOW - BACKDATE)
            .expect("prepared");
        assert_eq!(prepared.not_before(), ca.certificate().not_before());
    }

    #[test]
    fn the_cas_own_key_gets_no_other_certificate() {
        let (ca, names) = (root(0), dns("a.dev"));
        let leaf = subject("leaf");
        let request = Request {
            public_key: ca.certificate().public_key(),
            ..request(Profile::Server, &leaf, &names)
        };
        let refused = ca
            .prepare(&request, NOW)
            .map(drop)
            .expect_err("refused")
            .to_string();
        assert!(refused.contains("the CA's own key"), "{refused}");
    }

    #[test]
    fn a_name_that_nobody_checked_is_checked_before_it_is_signed() {
        let (ca, leaf) = (root(0), subject("leaf"));
        let names = [GeneralName::Dns("a..dev".to_owned())];
        assert!(
            ca.prepare(&request(Profile::Server, &leaf, &names), NOW)
                .is_err()
        );
    }

    #[test]
    fn the_lint_finds_what_the_profile_would_never_make() {
        let (ca, leaf, names) = (root(0), subject("leaf"), dns("a.dev"));
        let asked = request(Profile::Server, &leaf, &names);
        let good = sign(ca.prepare(&asked, NOW).expect("prepared"));
        assert_eq!(lint::check(&good, &asked, Some(ca.certificate())), Ok(()));
        let other_names = dns("b.dev");
        for (wrong, clause) in [
            (
                request(Profile::Client, &leaf, &names),
                "extended key usage",
            ),
            (request(Profile::Server, &leaf, &other_names), "names"),
            (
                request(Profile::Intermediate, &leaf, &names),
                "basicConstraints",
            ),
            (
                request(Profile::Server, &subject("other"), &names),
                "subject",
            ),
        ] {
            let finding =
                lint::check(&good, &wrong, Some(ca.certificate())).expect_err("a finding");
            assert!(finding.contains(clause), "{clause}: {finding}");
        }
        let finding = lint::check(&good, &asked, Some(root(0).certificate()))
            .expect_err("another root's key");
        assert!(finding.contains("authority key identifier"), "{finding}");
    }

    #[test]
    fn debug_shows_no_key() {
        assert!(format!("{:?}", root(0)).contains("elided"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_was_asked_for_is_what_stands_in_the_certificate(
            labels in prop::collection::btree_set("[a-z]{1,12}", 1..6),
            octets: [u8; 4],
            days in 1_u32..300,
            common_name in "[^\\p{C}]{1,64}".prop_filter("seen", |name| !name.chars().any(crate::text::is_hostile)),
        ) {
            let ca = root(0);
            let leaf = subject(&common_name);
            let mut names: Vec<_> = labels.iter().flat_map(|label| dns(&format!("{label}.example.org"))).collect();
            names.push(GeneralName::Ip(octets.into()));
            names.push(GeneralName::uri("spiffe://example.org/x").expect("an ID"));
            let request = Request { days, ..request(Profile::Peer, &leaf, &names) };
            let certificate = sign(ca.prepare(&request, NOW).expect("prepared"));
            prop_assert_eq!(certificate.names(), &names);
            prop_assert_eq!(certificate.subject(), &leaf.name);
            prop_assert_eq!(certificate.profile(), Some(Profile::Peer));
            prop_assert_eq!(certificate.not_after() - certificate.not_before(), Duration::days(days.into()) + BACKDATE);
            let question = path_validation::Request::new(certificate.der(), NOW).trust([ca.certificate().der()]);
            prop_assert!(path_validation::validate(&question).is_ok());
        }
    }
}
