//! Path validation, rule by rule: a good hierarchy, one thing changed in it, and the refusal that must follow.
//!
//! The certificates are made here, by hand, because no honest tool makes most of them.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use time::{OffsetDateTime, macros::datetime};

use super::*;
use crate::parse::oid::{Oid, known};

mod building;
mod crls;
mod policies;

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// One value in DER.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let header = match length {
        0..0x80 => vec![tag, length as u8],
        0x80..0x100 => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [header, content.to_vec()].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn cn(name: &str) -> Vec<u8> {
    match name {
        "" => tlv(0x30, &[]),
        name => tlv(
            0x30,
            &tlv(
                0x31,
                &sequence(&[&tlv(6, known::COMMON_NAME.0), &tlv(0x0c, name.as_bytes())]),
            ),
        ),
    }
}

fn bits(octets: &[u8], unused: u8) -> Vec<u8> {
    tlv(3, &[&[unused], octets].concat())
}

/// A UTCTime, or a GeneralizedTime when the year has four digits.
fn time_value(time: &str) -> Vec<u8> {
    let tag = if time.len() == 15 { 0x18 } else { 0x17 };
    tlv(tag, time.as_bytes())
}

const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const ECDSA_SHA1: &[u8] = &[0x30, 0x09, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];

/// Everything about a certificate that a test may change.
struct Spec {
    subject: String,
    issuer: String,
    serial: Vec<u8>,
    version: u8,
    not_before: &'static str,
    not_after: &'static str,
    algorithm: &'static [u8],
    inner_algorithm: Option<&'static [u8]>,
    extensions: Vec<(Oid<'static>, bool, Vec<u8>)>,
    damage_signature: bool,
    key: EcdsaKeyPair,
}

impl Spec {
    fn new(subject: &str, issuer: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            serial: vec![subject.len() as u8 + 1, 0x17],
            version: 2,
            not_before: "260101000000Z",
            not_after: "270101000000Z",
            algorithm: ECDSA_SHA256,
            inner_algorithm: None,
            extensions: Vec::new(),
            damage_signature: false,
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"),
        }
    }

    fn set(&mut self, oid: Oid<'static>, critical: bool, value: Vec<u8>) {
        self.remove(oid);
        self.extensions.push((oid, critical, value));
    }

    fn remove(&mut self, oid: Oid<'_>) {
        self.extensions.retain(|(other, _, _)| *other != oid);
    }

    fn key_id(&self) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.key.public_key().as_ref())
            .as_ref()[..20]
            .to_vec()
    }

    fn signed_by(&self, signer: &EcdsaKeyPair) -> Vec<u8> {
        let extensions = encoded(&self.extensions);
        let version = if self.version == 0 {
            Vec::new()
        } else {
            tlv(0xa0, &tlv(2, &[self.version]))
        };
        let p256 = sequence(&[&tlv(6, known::EC_PUBLIC_KEY.0), &tlv(6, known::P256.0)]);
        let tbs = sequence(&[
            &version,
            &tlv(2, &self.serial),
            self.inner_algorithm.unwrap_or(self.algorithm),
            &cn(&self.issuer),
            &sequence(&[&time_value(self.not_before), &time_value(self.not_after)]),
            &cn(&self.subject),
            &sequence(&[&p256, &bits(self.key.public_key().as_ref(), 0)]),
            &if extensions.is_empty() {
                Vec::new()
            } else {
                tlv(0xa3, &tlv(0x30, &extensions))
            },
        ]);
        let mut signature = sign(signer, &tbs);
        if self.damage_signature {
            signature[12] ^= 1;
        }
        sequence(&[&tbs, self.algorithm, &bits(&signature, 0)])
    }
}

fn encoded(extensions: &[(Oid<'static>, bool, Vec<u8>)]) -> Vec<u8> {
    extensions
        .iter()
        .flat_map(|(oid, critical, value)| {
            let critical = if *critical {
                tlv(1, &[0xff])
            } else {
                Vec::new()
            };
            sequence(&[&tlv(6, oid.0), &critical, &tlv(4, value)])
        })
        .collect()
}

fn sign(signer: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    signer
        .sign(&SystemRandom::new(), message)
        .expect("a signature")
        .as_ref()
        .to_vec()
}

fn ca_constraints(path_length: Option<u8>) -> Vec<u8> {
    let length = path_length.map_or(Vec::new(), |length| tlv(2, &[length]));
    sequence(&[&tlv(1, &[0xff]), &length])
}

fn eku(oids: &[Oid<'_>]) -> Vec<u8> {
    tlv(
        0x30,
        &oids
            .iter()
            .flat_map(|oid| tlv(6, oid.0))
            .collect::<Vec<_>>(),
    )
}

fn dns(names: &[&str]) -> Vec<u8> {
    tlv(
        0x30,
        &names
            .iter()
            .flat_map(|name| tlv(0x82, name.as_bytes()))
            .collect::<Vec<_>>(),
    )
}

fn permitted_dns(name: &str) -> Vec<u8> {
    sequence(&[&tlv(0xa0, &sequence(&[&tlv(0x82, name.as_bytes())]))])
}

/// root → issuing → leaf, as they should be.
struct House {
    root: Spec,
    issuing: Spec,
    leaf: Spec,
    /// Extra intermediates between issuing and leaf are not wanted by most tests.
    max_depth: Option<usize>,
    purpose: Option<Purpose>,
    names: Vec<ExpectedName>,
    time: OffsetDateTime,
}

impl House {
    fn good() -> Self {
        let mut root = Spec::new("root", "root");
        root.set(known::BASIC_CONSTRAINTS, true, ca_constraints(Some(1)));
        root.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        root.set(known::SUBJECT_KEY_IDENTIFIER, false, tlv(4, &root.key_id()));
        let mut issuing = Spec::new("issuing", "root");
        issuing.set(known::BASIC_CONSTRAINTS, true, ca_constraints(Some(0)));
        issuing.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        issuing.set(
            known::SUBJECT_KEY_IDENTIFIER,
            false,
            tlv(4, &issuing.key_id()),
        );
        issuing.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &root.key_id())]),
        );
        let mut leaf = Spec::new("order", "issuing");
        leaf.set(known::KEY_USAGE, true, bits(&[0x80], 7));
        leaf.set(known::EXTENDED_KEY_USAGE, false, eku(&[known::SERVER_AUTH]));
        leaf.set(known::SUBJECT_ALT_NAME, false, dns(&["order.example.dev"]));
        leaf.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &issuing.key_id())]),
        );
        Self {
            root,
            issuing,
            leaf,
            max_depth: None,
            purpose: Some(Purpose::Server),
            names: vec![ExpectedName::host("order.example.dev").expect("a host")],
            time: NOW,
        }
    }

    fn certificates(&self) -> [Vec<u8>; 3] {
        [
            self.root.signed_by(&self.root.key),
            self.issuing.signed_by(&self.root.key),
            self.leaf.signed_by(&self.issuing.key),
        ]
    }

    fn validate(&self) -> Result<Accepted, Rejected> {
        self.validate_with(&[], None)
    }

    fn validate_with(
        &self,
        more: &[Vec<u8>],
        crls: Option<&[Vec<u8>]>,
    ) -> Result<Accepted, Rejected> {
        let [root, issuing, leaf] = self.certificates();
        let mut request = Request::new(&leaf, self.time)
            .trust([&root])
            .intermediates(more)
            .intermediates([&issuing]);
        request.purpose = self.purpose;
        request.names.clone_from(&self.names);
        request.max_depth = self.max_depth;
        if let Some(crls) = crls {
            request = request.crls(crls);
        }
        validate(&request)
    }
}

