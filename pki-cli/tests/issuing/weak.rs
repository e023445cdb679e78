//! Keys and algorithms that are not relied on: what they signed is not called altered, or signed by another key.

use std::fs;

use crate::support::Home;

/// A home in which openssl made this key. `None` when a developer has no openssl.
fn with_key(args: &[&str]) -> Option<Home> {
    let home = Home::new();
    let run = home.openssl_args(&[&["genpkey", "-out", "key.pem"], args].concat())?;
    assert_eq!(run.code, 0, "{run:?}");
    Some(home)
}

const RSA_1024: [&str; 4] = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];

#[test]
fn the_signature_of_a_request_with_a_weak_key_is_not_called_wrong() {
    let secp256k1 = [
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:secp256k1",
    ];
    let explicit = [
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-pkeyopt",
        "ec_param_enc:explicit",
    ];
    let rsa_2048 = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let few_bits = "its RSA key has 1024 bits, fewer than 2048 (RFC 5280 section 4.1.2.7)";
    let sha1 = "its signature algorithm sha1WithRSAEncryption (1.2.840.113549.1.1.5) is not one that is relied on (RFC 5280 section 4.1.1.2)";
    for (key, hash, weakness) in [
        (&RSA_1024[..], "-sha256", few_bits.to_owned()),
        (&rsa_2048, "-sha1", sha1.to_owned()),
        (&RSA_1024, "-sha1", format!("{sha1}, and {few_bits}")),
        (
            &secp256k1,
            "-sha256",
            "its key is on the curve secp256k1 (1.3.132.0.10) (RFC 5280 section 4.1.2.7)".to_owned(),
        ),
        (
            &explicit,
            "-sha256",
            "its key writes out the parameters of a curve instead of naming it (RFC 5480 section 2.1.1)".to_owned(),
        ),
    ] {
        let Some(home) = with_key(key) else {
            return;
        };
        let run = home.openssl(&format!("req -new {hash} -key key.pem -subj /CN=x -out x.csr"));
        assert_eq!(run.expect("openssl").code, 0);
        let shown = home.pki("inspect x.csr --json").json();
        assert_eq!(
            shown["files"][0]["objects"][0]["proof_of_possession"],
            format!("not checked: {weakness}"),
            "{key:?}"
        );
        for option in ["", " --short"] {
            let text = home.pki(&format!("inspect x.csr{option}")).succeeds();
            assert!(text.contains(&weakness), "{key:?}: {text}");
            assert!(!text.contains("WRONG"), "{key:?}: {text}");
        }
        // It is refused all the same.
        home.pki("init").succeeds();
        assert_ne!(home.pki("sign x.csr").code, 0, "{key:?}");
    }
}

#[test]
fn what_a_weak_root_signed_is_refused_for_its_weakness() {
    let Some(home) = with_key(&RSA_1024) else {
        return;
    };
    let openssl = |args: &str| assert_eq!(home.openssl(args).expect("openssl").code, 0, "{args}");
    fs::write(
        home.path("leaf.cnf"),
        "subjectAltName=DNS:x.example.org\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    )
    .expect("written");
    openssl("req -x509 -new -key key.pem -subj /CN=root -days 30 -out root.pem");
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key");
    openssl("req -new -key leaf.key -subj /CN=x -out x.csr");
    openssl(
        "x509 -req -in x.csr -CA root.pem -CAkey key.pem -days 10 -extfile leaf.cnf -out leaf.pem",
    );
    let error = home.pki("verify leaf.pem --trust root.pem").fails(11);
    assert!(error.contains("1024 bits"), "{error}");
}

#[test]
fn a_root_that_signed_itself_with_sha1_is_a_trust_anchor_like_any_other() {
    let Some(home) = with_key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]) else {
        return;
    };
    let openssl = |args: &str| assert_eq!(home.openssl(args).expect("openssl").code, 0, "{args}");
    home.write(
        "leaf.cnf",
        "subjectAltName=DNS:x.example.org\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    );
    openssl("req -x509 -sha1 -new -key key.pem -subj /CN=root -days 30 -out root.pem");
    openssl("req -x509 -sha256 -new -key key.pem -subj /CN=root -days 30 -out newer.pem");
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out leaf.key");
    openssl("req -new -key leaf.key -subj /CN=x -out x.csr");
    for (hash, code) in [("sha256", 0), ("sha1", 11)] {
        openssl(&format!(
            "x509 -req -{hash} -in x.csr -CA root.pem -CAkey key.pem -days 10 -extfile leaf.cnf -out leaf.pem"
        ));
        let run = home.pki("verify leaf.pem --trust root.pem");
        assert_eq!(run.code, code, "{hash}: {run:?}");
    }
    home.pki("verify root.pem --trust root.pem").succeeds();
    // Below another anchor it is a certificate like any other, and nobody relies on SHA-1.
    let error = home.pki("verify root.pem --trust newer.pem").fails(11);
    assert!(error.contains("sha1WithRSAEncryption"), "{error}");
}

#[test]
fn a_weak_key_of_a_ca_is_refused_and_not_called_damaged() {
    let Some(home) = with_key(&RSA_1024) else {
        return;
    };
    let run = home.openssl("req -x509 -new -key key.pem -subj /CN=root -out root.pem");
    assert_eq!(run.expect("openssl").code, 0);
    let error = home
        .pki("issue x --dns x.example.org --ca root.pem --ca-key key.pem")
        .fails(3);
    assert!(error.contains("at least 2048 bits"), "{error}");
}

#[test]
fn inspect_says_which_encryption_of_a_key_is_not_supported() {
    let Some(home) = with_key(&["-algorithm", "ED25519"]) else {
        return;
    };
    let run =
        home.openssl("pkcs8 -topk8 -in key.pem -v2 des3 -passout pass:secret -out locked.pem");
    assert_eq!(run.expect("openssl").code, 0);
    home.write("passphrase", "secret\n");
    let run = home.pki("inspect --unlock --passphrase-file passphrase locked.pem");
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stderr.contains("not supported"), "{run:?}");
}
