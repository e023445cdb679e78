//! One rule broken, or bent as far as its clause allows, in a hierarchy that is good otherwise.

use super::*;

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
        ("a root that signed itself with SHA-1", |h| {
            h.root.algorithm = ECDSA_SHA1
        }),
        ("a root whose signature of itself is damaged", |h| {
            h.root.damage_signature = true
        }),
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

/// Section 6.1: the signature of a trust anchor by itself is no part of a path, also where the anchor is what is validated.
#[test]
fn a_trust_anchor_is_not_asked_who_signed_it() {
    let mut house = House::good();
    house.root.algorithm = ECDSA_SHA1;
    let [old, ..] = house.certificates();
    house.root.algorithm = ECDSA_SHA256;
    let [new, ..] = house.certificates();
    let judge = |target: &[u8], anchor: &[u8]| {
        let request = Request::new(target, NOW).trust([anchor]);
        let verdict = validate(&request).map(drop);
        verdict.map_err(|rejected| (rejected.kind, rejected.to_string()))
    };
    assert_eq!(judge(&old, &old), Ok(()), "the anchor itself");
    assert_eq!(judge(&new, &old), Ok(()), "it signed this with SHA-256");
    // Another certificate of the same CA is one like any other.
    let refused = judge(&old, &new).map_err(|(kind, _)| kind);
    assert_eq!(refused, Err(FailureKind::WeakAlgorithm));
}
