//! What an issuer does, checked on issuers that are made here.

use super::*;
use crate::{path_validation, serial_number::SerialNumber};
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

fn request<'a>(profile: Profile, subject: &'a Subject, names: &'a [GeneralName]) -> Request<'a> {
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
    let one = Refusal::PathLength {
        subject: "CN=CA".to_owned(),
        allowed: 1,
        needed: 2,
    };
    assert!(one.to_string().contains("allows 1 CA below it"), "{one}");
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
fn what_was_linted_is_what_was_signed_but_for_number_and_signature() {
    let (ca, leaf, names) = (root(0), subject("leaf"), dns("a.dev"));
    let request = request(Profile::Server, &leaf, &names);
    let mut short = [0; 20];
    short[18..].copy_from_slice(&[0x80, 7]);
    for octets in [[0x7f; 20], [0; 20], short] {
        let serial = SerialNumber::from_random(octets);
        let issued = ca
            .prepare(&request, NOW)
            .and_then(|prepared| prepared.issue(Reserved::without_index(serial)))
            .expect("signed");
        let read = Certificate::from_der(issued.der()).expect("our own output");
        assert_eq!(issued, read);
        assert_eq!(read.serial(), serial.to_string());
    }
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
        let finding = lint::check(&good, &wrong, Some(ca.certificate())).expect_err("a finding");
        assert!(finding.contains(clause), "{clause}: {finding}");
    }
    let finding =
        lint::check(&good, &asked, Some(root(0).certificate())).expect_err("another root's key");
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
