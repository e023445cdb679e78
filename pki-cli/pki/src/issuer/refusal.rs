//! Why a certificate is not issued: every refusal with its sentence.

use crate::{profile::Profile, subject_alt_name::MOST_NAMES};

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
    /// The issuer may not sign CRLs.
    #[error(
        "The CA {0:?} may not sign CRLs (its key usage lacks cRLSign), so nobody would accept its CRL; have its certificate issued again with cRLSign."
    )]
    NoCrlSign(String),
    /// The life of a CRL.
    #[error("A CRL cannot live {0}; ask for 1h to 36500d.")]
    CrlLife(String),
    /// The throw-away signed CRL breaks a rule.
    #[error("The CRL would break a rule, so it was not signed: {0}.")]
    CrlLint(String),
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
    /// The CA was revoked.
    #[error(
        "The CA {0:?} is revoked, so nothing that it signs would be accepted; replace it with \"pki ca rotate prepare --now\" and \"pki ca rotate activate\", and issue then."
    )]
    RevokedCa(String),
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
        "The CA {subject:?} allows {} below it (path length), and this certificate would need {needed}; issue from a CA further up.",
        authorities(*allowed)
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
    /// The common name looks like a DNS name for which a CA above may not issue.
    #[error(
        "The CA {subject:?} may not issue under this common name: {reason}. Without a DNS name among the names, openssl takes a common name of this form for one; choose another common name (--subject /CN=billing, say), or one that the CA covers, or add a DNS name that it covers."
    )]
    CommonName {
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
    /// A CA is called so already.
    #[error(
        "A CA is named {0:?} already, and verifiers could not tell the two apart; have the request made under another name, or give one with --subject."
    )]
    NameTaken(String),
    /// What is no order for a CA.
    #[error(
        "The certificate of a CA has the profile intermediate and no subject alternative name; leave out the names."
    )]
    NotASubordinate,
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
    /// A certificate with more names than one may have.
    #[error(
        "The certificate would have {0} names, and one has no more than {MOST_NAMES} here; share them out to several certificates, or use a wildcard."
    )]
    TooManyNames(usize),
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
    /// The key is known to be in other hands.
    #[error(
        "The key is in other hands: the certificate {serial} of {issuer:?} was revoked for that, and its key is not certified again, whatever the name; make a new key, and ask with that."
    )]
    CompromisedKey {
        /// The number of the certificate that was revoked.
        serial: String,
        /// Its issuer.
        issuer: String,
    },
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
    /// The certificate to be, with a placeholder for its signature, breaks a rule.
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

fn authorities(count: u32) -> String {
    match count {
        1 => "1 CA".to_owned(),
        count => format!("{count} CAs"),
    }
}
