//! A CA of openssl, or of easy-rsa, with its history: taken over whole, and it goes on here.

use std::{fs, process::Command};

use crate::support::Home;

const CONFIGURATION: &str = "
[ca]
default_ca = d
[d]
dir = old
database = $dir/index.txt
new_certs_dir = $dir/newcerts
certificate = $dir/cacert.pem
private_key = $dir/private/cakey.pem
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
default_days = 365
default_crl_days = 30
policy = p
x509_extensions = v
crl_extensions = c
unique_subject = no
[c]
authorityKeyIdentifier = keyid:always
[p]
organizationName = optional
commonName = supplied
[v]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:old.dev
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

/// A home with the CA `old`, made by openssl: five certificates, the second and third revoked, and a CRL.
pub(crate) fn with_openssl_ca() -> Option<Home> {
    let home = Home::new();
    for folder in ["old/private", "old/newcerts"] {
        fs::create_dir_all(home.path(folder)).expect("made");
    }
    for (file, content) in [
        ("openssl.cnf", CONFIGURATION),
        ("old/index.txt", ""),
        ("old/serial", "A0\n"),
        ("old/crlnumber", "1f\n"),
    ] {
        home.write(file, content);
    }
    // Two OUs and two DCs: names that some programs lose.
    home.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout old/private/cakey.pem -out old/cacert.pem -days 3650 \
         -subj /DC=dev/DC=old/OU=one/OU=two/CN=Old-CA -addext keyUsage=critical,keyCertSign,cRLSign",
    )?
    .succeeds();
    let openssl = |args: &str| home.openssl(args).expect("openssl is here").succeeds();
    for number in 1..=5 {
        openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {number}.key -out {number}.csr -subj /O=Old/CN=service-{number}"
        ));
        openssl(&format!(
            "ca -config openssl.cnf -batch -in {number}.csr -out {number}.crt -notext"
        ));
    }
    openssl("ca -config openssl.cnf -revoke old/newcerts/A1.pem -crl_reason superseded");
    openssl("ca -config openssl.cnf -revoke old/newcerts/A2.pem -crl_compromise 20261101000000Z");
    openssl("ca -config openssl.cnf -gencrl -out old/crl.pem");
    Some(home)
}

#[test]
fn an_openssl_ca_goes_on_here_with_its_history() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    let rehearsed = home.pki("import ca --openssl old --dry-run --json").json();
    assert!(!home.path("certs").exists(), "a dry run writes nothing");
    let imported = home.pki("import ca --openssl old --json").json();
    for told in [&rehearsed, &imported] {
        let history = &told["histories"][0];
        assert_eq!(history["rows"], 5);
        assert_eq!(history["revoked"], 2);
        assert_eq!(history["crl_number"], 0x1f);
        assert_eq!(history["lost"], serde_json::json!([]));
        assert_eq!(told["notices"], serde_json::json!([]));
    }
    assert_eq!(
        imported["root"]["subject"],
        "CN=Old-CA,OU=two,OU=one,DC=old,DC=dev"
    );
    // What was issued before is accepted under the CA as it lies here, and so is what is issued now.
    home.pki("issue new --dns new.dev").succeeds();
    home.assert_pair("certs/new");
    assert_ne!(home.openssl_accepts("certs/new", "sslserver"), Some(false));
    let verified = home.pki("verify 1.crt --trust certs/ca/root.crt");
    assert_eq!(verified.code, 0, "{verified:?}");
    let told = home.pki("import ca --openssl old").fails(5);
    assert!(told.contains("never overwritten"), "{told}");
}

#[test]
fn the_history_says_which_keys_are_not_certified_again() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    home.pki("import ca --openssl old").succeeds();
    // A1 was revoked as superseded, A2 as compromised.
    home.pki("sign 2.csr --dns old.dev").succeeds();
    let told = home.pki("sign 3.csr --dns old.dev").fails(3);
    assert!(told.contains("the certificate a2 of"), "{told}");
}

