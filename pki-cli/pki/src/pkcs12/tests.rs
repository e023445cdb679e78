//! PKCS#12: what is written is read back, and no file, however hostile, does more than fail.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::{
    Attribute, Bag, BagKind, Contents, MAX_BAGS, Pkcs12, Pkcs12Error, Protection, mac,
    write::write_with,
};
use crate::{
    certificate::Certificate,
    der,
    key::{KeyAlgorithm, Passphrase, PrivateKey},
    parse::oid::{Oid, known},
    path_validation::tests::sample,
};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).expect("not empty")
}

fn certificates() -> Vec<Certificate> {
    let [root, issuing, leaf, _] = sample();
    [leaf, issuing, root]
        .iter()
        .map(|der| Certificate::from_der(der).expect("a certificate"))
        .collect()
}

/// A file with a key and three certificates, made with as little work as can be.
pub(crate) fn file(key: &PrivateKey, name: &str) -> Vec<u8> {
    let certificates = certificates();
    let contents = Contents {
        friendly_name: name,
        key: Some(key),
        certificates: &certificates,
    };
    write_with(&contents, &passphrase("right"), NonZeroU32::MIN).expect("written")
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::P256).expect("a key")
}

fn oid(oid: Oid<'_>) -> Vec<u8> {
    der::object_identifier(oid.0)
}

fn data(octets: &[u8]) -> Vec<u8> {
    der::sequence([
        oid(known::PKCS7_DATA),
        der::explicit(0, &der::octet_string(octets)),
    ])
}

/// A file around these safes, with this MacData or none.
fn around(safes: Vec<Vec<u8>>, mac: Option<Vec<u8>>) -> Vec<u8> {
    let mut parts = vec![der::unsigned(&[3]), data(&der::sequence(safes))];
    parts.extend(mac);
    der::sequence(parts)
}

fn bags(file: &Pkcs12) -> Vec<&Bag> {
    file.safes
        .iter()
        .flat_map(|safe| safe.bags.iter().flatten())
        .collect()
}