/// A root, an issuing CA, a leaf and a CRL for tests elsewhere that need octets of each.
pub(crate) fn sample() -> [Vec<u8>; 4] {
    let house = House::good();
    let [root, issuing, leaf] = house.certificates();
    let mut crl = CrlSpec::of("issuing");
    crl.revoked.push((vec![1, 2, 3], 1));
    [root, issuing, leaf, crl.signed_by(&house.issuing.key)]
}

#[test]
fn a_good_path_is_accepted_from_leaf_to_root() {
    let accepted = House::good().validate().expect("accepted");
    assert_eq!(accepted.subjects, ["CN=order", "CN=issuing", "CN=root"]);
    assert_eq!(accepted.notices, Vec::<String>::new());
}

#[test]
fn one_broken_rule_is_told_with_its_certificate_and_clause() {
    use FailureKind::*;
    type Change = fn(&mut House);
    let intermediate = Position::Intermediate(1);
    let cases: &[(&str, Change, FailureKind, Position, &str)] = &[
        (
            "leaf expired",
            |h| h.leaf.not_after = "261124115959Z",
            Expired,
            Position::Leaf,
            "6.1.3 (a)(2)",
        ),
        (
            "issuing expired",
            |h| h.issuing.not_after = "261124115959Z",
            Expired,
            intermediate,
            "6.1.3 (a)(2)",
        ),
        (
            "root expired",
            |h| h.root.not_after = "261124115959Z",
            Expired,
            Position::TrustAnchor,
            "6.1.3 (a)(2)",
        ),
        (
            "leaf too early",
            |h| h.leaf.not_before = "261124120001Z",
            NotYetValid,
            Position::Leaf,
            "6.1.3 (a)(2)",
        ),
        (
            "leaf altered",
            |h| h.leaf.damage_signature = true,
            BadSignature,
            Position::Leaf,
            "6.1.3 (a)(1)",
        ),
        (
            "issuing altered",
            |h| h.issuing.damage_signature = true,
            BadSignature,
            intermediate,
            "6.1.3 (a)(1)",
        ),
        (
            "SHA-1",
            |h| h.leaf.algorithm = ECDSA_SHA1,
            WeakAlgorithm,
            Position::Leaf,
            "4.1.1.2",
        ),
        (
            "two signature algorithms",
            |h| h.leaf.inner_algorithm = Some(ECDSA_SHA384),
            Malformed,
            Position::Leaf,
            "4.1.1.2",
        ),
        (
            "stranger's CA",
            |h| h.leaf.issuer = "stranger".to_owned(),
            NoPath,
            Position::Leaf,
            "6.1",
        ),
        (
            "no issuer",
            |h| h.leaf.issuer = String::new(),
            Malformed,
            Position::Leaf,
            "4.1.2.4",
        ),
        (
            "serial of 21 octets",
            |h| h.leaf.serial = vec![1; 21],
            Malformed,
            Position::Leaf,
            "4.1.2.2",
        ),
        (
            "serial zero",
            |h| h.leaf.serial = vec![0],
            Malformed,
            Position::Leaf,
            "4.1.2.2",
        ),
        (
            "negative serial",
            |h| h.leaf.serial = vec![0x80],
            Malformed,
            Position::Leaf,
            "4.1.2.2",
        ),
        (
            "version 2 with extensions",
            |h| h.leaf.version = 1,
            Malformed,
            Position::Leaf,
            "4.1.2.1",
        ),
        (
            "extension twice",
            |h| {
                let again = h.leaf.extensions[0].clone();
                h.leaf.extensions.push(again);
            },
            Malformed,
            Position::Leaf,
            "section 4.2",
        ),
        (
            "unknown critical extension in the leaf",
            |h| h.leaf.set(Oid(&[0x2a, 3, 4]), true, vec![5, 0]),
            UnknownCritical,
            Position::Leaf,
            "section 4.2",
        ),
        (
            "unknown critical extension in the root",
            |h| h.root.set(Oid(&[0x2a, 3, 4]), true, vec![5, 0]),
            UnknownCritical,
            Position::TrustAnchor,
            "section 4.2",
        ),
        (
            "critical SKI",
            |h| {
                h.root.set(
                    known::SUBJECT_KEY_IDENTIFIER,
                    true,
                    tlv(4, &h.root.key_id()),
                )
            },
            Malformed,
            Position::TrustAnchor,
            "4.2.1.2",
        ),
        (
            "critical AKI",
            |h| {
                h.leaf.set(
                    known::AUTHORITY_KEY_IDENTIFIER,
                    true,
                    sequence(&[&tlv(0x80, &h.issuing.key_id())]),
                )
            },
            Malformed,
            Position::Leaf,
            "4.2.1.1",
        ),
        (
            "no AKI",
            |h| h.leaf.remove(known::AUTHORITY_KEY_IDENTIFIER),
            Malformed,
            Position::Leaf,
            "4.2.1.1",
        ),
        (
            "AKI of another key",
            |h| {
                h.leaf.set(
                    known::AUTHORITY_KEY_IDENTIFIER,
                    false,
                    sequence(&[&tlv(0x80, &[7; 20])]),
                )
            },
            Malformed,
            Position::Leaf,
            "4.2.1.2",
        ),
        (
            "CA without SKI",
            |h| h.issuing.remove(known::SUBJECT_KEY_IDENTIFIER),
            Malformed,
            intermediate,
            "4.2.1.2",
        ),
        (
            "no basicConstraints",
            |h| h.issuing.remove(known::BASIC_CONSTRAINTS),
            NotACa,
            intermediate,
            "6.1.4 (k)",
        ),
        (
            "root without basicConstraints",
            |h| h.root.remove(known::BASIC_CONSTRAINTS),
            NotACa,
            Position::TrustAnchor,
            "6.1.4 (k)",
        ),
        (
            "basicConstraints not critical",
            |h| {
                h.root
                    .set(known::BASIC_CONSTRAINTS, false, ca_constraints(None))
            },
            Malformed,
            Position::TrustAnchor,
            "4.2.1.9",
        ),
        (
            "issuing is no CA",
            |h| {
                h.issuing.set(known::BASIC_CONSTRAINTS, true, sequence(&[]));
                h.issuing.set(known::KEY_USAGE, true, bits(&[0x80], 7));
            },
            NotACa,
            intermediate,
            "6.1.4 (k)",
        ),
        (
            "issuing without keyCertSign",
            |h| h.issuing.set(known::KEY_USAGE, true, bits(&[0x02], 1)),
            NotACa,
            intermediate,
            "6.1.4 (n)",
        ),
        (
            "leaf with keyCertSign",
            |h| h.leaf.set(known::KEY_USAGE, true, bits(&[0x84], 2)),
            Malformed,
            Position::Leaf,
            "4.2.1.9",
        ),
        (
            "keyUsage of nothing",
            |h| h.leaf.set(known::KEY_USAGE, true, bits(&[0], 0)),
            Malformed,
            Position::Leaf,
            "4.2.1.3",
        ),
        (
            "keyUsage without a TLS bit",
            |h| h.leaf.set(known::KEY_USAGE, true, bits(&[0x40], 6)),
            WrongUsage,
            Position::Leaf,
            "4.2.1.3",
        ),
        (
            "leaf for clients",
            |h| {
                h.leaf
                    .set(known::EXTENDED_KEY_USAGE, false, eku(&[known::CLIENT_AUTH]))
            },
            WrongUsage,
            Position::Leaf,
            "4.2.1.12",
        ),
        (
            "leaf for any use only",
            |h| {
                h.leaf.set(
                    known::EXTENDED_KEY_USAGE,
                    false,
                    eku(&[known::ANY_EXTENDED_KEY_USAGE]),
                )
            },
            WrongUsage,
            Position::Leaf,
            "4.2.1.12",
        ),
        (
            "issuing for clients",
            |h| {
                h.issuing
                    .set(known::EXTENDED_KEY_USAGE, false, eku(&[known::CLIENT_AUTH]))
            },
            WrongUsage,
            intermediate,
            "4.2.1.12",
        ),
        (
            "server as client",
            |h| h.purpose = Some(Purpose::Client),
            WrongUsage,
            Position::Leaf,
            "4.2.1.12",
        ),
        (
            "empty EKU",
            |h| h.leaf.set(known::EXTENDED_KEY_USAGE, false, eku(&[])),
            Malformed,
            Position::Leaf,
            "section 4.2",
        ),
        (
            "wrong name",
            |h| {
                h.leaf.set(
                    known::SUBJECT_ALT_NAME,
                    false,
                    dns(&["other.example.dev", "*.order.example.dev"]),
                )
            },
            WrongName,
            Position::Leaf,
            "RFC 9525",
        ),
        (
            "no SAN",
            |h| h.leaf.remove(known::SUBJECT_ALT_NAME),
            WrongName,
            Position::Leaf,
            "RFC 9525",
        ),
        (
            "underscore",
            |h| {
                h.leaf.set(
                    known::SUBJECT_ALT_NAME,
                    false,
                    dns(&["order.example.dev", "a_b.example.dev"]),
                )
            },
            Malformed,
            Position::Leaf,
            "4.2.1.6",
        ),
        (
            "IP in DNS",
            |h| {
                h.leaf.set(
                    known::SUBJECT_ALT_NAME,
                    false,
                    dns(&["order.example.dev", "192.0.2.1"]),
                )
            },
            Malformed,
            Position::Leaf,
            "4.2.1.6",
        ),
        (
            "no subject, SAN not critical",
            |h| h.leaf.subject = String::new(),
            Malformed,
            Position::Leaf,
            "4.2.1.6",
        ),
        (
            "outside of the permitted names",
            |h| {
                h.issuing
                    .set(known::NAME_CONSTRAINTS, true, permitted_dns("example.org"))
            },
            NameConstraint,
            Position::Leaf,
            "4.2.1.10",
        ),
        (
            "outside of the root's permitted names",
            |h| {
                h.root
                    .set(known::NAME_CONSTRAINTS, true, permitted_dns("example.org"))
            },
            NameConstraint,
            Position::Leaf,
            "4.2.1.10",
        ),
        (
            "a constraint with a leading period",
            |h| {
                h.issuing
                    .set(known::NAME_CONSTRAINTS, true, permitted_dns(".example.dev"))
            },
            Malformed,
            intermediate,
            "4.2.1.10",
        ),
        (
            "name constraints in an end entity",
            |h| {
                h.leaf
                    .set(known::NAME_CONSTRAINTS, true, permitted_dns("example.dev"))
            },
            Malformed,
            Position::Leaf,
            "4.2.1.10",
        ),
        (
            "path length 0 in the root",
            |h| {
                h.root
                    .set(known::BASIC_CONSTRAINTS, true, ca_constraints(Some(0)))
            },
            PathTooLong,
            intermediate,
            "6.1.4 (l)",
        ),
        (
            "depth 0",
            |h| h.max_depth = Some(0),
            PathTooLong,
            Position::Path,
            "6.1.1",
        ),
        (
            "explicit policy demanded",
            // requireExplicitPolicy: 0
            |h| {
                h.issuing
                    .set(known::POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 1, 0]]))
            },
            Policy,
            Position::Leaf,
            "6.1.3 (f)",
        ),
        (
            "the root's demand for an explicit policy",
            |h| {
                h.root
                    .set(known::POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 1, 0]]))
            },
            Policy,
            intermediate,
            "6.1.3 (f)",
        ),
        (
            "a demand that is not critical",
            |h| {
                h.issuing
                    .set(known::POLICY_CONSTRAINTS, false, sequence(&[&[0x80, 1, 0]]))
            },
            Policy,
            Position::Leaf,
            "6.1.3 (f)",
        ),
        (
            "a policy twice",
            |h| {
                let policy = sequence(&[&tlv(6, &[0x2a, 3])]);
                h.leaf.set(
                    known::CERTIFICATE_POLICIES,
                    false,
                    sequence(&[&policy, &policy]),
                );
            },
            Malformed,
            Position::Leaf,
            "4.2.1.4",
        ),
        (
            "critical policies with a qualifier that nobody knows",
            |h| {
                let qualifier = sequence(&[&tlv(6, &[0x2a, 9]), &tlv(5, &[])]);
                let policy = sequence(&[&tlv(6, &[0x2a, 3]), &sequence(&[&qualifier])]);
                h.leaf
                    .set(known::CERTIFICATE_POLICIES, true, sequence(&[&policy]));
            },
            UnknownCritical,
            Position::Leaf,
            "4.2.1.4",
        ),
        (
            "validity without seconds",
            |h| h.leaf.not_after = "2701010000Z",
            Malformed,
            Position::Leaf,
            "4.1.2.5.1",
        ),
    ];
    for (what, change, kind, position, clause) in cases {
        let mut house = House::good();
        change(&mut house);
        let rejected = house.validate().expect_err(what);
        assert_eq!(
            (rejected.kind, rejected.position),
            (*kind, *position),
            "{what}: {rejected}"
        );
        assert!(rejected.clause.contains(clause), "{what}: {rejected}");
        assert!(
            !rejected.reason.is_empty() && !rejected.advice.is_empty(),
            "{what}"
        );
    }
}

