//! `pki verify` on certificates that openssl made: what is accepted, with which words and exit code what is not.

mod support;

use std::{fs, path::Path};

use support::{Said, openssl, openssl_is_here, pki};
use tempfile::TempDir;

const CONFIGURATION: &str = "
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE,pathlen:1
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;DNS:microservices.dev,permitted;DNS:localhost,permitted;URI:microservices.dev,permitted;email:microservices.dev
[order]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:order.microservices.dev,DNS:*.order.microservices.dev,IP:127.0.0.1,URI:spiffe://microservices.dev/order,email:order@microservices.dev
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[outside]
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:order.example.org
authorityKeyIdentifier = keyid
[unknown]
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:order.microservices.dev
authorityKeyIdentifier = keyid
1.2.3.4.5 = critical,DER:0500
[revocation]
authorityKeyIdentifier = keyid
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 20
";

/// root (10 days), issuing (40 days), order and others (30 days); order and its intermediate in one file; two CRLs. The
/// root alone issued `direct`.
fn hierarchy() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("openssl.cnf"), CONFIGURATION).expect("written");
    for name in ["root", "issuing", "order", "stranger"] {
        openssl(
            path,
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                &format!("{name}.key"),
            ],
        );
    }
    for name in ["root", "stranger"] {
        let (key, out, subject) = (
            format!("{name}.key"),
            format!("{name}.crt"),
            format!("/CN={name}"),
        );
        let request = [
            "req",
            "-x509",
            "-new",
            "-config",
            "openssl.cnf",
            "-extensions",
            "root",
            "-days",
            "10",
        ];
        openssl(
            path,
            &[
                &request[..],
                &["-key", &key, "-out", &out, "-subj", &subject],
            ]
            .concat(),
        );
    }
    sign(path, "issuing", "issuing", "root", "issuing", "40");
    for leaf in ["order", "outside", "unknown"] {
        sign(path, "order", leaf, "issuing", leaf, "30");
    }
    sign(path, "order", "direct", "root", "outside", "30");
    let text = |name: &str| fs::read_to_string(path.join(name)).expect("read");
    fs::write(
        path.join("tls.crt"),
        text("order.crt") + &text("issuing.crt"),
    )
    .expect("written");
    for ca in ["root", "issuing"] {
        fs::write(path.join("index.txt"), "").expect("written");
        crl(path, ca, &format!("{ca}.crl"));
    }
    fs::write(
        path.join("crls.pem"),
        text("root.crl") + &text("issuing.crl"),
    )
    .expect("written");
    folder
}

