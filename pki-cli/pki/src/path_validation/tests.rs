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
mod material;
mod policies;
mod revoked;
mod rules;
mod work;

pub(crate) use material::sample;
use material::*;

#[test]
fn a_good_path_is_accepted_from_leaf_to_root() {
    let accepted = House::good().validate().expect("accepted");
    assert_eq!(accepted.subjects, ["CN=order", "CN=issuing", "CN=root"]);
    assert_eq!(accepted.notices, Vec::<String>::new());
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
        let alone = rustls_verdict(&request, None);
        let ours = validate(&request);
        assert_eq!(rustls_verdict(&request, ours.as_ref().ok()), alone);
        alone
    };
    let mut house = House::good();
    assert_eq!(verdict(&house), Ok(()));
    house.root.not_after = "261124115959Z";
    assert_eq!(verdict(&house), Ok(()));
    house.leaf.not_after = "261124115959Z";
    assert!(verdict(&house).is_err());
}

#[test]
fn the_verifier_of_the_services_believes_of_our_answer_the_signatures_that_it_is_about_alone() {
    let house = House::good();
    let [root, issuing, leaf] = house.certificates();
    let ours = house.validate().expect("accepted");
    let mut altered = leaf.clone();
    if let Some(last) = altered.last_mut() {
        *last ^= 1;
    }
    let request = |leaf| {
        Request::new(leaf, NOW)
            .trust([&root])
            .intermediates([&issuing])
    };
    assert_eq!(rustls_verdict(&request(&leaf), Some(&ours)), Ok(()));
    let refused = rustls_verdict(&request(&altered), Some(&ours)).expect_err("altered");
    assert!(refused.contains("signature"), "{refused}");
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