#[test]
fn what_a_clause_allows_is_accepted() {
    type Change = fn(&mut House);
    let cases: &[(&str, Change)] = &[
        ("the first second", |h| {
            h.time = datetime!(2026-01-01 0:00 UTC)
        }),
        ("the last second, to its end", |h| {
            h.time = datetime!(2027-01-01 0:00:00.999 UTC)
        }),
        ("no keyUsage in the leaf", |h| {
            h.leaf.remove(known::KEY_USAGE)
        }),
        ("no EKU in the leaf", |h| {
            h.leaf.remove(known::EXTENDED_KEY_USAGE)
        }),
        ("no purpose asked for", |h| {
            h.leaf
                .set(known::EXTENDED_KEY_USAGE, false, eku(&[known::CLIENT_AUTH]));
            h.purpose = None;
        }),
        ("any EKU in the issuer", |h| {
            h.issuing.set(
                known::EXTENDED_KEY_USAGE,
                false,
                eku(&[known::ANY_EXTENDED_KEY_USAGE]),
            )
        }),
        ("no subject, critical SAN", |h| {
            h.leaf.subject = String::new();
            h.leaf
                .set(known::SUBJECT_ALT_NAME, true, dns(&["order.example.dev"]));
        }),
        ("wildcard", |h| {
            h.leaf
                .set(known::SUBJECT_ALT_NAME, false, dns(&["*.example.dev"]))
        }),
        ("inside the permitted names", |h| {
            h.root
                .set(known::NAME_CONSTRAINTS, true, permitted_dns("example.dev"));
            h.issuing.set(
                known::NAME_CONSTRAINTS,
                true,
                permitted_dns("order.example.dev"),
            );
        }),
        ("constraints not critical, enforced", |h| {
            h.root
                .set(known::NAME_CONSTRAINTS, false, permitted_dns("example.dev"))
        }),
        ("policy constraints not critical", |h| {
            h.issuing
                .set(known::POLICY_CONSTRAINTS, false, sequence(&[&[0x80, 1, 3]]))
        }),
        ("an intermediate's basicConstraints not critical", |h| {
            h.issuing
                .set(known::BASIC_CONSTRAINTS, false, ca_constraints(Some(0)))
        }),
        ("GeneralizedTime before 2050", |h| {
            h.leaf.not_before = "20260101000000Z"
        }),
        ("a CA that signs CRLs only, in the place of the leaf", |h| {
            h.leaf
                .set(known::BASIC_CONSTRAINTS, false, ca_constraints(None));
            h.leaf.set(known::KEY_USAGE, true, bits(&[0x02], 1));
            let key_id = tlv(4, &h.leaf.key_id());
            h.leaf.set(known::SUBJECT_KEY_IDENTIFIER, false, key_id);
        }),
        (
            "an unknown qualifier of policies that are not critical",
            |h| {
                let qualifier = sequence(&[&tlv(6, &[0x2a, 9]), &tlv(5, &[])]);
                let policy = sequence(&[&tlv(6, &[0x2a, 3]), &sequence(&[&qualifier])]);
                h.leaf
                    .set(known::CERTIFICATE_POLICIES, false, sequence(&[&policy]));
            },
        ),
        ("issuer's name in other case", |h| {
            h.leaf.issuer = "  ISSUING ".to_owned()
        }),
        ("root with serial 0", |h| h.root.serial = vec![0]),
        ("unknown extension, not critical", |h| {
            h.leaf.set(Oid(&[0x2a, 3, 4]), false, vec![5, 0])
        }),
        ("depth 1", |h| h.max_depth = Some(1)),
        ("a policy where one is demanded", |h| {
            h.issuing
                .set(known::POLICY_CONSTRAINTS, true, sequence(&[&[0x80, 1, 0]]));
            let policy = sequence(&[&sequence(&[&tlv(6, &[0x2a, 3, 9])])]);
            h.issuing
                .set(known::CERTIFICATE_POLICIES, false, policy.clone());
            h.leaf.set(known::CERTIFICATE_POLICIES, false, policy);
        }),
    ];
    for (what, change) in cases {
        let mut house = House::good();
        change(&mut house);
        if let Err(rejected) = house.validate() {
            unreachable!("{what}: {rejected}");
        }
    }
}