#[test]
fn the_next_crl_revokes_what_was_revoked_and_has_a_higher_number() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    home.pki("import ca --openssl old").succeeds();
    home.pki("crl").succeeds();
    let openssl = |args: &str| home.openssl(args).expect("openssl is here");
    let number = openssl("crl -in certs/ca/crl.pem -noout -crlnumber").succeeds();
    assert_eq!(number.trim(), "crlNumber=0x20");
    let text = openssl("crl -in certs/ca/crl.pem -noout -text").succeeds();
    for expected in ["Superseded", "Key Compromise", "Nov  1 00:00:00 2026 GMT"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let judged = |number: usize| {
        openssl(&format!(
            "verify -x509_strict -crl_check -CAfile certs/ca/root.crt -CRLfile certs/ca/crl.pem {number}.crt"
        ))
    };
    for (number, is_revoked) in [(1, false), (2, true), (3, true), (4, false), (5, false)] {
        let run = judged(number);
        assert_eq!(run.code != 0, is_revoked, "{number}: {run:?}");
        assert_eq!(run.stderr.contains("certificate revoked"), is_revoked);
    }
    // What was imported is listed and can be revoked like everything else.
    let listed = home.pki("list --json").json().to_string();
    assert!(listed.contains("CN=service-4,O=Old"), "{listed}");
    home.pki("revoke --serial a3 --reason cessationOfOperation")
        .succeeds();
    assert_ne!(judged(4).code, 0);
    assert_eq!(judged(5).code, 0);
}

#[test]
fn apply_tells_everybody_what_an_imported_ca_had_revoked() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    home.pki("import ca --openssl old").succeeds();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/DC=dev/DC=old/OU=one/OU=two/CN=Old-CA\"\nsingle_tier = true\nkey = \"rsa-2048\"\n[certificate.new]\nprofile = \"server\"\ndns = [\"new.dev\"]\n",
    );
    let planned = home.pki("apply pki.toml --dry-run").succeeds();
    assert!(planned.contains("there is none yet"), "{planned}");
    assert!(!home.path("certs/ca/crl.pem").exists());
    let document = home.pki("apply pki.toml --dry-run --json").json();
    assert_eq!(document["crls"]["missing"], true);
    let done = home.pki("apply pki.toml").succeeds();
    assert!(done.ends_with("Done: 1 issued, 1 CRL signed.\n"), "{done}");
    let lists = home.read("certs/new/crl.pem");
    assert_eq!(lists, home.read("certs/ca/crl.pem"));
    for (number, code) in [(1, 0), (2, 23), (3, 23)] {
        let run = home.pki(&format!("verify {number}.crt"));
        assert_eq!(run.code, code, "{run:?}");
    }
    let again = home.pki("apply pki.toml").succeeds();
    assert!(again.ends_with("Nothing to do.\n"), "{again}");
    // As a process leaves it that dies between the signature and the file.
    fs::remove_file(home.path("certs/ca/crl.pem")).expect("removed");
    let mended = home.pki("apply pki.toml").succeeds();
    assert!(mended.contains("crl.pem is missing"), "{mended}");
    assert_eq!(home.read("certs/ca/crl.pem"), lists);
    let again = home.pki("apply pki.toml").succeeds();
    assert!(again.ends_with("Nothing to do.\n"), "{again}");
}

/// The lines of the table, changed.
fn change_table(home: &Home, change: impl Fn(&str) -> String) {
    let table = home.read("old/index.txt");
    home.write("old/index.txt", change(&table));
}

/// What is damaged, with which exit code and in which words that is told, and how it is done.
type Case<'a> = (&'a str, i32, &'a str, &'a dyn Fn(&Home));

#[test]
fn what_contradicts_itself_is_refused_and_nothing_is_written() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    let table = home.read("old/index.txt");
    let stranger = home.read("1.crt").replace('\r', "");
    let cases: [Case<'_>; 7] = [
        ("a line that is cut off", 7, "Line 2 of", &|home| {
            change_table(home, |table| table.replacen("\tA1\tunknown", "\tA1", 1));
        }),
        ("a number twice", 7, "is there twice", &|home| {
            change_table(home, |table| table.replacen("\tA4\t", "\tA3\t", 1));
        }),
        ("another end", 7, "contradicts the certificate", &|home| {
            change_table(home, |table| table.replacen("V\t2", "V\t3", 1));
        }),
        (
            "another certificate in the file",
            7,
            "its serial number is a0 and not a4",
            &|home| {
                home.write("old/newcerts/A4.pem", &stranger);
            },
        ),
        ("another CA", 3, "the CA key does not belong", &|home| {
            home.openssl("req -x509 -newkey ed25519 -nodes -keyout other.key -out old/cacert.pem -days 30 -subj /CN=Other");
        }),
        (
            "a CRL number that is none",
            7,
            "holds no CRL number",
            &|home| {
                home.write("old/crlnumber", "next\n");
            },
        ),
        ("no table", 4, "holds no index of a CA", &|home| {
            fs::remove_file(home.path("old/index.txt")).expect("removed");
        }),
    ];
    let whole = ["cacert.pem", "newcerts/A4.pem", "crlnumber"]
        .map(|name| (name, home.read(&format!("old/{name}"))));
    for (what, code, expected, damage) in cases {
        damage(&home);
        for option in ["", " --dry-run"] {
            let told = home
                .pki(&format!("import ca --openssl old{option}"))
                .fails(code);
            let lower = told.to_lowercase();
            assert!(lower.contains(&expected.to_lowercase()), "{what}: {told}");
            assert!(!home.path("certs/ca").exists(), "{what}");
        }
        home.write("old/index.txt", &table);
        for (name, content) in &whole {
            home.write(&format!("old/{name}"), content);
        }
    }
    home.pki("import ca --openssl old").succeeds();
}

