//! CRLs beyond the plain complete one (RFC 5280 sections 5 and 6.3): version 1, delta CRLs, entries about others, and a
//! signer whose own status stands in the list that it signs.

use super::*;

const HOLD: u8 = 6;
const REMOVE: u8 = 8;

/// A complete CRL of the issuing CA with number 7, and what a delta CRL with number 9 to it says.
fn complete_and_delta(reason: Option<u8>, change: impl Fn(&mut CrlSpec)) -> [CrlSpec; 2] {
    let complete = CrlSpec::of("issuing");
    let mut delta = CrlSpec::of("issuing");
    delta.extensions[0].2 = tlv(2, &[9]);
    delta
        .extensions
        .push((known::DELTA_CRL_INDICATOR, true, tlv(2, &[7])));
    let serial = House::good().leaf.serial;
    delta.revoked.extend(reason.map(|reason| (serial, reason)));
    change(&mut delta);
    [complete, delta]
}

fn kind_of(house: &House, lists: &[&CrlSpec]) -> Option<FailureKind> {
    let mut crls: Vec<_> = lists
        .iter()
        .map(|list| list.signed_by(&house.issuing.key))
        .collect();
    crls.push(CrlSpec::of("root").signed_by(&house.root.key));
    let answer = house.validate_with(&[], Some(&crls));
    answer.err().map(|rejected| rejected.kind)
}

#[test]
fn a_delta_crl_revokes_and_releases_what_its_complete_crl_does_not() {
    let house = House::good();
    let serial = house.leaf.serial.clone();
    let [complete, delta] = complete_and_delta(Some(1), |_| {});
    assert_eq!(kind_of(&house, &[&complete]), None);
    assert_eq!(
        kind_of(&house, &[&complete, &delta]),
        Some(FailureKind::Revoked)
    );

    let [mut complete, delta] = complete_and_delta(Some(REMOVE), |_| {});
    complete.revoked.push((serial.clone(), HOLD));
    assert_eq!(kind_of(&house, &[&complete]), Some(FailureKind::Revoked));
    assert_eq!(kind_of(&house, &[&delta, &complete]), None);

    // What the delta does not mention stays as it was.
    let [mut complete, delta] = complete_and_delta(None, |_| {});
    complete.revoked.push((serial, 1));
    assert_eq!(
        kind_of(&house, &[&complete, &delta]),
        Some(FailureKind::Revoked)
    );
}

#[test]
fn a_delta_crl_counts_only_for_its_own_complete_crl() {
    let house = House::good();
    let serial = house.leaf.serial.clone();
    type Change = fn(&mut CrlSpec);
    let cases: &[(&str, Change)] = &[
        ("it starts from a later list", |delta| {
            delta.extensions[2].2 = tlv(2, &[8])
        }),
        ("it is not later than the list", |delta| {
            delta.extensions[0].2 = tlv(2, &[7])
        }),
        ("it has another scope", |delta| {
            delta.extensions.push((
                known::ISSUING_DISTRIBUTION_POINT,
                true,
                sequence(&[&[0x81, 1, 0xff]]),
            ))
        }),
        ("another key signed it", |delta| {
            delta.extensions[1].2 = sequence(&[&tlv(0x80, &[2; 20])])
        }),
        ("its indicator is not critical", |delta| {
            delta.extensions[2].1 = false
        }),
        ("it is out of date", |delta| {
            delta.next_update = "261124115959Z"
        }),
        ("it is of the future", |delta| {
            delta.this_update = "261124120001Z"
        }),
    ];
    for (what, change) in cases {
        let [mut complete, delta] = complete_and_delta(Some(REMOVE), change);
        complete.revoked.push((serial.clone(), HOLD));
        assert_eq!(
            kind_of(&house, &[&complete, &delta]),
            Some(FailureKind::Revoked),
            "released although {what}"
        );
    }
    // One that is out of date is still believed when it revokes.
    let [complete, delta] =
        complete_and_delta(Some(1), |delta| delta.next_update = "261124115959Z");
    assert_eq!(
        kind_of(&house, &[&complete, &delta]),
        Some(FailureKind::Revoked)
    );
    // Of two, the later one counts.
    let [mut complete, released] = complete_and_delta(Some(REMOVE), |delta| {
        delta.extensions[0].2 = tlv(2, &[1, 0])
    });
    let [_, held] = complete_and_delta(Some(HOLD), |_| {});
    complete.revoked.push((serial, HOLD));
    assert_eq!(kind_of(&house, &[&complete, &held, &released]), None);
}

#[test]
fn a_complete_crl_of_version_1_is_processed() {
    let house = House::good();
    let mut list = CrlSpec::of("issuing");
    list.is_v1 = true;
    assert_eq!(kind_of(&house, &[&list]), None);
    list.revoked.push((house.leaf.serial.clone(), 0));
    assert_eq!(kind_of(&house, &[&list]), Some(FailureKind::Revoked));
    list.revoked.clear();
    list.next_update = "";
    assert_eq!(
        kind_of(&house, &[&list]),
        Some(FailureKind::RevocationUnknown)
    );
}

