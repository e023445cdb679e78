//! `pki inspect` shows everything that openssl shows, and never a secret, whatever the file holds.

mod support;

use std::{fmt::Write as _, fs, path::Path};

use support::{openssl, openssl_is_here, pki};
use tempfile::TempDir;

/// Every extension that openssl's configuration can make.
const CONFIGURATION: &str = "
[req]
distinguished_name = name
[name]
[everything]
basicConstraints = critical,CA:TRUE,pathlen:3
keyUsage = critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyAgreement,keyCertSign,cRLSign,encipherOnly,decipherOnly
extendedKeyUsage = serverAuth,clientAuth,codeSigning,emailProtection,timeStamping,OCSPSigning,1.2.3.4.5
subjectAltName = DNS:a.example.dev,DNS:*.example.dev,IP:192.0.2.7,IP:2001:db8::17,URI:spiffe://example.dev/a,email:a@example.dev,RID:1.2.3.4,otherName:1.2.3.4;UTF8:hello,dirName:directory
issuerAltName = DNS:issuer.example.dev,email:ca@example.dev
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always,issuer:always
crlDistributionPoints = first_point,second_point
freshestCRL = URI:http://fresh.example.dev/delta.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example.dev/,caIssuers;URI:http://ca.example.dev/ca.crt
subjectInfoAccess = caRepository;URI:http://repository.example.dev/
certificatePolicies = 1.3.5.8,@policy
policyMappings = 1.2.3.4:1.2.3.5
policyConstraints = critical,requireExplicitPolicy:3,inhibitPolicyMapping:1
inhibitAnyPolicy = critical,2
nameConstraints = critical,permitted;DNS:example.dev,permitted;IP:10.0.0.0/255.0.0.0,excluded;email:bad.example.dev,permitted;dirName:directory,excluded;URI:.evil.dev
tlsfeature = status_request,status_request_v2
nsComment = a comment
nsCertType = server,client,email,objsign,sslCA,emailCA,objCA
nsBaseUrl = http://base.example.dev/
1.2.3.4.5.6 = DER:0102030405
1.3.6.1.4.1.11129.2.4.2 = DER:TIMESTAMPS
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:order.microservices.dev,DNS:localhost,IP:127.0.0.1
authorityKeyIdentifier = keyid
[revocation]
authorityKeyIdentifier = keyid
[first_point]
fullname = URI:http://crl.example.dev/ca.crl
reasons = keyCompromise,CACompromise
[second_point]
relativename = relative
CRLissuer = dirName:directory
[relative]
CN = relative
[policy]
policyIdentifier = 1.3.5.8.9
CPS.1 = http://cps.example.dev/
userNotice.1 = @notice
[notice]
explicitText = Explicit Text
organization = Organisation Name
noticeNumbers = 1,2,3
[directory]
C = TR
O = Software
CN = directory name
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
default_md = sha256
default_crl_days = 30
";

const SUBJECT: &str = "/C=TR/ST=EURASIA/L=ISTANBUL/O=Software, Ltd/OU=Microservices/CN=*.microservices.dev/emailAddress=x@example.dev";

/// A folder with the configuration in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    // One signed certificate timestamp: version, log, time, no extensions, ecdsa-with-SHA256, four octets of signature.
    let timestamp = format!("00{}0000019a00000000000004030004deadbeef", "ab".repeat(32));
    let list = format!(
        "{:04x}{:04x}{timestamp}",
        timestamp.len() / 2 + 2,
        timestamp.len() / 2
    );
    let timestamps = format!("04{:02x}{list}", list.len() / 2);
    fs::write(
        folder.path().join("openssl.cnf"),
        CONFIGURATION.replace("TIMESTAMPS", &timestamps),
    )
    .expect("written");
    folder
}

/// Makes NAME.key and a self-signed NAME.crt.
fn certificate(folder: &Path, name: &str, key: &[&str], extensions: &str, more: &[&str]) {
    let (key_file, certificate_file) = (format!("{name}.key"), format!("{name}.crt"));
    openssl(folder, &[&["genpkey", "-out", &key_file][..], key].concat());
    let request = [
        "req",
        "-x509",
        "-new",
        "-config",
        "openssl.cnf",
        "-subj",
        SUBJECT,
        "-days",
        "365",
    ];
    let files = [
        "-key",
        &key_file,
        "-out",
        &certificate_file,
        "-extensions",
        extensions,
    ];
    openssl(folder, &[&request[..], &files, more].concat());
}