#[test]
fn a_way_round_a_bad_intermediate_is_found() {
    let house = House::good();
    // The same CA and key, once expired and once without a right to issue, in front of the good certificate.
    let mut expired = House::good().issuing;
    let mut unfit = House::good().issuing;
    for spec in [&mut expired, &mut unfit] {
        spec.extensions.clone_from(&house.issuing.extensions);
        spec.key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            house.issuing.key.to_pkcs8v1().expect("pkcs8").as_ref(),
        )
        .expect("the same key");
    }
    expired.not_after = "261124115959Z";
    unfit.remove(known::BASIC_CONSTRAINTS);
    let more = [
        expired.signed_by(&house.root.key),
        unfit.signed_by(&house.root.key),
        vec![0x30, 0x00],
        Vec::new(),
    ];
    let accepted = house.validate_with(&more, None).expect("accepted");
    assert_eq!(accepted.subjects.len(), 3);
    assert_eq!(
        accepted.notices,
        ["2 of the certificates given cannot be read and were left out."]
    );
}

#[test]
fn a_ca_that_certified_itself_many_times_leads_nowhere() {
    let house = House::good();
    let ring: Vec<Vec<u8>> = (0..60u8)
        .map(|n| {
            let mut spec = Spec::new("issuing", "issuing");
            spec.serial = vec![1, n];
            spec.extensions.clone_from(&house.issuing.extensions);
            // Signed by the one key that all of them have.
            spec.key = EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_ASN1_SIGNING,
                house.issuing.key.to_pkcs8v1().expect("pkcs8").as_ref(),
            )
            .expect("the same key");
            let key_id = spec.key_id();
            spec.set(
                known::AUTHORITY_KEY_IDENTIFIER,
                false,
                sequence(&[&tlv(0x80, &key_id)]),
            );
            spec.signed_by(&house.issuing.key)
        })
        .collect();
    let leaf = house.leaf.signed_by(&house.issuing.key);
    let stranger = Spec::new("stranger", "stranger");
    let anchor = stranger.signed_by(&stranger.key);
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&ring);
    assert_eq!(
        validate(&request).map_err(|rejected| rejected.kind),
        Err(FailureKind::NoPath)
    );
}

