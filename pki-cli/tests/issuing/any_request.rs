//! Whatever is asked for, sane or odd: what is issued is accepted by our own verifier and by openssl, and x509-parser
//! finds in it exactly what was asked for; and what is refused leaves every file and the index as they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
};

use pki::index::Index;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::support::{Home, pair_fits};

const CASES: usize = 100;

#[derive(Clone, Debug)]
struct Wanted {
    profile: &'static str,
    key: &'static str,
    names: Vec<(&'static str, String)>,
    /// Nothing means the default, the name of the folder.
    subject: Option<Vec<(&'static str, String)>>,
    days: u32,
    by_request: bool,
}

fn dns() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "([a-z][a-z0-9-]{0,10}[a-z0-9]\\.){1,4}dev",
        2 => "\\*\\.([a-z]{1,10}\\.){1,3}dev",
        1 => "localhost",
        2 => odd(),
    ]
}

/// Any text that can be an argument of a process.
fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,24}",
        "[a-z*._-]{1,16}",
        "\\PC{0,12}",
        "[\u{1}-\u{1f}\u{7f}-\u{9f}\u{202e}a-z]{1,8}",
    ]
}

fn name() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        4 => dns().prop_map(|name| ("--dns", name)),
        2 => any::<IpAddr>().prop_map(|ip| ("--ip", ip.to_string())),
        2 => "spiffe://[a-z]{1,10}\\.dev(/[a-zA-Z0-9]{1,10}){1,3}".prop_map(|uri| ("--uri", uri)),
        1 => "https://[a-z]{1,10}\\.dev/[a-z%20]{0,3}".prop_map(|uri| ("--uri", uri)),
        2 => "[a-z]{1,10}@[a-z]{1,10}\\.dev".prop_map(|mailbox| ("--email", mailbox)),
        1 => (prop::sample::select(vec!["--ip", "--uri", "--email"]), odd()),
    ]
}

fn attribute() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        2 => "[A-Z]{2}".prop_map(|value| ("C", value)),
        6 => (
            prop::sample::select(vec!["ST", "L", "O", "OU", "CN"]),
            "[ -~]{1,20}|[a-zğüşöçıİ]{1,20}",
        ),
        1 => "[a-z]{1,9}@[a-z]{1,9}\\.dev".prop_map(|value| ("emailAddress", value)),
        1 => "[a-z]{1,20}".prop_map(|value| ("DC", value)),
        1 => (prop::sample::select(vec!["C", "CN", "OU", "emailAddress"]), odd()),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    (
        prop::sample::select(vec!["server", "client", "peer"]),
        prop::sample::select(vec!["p256", "p384", "ed25519"]),
        prop::collection::vec(name(), 0..5),
        prop::option::of(prop::collection::vec(attribute(), 1..6)),
        prop_oneof![8 => 1..1_800_u32, 1 => Just(0), 1 => 1_800..40_000_u32],
        any::<bool>(),
    )
        .prop_map(|(profile, key, names, subject, days, by_request)| Wanted {
            profile,
            key,
            names,
            subject,
            days,
            by_request,
        })
}

#[test]
fn what_is_issued_is_what_was_asked_for_and_a_refusal_writes_nothing() {
    let home = Home::with_ca();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[52; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), random);
    let (mut issued, mut refused) = (0, 0);
    for number in 0..CASES {
        let wanted = wanted().new_tree(&mut runner).expect("a value").current();
        let name = format!("case-{number}");
        if ask(&home, &name, &wanted) {
            issued += 1;
            check(&home, &name, &wanted, issued % 4 == 0);
        } else {
            refused += 1;
        }
    }
    assert!(issued >= 20 && refused >= 20, "{issued} {refused}");
}

/// Whether it was issued. What is refused is one sentence, and leaves nothing behind.
fn ask(home: &Home, name: &str, wanted: &Wanted) -> bool {
    let mut what = vec!["--profile".to_owned(), wanted.profile.to_owned()];
    for (kind, value) in &wanted.names {
        what.push(format!("{kind}={value}"));
    }
    if let Some(subject) = &wanted.subject {
        let text: String = subject
            .iter()
            .map(|(kind, value)| {
                let value = value.replace('\\', "\\\\").replace('/', "\\/");
                format!("/{kind}={}", value.replace('+', "\\+"))
            })
            .collect();
        what.push(format!("--subject={text}"));
    }
    let days = format!("--days={}", wanted.days);
    let key = format!("--key={}", wanted.key);
    let steps = if wanted.by_request {
        let sign = [
            "sign".to_owned(),
            format!("certs/{name}/tls.csr"),
            format!("--profile={}", wanted.profile),
            days,
        ];
        vec![
            [vec!["csr".to_owned(), name.to_owned(), key], what].concat(),
            sign.to_vec(),
        ]
    } else {
        vec![[vec!["issue".to_owned(), name.to_owned(), key, days], what].concat()]
    };
    for step in steps {
        let before = state(home);
        let arguments: Vec<&str> = step.iter().map(String::as_str).collect();
        let run = home.run(&arguments);
        if run.code == 0 {
            continue;
        }
        assert!(
            matches!(run.code, 2 | 3),
            "{arguments:?} is refused for another reason: {run:?}"
        );
        assert!(
            run.stderr.starts_with("error: ") && !run.stderr.contains(is_raw),
            "{arguments:?}: {run:?}"
        );
        assert_eq!(state(home), before, "{arguments:?} was refused: {run:?}");
        return false;
    }
    true
}

