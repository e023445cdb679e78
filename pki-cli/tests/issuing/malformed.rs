//! Malformed files, each made by one damage to an object of our own and named by it: whatever reads one ends with one of
//! its codes and one clear sentence, without a raw control character, within bounds of time and memory that the kernel
//! holds.

use std::process::{Command, Stdio};

use crate::support::{Home, Run};

/// Seconds of processor time, and kibibytes of address space.
const BOUNDS: &str = "ulimit -t 10; ulimit -v 1048576; exec \"$@\"";

pub(crate) type Damage = (&'static str, fn(&[u8]) -> Vec<u8>);

/// What can be wrong with DER.
pub(crate) const DER: &[Damage] = &[
    ("empty", |_| Vec::new()),
    ("the first octet alone", |der| der[..1].to_vec()),
    ("cut inside of the first length", |der| der[..2].to_vec()),
    ("cut behind the first header", |der| der[..4].to_vec()),
    ("cut in the middle", |der| der[..der.len() / 2].to_vec()),
    ("without its last octet", |der| {
        der[..der.len() - 1].to_vec()
    }),
    ("an octet behind the end", |der| [der, &[0]].concat()),
    ("twice in a row", |der| [der, der].concat()),
    ("an indefinite length", |der| {
        [&[0x30, 0x80], &der[header(der)..], &[0, 0]].concat()
    }),
    ("a length of four gigabytes", |der| {
        [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &der[header(der)..]].concat()
    }),
    ("a length of 2^64 - 1", |der| {
        [&[0x30, 0x88], &[0xff; 8][..], &der[header(der)..]].concat()
    }),
    ("a length with a leading zero", |der| {
        let content = &der[header(der)..];
        [
            &[
                0x30,
                0x83,
                0,
                (content.len() >> 8) as u8,
                content.len() as u8,
            ],
            content,
        ]
        .concat()
    }),
    ("a set instead of a sequence", |der| {
        [&[0x31], &der[1..]].concat()
    }),
    ("a tag number above 30", |der| {
        [&[0x3f, 0x81, 0x01], &der[1..]].concat()
    }),
    ("zeros throughout", |der| vec![0; der.len()]),
    ("ones throughout", |der| vec![0xff; der.len()]),
    ("a megabyte of zeros behind the header", |der| {
        [&der[..4], &[0; 1 << 20]].concat()
    }),
    ("ten thousand sequences in each other", |_| {
        (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
            let length = inner.len();
            [
                &[
                    0x30,
                    0x83,
                    (length >> 16) as u8,
                    (length >> 8) as u8,
                    length as u8,
                ],
                &inner[..],
            ]
            .concat()
        })
    }),
    ("every INTEGER empty", |der| {
        let mut out = der.to_vec();
        for at in 1..out.len() {
            if out[at - 1] == 2 {
                out[at] = 0;
            }
        }
        out
    }),
    ("every text an escape sequence", |der| {
        replaced(der, b"\x1b]0;pwned\x07\x1b[31m")
    }),
    ("every text a turn of the writing", |der| {
        replaced(der, "\u{202e}\u{2066}\u{200f}".as_bytes())
    }),
    ("every text not UTF-8", |der| {
        replaced(der, &[0xff, 0xfe, 0xc0])
    }),
    ("every octet's highest bit turned", |der| {
        der.iter().map(|octet| octet ^ 0x80).collect()
    }),
];

/// What can be wrong with the text around it.
const PEM: &[Damage] = &[
    ("no end", |pem| pem[..pem.len() - 20].to_vec()),
    ("no beginning", |pem| pem[20..].to_vec()),
    ("the label of something else", |pem| {
        let text = String::from_utf8_lossy(pem);
        text.replace("CERTIFICATE", "PKCS7")
            .replace("CRL", "PKCS7")
            .replace("KEY", "PARAMETERS")
            .into_bytes()
    }),
    ("a label that hides something", |pem| {
        let text = String::from_utf8_lossy(pem);
        text.replacen("-----BEGIN ", "-----BEGIN \u{1b}[2J\u{202e}", 2)
            .into_bytes()
    }),
    ("characters that are not base64", |pem| {
        String::from_utf8_lossy(pem)
            .replace('A', "\u{1b}")
            .into_bytes()
    }),
    ("a character too many", |pem| {
        String::from_utf8_lossy(pem)
            .replacen("\nM", "\nMM", 1)
            .into_bytes()
    }),
    ("all in one line", |pem| {
        String::from_utf8_lossy(pem).replace('\n', " ").into_bytes()
    }),
    ("two octets for each character", |pem| {
        pem.iter().flat_map(|octet| [*octet, 0]).collect()
    }),
    ("a beginning in a beginning", |pem| {
        [&pem[..40], pem].concat()
    }),
    ("five hundred broken blocks", |pem| {
        let text = String::from_utf8_lossy(pem).replace('M', "!");
        text.repeat(500).into_bytes()
    }),
];

/// The length of the first header.
fn header(der: &[u8]) -> usize {
    match der[1] {
        short if short < 0x80 => 2,
        long => 2 + usize::from(long & 0x7f),
    }
}

