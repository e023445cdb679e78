//! However a private key's file is damaged, nothing of the key comes out: not in text, JSON, errors or debug output.

use std::collections::HashSet;

use ::time::macros::datetime;
use zeroize::Zeroizing;

use super::inspect;
use crate::{
    certificate::Certificate,
    certificate_request::CertificateRequest,
    key::{KeyAlgorithm, Passphrase, PrivateKey},
    parse::der::Reader,
    pem,
};

/// As many characters of a key as nobody meets by chance.
const PIECE: usize = 16;

/// Every piece of a key, in base64 and in hexadecimal.
struct Secret(HashSet<Vec<u8>>);

impl Secret {
    fn of(der: &[u8], public: &[u8], pem: &str) -> Self {
        let public = crate::text::hex(public);
        let hex = crate::text::hex(der);
        let mut pieces = HashSet::new();
        for piece in hex.as_bytes().windows(PIECE) {
            // The public half stands in the key and may be shown, but only so.
            if !public.as_bytes().windows(PIECE).any(|known| known == piece) {
                pieces.insert(piece.to_vec());
            }
        }
        for line in pem.lines().filter(|line| !line.starts_with("-----")) {
            pieces.extend(line.as_bytes().windows(PIECE).map(<[u8]>::to_vec));
        }
        Self(pieces)
    }

    fn is_in(&self, said: &str) -> bool {
        let plain: String = said.chars().filter(|c| *c != ':').collect();
        let hex = plain.to_ascii_lowercase();
        [said.as_bytes(), hex.as_bytes()]
            .into_iter()
            .any(|said| said.windows(PIECE).any(|piece| self.0.contains(piece)))
    }
}

/// Everything that this library says about a file.
fn said(file: &[u8], passphrase: Option<&Passphrase>) -> String {
    let mut out = String::new();
    for found in inspect(file, datetime!(2026-11-24 12:00 UTC), passphrase) {
        out.push_str(&match found {
            Ok(object) => format!("{} {} {:?}", object.text(), object.short(), object),
            Err(error) => format!("{error} {error:?}"),
        });
    }
    out.push_str(&format!("{:?}", PrivateKey::read(file, passphrase)));
    for error in [
        PrivateKey::read(file, passphrase)
            .err()
            .map(|e| e.to_string()),
        CertificateRequest::read(file).err().map(|e| e.to_string()),
        Certificate::read_all(file).err().map(|e| e.to_string()),
        super::certificates(file).err().map(|e| e.to_string()),
        super::crls(file).err().map(|e| e.to_string()),
    ] {
        out.push_str(&error.unwrap_or_default());
    }
    out
}

fn damages(pem: &str) -> Vec<Vec<u8>> {
    let mut all: Vec<String> = vec![pem.to_owned()];
    for lines in ["", " ", "\\n", "\r", "\\r\\n", "\t"] {
        all.push(pem.replace('\n', lines));
    }
    let (body, label) = (
        pem.lines()
            .filter(|line| !line.starts_with("-----"))
            .collect::<Vec<_>>()
            .join("\n"),
        pem.lines().next().unwrap_or_default().trim_matches('-'),
    );
    for other in [
        "CERTIFICATE",
        "CERTIFICATE REQUEST",
        "X509 CRL",
        "PUBLIC KEY",
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "UNKNOWN",
    ] {
        all.push(pem.replace(label.trim_start_matches("BEGIN "), other));
    }
    let one_line = body.replace('\n', "");
    all.extend([
        format!("-----BEGIN {one_line}-----\nAAAA\n-----END {one_line}-----\n"),
        format!("-----BEGIN PRIVATE KEY-----\n-----END {one_line}-----\n"),
        format!("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info:{one_line}\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{one_line}: ENCRYPTED\nAAAA\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN CERTIFICATE-----\n{one_line}:\n-----END CERTIFICATE-----\n"),
        one_line.to_uppercase(),
        format!("-----BEGIN {}-----\n-----END X-----\n", one_line.to_uppercase()),
    ]);
    // One line break after the other is lost, and one line after the other.
    for (at, _) in pem.match_indices('\n') {
        all.push([&pem[..at], &pem[at + 1..]].concat());
        all.push([&pem[..at], " ", &pem[at + 1..]].concat());
        all.push(pem[..at].to_owned());
        all.push(pem[at + 1..].to_owned());
    }
    let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
    for at in (0..pem.len()).step_by(1 + pem.len() / 80) {
        for flip in [1, 0x20, 0x80] {
            let mut damaged = pem.as_bytes().to_vec();
            damaged[at] ^= flip;
            all.push(damaged);
        }
    }
    all
}