const KEYS: [(&str, &[&str]); 6] = [
    (
        "rsa",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ),
    (
        "p256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
    (
        "p384",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    ),
    (
        "p521",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    ),
    ("ed25519", &["-algorithm", "ED25519"]),
    ("ed448", &["-algorithm", "ED448"]),
];

/// What openssl calls otherwise than we do: its words, ours.
const WORDS: [(&str, &str); 49] = [
    ("Digital Signature", "digitalSignature"),
    ("Non Repudiation", "nonRepudiation"),
    ("Key Encipherment", "keyEncipherment"),
    ("Data Encipherment", "dataEncipherment"),
    ("Key Agreement", "keyAgreement"),
    ("Certificate Sign", "keyCertSign"),
    ("CRL Sign", "cRLSign"),
    ("Encipher Only", "encipherOnly"),
    ("Decipher Only", "decipherOnly"),
    ("TLS Web Server Authentication", "serverAuth"),
    ("TLS Web Client Authentication", "clientAuth"),
    ("Code Signing", "codeSigning"),
    ("E-mail Protection", "emailProtection"),
    ("Time Stamping", "timeStamping"),
    ("OCSP Signing", "OCSPSigning"),
    ("Key Compromise", "keyCompromise"),
    ("CA Compromise", "cACompromise"),
    ("Superseded", "superseded"),
    ("IP Address", "IP"),
    ("Registered ID", "RID"),
    ("othername", "otherName"),
    ("DirName", "dirName"),
    ("CA Issuers", "caIssuers"),
    ("CA Repository", "caRepository"),
    ("User Notice", "user notice"),
    ("Require Explicit Policy", "require explicit policy"),
    ("Inhibit Policy Mapping", "inhibit policy mapping"),
    ("CA:TRUE", "ca yes"),
    ("CA:FALSE", "ca no"),
    ("pathlen", "path length"),
    ("keyid", "key identifier"),
    ("id-ecPublicKey", "ecPublicKey"),
    ("ED25519", "Ed25519"),
    ("ED448", "Ed448"),
    ("X509v3 CRL Reason Code", "reasonCode"),
    ("X509v3 CRL Number", "cRLNumber"),
    ("X509v3 Basic Constraints", "basicConstraints"),
    ("X509v3 Key Usage", "keyUsage"),
    ("X509v3 Extended Key Usage", "extendedKeyUsage"),
    ("X509v3 Subject Alternative Name", "subjectAltName"),
    ("X509v3 Issuer Alternative Name", "issuerAltName"),
    ("X509v3 Subject Key Identifier", "subjectKeyIdentifier"),
    ("X509v3 Authority Key Identifier", "authorityKeyIdentifier"),
    ("X509v3 CRL Distribution Points", "cRLDistributionPoints"),
    ("X509v3 Freshest CRL", "freshestCRL"),
    ("X509v3 Certificate Policies", "certificatePolicies"),
    ("X509v3 Policy Mappings", "policyMappings"),
    ("X509v3 Policy Constraints", "policyConstraints"),
    ("X509v3 Name Constraints", "nameConstraints"),
];

/// More of the same, for whole headings and lines.
const HEADINGS: [(&str, &str); 14] = [
    ("Signature Algorithm: rsassaPss", "RSASSA-PSS"),
    ("Hash Algorithm: SHA256", "hash SHA-256"),
    ("Mask Algorithm: MGF1 with SHA256", "mask MGF1 with SHA-256"),
    ("Salt Length: 0x20", "salt length 32"),
    ("Trailer Field: 0x01 (default)", "trailer field 1"),
    ("X509v3 Inhibit Any Policy", "inhibitAnyPolicy"),
    ("Authority Information Access", "authorityInfoAccess"),
    ("Subject Information Access", "subjectInfoAccess"),
    ("TLS Feature", "tlsFeature"),
    ("Netscape Comment", "netscapeComment"),
    ("Netscape Cert Type", "netscapeCertType"),
    ("Netscape Base Url", "netscapeBaseUrl"),
    ("CT Precertificate SCTs", "signedCertificateTimestamps"),
    ("Issuing Distribution Point", "issuingDistributionPoint"),
];

/// openssl's layout: words that say where a fact stands and are no facts.
const LAYOUT: &str = "certificate data version serial number signature algorithm value issuer validity not before after \
    subject public key info public-key bit pub asn1 oid nist curve modulus exponent extensions x509v3 full name reasons \
    relative crl policy organization numbers explicit text permitted excluded signed timestamp log id none request \
    requested attributes revocation list last update next revoked certificates date no entry gmt ca private-key 2 primes";

/// Every fact in openssl's text: octets joined over lines, dates and addresses in our form, and each word.
fn facts(text: &str) -> Vec<String> {
    let mut facts = Vec::new();
    let mut octets = String::new();
    for line in text.lines().map(str::trim).chain([""]) {
        let is_octets = !line.is_empty()
            && line.contains(':')
            && line
                .trim_end_matches(':')
                .split(':')
                .all(|two| two.len() == 2 && two.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_octets {
            octets.push_str(&line.to_lowercase().replace(':', ""));
            continue;
        }
        if !octets.is_empty() {
            // A modulus has a zero in front that is no part of the number.
            facts.push(octets.strip_prefix("00").unwrap_or(&octets).to_owned());
            octets.clear();
        }
        let mut line = date(line).unwrap_or_else(|| line.to_owned());
        for (theirs, ours) in HEADINGS.iter().chain(&WORDS) {
            line = line.replace(theirs, ours);
        }
        if let Some((_, hex)) = line.split_once("(0x").filter(|_| line.contains("xponent")) {
            facts.push(
                u64::from_str_radix(hex.trim_end_matches(')'), 16)
                    .expect("an exponent")
                    .to_string(),
            );
            continue;
        }
        // An octet dump of what openssl cannot decode is not a fact in words.
        if line.starts_with('.') {
            continue;
        }
        let layout: Vec<_> = LAYOUT.split_whitespace().collect();
        let words = line
            .split(|c: char| c.is_whitespace() || ",=()".contains(c))
            .map(|word| word.trim_matches([':', '"']));
        for word in words.filter(|word| !word.is_empty() && *word != "-" && !word.starts_with("0x"))
        {
            let word = word.to_lowercase();
            if !layout.contains(&word.as_str()) {
                facts.extend(word_facts(&word));
            }
        }
    }
    facts
}

/// A word may be a kind and a value, or names behind slashes.
fn word_facts(word: &str) -> Vec<String> {
    if let Some(address) = word
        .strip_prefix("ip:address:")
        .or_else(|| word.strip_prefix("ip:"))
    {
        // 2001:DB8:0:0:0:0:0:17 for them, 2001:db8::17 for us.
        if let Ok(address) = address.parse::<std::net::IpAddr>() {
            return vec![address.to_string()];
        }
    }
    if let Some(hex) = word
        .strip_prefix("serial:")
        .or_else(|| word.strip_prefix("key identifier:"))
    {
        return vec![hex.replace(':', "")];
    }
    if word.starts_with("uri:") || word.contains("://") {
        return vec![word.strip_prefix("uri:").unwrap_or(word).to_owned()];
    }
    word.split(['/', ':', ';'])
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `Not Before: Nov 24 08:16:28 2026 GMT` in our form.
fn date(line: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<_> = line.split_whitespace().collect();
    let [.., month, day, time, year, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let time = time.split('.').next()?;
    Some(format!(
        "{year}-{month:02}-{:02} {time}",
        day.parse::<u8>().ok()?
    ))
}

/// The facts of `theirs` that are not in `ours`.
fn missing(theirs: &str, ours: &str) -> Vec<String> {
    let ours = ours.to_lowercase();
    let octets: String = ours
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    facts(theirs)
        .into_iter()
        .filter(|fact| !ours.contains(fact.as_str()) && !octets.contains(fact.as_str()))
        .collect()
}

fn assert_nothing_is_missing(what: &str, theirs: &str, ours: &str) {
    assert!(facts(theirs).len() > 20, "{what}: facts were found at all");
    assert_eq!(
        missing(theirs, ours),
        Vec::<String>::new(),
        "{what}:\n{theirs}\n{ours}"
    );
    // openssl writes "critical" behind the heading, and so do we.
    let critical = |text: &str| {
        text.lines()
            .filter(|line| line.trim_end().ends_with("critical"))
            .count()
    };
    assert_eq!(
        critical(theirs),
        critical(ours),
        "{what}:\n{theirs}\n{ours}"
    );
}

#[test]
fn every_fact_that_openssl_shows_of_a_certificate_is_shown() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    let pss: &[&str] = &[
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sigopt",
        "rsa_pss_saltlen:32",
    ];
    let mut texts = Vec::new();
    for (name, key) in KEYS {
        for (extensions, more) in [
            ("everything", &[][..]),
            ("server", if name == "rsa" { pss } else { &[] }),
        ] {
            certificate(path, name, key, extensions, more);
            let file = format!("{name}.crt");
            let theirs = openssl(path, &["x509", "-in", &file, "-noout", "-text"]);
            let ours = pki(path, &["inspect", &file]);
            assert_eq!((ours.code, ours.stderr.as_str()), (0, ""));
            assert_nothing_is_missing(&format!("{name} {extensions}"), &theirs, &ours.stdout);
            for (digest, algorithm) in [("-sha256", "sha256"), ("-sha1", "sha1")] {
                let line = openssl(
                    path,
                    &["x509", "-in", &file, "-noout", "-fingerprint", digest],
                );
                let (_, fingerprint) = line.trim().split_once('=').expect("a fingerprint");
                assert!(
                    ours.stdout.contains(fingerprint),
                    "{algorithm} {fingerprint}"
                );
            }
            texts.push((theirs, ours.stdout));
        }
    }
    // The comparison can fail: no certificate's facts are all in the text of another.
    for (at, (theirs, _)) in texts.iter().enumerate() {
        for (other, (_, ours)) in texts.iter().enumerate() {
            assert_eq!(
                missing(theirs, ours).is_empty(),
                at == other,
                "{at} {other}"
            );
        }
    }
}

#[test]
fn every_fact_that_openssl_shows_of_a_request_is_shown_and_its_signature_is_checked() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    for (name, key) in KEYS {
        let (key_file, file) = (format!("{name}.key"), format!("{name}.csr"));
        openssl(path, &[&["genpkey", "-out", &key_file][..], key].concat());
        let request = [
            "req",
            "-new",
            "-config",
            "openssl.cnf",
            "-subj",
            SUBJECT,
            "-reqexts",
            "server_request",
        ];
        fs::write(
            path.join("openssl.cnf"),
            format!("{CONFIGURATION}\n[server_request]\nsubjectAltName=DNS:order.microservices.dev\nkeyUsage=digitalSignature\n")
                .replace("DER:TIMESTAMPS", "DER:0500"),
        )
        .expect("written");
        openssl(
            path,
            &[&request[..], &["-key", &key_file, "-out", &file]].concat(),
        );
        let theirs = openssl(path, &["req", "-in", &file, "-noout", "-text"]);
        let ours = pki(path, &["inspect", &file]);
        assert_eq!(ours.code, 0, "{}", ours.stderr);
        assert_nothing_is_missing(name, &theirs, &ours.stdout);
        if name != "ed448" {
            assert!(
                ours.stdout.contains("the signature is right"),
                "{}",
                ours.stdout
            );
        }
        // One letter of the subject changed: the proof of possession is gone.
        let der = format!("{name}.der");
        openssl(
            path,
            &["req", "-in", &file, "-outform", "DER", "-out", &der],
        );
        let mut octets = fs::read(path.join(&der)).expect("read");
        let at = octets
            .windows(8)
            .position(|window| window == b"ISTANBUL")
            .expect("the subject");
        octets[at] = b'J';
        fs::write(path.join(&der), octets).expect("written");
        let ours = pki(path, &["inspect", &der]);
        assert_eq!(
            ours.stdout.contains("THE SIGNATURE IS WRONG"),
            name != "ed448",
            "{}",
            ours.stdout
        );
        // A failure never exits with 0.
        let code = if name == "ed448" { 0 } else { 7 };
        assert_eq!(ours.code, code, "{}", ours.stderr);
        let json = pki(path, &["inspect", "--json", &der]);
        assert_eq!(
            (json.code, json.stdout.contains("whose signature is wrong")),
            (code, code != 0),
            "{}",
            json.stdout
        );
    }
}

#[test]
fn every_fact_that_openssl_shows_of_a_crl_is_shown() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    certificate(path, "ca", KEYS[1].1, "everything", &[]);
    let row = |serial: &str, reason: &str| {
        format!("R\t301231235959Z\t261101000000Z,{reason}\t{serial}\tunknown\t/CN=revoked\n")
    };
    fs::write(
        path.join("index.txt"),
        row("0102030405060708090A", "keyCompromise") + &row("1B", "superseded"),
    )
    .expect("written");
    fs::write(path.join("crlnumber"), "2A\n").expect("written");
    let gencrl = [
        "ca",
        "-gencrl",
        "-config",
        "openssl.cnf",
        "-keyfile",
        "ca.key",
        "-cert",
        "ca.crt",
    ];
    openssl(
        path,
        &[&gencrl[..], &["-crlexts", "revocation", "-out", "ca.crl"]].concat(),
    );
    let theirs = openssl(path, &["crl", "-in", "ca.crl", "-noout", "-text"]);
    let ours = pki(path, &["inspect", "ca.crl"]);
    assert_eq!(ours.code, 0, "{}", ours.stderr);
    assert_nothing_is_missing("CRL", &theirs, &ours.stdout);
    let short = pki(path, &["inspect", "--short", "ca.crl"]).stdout;
    assert!(
        short.contains("2 revoked, next in 29 days")
            || short.contains("2 revoked, next in 30 days"),
        "{short}"
    );
}

#[test]
fn of_a_private_key_the_public_half_is_shown_and_never_the_secret() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    for (name, key) in &KEYS[..5] {
        let file = format!("{name}.key");
        openssl(path, &[&["genpkey", "-out", &file][..], key].concat());
        let public = openssl(path, &["pkey", "-in", &file, "-noout", "-text_pub"]);
        let all = openssl(path, &["pkey", "-in", &file, "-noout", "-text"]);
        let mut forms = vec![file.clone()];
        for (form, arguments) in [
            (
                "traditional",
                &["pkey", "-traditional", "-in", &file, "-out"][..],
            ),
            ("der", &["pkey", "-outform", "DER", "-in", &file, "-out"]),
            (
                "encrypted",
                &[
                    "pkcs8",
                    "-topk8",
                    "-passout",
                    "pass:secret word",
                    "-in",
                    &file,
                    "-out",
                ],
            ),
        ] {
            // Ed25519 keys have no form of old.
            if (*name, form) == ("ed25519", "traditional") {
                continue;
            }
            let out = format!("{name}.{form}");
            openssl(path, &[arguments, &[&out]].concat());
            forms.push(out);
        }
        fs::write(path.join("passphrase"), "secret word\n").expect("written");
        for form in forms {
            let mut arguments = vec!["inspect", &form];
            if form.ends_with("encrypted") {
                let closed = pki(path, &["inspect", &form]);
                assert_eq!(closed.code, 0, "{}", closed.stderr);
                assert!(
                    closed.stdout.contains("PBES2") && closed.stdout.contains("AES-256-CBC"),
                    "{}",
                    closed.stdout
                );
                arguments.extend(["--unlock", "--passphrase-file", "passphrase"]);
            }
            let ours = pki(path, &arguments);
            assert_eq!(ours.code, 0, "{form}: {}", ours.stderr);
            let lost: Vec<_> = missing(&public, &ours.stdout);
            assert_eq!(
                lost,
                Vec::<String>::new(),
                "{form}: {public}\n{}",
                ours.stdout
            );
            // What stands in the whole text and not in the public one is secret: primes, exponents, scalars.
            let secrets: Vec<_> = facts(&all)
                .into_iter()
                .filter(|fact| fact.len() >= 40 && !facts(&public).contains(fact))
                .collect();
            assert!(!secrets.is_empty());
            let json = pki(path, &[&arguments[..], &["--json"]].concat());
            for output in [&ours.stdout, &ours.stderr, &json.stdout] {
                let octets: String = output
                    .to_lowercase()
                    .chars()
                    .filter(|c| !c.is_whitespace() && *c != ':')
                    .collect();
                assert!(
                    secrets
                        .iter()
                        .all(|secret| !octets.contains(secret.as_str())),
                    "{form}"
                );
            }
        }
    }
}

