//! Commands that began before a rotation and go on after it: they write nothing of what they knew of the CA before.

use std::path::Path;

use pki::{
    Error,
    authority::{Authority, Generations, NewAuthority, Order},
    distinguished_name::DistinguishedName,
    index::{Index, Reservation},
    inspect,
    key::{KeyAlgorithm, Passphrase, PrivateKey},
    profile::Profile,
    revocation::{RevocationLists, Wish},
    rotation,
    subject_alt_name::GeneralName,
};
use time::{Duration, OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

/// A CA of two tiers, whose keys are encrypted when there is a passphrase.
fn home(passphrase: Option<&Passphrase>) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let name = |name: &str| DistinguishedName::common_name(name).expect(name);
    let new = NewAuthority {
        subject: name("Root"),
        issuing_subject: Some(name("Issuing")),
        key: KeyAlgorithm::P256,
        days: 3650,
        issuing_days: 1825,
        permitted_dns: Vec::new(),
    };
    Authority::create(home.path(), &new, passphrase, NOW, &mut || false).expect("a CA");
    home
}

fn prepare(dir: &Path, unlock: &mut pki::authority::Unlock<'_>) {
    let wish = rotation::Wish {
        root: false,
        early: true,
        days: None,
        key: None,
        allow_dropped: false,
    };
    rotation::prepare(dir, &wish, unlock, NOW, &mut || false).expect("prepared");
}

fn lists(dir: &Path) -> RevocationLists {
    RevocationLists::open(dir).expect("opened")
}

fn force() -> Wish {
    Wish {
        force: true,
        ..Wish::default()
    }
}

/// The names of the CAs whose CRLs are in the file, in its order.
fn listed(dir: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(dir.join("ca/crl.pem")).expect("crl.pem");
    let crls = inspect::crls(&bytes).expect("CRLs");
    let read = |der: &Vec<u8>| {
        use x509_parser::{prelude::FromDer, revocation_list::CertificateRevocationList};
        let (_, crl) = CertificateRevocationList::from_der(der).expect("a CRL");
        crl.issuer().as_raw().to_vec()
    };
    crls.iter().map(read).collect()
}

#[test]
fn crls_that_waited_for_a_rotation_are_those_of_the_cas_after_it() {
    let home = home(None);
    let dir = home.path();
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    let mut refresh = |lists: &mut RevocationLists, at| {
        let refreshed = lists.refresh(&force(), &mut locked, at, &mut || false);
        let refreshed = refreshed.expect("refreshed");
        assert!(refreshed.failures.is_empty(), "{refreshed:?}");
    };
    refresh(&mut lists(dir), NOW);
    let mut waiting = lists(dir);
    prepare(dir, &mut |_| unreachable!("no key is encrypted"));
    refresh(&mut lists(dir), NOW);
    let later = NOW + Duration::days(2);
    rotation::activate(dir, false, later, &mut || false).expect("activated");
    refresh(&mut lists(dir), later);
    let before = listed(dir);
    assert_eq!(
        before.len(),
        3,
        "the new CA's, the previous one's, the root's"
    );
    refresh(&mut waiting, later);
    assert_eq!(listed(dir), before);
    let generations = Generations::read(dir).expect("read");
    let issuer = generations.issuer().expect("an issuer");
    assert_eq!(listed(dir)[0], issuer.subject().der());
}

#[test]
fn a_key_that_only_a_rotation_brought_is_not_asked_for_under_the_lock() {
    let passphrase = || {
        let octets = b"correct horse".to_vec();
        Passphrase::new(octets.into()).expect("a passphrase")
    };
    let home = home(Some(&passphrase()));
    let dir = home.path();
    let mut unlock = |_: &Path| Ok(passphrase());
    let mut first = lists(dir);
    let done = first.refresh(&force(), &mut unlock, NOW, &mut || false);
    assert!(done.expect("refreshed").failures.is_empty());
    let before = std::fs::read(dir.join("ca/crl.pem")).expect("crl.pem");
    let mut waiting = lists(dir);
    prepare(dir, &mut |_| Ok(passphrase()));
    let error = waiting
        .refresh(&force(), &mut unlock, NOW, &mut || false)
        .expect_err("a key that nobody unlocked");
    assert!(matches!(error, Error::Rotated(_)), "{error}");
    let after = std::fs::read(dir.join("ca/crl.pem")).expect("crl.pem");
    assert_eq!(before, after, "nothing was written");
}

#[test]
fn a_key_that_a_rotation_moved_is_found_at_its_new_place() {
    let home = home(None);
    let dir = home.path();
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    prepare(dir, &mut locked);
    let mut waiting = lists(dir);
    let later = NOW + Duration::days(2);
    rotation::activate(dir, true, later, &mut || false).expect("activated");
    // In the place of its key lies the one of the CA that took over.
    let names = ["CN=Issuing".to_owned()];
    waiting
        .unlock(&names, &mut locked, later)
        .expect("the previous CA revokes what it issued");
}

fn order(authority: &Authority) -> Result<(), Error> {
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let order = Order {
        name: Some("order"),
        profile: Profile::Peer,
        subject: &DistinguishedName::common_name("order").expect("a name"),
        names: &[GeneralName::dns("a.dev").expect("a name")],
        public_key: key.public(),
        days: 60,
    };
    authority.issue(&order, NOW).map(drop)
}

#[test]
fn a_ca_that_was_opened_before_a_rotation_issues_nothing_after_it() {
    let home = home(None);
    let dir = home.path();
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    let opened = Authority::open(dir, &mut locked).expect("opened");
    order(&opened).expect("the same CA");
    prepare(dir, &mut locked);
    order(&opened).expect("the CA that issues and its trust anchors are the same");
    let later = NOW + Duration::days(2);
    rotation::activate(dir, true, later, &mut || false).expect("activated");
    let error = order(&opened).expect_err("another one issues now");
    assert!(matches!(error, Error::Rotated(_)), "{error}");
    let opened = Authority::open(dir, &mut locked).expect("opened again");
    order(&opened).expect("the CA of now");
}

#[test]
fn a_ca_is_not_retired_while_a_run_may_be_about_to_issue_with_it() {
    let home = home(None);
    let dir = home.path();
    prepare(dir, &mut |_| unreachable!("no key is encrypted"));
    let later = NOW + Duration::days(2);
    rotation::activate(dir, true, later, &mut || false).expect("activated");
    let index = Index::open(&dir.join("ca/index.db")).expect("the index");
    let reservation = Reservation {
        name: Some("order"),
        profile: Profile::Peer,
        subject: "CN=order".to_owned(),
        names: vec!["DNS:a.dev".to_owned()],
        issuer: "CN=Issuing".to_owned(),
        key: "00".repeat(32),
    };
    index.reserve([], &reservation, later).expect("reserved");
    let retire = |at| rotation::retire(dir, false, at, &mut || false);
    let error = retire(later + Duration::minutes(5)).expect_err("a run is under way");
    assert!(error.to_string().contains("order"), "{error}");
    let retired = retire(later + Duration::hours(2)).expect("it died");
    assert!(retired.authority.is_some());
}