fn sign(path: &Path, key: &str, name: &str, ca: &str, extensions: &str, days: &str) {
    let (key, out) = (format!("{key}.key"), format!("{name}.crt"));
    let (ca_crt, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
    let subject = format!("/CN={name}");
    openssl(
        path,
        &[
            "req",
            "-new",
            "-config",
            "openssl.cnf",
            "-key",
            &key,
            "-subj",
            &subject,
            "-out",
            "request.csr",
        ],
    );
    let sign = [
        "x509",
        "-req",
        "-in",
        "request.csr",
        "-extfile",
        "openssl.cnf",
        "-extensions",
        extensions,
        "-days",
        days,
    ];
    openssl(
        path,
        &[
            &sign[..],
            &[
                "-CA",
                &ca_crt,
                "-CAkey",
                &ca_key,
                "-CAcreateserial",
                "-out",
                &out,
            ],
        ]
        .concat(),
    );
}

fn crl(path: &Path, ca: &str, out: &str) {
    fs::write(path.join("crlnumber"), "01\n").expect("written");
    let (crt, key) = (format!("{ca}.crt"), format!("{ca}.key"));
    let arguments = [
        "ca",
        "-gencrl",
        "-config",
        "openssl.cnf",
        "-crlexts",
        "revocation",
        "-out",
        out,
    ];
    openssl(
        path,
        &[&arguments[..], &["-cert", &crt, "-keyfile", &key]].concat(),
    );
}

fn verify(path: &Path, arguments: &[&str]) -> Said {
    pki(
        path,
        &[&["verify", "--trust", "root.crt"][..], arguments].concat(),
    )
}

/// RFC 3339, some days from now.
fn in_days(days: i64) -> String {
    let at = time::OffsetDateTime::now_utc() + time::Duration::days(days);
    at.format(&time::format_description::well_known::Rfc3339)
        .expect("a time")
}

#[test]
fn a_good_certificate_is_accepted_for_all_that_it_is_for() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    let path = folder.path();
    for arguments in [
        &["tls.crt"][..],
        &["order.crt", "--intermediates", "issuing.crt"],
        // Unused certificates among them, in any order.
        &[
            "order.crt",
            "--intermediates",
            "stranger.crt",
            "--intermediates",
            "tls.crt",
            "--trust",
            "stranger.crt",
        ],
        &[
            "tls.crt",
            "--host",
            "order.microservices.dev",
            "--purpose",
            "server",
        ],
        &["tls.crt", "--host", "A.order.Microservices.dev"],
        &[
            "tls.crt",
            "--ip",
            "127.0.0.1",
            "--uri",
            "spiffe://microservices.dev/order",
            "--email",
            "order@Microservices.dev",
        ],
        &["tls.crt", "--crl", "crls.pem"],
        &["tls.crt", "--crl", "issuing.crl", "--crl", "root.crl"],
        &["tls.crt", "--max-depth", "1", "--at", &in_days(9)],
    ] {
        let said = verify(path, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
        let lines: Vec<_> = said.stdout.lines().map(str::trim).collect();
        let words: Vec<_> = lines
            .iter()
            .map(|line| line.split_whitespace().last().unwrap_or_default())
            .collect();
        assert_eq!(
            words,
            ["accepted", "CN=order", "CN=issuing", "CN=root"],
            "{}",
            said.stdout
        );
    }
}

#[test]
fn each_kind_of_failure_has_its_exit_code_its_clause_and_a_way_out() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    let path = folder.path();
    let octets = fs::read(path.join("order.crt")).expect("read");
    fs::write(path.join("cut.crt"), &octets[..octets.len() / 2]).expect("written");
    // One octet of the signature, which is the last thing in the file.
    openssl(
        path,
        &[
            "x509",
            "-in",
            "order.crt",
            "-outform",
            "DER",
            "-out",
            "altered.crt",
        ],
    );
    let mut altered = fs::read(path.join("altered.crt")).expect("read");
    *altered.last_mut().expect("octets") ^= 1;
    fs::write(path.join("altered.crt"), altered).expect("written");
    // The leaf revoked.
    let serial = openssl(path, &["x509", "-in", "order.crt", "-noout", "-serial"]);
    let serial = serial.trim().trim_start_matches("serial=");
    fs::write(
        path.join("index.txt"),
        format!("R\t301231235959Z\t261101000000Z,keyCompromise\t{serial}\tunknown\t/CN=order\n"),
    )
    .expect("written");
    crl(path, "issuing", "revoked.crl");

    let (later, earlier) = (in_days(35), in_days(-1));
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (
            &["altered.crt", "--intermediates", "issuing.crt"],
            12,
            "bad-signature",
            "6.1.3 (a)(1)",
        ),
        (&["order.crt"], 13, "no-path", "section 6.1"),
        (&["tls.crt", "--at", &later], 14, "expired", "6.1.3 (a)(2)"),
        (
            &["tls.crt", "--at", &earlier],
            15,
            "not-yet-valid",
            "6.1.3 (a)(2)",
        ),
        (
            &["tls.crt", "--max-depth", "0"],
            17,
            "path-too-long",
            "6.1.1",
        ),
        (
            &["tls.crt", "--purpose", "client"],
            18,
            "wrong-usage",
            "4.2.1.12",
        ),
        (
            &["outside.crt", "--intermediates", "issuing.crt"],
            19,
            "name-constraint",
            "4.2.1.10",
        ),
        (
            &["tls.crt", "--host", "payment.microservices.dev"],
            20,
            "wrong-name",
            "RFC 9525",
        ),
        (
            &["tls.crt", "--host", "a.b.order.microservices.dev"],
            20,
            "wrong-name",
            "RFC 9525",
        ),
        (
            &["tls.crt", "--ip", "127.0.0.2"],
            20,
            "wrong-name",
            "RFC 9525",
        ),
        (
            &["tls.crt", "--uri", "spiffe://microservices.dev/Order"],
            20,
            "wrong-name",
            "RFC 9525",
        ),
        (
            &["tls.crt", "--email", "Order@microservices.dev"],
            20,
            "wrong-name",
            "RFC 9525",
        ),
        (
            &["unknown.crt", "--intermediates", "issuing.crt"],
            21,
            "unknown-critical",
            "section 4.2",
        ),
        (
            &["tls.crt", "--crl", "root.crl", "--crl", "revoked.crl"],
            23,
            "revoked",
            "6.3.3 (i)",
        ),
        (
            &["tls.crt", "--crl", "root.crl"],
            24,
            "revocation-unknown",
            "6.3.3",
        ),
        (
            &["tls.crt", "--crl", "issuing.crl"],
            24,
            "revocation-unknown",
            "6.3.3",
        ),
    ];
    for (arguments, code, kind, clause) in cases {
        let said = verify(path, arguments);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (*code, ""),
            "{arguments:?}: {}",
            said.stderr
        );
        let mut lines = said.stderr.lines();
        let error = lines.next().unwrap_or_default();
        assert!(
            error.starts_with("error: ") && error.contains(kind) && error.contains(clause),
            "{}",
            said.stderr
        );
        assert!(
            lines.next().is_some_and(|hint| hint.starts_with("hint: ")),
            "{}",
            said.stderr
        );
    }
    assert_eq!(
        verify(path, &["cut.crt"]).code,
        7,
        "what cannot be read as PEM is no question to the validator"
    );
}