#[test]
fn a_wrong_passphrase_is_told_as_every_other_command_tells_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("right"), "right").expect("written");
    fs::write(path.join("wrong"), "wrong").expect("written");
    let said = pki(
        path,
        &[
            "init",
            "--single-tier",
            "--encrypt-key",
            "--passphrase-file",
            "right",
        ],
    );
    assert_eq!(said.code, 0, "{}", said.stderr);
    let unlock = |passphrase| {
        let arguments = [
            "inspect",
            "certs/ca/root.key",
            "--unlock",
            "--passphrase-file",
        ];
        pki(path, &[&arguments[..], &[passphrase]].concat())
    };
    assert_eq!(unlock("right").code, 0);
    let said = unlock("wrong");
    assert_eq!(said.code, 8, "{}", said.stderr);
    assert_eq!(
        said.stderr,
        "error: certs/ca/root.key cannot be opened: the passphrase is wrong.\n"
    );
}

#[test]
fn what_comes_from_the_standard_input_is_called_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["inspect", "-"][..],
        &["verify", "-", "--trust", "/dev/null"],
    ] {
        let said = pki(folder.path(), arguments);
        assert_eq!(said.code, 7, "{}", said.stderr);
        assert!(
            said.stderr.starts_with("error: The standard input"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn json_is_one_document_that_holds_what_the_text_holds() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    certificate(path, "ca", KEYS[1].1, "everything", &[]);
    let theirs = openssl(path, &["x509", "-in", "ca.crt", "-noout", "-text"]);
    let json = pki(path, &["inspect", "--json", "ca.crt", "ca.key"]);
    let document: serde_json::Value =
        serde_json::from_str(&json.stdout).expect("one JSON document");
    let objects = |file: usize| &document["files"][file]["objects"][0];
    assert_eq!(objects(0)["kind"], "certificate");
    assert_eq!(objects(1)["kind"], "private_key");
    assert_eq!(
        objects(1)["public_key"]["sha256"],
        objects(0)["public_key"]["sha256"],
        "the key is the certificate's"
    );
    assert_eq!(
        objects(0)["subject"]["rdns"][5][0]["value"],
        "*.microservices.dev"
    );
    assert_eq!(objects(0)["validity"]["days_left"], 364);
    assert!(
        objects(0)["not_after"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
    let extensions = objects(0)["extensions"].as_array().expect("extensions");
    let names = extensions
        .iter()
        .find(|extension| extension["name"] == "subjectAltName")
        .expect("a SAN");
    assert_eq!(
        names["value"][2],
        serde_json::json!({ "type": "IP", "value": "192.0.2.7" })
    );
    // Every octet string and every name of openssl's text stands in the document, too.
    let mut flat = String::new();
    flatten(&document, &mut flat);
    let lost: Vec<_> = missing(&theirs, &flat)
        .into_iter()
        .filter(|fact| fact.len() >= 8 && !fact.starts_with("20") && !fact.contains(' '))
        .collect();
    assert_eq!(lost, Vec::<String>::new());
}

fn flatten(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let _ = writeln!(out, "{name}");
                flatten(value, out);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| flatten(item, out)),
        serde_json::Value::String(text) => {
            let _ = writeln!(out, "{text}");
        }
        other => {
            let _ = writeln!(out, "{other}");
        }
    }
}

#[test]
fn a_folder_is_an_overview_of_who_signed_whom() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    fs::create_dir_all(path.join("certs/order")).expect("a folder");
    certificate(path, "certs/ca", KEYS[1].1, "everything", &[]);
    openssl(
        path,
        &[
            "genpkey",
            "-out",
            "certs/order/tls.key",
            "-algorithm",
            "ED25519",
        ],
    );
    let subject = ["-subj", "/CN=order.microservices.dev"];
    let request = [
        "req",
        "-new",
        "-config",
        "openssl.cnf",
        "-key",
        "certs/order/tls.key",
        "-out",
        "order.csr",
    ];
    openssl(path, &[&request[..], &subject].concat());
    let sign = [
        "x509",
        "-req",
        "-in",
        "order.csr",
        "-CA",
        "certs/ca.crt",
        "-CAkey",
        "certs/ca.key",
        "-days",
        "60",
    ];
    let out = [
        "-extfile",
        "openssl.cnf",
        "-extensions",
        "server",
        "-CAcreateserial",
        "-out",
        "certs/order/tls.crt",
    ];
    openssl(path, &[&sign[..], &out].concat());
    fs::write(path.join("certs/notes.txt"), "no certificate").expect("written");

    let text = pki(path, &["inspect", "certs"]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    let expected = "\
Folder certs
  *.microservices.dev        root CA     364 days  key ok  ca.crt
    order.microservices.dev  TLS server  59 days   key ok  order/tls.crt
2 other files passed over
";
    assert_eq!(text.stdout, expected);
    let json = pki(path, &["inspect", "--json", "certs"]);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    let certificates = document["folders"][0]["certificates"]
        .as_array()
        .expect("certificates");
    assert_eq!(certificates.len(), 2);
    assert_eq!(
        (&certificates[0]["file"], &certificates[0]["signed_by"]),
        (&"ca.crt".into(), &"itself".into())
    );
    assert_eq!(certificates[1]["signed_by_file"], "ca.crt");
    assert_eq!(certificates[1]["key"], "ok");
    assert_eq!(certificates[1]["key_file"], "order/tls.key");
    // Beside the two keys; the serial file of openssl and the note are no objects.
    assert_eq!(
        document["folders"][0]["others"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(document["folders"][0]["passed_over"], 2);
}

#[test]
fn the_overview_says_which_key_belongs_to_which_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let run = |arguments: &[&str]| {
        let said = pki(path, arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
        said.stdout
    };
    fs::write(path.join("passphrase"), "a passphrase\n").expect("written");
    run(&["init", "--single-tier", "--subject", "/O=House/CN=Root"]);
    for name in ["good", "locked", "mixed", "gone", "bare"] {
        let dns = format!("{name}.microservices.dev");
        let encrypted = ["--encrypt-key", "--key-passphrase-file", "passphrase"];
        let more: &[&str] = if name == "locked" { &encrypted } else { &[] };
        run(&[&["issue", name, "--dns", &dns][..], more].concat());
    }
    let file = |name: &str| path.join("certs").join(name);
    fs::copy(file("gone/tls.key"), file("mixed/tls.key")).expect("copied");
    fs::remove_file(file("gone/tls.crt")).expect("removed");
    fs::remove_file(file("bare/tls.key")).expect("removed");

    let expected = "\
Folder certs
  Root      root CA     3649 days  key ok                      ca/root.crt and 5 more files
    bare    TLS server  59 days    no key                      bare/tls.crt
    good    TLS server  59 days    key ok                      good/tls.crt
    locked  TLS server  59 days    key encrypted               locked/tls.crt
    mixed   TLS server  59 days    key of another certificate  mixed/tls.crt
Keys of which no certificate is here:
  private key  P-256 (not encrypted)  gone/tls.key
  private key  P-256 (not encrypted)  mixed/tls.key
1 other file passed over
";
    assert_eq!(run(&["inspect", "certs"]), expected);
}

#[test]
fn hostile_names_never_reach_the_terminal_raw() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    openssl(path, &["genpkey", "-algorithm", "ED25519", "-out", "k.key"]);
    let hostile = "/CN=evil\u{1b}[31m\u{202e}\u{7f}\u{9b}name";
    let arguments = [
        "req",
        "-x509",
        "-new",
        "-config",
        "openssl.cnf",
        "-key",
        "k.key",
        "-out",
        "evil.crt",
    ];
    let extensions = ["-addext", "nsComment=a\u{1b}]0;title\u{7}"];
    openssl(
        path,
        &[&arguments[..], &["-utf8", "-subj", hostile], &extensions].concat(),
    );
    for arguments in [
        &["inspect", "evil.crt"][..],
        &["inspect", "--short", "evil.crt"],
        &["inspect", "--json", "evil.crt"],
    ] {
        let said = pki(path, arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let raw = said
            .stdout
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(raw, None, "{arguments:?}");
    }
    let document: serde_json::Value =
        serde_json::from_str(&pki(path, &["inspect", "--json", "evil.crt"]).stdout).expect("JSON");
    let name = &document["files"][0]["objects"][0]["subject"]["rdns"][0][0]["value"];
    assert_eq!(
        name, "evil\u{1b}[31m\u{202e}\u{7f}\u{9b}name",
        "JSON keeps the exact text"
    );
}

#[test]
fn whatever_the_file_holds_the_answer_is_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let deep = [0x30, 0x80].repeat(50_000);
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty", b"", "is empty"),
        ("text", b"hello\n", "is neither PEM nor DER"),
        (
            "no end",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n",
            "its END line is missing",
        ),
        (
            "no base64",
            b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "not base64",
        ),
        (
            "no certificate",
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "cannot be read as a certificate",
        ),
        (
            "cut off",
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30],
            "is cut off",
        ),
        ("deep", &deep, "indefinite length"),
        (
            "odd label",
            b"-----BEGIN \x1b[31m-----\nMAA=\n-----END \x1b[31m-----\n",
            "holds a PEM block of an unknown kind",
        ),
    ];
    for (name, octets, told) in cases {
        fs::write(path.join(name), octets).expect("written");
        let said = pki(path, &["inspect", name]);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (7, ""),
            "{name}: {}",
            said.stderr
        );
        assert!(said.stderr.contains(told), "{name}: {}", said.stderr);
        assert_eq!(said.stderr.lines().count(), 1, "{name}: {}", said.stderr);
    }
    let said = pki(path, &["inspect", "absent"]);
    assert_eq!(said.code, 4, "{}", said.stderr);
    assert!(
        said.stderr.contains("There is no file absent."),
        "{}",
        said.stderr
    );
}