#[test]
fn times_of_crls_are_read_in_either_form() {
    let house = House::good();
    let mut list = CrlSpec::of("issuing");
    list.next_update = "20261201000000Z";
    assert_eq!(kind_of(&house, &[&list]), None);
    list.next_update = "2612010000Z";
    assert_eq!(
        kind_of(&house, &[&list]),
        Some(FailureKind::RevocationUnknown)
    );
}

#[test]
fn an_entry_that_may_be_about_something_else_makes_its_crl_useless() {
    type Change = fn(&mut CrlSpec);
    let indirect: Change = |list| {
        list.extensions.push((
            known::ISSUING_DISTRIBUTION_POINT,
            true,
            sequence(&[&[0x84, 1, 0xff]]),
        ));
    };
    let cases: &[(&str, Change)] = &[
        ("an issuer in a list that is not indirect", |list| {
            let name = tlv(0xa4, &cn("other"));
            list.of_entries
                .push((known::CERTIFICATE_ISSUER, true, sequence(&[&name])));
        }),
        ("an issuer that is no directory name", |list| {
            let name = tlv(0x82, b"other.dev");
            list.of_entries
                .push((known::CERTIFICATE_ISSUER, true, sequence(&[&name])));
        }),
        ("an issuer that cannot be read", |list| {
            list.of_entries
                .push((known::CERTIFICATE_ISSUER, true, vec![1, 2, 3]));
        }),
        ("an unknown critical extension", |list| {
            list.of_entries.push((Oid(&[0x2a, 3, 4]), true, vec![5, 0]));
        }),
    ];
    for (what, change) in cases {
        let house = House::good();
        let mut list = CrlSpec::of("issuing");
        list.revoked.push((vec![0x55], 1));
        if !what.contains("not indirect") {
            indirect(&mut list);
        }
        change(&mut list);
        assert_eq!(
            kind_of(&house, &[&list]),
            Some(FailureKind::RevocationUnknown),
            "{what}"
        );
    }
}

/// The leaf's distribution point names `signer` as the CRL's issuer; `signer` is made by the issuing CA.
fn delegated(own_status_in_own_list: bool) -> (House, Spec, CrlSpec) {
    let mut house = House::good();
    let name = tlv(0xa4, &cn("signer"));
    let point = sequence(&[&tlv(0xa2, &name)]);
    house
        .leaf
        .set(known::CRL_DISTRIBUTION_POINTS, false, sequence(&[&point]));
    let mut signer = second_key(0x31, &house.issuing);
    signer.subject = "signer".to_owned();
    if own_status_in_own_list {
        signer.set(known::CRL_DISTRIBUTION_POINTS, false, sequence(&[&point]));
    }
    let mut list = CrlSpec::of("signer");
    list.extensions.push((
        known::ISSUING_DISTRIBUTION_POINT,
        true,
        sequence(&[&[0x84, 1, 0xff]]),
    ));
    (house, signer, list)
}

#[test]
fn a_signer_vouches_for_itself_only_when_its_ca_says_so() {
    for (says_so, expected) in [(true, None), (false, Some(FailureKind::RevocationUnknown))] {
        let (house, signer, list) = delegated(says_so);
        let more = [signer.signed_by(&house.issuing.key)];
        let crls = [
            list.signed_by(&signer.key),
            CrlSpec::of("root").signed_by(&house.root.key),
        ];
        let answer = with_crls(&house, &more, &crls);
        assert_eq!(answer.map_err(|(kind, _)| kind).err(), expected);
    }
}

#[test]
fn a_signer_that_revokes_itself_is_not_believed() {
    let (house, signer, mut list) = delegated(true);
    list.of_entries.push((
        known::CERTIFICATE_ISSUER,
        true,
        sequence(&[&tlv(0xa4, &cn("issuing"))]),
    ));
    list.revoked.push((signer.serial.clone(), 1));
    let more = [signer.signed_by(&house.issuing.key)];
    let crls = [
        list.signed_by(&signer.key),
        CrlSpec::of("root").signed_by(&house.root.key),
    ];
    let (kind, told) = with_crls(&house, &more, &crls).expect_err("revoked");
    assert_eq!(kind, FailureKind::RevocationUnknown, "{told}");
    assert!(told.contains("revoked on"), "{told}");
}

#[test]
fn an_indirect_crl_tells_of_another_cas_certificates_by_issuer_and_serial() {
    let (house, signer, mut list) = delegated(true);
    let more = [signer.signed_by(&house.issuing.key)];
    let of_root = CrlSpec::of("root").signed_by(&house.root.key);
    // Without a certificate issuer the entry is about a certificate of the signer's own name.
    list.revoked.push((house.leaf.serial.clone(), 1));
    let crls = [list.signed_by(&signer.key), of_root.clone()];
    with_crls(&house, &more, &crls).expect("another issuer's serial number");

    list.of_entries.push((
        known::CERTIFICATE_ISSUER,
        true,
        sequence(&[&tlv(0xa4, &cn("issuing"))]),
    ));
    let crls = [list.signed_by(&signer.key), of_root];
    let (kind, _) = with_crls(&house, &more, &crls).expect_err("revoked");
    assert_eq!(kind, FailureKind::Revoked);
}