/// What `work` has less than at the beginning.
fn spent(work: &Work) -> Work {
    let all = Work::new();
    Work {
        signatures: all.signatures - work.signatures,
        steps: all.steps - work.steps,
        paths: all.paths - work.paths,
        names: all.names - work.names,
        policies: all.policies - work.policies,
        points: all.points - work.points,
    }
}

/// Certificate policies 1.2.0, 1.2.1, …
fn policies(count: u8) -> Vec<u8> {
    let policies = (0..count).map(|n| sequence(&[&tlv(6, &[0x2a, n])]));
    tlv(0x30, &policies.collect::<Vec<_>>().concat())
}

/// `levels` levels of CAs between root and leaf, with `width` certificates of the same name and key on each, so that
/// there are width^levels paths; none of them has the policy that is demanded.
fn mesh(levels: u8, width: u8) -> (Vec<u8>, Vec<Vec<u8>>, Vec<u8>) {
    let mut root = House::good().root;
    root.set(known::BASIC_CONSTRAINTS, true, ca_constraints(None));
    let anchor = root.signed_by(&root.key);
    let mut above = root;
    let mut more = Vec::new();
    for level in 1..=levels {
        let mut ca = House::good().issuing;
        (ca.subject, ca.issuer) = (format!("level {level}"), above.subject.clone());
        ca.set(known::BASIC_CONSTRAINTS, true, ca_constraints(None));
        let key_id = above.key_id();
        ca.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &key_id)]),
        );
        ca.set(known::CERTIFICATE_POLICIES, false, policies(5));
        if level == 1 {
            let explicit = sequence(&[&tlv(0x80, &[0])]);
            ca.set(known::POLICY_CONSTRAINTS, true, explicit);
        }
        for n in 0..width {
            ca.serial = vec![level, n + 1];
            more.push(ca.signed_by(&above.key));
        }
        above = ca;
    }
    let mut leaf = House::good().leaf;
    leaf.issuer = above.subject.clone();
    let key_id = above.key_id();
    leaf.set(
        known::AUTHORITY_KEY_IDENTIFIER,
        false,
        sequence(&[&tlv(0x80, &key_id)]),
    );
    (anchor, more, leaf.signed_by(&above.key))
}

fn validate_mesh(levels: u8, width: u8, work: &mut Work) -> Rejected {
    let (anchor, more, leaf) = mesh(levels, width);
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&more);
    validate_within(&request, work).expect_err("no policy")
}

#[test]
fn every_signature_is_verified_once_and_every_policy_of_every_path_is_counted() {
    let mut work = Work::new();
    let rejected = validate_mesh(2, 3, &mut work);
    assert_eq!(rejected.kind, FailureKind::Policy);
    let spent = spent(&work);
    // Leaf by level 2, level 2 by level 1, level 1 by the root.
    assert_eq!(spent.signatures, 3 + 9 + 3);
    assert_eq!(spent.paths, 9);
    // On each path: the policies of two CAs, and what was expected before each of three certificates.
    assert_eq!(spent.policies, 9 * (5 + 5 + 1 + 5 + 5));
}

#[test]
fn a_mesh_of_many_paths_ends_after_so_many_of_them() {
    let mut work = Work::new();
    let rejected = validate_mesh(5, 4, &mut work);
    assert_eq!(rejected.kind, FailureKind::WorkLimit);
    assert!(rejected.reason.contains("256 complete paths"), "{rejected}");
    assert_eq!(work.paths, 0);

    let mut work = Work {
        policies: 40,
        ..Work::new()
    };
    let rejected = validate_mesh(2, 3, &mut work);
    assert_eq!(rejected.kind, FailureKind::WorkLimit);
    assert!(rejected.reason.contains("policies"), "{rejected}");
}