/// Every UTF8String and PrintableString filled with this text, over and over.
fn replaced(der: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = der.to_vec();
    let mut at = 0;
    while at + 2 < out.len() {
        let length = usize::from(out[at + 1]);
        let is_text = matches!(out[at], 0x0c | 0x13 | 0x16 | 0x82 | 0x86)
            && (1..0x40).contains(&length)
            && at + 2 + length <= out.len()
            && out[at + 2..at + 2 + length]
                .iter()
                .all(|octet| octet.is_ascii_graphic() || *octet == b' ');
        if is_text {
            let fill = text.iter().cycle().take(length).copied();
            out.splice(at + 2..at + 2 + length, fill);
            at += 2 + length;
        } else {
            at += 1;
        }
    }
    out
}

pub(crate) fn unblock(pem: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let body = pem
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("-----"));
    let sextets: Vec<u8> = body
        .flat_map(|line| line.bytes())
        .filter_map(value)
        .collect();
    let mut octets = Vec::new();
    for four in sextets.chunks(4) {
        let bits = four
            .iter()
            .fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet))
            << (6 * (4 - four.len()));
        octets.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    octets
}

pub(crate) fn bounded(home: &Home, args: &[&str]) -> Run {
    let output = Command::new("sh")
        .args(["-c", BOUNDS, "sh", env!("CARGO_BIN_EXE_pki")])
        .args(args)
        .current_dir(home.path(""))
        .env_clear()
        .stdin(Stdio::null())
        .output();
    Run::from(output.expect("a shell"))
}

pub(crate) fn holds_its_promises(what: &str, run: &Run, codes: &dyn Fn(i32) -> bool) {
    assert!(codes(run.code), "{what}: {run:?}");
    let raw = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!run.stdout.contains(raw), "{what}: {run:?}");
    assert!(!run.stderr.contains(raw), "{what}: {run:?}");
    assert!(!run.stderr.contains("panicked"), "{what}: {run:?}");
    let errors: Vec<_> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    if run.code != 0 {
        assert!(!errors.is_empty(), "{what} says nothing: {run:?}");
        for error in errors {
            assert!(error.len() < 1_000, "{what} goes on and on: {run:?}");
            assert!(error.ends_with(['.', '?', ':']), "{what}: {error}");
        }
    }
}

#[test]
fn every_reader_of_a_malformed_file_ends_with_its_code_and_one_sentence() {
    let home = Home::with_ca();
    home.pki("issue order --dns a.dev").succeeds();
    home.pki("csr asked --dns a.dev").succeeds();
    home.pki("crl").succeeds();
    let rejected = |code: i32| code == 7 || (10..=100).contains(&code);
    let mut count = 0;
    for (object, file) in [
        ("certificate", "certs/ca/issuing.crt"),
        ("request", "certs/asked/tls.csr"),
        ("crl", "certs/ca/crl.pem"),
        ("key", "certs/order/tls.key"),
    ] {
        let pem = home.read(file);
        let der = unblock(&pem);
        let of_der = DER.iter().map(|(what, damage)| (what, damage(&der)));
        let of_pem = PEM
            .iter()
            .map(|(what, damage)| (what, damage(pem.as_bytes())));
        for (what, octets) in of_der.chain(of_pem) {
            let what = format!("{object}: {what}");
            home.write("malformed", &octets);
            count += 1;
            let inspected = bounded(&home, &["inspect", "malformed"]);
            holds_its_promises(&what, &inspected, &|code| matches!(code, 0 | 7));
            match object {
                "certificate" => {
                    for options in [
                        &["malformed"][..],
                        &["--trust", "malformed", "certs/order/tls.crt"],
                        &[
                            "--trust",
                            "certs/ca/root.crt",
                            "--intermediates",
                            "malformed",
                            "certs/ca/root.crt",
                        ],
                    ] {
                        let run = bounded(&home, &[&["verify"], options].concat());
                        // An intermediate that is not needed may be anything that can be read as PEM.
                        holds_its_promises(&what, &run, &|code| {
                            rejected(code) || (code == 0 && options.contains(&"--intermediates"))
                        });
                    }
                    let run = bounded(
                        &home,
                        &[
                            "issue",
                            "x",
                            "--dns",
                            "a.dev",
                            "--ca",
                            "malformed",
                            "--ca-key",
                            "certs/ca/issuing.key",
                        ],
                    );
                    holds_its_promises(&what, &run, &|code| matches!(code, 3 | 7));
                }
                "request" => {
                    let run = bounded(&home, &["sign", "malformed"]);
                    holds_its_promises(&what, &run, &|code| matches!(code, 3 | 7));
                }
                "crl" => {
                    let run = bounded(
                        &home,
                        &["verify", "--crl", "malformed", "certs/order/tls.crt"],
                    );
                    holds_its_promises(&what, &run, &rejected);
                }
                _ => {
                    let run = bounded(
                        &home,
                        &[
                            "issue",
                            "x",
                            "--dns",
                            "a.dev",
                            "--ca",
                            "certs/ca/issuing.crt",
                            "--ca-key",
                            "malformed",
                        ],
                    );
                    holds_its_promises(&what, &run, &|code| matches!(code, 3 | 7 | 8));
                }
            }
            assert!(
                !home.path("certs/x").exists(),
                "{what}: something was issued"
            );
            assert!(
                !home.path("certs/malformed").exists(),
                "{what}: something was signed"
            );
        }
    }
    assert_eq!(count, 4 * (DER.len() + PEM.len()));
}
