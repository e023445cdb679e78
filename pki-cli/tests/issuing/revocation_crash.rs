//! `pki revoke` and `pki crl` may be killed at any moment: no list is cut off, no number tells of two lists, nothing that
//! was revoked is forgotten, and the plain retry works.

use std::{collections::BTreeMap, fs};

use pki::{index::Index, inspect};

use crate::support::{Home, duration};

/// Every list that was ever seen, by its number.
#[derive(Default)]
struct Seen(BTreeMap<u64, Vec<u8>>);

impl Seen {
    /// What lies in this folder must be whole, and what was seen before under its number.
    fn look(&mut self, home: &Home, folder: &str) {
        let path = home.path(&format!("certs/{folder}/crl.pem"));
        let Ok(bytes) = fs::read(&path) else { return };
        let lists = inspect::crls(&bytes).expect("whole PEM");
        assert_eq!(lists.len(), 2, "both CAs' lists: {folder}");
        assert!(bytes.ends_with(b"-----END X509 CRL-----\n"));
        let number = number_of(&lists[0]);
        let known = self.0.entry(number).or_insert_with(|| lists[0].clone());
        assert_eq!(*known, lists[0], "two lists of the number {number}");
    }
}

fn number_of(der: &[u8]) -> u64 {
    use x509_parser::prelude::FromDer;
    let (_, crl) =
        x509_parser::revocation_list::CertificateRevocationList::from_der(der).expect("a CRL");
    let digits = crl.crl_number().expect("a number").to_string();
    digits.parse().expect("a small one")
}

#[test]
fn a_killed_revoke_or_crl_leaves_whole_lists_and_the_retry_works() {
    const KILLS: u32 = 40;
    let home = Home::with_ca();
    for number in 0..KILLS {
        home.pki(&format!("issue x{number} --dns a.example.org"))
            .succeeds();
    }
    home.pki("issue warm --dns a.example.org").succeeds();
    let whole = duration(|| drop(home.pki("revoke warm").succeeds()));
    let mut seen = Seen::default();
    for step in 0..KILLS {
        let name = format!("x{step}");
        let args = match step % 2 {
            0 => ["revoke", &name],
            _ => ["crl", "--force"],
        };
        home.run_and_kill(&args, whole * step / 32);
        for folder in ["ca", "warm", &name] {
            seen.look(&home, folder);
        }
        home.pki(&format!("revoke {name}")).succeeds();
        for folder in ["ca", "warm", &name] {
            seen.look(&home, folder);
        }
        home.pki(&format!("verify certs/{name}/tls.crt")).fails(23);
    }
    let lists = fs::read(home.path("certs/ca/crl.pem")).expect("crl.pem");
    for number in 0..KILLS {
        let folder = home.path(&format!("certs/x{number}"));
        assert_eq!(fs::read(folder.join("crl.pem")).expect("crl.pem"), lists);
        assert_eq!(
            fs::read_dir(folder).expect("a folder").count(),
            4,
            "nothing is left of the dead"
        );
    }
    let index = Index::open(&home.path("certs/ca/index.db")).expect("the index");
    let revoked = index.revoked("CN=Private Issuing CA").expect("read");
    assert_eq!(revoked.len(), KILLS as usize + 1);
    let current = index
        .crl("CN=Private Issuing CA")
        .expect("read")
        .expect("there");
    assert_eq!(seen.0.keys().last(), Some(&current.number));
}
