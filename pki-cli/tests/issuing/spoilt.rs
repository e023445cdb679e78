//! Files whose first block is spoilt: no command takes the next one in its place without a word.

use crate::support::Home;

fn home() -> Home {
    let home = Home::with_ca();
    home.pki("issue order --dns order.example.org").succeeds();
    home
}

#[test]
fn a_byte_order_mark_changes_nothing() {
    let home = home();
    let chain = home.read("certs/order/tls.crt");
    home.write("order.pem", format!("\u{feff}{chain}"));
    home.pki("verify order.pem").succeeds();
    let text = home.pki("revoke order.pem").succeeds();
    assert!(text.contains("Revoked order"), "{text}");
    home.pki("verify certs/order/tls.crt").fails(23);
}

#[test]
fn a_spoilt_first_certificate_is_told_and_the_next_is_not_taken_for_it() {
    let home = home();
    let chain = home.read("certs/order/tls.crt");
    let (_, spoilt) = chain.split_once('B').expect("BEGIN");
    for begin in ["Hello -----B", "----B", "-----b", "-----XB"] {
        home.write("order.pem", format!("{begin}{spoilt}"));
        for command in ["revoke", "verify", "check", "inspect"] {
            let run = home.pki(&format!("{command} order.pem"));
            assert_ne!(run.code, 0, "{command} {begin}: {run:?}");
            assert!(
                run.stderr.contains("cannot be read") || run.stdout.contains("cannot be read"),
                "{command} {begin}: {run:?}"
            );
        }
    }
    home.pki("verify certs/order/tls.crt").succeeds();
}

#[test]
fn a_block_in_small_letters_is_told_by_whoever_reads_it() {
    let home = home();
    home.pki("csr payment --dns payment.example.org").succeeds();
    home.pki("crl").succeeds();
    for (file, small) in [
        ("certs/order/tls.crt", "leaf.pem"),
        ("certs/order/tls.key", "key.pem"),
        ("certs/ca/root.crt", "root.pem"),
        ("certs/ca/root.key", "root-key.pem"),
        ("certs/payment/tls.csr", "request.pem"),
        ("certs/ca/crl.pem", "lists.pem"),
    ] {
        let text: Vec<_> = home
            .read(file)
            .lines()
            .map(|line| match line.starts_with('-') {
                true => line.to_ascii_lowercase(),
                false => line.to_owned(),
            })
            .collect();
        home.write(small, text.join("\n"));
        let shown = home.pki(&format!("inspect {small}"));
        assert_eq!(shown.code, 7, "{small}: {shown:?}");
        assert!(shown.stderr.contains("not in capital letters"), "{shown:?}");
    }
    for command in [
        "verify leaf.pem",
        "verify certs/order/tls.crt --trust root.pem",
        "verify certs/order/tls.crt --crl lists.pem",
        "verify certs/order/tls.crt --intermediates root.pem",
        "check leaf.pem",
        "revoke leaf.pem",
        "sign request.pem",
        "issue x --dns x.dev --ca root.pem --ca-key certs/ca/root.key",
        "issue x --dns x.dev --ca certs/ca/root.crt --ca-key root-key.pem",
        "import x --cert leaf.pem --key certs/order/tls.key",
        "import x --cert certs/order/tls.crt --key key.pem",
        "import ca --dir y --cert root.pem --key certs/ca/root.key",
    ] {
        let run = home.pki(command);
        assert_ne!(run.code, 0, "{command}: {run:?}");
        assert!(
            format!("{run}").contains("is not in capital letters"),
            "{command}: {run:?}"
        );
    }
}

#[test]
fn a_ca_is_revoked_by_a_file_that_begins_with_it_alone() {
    let home = home();
    let issuing = home.read("certs/ca/issuing.crt");
    let unknown = "-----BEGIN CERTIFICAT-----\nAAEC\n-----END CERTIFICAT-----\n";
    home.write("ca.pem", format!("{unknown}{issuing}"));
    let error = home.pki("revoke ca.pem").fails(3);
    assert!(error.contains("it is not guessed"), "{error}");
    home.pki("verify certs/order/tls.crt").succeeds();
    home.write("ca.pem", format!("some text\n{issuing}"));
    home.pki("revoke ca.pem").succeeds();
}

#[test]
fn every_command_reads_the_trusted_form_of_openssl() {
    let home = home();
    let Some(run) =
        home.openssl("x509 -in certs/order/tls.crt -trustout -addtrust serverAuth -out order.pem")
    else {
        return;
    };
    assert_eq!(run.code, 0, "{run:?}");
    assert!(home.read("order.pem").contains("BEGIN TRUSTED CERTIFICATE"));
    home.pki("inspect order.pem").succeeds();
    home.pki("check order.pem").succeeds();
    home.pki("revoke order.pem").succeeds();
}
