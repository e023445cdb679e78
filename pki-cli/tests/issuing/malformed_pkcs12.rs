//! Malformed PKCS#12 files: cut off, altered, nested, of more work than anybody has, and in BER. Whatever reads one ends
//! with one of its codes and one sentence, within the bounds of `malformed`, and takes nothing over.

use std::fs;

use crate::{
    malformed::{DER, Damage, bounded, holds_its_promises, unblock},
    support::Home,
};

/// What our own files have for 150,000 iterations: one for each derivation, the MAC's the last.
const ITERATIONS: [u8; 5] = [2, 3, 0x02, 0x49, 0xf0];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const CERT_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 3];
const KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 1];
const SAFE_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 6];
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];

/// What can be wrong with a file of ours beside what can be wrong with any DER.
const OWN: &[Damage] = &[
    ("another MAC", |file| {
        let mut out = file.to_vec();
        // The salt and the number of iterations stand behind it.
        let at = out.len() - 5 - 18 - 1;
        out[at] ^= 1;
        out
    }),
    ("another version", |file| {
        let at = file
            .windows(3)
            .position(|three| three == [2, 1, 3])
            .expect("3");
        let mut out = file.to_vec();
        out[at + 2] = 4;
        out
    }),
    ("sixteen million iterations of the MAC", |file| {
        let last = file.len() - 5;
        [&file[..last], &[2, 3, 0x7f, 0xff, 0xff]].concat()
    }),
    ("no iterations of the MAC", |file| {
        let last = file.len() - 5;
        [&file[..last], &[2, 3, 0, 0, 0]].concat()
    }),
    ("less than no iterations of the MAC", |file| {
        let last = file.len() - 5;
        [&file[..last], &[2, 3, 0xff, 0, 0]].concat()
    }),
    ("eight million iterations of everything", |file| {
        let mut out = file.to_vec();
        for at in 0..out.len() - 4 {
            if out[at..at + 5] == ITERATIONS {
                out[at + 2..at + 5].copy_from_slice(&[0x7f, 0xff, 0xff]);
            }
        }
        out
    }),
];

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("small").to_be_bytes();
    match content.len() {
        0..0x80 => [&[tag, length[3]], content].concat(),
        0x80..0x100 => [&[tag, 0x81, length[3]], content].concat(),
        0x100..0x1_0000 => [&[tag, 0x82], &length[2..], content].concat(),
        _ => [&[tag, 0x83], &length[1..], content].concat(),
    }
}

/// An object identifier, and something explicitly tagged behind it.
fn typed(kind: &[u8], value: &[u8], behind: &[u8]) -> Vec<u8> {
    tlv(
        0x30,
        &[tlv(6, kind), tlv(0xa0, value), behind.to_vec()].concat(),
    )
}

/// A file without a MAC, of this version, around these safes.
fn around(version: u8, safes: &[u8]) -> Vec<u8> {
    let safes = typed(DATA, &tlv(4, &tlv(0x30, safes)), &[]);
    tlv(0x30, &[&[2, 1, version], &safes[..]].concat())
}

fn safe(bags: &[u8]) -> Vec<u8> {
    typed(DATA, &tlv(4, &tlv(0x30, bags)), &[])
}

fn certificate_bag(der: &[u8], attributes: &[u8]) -> Vec<u8> {
    let certificate = typed(X509, &tlv(4, der), &[]);
    typed(CERT_BAG, &certificate, attributes)
}

fn friendly_name(tag: u8, name: &[u8]) -> Vec<u8> {
    let attribute = [tlv(6, FRIENDLY_NAME), tlv(0x31, &tlv(tag, name))].concat();
    tlv(0x31, &tlv(0x30, &attribute))
}

