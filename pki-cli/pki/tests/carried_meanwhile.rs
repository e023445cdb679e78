//! A folder that gets its pair while CRLs are carried and roots are spread: what was right when the pair was begun is not
//! what stays.

use std::path::Path;

use pki::{
    Error,
    authority::{Authority, Issued, NewAuthority, Order},
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    folder::{self, Durable, Entry, Folder},
    health::Check,
    index::{Index, Revocation},
    key::{KeyAlgorithm, PrivateKey},
    profile::Profile,
    revocation::{RevocationLists, Wish},
    revocation_reason::RevocationReason,
    rotation,
    subject_alt_name::GeneralName,
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn locked(_: &Path) -> Result<pki::key::Passphrase, Error> {
    Err(Error::Passphrase("no key is encrypted".to_owned()))
}

fn authority(dir: &Path, name: &str) -> Authority {
    let new = NewAuthority {
        subject: DistinguishedName::common_name(name).expect(name),
        issuing_subject: None,
        key: KeyAlgorithm::P256,
        days: 3650,
        issuing_days: 1,
        permitted_dns: Vec::new(),
    };
    Authority::create(dir, &new, None, NOW, &mut || false).expect("a CA");
    Authority::open(dir, &mut locked).expect("opened")
}

fn issue(authority: &Authority) -> (PrivateKey, Issued) {
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let order = Order {
        name: Some("x"),
        profile: Profile::Peer,
        subject: &DistinguishedName::common_name("x").expect("a name"),
        names: &[GeneralName::dns("x.dev").expect("a name")],
        public_key: key.public(),
        days: 60,
    };
    let issued = authority.issue(&order, NOW).expect("issued");
    (key, issued)
}

fn files((key, issued): &(PrivateKey, Issued)) -> [Entry; 3] {
    [
        Entry::public(folder::CERTIFICATE, issued.chain_pem()),
        Entry::private(folder::KEY, key.to_pem().as_bytes()),
        Entry::public(folder::ANCHOR, issued.anchor_pem()),
    ]
}

/// A folder `x` with somebody else's pair, in whose place one of ours is about to come, as it was right a moment ago; then
/// `change`, which is to wait for that.
fn meanwhile(change: impl FnOnce(&Path, &mut folder::Wait<'_>)) -> tempfile::TempDir {
    let (home, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (home, other) = (home.expect("a folder"), other.expect("a folder"));
    let path = home.path().join("x");
    let theirs = issue(&authority(other.path(), "Other"));
    let folder = Folder::lock(&path, &mut || false).expect("nobody is there");
    folder.replace(&files(&theirs), &[]).expect("written");
    let ours = issue(&authority(home.path(), "Root"));
    let folder = Folder::lock(&path, &mut || false).expect("nobody is there");
    let begun = folder.begin(&files(&ours), &[], Durable::AtOnce);
    let mut coming = Some(begun.expect("begun"));
    change(home.path(), &mut || {
        let Some(mut change) = coming.take() else {
            return false;
        };
        while change.advance().expect("in place") {}
        true
    });
    assert!(coming.is_none(), "it waited for the folder");
    home
}

#[test]
fn crls_are_carried_into_a_folder_that_was_somebody_elses_a_moment_ago() {
    let home = meanwhile(|dir, wait| {
        let mut lists = RevocationLists::open(dir).expect("opened");
        let wish = Wish {
            force: true,
            ..Wish::default()
        };
        let done = lists.refresh(&wish, &mut locked, NOW, wait);
        let done = done.expect("refreshed");
        assert!(done.failures.is_empty(), "{done:?}");
    });
    let read = |name: &str| std::fs::read(home.path().join(name)).expect(name);
    assert_eq!(read("x/crl.pem"), read("ca/crl.pem"));
}

/// What a check tells of CRLs, with somebody at work who does `work` when he is waited for.
fn told_of_crls(dir: &Path, mut work: impl FnMut() -> bool) -> Vec<&'static str> {
    let check = Check {
        now: NOW,
        warn: None,
    };
    let report = check.everything(dir, &mut work).expect("checked");
    let kinds = report.findings.into_iter().map(|finding| finding.kind);
    kinds.filter(|kind| kind.starts_with("crl")).collect()
}

#[test]
fn a_check_beside_a_revocation_does_not_tell_of_what_is_under_way() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path();
    let authority = authority(dir, "Root");
    for name in ["x", "y"] {
        let folder = Folder::lock(&dir.join(name), &mut || false).expect("nobody is there");
        let pair = files(&issue(&authority));
        folder.replace(&pair, &[]).expect("written");
    }
    let refresh = || {
        let mut lists = RevocationLists::open(dir).expect("opened");
        let done = lists.refresh(&Wish::default(), &mut locked, NOW, &mut || false);
        done.expect("refreshed");
    };
    refresh();
    assert_eq!(told_of_crls(dir, || false), [""; 0]);
    // It is marked, and neither signed nor carried.
    let own = std::fs::read(dir.join("x/tls.crt")).expect("there");
    let own = Certificate::read_all(&own)
        .expect("a certificate")
        .remove(0);
    let revocation = Revocation {
        at: NOW,
        reason: RevocationReason::Superseded,
        invalid_since: None,
    };
    let index = Index::open(&dir.join("ca/index.db")).expect("the index");
    let issuer = own.issuer().to_string();
    let marked = index.revoke(&own.serial(), &issuer, &revocation);
    marked.expect("marked");
    assert_eq!(told_of_crls(dir, || false), ["crl"]);
    let carried = std::fs::read(dir.join("y/crl.pem")).expect("there");
    let mut waits = 0;
    let told = told_of_crls(dir, || {
        waits += 1;
        if waits == 3 {
            refresh();
        }
        true
    });
    assert_eq!(told, [""; 0]);
    // It is signed, and carried into every folder but the last.
    let newer = std::fs::read(dir.join("y/crl.pem")).expect("there");
    std::fs::write(dir.join("y/crl.pem"), carried).expect("written");
    assert_eq!(told_of_crls(dir, || false), ["crl-not-carried"]);
    assert_eq!(told_of_crls(dir, || true), ["crl-not-carried"]);
    let mut waits = 0;
    let told = told_of_crls(dir, || {
        waits += 1;
        if waits == 3 {
            std::fs::write(dir.join("y/crl.pem"), &newer).expect("written");
        }
        true
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn roots_are_spread_into_a_folder_that_was_somebody_elses_a_moment_ago() {
    let home = meanwhile(|dir, wait| {
        let wish = rotation::Wish {
            early: true,
            ..rotation::Wish::default()
        };
        rotation::prepare(dir, &wish, &mut locked, NOW, &mut || false).expect("prepared");
        let index = Index::open(&dir.join("ca/index.db")).expect("the index");
        let done = rotation::spread(dir, &index, wait).expect("spread");
        assert!(done.failures.is_empty(), "{done:?}");
    });
    let anchors = std::fs::read_to_string(home.path().join("x/ca.crt")).expect("ca.crt");
    assert_eq!(anchors.matches("BEGIN").count(), 2);
}

#[test]
fn a_folder_in_which_nothing_can_be_written_matters_only_where_something_should_be() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path();
    let ours = issue(&authority(dir, "Root"));
    let folder = Folder::lock(&dir.join("x"), &mut || false).expect("nobody is there");
    folder.replace(&files(&ours), &[]).expect("written");
    // A copy of the CA's folder, and one that was mounted with something else in it.
    std::fs::create_dir(dir.join("ca.old")).expect("made");
    std::fs::copy(dir.join("ca/index.db"), dir.join("ca.old/index.db")).expect("copied");
    std::fs::create_dir(dir.join("mounted")).expect("made");
    std::os::unix::fs::symlink("..2026", dir.join("mounted/..data")).expect("made");
    let mut lists = RevocationLists::open(dir).expect("opened");
    let wish = Wish {
        force: true,
        ..Wish::default()
    };
    let done = lists.refresh(&wish, &mut locked, NOW, &mut || false);
    let done = done.expect("refreshed");
    assert!(done.failures.is_empty(), "{done:?}");
    assert_eq!(done.folders, [dir.join("x")]);
    // Now it is a pair of ours.
    std::fs::copy(dir.join("x/tls.crt"), dir.join("mounted/tls.crt")).expect("copied");
    let carried = lists.carry(&mut || false).expect("looked at");
    assert_eq!(carried.failures.len(), 1, "{carried:?}");
}
