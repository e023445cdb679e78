//! What is shown of a connection and of a chain, whole and safe for a terminal.

use rcgen::{CustomExtension, SanType};

use crate::{
    material::Ca,
    server::{Client, Setup, TLS12, TLS13, drain, listen},
    support::Home,
};

fn home(ca: &Ca) -> Home {
    let home = Home::new();
    home.write("ca.crt", ca.pem());
    home
}

#[test]
fn json_has_every_field_also_when_nothing_was_asked_for() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let setup = Setup {
        ocsp: b"whatever".to_vec(),
        ..Setup::of(&ca.issue("server", |params| {
            let id = "spiffe://example.org/server".try_into().expect("ASCII");
            params.subject_alt_names.push(SanType::URI(id));
        }))
    };
    let server = setup.start();
    let json = home
        .pki(&format!(
            "connect localhost:{} --trust ca.crt --json",
            server.port()
        ))
        .json();
    let fields: Vec<_> = json
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        fields,
        [
            "alert",
            "alpn",
            "chain",
            "cipher_suite",
            "client_certificate",
            "connected",
            "identity",
            "key_exchange",
            "ocsp_staple",
            "protocol",
            "refused_by",
            "server_name",
            "target",
            "verdict"
        ]
    );
    assert_eq!(json["target"], format!("localhost:{}", server.port()));
    assert_eq!(json["connected"], format!("127.0.0.1:{}", server.port()));
    assert_eq!(json["protocol"], "TLS 1.3");
    assert_eq!(json["cipher_suite"], "TLS_AES_256_GCM_SHA384");
    assert_eq!(json["key_exchange"], "X25519MLKEM768");
    assert_eq!(json["alpn"], "h2");
    assert_eq!(json["ocsp_staple"], true);
    assert_eq!(json["identity"]["spiffe"][0], "spiffe://example.org/server");
    assert_eq!(json["identity"]["dns"][0], "localhost");
    assert_eq!(json["identity"]["days_left"], 29);
    assert_eq!(json["chain"][0]["kind"], "certificate");
    assert_eq!(json["client_certificate"]["asked"], false);
    assert_eq!(json["verdict"]["accepted"], true);
    assert!(json["refused_by"].is_null() && json["alert"].is_null());
}

#[test]
fn json_is_one_document_also_when_nobody_listens() {
    let home = home(&Ca::root("Test Root"));
    let run = home.pki(&format!(
        "connect 127.0.0.1:{} --trust ca.crt --json",
        free_port()
    ));
    assert_eq!(run.code, 110, "{run}");
    let json = run.json();
    assert_eq!(json["error"]["kind"], "unreachable");
    assert!(json["connected"].is_null() && json["verdict"].is_null());
    assert_eq!(json["chain"], serde_json::json!([]));
}

/// A port on which nobody listens: one that was just given back.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn an_older_server_is_shown_as_what_it_is() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let setup = || Setup {
        versions: TLS12,
        alpn: Vec::new(),
        ..Setup::of(&ca.peer("server"))
    };
    let server = setup().start();
    let run = home.pki(&format!(
        "connect localhost:{} --trust ca.crt",
        server.port()
    ));
    assert_eq!(run.code, 0, "{run}");
    assert!(
        run.stdout.contains(
            "protocol            TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, X25519\n"
        ),
        "{run}"
    );
    assert!(
        run.stdout
            .contains("ALPN                none agreed; offered: h2\n"),
        "{run}"
    );
    assert!(
        run.stderr.contains("gRPC needs h2, which was offered"),
        "{run}"
    );

    let server = setup().start();
    let said = home
        .pki(&format!(
            "connect localhost:{} --trust ca.crt --tls 1.3",
            server.port()
        ))
        .fails(112);
    assert!(
        said.contains("does not speak TLS 1.3, which was offered."),
        "{said}"
    );
    let newer = Setup {
        versions: TLS13,
        ..Setup::of(&ca.peer("server"))
    };
    let said = home
        .pki(&format!(
            "connect localhost:{} --trust ca.crt --tls 1.2",
            newer.start().port()
        ))
        .fails(112);
    assert!(
        said.contains("does not speak TLS 1.2, which was offered."),
        "{said}"
    );
}