#[test]
fn every_distribution_point_is_counted_for_every_list() {
    let mut house = House::good();
    let point = sequence(&[&tlv(
        0xa0,
        &tlv(0xa0, &tlv(0x86, b"http://a.dev/x").repeat(3)),
    )]);
    house.leaf.set(
        known::CRL_DISTRIBUTION_POINTS,
        false,
        tlv(0x30, &point.repeat(4)),
    );
    let [root, issuing, leaf] = house.certificates();
    let crls: Vec<_> = ["issuing", "issuing", "root", "other"]
        .map(CrlSpec::of)
        .iter()
        .map(|crl| match crl.issuer {
            "root" => crl.signed_by(&house.root.key),
            _ => crl.signed_by(&house.issuing.key),
        })
        .collect();
    let request = Request::new(&leaf, NOW)
        .trust([&root])
        .intermediates([&issuing])
        .crls(&crls);
    let mut work = Work::new();
    validate_within(&request, &mut work).expect("accepted");
    // Two certificates by four lists; four points with three names in the leaf by the two lists of its issuer.
    // Three lists that were used look for a delta CRL among the four.
    assert_eq!(spent(&work).points, 2 * 4 + 2 * 4 * 3 + 3 * 4);

    let mut work = Work {
        points: 20,
        ..Work::new()
    };
    let rejected = validate_within(&request, &mut work).expect_err("too much");
    assert_eq!(rejected.kind, FailureKind::WorkLimit);
}

#[test]
fn self_issued_certificates_do_not_count_in_path_lengths() {
    let mut house = House::good();
    // A new key of the root, certified by the old one: root → root → issuing, with a path length of 1.
    let mut renewed = Spec::new("root", "root");
    renewed.serial = vec![9, 9];
    renewed.extensions.clone_from(&house.root.extensions);
    renewed.set(
        known::SUBJECT_KEY_IDENTIFIER,
        false,
        tlv(4, &renewed.key_id()),
    );
    renewed.set(
        known::AUTHORITY_KEY_IDENTIFIER,
        false,
        sequence(&[&tlv(0x80, &house.root.key_id())]),
    );
    house.issuing.set(
        known::AUTHORITY_KEY_IDENTIFIER,
        false,
        sequence(&[&tlv(0x80, &renewed.key_id())]),
    );
    house.max_depth = Some(1);
    let root = house.root.signed_by(&house.root.key);
    let leaf = house.leaf.signed_by(&house.issuing.key);
    let between = [
        house.issuing.signed_by(&renewed.key),
        renewed.signed_by(&house.root.key),
    ];
    let request = Request::new(&leaf, NOW)
        .trust([&root])
        .intermediates(&between)
        .max_depth(1);
    assert_eq!(
        validate(&request).map(|accepted| accepted.subjects.len()),
        Ok(4)
    );
}

#[test]
fn nothing_is_trusted_without_a_trust_anchor() {
    let [_, issuing, leaf] = House::good().certificates();
    let rejected =
        validate(&Request::new(&leaf, NOW).intermediates([&issuing])).expect_err("no anchor");
    assert_eq!(
        (rejected.kind, rejected.position),
        (FailureKind::NoPath, Position::Intermediate(1))
    );
    assert!(rejected.reason.contains("CN=root"), "{rejected}");
}

#[test]
fn octets_that_are_no_certificate_are_malformed() {
    for octets in [
        &b""[..],
        b"hello",
        &[0x30, 0x80],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
    ] {
        let rejected = validate(&Request::new(octets, NOW)).expect_err("no certificate");
        assert_eq!(
            (rejected.kind, rejected.position),
            (FailureKind::Malformed, Position::Leaf)
        );
    }
}

#[test]
fn every_cut_and_every_flipped_octet_of_a_certificate_is_refused() {
    let house = House::good();
    let [root, issuing, leaf] = house.certificates();
    let refused = |octets: &[u8]| {
        validate(
            &Request::new(octets, NOW)
                .trust([&root])
                .intermediates([&issuing]),
        )
        .is_err()
    };
    for at in 0..leaf.len() {
        assert!(refused(&leaf[..at]), "cut at {at}");
        let mut flipped = leaf.clone();
        flipped[at] ^= 0x01;
        assert!(refused(&flipped), "flipped at {at}");
    }
}

/// A CRL, as it should be, with changes.
struct CrlSpec {
    issuer: &'static str,
    /// Version 1 has no extensions, neither its own nor its entries'.
    is_v1: bool,
    /// Extensions of every entry behind the reason.
    of_entries: Vec<(Oid<'static>, bool, Vec<u8>)>,
    this_update: &'static str,
    next_update: &'static str,
    revoked: Vec<(Vec<u8>, u8)>,
    extensions: Vec<(Oid<'static>, bool, Vec<u8>)>,
}

impl CrlSpec {
    fn of(issuer: &'static str) -> Self {
        let number = (known::CRL_NUMBER, false, tlv(2, &[7]));
        let key = (
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &[1; 20])]),
        );
        Self {
            issuer,
            is_v1: false,
            of_entries: Vec::new(),
            this_update: "261101000000Z",
            next_update: "261201000000Z",
            revoked: Vec::new(),
            extensions: vec![number, key],
        }
    }

    fn signed_by(&self, signer: &EcdsaKeyPair) -> Vec<u8> {
        let entries: Vec<u8> = self
            .revoked
            .iter()
            .flat_map(|(serial, reason)| {
                let reason =
                    sequence(&[&tlv(6, known::REASON_CODE.0), &tlv(4, &[0x0a, 1, *reason])]);
                let extensions = match self.is_v1 {
                    true => Vec::new(),
                    false => sequence(&[&reason, &encoded(&self.of_entries)]),
                };
                sequence(&[&tlv(2, serial), &tlv(0x17, b"261110000000Z"), &extensions])
            })
            .collect();
        let next = if self.next_update.is_empty() {
            Vec::new()
        } else {
            time_value(self.next_update)
        };
        let (version, extensions) = match self.is_v1 {
            true => (Vec::new(), Vec::new()),
            false => (
                tlv(2, &[1]),
                tlv(0xa0, &tlv(0x30, &encoded(&self.extensions))),
            ),
        };
        let tbs = sequence(&[
            &version,
            ECDSA_SHA256,
            &cn(self.issuer),
            &time_value(self.this_update),
            &next,
            &if entries.is_empty() {
                Vec::new()
            } else {
                tlv(0x30, &entries)
            },
            &extensions,
        ]);
        sequence(&[&tbs, ECDSA_SHA256, &bits(&sign(signer, &tbs), 0)])
    }
}