#[test]
fn nothing_of_a_private_key_is_ever_said_however_its_file_is_damaged() {
    let passphrase = Passphrase::new(Zeroizing::new(b"x".to_vec())).expect("not empty");
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let key = PrivateKey::generate(algorithm).expect("a key");
        let pkcs8 = pem::read(key.to_pem().as_bytes())
            .expect("our own")
            .remove(0)
            .content;
        let inner = {
            let mut reader = Reader::new(&pkcs8).sequence("it").expect("PKCS#8");
            reader.any("it").expect("a version");
            reader.any("it").expect("an algorithm");
            reader.octet_string("it").expect("the key")
        };
        let mut forms = vec![key.to_pem()];
        match algorithm {
            KeyAlgorithm::Rsa2048 => forms.push(pem::write("RSA PRIVATE KEY", inner)),
            KeyAlgorithm::Ed25519 => {}
            _ => forms.push(pem::write("EC PRIVATE KEY", inner)),
        }
        let public = key.public().spki();
        for form in forms {
            let secret = Secret::of(&pkcs8, public, &form);
            assert!(secret.is_in(&form) && secret.is_in(&crate::text::hex_colons(inner)));
            for damaged in damages(&form) {
                let said = said(&damaged, None);
                assert!(
                    !secret.is_in(&said),
                    "{algorithm}: {}\n{said}",
                    String::from_utf8_lossy(&damaged)
                );
            }
            let der = pem::read(form.as_bytes())
                .expect("our own")
                .remove(0)
                .content;
            for at in 0..der.len().min(48) {
                for flip in [1, 2, 8, 0x20, 0x80] {
                    let mut damaged = der.to_vec();
                    damaged[at] ^= flip;
                    let said = said(&damaged, None);
                    assert!(!secret.is_in(&said), "{algorithm}: octet {at}: {said}");
                }
                assert!(!secret.is_in(&said(&der[..at], None)));
                assert!(!secret.is_in(&said(&der[at..], None)));
            }
        }
        // The passphrase is tried in a few cases only: deriving the key is slow by intent.
        let encrypted = key.to_encrypted_pem(&passphrase).expect("encrypted");
        let secret = Secret::of(&pkcs8, public, &encrypted);
        for (at, damaged) in damages(&encrypted).iter().enumerate() {
            let passphrase = Some(&passphrase).filter(|_| at == 0);
            let said = said(damaged, passphrase);
            assert!(!secret.is_in(&said), "{algorithm}: {said}");
        }
    }
}

#[test]
fn nothing_of_a_key_in_a_pkcs12_file_is_said_however_the_file_is_damaged() {
    let right = Passphrase::new(Zeroizing::new(b"right".to_vec())).expect("not empty");
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let secret = Secret::of(key.pkcs8(), key.public().spki(), &key.to_pem());
    let files = [
        (crate::pkcs12::tests::in_clear(&key), None),
        (crate::pkcs12::tests::file(&key, "order"), Some(&right)),
    ];
    for (file, passphrase) in files {
        let whole = said(&file, passphrase);
        assert!(whole.contains("private key") && !secret.is_in(&whole));
        // Prime, so that octets of every kind are met.
        for at in (0..file.len()).step_by(13) {
            for flip in [1, 0x80] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                let said = said(&damaged, passphrase);
                assert!(!secret.is_in(&said), "octet {at}: {said}");
            }
        }
    }
}
