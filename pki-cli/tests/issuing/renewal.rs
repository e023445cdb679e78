//! `pki renew` and `pki rekey`: what a certificate says is what its successor says, and what cannot be said again is
//! refused.

use std::{fs, process::Stdio};

use pki::{certificate::Certificate, key::PrivateKey};
use time::Duration;

use crate::support::{Home, duration, pair_fits, snapshot};

const ORDER: &str = "issue order --profile peer --subject /O=Example/OU=Orders/CN=order --dns order.dev,*.order.dev --ip 127.0.0.1,::1 --uri spiffe://example.org/order --email order@example.org --days 10";

/// What must not change: everything but serial number, validity and key.
fn facts(certificate: &Certificate) -> (Vec<u8>, Vec<String>, Option<pki::profile::Profile>, i64) {
    (
        certificate.subject().der().to_vec(),
        certificate
            .names()
            .iter()
            .map(ToString::to_string)
            .collect(),
        certificate.profile(),
        (certificate.not_after() - certificate.not_before()).whole_days(),
    )
}

fn spki(certificate: &Certificate) -> &[u8] {
    certificate.public_key().spki()
}

#[test]
fn renew_keeps_the_key_and_everything_that_the_certificate_says() {
    let home = Home::with_ca();
    home.pki(ORDER).succeeds();
    let (before, key) = (
        home.certificate("certs/order/tls.crt"),
        home.read("certs/order/tls.key"),
    );
    home.pki("renew order").succeeds();
    let after = home.certificate("certs/order/tls.crt");
    assert_eq!(facts(&after), facts(&before));
    assert_eq!(home.read("certs/order/tls.key"), key);
    assert_ne!(after.serial(), before.serial());
    home.assert_pair("certs/order");
    assert!(
        home.openssl_accepts("certs/order", "sslserver")
            .unwrap_or(true)
    );
    assert!(
        home.openssl_accepts("certs/order", "sslclient")
            .unwrap_or(true)
    );
}

#[test]
fn rekey_makes_a_new_key_of_the_same_kind_or_of_the_one_asked_for() {
    let home = Home::with_ca();
    home.pki(&format!("{ORDER} --key p384")).succeeds();
    let before = home.certificate("certs/order/tls.crt");
    home.pki("rekey order").succeeds();
    let after = home.certificate("certs/order/tls.crt");
    assert_eq!(facts(&after), facts(&before));
    assert_ne!(spki(&after), spki(&before));
    assert_eq!(
        after.public_key().to_string(),
        before.public_key().to_string()
    );
    home.assert_pair("certs/order");
    home.pki("rekey order --key ed25519").succeeds();
    let last = home.certificate("certs/order/tls.crt");
    assert_eq!(
        (facts(&last), last.public_key().to_string()),
        (facts(&before), "Ed25519".to_owned())
    );
    home.assert_pair("certs/order");
}

