//! The work limit: no bundle makes a validation go on for ever.

use super::*;

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
