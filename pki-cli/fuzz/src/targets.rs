//! The targets, one for each kind of thing that is read.

use std::path::Path;

use pki::{
    certificate::Certificate,
    certificate_request::CertificateRequest,
    distinguished_name::DistinguishedName,
    import::index_txt as table,
    inspect,
    key::PrivateKey,
    manifest::Manifest,
    path_validation::{self, ExpectedName, Purpose, Request},
    pkcs12::Pkcs12,
    profile::Profile,
    subject_alt_name::GeneralName,
};
use time::{OffsetDateTime, macros::datetime};

/// The moment at which everything is judged; the seeds are valid then.
pub const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// A target: any octets.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its file in `fuzz_targets`.
pub const ALL: [(&str, Target); 12] = [
    ("certificate", certificate),
    ("request", request),
    ("crl", crl),
    ("key", key),
    ("pem", pem),
    ("pkcs12", pkcs12),
    ("verify", verify),
    ("resigned", super::resigned::target),
    ("manifest", manifest),
    ("distinguished_name", distinguished_name),
    ("general_names", general_names),
    ("index_txt", index_txt),
];

/// A certificate, also as the peer of a handshake sends it.
pub fn certificate(octets: &[u8]) {
    show(octets, "CERTIFICATE");
    if let Some(identity) = inspect::Identity::read(octets, NOW) {
        assert_shown(&identity.subject);
        assert_shown(&identity.validity);
        let names = [&identity.dns, &identity.ip, &identity.uri, &identity.email];
        for name in names.into_iter().flatten() {
            assert_shown(&pki::text::escape(name));
        }
    }
    // The names of CAs that a server sends are read the same way.
    if let Some(name) = inspect::distinguished_name(octets) {
        assert_shown(&name);
    }
    if let Ok(certificate) = Certificate::from_der(octets) {
        // As they stand in the certificate; whoever prints them escapes them.
        assert_shown(&pki::text::escape(&certificate.subject().to_string()));
        assert_shown(&pki::text::escape(&certificate.issuer().to_string()));
        for name in certificate.names() {
            assert_shown(&pki::text::escape(&name.to_string()));
        }
        let pem = certificate.to_pem();
        let again = Certificate::read_all(pem.as_bytes()).expect("what was written can be read");
        assert_eq!(again[0].der(), octets);
    }
}

/// A certificate request, to be shown and to be signed.
pub fn request(octets: &[u8]) {
    show(octets, "CERTIFICATE REQUEST");
    match CertificateRequest::read(octets) {
        Ok(request) => {
            assert_shown(&pki::text::escape(&request.subject().to_string()));
            for profile in [Profile::Server, Profile::Client, Profile::Peer] {
                for allow_dropped in [false, true] {
                    if let Err(refusal) = request.decide(profile, allow_dropped) {
                        assert_shown(&refusal.to_string());
                    }
                }
            }
        }
        Err(error) => assert_shown(&error.to_string()),
    }
}

/// A certificate revocation list.
pub fn crl(octets: &[u8]) {
    show(octets, "X509 CRL");
}

/// A private key in every envelope; an encrypted one is not opened, so that no time goes into its key derivation.
pub fn key(octets: &[u8]) {
    for label in [
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
    ] {
        show(octets, label);
        read_key(block(octets, label).as_bytes());
    }
    read_key(octets);
}

/// A bundle in PEM, with whatever stands in it.
pub fn pem(octets: &[u8]) {
    show_as_is(octets);
    for found in [inspect::certificates(octets), inspect::crls(octets)] {
        if let Err(error) = found {
            assert_shown(&error.to_string());
        }
    }
    if let Err(error) = Certificate::read_all(octets) {
        assert_shown(&error.to_string());
    }
    read_key(octets);
}

/// A PKCS#12 file, not opened.
pub fn pkcs12(octets: &[u8]) {
    show_as_is(octets);
    match Pkcs12::read(octets, None) {
        Ok(file) => {
            if let Err(error) = file.open() {
                assert_shown(&error.to_string());
            }
        }
        Err(error) => assert_shown(&error.to_string()),
    }
}

/// Any octets as leaf, trust anchors, intermediates and CRLs: parts, each behind an octet for its role and two for its
/// length.
pub fn verify(octets: &[u8]) {
    let Some((&flags, mut rest)) = octets.split_first() else {
        return;
    };
    let mut parts: [Vec<&[u8]>; 4] = Default::default();
    while let [role, high, low, more @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (part, behind) = more.split_at(length);
        parts[usize::from(role % 4)].push(part);
        rest = behind;
    }
    let [leaves, trust, intermediates, crls] = parts;
    let leaf = leaves.first().copied().unwrap_or_default();
    judge(leaf, &trust, &intermediates, &crls, flags);
}

/// Validates, and holds the answer to its form.
pub(crate) fn judge(
    leaf: &[u8],
    trust: &[&[u8]],
    intermediates: &[&[u8]],
    crls: &[&[u8]],
    flags: u8,
) {
    let mut request = Request::new(leaf, NOW)
        .trust(trust.iter().copied())
        .intermediates(intermediates.iter().copied());
    if flags & 1 != 0 {
        request = request.crls(crls.iter().copied());
    }
    if flags & 2 != 0 {
        request = request.purpose(if flags & 4 != 0 {
            Purpose::Client
        } else {
            Purpose::Server
        });
    }
    if flags & 8 != 0 {
        request = request.name(ExpectedName::host("order.example.dev").expect("a host"));
    }
    if flags & 16 != 0 {
        request = request.max_depth(usize::from(flags >> 5));
    }
    match path_validation::validate(&request) {
        Ok(accepted) => {
            assert_eq!(accepted.path.first().map(Vec::as_slice), Some(leaf));
            let anchor = accepted.path.last().expect("a trust anchor");
            assert!(trust.contains(&anchor.as_slice()), "the path ends in trust");
            accepted.subjects.iter().for_each(|text| assert_shown(text));
            accepted.notices.iter().for_each(|text| assert_shown(text));
        }
        Err(rejected) => {
            let text = rejected.to_string();
            assert_shown(&text);
            assert!(text.contains("RFC ") || text.contains("X.690"), "{text}");
            assert!(!rejected.advice.is_empty() && !rejected.reason.is_empty());
        }
    }
    let _ = path_validation::rustls_verdict(&request, None);
}