#[test]
fn certificates_of_another_key_are_not_taken_for_those_of_the_ca() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    // The same name and another key: the certificates in newcerts were not signed by it.
    home.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout old/private/cakey.pem -out old/cacert.pem -days 3650 \
         -subj /DC=dev/DC=old/OU=one/OU=two/CN=Old-CA -addext keyUsage=critical,keyCertSign,cRLSign",
    )
    .expect("openssl is here")
    .succeeds();
    let told = home.pki("import ca --openssl old").fails(3);
    assert!(
        told.contains("A0.pem") && told.contains("another key"),
        "{told}"
    );
    assert!(!home.path("certs/ca").exists());
}

#[test]
fn what_is_lost_or_was_never_written_down_is_told_and_kept() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    fs::remove_file(home.path("old/newcerts/A0.pem")).expect("removed");
    // Signed, and then the machine stopped: the row never came.
    change_table(&home, |table| {
        let kept: Vec<_> = table
            .lines()
            .filter(|line| !line.contains("\tA4\t"))
            .collect();
        kept.join("\n") + "\n"
    });
    // The table was restored from a backup that knows of one revocation less.
    change_table(&home, |table| {
        let lines = table.lines().map(|line| match line.contains("\tA1\t") {
            true => {
                let columns: Vec<_> = line.split('\t').collect();
                format!("V\t{}\t\t{}", columns[1], columns[3..].join("\t"))
            }
            false => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    });
    let imported = home.pki("import ca --openssl old --json");
    let history = &imported.json()["histories"][0];
    assert_eq!(history["lost"], serde_json::json!(["a0"]));
    assert_eq!(history["unlisted"], serde_json::json!(["a4"]));
    assert_eq!(history["only_on_crl"], serde_json::json!(["a1"]));
    assert_eq!(
        imported.stderr.matches("notice:").count(),
        3,
        "{imported:?}"
    );
}

#[test]
fn an_encrypted_key_stays_encrypted_under_its_passphrase() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    home.openssl("pkcs8 -topk8 -in old/private/cakey.pem -out encrypted.pem -passout pass:right")
        .expect("openssl is here")
        .succeeds();
    home.write("secret", "right");
    let args = "import ca --openssl old --key encrypted.pem";
    let told = home.pki(args).fails(8);
    assert!(told.contains("--passphrase-file"), "{told}");
    home.pki(&format!("{args} --passphrase-file secret"))
        .succeeds();
    assert!(
        home.read("certs/ca/root.key")
            .contains("BEGIN ENCRYPTED PRIVATE KEY")
    );
    home.pki("issue new --dns new.dev").fails(8);
    home.pki("issue new --dns new.dev --passphrase-file secret")
        .succeeds();
    // And a key in clear is encrypted on demand, but not left so beside a passphrase that somebody gave.
    let told = home
        .pki("--dir more import ca --openssl old --passphrase-file secret")
        .fails(2);
    assert!(told.contains("add --encrypt-key"), "{told}");
    home.pki("--dir more import ca --openssl old --encrypt-key --passphrase-file secret")
        .succeeds();
    assert!(
        home.read("more/ca/root.key")
            .contains("BEGIN ENCRYPTED PRIVATE KEY")
    );
}

#[test]
fn a_ca_of_two_tiers_is_taken_over_file_by_file() {
    let home = Home::new();
    home.pki("--dir first init").succeeds();
    let args = "import ca --cert first/ca/root.crt --issuing-cert first/ca/issuing.crt";
    let told = home.pki(args).fails(4);
    assert!(told.contains("--issuing-key"), "{told}");
    let run = home.pki(&format!("{args} --issuing-key first/ca/issuing.key"));
    assert!(run.stderr.contains("may stay offline"), "{run:?}");
    home.pki("issue order --dns order.dev").succeeds();
    home.assert_pair("certs/order");
    // The issuing CA alone, with its root for the chain.
    home.pki("--dir third import ca --cert first/ca/issuing.crt --key first/ca/issuing.key --chain first/ca/root.crt")
        .succeeds();
    home.pki("--dir third issue order --dns order.dev")
        .succeeds();
    let told = home
        .pki("--dir fourth import ca --cert first/ca/issuing.crt --key first/ca/issuing.key")
        .fails(3);
    assert!(told.contains("give it with --chain"), "{told}");
    // Keys exchanged.
    let told = home
        .pki("--dir fourth import ca --cert first/ca/root.crt --key first/ca/issuing.key")
        .fails(3);
    assert!(told.contains("does not belong"), "{told}");
    // A pair is no CA.
    let told = home
        .pki("--dir fourth import ca --cert certs/order/tls.crt --key certs/order/tls.key")
        .fails(3);
    assert!(told.contains("is not a CA"), "{told}");
    assert!(!home.path("fourth").exists());
}