fn friendly_names(file: &Pkcs12) -> Vec<&str> {
    let attributes = bags(file).into_iter().flat_map(|bag| &bag.attributes);
    attributes
        .filter_map(|attribute| match attribute {
            Attribute::FriendlyName(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn without_a_passphrase_the_outside_is_seen_and_the_inside_is_not() {
    let octets = file(&key(), "order");
    let closed = Pkcs12::read(&octets, None).expect("well-formed");
    let mac = closed.mac.as_ref().expect("a MAC");
    assert_eq!(mac.iterations, 1);
    assert!(mac.verdict.is_none());
    assert_eq!(closed.safes.len(), 2);
    assert!(matches!(
        closed.safes[0].protection,
        Protection::Encrypted(_)
    ));
    assert!(matches!(closed.safes[0].bags, Err(Pkcs12Error::Encrypted)));
    assert_eq!(friendly_names(&closed), ["order"], "of the key's bag");
    assert!(matches!(closed.open(), Err(Pkcs12Error::Encrypted)));
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_is_told_as_such() {
    let octets = file(&key(), "order");
    for wrong in ["wrong", "Right", "right ", "ri"] {
        let read = Pkcs12::read(&octets, Some(&passphrase(wrong))).expect("well-formed");
        assert!(matches!(read.open(), Err(Pkcs12Error::WrongPassphrase)));
        assert!(read.safes[0].bags.is_err());
    }
    let not_text = Passphrase::new(Zeroizing::new(vec![0xff, 0xfe])).expect("not empty");
    let read = Pkcs12::read(&octets, Some(&not_text)).expect("well-formed");
    assert!(matches!(read.open(), Err(Pkcs12Error::NotText)));
}

#[test]
fn an_altered_file_is_noticed_by_its_mac() {
    let octets = file(&key(), "order");
    let name: Vec<u8> = "order".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = octets
        .windows(name.len())
        .position(|window| window == name)
        .expect("the name of the key's bag stands in clear");
    let mut altered = octets;
    altered[at + 1] = b'b';
    let read = Pkcs12::read(&altered, Some(&passphrase("right"))).expect("well-formed");
    assert!(matches!(read.open(), Err(Pkcs12Error::WrongPassphrase)));
}

#[test]
fn whatever_octet_is_damaged_nothing_worse_than_an_error_happens() {
    let own = key();
    let octets = file(&own, "order");
    let right = passphrase("right");
    let whole = Pkcs12::read(&octets, Some(&right)).expect("well-formed");
    let certificates = whole.open().expect("the right passphrase").certificates;
    for at in 0..octets.len() {
        let _ = Pkcs12::read(&octets[..at], Some(&right)).map(|file| file.open().map(drop));
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = octets.clone();
            damaged[at] ^= change;
            for passphrase in [None, Some(&right)] {
                if let Ok(file) = Pkcs12::read(&damaged, passphrase) {
                    // The parameters of the MAC's own algorithm are not covered by it.
                    if let Ok(opened) = file.open() {
                        assert_eq!(opened.certificates, certificates, "octet {at}");
                        assert_eq!(opened.keys[0].public(), own.public(), "octet {at}");
                    }
                    assert!(!format!("{file:?}").is_empty());
                }
            }
        }
    }
}

/// A file in which nothing is encrypted: a certificate and a key.
pub(crate) fn in_clear(own: &PrivateKey) -> Vec<u8> {
    let value = der::sequence([
        oid(known::X509_CERTIFICATE),
        der::explicit(0, &der::octet_string(certificates()[0].der())),
    ]);
    let bag = |kind: Oid<'_>, value: &[u8]| {
        let name = der::value(0x1e, &[0xd8, 0x3d, 0xde, 0x00]);
        let attribute = der::sequence([oid(known::FRIENDLY_NAME), der::set_of(vec![name])]);
        der::sequence([
            oid(kind),
            der::explicit(0, value),
            der::set_of(vec![attribute]),
        ])
    };
    let safe = der::sequence([
        bag(known::CERT_BAG, &value),
        bag(known::KEY_BAG, own.pkcs8()),
    ]);
    around(vec![data(&safe)], None)
}

#[test]
fn what_was_put_in_clear_is_damaged_without_a_panic_as_well() {
    let own = key();
    let octets = in_clear(&own);
    let file = Pkcs12::read(&octets, None).expect("well-formed");
    assert_eq!(friendly_names(&file), ["😀", "😀"]);
    let opened = file.open().expect("nothing is encrypted");
    assert!(!opened.has_mac);
    assert_eq!(opened.keys[0].public(), own.public());
    for at in 0..octets.len() {
        for change in [0x01, 0x1b, 0x80, 0xff] {
            let mut damaged = octets.clone();
            damaged[at] ^= change;
            let _ = Pkcs12::read(&damaged, None).map(|file| file.open().map(drop));
        }
    }
}

#[test]
fn unknown_bags_safes_and_attributes_are_named_and_kept() {
    let strange = oid(Oid(&[0x2a, 0x03, 0x04]));
    let attribute = der::sequence([&strange, &der::set_of(vec![der::null()])[..]]);
    let bag = der::sequence([
        &strange,
        &der::explicit(0, &der::octet_string(b"what is it"))[..],
        &der::set_of(vec![attribute]),
    ]);
    let safe = der::sequence([&strange, &der::explicit(0, &der::null())[..]]);
    let octets = around(vec![data(&der::sequence([bag])), safe], None);
    let file = Pkcs12::read(&octets, None).expect("well-formed");
    let bags = bags(&file);
    assert!(matches!(&bags[0].kind, BagKind::Other { what, octets: 12 } if what == "1.2.3.4"));
    assert_eq!(
        bags[0].attributes,
        [Attribute::Other("1.2.3.4".to_owned(), vec![5, 0])]
    );
    let opened = file.open().expect("nothing is encrypted");
    assert_eq!(opened.others, ["1.2.3.4", "a safe of the kind 1.2.3.4"]);
}

#[test]
fn old_encryption_is_named_with_the_way_out() {
    // pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C)
    let old = oid(Oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 3]));
    let algorithm = der::sequence([
        old,
        der::sequence([der::octet_string(&[0; 8]), der::unsigned(&[8])]),
    ]);
    let shrouded = der::sequence([algorithm, der::octet_string(&[0; 16])]);
    let bag = der::sequence([oid(known::SHROUDED_KEY_BAG), der::explicit(0, &shrouded)]);
    let octets = around(vec![data(&der::sequence([bag]))], None);
    let file = Pkcs12::read(&octets, Some(&passphrase("x"))).expect("well-formed");
    let told = file.open().expect_err("not supported").to_string();
    assert!(
        told.contains("SHA-1 and 3DES") && told.contains("openssl pkcs12 -legacy"),
        "{told}"
    );
}

/// A file whose MAC asks for so many iterations.
fn costly(iterations: &[u8]) -> Vec<u8> {
    let info = der::sequence([
        der::sequence([oid(known::SHA256), der::null()]),
        der::octet_string(&[0; 32]),
    ]);
    let mac = der::sequence([info, der::octet_string(&[0; 8]), der::unsigned(iterations)]);
    around(vec![], Some(mac))
}

#[test]
fn a_file_that_asks_for_years_of_work_is_refused_before_any() {
    for iterations in [
        &[0x7f, 0xff, 0xff, 0xff][..],
        &[0xff; 8],
        &5_000_001_u32.to_be_bytes(),
    ] {
        let file = Pkcs12::read(&costly(iterations), Some(&passphrase("x"))).expect("well-formed");
        assert!(matches!(file.open(), Err(Pkcs12Error::TooExpensive)));
    }
    let none = Pkcs12::read(&costly(&[0]), Some(&passphrase("x"))).expect("well-formed");
    assert!(matches!(none.open(), Err(Pkcs12Error::Malformed(_))));
}

#[test]
fn the_work_of_all_bags_together_is_bounded() {
    // 100 keys with a million iterations each: the fifth is the last one that is tried.
    let function = der::sequence([oid(known::HMAC_SHA256), der::null()]);
    let derivation = der::sequence([
        oid(known::PBKDF2),
        der::sequence([
            der::octet_string(&[0; 8]),
            der::unsigned(&1_000_000_u32.to_be_bytes()),
            function,
        ]),
    ]);
    let scheme = der::sequence([oid(known::AES_256_CBC), der::octet_string(&[0; 16])]);
    let algorithm = der::sequence([oid(known::PBES2), der::sequence([derivation, scheme])]);
    let shrouded = der::sequence([algorithm, der::octet_string(&[0; 16])]);
    let bag = der::sequence([oid(known::SHROUDED_KEY_BAG), der::explicit(0, &shrouded)]);
    let octets = around(vec![data(&der::sequence(vec![bag; 100]))], None);
    let file = Pkcs12::read(&octets, Some(&passphrase("x"))).expect("well-formed");
    let refused = bags(&file)
        .into_iter()
        .filter(|bag| {
            matches!(
                &bag.kind,
                BagKind::ShroudedKey {
                    opened: Err(Pkcs12Error::TooExpensive),
                    ..
                }
            )
        })
        .count();
    assert_eq!(refused, 95);
}

#[test]
fn a_file_with_too_many_bags_is_refused() {
    let bag = der::sequence([oid(known::CERT_BAG), der::explicit(0, &der::null())]);
    let octets = around(vec![data(&der::sequence(vec![bag; MAX_BAGS + 1]))], None);
    assert!(Pkcs12::read(&octets, None).is_ok_and(|file| file.open().is_err()));
    let safes = vec![data(&der::sequence::<&[u8]>([])); MAX_BAGS + 1];
    assert!(matches!(
        Pkcs12::read(&around(safes, None), None),
        Err(Pkcs12Error::Malformed(_))
    ));
}

#[test]
fn pbmac1_is_checked_and_wants_a_length_for_its_key() {
    let safes = vec![data(&der::sequence::<&[u8]>([]))];
    let authenticated = der::sequence(&safes);
    let salt = [7; 8];
    let made = |length: usize| {
        let mut key = vec![0; length];
        let one = NonZeroU32::MIN;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, one, &salt, b"right", &mut key);
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA384, &key), &authenticated);
        let function = der::sequence([oid(known::HMAC_SHA512), der::null()]);
        let derivation = der::sequence([
            oid(known::PBKDF2),
            der::sequence([
                der::octet_string(&salt),
                der::unsigned(&[1]),
                der::unsigned(&[length as u8]),
                function,
            ]),
        ]);
        let scheme = der::sequence([oid(known::HMAC_SHA384), der::null()]);
        let algorithm = der::sequence([oid(known::PBMAC1), der::sequence([derivation, scheme])]);
        let info = der::sequence([algorithm, der::octet_string(mac.as_ref())]);
        let mac = der::sequence([info, der::octet_string(b"unused"), der::unsigned(&[1])]);
        around(safes.clone(), Some(mac))
    };
    let open = |octets: &[u8], with: &str| {
        Pkcs12::read(octets, Some(&passphrase(with)))
            .expect("well-formed")
            .open()
            .map(drop)
    };
    assert_eq!(open(&made(48), "right"), Ok(()));
    assert_eq!(open(&made(48), "wrong"), Err(Pkcs12Error::WrongPassphrase));
    assert!(matches!(
        open(&made(8), "right"),
        Err(Pkcs12Error::Malformed(_))
    ));
}

