//! Requests of our own and of strangers: what is read, granted, dropped, told and refused.

use super::{form::MOST_EXTENSIONS, *};
use crate::{
    key::{self, KeyAlgorithm},
    subject_alt_name::MOST_NAMES,
};
use proptest::prelude::*;

fn create(names: &[GeneralName], profile: Option<Profile>) -> String {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    let subject = DistinguishedName::parse("/O=Example/CN=order").expect("a name");
    CertificateRequest::create(&key, &subject, names, profile).expect("a request")
}

#[test]
fn our_own_request_is_read_back() {
    let names = [
        GeneralName::dns("a.dev").expect("a name"),
        GeneralName::ip("::1").expect("an address"),
    ];
    let request =
        CertificateRequest::read(create(&names, Some(Profile::Peer)).as_bytes()).expect("valid");
    assert_eq!(request.names(), names);
    assert_eq!(request.subject().to_slashes(), "/O=Example/CN=order");
    assert_eq!(
        request
            .asks()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["extendedKeyUsage serverAuth, clientAuth"]
    );
    assert!(request.decide(Profile::Peer, false).is_ok());
}

#[test]
fn a_purpose_that_the_profile_lacks_is_refused_unless_dropping_is_allowed() {
    let request =
        CertificateRequest::read(create(&[], Some(Profile::Peer)).as_bytes()).expect("valid");
    assert!(request.decide(Profile::Server, false).is_err());
    let decision = request.decide(Profile::Server, true).expect("dropped");
    assert_eq!(
        decision.dropped,
        ["extendedKeyUsage serverAuth, clientAuth"]
    );
}

#[test]
fn what_somebody_may_rely_on_is_refused_and_what_nobody_misses_is_told() {
    let asking = |oid: &[u8], value: &[u8]| {
        let asked = der::sequence([profile::extension(oid, false, value)]);
        let attributes = attribute(&EXTENSION_REQUEST, &[asked]);
        CertificateRequest::read(&stranger(0, EMPTY, &attributes)).expect("a request")
    };
    let usage = |bits: &[u8]| asking(&[0x55, 29, 15], &der::named_bits(bits));
    let unknown = asking(&[0x2a, 3, 4], &[5, 0]);
    for (request, told) in [
        (&unknown, "the extension 1.2.3.4"),
        // must-staple, which a server's owner relies on.
        (
            &asking(
                &[0x2b, 6, 1, 5, 5, 7, 1, 24],
                &der::sequence([der::unsigned(&[5])]),
            ),
            "the extension 1.3.6.1.5.5.7.1.24",
        ),
        (&usage(&[5]), "keyUsage keyCertSign"),
        (&usage(&[0, 6]), "keyUsage digitalSignature, cRLSign"),
        (
            &usage(&[0, 3]),
            "keyUsage digitalSignature, dataEncipherment",
        ),
        (&usage(&[4]), "keyUsage keyAgreement"),
    ] {
        let refused = request.decide(Profile::Peer, false).expect_err(told);
        let expected = format!("The request asks for {told}, which is not granted");
        assert!(refused.to_string().starts_with(&expected), "{refused}");
        let decision = request.decide(Profile::Peer, true).expect("allowed");
        assert_eq!(decision.dropped, [told]);
    }
    for (request, told) in [
        (&usage(&[2]), "keyUsage keyEncipherment"),
        (
            &usage(&[0, 1, 2]),
            "keyUsage digitalSignature, nonRepudiation, keyEncipherment",
        ),
    ] {
        let decision = request.decide(Profile::Server, false).expect(told);
        assert_eq!(decision.dropped, [told]);
    }
    for request in [&usage(&[0]), &asking(&[0x55, 29, 19], EMPTY)] {
        let decision = request.decide(Profile::Server, false).expect("granted");
        assert_eq!((decision.granted.len(), decision.dropped.len()), (1, 0));
    }
}