#[test]
fn a_server_with_none_of_the_protocols_says_so() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let server = Setup::of(&ca.peer("server")).start();
    let connect = format!("connect localhost:{} --trust ca.crt", server.port());
    let said = home
        .pki(&format!("{connect} --alpn http/1.1,spdy"))
        .fails(112);
    assert!(
        said.contains("speaks none of the protocols that were offered by ALPN: http/1.1, spdy (alert no_application_protocol)."),
        "{said}"
    );
    let said = home.pki(&format!("{connect} --alpn none")).succeeds();
    assert!(
        said.contains("ALPN                none offered\n"),
        "{said}"
    );
}

#[test]
fn the_name_is_sent_and_an_address_is_not() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let server = Setup::of(&ca.peer("server")).start();
    for (host, options, asked) in [
        ("localhost", "", Some("localhost")),
        ("127.0.0.1", "", None),
        ("127.0.0.1", "--host localhost", Some("localhost")),
        ("localhost", "--host 127.0.0.1", None),
    ] {
        home.pki(&format!(
            "connect {host}:{} --trust ca.crt {options}",
            server.port()
        ))
        .succeeds();
        assert_eq!(server.asked_name().as_deref(), asked, "{host} {options}");
    }
    for (address, sentence) in [
        ("local_host:1", "“local_host” is not a host name"),
        ("localhost", "has no port"),
        ("https://localhost:1", "is a URL"),
    ] {
        let said = home
            .pki(&format!("connect {address} --trust ca.crt"))
            .fails(2);
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn an_address_of_version_6_stands_in_brackets() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let server = Setup::of(&ca.peer("server")).start();
    let behind = server.address;
    let address = listen("[::1]:0", move |socket| {
        let upstream = std::net::TcpStream::connect(behind).expect("the server");
        crate::altered::forward(socket, upstream, None);
    });
    let said = home
        .pki(&format!("connect {address} --trust ca.crt"))
        .succeeds();
    assert!(
        said.contains(&format!("connected           {address}, as ::1\n")),
        "{said}"
    );
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let ca = Ca::root("Root\u{1b}[31m");
    let home = home(&ca);
    let hostile = ca.issue("server\u{1b}]0;owned\u{7}\u{202e}", |params| {
        let uri = "spiffe://example.org/\u{1b}[2J".try_into().expect("ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
    });
    hostile.write(&home, "certs/client", &ca);
    for client in [
        Client::Required(ca.pem().to_owned()),
        Client::Required(Ca::root("Other\u{1b}[31m").pem().to_owned()),
    ] {
        let server = Setup::of(&hostile).client(client).start();
        let target = format!("localhost:{}", server.port());
        for arguments in [
            format!("connect {target} --identity client"),
            format!("connect {target} --identity client --text"),
            format!("connect {target} --identity client --json"),
            format!("inspect {target}"),
            format!("inspect --short {target}"),
            format!("inspect --json {target}"),
        ] {
            let run = home.pki(&arguments);
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(all.contains("server"), "{arguments}: {run:?}");
            for hostile in ['\u{1b}', '\u{7}', '\u{202e}'] {
                assert!(!all.contains(hostile), "{arguments}: {run:?}");
            }
        }
    }
}

#[test]
fn inspect_shows_the_chain_that_a_server_sends_whoever_it_is() {
    let root = Ca::root("Test Root");
    let pair = root.intermediate("Issuing").peer("server");
    // The server would refuse us in the end: we have no certificate to show.
    for versions in [rustls::ALL_VERSIONS, TLS12] {
        let setup = Setup {
            versions,
            ..Setup::of(&pair).requires(&root)
        };
        let server = setup.start();
        let home = Home::new();
        let target = format!("localhost:{}", server.port());
        let short = home.pki(&format!("inspect --short {target}")).succeeds();
        assert_eq!(
            short,
            "certificate  server  (TLS server and client, P-256, 29 days left, issuer Issuing)\n\
             certificate  Issuing  (intermediate CA, issues CAs without limit, P-256, 999 days left, issuer Test Root)\n"
        );
        let text = home.pki(&format!("inspect {target}")).succeeds();
        assert!(
            text.starts_with("Certificate server\n") && text.contains("\nCertificate Issuing\n"),
            "{text}"
        );
        let json = home.pki(&format!("inspect --json {target}")).json();
        assert_eq!(json["files"][0]["file"], target);
        assert_eq!(
            json["files"][0]["objects"].as_array().map(Vec::len),
            Some(2)
        );
    }
}

#[test]
fn a_file_named_like_a_server_is_the_file_and_that_is_told() {
    let home = Home::new();
    let address = listen("127.0.0.1:0", |mut socket| drain(&mut socket));
    let name = address.to_string();
    home.write(&name, Ca::root("Test Root").pem());
    let run = home.pki(&format!("inspect --short {name}"));
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.starts_with("certificate  Test Root  ("), "{run}");
    assert!(run.stderr.contains("is a file here, and was read"), "{run}");
    let said = home.pki("inspect nothing-here").fails(4);
    assert!(said.contains("There is no file nothing-here."), "{said}");
}

