//! Where rustls-webpki, which the services use, would decide otherwise than `pki verify`, that is told: in the text, and
//! in JSON. Where both agree, nothing is told.

#[path = "connect/material.rs"]
#[allow(dead_code, reason = "this test binary uses its own part of that file")]
mod material;
#[path = "issuing/support.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    clippy::panic,
    reason = "this test binary uses its own part of that file"
)]
mod support;

use material::{Ca, Pair, days};
use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use support::{Home, Run};

type Change = fn(&mut CertificateParams);

/// A root, an issuing CA and a leaf, each changed a little.
#[derive(Clone, Copy)]
struct Hierarchy {
    root: Change,
    issuing: Change,
    leaf: Change,
}

const SOUND: Hierarchy = Hierarchy {
    root: |_| {},
    issuing: |_| {},
    leaf: |_| {},
};

/// Extension 1.2.3.4 with NULL in it.
fn unknown_critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

fn permits(params: &mut CertificateParams, subtree: GeneralSubtree) {
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![subtree],
        excluded_subtrees: Vec::new(),
    });
}

/// What was built, in files, and what `pki verify` says of it.
fn verify(hierarchy: Hierarchy, options: &str) -> (Run, serde_json::Value) {
    let root = Ca::root_with("Root", hierarchy.root);
    let issuing = root.intermediate_with("Issuing", hierarchy.issuing);
    let leaf: Pair = issuing.issue("leaf", hierarchy.leaf);
    let home = Home::new();
    home.write("root.crt", root.pem());
    home.write("tls.crt", leaf.chain_pem());
    home.write("crl.pem", root.revoke(&[]) + &issuing.revoke(&[7]));
    home.write("half-crl.pem", issuing.revoke(&[]));
    let text = home.pki(&format!("verify tls.crt --trust root.crt {options}"));
    let json = home
        .pki(&format!("verify tls.crt --trust root.crt {options} --json"))
        .json();
    let rustls = match text.code {
        0 => json["rustls"].clone(),
        _ => json["error"]["details"]["rustls"].clone(),
    };
    (text, rustls)
}

#[test]
fn what_rustls_overlooks_is_told_with_our_refusal() {
    let cases: [(&str, Hierarchy, &str, i32); 8] = [
        (
            "an expired root",
            Hierarchy {
                root: |params| params.not_after = days(-1),
                ..SOUND
            },
            "",
            14,
        ),
        (
            "a root that is not valid yet",
            Hierarchy {
                root: |params| params.not_before = days(1),
                ..SOUND
            },
            "",
            15,
        ),
        (
            "a root that says it is no CA",
            Hierarchy {
                root: |params| params.is_ca = IsCa::ExplicitNoCa,
                ..SOUND
            },
            "",
            16,
        ),
        (
            "a root with a critical extension that nobody knows",
            Hierarchy {
                root: |params| params.custom_extensions = vec![unknown_critical()],
                ..SOUND
            },
            "",
            21,
        ),
        (
            "an issuing CA without keyCertSign",
            Hierarchy {
                issuing: |params| params.key_usages = vec![KeyUsagePurpose::CrlSign],
                ..SOUND
            },
            "",
            16,
        ),
        (
            "a URI that is not in it",
            SOUND,
            "--uri spiffe://a.test/b",
            20,
        ),
        (
            "an email address that is not in it",
            SOUND,
            "--email a@b.test",
            20,
        ),
        (
            "more intermediates than are wanted",
            SOUND,
            "--max-depth 0",
            17,
        ),
    ];
    for (what, hierarchy, options, code) in cases {
        let (run, rustls) = verify(hierarchy, options);
        assert_eq!(run.code, code, "{what}: {run}");
        assert!(
            run.stderr.contains("hint: rustls-webpki, which the services use, would accept it: it does not look at this rule."),
            "{what}: {run}"
        );
        let services = run.stderr.contains("The services look at it themselves.");
        assert_eq!(services, (14..=16).contains(&code), "{what}: {run}");
        assert_eq!(rustls["accepted"], true, "{what}");
        assert!(rustls["reason"].is_null(), "{what}");
    }
}