#[test]
fn another_validity_is_given_when_asked_for() {
    let home = Home::with_ca();
    home.pki(ORDER).succeeds();
    home.pki("renew order --days 30").succeeds();
    let certificate = home.certificate("certs/order/tls.crt");
    let days = (certificate.not_after() - certificate.not_before()).whole_days();
    assert_eq!(days, 30);
    snapshot!(home.pki("renew order --days 0"), @r#"
    exit 2
    --- stderr
    error: invalid value '0' for '--days <DAYS>': "0" is no validity in days; ask for 1 to 36500 days

    For more information, try '--help'.
    "#);
}

#[test]
fn only_what_is_due_is_renewed() {
    let home = Home::with_ca();
    home.pki("issue short --dns a.dev --days 10").succeeds();
    home.pki("issue long --dns a.dev --days 60").succeeds();
    let long = home.read("certs/long/tls.crt");
    snapshot!(home.pki("renew long --expiring 20d"), @r"
    exit 0
    = long  not due: valid until [date]
    Nothing is due.
    ");
    snapshot!(home.pki("renew --all --expiring 20d --dry-run"), @r"
    exit 0
    = long   not due: valid until [date]
    ~ short  would be renewed: valid until [date]
    Nothing was done: this was a dry run.
    ");
    let short = home.read("certs/short/tls.crt");
    snapshot!(home.pki("renew --all --expiring 20d"), @r"
    exit 0
    = long   not due: valid until [date]
    ~ short  renewed: valid until [date] and not [date], serial [serial]
    Done: 1 renewed, 1 not due.
    ");
    assert_ne!(home.read("certs/short/tls.crt"), short);
    assert_eq!(home.read("certs/long/tls.crt"), long);
    snapshot!(home.pki("renew long --expiring 20"), @r#"
    exit 2
    --- stderr
    error: invalid value '20' for '--expiring <TIME>': "20" is no length of time; give a whole number and its unit, as in 20d (days), 36h (hours) or 2w (weeks)

    For more information, try '--help'.
    "#);
}

#[test]
fn a_dry_run_takes_no_serial_number_and_needs_no_passphrase() {
    let home = Home::new();
    home.write("secret", "correct horse");
    home.pki("init --encrypt-key --passphrase-file secret")
        .succeeds();
    home.pki("issue x --dns a.dev --passphrase-file secret")
        .succeeds();
    let index = fs::read(home.path("certs/ca/index.db")).expect("an index");
    for command in [
        "renew x --dry-run",
        "rekey x --dry-run",
        "renew x --expiring 1d",
    ] {
        home.pki(command).succeeds();
    }
    assert_eq!(
        fs::read(home.path("certs/ca/index.db")).expect("an index"),
        index
    );
    snapshot!(home.pki("renew x"), @r#"
    exit 8
    --- stderr
    error: The key "certs/ca/issuing.key" is encrypted, and there is no terminal to ask for the passphrase; give it with --passphrase-file or in PKI_PASSPHRASE.
    "#);
    home.pki("renew x --passphrase-file secret").succeeds();
    home.assert_pair("certs/x");
}

#[test]
fn a_certificate_whose_key_is_elsewhere_is_renewed_and_not_rekeyed() {
    let home = Home::with_ca();
    home.pki("csr far --dns far.dev --out host").succeeds();
    home.pki("sign host/tls.csr --out certs/far").succeeds();
    fs::remove_file(home.path("certs/far/tls.key")).unwrap_or_default();
    let before = home.certificate("certs/far/tls.crt");
    home.pki("renew far").succeeds();
    let after = home.certificate("certs/far/tls.crt");
    assert_eq!(
        (facts(&after), spki(&after)),
        (facts(&before), spki(&before))
    );
    assert!(!home.path("certs/far/tls.key").exists());
    snapshot!(home.pki("rekey far"), @r#"
    exit 3
    --- stderr
    error: "certs/far/tls.key" is missing: the key is kept by whoever made the request, so no new one is made here; have a new request made with "pki csr" and sign it, or renew the certificate for the same key with "pki renew".
    "#);
}

#[test]
fn encrypted_keys_stay_encrypted() {
    let home = Home::with_ca();
    home.write("leaf", "leaf");
    home.pki("issue x --dns a.dev --encrypt-key --key-passphrase-file leaf")
        .succeeds();
    let key = home.read("certs/x/tls.key");
    home.pki("renew x").succeeds();
    assert_eq!(home.read("certs/x/tls.key"), key, "the key was not touched");
    snapshot!(home.pki("rekey x"), @r"
    exit 8
    --- stderr
    error: The new key of x is to be encrypted, and there is no terminal to ask for the passphrase; give it with --key-passphrase-file or in PKI_KEY_PASSPHRASE.
    ");
    assert_eq!(home.read("certs/x/tls.key"), key);
    home.pki("rekey x --key-passphrase-file leaf").succeeds();
    assert!(
        home.read("certs/x/tls.key")
            .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    let passphrase = pki::key::Passphrase::new(zeroize::Zeroizing::new(b"leaf".to_vec()));
    let opened = PrivateKey::read(home.read("certs/x/tls.key").as_bytes(), passphrase.as_ref())
        .expect("opened");
    assert_eq!(
        opened.public(),
        home.certificate("certs/x/tls.crt").public_key()
    );
    // A key in clear becomes an encrypted one when that is asked for.
    home.pki("issue y --dns a.dev").succeeds();
    home.pki("rekey y --key-passphrase-file leaf").succeeds();
    assert!(home.read("certs/y/tls.key").contains("ENCRYPTED"));
}

#[test]
fn what_cannot_be_renewed_is_refused_in_one_sentence() {
    let home = Home::with_ca();
    let other = Home::with_ca();
    other.pki("issue x --dns a.dev").succeeds();
    home.pki("issue x --dns a.dev").succeeds();
    home.pki("issue torn --dns a.dev").succeeds();
    home.pki("issue damaged --dns a.dev").succeeds();
    fs::create_dir(home.path("certs/foreign")).expect("a folder");
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        fs::copy(
            other.path("certs/x").join(name),
            home.path("certs/foreign").join(name),
        )
        .expect(name);
    }
    fs::copy(
        home.path("certs/x/tls.key"),
        home.path("certs/torn/tls.key"),
    )
    .expect("copied");
    home.write(
        "certs/damaged/tls.key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    snapshot!(home.pki("renew nobody"), @r#"
    exit 4
    --- stderr
    error: There is no certificate "certs/nobody/tls.crt" to renew; issue one with "pki issue", or name another folder.
    "#);
    snapshot!(home.pki("renew ca"), @r#"
    exit 2
    --- stderr
    error: The name "ca" cannot be used: a name is a folder below --dir, of at most 64 letters, digits, dots, hyphens and underscores, begins with a letter or digit, does not end in ".toml", and is not "ca".
    "#);
    snapshot!(home.pki("renew"), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <NAME>...

    Usage: pki renew <NAME>...

    For more information, try '--help'.
    ");
    snapshot!(home.pki("renew foreign"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/foreign/tls.crt" was not issued by this CA but by "CN=Private Issuing CA", so it is not renewed here; renew it at the CA that issued it, or issue another one with "pki issue --force".
    "#);
    snapshot!(home.pki("rekey foreign"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/foreign/tls.crt" was not issued by this CA but by "CN=Private Issuing CA", so it is not renewed here; renew it at the CA that issued it, or issue another one with "pki issue --force".
    "#);
    snapshot!(home.pki("renew torn"), @r#"
    exit 7
    --- stderr
    error: The key "certs/torn/tls.key" is not the one of the certificate beside it, so a renewed certificate would not fit it either; make a new pair with "pki rekey".
    "#);
    snapshot!(home.pki("renew damaged"), @r#"
    exit 7
    --- stderr
    error: The key "certs/damaged/tls.key" cannot be used: it is no usable RSA, P-256, P-384, P-521 or Ed25519 key: its encoding is damaged; make a new pair with "pki rekey".
    "#);
    snapshot!(Home::new().pki("renew x"), @r#"
    exit 4
    --- stderr
    error: There is no CA in "certs/ca"; create one with "pki init", or name its folder with --dir.
    "#);
    // What is torn or damaged is put right by a new key.
    home.pki("rekey torn damaged").succeeds();
    home.assert_pair("certs/torn");
    home.assert_pair("certs/damaged");
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let home = Home::with_ca();
    for name in ["a", "b", "c"] {
        home.pki(&format!("issue {name} --dns {name}.dev"))
            .succeeds();
    }
    fs::copy(home.path("certs/a/tls.key"), home.path("certs/b/tls.key")).expect("copied");
    fs::create_dir(home.path("certs/stranger")).expect("a folder");
    let other = Home::with_ca();
    other.pki("issue x --dns a.dev").succeeds();
    fs::copy(
        other.path("certs/x/tls.crt"),
        home.path("certs/stranger/tls.crt"),
    )
    .expect("copied");
    let before =
        ["a", "b", "c"].map(|name| home.certificate(&format!("certs/{name}/tls.crt")).serial());
    snapshot!(home.pki("renew --all"), @r#"
    exit 7
    ~ a         renewed: valid until [date] and not [date], serial [serial]
    ! b         not renewed
    ~ c         renewed: valid until [date] and not [date], serial [serial]
    - stranger  left alone: not issued by this CA
    Done: 2 renewed, 0 not due.
    --- stderr
    error: 1 of 4 certificates could not be renewed.
    hint: b: The key "certs/b/tls.key" is not the one of the certificate beside it, so a renewed certificate would not fit it either; make a new pair with "pki rekey".
    "#);
    let after =
        ["a", "b", "c"].map(|name| home.certificate(&format!("certs/{name}/tls.crt")).serial());
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
    assert_ne!(after[2], before[2]);
    let run = home.pki("renew a b nobody --json");
    assert_eq!(run.code, 7, "{run:?}");
    let document = run.json();
    let actions: Vec<_> = document["certificates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["action"].as_str().expect("an action").to_owned())
        .collect();
    assert_eq!(actions, ["renewed", "failed", "failed"]);
    assert_eq!(document["error"]["kind"], "malformed");
    assert_eq!(
        (&document["renewed"], &document["failed"]),
        (&1.into(), &2.into())
    );
}

#[test]
fn a_revoked_certificate_is_rekeyed_and_not_renewed() {
    let home = Home::with_ca();
    home.pki("issue x --dns a.dev").succeeds();
    let before = home.certificate("certs/x/tls.crt");
    home.pki("revoke x --reason keyCompromise").succeeds();
    snapshot!(home.pki("renew x"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/x/tls.crt" is revoked, and its key is not certified again; make a new key with "pki rekey", or issue another certificate with "pki issue --force".
    "#);
    // A service that was closed down is not brought back by a timer, whatever the verb.
    snapshot!(home.pki("renew --all"), @r"
    exit 0
    - x  left alone: revoked
    Nothing is due.
    ");
    snapshot!(home.pki("rekey --all"), @r"
    exit 0
    - x  left alone: revoked
    Nothing is due.
    ");
    // Neither is another certificate for the same key.
    home.pki("issue y --dns a.dev").succeeds();
    home.pki("renew y").succeeds();
    let serials = home.pki("list --name y --json").json();
    let first = serials["certificates"][0]["serial"]
        .as_str()
        .expect("a serial number");
    home.pki(&format!("revoke --serial {first} --reason keyCompromise"))
        .succeeds();
    snapshot!(home.pki("renew y"), @r#"
    exit 3
    --- stderr
    error: The key of the certificate "certs/y/tls.crt" was given up as compromised when another certificate for it was revoked, and it is not certified again; make a new key with "pki rekey".
    "#);
    home.pki("rekey x y").succeeds();
    let after = home.certificate("certs/x/tls.crt");
    assert_eq!(facts(&after), facts(&before));
    assert_ne!(spki(&after), spki(&before));
    home.pki("verify certs/x/tls.crt").succeeds();
}

/// A certificate of our CA that we would never make: openssl signs it with the CA's key.
pub(crate) fn signed_by_openssl(home: &Home, name: &str, extensions: &str) -> Option<()> {
    home.pki(&format!("issue {name} --dns a.dev")).succeeds();
    home.write("extensions.cnf", extensions);
    let request = format!("req -new -key certs/{name}/tls.key -subj /CN={name} -out request.pem");
    assert_eq!(home.openssl(&request)?.code, 0);
    let run = home.openssl(&format!(
        "x509 -req -in request.pem -CA certs/ca/issuing.crt -CAkey certs/ca/issuing.key -days 9 -extfile extensions.cnf -out certs/{name}/tls.crt"
    ))?;
    assert_eq!(run.code, 0, "{run:?}");
    Some(())
}

#[test]
fn what_no_profile_gives_is_not_dropped_in_silence() {
    let home = Home::with_ca();
    let extension =
        "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:a.dev\nkeyUsage=digitalSignature\n";
    for (name, more) in [
        ("plain", ""),
        ("stapled", "tlsfeature=status_request\n"),
        ("enciphering", "keyUsage=digitalSignature,keyEncipherment\n"),
        ("signing", "extendedKeyUsage=serverAuth,codeSigning\n"),
        (
            "named",
            "subjectAltName=DNS:a.dev,otherName:1.2.3.4;UTF8:x\n",
        ),
    ] {
        // The last of two lines with one name counts.
        if signed_by_openssl(&home, name, &format!("{extension}{more}")).is_none() {
            return;
        }
    }
    home.pki("renew plain").succeeds();
    let days = home.certificate("certs/plain/tls.crt");
    assert_eq!((days.not_after() - days.not_before()).whole_days(), 9);
    snapshot!(home.pki("renew stapled"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/stapled/tls.crt" has the extension 1.3.6.1.5.5.7.1.24, which a renewed one would not have; issue another one with "pki issue --force", or do without it with --allow-dropped.
    "#);
    snapshot!(home.pki("renew enciphering"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/enciphering/tls.crt" has the key usage keyEncipherment, which a renewed one would not have; issue another one with "pki issue --force", or do without it with --allow-dropped.
    "#);
    snapshot!(home.pki("renew signing --allow-dropped"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/signing/tls.crt" has the extended key usage 1.3.6.1.5.5.7.3.1, 1.3.6.1.5.5.7.3.3, which is that of no profile, so its successor would be another certificate; issue what you need with "pki issue --force".
    "#);
    snapshot!(home.pki("rekey named --allow-dropped"), @r#"
    exit 3
    --- stderr
    error: The certificate "certs/named/tls.crt" has the name an other name 1.2.3.4, which is not given as it is, so its successor would be another certificate; issue what you need with "pki issue --force".
    "#);
    snapshot!(home.pki("renew stapled --allow-dropped --dry-run"), @r"
    exit 0
    ~ stapled  would be renewed: valid until [date]
    Nothing was done: this was a dry run.
    --- stderr
    notice: stapled: the extension 1.3.6.1.5.5.7.1.24 is not given any more.
    ");
    home.pki("renew stapled --allow-dropped").succeeds();
}

#[test]
fn apply_has_nothing_to_do_after_a_renewal() {
    let home = Home::new();
    home.write(
        "pki.toml",
        "[ca]\nsubject = \"/CN=Root\"\n[certificate.a]\nprofile = \"peer\"\ndns = [\"a.dev\"]\nip = [\"::1\"]\n[certificate.b]\nprofile = \"client\"\ndays = 7\nkey = \"ed25519\"\n",
    );
    home.pki("apply pki.toml").succeeds();
    for command in ["renew --all", "rekey --all", "renew a b"] {
        home.pki(command).succeeds();
        assert!(
            home.pki("apply pki.toml")
                .succeeds()
                .ends_with("Nothing to do.\n"),
            "{command}"
        );
    }
}

#[test]
fn a_killed_rekey_leaves_the_old_pair_or_the_new_one() {
    let home = Home::with_ca();
    home.pki("issue x --dns a.dev").succeeds();
    let whole = duration(|| drop(home.pki("rekey x").succeeds()));
    for command in ["rekey", "renew"] {
        for step in 0..40 {
            home.run_and_kill(&[command, "x"], whole * step / 32);
            assert!(pair_fits(&home.path("certs/x")), "{command}, kill {step}");
        }
        home.pki(&format!("{command} x")).succeeds();
        home.assert_pair("certs/x");
    }
}

#[test]
fn many_renewals_at_once_leave_one_whole_pair_and_no_serial_number_twice() {
    let home = Home::with_ca();
    home.pki("issue x --dns a.dev --days 10").succeeds();
    let children: Vec<_> = (0..8)
        .map(|number| {
            let command = if number % 2 == 0 { "renew" } else { "rekey" };
            home.command(&[command, "x", "--expiring", "20d", "--days", "60"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary starts")
        })
        .collect();
    let mut made = 0;
    for child in children {
        let run = crate::support::Run::from(child.wait_with_output().expect("it ends"));
        made += u32::from(run.succeeds().contains("serial"));
    }
    assert_eq!(made, 1, "whoever came later saw that it was done");
    home.assert_pair("certs/x");
    let certificate = home.certificate("certs/x/tls.crt");
    assert!(certificate.not_after() - certificate.not_before() > Duration::days(59));
}
