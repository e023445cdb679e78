//! The server judges our certificate: what it says, and what we say of it.

use rcgen::{ExtendedKeyUsagePurpose, SerialNumber};

use crate::{
    material::{Ca, Pair, days},
    server::{Client, Setup, TLS12},
    support::{Home, Run},
};

struct World {
    home: Home,
    ca: Ca,
    server: Pair,
}

impl World {
    fn new() -> Self {
        let (home, ca) = (Home::new(), Ca::root("Test Root"));
        let server = ca.peer("server");
        ca.peer("client").write(&home, "certs/client", &ca);
        Self { home, ca, server }
    }

    /// Connects with the identity in this folder below `certs`.
    fn connect(&self, setup: Setup, options: &str) -> Run {
        let server = setup.start();
        self.home
            .pki(&format!("connect localhost:{} {options}", server.port()))
    }
}

#[test]
fn both_sides_accept_each_other() {
    let world = World::new();
    let said = world
        .connect(
            Setup::of(&world.server).requires(&world.ca),
            "--identity client",
        )
        .succeeds();
    for line in [
        "as localhost\n",
        "protocol            TLS 1.3, TLS_AES_256_GCM_SHA384, X25519MLKEM768\n",
        "ALPN                h2\n",
        "client certificate  asked for, of CN=Test Root; /CN=client shown; the server went on\n",
        "server              CN=server\n",
        "  names             localhost, 127.0.0.1, ::1\n",
        "  validity          29 days left\n",
        "OCSP staple         none\n",
        "chain               1 certificate sent\n",
        "  certificate  server  (TLS server and client, P-256, 29 days left, issuer Test Root)\n",
        "the server's chain is accepted\n",
        "  leaf            CN=server\n",
        "  trust anchor    CN=Test Root\n",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}

#[test]
fn a_server_that_demands_a_certificate_and_sees_none_refuses() {
    let world = World::new();
    std::fs::write(world.home.path("ca.crt"), world.ca.pem()).expect("written");
    for versions in [rustls::ALL_VERSIONS, TLS12] {
        let setup = Setup {
            versions,
            ..Setup::of(&world.server).requires(&world.ca)
        };
        let run = world.connect(setup, "--trust ca.crt");
        assert_eq!(run.code, 113, "{run}");
        assert!(
            run.stderr.contains(
                "demands a client certificate, and none was shown (alert certificate_required)."
            ),
            "{run}"
        );
        assert!(
            run.stderr.contains("Show one with --identity NAME, or with --cert FILE and --key FILE (it names CN=Test Root)."),
            "{run}"
        );
        assert!(
            run.stdout.contains("the server's chain is accepted\n"),
            "its own chain is good: {run}"
        );
    }
}

#[test]
fn a_server_that_may_do_without_goes_on_without() {
    let world = World::new();
    std::fs::write(world.home.path("ca.crt"), world.ca.pem()).expect("written");
    let optional = || Client::Optional(world.ca.pem().to_owned());
    let said = world
        .connect(
            Setup::of(&world.server).client(optional()),
            "--trust ca.crt",
        )
        .succeeds();
    assert!(said.contains("none shown; the server went on\n"), "{said}");
    let said = world
        .connect(
            Setup::of(&world.server).client(optional()),
            "--identity client",
        )
        .succeeds();
    assert!(
        said.contains("/CN=client shown; the server went on\n"),
        "{said}"
    );
}

#[test]
fn each_reason_to_refuse_us_is_one_sentence_with_a_way_out() {
    let world = World::new();
    let other = Ca::root("Other Root");
    let ca = &world.ca;
    let revoked = ca.issue("revoked", |params| {
        params.serial_number = Some(SerialNumber::from(7_u64));
    });
    let expired = ca.issue("expired", |params| {
        params.not_after = days(-1) + time::Duration::hours(1)
    });
    let early = ca.issue("early", |params| params.not_before = days(3));
    let server_only = ca.issue("server-only", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (pair, sentence, hint) in [
        (
            revoked,
            "refused our certificate /CN=revoked: it is revoked (alert certificate_revoked).",
            "Find out why it was revoked",
        ),
        (
            expired,
            "refused our certificate /CN=expired: it has expired, or is not valid yet, by the server's clock (alert certificate_expired).",
            "It expired on",
        ),
        (
            early,
            "refused our certificate /CN=early: it has expired, or is not valid yet, by the server's clock (alert certificate_expired).",
            "It is not valid before",
        ),
        (
            other.peer("foreign"),
            "refused our certificate /CN=foreign: the server does not trust the CA that issued it (alert unknown_ca).",
            "It was issued by /CN=Other Root, and no intermediate was sent along. Show a certificate of a CA that the server trusts (it names CN=Test Root)",
        ),
        (
            server_only,
            "refused our certificate /CN=server-only: it is not for clients (extended key usage clientAuth) (alert unsupported_certificate).",
            "Have it issued under the profile client or peer.",
        ),
    ] {
        pair.write(&world.home, "certs/refused", ca);
        let not_revoked = Client::NotRevoked(ca.pem().to_owned(), ca.revoke(&[7]));
        let run = world.connect(
            Setup::of(&world.server).client(not_revoked),
            "--identity refused",
        );
        assert_eq!(run.code, 113, "{run}");
        assert!(run.stderr.contains(sentence), "{sentence} is not in {run}");
        assert!(run.stderr.contains(hint), "{hint} is not in {run}");
        assert!(run.stdout.contains("shown; refused\n"), "{run}");
    }
}

#[test]
fn the_refusal_stands_in_json_beside_what_was_seen() {
    let world = World::new();
    let run = world.connect(
        Setup::of(&world.server).requires(&Ca::root("Other Root")),
        "--identity client --json",
    );
    assert_eq!(run.code, 113, "{run}");
    let json = run.json();
    assert_eq!(json["refused_by"], "server");
    assert_eq!(json["alert"], "unknown_ca");
    assert_eq!(json["verdict"]["accepted"], true);
    assert_eq!(json["error"]["kind"], "peer-refused");
    assert_eq!(json["error"]["exit_code"], 113);
    assert_eq!(json["client_certificate"]["asked"], true);
    assert_eq!(
        json["client_certificate"]["authorities"][0],
        "CN=Other Root"
    );
    assert_eq!(json["client_certificate"]["shown"], "CN=client");
}

#[test]
fn a_pair_that_is_no_pair_is_refused_before_anything_is_sent() {
    let world = World::new();
    world
        .ca
        .peer("one")
        .write(&world.home, "certs/one", &world.ca);
    for (options, code, sentence) in [
        (
            "--cert certs/client/tls.crt --key certs/one/tls.key",
            3,
            "The key certs/one/tls.key is not the key of the certificate in certs/client/tls.crt.",
        ),
        (
            "--identity nobody",
            4,
            "There is no file \"certs/nobody/tls.crt\";",
        ),
        (
            "--cert certs/client/tls.key --key certs/client/tls.key",
            7,
            "certs/client/tls.key: no certificate in it",
        ),
        ("--cert certs/client/tls.crt", 2, "--key"),
    ] {
        // Nobody listens there, and nobody is asked.
        let said = world
            .home
            .pki(&format!(
                "connect 127.0.0.1:1 --trust certs/client/ca.crt {options}"
            ))
            .fails(code);
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn an_encrypted_key_is_opened_with_its_passphrase() {
    let home = Home::with_ca();
    home.write("passphrase", "correct horse\n");
    home.pki(
        "issue api --profile peer --dns localhost --encrypt-key --key-passphrase-file passphrase",
    )
    .succeeds();
    let pair = Pair {
        leaf: home.read("certs/api/tls.crt"),
        above: String::new(),
        key: String::new(),
    };
    let world = World::new();
    let root = home.read("certs/ca/root.crt");
    let server = Setup::of(&world.server)
        .client(Client::Required(root))
        .start();
    home.write("server-ca.crt", world.ca.pem());
    assert_eq!(pair.chain().len(), 2, "with its issuing CA");
    let connect = format!(
        "connect localhost:{} --identity api --trust server-ca.crt",
        server.port()
    );
    let said = home
        .pki(&format!("{connect} --passphrase-file passphrase"))
        .succeeds();
    assert!(
        said.contains("/CN=api shown; the server went on\n"),
        "{said}"
    );
    home.write("wrong", "wrong\n");
    let said = home
        .pki(&format!("{connect} --passphrase-file wrong"))
        .fails(8);
    assert!(said.contains("passphrase"), "{said}");
    home.pki(&connect).fails(8);
}