#[test]
fn revocation_fails_closed() {
    use FailureKind::{RevocationUnknown, Revoked};
    type Change = fn(&mut House, &mut CrlSpec, &mut CrlSpec);
    // The first CRL is the root's (about the issuing CA), the second the issuing CA's (about the leaf).
    let cases: &[(&str, Change, Option<FailureKind>, &str)] = &[
        ("both valid", |_, _, _| {}, None, ""),
        (
            "leaf revoked",
            |h, _, crl| crl.revoked.push((h.leaf.serial.clone(), 1)),
            Some(Revoked),
            "keyCompromise",
        ),
        (
            "leaf on hold",
            |h, _, crl| crl.revoked.push((h.leaf.serial.clone(), 6)),
            Some(Revoked),
            "certificateHold",
        ),
        (
            "CA revoked",
            |h, crl, _| crl.revoked.push((h.issuing.serial.clone(), 2)),
            Some(Revoked),
            "cACompromise",
        ),
        (
            "another serial revoked",
            |_, _, crl| crl.revoked.push((vec![0x55], 1)),
            None,
            "",
        ),
        (
            "the leaf's serial in the root's CRL",
            |h, crl, _| crl.revoked.push((h.leaf.serial.clone(), 1)),
            None,
            "",
        ),
        (
            "out of date",
            |_, _, crl| crl.next_update = "261124115959Z",
            Some(RevocationUnknown),
            "5.1.2.5",
        ),
        (
            "no next update",
            |_, _, crl| crl.next_update = "",
            Some(RevocationUnknown),
            "5.1.2.5",
        ),
        (
            "of the future",
            |_, _, crl| crl.this_update = "261124120001Z",
            Some(RevocationUnknown),
            "5.1.2.4",
        ),
        (
            "of another issuer",
            |_, _, crl| crl.issuer = "stranger",
            Some(RevocationUnknown),
            "6.3.3",
        ),
        (
            "no CRL number",
            |_, _, crl| crl.extensions.retain(|e| e.0 != known::CRL_NUMBER),
            Some(RevocationUnknown),
            "5.2.3",
        ),
        (
            "critical CRL number",
            |_, _, crl| crl.extensions[0].1 = true,
            Some(RevocationUnknown),
            "5.2.3",
        ),
        (
            "critical and unknown",
            |_, _, crl| crl.extensions.push((Oid(&[0x2a, 3, 4]), true, vec![5, 0])),
            Some(RevocationUnknown),
            "5.2",
        ),
        (
            "a delta CRL",
            |_, _, crl| {
                crl.extensions
                    .push((known::DELTA_CRL_INDICATOR, true, tlv(2, &[1])))
            },
            Some(RevocationUnknown),
            "5.2.4",
        ),
        (
            "about CAs only",
            |_, _, crl| {
                crl.extensions.push((
                    known::ISSUING_DISTRIBUTION_POINT,
                    true,
                    sequence(&[&[0x82, 1, 0xff]]),
                ))
            },
            Some(RevocationUnknown),
            "6.3.3",
        ),
        (
            "about end entities only",
            |_, _, crl| {
                crl.extensions.push((
                    known::ISSUING_DISTRIBUTION_POINT,
                    true,
                    sequence(&[&[0x81, 1, 0xff]]),
                ))
            },
            None,
            "",
        ),
        (
            "about key compromise only",
            |_, _, crl| {
                crl.extensions.push((
                    known::ISSUING_DISTRIBUTION_POINT,
                    true,
                    sequence(&[&tlv(0x83, &[6, 0x40])]),
                ))
            },
            Some(RevocationUnknown),
            "6.3.3",
        ),
        (
            "issuer without cRLSign",
            |h, _, _| h.issuing.set(known::KEY_USAGE, true, bits(&[0x04], 2)),
            Some(RevocationUnknown),
            "6.3.3 (f)",
        ),
    ];
    for (what, change, kind, told) in cases {
        let mut house = House::good();
        let (mut of_root, mut of_issuing) = (CrlSpec::of("root"), CrlSpec::of("issuing"));
        change(&mut house, &mut of_root, &mut of_issuing);
        let crls = [
            of_issuing.signed_by(&house.issuing.key),
            of_root.signed_by(&house.root.key),
        ];
        match (house.validate_with(&[], Some(&crls)), kind) {
            (Ok(_), None) => {}
            (Err(rejected), Some(kind)) => {
                assert_eq!(rejected.kind, *kind, "{what}: {rejected}");
                assert!(rejected.to_string().contains(told), "{what}: {rejected}");
            }
            (answer, _) => unreachable!("{what}: {answer:?}"),
        }
    }
}

#[test]
fn a_crl_is_missing_forged_or_unreadable_and_nothing_is_accepted() {
    let house = House::good();
    let of_root = CrlSpec::of("root").signed_by(&house.root.key);
    let forged = CrlSpec::of("issuing").signed_by(&house.leaf.key);
    for crls in [
        vec![],
        vec![of_root.clone()],
        vec![of_root.clone(), forged],
        vec![of_root, b"no CRL".to_vec()],
    ] {
        let rejected = house
            .validate_with(&[], Some(&crls))
            .map_err(|rejected| rejected.kind);
        assert_eq!(rejected.err(), Some(FailureKind::RevocationUnknown));
    }
}

/// A certificate below `ca` with the name of the issuing CA and a key that signs CRLs.
fn second_key(serial: u8, ca: &Spec) -> Spec {
    let mut signer = Spec::new("issuing", &ca.subject);
    signer.serial = vec![serial, serial];
    signer.set(known::KEY_USAGE, true, bits(&[0x02], 1));
    let key_id = ca.key_id();
    signer.set(
        known::AUTHORITY_KEY_IDENTIFIER,
        false,
        sequence(&[&tlv(0x80, &key_id)]),
    );
    signer
}

fn with_crls(
    house: &House,
    more: &[Vec<u8>],
    crls: &[Vec<u8>],
) -> Result<Accepted, (FailureKind, String)> {
    house
        .validate_with(more, Some(crls))
        .map_err(|rejected| (rejected.kind, rejected.to_string()))
}