#[test]
fn the_key_derivation_of_appendix_b_gives_what_it_gives_elsewhere() {
    // The first is a vector that other implementations test themselves with; the second was computed with Python's
    // hashlib after the text of appendix B.2.
    let key = mac::derive(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        &mac::text(&passphrase("smeg")).expect("text"),
        &[0x3d, 0x83, 0xc0, 0xe4, 0x54, 0x6a, 0xc1, 0x40],
        1,
    );
    let expected = "8d967d88f6caa9d714800ab3d48051d63f73a312";
    assert_eq!(crate::text::hex(&key), expected);
    let key = mac::derive(
        &digest::SHA256,
        &mac::text(&passphrase("smeg")).expect("text"),
        &[0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f],
        1000,
    );
    let expected = "35ac16a454d608fb10c8d7c6338ca85818587aed0ff771fd265957e412c2c03c";
    assert_eq!(crate::text::hex(&key), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read_back(name in "\\PC{0,40}", secret in "\\PC{1,40}", kind in 0..4_usize, with_key: bool) {
        let algorithm = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519, KeyAlgorithm::P256][kind];
        let key = PrivateKey::generate(algorithm).expect("a key");
        let certificates = certificates();
        let contents = Contents {
            friendly_name: &name,
            key: with_key.then_some(&key),
            certificates: &certificates,
        };
        let octets = write_with(&contents, &passphrase(&secret), NonZeroU32::MIN).expect("written");
        let file = Pkcs12::read(&octets, Some(&passphrase(&secret))).expect("our own file");
        let opened = file.open().expect("our own passphrase");
        prop_assert!(opened.has_mac && opened.others.is_empty());
        prop_assert_eq!(&opened.certificates, &certificates);
        prop_assert_eq!(opened.keys.len(), usize::from(with_key));
        for read in &opened.keys {
            prop_assert_eq!(read.public(), key.public());
        }
        prop_assert_eq!(friendly_names(&file), vec![name.as_str(); 1 + usize::from(with_key)]);
    }

    #[test]
    fn no_octets_make_it_panic(octets: Vec<u8>) {
        let _ = Pkcs12::read(&octets, Some(&passphrase("x")));
        let _ = Pkcs12::read(&around(vec![data(&octets)], None), Some(&passphrase("x")));
    }
}