/// Files that nobody protects, with this certificate and key in them and something wrong around them.
fn in_clear(certificate: &[u8], issuing: &[u8], key: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let key = typed(KEY_BAG, key, &[]);
    let leaf = certificate_bag(certificate, &[]);
    let above = certificate_bag(issuing, &[]);
    let pair = [&leaf[..], &above, &key].concat();
    let hostile: Vec<u8> = "\u{1b}]0;pwned\u{7}\u{202e}"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    // The innermost holds the pair; each is a bag of the one around it.
    let nested = (0..2_000).fold(pair.clone(), |inner, _| {
        typed(SAFE_BAG, &tlv(0x30, &inner), &[])
    });
    let octets = tlv(4, &tlv(0x30, &safe(&pair)));
    let constructed = [&[0x24, 0x80], &octets[..], &[0, 0]].concat();
    let indefinite = typed(DATA, &constructed, &[]);
    vec![
        ("bags in bags, two thousand deep", around(3, &safe(&nested))),
        ("ten thousand certificates and one", {
            let empty = certificate_bag(&[0x30, 0], &[]);
            around(3, &safe(&empty.repeat(10_001)))
        }),
        (
            "ten thousand safes and one",
            around(3, &safe(&[]).repeat(10_001)),
        ),
        ("an indefinite length inside", {
            tlv(0x30, &[&[2, 1, 3], &indefinite[..]].concat())
        }),
        ("a length that is not the shortest inside", {
            let mut bag = leaf.clone();
            // The certificate is longer than 255 octets.
            bag.splice(1..4, [0x83, 0, leaf[2], leaf[3]]);
            around(3, &safe(&bag))
        }),
        ("nothing in it", around(3, &[])),
        ("a key without a certificate", around(3, &safe(&key))),
        (
            "a certificate that is none",
            around(
                3,
                &safe(&[certificate_bag(&[0x30, 3, 2, 1, 5], &[]), key.clone()].concat()),
            ),
        ),
        (
            "a certificate of another type",
            around(
                3,
                &safe(
                    &[
                        typed(CERT_BAG, &typed(DATA, &tlv(4, certificate), &[]), &[]),
                        key.clone(),
                    ]
                    .concat(),
                ),
            ),
        ),
        (
            "a key that is none",
            around(
                3,
                &safe(&[leaf.clone(), typed(KEY_BAG, &tlv(0x30, &[2, 1, 0]), &[])].concat()),
            ),
        ),
        (
            "a name that takes over the terminal",
            around(
                3,
                &safe(&certificate_bag(
                    certificate,
                    &friendly_name(0x1e, &hostile),
                )),
            ),
        ),
        (
            "a name of half a character",
            around(
                3,
                &safe(&certificate_bag(certificate, &friendly_name(0x1e, b"abc"))),
            ),
        ),
        (
            "a name that is no text",
            around(
                3,
                &safe(&certificate_bag(certificate, &friendly_name(4, b"abc"))),
            ),
        ),
        (
            "octets behind the bags",
            around(
                3,
                &typed(DATA, &tlv(4, &[tlv(0x30, &pair), vec![0]].concat()), &[]),
            ),
        ),
    ]
}

#[test]
fn every_reader_of_a_malformed_pkcs12_ends_with_its_code_and_one_sentence() {
    let home = Home::with_ca();
    home.pki("issue order --dns a.dev").succeeds();
    home.write("secret", "right");
    home.pki("export order --format pkcs12 --out order.p12 --export-passphrase-file secret")
        .succeeds();
    let file = fs::read(home.path("order.p12")).expect("the file");
    assert!(file.ends_with(&ITERATIONS), "the MAC's come last");
    assert!(
        file.windows(5).filter(|five| *five == ITERATIONS).count() >= 2,
        "and those of the key's encryption before"
    );
    let certificate = unblock(&home.read("certs/order/tls.crt"));
    let issuing = unblock(&home.read("certs/ca/issuing.crt"));
    let key = unblock(&home.read("certs/order/tls.key"));
    let damaged = DER.iter().chain(OWN);
    let damaged = damaged.map(|(what, damage)| (*what, damage(&file)));
    for (what, octets) in damaged.chain(in_clear(&certificate, &issuing, &key)) {
        home.write("malformed.p12", &octets);
        let (unlock, from) = (["--unlock"], ["--passphrase-file", "secret"]);
        let run = bounded(&home, &["inspect", "malformed.p12"]);
        holds_its_promises(what, &run, &|code| matches!(code, 0 | 7));
        let run = bounded(
            &home,
            &[&["inspect", "malformed.p12"], &unlock[..], &from].concat(),
        );
        holds_its_promises(what, &run, &|code| matches!(code, 0 | 7 | 8));
        let import = ["import", "taken", "--pkcs12", "malformed.p12"];
        let run = bounded(&home, &[&import[..], &from].concat());
        holds_its_promises(what, &run, &|code| matches!(code, 3 | 7 | 8));
        assert!(!home.path("certs/taken").exists(), "{what}: it was taken");
    }
    // What is whole is taken, so it was the damage that was refused.
    let pair = [
        certificate_bag(&certificate, &[]),
        certificate_bag(&issuing, &[]),
        typed(KEY_BAG, &key, &[]),
    ]
    .concat();
    let whole = around(3, &safe(&pair));
    home.write("whole.p12", &whole);
    home.pki("import taken --pkcs12 whole.p12 --passphrase-file secret")
        .succeeds();
}

#[test]
fn the_most_work_that_is_done_ends_in_time() {
    let home = Home::with_ca();
    home.pki("issue order --dns a.dev").succeeds();
    home.write("secret", "right");
    home.pki("export order --format pkcs12 --out order.p12 --export-passphrase-file secret")
        .succeeds();
    let file = fs::read(home.path("order.p12")).expect("the file");
    // One derivation may take all the work that is allowed.
    let most = 5_000_000_u32.to_be_bytes();
    let most = [&file[..file.len() - 5], &[2, 3], &most[1..]].concat();
    home.write("malformed.p12", most);
    let run = bounded(
        &home,
        &[
            "import",
            "taken",
            "--pkcs12",
            "malformed.p12",
            "--passphrase-file",
            "secret",
        ],
    );
    holds_its_promises("five million iterations", &run, &|code| code == 8);
}
