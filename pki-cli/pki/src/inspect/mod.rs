//! Certificates, requests, CRLs and keys, shown to people and machines: everything that is in them, and nothing of a
//! private key's secret.
//!
//! [`inspect`] takes the octets of a file, whatever they are, and gives one [`Object`] for each thing in it, or one
//! sentence that says why there is none. Each object has a text for people, a line for lists, and a form for JSON whose
//! field names do not change (new ones may come). Octets are hexadecimal there, times RFC 3339-like in UTC, names both
//! whole and taken apart.
//!
//! What it deliberately does not do: judge. A certificate that no validator would accept is shown with all its faults;
//! `path_validation` judges. The one exception is a request whose own signature is wrong: nothing else would say so
//! before somebody signs it, so it has a [`Problem`].

mod bundle;
mod certificate;
mod crl;
mod extensions;
mod hierarchy;
mod identity;
mod key;
mod node;
mod overview;
mod pkcs12;
mod public_key;
mod request;
#[cfg(test)]
mod secret_tests;

use ::time::OffsetDateTime;
use serde::Serialize;

pub use bundle::{BundleError, certificates, crls};
pub use extensions::{InWords, extensions_in_words};
pub use identity::{Identity, distinguished_name};
pub use overview::{KeyBeside, Leftover, Line, Overview, Relation, Standing};

use crate::{
    key::Passphrase,
    parse::{
        self,
        certificate::Certificate,
        crl::Crl,
        der::{Reader, tag},
        pem,
        public_key::PublicKey,
        request::Request,
    },
    pkcs12::Pkcs12,
    validity::days_left,
};
use key::Container;
use node::Node;

/// One thing found in a file, ready to be shown. Its JSON is an object whose field `kind` tells what it is:
/// `certificate`, `certificate_request`, `crl`, `private_key`, `public_key` or `pkcs12`.
#[derive(Clone, Debug)]
pub struct Object {
    kind: &'static str,
    title: String,
    short: String,
    node: Node,
    problem: Option<Problem>,
    held: Held,
}

/// What an overview relates to other objects.
#[derive(Clone, Debug)]
enum Held {
    /// A certificate's DER.
    Certificate(Vec<u8>),
    /// The public half (a SubjectPublicKeyInfo) of a private key, or why there is none.
    PrivateKey(PublicHalf),
    Other,
}

/// The public half of a private key, as far as it is known.
#[derive(Clone, Debug)]
enum PublicHalf {
    Known(Vec<u8>),
    Encrypted,
    /// The key is damaged, or of a kind that is not used here.
    Unknown,
}

impl Object {
    /// What it is: `certificate`, `certificate_request`, `crl`, `private_key`, `public_key` or `pkcs12`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Everything, in lines for people. Safe for a terminal.
    pub fn text(&self) -> String {
        // As much as most certificates need.
        let mut out = String::with_capacity(8 * 1024);
        out.push_str(&self.title);
        out.push('\n');
        self.node.render(2, &mut out);
        out
    }

    /// Whether nothing in it is, or may hold, a private key.
    pub fn is_public(&self) -> bool {
        matches!(
            self.kind,
            "certificate" | "certificate_request" | "crl" | "public_key"
        )
    }

    /// One line. Safe for a terminal.
    pub fn short(&self) -> &str {
        &self.short
    }

    /// What is wrong with it although it can be shown.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}

/// What is wrong with an object that can be shown: the second half of a sentence that begins with the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The passphrase does not open the private key.
    #[error("cannot be opened: the passphrase is wrong")]
    WrongPassphrase,
    /// The private key cannot be opened for another reason.
    #[error("cannot be opened: {0}")]
    UnreadableKey(String),
    /// The signature of a request does not fit its content and key.
    #[error(
        "holds a certificate request whose signature is wrong (proof of possession, RFC 2986 section 3): it was altered, or made without the key"
    )]
    WrongProofOfPossession,
}

impl Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node.serialize(serializer)
    }
}

