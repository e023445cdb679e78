//! Complete CRLs (RFC 5280 section 6.3): what is missing, forged or signed by somebody else is no ground to accept.

use super::*;

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