#[test]
fn where_rustls_would_decide_otherwise_that_is_told() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    // It gives trust anchors no dates.
    let said = verify(folder.path(), &["direct.crt", "--at", &in_days(20)]);
    assert_eq!(said.code, 14, "{}", said.stderr);
    assert!(
        said.stderr.contains("trust anchor “CN=root”"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("rustls-webpki, which the services use, would accept it"),
        "{}",
        said.stderr
    );
    // It refuses every URI below a constraint on URIs.
    let said = verify(folder.path(), &["tls.crt"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stderr.contains(
            "rustls-webpki, which the services use, would refuse it: a name is outside of what"
        ),
        "{}",
        said.stderr
    );
    let said = verify(folder.path(), &["direct.crt"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}

#[test]
fn json_is_one_document_for_yes_and_for_no() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    let path = folder.path();
    let yes: serde_json::Value =
        serde_json::from_str(&verify(path, &["--json", "tls.crt"]).stdout).expect("JSON");
    assert_eq!(yes["accepted"], true);
    assert_eq!(
        yes["path"][2],
        serde_json::json!({ "position": "trust anchor", "subject": "CN=root" })
    );
    let no = verify(path, &["--json", "tls.crt", "--purpose", "client"]);
    let no: serde_json::Value = serde_json::from_str(&no.stdout).expect("JSON");
    assert_eq!(no["error"]["exit_code"], 18);
    let details = &no["error"]["details"];
    assert_eq!(
        (&details["accepted"], &details["rule"]),
        (&false.into(), &"wrong-usage".into())
    );
    assert_eq!(details["clause"], "RFC 5280 section 4.2.1.12");
}

#[test]
fn the_ca_of_the_folder_is_trusted_when_nothing_else_is_named() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    let path = folder.path();
    let said = pki(path, &["verify", "order.crt"]);
    assert_eq!(said.code, 4, "{}", said.stderr);
    assert!(
        said.stderr.contains("There is nothing to trust"),
        "{}",
        said.stderr
    );
    fs::create_dir_all(path.join("certs/ca")).expect("a folder");
    for file in ["root.crt", "issuing.crt"] {
        fs::copy(path.join(file), path.join("certs/ca").join(file)).expect("copied");
    }
    let said = pki(path, &["verify", "order.crt"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    // Once the CA has a CRL, it is asked for.
    fs::copy(path.join("root.crl"), path.join("certs/ca/crl.pem")).expect("copied");
    assert_eq!(pki(path, &["verify", "order.crt"]).code, 24);
    fs::copy(path.join("crls.pem"), path.join("certs/ca/crl.pem")).expect("copied");
    assert_eq!(pki(path, &["verify", "order.crt"]).code, 0);
}

#[test]
fn a_question_that_makes_no_sense_is_a_usage_error() {
    if !openssl_is_here() {
        return;
    }
    let folder = hierarchy();
    let path = folder.path();
    for (arguments, told) in [
        (
            &["tls.crt", "--at", "yesterday"][..],
            "--at “yesterday” is not a time",
        ),
        (
            &["tls.crt", "--host", "*.microservices.dev"],
            "is not a host name",
        ),
        (&["tls.crt", "--host", "127.0.0.1"], "ask for it as an IP"),
        (&["tls.crt", "--ip", "localhost"], "is not an IP address"),
        (&["tls.crt", "--uri", "order"], "is not a URI"),
        (&["tls.crt", "--email", "order"], "is not an e-mail address"),
    ] {
        let said = verify(path, arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    let said = verify(path, &["root.key"]);
    assert_eq!(said.code, 7, "{}", said.stderr);
    assert!(
        said.stderr.contains("no certificate in it") && said.stderr.contains("PRIVATE KEY"),
        "{}",
        said.stderr
    );
}
