//! Path building (RFC 4158) where many ways lead astray: CAs that certified each other, bridges, and many of one name.

use super::*;

/// A CA with a name and a key of its own, and the certificates that others give it.
struct Ca {
    name: String,
    key: EcdsaKeyPair,
}

impl Ca {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            key: Spec::new("", "").key,
        }
    }

    fn key_id(&self) -> Vec<u8> {
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.key.public_key().as_ref());
        digest.as_ref()[..20].to_vec()
    }

    /// A certificate of this CA, by another or by itself.
    fn certified_by(&self, issuer: &Self, serial: u8) -> Vec<u8> {
        let mut spec = Spec::new(&self.name, &issuer.name);
        spec.serial = vec![2, serial];
        spec.key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            self.key.to_pkcs8v1().expect("pkcs8").as_ref(),
        )
        .expect("the same key");
        spec.set(known::BASIC_CONSTRAINTS, true, ca_constraints(None));
        spec.set(known::KEY_USAGE, true, bits(&[0x06], 1));
        spec.set(known::SUBJECT_KEY_IDENTIFIER, false, tlv(4, &self.key_id()));
        spec.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &issuer.key_id())]),
        );
        spec.signed_by(&issuer.key)
    }

    fn leaf(&self) -> Vec<u8> {
        let mut leaf = House::good().leaf;
        leaf.issuer.clone_from(&self.name);
        leaf.set(
            known::AUTHORITY_KEY_IDENTIFIER,
            false,
            sequence(&[&tlv(0x80, &self.key_id())]),
        );
        leaf.signed_by(&self.key)
    }
}

fn cas(count: u8) -> Vec<Ca> {
    (0..count).map(|n| Ca::new(&format!("CA {n}"))).collect()
}

/// Everybody certified everybody else.
fn mesh_of(cas: &[Ca]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for one in cas {
        for (serial, other) in cas.iter().enumerate() {
            if one.name != other.name {
                all.push(one.certified_by(other, serial as u8));
            }
        }
    }
    all
}

#[test]
fn the_way_through_cas_that_all_certified_each_other_is_found() {
    let cas = cas(12);
    let root = Ca::new("root");
    // The one certificate that leads out stands last.
    let mut more = mesh_of(&cas);
    more.push(cas[0].certified_by(&root, 99));
    let (anchor, leaf) = (root.certified_by(&root, 1), cas[11].leaf());
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&more);
    let mut work = Work::new();
    let accepted = validate_within(&request, &mut work).expect("accepted");
    assert_eq!(
        accepted.subjects,
        ["CN=order", "CN=CA 11", "CN=CA 0", "CN=root"]
    );
    assert!(spent(&work).steps < 10, "{:?}", spent(&work));
}

#[test]
fn the_way_over_a_bridge_is_found_from_either_side() {
    let (bridge, own, other) = (
        Ca::new("bridge"),
        Ca::new("own root"),
        Ca::new("other root"),
    );
    let issuing = Ca::new("other issuing");
    let more = [
        own.certified_by(&bridge, 1),
        bridge.certified_by(&own, 2),
        other.certified_by(&bridge, 3),
        bridge.certified_by(&other, 4),
        issuing.certified_by(&other, 5),
    ];
    let leaf = issuing.leaf();
    for (root, length) in [(&own, 5), (&other, 3)] {
        let anchor = root.certified_by(root, 9);
        let request = Request::new(&leaf, NOW)
            .trust([&anchor])
            .intermediates(&more);
        let accepted = validate(&request).expect("accepted");
        assert_eq!(accepted.path.len(), length, "{:?}", accepted.subjects);
    }
}

#[test]
fn a_mesh_of_cas_without_an_anchor_ends_within_the_work_limit() {
    let cas = cas(12);
    let root = Ca::new("root");
    let (anchor, leaf) = (root.certified_by(&root, 1), cas[11].leaf());
    let more = mesh_of(&cas);
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&more);
    let mut work = Work::new();
    let rejected = validate_within(&request, &mut work).expect_err("no anchor");
    assert!(
        matches!(rejected.kind, FailureKind::NoPath | FailureKind::WorkLimit),
        "{rejected}"
    );
}

#[test]
fn of_many_cas_of_one_name_the_right_key_is_found() {
    let root = Ca::new("root");
    let same: Vec<Ca> = (0..200).map(|_| Ca::new("issuing")).collect();
    let more: Vec<_> = same
        .iter()
        .enumerate()
        .map(|(serial, ca)| ca.certified_by(&root, serial as u8))
        .collect();
    let (anchor, leaf) = (root.certified_by(&root, 1), same[199].leaf());
    let request = Request::new(&leaf, NOW)
        .trust([&anchor])
        .intermediates(&more);
    let mut work = Work::new();
    validate_within(&request, &mut work).expect("accepted");
    assert_eq!(spent(&work).signatures, 2);
}

#[test]
fn a_new_key_of_the_same_ca_is_reached_through_the_old_one_and_back() {
    let (old, new) = (Ca::new("root"), Ca::new("root"));
    let issuing = Ca::new("issuing");
    // RFC 4210 section 4.4: new with old, and old with new.
    let more = [
        new.certified_by(&old, 1),
        old.certified_by(&new, 2),
        issuing.certified_by(&new, 3),
    ];
    let leaf = issuing.leaf();
    for (anchor, length) in [(&old, 4), (&new, 3)] {
        let anchor = anchor.certified_by(anchor, 9);
        let request = Request::new(&leaf, NOW)
            .trust([&anchor])
            .intermediates(&more);
        let accepted = validate(&request).expect("accepted");
        assert_eq!(accepted.path.len(), length);
    }
}