/// Why there is nothing to show: the second half of a sentence that begins with the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// No octets at all.
    #[error("is empty")]
    Empty,
    /// Neither PEM nor DER.
    #[error("is neither PEM nor DER: give a certificate, request, CRL or key")]
    Foreign,
    /// A PEM block, or DER, that holds something else than it says.
    #[error("{place}cannot be read as a {what}: {reason}")]
    Broken {
        /// Where in the file: empty, or ending with a space.
        place: String,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// DER of something that is not shown.
    #[error("{place}is DER, but neither a certificate nor a request, CRL or key ({reason})")]
    Unknown {
        /// Where in the file: empty, or ending with a space.
        place: String,
        /// What a certificate would need that it does not have.
        reason: String,
    },
    /// The reading was given up.
    #[error(
        "has more than {MOST_ERRORS} objects that cannot be read; what stands behind them was not looked at"
    )]
    TooManyErrors,
    /// Something known that is not shown.
    #[error("{place}holds {what}, which is not shown here: {advice}")]
    NotShown {
        /// Where in the file: empty, or ending with a space.
        place: String,
        /// What it is.
        what: String,
        /// What to do.
        advice: &'static str,
    },
}

/// Shows everything that is in `octets`: PEM with any number of blocks, or DER.
///
/// `now` is for the days that are left. With a passphrase encrypted private keys are opened, to show their public half.
pub fn inspect(
    octets: &[u8],
    now: OffsetDateTime,
    passphrase: Option<&Passphrase>,
) -> Vec<Result<Object, InspectError>> {
    each(octets, now, passphrase).collect()
}

/// The same one by one, so that a large bundle need not be in memory as a whole.
pub fn each<'o>(
    octets: &'o [u8],
    now: OffsetDateTime,
    passphrase: Option<&'o Passphrase>,
) -> Box<dyn Iterator<Item = Result<Object, InspectError>> + 'o> {
    let one = |error| Box::new(std::iter::once(Err(error)));
    if octets.is_empty() {
        return one(InspectError::Empty);
    }
    let file = File { now, passphrase };
    if bundle::is_pem(octets) {
        // openssl writes the parameters of a curve in front of its keys; the key names the curve again.
        let blocks = pem::blocks(octets).filter(|block| {
            !block.label.as_str().ends_with(" PARAMETERS") || block.content.is_err()
        });
        let shown = blocks.map(move |mut block| {
            let shown = file.block(&block);
            // To wipe takes as long as to read, and most files hold no secret.
            if let (Ok(content), true) = (&mut block.content, block.label.is_public()) {
                drop(std::mem::take(&mut **content));
            }
            shown
        });
        let mut shown = bounded(shown).peekable();
        return match shown.peek() {
            Some(_) => Box::new(shown),
            None => one(InspectError::Foreign),
        };
    }
    if octets.first() != Some(&tag::SEQUENCE) {
        return one(InspectError::Foreign);
    }
    Box::new(file.der(octets))
}

/// A file with more mistakes than this is not what it is taken for, and nobody reads the rest of them.
const MOST_ERRORS: usize = 100;

fn bounded(
    mut found: impl Iterator<Item = Result<Object, InspectError>>,
) -> impl Iterator<Item = Result<Object, InspectError>> {
    let mut errors = 0;
    std::iter::from_fn(move || {
        if errors > MOST_ERRORS {
            return None;
        }
        let one = found.next()?;
        errors += usize::from(one.is_err());
        Some(if errors > MOST_ERRORS {
            Err(InspectError::TooManyErrors)
        } else {
            one
        })
    })
}

struct File<'p> {
    now: OffsetDateTime,
    passphrase: Option<&'p Passphrase>,
}