/// `pki.toml`.
pub fn manifest(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets)
        && let Err(error) = Manifest::parse(Path::new("pki.toml"), text)
    {
        assert_shown(&error.to_string());
    }
}

/// A subject as people write it, with slashes or by RFC 4514.
pub fn distinguished_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    match DistinguishedName::parse(text) {
        Ok(name) => {
            assert_shown(&pki::text::escape(&name.to_string()));
            let written = name.to_string();
            let again = DistinguishedName::parse(&written).expect("what was written can be read");
            assert_eq!(again.to_string(), written);
            // What was given as its encoding may be a string of another type, and in slashes there are no encodings.
            if text.contains('#') {
                return;
            }
            for written in [written, name.to_slashes()] {
                let again = DistinguishedName::parse(&written);
                let again = again.map(|again| again.der().to_vec());
                assert_eq!(again.as_deref().ok(), Some(name.der()), "{written:?}");
            }
        }
        Err(error) => assert_shown(&error.to_string()),
    }
}

/// Alternative names as people write them, and the names that they expect of a peer.
pub fn general_names(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    for read in [
        GeneralName::dns,
        GeneralName::ip,
        GeneralName::uri,
        GeneralName::email,
    ] {
        match read(text) {
            Ok(name) => assert_shown(&pki::text::escape(&name.to_string())),
            Err(refused) => assert_shown(&refused.to_string()),
        }
    }
    for read in [
        ExpectedName::host,
        ExpectedName::ip,
        ExpectedName::uri,
        ExpectedName::email,
    ] {
        match read(text) {
            Ok(name) => assert_shown(&name.to_string()),
            Err(error) => assert_shown(&error.to_string()),
        }
    }
}

/// The table of `openssl ca`.
pub fn index_txt(octets: &[u8]) {
    let mut last = 0;
    for line in table::lines(octets) {
        let number = match line {
            Ok(line) => {
                // The index finds a certificate by this text.
                let digits = line.serial.bytes();
                assert!(
                    !line.serial.is_empty()
                        && line.serial.len() <= 42
                        && line.serial.len() % 2 == 0
                        && digits.clone().all(|digit| digit.is_ascii_hexdigit())
                        && !digits.clone().any(|digit| digit.is_ascii_uppercase()),
                    "{:?}",
                    line.serial
                );
                assert!(line.revocation.is_some() || !line.was_on_hold);
                assert!(line.file.as_deref() != Some(""));
                if let Err(error) = DistinguishedName::parse(&line.subject) {
                    assert_shown(&pki::text::escape(&error.to_string()));
                }
                line.number
            }
            Err(problem) => {
                let told = match problem {
                    table::Problem::Line(number, problem) => Some((number, problem)),
                    _ => None,
                };
                let (number, problem) = told.expect("what is in memory can be read");
                assert_shown(&problem);
                assert!(!problem.is_empty());
                number
            }
        };
        assert!(number > last, "each line once, in their order");
        last = number;
    }
    let lines = octets.split(|octet| *octet == b'\n').count();
    assert!(last <= lines, "{last} of {lines} lines");
}

fn read_key(octets: &[u8]) {
    match PrivateKey::read(octets, None) {
        Ok(key) => {
            let again = PrivateKey::read(key.to_pem().as_bytes(), None).expect("readable again");
            assert!(again.public() == key.public());
        }
        Err(error) => assert_shown(&error.to_string()),
    }
}

/// Octets as they are, and as a PEM block with this label.
fn show(octets: &[u8], label: &str) {
    show_as_is(octets);
    show_as_is(block(octets, label).as_bytes());
}

fn show_as_is(octets: &[u8]) {
    for object in inspect::inspect(octets, NOW, None) {
        match object {
            Ok(object) => {
                assert_shown(&object.text());
                assert_shown(object.short());
                if let Some(problem) = object.problem() {
                    assert_shown(&problem.to_string());
                }
                serde_json::to_string(&object).expect("JSON");
            }
            Err(error) => assert_shown(&error.to_string()),
        }
    }
}

/// Names are hostile: no control character but the end of a line, no mark that turns the direction of writing.
fn assert_shown(text: &str) {
    let raw = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(raw), "raw: {text:?}");
}

/// One PEM block.
pub(crate) fn block(octets: &[u8], label: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (at, three) in octets.chunks(3).enumerate() {
        if at % 16 == 0 {
            text.push('\n');
        }
        let bits = three
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0usize, |bits, octet| bits << 8 | usize::from(*octet));
        for sextet in 0..4 {
            text.push(match sextet <= three.len() {
                true => char::from(ALPHABET[bits >> (18 - 6 * sextet) & 63]),
                false => '=',
            });
        }
    }
    format!("-----BEGIN {label}-----{text}\n-----END {label}-----\n")
}
