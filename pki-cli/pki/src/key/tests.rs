//! Keys of every kind, written and read; what is refused, and what is never shown.

use super::{private_key::check_cost, *};
use crate::pem;
use proptest::prelude::*;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).expect("not empty")
}

#[test]
fn every_algorithm_survives_being_written_and_read() {
    for algorithm in KeyAlgorithm::ALL
        .into_iter()
        .filter(|algorithm| *algorithm != KeyAlgorithm::Rsa4096)
    {
        let key = PrivateKey::generate(algorithm).expect("a key");
        assert!(algorithm.makes(key.public()), "{algorithm}");
        let read = PrivateKey::read(key.to_pem().as_bytes(), None).expect("our own PEM");
        assert_eq!(read.public(), key.public());
        assert_eq!(read.signature_algorithm(), key.signature_algorithm());
        assert_eq!(
            *PrivateKey::read(&key.pkcs8, None)
                .expect("our own DER")
                .pkcs8,
            *key.pkcs8
        );
        assert!(!format!("{key:?}").contains(&format!("{:?}", &key.pkcs8[30..])));
    }
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_only() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    let pem = key
        .to_encrypted_pem(&passphrase("right"))
        .expect("encrypted");
    let read = |with: Option<&str>| {
        let passphrase = with.map(passphrase);
        PrivateKey::read(pem.as_bytes(), passphrase.as_ref()).map(|key| key.public().clone())
    };
    assert_eq!(read(Some("right")), Ok(key.public().clone()));
    assert_eq!(read(Some("wrong")), Err(KeyError::WrongPassphrase));
    assert_eq!(read(None), Err(KeyError::Encrypted));
}

#[test]
fn an_empty_passphrase_is_none_and_a_real_one_is_never_shown() {
    assert!(Passphrase::new(Zeroizing::default()).is_none());
    assert_eq!(
        format!("{:?}", passphrase("secret")),
        "Passphrase([elided])"
    );
}

#[test]
fn ed25519_is_written_as_version_1() {
    // RFC 5958: the version is the first integer; openssl before 3.5 reads 0 only.
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    assert_eq!(key.pkcs8[2..5], [0x02, 0x01, 0x00]);
}

#[test]
fn a_key_derivation_without_bound_is_not_started() {
    let salt = [0; 16];
    let params = pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(
        50_000_000, &salt, [0; 16],
    )
    .expect("legal, if absurd");
    assert!(check_cost(&params.into()).is_err());
}

#[test]
fn two_keys_in_one_file_are_not_guessed_between() {
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let twice = format!("{0}{0}", *key.to_pem());
    assert_eq!(
        PrivateKey::read(twice.as_bytes(), None).map(drop),
        Err(KeyError::Several(2))
    );
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
        let _ = PrivateKey::read(&bytes, Some(&passphrase("x")));
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let _ = PrivateKey::read(pem::write(label, &bytes).as_bytes(), Some(&passphrase("x")));
        }
        let _ = PublicKey::from_spki(&bytes);
    }
}