#[test]
fn a_whole_chain_is_shown_on_demand() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let server = Setup::of(&ca.peer("server")).start();
    let said = home
        .pki(&format!(
            "connect localhost:{} --trust ca.crt --text",
            server.port()
        ))
        .succeeds();
    assert!(
        said.contains("\nCertificate server\n") && said.contains("subjectAltName"),
        "{said}"
    );
}

#[test]
fn what_is_no_certificate_is_shown_as_that() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let junk = vec![
        b"no certificate at all".to_vec(),
        format!("\u{1b}[31m{}", ca.pem()).into_bytes(),
        [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x41; 64]].concat(),
    ];
    for versions in [TLS13, TLS12] {
        let setup = |junk_alone| Setup {
            versions,
            junk: junk.clone(),
            junk_alone,
            ..Setup::of(&ca.peer("server"))
        };
        // Behind a good certificate it is left out, and that is told.
        let server = setup(false).start();
        let run = home.pki(&format!(
            "connect localhost:{} --trust ca.crt",
            server.port()
        ));
        assert_eq!(run.code, 0, "{run}");
        assert!(run.stdout.contains("4 certificates sent"), "{run}");
        assert!(
            run.stderr.contains("cannot be read and were left out"),
            "{run}"
        );
        assert!(!format!("{run}").contains('\u{1b}'), "{run:?}");
        let run = home.pki(&format!("inspect localhost:{}", server.port()));
        assert_eq!(run.code, 7, "{run}");
        // In place of one it ends the handshake.
        let server = setup(true).start();
        let run = home.pki(&format!(
            "connect localhost:{} --trust ca.crt",
            server.port()
        ));
        assert_eq!(run.code, 112, "{run}");
        assert!(
            run.stderr
                .contains("showed a certificate with which no TLS handshake can be finished"),
            "{run}"
        );
    }
}

#[test]
fn a_certificate_with_hundreds_of_names_is_shown_with_the_first_of_them() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let many = ca.issue("server", |params| {
        params.subject_alt_names = (0..300)
            .map(|n| SanType::DnsName(format!("n{n}.test").try_into().expect("a name")))
            .collect();
    });
    let server = Setup::of(&many).start();
    let connect = format!(
        "connect localhost:{} --trust ca.crt --host n299.test",
        server.port()
    );
    let said = home.pki(&connect).succeeds();
    assert!(
        said.contains("n0.test, n1.test") && said.contains(" and 288 more\n"),
        "{said}"
    );
    let json = home.pki(&format!("{connect} --json")).json();
    assert_eq!(json["identity"]["dns"].as_array().map(Vec::len), Some(300));
}

#[test]
fn a_certificate_that_holds_another_one_as_text_is_shown_and_judged_as_itself() {
    let ca = Ca::root("Test Root");
    let home = home(&ca);
    let inner = ca.peer("innocent").leaf;
    let outer = Ca::root("Other Root").issue("guilty", |params| {
        let text = format!("\n{inner}").into_bytes();
        let extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], text);
        params.custom_extensions = vec![extension];
    });
    home.write("tls.crt", &outer.leaf);
    home.write("tls.der", &outer.chain()[0]);
    let server = Setup::of(&outer).start();
    let target = format!("localhost:{}", server.port());
    for name in ["tls.crt", "tls.der", &target] {
        let said = home.pki(&format!("inspect --short {name}")).succeeds();
        assert!(
            said.starts_with("certificate  guilty  (") && said.lines().count() == 1,
            "{said}"
        );
    }
    for command in [
        "verify tls.crt",
        "verify tls.der",
        &format!("connect {target}"),
    ] {
        let run = home.pki(&format!("{command} --trust ca.crt"));
        assert_eq!(run.code, 13, "{run}");
        assert!(run.stderr.contains("CN=guilty"), "{run}");
    }
}
