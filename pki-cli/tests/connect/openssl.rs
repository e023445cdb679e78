//! A stranger at the other end: `openssl s_server` as the server that we connect to.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use rcgen::{ExtendedKeyUsagePurpose, SerialNumber};

use crate::{
    material::{Ca, days},
    support::Home,
};

/// A running `openssl s_server`; it ends with the test.
struct Stranger {
    process: Child,
    port: u16,
    _stdin: ChildStdin,
}

impl Stranger {
    /// `None` when a developer has no openssl.
    fn start(home: &Home, options: &str) -> Option<Self> {
        home.openssl("version")?.succeeds();
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(options.split_whitespace())
            .current_dir(home.path(""))
            // It ends at the end of its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let stdin = process.stdin.take().expect("piped");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(
                stdout.read_line(&mut line).expect("text"),
                0,
                "openssl says its port"
            );
            // “ACCEPT 127.0.0.1:34567”
            let port = line
                .strip_prefix("ACCEPT ")
                .and_then(|rest| rest.rsplit(':').next());
            if let Some(port) = port {
                break port.trim().parse().expect("a port");
            }
        };
        // It must not be stopped by a full pipe.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Some(Self {
            process,
            port,
            _stdin: stdin,
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn home(ca: &Ca) -> Home {
    let home = Home::new();
    ca.peer("server").write(&home, "server", ca);
    ca.peer("client").write(&home, "certs/client", ca);
    home
}

const SERVER: &str =
    "-cert server/tls.crt -key server/tls.key -CAfile server/ca.crt -alpn h2,http/1.1";

#[test]
fn openssl_and_pki_accept_each_other_in_both_versions() {
    let home = home(&Ca::root("Test Root"));
    for (version, protocol) in [
        ("-tls1_3", "TLS 1.3, TLS_"),
        ("-tls1_2", "TLS 1.2, TLS_ECDHE_"),
    ] {
        let options = format!("{SERVER} -Verify 1 -verify_return_error {version}");
        let Some(server) = Stranger::start(&home, &options) else {
            return;
        };
        let connect = format!("connect localhost:{} --identity client", server.port);
        let said = home.pki(&connect).succeeds();
        assert!(said.contains(protocol), "{said}");
        assert!(said.contains("ALPN                h2\n"), "{said}");
        assert!(
            said.contains("asked for, of CN=Test Root; /CN=client shown; the server went on\n"),
            "{said}"
        );
        let said = home.pki(&format!("{connect} --alpn http/1.1")).succeeds();
        assert!(said.contains("ALPN                http/1.1\n"), "{said}");
    }
}

#[test]
fn openssl_refuses_us_and_we_say_why_in_both_versions() {
    let (ca, other) = (Ca::root("Test Root"), Ca::root("Other Root"));
    let home = home(&ca);
    other.peer("foreign").write(&home, "certs/foreign", &ca);
    let issue = |name: &str, change: fn(&mut rcgen::CertificateParams)| {
        ca.issue(name, change)
            .write(&home, &format!("certs/{name}"), &ca);
    };
    issue("expired", |params| {
        params.not_after = days(-1) + time::Duration::hours(1)
    });
    issue("revoked", |params| {
        params.serial_number = Some(SerialNumber::from(7_u64))
    });
    issue("server-only", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    home.write("crl.pem", ca.revoke(&[7]));
    for version in ["-tls1_3", "-tls1_2"] {
        let options =
            format!("{SERVER} -Verify 1 -verify_return_error -crl_check -CRL crl.pem {version}");
        let Some(server) = Stranger::start(&home, &options) else {
            return;
        };
        for (options, sentence) in [
            (
                "--trust server/ca.crt",
                "demands a client certificate, and none was shown (alert ",
            ),
            (
                "--identity foreign",
                "refused our certificate /CN=foreign: the server does not trust the CA that issued it (alert unknown_ca).",
            ),
            (
                "--identity expired",
                "refused our certificate /CN=expired: it has expired",
            ),
            (
                "--identity revoked",
                "refused our certificate /CN=revoked: it is revoked (alert certificate_revoked).",
            ),
            (
                "--identity server-only",
                "refused our certificate /CN=server-only: it is not for clients",
            ),
        ] {
            let run = home.pki(&format!("connect localhost:{} {options}", server.port));
            assert_eq!(run.code, 113, "{version} {options}: {run}");
            assert!(run.stderr.contains(sentence), "{version} {options}: {run}");
        }
        home.pki(&format!(
            "connect localhost:{} --identity client",
            server.port
        ))
        .succeeds();
    }
}

#[test]
fn we_refuse_openssl_and_show_its_chain() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let expired = ca.issue("server", |params| {
        params.not_after = days(-1) + time::Duration::hours(1)
    });
    expired.write(&home, "server", &ca);
    let Some(server) = Stranger::start(&home, SERVER) else {
        return;
    };
    let target = format!("localhost:{}", server.port);
    let run = home.pki(&format!("connect {target} --trust server/ca.crt"));
    assert_eq!(run.code, 14, "{run}");
    assert!(run.stdout.contains("  certificate  server  ("), "{run}");
    let said = home.pki(&format!("inspect --short {target}")).succeeds();
    assert!(
        said.contains("certificate  server  (") && said.contains("expired"),
        "{said}"
    );
}

#[test]
fn openssl_may_ask_for_another_group_and_the_one_agreed_is_shown() {
    let home = home(&Ca::root("Test Root"));
    // HelloRetryRequest (RFC 8446 section 4.1.4): our first guess was the hybrid of ML-KEM.
    let Some(server) = Stranger::start(&home, &format!("{SERVER} -groups P-384")) else {
        return;
    };
    let said = home
        .pki(&format!(
            "connect localhost:{} --trust server/ca.crt",
            server.port
        ))
        .succeeds();
    assert!(said.contains(", secp384r1\n"), "{said}");
}

#[test]
fn openssl_with_nothing_in_common_says_so() {
    let home = home(&Ca::root("Test Root"));
    for (options, sentence) in [
        (
            "-tls1_2 -cipher AES128-SHA",
            "have no cipher suite, group or signature algorithm in common (alert handshake_failure).",
        ),
        (
            "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
            "does not speak TLS 1.2 or TLS 1.3, which was offered.",
        ),
    ] {
        let Some(server) = Stranger::start(&home, &format!("{SERVER} {options}")) else {
            return;
        };
        let said = home
            .pki(&format!(
                "connect localhost:{} --trust server/ca.crt",
                server.port
            ))
            .fails(112);
        assert!(said.contains(sentence), "{said}");
    }
}