#[test]
fn no_single_changed_byte_is_believed() {
    let pem = create(&[GeneralName::dns("a.dev").expect("a name")], None);
    let der = pem::read(pem.as_bytes()).expect("PEM").remove(0).content;
    assert!(CertificateRequest::read(&der).is_ok());
    for at in 0..der.len() {
        let mut changed = der.to_vec();
        changed[at] ^= 1;
        assert!(CertificateRequest::read(&changed).is_err(), "byte {at}");
    }
    assert!(CertificateRequest::read(&[&der[..], b"more"].concat()).is_err());
}

/// A request by a stranger, signed rightly whatever is in it.
fn stranger(version: u8, subject: &[u8], attributes: &[u8]) -> Vec<u8> {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    let info = der::sequence([
        &der::unsigned(&[version])[..],
        subject,
        key.public().spki(),
        &der::explicit(0, attributes),
    ]);
    let signature = key.sign(&info).expect("signed");
    signed(&info, &key.signature_algorithm(), &signature).to_vec()
}

fn attribute(oid: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    der::sequence([
        der::object_identifier(oid),
        der::value(0x31, &der::concat(values)),
    ])
}

fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<u8> {
    let names = names
        .into_iter()
        .map(|name| der::implicit(2, name.as_bytes()));
    profile::extension(&profile::SUBJECT_ALT_NAME, false, &der::sequence(names))
}

fn refused(request: &[u8]) -> String {
    CertificateRequest::read(request)
        .expect_err("refused")
        .to_string()
}

const EMPTY: &[u8] = &[0x30, 0];

#[test]
fn no_name_that_is_asked_for_is_passed_over() {
    let asked = |name| der::sequence([names([name])]);
    let good = attribute(&EXTENSION_REQUEST, &[asked("a.dev")]);
    let read = CertificateRequest::read(&stranger(0, EMPTY, &good)).expect("as it should be");
    assert_eq!(read.names(), [GeneralName::dns("a.dev").expect("a name")]);

    let microsoft = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 1, 14];
    let with_rest = [asked("a.dev"), vec![4, 3, 1, 2, 3]].concat();
    for (what, attributes, expected) in [
        (
            "two values",
            attribute(&EXTENSION_REQUEST, &[asked("a.dev"), asked("b.dev")]),
            "has 2 values",
        ),
        (
            "no value",
            attribute(&EXTENSION_REQUEST, &[]),
            "has 0 values",
        ),
        (
            "a value behind the value",
            attribute(&EXTENSION_REQUEST, &[with_rest]),
            "has 2 values",
        ),
        (
            "octets behind the names",
            attribute(
                &EXTENSION_REQUEST,
                &[der::sequence([profile::extension(
                    &profile::SUBJECT_ALT_NAME,
                    false,
                    &[der::sequence([der::implicit(2, b"a.dev")]), vec![5, 0]].concat(),
                )])],
            ),
            "2.5.29.17 that it asks for is damaged",
        ),
        (
            "another type",
            attribute(&EXTENSION_REQUEST, &[vec![4, 0]]),
            "are damaged",
        ),
        (
            "Microsoft's attribute",
            [good.clone(), attribute(&microsoft, &[asked("b.dev")])].concat(),
            "in the attribute 1.3.6.1.4.1.311.2.1.14",
        ),
        (
            "two extensionRequests with one extension",
            [good.clone(), good.clone()].concat(),
            "more than one extensionRequest",
        ),
        (
            "two extensionRequests with different extensions",
            [
                good.clone(),
                attribute(
                    &EXTENSION_REQUEST,
                    &[der::sequence([profile::extension(
                        &[0x55, 0x1d, 0x13],
                        true,
                        EMPTY,
                    )])],
                ),
            ]
            .concat(),
            "more than one extensionRequest",
        ),
        (
            "the same extension twice",
            attribute(
                &EXTENSION_REQUEST,
                &[der::sequence([names(["a.dev"]), names(["b.dev"])])],
            ),
            "2.5.29.17 twice",
        ),
    ] {
        let told = refused(&stranger(0, EMPTY, &attributes));
        assert!(told.contains(expected), "{what}: {told}");
    }
    assert!(refused(&stranger(1, EMPTY, &good)).contains("knows 0 only"));
}