#[test]
fn a_key_whose_line_breaks_were_lost_is_never_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    for arguments in [
        &["init", "--dir", "certs"][..],
        &["issue", "order", "--dns", "a.dev", "--dir", "certs"],
        &["csr", "other", "--dns", "b.dev", "--dir", "certs"],
    ] {
        let said = pki(path, arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
    let pem = fs::read_to_string(path.join("certs/ca/issuing.key")).expect("read");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pieces: Vec<&str> = (0..body.len() - 16).map(|at| &body[at..at + 16]).collect();
    let damages = [
        pem.replace('\n', ""),
        pem.replace('\n', " "),
        pem.replace('\n', "\\n"),
        pem.replacen('\n', "", 1),
        pem.replace("-----\n", "-----"),
        pem.replace("PRIVATE KEY", &body),
        pem.replace("-----END PRIVATE KEY-----", ""),
        pem.replace("END PRIVATE", "END RSA PRIVATE"),
        pem.replace("PRIVATE KEY", "CERTIFICATE REQUEST"),
        pem.replace("PRIVATE KEY", "CERTIFICATE"),
        body.clone(),
    ];
    for damaged in damages {
        fs::write(path.join("bad.pem"), &damaged).expect("written");
        fs::write(path.join("certs/ca/issuing.key"), &damaged).expect("written");
        let ca = ["--ca", "certs/ca/issuing.crt", "--ca-key", "bad.pem"];
        for arguments in [
            &["inspect", "bad.pem"][..],
            &["inspect", "--short", "bad.pem"],
            &["inspect", "certs"],
            &[
                "verify", "bad.pem", "--trust", "bad.pem", "--crl", "bad.pem",
            ],
            &["sign", "bad.pem", "--dir", "certs"],
            &["sign", "certs/other/tls.csr", "--dir", "certs"],
            &[&["sign", "certs/other/tls.csr"][..], &ca].concat(),
            &["issue", "x", "--dns", "a.dev", "--dir", "certs"],
            &[&["issue", "x", "--dns", "a.dev", "--out", "x"][..], &ca].concat(),
            &["init", "--dir", "certs"],
        ] {
            for json in [&[][..], &["--json"]] {
                let said = pki(path, &[arguments, json].concat());
                let all = said.stdout + &said.stderr;
                let told = pieces.iter().find(|piece| all.contains(*piece));
                assert_eq!(told, None, "{arguments:?}");
            }
        }
    }
    fs::write(path.join("bad.pem"), pem.replace('\n', "")).expect("written");
    let said = pki(path, &["inspect", "bad.pem"]);
    assert_eq!(said.code, 7);
    assert!(
        said.stderr.contains("its line breaks are missing"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_file_of_endless_size_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = pki(folder.path(), &["inspect", "/dev/zero"]);
    assert_eq!(said.code, 7, "{}", said.stderr);
    assert!(
        said.stderr.contains("larger than the 16 MiB"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_broken_block_in_a_bundle_does_not_hide_the_others() {
    if !openssl_is_here() {
        return;
    }
    let folder = folder();
    let path = folder.path();
    certificate(path, "ca", KEYS[1].1, "server", &[]);
    let good = fs::read_to_string(path.join("ca.crt")).expect("read");
    fs::write(
        path.join("bundle"),
        format!("{good}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{good}"),
    )
    .expect("written");
    let said = pki(path, &["inspect", "--short", "bundle"]);
    assert_eq!(
        (said.code, said.stdout.lines().count()),
        (7, 2),
        "{} {}",
        said.stdout,
        said.stderr
    );
    assert!(
        said.stderr.contains("cannot be read as a certificate"),
        "{}",
        said.stderr
    );
    let json = pki(path, &["inspect", "--json", "bundle"]);
    let document: serde_json::Value =
        serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!(
        document["files"][0]["objects"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        document["files"][0]["problems"].as_array().map(Vec::len),
        Some(1)
    );
}