impl File<'_> {
    fn block(&self, block: &pem::Block<'_>) -> Result<Object, InspectError> {
        let place = format!("(the PEM block in line {}) ", block.line);
        let label = block.label;
        let broken = |what, reason: String| InspectError::Broken {
            place: place.clone(),
            what,
            reason,
        };
        let is_old_encryption = block
            .headers
            .iter()
            .any(|header| header.contains("ENCRYPTED"));
        if is_old_encryption && label.as_str().ends_with("PRIVATE KEY") {
            return Ok(key::old_encryption(label.as_str(), &block.headers));
        }
        let der = block
            .content
            .as_ref()
            .map_err(|reason| broken("PEM block", format!("{label}: {reason}")))?;
        let (what, object): (_, parse::der::Result<Object>) = match label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" => (
                "certificate",
                Certificate::from_der(der).map(|it| certificate::object(&it, self.now)),
            ),
            "TRUSTED CERTIFICATE" => {
                let first = bundle::first_value(der.to_vec());
                (
                    "certificate",
                    Certificate::from_der(&first).map(|it| certificate::object(&it, self.now)),
                )
            }
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => (
                "certificate request",
                Request::from_der(der).map(|it| request::object(&it)),
            ),
            "X509 CRL" => (
                "CRL",
                Crl::from_der(der).map(|it| crl::object(&it, self.now)),
            ),
            "PUBLIC KEY" => (
                "public key",
                PublicKey::from_der(der).map(|it| key::public(&it)),
            ),
            "PRIVATE KEY" => ("private key", key::private(der, Container::Pkcs8)),
            "RSA PRIVATE KEY" => ("RSA private key", key::private(der, Container::Pkcs1)),
            "EC PRIVATE KEY" => ("EC private key", key::private(der, Container::Sec1)),
            "DSA PRIVATE KEY" => ("DSA private key", key::private(der, Container::Dsa)),
            "ENCRYPTED PRIVATE KEY" => (
                "encrypted private key",
                key::encrypted(der, self.passphrase),
            ),
            _ => {
                return Err(InspectError::NotShown {
                    place,
                    what: label.to_string(),
                    advice: "give a certificate, request, CRL or key",
                });
            }
        };
        object.map_err(|error| broken(what, error.to_string()))
    }

    /// One value after the other, as some tools concatenate them.
    fn der(self, octets: &[u8]) -> impl Iterator<Item = Result<Object, InspectError>> {
        let mut rest = Some(Reader::new(octets));
        bounded(std::iter::from_fn(move || {
            let reader = rest.as_mut().filter(|reader| !reader.is_empty())?;
            let place = match octets.len() - reader.rest().len() {
                0 => String::new(),
                at => format!("(octet {at}) "),
            };
            Some(match reader.any("the outermost value") {
                Ok(value) => self.value(value.raw, place),
                Err(_) if Pkcs12::is_ber(reader.rest()) => {
                    let octets = reader.rest();
                    rest = None;
                    pkcs12::object(octets, place, None, self.now)
                }
                Err(error) => {
                    rest = None;
                    Err(InspectError::Unknown {
                        place,
                        reason: error.to_string(),
                    })
                }
            })
        }))
    }

    fn value(&self, der: &[u8], place: String) -> Result<Object, InspectError> {
        let certificate = match Certificate::from_der(der) {
            Ok(certificate) => return Ok(certificate::object(&certificate, self.now)),
            Err(error) => error,
        };
        if Pkcs12::is_one(der) {
            return pkcs12::object(der, place, self.passphrase, self.now);
        }
        if let Ok(crl) = Crl::from_der(der) {
            return Ok(crl::object(&crl, self.now));
        }
        if let Ok(request) = Request::from_der(der) {
            return Ok(request::object(&request));
        }
        if let Ok(public) = PublicKey::from_der(der) {
            return Ok(key::public(&public));
        }
        if let Ok(object) = key::encrypted(der, self.passphrase) {
            return Ok(object);
        }
        for container in [
            Container::Pkcs8,
            Container::Pkcs1,
            Container::Sec1,
            Container::Dsa,
        ] {
            if let Ok(object) = key::private(der, container) {
                return Ok(object);
            }
        }
        match container(der) {
            Some((what, advice)) => Err(InspectError::NotShown {
                place,
                what: what.to_owned(),
                advice,
            }),
            None => Err(InspectError::Unknown {
                place,
                reason: certificate.to_string(),
            }),
        }
    }
}

/// Containers that are known by their first values.
fn container(der: &[u8]) -> Option<(&'static str, &'static str)> {
    let mut reader = Reader::new(der).sequence("it").ok()?;
    reader
        .oid("it")
        .ok()?
        .name()
        .starts_with("PKCS#7")
        .then_some((
            "PKCS#7",
            "take the certificates out of it with openssl pkcs7 -inform DER -in FILE -print_certs",
        ))
}

fn fingerprints(der: &[u8]) -> Node {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    Node::Map(vec![
        ("sha256", Node::Octets(sha256(der))),
        // Not for security: browsers and old tools still name certificates by it.
        (
            "sha1",
            Node::Octets(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec()),
        ),
    ])
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets)
        .as_ref()
        .to_vec()
}

