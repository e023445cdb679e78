//! Each refusal is one sentence with its reason and its fix, has its exit code, and leaves nothing behind.

use std::time::Duration;

use pki::{
    authority::{Authority, NewAuthority},
    distinguished_name::DistinguishedName,
    key::KeyAlgorithm,
};

use crate::{
    renewal::signed_by_openssl,
    support::{Home, snapshot},
};

/// A CA that was made at another time, with its validity in days.
fn make_ca(home: &Home, then: std::time::SystemTime, days: u32) {
    let subject = DistinguishedName::parse("/CN=Old CA").expect("a name");
    let new = NewAuthority {
        subject,
        issuing_subject: None,
        key: KeyAlgorithm::P256,
        days,
        issuing_days: days,
        permitted_dns: Vec::new(),
    };
    Authority::create(&home.path("certs"), &new, None, then.into(), &mut || false).expect("a CA");
}

#[test]
fn names_that_no_verifier_could_match() {
    let home = Home::with_ca();
    let refused = |name: &str| home.run(&["issue", "x", "--dns", name]).fails(3);
    snapshot!(refused("*"), @r#"error: The DNS name "*" is refused: a wildcard needs at least two labels after it, as in *.example.org."#);
    snapshot!(refused("*.dev"), @r#"error: The DNS name "*.dev" is refused: a wildcard needs at least two labels after it, as in *.example.org."#);
    snapshot!(refused("*.*.dev"), @r#"error: The DNS name "*.*.dev" is refused: a wildcard is allowed only as the whole left-most label, as in *.example.org."#);
    snapshot!(refused("a.*.dev"), @r#"error: The DNS name "a.*.dev" is refused: a wildcard is allowed only as the whole left-most label, as in *.example.org."#);
    snapshot!(refused("a..dev"), @r#"error: The DNS name "a..dev" is refused: two dots stand together, or one at the start; a label has at least one character."#);
    snapshot!(refused("-x.dev"), @r#"error: The DNS name "-x.dev" is refused: the label "-x" begins or ends with a hyphen."#);
    snapshot!(refused("a b.dev"), @r#"error: The DNS name "a b.dev" is refused: ' ' cannot stand in a host name; use letters, digits and hyphens."#);
    snapshot!(refused("127.0.0.1"), @r#"error: The DNS name "127.0.0.1" is refused: it is an IP address; ask for it with --ip."#);
    snapshot!(refused("a\u{202e}\u{1b}[31m.dev"), @r#"error: The DNS name "a\u{202e}\u{1b}[31m.dev" is refused: it has characters outside ASCII; write international names in their xn-- form."#);
    snapshot!(home.run(&["issue", "x", "--ip", "a.dev"]).fails(3), @r#"error: The IP address "a.dev" is refused: it is a DNS name; ask for it with --dns."#);
    assert!(!home.path("certs/x").exists());
}

#[test]
fn a_server_without_a_name() {
    let home = Home::with_ca();
    snapshot!(home.pki("issue x").fails(3), @"error: A server certificate needs a name that its callers can check, and none was asked for; add --dns, --ip or --uri.");
    snapshot!(home.pki("issue x --profile peer").fails(3), @"error: A peer certificate needs a name that its callers can check, and none was asked for; add --dns, --ip or --uri.");
    assert!(!home.path("certs/x").exists());
}

#[test]
fn a_client_without_a_name_is_issued_with_a_notice() {
    let home = Home::with_ca();
    let run = home.pki("issue x --profile client");
    assert!(run.stderr.contains("will not know this client"), "{run:?}");
    run.succeeds();
}

#[test]
fn an_existing_ca_or_pair_is_not_overwritten() {
    let home = Home::with_ca();
    let before = home.read("certs/ca/root.crt");
    snapshot!(home.pki("init").fails(5), @r#"error: There is a CA in "certs/ca" already, and it is never overwritten; choose another folder with --dir."#);
    assert_eq!(home.read("certs/ca/root.crt"), before);

    home.pki("issue x --dns a.dev").succeeds();
    let before = home.read("certs/x/tls.key");
    snapshot!(home.pki("issue x --dns a.dev").fails(5), @r#"error: "certs/x" holds a certificate or key already; replace the pair with --force."#);
    snapshot!(home.pki("csr x").fails(5), @r#"error: "certs/x" holds a certificate or key already; replace the pair with --force."#);
    assert_eq!(home.read("certs/x/tls.key"), before);
    home.pki("issue x --dns a.dev --force").succeeds();
    assert_ne!(home.read("certs/x/tls.key"), before);
    home.assert_pair("certs/x");
    std::fs::create_dir(home.path("certs/x/..mine")).expect("created");
    home.pki("issue x --dns a.dev --force").succeeds();
    assert!(home.path("certs/x/..mine").is_dir(), "none of our business");
}

#[test]
fn outside_the_name_constraints() {
    let home = Home::new();
    home.pki("init --permit-dns microservices.dev --permit-dns localhost")
        .succeeds();
    snapshot!(home.pki("issue x --dns a.other.dev").fails(3), @r#"error: The CA "CN=Private Issuing CA" may not issue for this name: "DNS:a.other.dev" is not below DNS:microservices.dev or DNS:localhost; ask for a name that it covers, or use another CA."#);
    assert!(!home.path("certs/x").exists());
    snapshot!(Home::new().run(&["init", "--permit-dns", "*.a.dev"]).fails(3), @r#"error: The CA cannot be bound to "*.a.dev": a constraint covers all that is below it already, so write "a.dev"; give a domain such as example.org."#);
}

#[test]
fn a_common_name_that_openssl_takes_for_a_dns_name() {
    let home = Home::new();
    home.pki("init --permit-dns microservices.dev").succeeds();
    snapshot!(home.pki("issue billing.svc --profile client").fails(3), @r#"error: The CA "CN=Private Issuing CA" may not issue under this common name: "DNS:billing.svc" is not below DNS:microservices.dev. Without a DNS name among the names, openssl takes a common name of this form for one; choose another common name (--subject /CN=billing, say), or one that the CA covers, or add a DNS name that it covers."#);
    assert!(!home.path("certs/billing.svc").exists());
    let other = home.run(&[
        "issue",
        "y",
        "--subject",
        "/O=a.b/CN=a.svc/CN=x",
        "--profile",
        "peer",
        "--ip",
        "127.0.0.1",
    ]);
    assert!(other.fails(3).contains("\"DNS:a.svc\" is not below"));
    home.pki("csr far.svc").succeeds();
    assert_eq!(
        home.pki("sign certs/far.svc/tls.csr --profile client").code,
        3
    );
    // Both against the domains of the manifest and against those of the CA that is there.
    for permit in ["permit_dns = [\"microservices.dev\"]\n", ""] {
        let ca = format!("[ca]\n{permit}subject = \"/CN=Private Root CA\"\n");
        let entry = "[certificate.\"z.svc\"]\nprofile = \"client\"\n";
        home.write("pki.toml", ca + entry);
        let planned = home.pki("apply pki.toml").fails(7);
        assert!(
            planned.contains("DNS:z.svc is not") || planned.contains("\"DNS:z.svc\" is not"),
            "{planned}"
        );
    }
    for args in [
        "billing --profile client",
        "billing.microservices.dev --profile client",
        "billing.svc --profile client --dns billing.microservices.dev",
    ] {
        home.pki(&format!("issue {args}")).succeeds();
        let folder = args.split(' ').next().expect("a name");
        let accepted = home.openssl_accepts(&format!("certs/{folder}"), "sslclient");
        assert!(accepted.unwrap_or(true), "{args}");
    }
}

#[test]
fn a_ca_that_expired() {
    let home = Home::new();
    make_ca(
        &home,
        std::time::SystemTime::now() - Duration::from_secs(100 * 86_400),
        30,
    );
    snapshot!(home.pki("issue x --dns a.dev").fails(3), @r#"error: The CA "CN=Old CA" expired on [date], so nothing that it signs would be accepted; renew the CA first."#);
}

#[test]
fn a_ca_that_is_not_yet_valid() {
    let home = Home::new();
    make_ca(
        &home,
        std::time::SystemTime::now() + Duration::from_secs(10 * 86_400),
        30,
    );
    snapshot!(home.pki("issue x --dns a.dev").fails(3), @r#"error: The CA "CN=Old CA" is not valid before [date]; wait, or set this machine's clock."#);
}

#[test]
fn the_key_of_another_ca() {
    let home = Home::with_ca();
    snapshot!(home.pki("issue x --dns a.dev --ca certs/ca/issuing.crt --ca-key certs/ca/root.key").fails(3), @r#"error: The CA key does not belong to the CA certificate "CN=Private Issuing CA"; give the key that was made with it."#);
}

#[test]
fn an_issuer_that_is_no_ca() {
    let home = Home::with_ca();
    home.pki("issue leaf --dns a.dev").succeeds();
    snapshot!(home.pki("issue x --dns a.dev --ca certs/leaf/tls.crt --ca-key certs/leaf/tls.key").fails(3), @r#"error: The certificate "CN=leaf" is not a CA (its basicConstraints do not say CA:TRUE), so nobody would accept what it signs; give the certificate of a CA."#);
}

#[test]
fn an_issuer_whose_own_issuer_is_missing() {
    let home = Home::with_ca();
    let bundle = home.read("certs/ca/issuing.crt") + &Home::with_ca().read("certs/ca/root.crt");
    home.write("bundle.crt", bundle);
    // Both roots have the same name; their keys tell them apart.
    snapshot!(home.pki("issue x --dns a.dev --ca bundle.crt --ca-key certs/ca/issuing.key").fails(3), @r#"error: The CA "CN=Private Issuing CA" says that it was issued by "CN=Private Root CA", which is not among the certificates given; add it to the file, after the CA's own certificate."#);
}

#[test]
fn a_ca_that_is_an_anchor_without_being_a_root_is_used_with_a_notice() {
    let home = Home::with_ca();
    let run =
        home.pki("issue x --dns a.dev --ca certs/ca/issuing.crt --ca-key certs/ca/issuing.key");
    assert!(run.stderr.contains("is not self-signed"), "{run:?}");
    run.succeeds();
}

#[test]
fn a_path_length_that_would_be_exceeded() {
    let home = Home::new();
    home.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
    let root = "req -x509 -newkey ed25519 -nodes -subj /CN=root -addext basicConstraints=critical,CA:TRUE,pathlen:0 -keyout root.key -out root.crt";
    // The default configuration adds basicConstraints of its own, and no certificate has them twice.
    home.write("req.cnf", "[req]\ndistinguished_name=dn\n[dn]\n");
    let Some(run) = home.openssl(&format!("{root} -config req.cnf")) else {
        return;
    };
    run.succeeds();
    let mut above = "root".to_owned();
    for name in ["one", "two"] {
        home.openssl(&format!(
            "req -new -newkey ed25519 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ))
        .expect("openssl")
        .succeeds();
        home.openssl(&format!(
            "x509 -req -in {name}.csr -CA {above}.crt -CAkey {above}.key -CAcreateserial -extfile ca.ext -out {name}.crt"
        ))
        .expect("openssl")
        .succeeds();
        above = name.to_owned();
    }
    home.write(
        "bundle.crt",
        ["two", "root", "one"]
            .map(|name| home.read(&format!("{name}.crt")))
            .concat(),
    );
    snapshot!(home.pki("issue x --dns a.dev --ca bundle.crt --ca-key two.key").fails(3), @r#"error: The CA "CN=root" allows 0 CAs below it (path length), and this certificate would need 2; issue from a CA further up."#);
}

#[test]
fn requests_that_are_weak_changed_or_ask_for_too_much() {
    let home = Home::with_ca();
    let request = |name: &str, options: &str| {
        let command = format!(
            "req -new -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr {options}"
        );
        home.openssl(&command)
            .map(|run| assert_eq!(run.code, 0, "{run:?}"))
    };
    let san = "-addext subjectAltName=DNS:a.dev";
    if request("small", &format!("-newkey rsa:1024 {san}")).is_none() {
        return;
    }
    snapshot!(home.pki("sign small.csr").fails(3), @r#"error: The certificate request "small.csr" is refused: its key is refused: it is not fit for a certificate: RSA with 1024 bits can be factored; make a new key with at least 2048, or better with --key p256."#);
    request("sha1", &format!("-newkey rsa:2048 -sha1 {san}"));
    snapshot!(home.pki("sign sha1.csr").fails(3), @r#"error: The certificate request "sha1.csr" is refused: it is signed with SHA-1 or MD5, which can be forged; have it made again with SHA-256 or better."#);
    request(
        "wants-ca",
        &format!("-newkey ed25519 {san} -addext basicConstraints=critical,CA:TRUE"),
    );
    snapshot!(home.pki("sign wants-ca.csr").fails(3), @"error: The request asks for basicConstraints CA:TRUE, which is not granted under the profile server: have the request made without CA:TRUE, or sign it as an end entity with --allow-dropped; if a CA is meant, sign it with --profile intermediate.");
    request(
        "wide",
        "-newkey ed25519 -addext subjectAltName=DNS:a.dev,DNS:*.dev",
    );
    snapshot!(home.pki("sign wide.csr").fails(3), @r#"
    error: The DNS name "*.dev" is refused: a wildcard needs at least two labels after it, as in *.example.org.
    hint: the request asks for this name; have it made again, or sign without the name with --allow-dropped
    "#);
    request(
        "other",
        "-newkey ed25519 -addext subjectAltName=DNS:a.dev,otherName:1.2.3.4;UTF8:x",
    );
    snapshot!(home.pki("sign other.csr").fails(3), @"error: The request asks for an other name 1.2.3.4, which is not granted under the profile server: only DNS names, IP addresses, URIs and email addresses are issued; have the request made without it, or sign without it with --allow-dropped.");
    request(
        "role",
        &format!("-newkey ed25519 {san} -addext extendedKeyUsage=clientAuth,codeSigning"),
    );
    snapshot!(home.pki("sign role.csr").fails(3), @"error: The request asks for extendedKeyUsage clientAuth, codeSigning, which is not granted under the profile server: choose the --profile that covers it, or sign without it with --allow-dropped.");
    request(
        "rank",
        &format!("-newkey ed25519 {san} -addext keyUsage=digitalSignature,keyCertSign"),
    );
    snapshot!(home.pki("sign rank.csr").fails(3), @"error: The request asks for keyUsage digitalSignature, keyCertSign, which is not granted under the profile server: have the request made without the key usages that the profile does not give, or sign without them with --allow-dropped.");
    request(
        "unknown",
        &format!("-newkey ed25519 {san} -addext 1.2.3.4=DER:0500"),
    );
    snapshot!(home.pki("sign unknown.csr").fails(3), @"error: The request asks for the extension 1.2.3.4, which is not granted under the profile server: have the request made without it, or sign without it with --allow-dropped.");
    home.openssl(&format!(
        "req -new -key certs/ca/issuing.key -subj /CN=cakey {san} -out cakey.csr"
    ));
    snapshot!(home.pki("sign cakey.csr").fails(3), @r#"error: The request is for the CA's own key, and a key must not be a CA's and somebody else's at once; make a new key for "CN=cakey"."#);
    request(
        "salt",
        &format!("-newkey rsa:2048 {san} -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20"),
    );
    snapshot!(home.pki("sign salt.csr").fails(3), @r#"error: The certificate request "salt.csr" is refused: its signature algorithm RSA-PSS with a weak hash, or a salt of another length than the hash is not understood, so the proof of possession cannot be verified; use RSA, ECDSA or Ed25519 with SHA-256 or better."#);
    request("strange", "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1");
    snapshot!(home.pki("sign strange.csr").fails(3), @r#"error: The certificate request "strange.csr" is refused: its key is refused: it is not fit for a certificate: an elliptic curve other than P-256, P-384 and P-521 is nothing that TLS peers accept; make a new key: RSA, P-256, P-384 or Ed25519."#);
    for name in [
        "small", "sha1", "wants-ca", "wide", "other", "role", "rank", "unknown", "cakey", "salt",
        "strange",
    ] {
        assert!(
            !home.path(&format!("certs/{name}")).exists(),
            "{name} left something behind"
        );
    }

    // What may be dropped is dropped on demand only, and said.
    snapshot!(home.pki("sign other.csr --allow-dropped"), @r"
    exit 0
    Signed other.csr (server)
      granted  DNS:a.dev
      dropped  an other name 1.2.3.4
      issuer   /CN=Private Issuing CA
      subject  /CN=other
      names    DNS:a.dev
      key      Ed25519
      serial   [serial]
      valid    [date] to [date], 60 days
      folder   certs/other (tls.crt, ca.crt)
    --- stderr
    notice: The request asked for an other name 1.2.3.4, which was dropped: the profile server does not give it.
    ");
    let certificate = home.certificate("certs/other/tls.crt");
    assert_eq!(certificate.names().len(), 1);
    home.pki("sign wants-ca.csr --allow-dropped").succeeds();
    assert!(!home.certificate("certs/wants-ca/tls.crt").is_ca());
    home.pki("sign unknown.csr --allow-dropped").succeeds();
    // What openssl's v3_req and cert-manager ask for is nothing to stop at.
    request(
        "usual",
        &format!(
            "-newkey ed25519 {san} -addext basicConstraints=CA:FALSE -addext keyUsage=nonRepudiation,digitalSignature,keyEncipherment"
        ),
    );
    let told = home.pki("sign usual.csr");
    assert!(
        told.code == 0 && told.stderr.contains("keyEncipherment, which was dropped"),
        "{told:?}"
    );
}

#[test]
fn a_request_that_was_changed_after_it_was_signed() {
    let home = Home::with_ca();
    home.pki("csr x --dns good.dev").succeeds();
    let pem = home.read("certs/x/tls.csr");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).expect("PEM");
    let mut der = block.contents;
    let at = der
        .windows(8)
        .position(|part| part == b"good.dev")
        .expect("the name");
    der[at..at + 8].copy_from_slice(b"evil.dev");
    home.write("evil.csr", der);
    snapshot!(home.pki("sign evil.csr").fails(3), @r#"error: The certificate request "evil.csr" is refused: its signature does not fit its content (proof of possession, RFC 2986 section 3), so it was changed, or made without the key; have it made again."#);
}

#[test]
fn a_certificate_is_not_put_beside_another_key() {
    let home = Home::with_ca();
    home.pki("csr a --dns a.dev").succeeds();
    home.pki("csr b --dns b.dev").succeeds();
    snapshot!(home.pki("sign certs/a/tls.csr --out certs/b").fails(3), @r#"error: The key "certs/b/tls.key" is not the one that this request is for, so the certificate would not fit it; write to another folder with --out."#);
    home.pki("sign certs/a/tls.csr --out elsewhere").succeeds();
    assert!(home.path("elsewhere/tls.crt").exists());
}

#[test]
fn files_that_are_missing_or_something_else() {
    let home = Home::new();
    snapshot!(home.pki("issue x --dns a.dev").fails(4), @r#"error: There is no CA in "certs/ca"; create one with "pki init", or name its folder with --dir."#);
    home.pki("init").succeeds();
    snapshot!(home.pki("sign missing.csr").fails(4), @r#"error: There is no file "missing.csr"; check the path, which is taken from the current folder."#);
    home.write("text.csr", "hello");
    snapshot!(home.pki("sign text.csr").fails(7), @r#"error: The certificate request "text.csr" is refused: it holds no certificate request; a request is PEM with BEGIN CERTIFICATE REQUEST, or DER."#);
    home.write("cut.csr", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n");
    snapshot!(home.pki("sign cut.csr").fails(7), @r#"error: The certificate request "cut.csr" is refused: its PEM block in line 1 (“CERTIFICATE REQUEST”) cannot be read: its END line is missing."#);
    snapshot!(home.pki("sign certs/ca/root.crt").fails(7), @r#"error: The certificate request "certs/ca/root.crt" is refused: it holds no certificate request; a request is PEM with BEGIN CERTIFICATE REQUEST, or DER."#);
    snapshot!(home.pki("sign /dev/zero").fails(7), @r#"error: "/dev/zero" is larger than 16 MiB, which no certificate, key or request is."#);
    snapshot!(home.pki("sign .").fails(6), @r#"error: "." could not be read: Is a directory (os error 21); name a file in it."#);
    home.write("certs/ca/issuing.key", "nothing");
    snapshot!(home.pki("issue x --dns a.dev").fails(7), @r#"error: The key "certs/ca/issuing.key" cannot be used: it holds no private key; a key is PEM with BEGIN PRIVATE KEY, or DER."#);
    let home = Home::with_ca();
    home.write(
        "certs/ca/index.db",
        "nothing that SQLite knows, though long enough to be looked at as a header .....",
    );
    snapshot!(home.pki("issue x --dns a.dev").fails(7), @r#"error: "certs/ca/index.db" is not an index of this program, or of a later version; restore it from a backup, or update pki."#);
    std::fs::remove_file(home.path("certs/ca/index.db")).expect("removed");
    snapshot!(home.pki("issue x --dns a.dev").fails(4), @r#"error: The index "certs/ca/index.db" is missing; without it nothing is issued or revoked, because serial numbers could repeat and revocations be forgotten. Restore it from a backup."#);
    assert!(!home.path("certs/x").exists());
}

#[test]
fn a_ca_that_lost_a_part() {
    let home = Home::with_ca();
    let lose = |name: &str| {
        std::fs::rename(home.path(&format!("certs/ca/{name}")), home.path(name)).expect(name);
    };
    lose("issuing.key");
    snapshot!(home.pki("issue x --dns a.dev").fails(4), @r#"error: "certs/ca/issuing.key" is missing, and this CA issues with nothing else; restore it from a backup, or make a new CA in another folder."#);
    lose("issuing.crt");
    snapshot!(home.pki("issue x --dns a.dev").fails(4), @r#"error: "certs/ca/issuing.crt" is missing, and this CA issues with nothing else; restore it from a backup, or make a new CA in another folder."#);
    home.write("pki.toml", "[ca]\nsubject = \"/CN=Private Root CA\"\n\n[certificate.x]\nprofile = \"server\"\ndns = [\"a.dev\"]\n");
    snapshot!(home.pki("apply pki.toml").fails(4), @r#"error: "certs/ca/issuing.crt" is missing, and this CA issues with nothing else; restore it from a backup, or make a new CA in another folder."#);
    std::fs::rename(home.path("issuing.key"), home.path("certs/ca/issuing.key")).expect("back");
    home.pki("issue x --dns a.dev").fails(4);
    assert!(!home.path("certs/x").exists());
    std::fs::rename(home.path("issuing.crt"), home.path("certs/ca/issuing.crt")).expect("back");
    home.pki("issue x --dns a.dev").succeeds();

    // A root that never had anything below it issues itself.
    let home = Home::new();
    home.pki("init --single-tier").succeeds();
    home.pki("issue x --dns a.dev").succeeds();
}

#[test]
fn command_lines_that_make_no_sense() {
    let home = Home::with_ca();
    snapshot!(home.pki("issue ../x --dns a.dev").fails(2), @r#"error: The name "../x" cannot be used: a name is a folder below --dir, of at most 64 letters, digits, dots, hyphens and underscores, begins with a letter or digit, does not end in ".toml", and is not "ca"."#);
    snapshot!(home.pki("issue ca --dns a.dev").fails(2), @r#"error: The name "ca" cannot be used: a name is a folder below --dir, of at most 64 letters, digits, dots, hyphens and underscores, begins with a letter or digit, does not end in ".toml", and is not "ca"."#);
    home.pki("issue pki.toml --dns a.dev").fails(2);
    let before = std::fs::read_dir(home.path("certs/ca"))
        .expect("the CA")
        .count();
    snapshot!(home.pki("issue x --dns a.dev --out ./certs/../certs/ca").fails(2), @r#"error: "./certs/../certs/ca" is the CA's own folder, in which no other key or certificate belongs; choose another one."#);
    home.pki("csr asks --dns a.dev").succeeds();
    snapshot!(home.pki("sign certs/asks/tls.csr --out certs/ca").fails(2), @r#"error: "certs/ca" is the folder of a CA, in which no other key or certificate belongs; choose another one."#);
    home.pki("init --dir other").succeeds();
    snapshot!(home.pki("issue x --dns a.dev --out other/ca").fails(2), @r#"error: "other/ca" is the folder of a CA, in which no other key or certificate belongs; choose another one."#);
    snapshot!(home.pki("csr x --out certs/ca").fails(2), @r#"error: "certs/ca" is the CA's own folder, in which no other key or certificate belongs; choose another one."#);
    assert_eq!(
        std::fs::read_dir(home.path("certs/ca"))
            .expect("the CA")
            .count(),
        before
    );
    snapshot!(home.pki("issue x --dns a.dev --days 0").fails(2), @r#"
    error: invalid value '0' for '--days <DAYS>': "0" is no validity in days; ask for 1 to 36500 days

    For more information, try '--help'.
    "#);
    snapshot!(home.pki("issue x --dns a.dev --subject CN").fails(2), @r#"error: The subject "CN" has the part "CN", which is not TYPE=VALUE; write for example "/O=Example/CN=service", and a slash that belongs to a value as \/."#);
    snapshot!(home.pki("issue x --dns a.dev --key dsa").fails(2), @r#"
    error: invalid value 'dsa' for '--key <TYPE>': The key type "dsa" is not known; known are p256, p384, ed25519, rsa-2048, rsa-3072 and rsa-4096.

    For more information, try '--help'.
    "#);
    snapshot!(home.pki("issue x --dns a.dev --profile root").fails(2), @r#"
    error: invalid value 'root' for '--profile <PROFILE>': a root signs itself: "pki init" makes one, and "pki ca rotate --root" replaces it

    For more information, try '--help'.
    "#);
    snapshot!(home.pki("issue x --dns a.dev --ca a.crt").fails(2), @r"
    error: the following required arguments were not provided:
      --ca-key <FILE>

    Usage: pki issue --ca <FILE> --ca-key <FILE> --dns <NAME> <NAME>

    For more information, try '--help'.
    ");
}

#[test]
fn a_root_and_an_issuing_ca_of_one_name() {
    let home = Home::new();
    snapshot!(home.run(&["init", "--subject", "/CN=Our CA", "--issuing-subject", "/CN=our  ca"]).fails(3), @r#"
    error: The issuing CA would have the root's name, "CN=Our CA", and verifiers could not tell them apart; give it another one.
    hint: name the issuing CA yourself with --issuing-subject
    "#);
    assert!(!home.path("certs").exists());
    let subject = |name: &str| DistinguishedName::parse(name).expect("a name");
    let new = NewAuthority {
        subject: subject("/CN=CA"),
        issuing_subject: Some(subject("/CN=ca")),
        key: KeyAlgorithm::P256,
        days: 30,
        issuing_days: 30,
        permitted_dns: Vec::new(),
    };
    let now = std::time::SystemTime::now().into();
    Authority::create(&home.path("certs"), &new, None, now, &mut || false)
        .expect_err("it would never issue anything");
    assert!(!home.path("certs").exists());
}

#[test]
fn a_disk_that_takes_no_more_names_what_was_to_be_written() {
    let home = Home::with_ca();
    let limited = |blocks: &str, args: &str| {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} {args}",
            env!("CARGO_BIN_EXE_pki")
        );
        let run = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(home.path(""))
            .output();
        crate::support::Run::from(run.expect("a shell"))
    };
    let error = limited("0", "csr x").fails(6);
    assert!(
        error.starts_with("error: \"certs/x/tls.key\" could not be written: "),
        "{error}"
    );
    let error = limited("0", "init --dir other").fails(6);
    assert!(
        error.starts_with("error: The index \"other/ca/index.db\" could not grow, "),
        "{error}"
    );
    assert!(!home.path("certs/x").exists() && !home.path("other/ca").exists());
}

#[test]
fn what_was_typed_is_repeated_without_being_obeyed() {
    let home = Home::with_ca();
    for args in [
        &["issue", "x", "--key", "\u{1b}[2J\u{202e}"][..],
        &["init", "--\u{1b}[2J\u{202e}"],
        &["inspect", "\u{1b}[2J\u{202e}"],
    ] {
        let run = home.run(args);
        assert_ne!(run.code, 0);
        assert!(run.stderr.contains("\\u{202e}"), "{run:?}");
        assert!(
            !run.stderr.contains('\u{1b}') && !run.stderr.contains('\u{202e}'),
            "{run:?}"
        );
    }
    let hidden = "\u{1b}[2J\u{202e}";
    let run = home.run(&["issue", "x", "--dns", "a.dev", "--out", hidden]);
    assert!(!run.stdout.contains('\u{1b}'), "{run:?}");
    run.succeeds();
}

#[test]
fn an_error_is_json_as_well_when_json_is_asked_for() {
    let home = Home::new();
    let run = home.pki("issue x --dns a.dev --json");
    assert_eq!(run.code, 4);
    snapshot!(run.stdout, @r#"
    {
      "error": {
        "exit_code": 4,
        "hints": [],
        "kind": "not-found",
        "message": "There is no CA in \"certs/ca\"; create one with \"pki init\", or name its folder with --dir."
      }
    }
    "#);
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    let home = Home::with_ca();
    home.write("file", "");
    snapshot!(home.pki("issue x --dns a.dev --out file/x").fails(6), @r#"error: "file" is there and is not a folder; choose another one, or take it away."#);
    snapshot!(home.pki("init --dir file").fails(6), @r#"error: "file" is there and is not a folder; choose another one, or take it away."#);
}

#[test]
fn the_key_identifier_that_openssl_asks_for_is_not_the_one_that_is_given() {
    let home = Home::with_ca();
    let command = "req -new -newkey ed25519 -nodes -subj /CN=a -keyout a.key -out a.csr -addext subjectAltName=DNS:a.dev -addext subjectKeyIdentifier=hash";
    let Some(made) = home.openssl(command) else {
        return;
    };
    assert_eq!(made.code, 0, "{made:?}");
    let signed = home.pki("sign a.csr --json");
    let document = signed.json();
    assert_eq!(document["granted"], serde_json::json!(["DNS:a.dev"]));
    let dropped = document["dropped"].to_string();
    assert!(dropped.contains("subjectKeyIdentifier "), "{document}");
    assert!(
        signed.stderr.contains("asked for subjectKeyIdentifier "),
        "{signed:?}"
    );
}

#[test]
fn a_thousand_names_are_the_most_for_requests_and_certificates_alike() {
    let home = Home::with_ca();
    let names = |count: usize| {
        let names: Vec<_> = (0..count).map(|at| format!("h{at}.dev")).collect();
        names.join(",")
    };
    let refused = |command: &str, code: i32| {
        let told = home.pki(command).fails(code);
        let one = "The certificate would have 1001 names, and one has no more than 1000 here; share them out to several certificates, or use a wildcard.";
        assert!(told.contains(one), "{command}: {told}");
    };
    for command in ["csr", "issue"] {
        refused(&format!("{command} many --dns {}", names(1001)), 3);
    }
    home.pki(&format!("csr most --dns {}", names(1000)))
        .succeeds();
    // Those of the request and those of the options together; what both have counts once.
    refused("sign certs/most/tls.csr --ip 127.0.0.1", 3);
    refused("sign certs/most/tls.csr --ip 127.0.0.1 --dry-run", 3);
    home.pki("sign certs/most/tls.csr --dns h0.dev").succeeds();
    let manifest = |count: usize| {
        let names = names(count).replace(',', "\", \"");
        home.write(
            "pki.toml",
            format!("[ca]\nsubject = \"/CN=Root\"\n[certificate.most]\nprofile = \"server\"\ndns = [\"{names}\", \"h1.dev\"]\n"),
        );
    };
    manifest(1001);
    refused("apply pki.toml --dir other", 7);
    manifest(1000);
    home.pki("apply pki.toml --dir other").succeeds();
    home.pki("renew most --dir other").succeeds();
    // Somebody else may have had more given.
    let all = names(1001).replace(',', ",DNS:");
    let extensions = format!("extendedKeyUsage=serverAuth\nsubjectAltName=DNS:{all}\n");
    if signed_by_openssl(&home, "many", &extensions).is_some() {
        refused("renew many", 3);
        refused("rekey many --dry-run", 3);
    }
}