#[test]
fn another_key_of_the_issuer_signs_its_crl_until_that_key_is_revoked() {
    let house = House::good();
    let old = second_key(0x21, &house.root);
    let more = [old.signed_by(&house.root.key)];
    let crl = CrlSpec::of("issuing").signed_by(&old.key);
    let mut of_root = CrlSpec::of("root");
    let root_says = of_root.signed_by(&house.root.key);
    with_crls(&house, &more, &[crl.clone(), root_says]).expect("the same CA, another key");

    of_root.revoked.push((old.serial.clone(), 1));
    let root_says = of_root.signed_by(&house.root.key);
    let (kind, told) =
        with_crls(&house, &more, &[crl, root_says]).expect_err("the thief of the old key");
    assert_eq!(kind, FailureKind::RevocationUnknown);
    assert!(told.contains("revoked on 2026-11-10"), "{told}");
}

#[test]
fn another_ca_of_the_same_root_cannot_forge_a_crl() {
    type Change = fn(&mut Spec, &mut CrlSpec);
    let cases: &[(&str, Change, &str)] = &[
        (
            "without keyUsage",
            |signer, _| signer.remove(known::KEY_USAGE),
            "keyUsage does not say cRLSign",
        ),
        (
            "with digitalSignature only",
            |signer, _| signer.set(known::KEY_USAGE, true, bits(&[0x80], 7)),
            "lacks cRLSign",
        ),
        ("with cRLSign", |_, _| {}, "another CA certified"),
        (
            "with an indirect CRL",
            |_, crl| {
                crl.extensions.push((
                    known::ISSUING_DISTRIBUTION_POINT,
                    true,
                    sequence(&[&[0x84, 1, 0xff]]),
                ));
            },
            "another CA certified",
        ),
    ];
    for (what, change, expected) in cases {
        let house = House::good();
        let mut evil = House::good().issuing;
        evil.subject = "evil".to_owned();
        evil.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &house.root.key_id())]),
        );
        let mut signer = second_key(0x22, &evil);
        let mut forged = CrlSpec::of("issuing");
        change(&mut signer, &mut forged);
        let more = [evil.signed_by(&house.root.key), signer.signed_by(&evil.key)];
        let crls = [
            forged.signed_by(&signer.key),
            CrlSpec::of("root").signed_by(&house.root.key),
            CrlSpec::of("evil").signed_by(&evil.key),
        ];
        let (kind, told) = with_crls(&house, &more, &crls).expect_err(what);
        assert_eq!(kind, FailureKind::RevocationUnknown, "{what}");
        assert!(told.contains(expected), "{what}: {told}");
    }
}

#[test]
fn a_crl_signer_that_the_issuer_made_itself_is_judged_by_another_crl() {
    let house = House::good();
    let mut signer = second_key(0x23, &house.issuing);
    let point = sequence(&[&tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://a.dev/signers")))]);
    signer.set(known::CRL_DISTRIBUTION_POINTS, false, sequence(&[&point]));
    let more = [signer.signed_by(&house.issuing.key)];
    let of_root = CrlSpec::of("root").signed_by(&house.root.key);
    let of_all = CrlSpec::of("issuing").signed_by(&signer.key);
    let mut of_signers = CrlSpec::of("issuing");
    of_signers
        .extensions
        .push((known::ISSUING_DISTRIBUTION_POINT, true, point));
    let clean = of_signers.signed_by(&house.issuing.key);
    with_crls(&house, &more, &[of_all.clone(), of_root.clone(), clean]).expect("delegated");

    let (kind, _) = with_crls(&house, &more, &[of_all.clone(), of_root.clone()])
        .expect_err("nobody but the signer vouches for the signer");
    assert_eq!(kind, FailureKind::RevocationUnknown);

    of_signers.revoked.push((signer.serial.clone(), 1));
    let revoked = of_signers.signed_by(&house.issuing.key);
    let (kind, _) = with_crls(&house, &more, &[of_all, of_root, revoked]).expect_err("revoked");
    assert_eq!(kind, FailureKind::RevocationUnknown);
}

#[test]
fn two_crl_signers_do_not_vouch_for_each_other() {
    let house = House::good();
    let signers = [0x24, 0x25].map(|serial| second_key(serial, &house.issuing));
    let more = signers
        .each_ref()
        .map(|one| one.signed_by(&house.issuing.key));
    let mut crls: Vec<_> = signers
        .iter()
        .map(|signer| CrlSpec::of("issuing").signed_by(&signer.key))
        .collect();
    crls.push(CrlSpec::of("root").signed_by(&house.root.key));
    let (kind, _) = with_crls(&house, &more, &crls).expect_err("a circle");
    assert_eq!(kind, FailureKind::RevocationUnknown);
}

#[test]
fn hostile_names_are_escaped_in_answers() {
    let mut house = House::good();
    house.leaf.subject = "order\u{1b}[31m\u{202e}".to_owned();
    let accepted = house.validate().expect("accepted");
    assert_eq!(accepted.subjects[0], "CN=order\\1B[31m\\E2\\80\\AE");
    house.leaf.not_after = "261124115959Z";
    assert!(
        !house
            .validate()
            .expect_err("expired")
            .to_string()
            .contains(['\u{1b}', '\u{202e}'])
    );
}

#[test]
fn the_verifier_of_the_services_agrees_on_the_good_path_and_overlooks_an_expired_root() {
    let verdict = |house: &House| {
        let [root, issuing, leaf] = house.certificates();
        let mut request = Request::new(&leaf, NOW)
            .trust([&root])
            .intermediates([&issuing]);
        request.purpose = house.purpose;
        rustls_verdict(&request)
    };
    let mut house = House::good();
    assert_eq!(verdict(&house), Ok(()));
    house.root.not_after = "261124115959Z";
    assert_eq!(verdict(&house), Ok(()));
    house.leaf.not_after = "261124115959Z";
    assert!(verdict(&house).is_err());
}

#[test]
fn one_intermediate_is_counted_as_one() {
    let mut house = House::good();
    house.max_depth = Some(0);
    assert_eq!(
        house.validate().expect_err("one too many").reason,
        "1 intermediate stands between leaf and trust anchor, and at most 0 are allowed"
    );
}