/// A serial number: its octets, and as a number where that is short enough to be meant as one.
fn serial(integer: &[u8]) -> Node {
    let negative = integer.first().is_some_and(|first| *first >= 0x80);
    let mut title = crate::text::hex_colons(integer);
    if negative {
        title.push_str(" (negative)");
    } else if let Node::Number(number) = public_key::number(integer) {
        title = format!("{number} (0x{number:x})");
    }
    let octets = parse::public_key::without_sign(integer).to_vec();
    Node::Titled {
        title: title.into(),
        fields: vec![
            ("hex", Node::Octets(octets)),
            ("negative", Node::Bool(negative)),
        ],
        body: "",
    }
}

fn time(at: OffsetDateTime) -> String {
    let mut out = String::new();
    node::push_time(at, ' ', " UTC", &mut out);
    out
}

/// “1 day”, “2 days”.
fn counted(days: i64) -> String {
    let mut out = String::with_capacity(24);
    match u64::try_from(days) {
        Ok(days) => crate::text::push_number(days, &mut out),
        Err(_) => out.push_str(&days.to_string()),
    }
    out.push_str(if days == 1 { " day" } else { " days" });
    out
}

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    /// Shows the octets in every form and checks that nothing in it could harm a terminal.
    fn show(octets: &[u8]) -> Vec<Result<Object, InspectError>> {
        let found = inspect(octets, NOW, None);
        assert!(!found.is_empty(), "there is always an answer");
        let mut overview = Overview::default();
        for one in &found {
            let text = match one {
                Ok(object) => {
                    overview.add("file", object);
                    format!("{}{}", object.text(), object.short())
                }
                Err(error) => error.to_string(),
            };
            let hostile = text
                .chars()
                .find(|c| *c != '\n' && crate::text::is_hostile(*c));
            assert_eq!(hostile, None, "{text}");
        }
        for relation in overview.relations(NOW) {
            assert!(!relation.subject.contains('\u{1b}'));
        }
        found
    }

    #[test]
    fn damaged_objects_are_shown_or_refused_and_nothing_worse_happens() {
        let key = crate::key::PrivateKey::generate(crate::key::KeyAlgorithm::P256).expect("a key");
        let [root, _, leaf, crl] = crate::path_validation::tests::sample();
        for whole in [root, leaf, crl, key.to_pem().as_bytes().to_vec()] {
            assert!(show(&whole).iter().all(Result::is_ok));
            for at in 0..whole.len() {
                show(&whole[..at]);
                for change in [0x01, 0x1b, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] ^= change;
                    show(&damaged);
                }
            }
        }
    }

    #[test]
    fn several_values_in_a_row_are_shown_one_after_the_other() {
        let [root, issuing, leaf, crl] = crate::path_validation::tests::sample();
        let found = show(&[root, issuing, leaf, crl, b"rest".to_vec()].concat());
        let kinds: Vec<_> = found
            .iter()
            .map(|one| one.as_ref().map_or("nothing", Object::kind))
            .collect();
        assert_eq!(
            kinds,
            [
                "certificate",
                "certificate",
                "certificate",
                "crl",
                "nothing"
            ]
        );
    }

    #[test]
    fn a_file_full_of_mistakes_is_given_up_after_the_hundredth() {
        let bare = "-----BEGIN CERTIFICATE-----\n".repeat(100_000);
        let empty = [0x30, 0].repeat(100_000);
        for file in [bare.as_bytes(), &empty] {
            let found = inspect(file, NOW, None);
            assert_eq!(found.len(), MOST_ERRORS + 1);
            assert_eq!(
                found.last().and_then(|last| last.as_ref().err()),
                Some(&InspectError::TooManyErrors)
            );
        }
    }

    #[test]
    fn an_overview_puts_issuers_first_and_says_who_signed_whom() {
        let [root, issuing, leaf, _] = crate::path_validation::tests::sample();
        let mut overview = Overview::default();
        for (file, der) in [
            ("leaf", &leaf),
            ("issuing", &issuing),
            ("root", &root),
            ("copy", &leaf),
        ] {
            for object in inspect(der, NOW, None).iter().flatten() {
                overview.add(file, object);
            }
        }
        let relations = overview.relations(NOW);
        let shown: Vec<_> = relations
            .iter()
            .map(|r| (r.file.as_str(), r.signed_by.as_str(), r.days_left))
            .collect();
        assert_eq!(
            shown,
            [
                ("root", "itself", 37),
                ("issuing", "CN=root", 37),
                ("copy", "CN=issuing", 37),
                ("leaf", "CN=issuing", 37)
            ]
        );
    }
}
