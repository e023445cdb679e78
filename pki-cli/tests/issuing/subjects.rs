//! Subjects whose values are no text (RFC 4514 §2.4): asked for, issued, requested, renewed, and read by openssl.

use crate::support::Home;

const SUBJECT: &str = "CN=#0c056f72646572,1.2.3.4=#0303000161,O=Test";
const SHOWN: &str = "CN=order,1.2.3.4=#0303000161,O=Test";

#[test]
fn a_value_that_is_given_as_its_encoding_stands_in_the_certificate() {
    let home = Home::with_ca();
    let json = |args: &[&str]| {
        let run = home.run(args);
        assert_eq!(run.code, 0, "{run}");
        run.json()
    };
    let dns = ["--dns", "a.dev", "--subject", SUBJECT, "--json"];
    let issued = json(&[&["issue", "order"][..], &dns].concat());
    assert_eq!(issued["certificate"]["subject"], SHOWN, "{issued}");
    let requested = json(&[&["csr", "payment"][..], &dns].concat());
    assert_eq!(requested["subject"], SHOWN, "{requested}");
    home.pki("sign certs/payment/tls.csr").succeeds();
    home.pki("renew order").succeeds();
    for name in ["order", "payment"] {
        let certificate = format!("certs/{name}/tls.crt");
        assert_eq!(home.certificate(&certificate).subject().to_string(), SHOWN);
        home.pki(&format!("verify {certificate}")).succeeds();
        if let Some(run) = home.openssl(&format!(
            "x509 -noout -subject -nameopt RFC2253 -in {certificate}"
        )) {
            assert_eq!(run.succeeds().trim(), format!("subject={SHOWN}"));
            assert_eq!(
                home.openssl_accepts(&format!("certs/{name}"), "sslserver"),
                Some(true)
            );
        }
    }
}

#[test]
fn what_is_no_encoding_is_refused_before_anything_is_made() {
    let home = Home::with_ca();
    for (subject, reason) in [
        ("CN=#0c0", "not pairs of hexadecimal digits"),
        ("CN=#0c056f7264", "not the DER of one value"),
        (
            "CN=a,1.3.6.1.4.1.1466.0=#04024869",
            "openssl reads in no name",
        ),
        ("CN=#04024869", "UTF8String or PrintableString"),
    ] {
        let refused = home.run(&["issue", "order", "--dns", "a.dev", "--subject", subject]);
        assert!(refused.fails(2).contains(reason), "{subject}");
    }
    assert!(!home.path("certs/order").exists());
}

#[test]
fn a_subject_that_is_shown_can_be_given_back() {
    let home = Home::with_ca();
    for subject in [r"/CN=a\/b", r"/O=back\\slash/CN=a\+b"] {
        let run = home.run(&[
            "issue",
            "order",
            "--dns",
            "order.example.org",
            "--subject",
            subject,
            "--dry-run",
        ]);
        let text = run.succeeds();
        assert!(text.contains(&format!("subject  {subject}\n")), "{text}");
    }
}