fn is_raw(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Every file but the index by its content, and the rows of the index.
fn state(home: &Home) -> (BTreeMap<String, Vec<u8>>, usize) {
    fn walk(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                walk(&path, found);
                found.insert(name, Vec::new());
            } else if !name.contains("index.db") {
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&home.path("certs"), &mut found);
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    (found, index.rows().expect("rows").len())
}

fn check(home: &Home, name: &str, wanted: &Wanted, ask_openssl: bool) {
    let folder = format!("certs/{name}");
    assert!(pair_fits(&home.path(&folder)), "{wanted:?}");
    let purposes = match wanted.profile {
        "peer" => &["server", "client"][..],
        one => &[one],
    };
    for purpose in purposes {
        home.pki(&format!("verify {folder}/tls.crt --purpose {purpose}"))
            .succeeds();
        if ask_openssl {
            let accepted = home.openssl_accepts(&folder, &format!("ssl{purpose}"));
            assert!(accepted.unwrap_or(true), "openssl and {wanted:?}");
        }
    }

    let certificate = home.certificate(&format!("{folder}/tls.crt"));
    let (rest, read) = X509Certificate::from_der(certificate.der()).expect("x509-parser reads it");
    assert!(rest.is_empty());
    let asked: BTreeSet<(&str, String)> = wanted
        .names
        .iter()
        .map(|(kind, value)| (*kind, comparable(kind, value)))
        .collect();
    let mut found = BTreeSet::new();
    for extension in read.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                assert_eq!(extension.critical, read.subject().iter().next().is_none());
                for name in &names.general_names {
                    let (kind, value) = match name {
                        GeneralName::DNSName(name) => ("--dns", (*name).to_owned()),
                        GeneralName::RFC822Name(name) => ("--email", (*name).to_owned()),
                        GeneralName::URI(uri) => ("--uri", (*uri).to_owned()),
                        GeneralName::IPAddress(octets) => ("--ip", address(octets)),
                        other => panic!("nobody asked for {other:?}"),
                    };
                    let is_new = found.insert((kind, comparable(kind, &value)));
                    assert!(is_new, "{value} stands there twice: {wanted:?}");
                }
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let granted = (usage.server_auth, usage.client_auth);
                let expected = (wanted.profile != "client", wanted.profile != "server");
                assert_eq!(granted, expected);
            }
            ParsedExtension::BasicConstraints(constraints) => assert!(!constraints.ca),
            ParsedExtension::KeyUsage(usage) => assert_eq!(usage.flags, 1),
            ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_) => {}
            other => panic!("nobody asked for {other:?}"),
        }
    }
    assert_eq!(found, asked, "{wanted:?}");

    let attributes: Vec<String> = read
        .subject()
        .iter_attributes()
        .map(|attribute| attribute.as_str().expect("text").to_owned())
        .collect();
    let expected = match &wanted.subject {
        Some(subject) => subject.iter().map(|(_, value)| value.clone()).collect(),
        None => vec![name.to_owned()],
    };
    assert_eq!(attributes, expected, "{wanted:?}");

    let (from, to) = (read.validity().not_before, read.validity().not_after);
    let length = to.timestamp() - from.timestamp();
    let asked = i64::from(wanted.days) * 86_400 + 300;
    let issuer = home.certificate("certs/ca/issuing.crt");
    let is_clamped = to.timestamp() == issuer.not_after().unix_timestamp();
    assert!(
        length == asked || (is_clamped && length < asked),
        "{wanted:?}: {length} seconds"
    );
}

fn address(octets: &[u8]) -> String {
    match <[u8; 4]>::try_from(octets) {
        Ok(four) => IpAddr::from(four).to_string(),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).expect("an address")).to_string(),
    }
}

/// Host names have no letter case, and an address has many spellings.
fn comparable(kind: &str, value: &str) -> String {
    match kind {
        "--dns" => value.to_ascii_lowercase(),
        "--ip" => value
            .parse::<IpAddr>()
            .map_or_else(|_| value.to_owned(), |ip| ip.to_string()),
        _ => value.to_owned(),
    }
}
