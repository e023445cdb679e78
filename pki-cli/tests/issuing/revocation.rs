//! `pki revoke` and `pki crl`: what they say and write, and that openssl reads and believes it.

use std::{collections::BTreeSet, fs, process::Stdio};

use pki::{
    index::{Filter, Index, Status},
    inspect,
};

use crate::support::{Home, Run, snapshot};

/// A CA with the certificates `order` and `payment`.
fn home() -> Home {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    home.pki("issue payment --dns payment.example.org")
        .succeeds();
    home
}

fn index(home: &Home) -> Index {
    Index::open(&home.path("certs/ca/index.db")).expect("the index")
}

/// Whether openssl accepts it when the CRLs of all CAs are asked. `None` when a developer has no openssl.
fn openssl_accepts(home: &Home, folder: &str) -> Option<bool> {
    let run = home.openssl(&format!(
        "verify -x509_strict -crl_check_all -CRLfile {folder}/crl.pem -CAfile {folder}/ca.crt -untrusted {folder}/tls.crt {folder}/tls.crt"
    ))?;
    assert!(
        run.code == 0 || run.stderr.contains("certificate revoked"),
        "{run:?}"
    );
    Some(run.code == 0)
}

#[test]
fn a_revoked_certificate_is_on_the_crl_that_every_folder_gets() {
    let home = home();
    snapshot!(home.pki("revoke order --reason superseded"), @r#"
    exit 0
    Revoked order, serial [serial], valid until [date] (superseded).
    ~ CN=Private Issuing CA  CRL 1 of 1 certificate, until [date]: there is none yet
    ~ CN=Private Root CA  CRL 2 of 0 certificates, until [date]: nobody has it yet
    Written: certs/ca/crl.pem, and crl.pem in 2 of the folders of certificates.
    --- stderr
    notice: From now on every folder has a crl.pem, and who reads it refuses everybody once it has ended, first on [date]: let "pki crl" run every day.
    "#);
    let lists = home.read("certs/ca/crl.pem");
    assert_eq!(inspect::crls(lists.as_bytes()).expect("CRLs").len(), 2);
    for folder in ["certs/order", "certs/payment"] {
        assert_eq!(home.read(&format!("{folder}/crl.pem")), lists);
    }
    // The default of --crl is what the CA's folder has.
    let error = home.pki("verify certs/order/tls.crt").fails(23);
    assert!(error.contains("reason: superseded"), "{error}");
    home.pki("verify certs/payment/tls.crt").succeeds();
    // What is issued from now on has it from the beginning.
    home.pki("issue order --dns order.example.org --force")
        .succeeds();
    assert_eq!(home.read("certs/order/crl.pem"), lists);
    if let (Some(order), Some(payment)) = (
        openssl_accepts(&home, "certs/order"),
        openssl_accepts(&home, "certs/payment"),
    ) {
        assert!(order && payment);
        home.pki("revoke payment").succeeds();
        assert_eq!(openssl_accepts(&home, "certs/order"), Some(true));
        assert_eq!(openssl_accepts(&home, "certs/payment"), Some(false));
    }
}

#[test]
fn openssl_reads_every_field_of_a_crl() {
    let home = home();
    home.pki("revoke order --reason keyCompromise --invalidity-date 2026-11-01T00:00:00Z")
        .succeeds();
    let Some(text) =
        home.openssl("crl -in certs/ca/crl.pem -noout -text -CAfile certs/ca/issuing.crt")
    else {
        return;
    };
    assert!(text.stderr.contains("verify OK"), "{text:?}");
    let text = text.succeeds();
    for expected in [
        "Version 2 (0x1)",
        "Issuer: CN = Private Issuing CA",
        "X509v3 Authority Key Identifier",
        "X509v3 CRL Number",
        "Key Compromise",
        "Nov  1 00:00:00 2026 GMT",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_second_time_changes_nothing_and_says_so() {
    let home = home();
    home.pki("revoke order --reason superseded").succeeds();
    let lists = home.read("certs/ca/crl.pem");
    snapshot!(home.pki("revoke order --reason keyCompromise"), @"
    exit 0
    order, serial [serial], valid until [date] was revoked on [date] already (superseded); that stays as it is.
    = CN=Private Issuing CA  CRL 1 of 1 certificate, until [date]
    = CN=Private Root CA  CRL 2 of 0 certificates, until [date]
    Nothing to do.
    ");
    snapshot!(home.pki("crl"), @"
    exit 0
    = CN=Private Issuing CA  CRL 1 of 1 certificate, until [date]
    = CN=Private Root CA  CRL 2 of 0 certificates, until [date]
    Nothing to do.
    ");
    assert_eq!(home.read("certs/ca/crl.pem"), lists);
    let forced = home.pki("crl --force --life 36h --json").json();
    assert_eq!(forced["crls"][0]["number"], 2);
    assert_eq!(forced["folders"].as_array().expect("a list").len(), 2);
    // Nobody says anything: the life of the last one.
    let again = home.pki("crl --force --json").json();
    let life = |field: &str| again["crls"][0][field].as_str().expect("a time").to_owned();
    let moment = |text: String| {
        time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
            .expect("a time")
    };
    let life = moment(life("next_update")) - moment(life("this_update"));
    assert!(
        (life - time::Duration::hours(36)).abs() <= time::Duration::minutes(5),
        "{life}"
    );
}

#[test]
fn a_dry_run_writes_nothing_and_takes_no_number() {
    let home = home();
    home.pki("crl").succeeds();
    let (lists, rows) = (
        home.read("certs/ca/crl.pem"),
        index(&home).rows().expect("rows"),
    );
    snapshot!(home.pki("revoke order --dry-run"), @"
    exit 0
    order, serial [serial], valid until [date] would be revoked (unspecified).
    Nothing was done: this was a dry run.
    ");
    snapshot!(home.pki("crl --force --dry-run"), @"
    exit 0
    ~ CN=Private Issuing CA  a new CRL of 0 certificates would be signed: --force
    ~ CN=Private Root CA  a new CRL of 0 certificates would be signed: --force
    Nothing was done: this was a dry run.
    ");
    assert_eq!(home.read("certs/ca/crl.pem"), lists);
    assert_eq!(index(&home).rows().expect("rows"), rows);
    let next = home.pki("crl --force --json").json();
    assert_eq!(next["crls"][0]["number"], 2);
}

#[test]
fn the_name_means_what_the_folder_holds_and_earlier_ones_are_found_as_well() {
    let home = home();
    let first = home.certificate("certs/order/tls.crt").serial();
    home.pki("issue order --dns order.example.org --force")
        .succeeds();
    let second = home.certificate("certs/order/tls.crt").serial();
    let run = home.pki("revoke order --json");
    assert_eq!(run.json()["certificates"][0]["serial"], second.as_str());
    assert!(
        run.stderr
            .contains("1 other certificate of this name is still valid"),
        "{run:?}"
    );
    let run = home.pki(&format!("revoke --serial {}", first.to_uppercase()));
    assert!(run.succeeds().contains(&first));
    home.pki("revoke order --all").succeeds();
    home.pki("revoke certs/payment/tls.crt").succeeds();
    assert_eq!(
        index(&home)
            .count(&Filter::status(Status::Revoked))
            .expect("counted"),
        3
    );
}

#[test]
fn what_cannot_be_revoked_is_refused_with_the_way_out() {
    let home = home();
    let other = Home::with_ca();
    other.pki("issue order --dns order.example.org").succeeds();
    home.write("foreign.crt", other.read("certs/order/tls.crt"));
    for (args, code, expected) in [
        ("revoke nobody", 4, "There is no certificate of \"nobody\""),
        (
            "revoke nobody --all",
            4,
            "There is no certificate of \"nobody\"",
        ),
        ("revoke --serial 0102", 4, "the serial number 0102"),
        ("revoke --serial zz", 2, "is not a serial number"),
        ("revoke foreign.crt", 3, "is not in this CA's index"),
        ("revoke ca", 3, "pki revoke certs/ca/issuing.crt"),
        ("revoke certs/ca/root.crt", 3, "is a root"),
        (
            "revoke certs/ca/issuing.crt --reason keyCompromise",
            3,
            "give cACompromise",
        ),
        (
            "revoke order --reason certificateHold",
            2,
            "issue a new one",
        ),
        ("revoke order --reason stolen", 2, "choose unspecified"),
        (
            "revoke order --invalidity-date yesterday",
            2,
            "is not a time",
        ),
        (
            "revoke order --invalidity-date 2999-01-01T00:00:00Z",
            3,
            "lies in the future",
        ),
        ("crl --life 10", 2, "30d (days)"),
        ("crl --life 0h", 3, "A CRL cannot live 0 hours"),
        ("revoke order --dir nowhere", 4, "There is no CA"),
    ] {
        let error = home.pki(args).fails(code);
        let expected = expected.replace("30d (days)", "(days)");
        assert!(error.contains(&expected), "{args}: {error}");
    }
    assert!(!home.path("certs/ca/crl.pem").exists());
    assert_eq!(
        index(&home)
            .count(&Filter::status(Status::Revoked))
            .expect("counted"),
        0
    );
}

#[test]
fn revoking_the_issuing_ca_needs_the_roots_key_and_reaches_every_folder() {
    let home = home();
    home.pki("crl").succeeds();
    fs::rename(home.path("certs/ca/root.key"), home.path("root.key")).expect("moved");
    let args = "revoke certs/ca/issuing.crt --reason cACompromise";
    let error = home.pki(args).fails(4);
    assert!(error.contains("certs/ca/root.key"), "{error}");
    assert_eq!(
        index(&home)
            .count(&Filter::status(Status::Revoked))
            .expect("counted"),
        0
    );
    fs::rename(home.path("root.key"), home.path("certs/ca/root.key")).expect("brought back");
    let run = home.pki(args);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr
            .contains("issued 2 of the certificates that are still valid"),
        "{run:?}"
    );
    let error = home.pki("verify certs/order/tls.crt").fails(23);
    assert!(error.contains("intermediate 1"), "{error}");
    if let Some(is_accepted) = openssl_accepts(&home, "certs/order") {
        assert!(!is_accepted);
    }
}

#[test]
fn a_root_that_issues_by_itself_signs_its_own_crl() {
    let home = Home::new();
    home.pki("init --single-tier").succeeds();
    home.pki("issue order --dns order.example.org").succeeds();
    let document = home.pki("revoke order --json").json();
    assert_eq!(document["crls"].as_array().expect("a list").len(), 1);
    home.pki("verify certs/order/tls.crt").fails(23);
}

#[test]
fn a_folder_that_cannot_be_written_does_not_keep_the_others_from_it() {
    let home = home();
    fs::create_dir(home.path("certs/order/crl.pem")).expect("something in the way");
    let run = home.pki("revoke payment");
    assert_eq!(run.code, 6, "{run:?}");
    assert!(
        run.stderr.contains("could not be carried into certs/order"),
        "{run:?}"
    );
    assert!(run.stdout.contains("Revoked payment"), "{run:?}");
    assert_eq!(
        home.read("certs/payment/crl.pem"),
        home.read("certs/ca/crl.pem")
    );
    for command in ["crl --json", "revoke payment --json"] {
        let run = home.pki(command);
        let document = run.json();
        let failures = document["failures"].as_array().map(Vec::len);
        assert_eq!((run.code, failures), (6, Some(1)), "{command}");
        assert_eq!(document["error"]["exit_code"], 6, "{command}");
    }
    fs::remove_dir(home.path("certs/order/crl.pem")).expect("taken away");
    home.pki("crl").succeeds();
    assert_eq!(
        home.read("certs/order/crl.pem"),
        home.read("certs/ca/crl.pem")
    );
}

#[test]
fn folders_of_others_get_no_crl() {
    let home = home();
    let other = Home::with_ca();
    other.pki("issue guest --dns guest.example.org").succeeds();
    fs::create_dir_all(home.path("certs/guest")).expect("created");
    home.write("certs/guest/tls.crt", other.read("certs/guest/tls.crt"));
    fs::create_dir_all(home.path("certs/documents")).expect("created");
    home.write("certs/documents/note", "mine");
    home.pki("revoke order").succeeds();
    for folder in ["guest", "documents"] {
        assert!(
            !home.path(&format!("certs/{folder}/crl.pem")).exists(),
            "{folder}"
        );
    }
}

#[test]
fn an_encrypted_ca_key_is_opened_and_a_wrong_passphrase_revokes_nothing() {
    let home = Home::new();
    home.write("secret", "correct horse\n");
    home.write("wrong", "battery staple\n");
    home.pki("init --single-tier --encrypt-key --passphrase-file secret")
        .succeeds();
    home.pki("issue order --dns order.example.org --passphrase-file secret")
        .succeeds();
    for args in ["revoke order", "revoke order --passphrase-file wrong"] {
        home.pki(args).fails(8);
    }
    assert_eq!(
        index(&home)
            .count(&Filter::status(Status::Revoked))
            .expect("counted"),
        0
    );
    home.pki("revoke order --passphrase-file secret").succeeds();
    // What is not due needs no key.
    home.pki("crl").succeeds();
    let run = home.pki("crl --force");
    assert_eq!(run.code, 8, "{run:?}");
    assert!(run.stdout.contains("not signed: --force"), "{run:?}");
}

#[test]
fn one_passphrase_from_a_pipe_opens_the_keys_of_both_cas() {
    let home = Home::new();
    home.write("secret", "correct horse\n");
    home.pki("init --encrypt-key --passphrase-file secret")
        .succeeds();
    let script = format!(
        "cat secret | {} crl --passphrase-fd 0",
        env!("CARGO_BIN_EXE_pki")
    );
    let run = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path(""))
        .output();
    let run = Run::from(run.expect("a shell"));
    assert_eq!(run.code, 0, "{run:?}");
    let lists = home.read("certs/ca/crl.pem");
    assert_eq!(inspect::crls(lists.as_bytes()).expect("CRLs").len(), 2);
}

#[test]
fn sixteen_processes_revoke_at_once_and_none_is_forgotten() {
    const PROCESSES: usize = 16;
    let home = Home::with_ca();
    for number in 0..PROCESSES {
        home.pki(&format!("issue service-{number} --dns a.example.org"))
            .succeeds();
    }
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            home.command(&["revoke", &format!("service-{number}"), "--json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary starts")
        })
        .collect();
    for child in children {
        let run = Run::from(child.wait_with_output().expect("it ends"));
        run.succeeds();
    }
    let lists = home.read("certs/ca/crl.pem");
    let index = index(&home);
    assert_eq!(
        index
            .count(&Filter::status(Status::Revoked))
            .expect("counted"),
        16
    );
    let current = index
        .crl("CN=Private Issuing CA")
        .expect("read")
        .expect("there");
    let in_file = inspect::crls(lists.as_bytes()).expect("CRLs");
    assert_eq!(in_file[0], current.der, "the file has the last one");
    for number in 0..PROCESSES {
        let folder = format!("certs/service-{number}");
        assert_eq!(home.read(&format!("{folder}/crl.pem")), lists, "{folder}");
        home.pki(&format!("verify {folder}/tls.crt")).fails(23);
    }
}

#[test]
fn crl_numbers_only_grow_and_no_two_lists_have_one() {
    const PROCESSES: usize = 16;
    let home = home();
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            home.command(&["crl", "--force", "--json"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the binary starts")
        })
        .collect();
    let numbers: BTreeSet<u64> = children
        .into_iter()
        .map(|child| {
            let run = Run::from(child.wait_with_output().expect("it ends"));
            assert_eq!(run.code, 0, "{run:?}");
            run.json()["crls"][0]["number"].as_u64().expect("a number")
        })
        .collect();
    assert_eq!(numbers, (1..=PROCESSES as u64).collect());
    let current = index(&home)
        .crl("CN=Private Issuing CA")
        .expect("read")
        .expect("there");
    assert_eq!(current.number, PROCESSES as u64);
}

#[test]
fn verify_fails_closed_when_the_crl_of_the_ca_has_ended() {
    let home = home();
    home.pki("crl --life 1h").succeeds();
    home.pki("verify certs/order/tls.crt").succeeds();
    let tomorrow = time::OffsetDateTime::now_utc() + time::Duration::days(1);
    let at = tomorrow
        .format(&time::format_description::well_known::Rfc3339)
        .expect("a time");
    let error = home
        .run(&["verify", "certs/order/tls.crt", "--at", &at])
        .fails(24);
    assert!(error.contains("its next update has passed"), "{error}");
}

#[test]
fn apply_replaces_what_was_revoked_and_does_for_crls_what_is_due() {
    let home = Home::new();
    home.write(
        "certs.toml",
        "[ca]\nsubject = \"/CN=Root\"\n[certificate.order]\nprofile = \"peer\"\ndns = [\"order.example.org\"]\n[certificate.payment]\nprofile = \"server\"\ndns = [\"payment.example.org\"]\n",
    );
    home.pki("apply certs.toml").succeeds();
    let apply = || home.pki("apply certs.toml").succeeds();
    assert!(
        apply().contains("Nothing to do."),
        "no CRL, and none is needed"
    );
    let revoked = home.certificate("certs/order/tls.crt");
    home.pki("revoke order").succeeds();
    let plan = home.pki("apply certs.toml --dry-run").succeeds();
    assert!(plan.contains("~ order    revoked"), "{plan}");
    assert!(apply().contains("~ order    revoked"));
    assert_ne!(home.certificate("certs/order/tls.crt"), revoked);
    home.pki("verify certs/order/tls.crt").succeeds();
    assert!(apply().contains("Nothing to do."));

    // Somebody marked a certificate and died before the list was signed, and a folder lost its list.
    let payment = home.certificate("certs/payment/tls.crt");
    fs::copy(home.path("certs/payment/tls.crt"), home.path("payment.crt")).expect("copied");
    let mark = pki::index::Revocation {
        at: time::OffsetDateTime::now_utc(),
        reason: pki::revocation_reason::RevocationReason::Superseded,
        invalid_since: None,
    };
    index(&home)
        .revoke(&payment.serial(), &payment.issuer().to_string(), &mark)
        .expect("marked");
    fs::remove_file(home.path("certs/order/crl.pem")).expect("removed");
    let document = home.pki("apply certs.toml --dry-run --json").json();
    assert_eq!(document["crls"]["sign"][0]["action"], "sign");
    assert_eq!(document["crls"]["folders"][0], "certs/order");
    let done = apply();
    for expected in [
        "~ payment  revoked",
        "1 revocation is not in it",
        "Done: 1 issued, 1 CRL signed.",
    ] {
        assert!(done.contains(expected), "{done}");
    }
    home.pki("verify payment.crt").fails(23);
    home.pki("verify certs/payment/tls.crt").succeeds();
    assert_eq!(
        home.read("certs/order/crl.pem"),
        home.read("certs/ca/crl.pem")
    );
    assert!(apply().contains("Nothing to do."));
}

#[test]
fn while_a_ca_is_rotated_the_lists_of_all_of_them_are_in_every_folder() {
    let home = home();
    home.pki("crl").succeeds();
    home.pki("ca rotate prepare --now").succeeds();
    home.pki("ca rotate activate --now").succeeds();
    home.pki("issue shipping --dns shipping.example.org")
        .succeeds();
    // One of the previous CA, and one of the present one.
    home.pki("revoke payment").succeeds();
    for (folder, code) in [("order", 0), ("payment", 23), ("shipping", 0)] {
        let lists = home.read(&format!("certs/{folder}/crl.pem"));
        assert_eq!(inspect::crls(lists.as_bytes()).expect("CRLs").len(), 3);
        let run = home.pki(&format!("verify certs/{folder}/tls.crt"));
        assert_eq!(run.code, code, "{run:?}");
        if let Some(is_accepted) = openssl_accepts(&home, &format!("certs/{folder}")) {
            assert_eq!(is_accepted, code == 0, "{folder}");
        }
    }
}

#[test]
fn the_error_offers_the_reasons_that_the_help_lists() {
    let home = Home::new();
    let told = home.pki("revoke x --reason stolen").fails(2);
    let (_, offered) = told.split_once("choose ").expect("a list");
    let offered = offered.split_once('.').expect("a sentence").0;
    let help = home.pki("revoke --help").succeeds();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, listed) = help.split_once("section 5.3.1): ").expect("a list");
    let listed = listed.split_once('.').expect("a sentence").0;
    assert_eq!(offered.replace(" or ", ", "), listed);
}

#[test]
fn check_of_a_file_or_a_folder_elsewhere_knows_what_the_ca_has_revoked() {
    let home = home();
    fs::create_dir(home.path("copy")).expect("a folder");
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        let from = home.path(&format!("certs/order/{file}"));
        fs::copy(from, home.path(&format!("copy/{file}"))).expect(file);
    }
    home.pki("check copy").succeeds();
    home.pki("revoke order").succeeds();
    for path in ["certs/order", "certs/order/tls.crt", "copy", "copy/tls.crt"] {
        let run = home.pki(&format!("check {path}"));
        assert_eq!(run.code, 102, "{path}: {run:?}");
        assert_eq!(run.stdout.matches("revoked").count(), 1, "{path}: {run:?}");
    }
    home.pki("check certs/payment/tls.crt").succeeds();
    // Without the CA nobody knows.
    home.pki("check copy/tls.crt --dir elsewhere").succeeds();
}