#[test]
fn two_folders_of_openssl_become_one_ca_of_two_tiers() {
    let Some(home) = with_openssl_ca() else {
        return;
    };
    // The issuing CA has a table of its own, with one certificate, which is revoked.
    for folder in ["below/private", "below/newcerts"] {
        fs::create_dir_all(home.path(folder)).expect("made");
    }
    home.write("below/index.txt", "");
    home.write("below/serial", "A0\n");
    home.write("below/crlnumber", "05\n");
    home.write(
        "below.cnf",
        CONFIGURATION.replace("dir = old", "dir = below"),
    );
    home.write(
        "ca.ext",
        "basicConstraints = critical,CA:TRUE,pathlen:0\nkeyUsage = critical,keyCertSign,cRLSign\n\
         subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n",
    );
    let openssl = |args: &str| home.openssl(args).expect("openssl is here").succeeds();
    openssl(
        "req -newkey rsa:2048 -nodes -keyout below/private/cakey.pem -out below.csr -subj /CN=Below",
    );
    openssl(
        "ca -config openssl.cnf -batch -in below.csr -out below/cacert.pem -notext -extfile ca.ext",
    );
    openssl("req -newkey rsa:2048 -nodes -keyout x.key -out x.csr -subj /CN=x");
    openssl("ca -config below.cnf -batch -in x.csr -out x.crt -notext -days 300");
    openssl("ca -config below.cnf -revoke x.crt -crl_reason affiliationChanged");
    let imported = home
        .pki("import ca --openssl old --issuing-openssl below --json")
        .json();
    let histories = &imported["histories"];
    assert_eq!(
        (&histories[0]["rows"], &histories[1]["rows"]),
        (&6.into(), &1.into())
    );
    home.pki("issue new --dns new.dev").succeeds();
    home.pki("crl").succeeds();
    let judged = |file: &str| {
        let args = format!(
            "verify -x509_strict -crl_check_all -CAfile certs/ca/root.crt -untrusted certs/ca/issuing.crt -CRLfile certs/ca/crl.pem {file}"
        );
        home.openssl(&args).expect("openssl is here").code
    };
    assert_eq!(judged("certs/new/tls.crt"), 0);
    assert_ne!(judged("x.crt"), 0);
}

#[test]
fn a_ca_of_easy_rsa_is_taken_over_with_its_history() {
    let script = "/usr/share/easy-rsa/easyrsa";
    if !std::path::Path::new(script).exists() {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"easy-rsa is not installed; its test is skipped\n",
        );
        return;
    }
    let home = Home::new();
    for args in [
        "init-pki",
        "build-ca nopass",
        "build-server-full one nopass",
        "build-client-full two nopass",
        "revoke two keyCompromise",
        "gen-crl",
    ] {
        let output = Command::new(script)
            .args(args.split_whitespace())
            .current_dir(home.path(""))
            .env("EASYRSA_BATCH", "1")
            .env("EASYRSA_PKI", home.path("pki"))
            .env("EASYRSA_ALGO", "ec")
            .output()
            .expect("easy-rsa starts");
        assert!(output.status.success(), "{args}: {output:?}");
    }
    // Its basicConstraints are not critical, which verifiers refuse; its history is worth keeping all the same.
    let told = home.pki("import ca --openssl pki").fails(3);
    assert!(
        told.contains("basicConstraints") && told.contains("--allow-unfit"),
        "{told}"
    );
    let imported = home
        .pki("import ca --openssl pki --allow-unfit --json")
        .json();
    let history = &imported["histories"][0];
    assert_eq!(
        (&history["rows"], &history["revoked"]),
        (&2.into(), &1.into())
    );
    assert_eq!(history["lost"], serde_json::json!([]));
    home.pki("issue x --dns a.dev").fails(3);
    // Its certificates can be revoked, and its CRLs go on.
    home.pki("crl").succeeds();
    if let Some(crl) = home.openssl("crl -in certs/ca/crl.pem -noout -text -CAfile pki/ca.crt") {
        assert!(crl.stderr.contains("verify OK"), "{crl:?}");
        assert!(crl.stdout.contains("Key Compromise"), "{crl:?}");
    }
}