#[test]
fn what_is_damaged_is_told_by_its_true_reason() {
    let whole = stranger(0, EMPTY, &[]);
    assert!(refused(&whole[..whole.len() - 1]).contains("is cut off"));
    assert!(refused(&[&whole[..], b"\n"].concat()).contains("followed by octets"));
    assert_eq!(refused(b"hello"), RequestError::None.to_string());
    let [root, _, _, crl] = crate::path_validation::tests::sample();
    for other in [root, crl] {
        assert_eq!(refused(&other), RequestError::None.to_string());
    }
}

#[test]
fn a_request_that_asks_for_more_than_anybody_needs_is_refused_at_once() {
    let many: Vec<String> = (0..=MOST_NAMES).map(|at| format!("h{at}.dev")).collect();
    let attributes = |count: usize| {
        let asked = names(many[..count].iter().map(String::as_str));
        attribute(&EXTENSION_REQUEST, &[der::sequence([asked])])
    };
    let most = CertificateRequest::read(&stranger(0, EMPTY, &attributes(MOST_NAMES)));
    assert_eq!(most.map(|read| read.names().len()), Ok(MOST_NAMES));
    let told = refused(&stranger(0, EMPTY, &attributes(MOST_NAMES + 1)));
    assert!(told.contains("asks for more than 1000 names"), "{told}");

    let extensions =
        (0..=MOST_EXTENSIONS).map(|at| profile::extension(&[0x2a, 0x81, at as u8], false, b""));
    let attributes = attribute(&EXTENSION_REQUEST, &[der::sequence(extensions)]);
    assert!(refused(&stranger(0, EMPTY, &attributes)).contains("more than 100 extensions"));
    assert!(refused(&vec![0x30; MOST_OCTETS + 1]).contains("has more than 256 KiB"));
}

#[test]
fn a_key_has_one_encoding_or_a_ca_would_not_know_its_own() {
    // The same point as an EC key's, compressed (RFC 5480 section 2.2).
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let spki = key.public().spki();
    let (head, point) = spki.split_at(spki.len() - 65);
    let sign = 2 + (point[64] & 1);
    let compressed = [&[sign], &point[1..33]].concat();
    let algorithm = &head[2..head.len() - 3];
    let spki = der::sequence([algorithm, &der::bit_string(&compressed)]);
    let public = PublicKey::from_spki(&spki).expect("readable");
    let told = public.check_strength().expect_err("compressed").to_string();
    assert!(told.contains("compressed"), "{told}");
    assert!(key.public().check_strength().is_ok());

    // The same RSA key without the NULL that RFC 3279 section 2.3.1 asks for.
    let key = PrivateKey::generate(KeyAlgorithm::Rsa2048).expect("a key");
    let without = {
        let spki = key.public().spki();
        let bits = &spki[spki.len() - (key.public().key().len() + 5)..];
        der::sequence([
            &der::sequence([der::object_identifier(&key::RSA_ENCRYPTION)])[..],
            bits,
        ])
    };
    assert_eq!(
        &PublicKey::from_spki(&without).expect("readable"),
        key.public()
    );
}

#[test]
fn two_requests_in_one_file_are_not_guessed_between() {
    let twice = create(&[], None) + &create(&[], None);
    assert_eq!(
        CertificateRequest::read(twice.as_bytes()).map(drop),
        Err(RequestError::Several(2))
    );
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
        let _ = CertificateRequest::read(&bytes);
        let _ = CertificateRequest::read(pem::write("CERTIFICATE REQUEST", &bytes).as_bytes());
        let _ = crate::certificate::Certificate::read_all(&bytes);
        let _ = crate::certificate::Certificate::from_der(&bytes);
    }
}