#[test]
fn what_rustls_refuses_is_told_with_our_acceptance() {
    let cases: [(&str, Hierarchy, &str, &str); 4] = [
        (
            "a directory name in the subtree that the CA permits",
            Hierarchy {
                issuing: |params| {
                    permits(
                        params,
                        GeneralSubtree::DirectoryName(material::named("leaf")),
                    );
                },
                ..SOUND
            },
            "",
            "a name is outside of what a CA above may issue for",
        ),
        (
            "a CA where TLS wants an end entity",
            Hierarchy {
                leaf: |params| {
                    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
                    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
                    params.extended_key_usages = Vec::new();
                },
                ..SOUND
            },
            "",
            "the leaf is a CA's certificate, and it takes none for a peer's",
        ),
        (
            "a leaf that is for neither side of TLS",
            Hierarchy {
                leaf: |params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
                },
                ..SOUND
            },
            "",
            "the certificate is not for that purpose (extended key usage)",
        ),
        (
            "a URI in the subtree that the CA permits",
            Hierarchy {
                issuing: |params| {
                    params.custom_extensions = vec![uri_constraint()];
                },
                leaf: |params| {
                    let id = "spiffe://a.test/leaf".try_into().expect("ASCII");
                    params.subject_alt_names = vec![SanType::URI(id)];
                },
                ..SOUND
            },
            "",
            "a name is outside of what a CA above may issue for",
        ),
    ];
    for (what, hierarchy, options, reason) in cases {
        let (run, rustls) = verify(hierarchy, options);
        assert_eq!(run.code, 0, "{what}: {run}");
        assert!(
            run.stderr.contains(&format!(
                "notice: rustls-webpki, which the services use, would refuse it: {reason}."
            )),
            "{what}: {run}"
        );
        assert_eq!(rustls["accepted"], false, "{what}");
        assert_eq!(rustls["reason"], reason, "{what}");
    }
}

/// RFC 5280 section 4.2.1.10: NameConstraints with one permitted subtree, the URIs whose host is a.test.
fn uri_constraint() -> CustomExtension {
    let host = b"a.test";
    let length = u8::try_from(host.len()).expect("short");
    let subtree = [&[0x86, length][..], host].concat();
    let wrap = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).expect("short");
        [&[tag, length], content].concat()
    };
    let constraints = wrap(0x30, &wrap(0xa0, &wrap(0x30, &subtree)));
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], constraints);
    extension.set_criticality(true);
    extension
}

#[test]
fn where_both_agree_nothing_is_told() {
    let client_only: Change =
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let cases: [(&str, Hierarchy, &str, i32); 9] = [
        (
            "a sound chain",
            SOUND,
            "--purpose server --host localhost",
            0,
        ),
        ("a sound chain with its CRLs", SOUND, "--crl crl.pem", 0),
        (
            "a client's certificate when no side is named",
            Hierarchy {
                leaf: client_only,
                ..SOUND
            },
            "",
            0,
        ),
        (
            "a client's certificate on a server",
            Hierarchy {
                leaf: client_only,
                ..SOUND
            },
            "--purpose server",
            18,
        ),
        (
            "an expired leaf",
            Hierarchy {
                leaf: |params| params.not_after = days(-1) + time::Duration::hours(1),
                ..SOUND
            },
            "",
            14,
        ),
        ("another name", SOUND, "--host other.test", 20),
        ("another address", SOUND, "--ip 192.0.2.1", 20),
        (
            "a revoked leaf",
            Hierarchy {
                leaf: |params| params.serial_number = Some(SerialNumber::from(7_u64)),
                ..SOUND
            },
            "--crl crl.pem",
            23,
        ),
        ("a CRL that is missing", SOUND, "--crl half-crl.pem", 24),
    ];
    for (what, hierarchy, options, code) in cases {
        let (run, rustls) = verify(hierarchy, options);
        assert_eq!(run.code, code, "{what}: {run}");
        assert!(!run.stderr.contains("rustls"), "{what}: {run}");
        assert_eq!(rustls["accepted"], code == 0, "{what}: {run}");
    }
}

#[test]
fn a_bundle_that_is_too_much_work_is_not_given_to_rustls() {
    // Five levels of CAs, each certified four times: 1,024 paths, each of which breaks the first level's constraint.
    let root = Ca::root("Root");
    let constrained: Change =
        |params| permits(params, GeneralSubtree::DnsName("other.test".to_owned()));
    let (mut above, mut bundle) = root.certified_often("Level 1", 4, constrained);
    for level in 2..=5 {
        let (next, more) = above.certified_often(&format!("Level {level}"), 4, |_| {});
        bundle += &more;
        above = next;
    }
    let home = Home::new();
    home.write("root.crt", root.pem());
    home.write("bundle.crt", bundle);
    home.write("tls.crt", above.issue("leaf", |_| {}).leaf);
    let run = home.pki("verify tls.crt --trust root.crt --intermediates bundle.crt --json");
    assert_eq!(run.code, 25, "{run}");
    let details = &run.json()["error"]["details"];
    assert_eq!(details["rule"], "work-limit");
    assert!(details["rustls"].is_null());
}
