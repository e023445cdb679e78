//! The stages with the time as an argument: what is due when, and a rotation that takes its whole time.

use std::path::Path;

use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::{
    authority::{Authority, NewAuthority, Order, Role},
    distinguished_name::DistinguishedName,
    folder::Folder,
    key::{KeyAlgorithm, PrivateKey},
    subject_alt_name::GeneralName,
};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn day(count: i64) -> OffsetDateTime {
    NOW + Duration::days(count)
}

fn locked(_: &Path) -> Result<crate::key::Passphrase, Error> {
    Err(Error::Passphrase("no key is encrypted".to_owned()))
}

/// A root of 400 days, and, unless it issues itself, a CA of 100 days below it.
fn home(has_issuing: bool) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let name = |text| DistinguishedName::parse(text).expect("a name");
    let new = NewAuthority {
        subject: name("/CN=Root"),
        issuing_subject: has_issuing.then(|| name("/CN=CA")),
        key: KeyAlgorithm::P256,
        days: 400,
        issuing_days: 100,
        permitted_dns: Vec::new(),
    };
    Authority::create(home.path(), &new, None, NOW, &mut || false).expect("a CA");
    home
}

fn issue(home: &tempfile::TempDir, days: u32, now: OffsetDateTime) -> Certificate {
    let authority = Authority::open(home.path(), &mut locked).expect("opened");
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let subject = DistinguishedName::parse("/CN=a").expect("a name");
    let order = Order {
        name: Some("a"),
        profile: Profile::Server,
        subject: &subject,
        names: &[GeneralName::dns("a.dev").expect("a name")],
        public_key: key.public(),
        days,
    };
    let issued = authority.issue(&order, now).expect("issued");
    let folder = Folder::lock(&home.path().join("a"), &mut || false).expect("locked");
    let pem = key.to_pem();
    crate::apply::write_pair(folder, &issued, pem.as_bytes()).expect("written");
    issued.certificate
}

fn outlook(home: &tempfile::TempDir, now: OffsetDateTime) -> (Step, OffsetDateTime) {
    let outlook = Outlook::of(home.path(), now).expect("an outlook");
    (outlook.step, outlook.due)
}

fn prepare_at(
    home: &tempfile::TempDir,
    root: bool,
    now: OffsetDateTime,
) -> Result<Prepared, Error> {
    let wish = Wish {
        root,
        ..Wish::default()
    };
    prepare(home.path(), &wish, &mut locked, now, &mut || false)
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> RotationRefused {
    let refused = match outcome.expect_err("refused") {
        Error::Rotation(refused) => Some(refused),
        _ => None,
    };
    refused.expect("by the rules of rotation")
}

#[test]
fn a_rotation_that_takes_its_time() {
    let home = home(true);
    let dir = home.path();
    let half = half_life(
        Generations::read(dir)
            .expect("read")
            .issuer()
            .expect("a CA"),
    );
    assert!((half - day(50)).abs() <= BACKDATE, "{half}");
    assert_eq!(outlook(&home, NOW), (Step::Prepare, half));
    let old = issue(&home, 20, day(45));
    assert!(matches!(
        refused(prepare_at(&home, false, day(49))),
        RotationRefused::TooEarly { .. }
    ));
    let made = prepare_at(&home, false, day(51)).expect("prepared").made;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].role, Role::Next);
    assert_eq!(made[0].certificate.subject().to_slashes(), "/CN=CA 2");
    assert_eq!(
        days_of(&made[0].certificate),
        100,
        "as long as its forerunner"
    );
    // The same once more changes nothing.
    assert!(
        prepare_at(&home, false, day(51))
            .expect("there")
            .made
            .is_empty()
    );
    assert_eq!(outlook(&home, day(51)), (Step::Activate, day(52)));
    let issued = issue(&home, 20, day(51));
    assert_eq!(
        issued.issuer(),
        old.issuer(),
        "the next CA issues nothing yet"
    );
    assert!(matches!(
        refused(retire(dir, false, day(51), &mut || false)),
        RotationRefused::NotActive(_)
    ));
    let activated = activate(dir, false, day(52), &mut || false).expect("activated");
    assert_eq!(activated.issuer.as_ref(), Some(&made[0].certificate));
    assert!(
        activate(dir, false, day(52), &mut || false)
            .expect("there")
            .issuer
            .is_none()
    );
    let new = issue(&home, 20, day(52));
    assert_eq!(new.issuer(), made[0].certificate.subject());
    // Nothing of the previous CA is valid after this.
    let after = issued.not_after() + Duration::SECOND;
    assert_eq!(outlook(&home, day(53)), (Step::Retire, after));
    assert!(matches!(
        refused(retire(dir, false, issued.not_after(), &mut || false)),
        RotationRefused::StillLiving { count: 1, .. }
    ));
    assert!(matches!(
        refused(prepare_at(&home, false, day(120))),
        RotationRefused::Unfinished(_)
    ));
    let retired = retire(dir, false, after, &mut || false).expect("retired");
    assert_eq!(retired.living, Living::default());
    assert_eq!(retired.crl_until, None, "nobody has a CRL");
    assert_eq!(
        Generations::read(dir).expect("read").stage(),
        Stage::Settled
    );
    assert!(
        retire(dir, false, after, &mut || false)
            .expect("done")
            .authority
            .is_none()
    );
}

#[test]
fn a_successor_ends_with_its_root_and_the_root_is_due_at_its_own_half_life() {
    let home = home(true);
    let dir = home.path();
    let due = |now| Outlook::of(dir, now).expect("an outlook").is_root_due;
    assert!(!due(day(199)));
    assert!(due(day(201)));
    let wish = Wish {
        days: Some(1000),
        early: true,
        ..Wish::default()
    };
    let made = prepare(dir, &wish, &mut locked, day(10), &mut || false).expect("prepared");
    let root = Generations::read(dir)
        .expect("read")
        .root()
        .expect("a root")
        .clone();
    assert_eq!(made.made[0].certificate.not_after(), root.not_after());
    assert_eq!(made.made[0].notices.len(), 1, "which is said");
}

#[test]
fn a_next_ca_that_is_over_does_not_take_over() {
    let home = home(true);
    prepare_at(&home, false, day(60)).expect("prepared");
    assert!(matches!(
        refused(activate(home.path(), true, day(170), &mut || false)),
        RotationRefused::NextExpired { .. }
    ));
}

#[test]
fn a_root_that_issues_itself_is_what_is_replaced() {
    let home = home(false);
    let dir = home.path();
    issue(&home, 20, day(190));
    let made = prepare_at(&home, false, day(201)).expect("prepared").made;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].role, Role::NextRoot);
    let lacking = |now| Outlook::of(dir, now).expect("an outlook").lacking.len();
    assert_eq!(lacking(day(201)), 1, "the folder has the old root alone");
    assert!(matches!(
        refused(activate(dir, false, day(202), &mut || false)),
        RotationRefused::NotTrusted { count: 1, .. }
    ));
    let index = Generations::read(dir)
        .expect("the CA")
        .index()
        .expect("the index");
    let spread = spread(dir, &index, &mut || false).expect("spread");
    assert_eq!((spread.folders.len(), spread.failures.len()), (1, 0));
    assert_eq!(lacking(day(202)), 0);
    activate(dir, false, day(202), &mut || false).expect("activated");
    // The root's own row is no certificate that somebody presents.
    assert_eq!(outlook(&home, day(215)), (Step::Retire, day(215)));
    let retired = retire(dir, false, day(215), &mut || false).expect("retired");
    assert!(retired.with_root && retired.crl_until.is_none());
}

#[test]
fn a_ca_that_was_retired_before_goes_with_its_root() {
    let home = home(true);
    let dir = home.path();
    let rotate = |root, at| {
        let wish = Wish {
            root,
            early: true,
            ..Wish::default()
        };
        prepare(dir, &wish, &mut locked, at, &mut || false).expect("prepared");
        activate(dir, true, at, &mut || false).expect("activated");
        retire(dir, true, at, &mut || false).expect("retired")
    };
    issue(&home, 60, day(1));
    let first = rotate(false, day(2));
    assert!(
        first.crl_until.is_some(),
        "its certificate can be revoked still"
    );
    let retired = first.authority.expect("the first one");
    let second = rotate(true, day(3));
    assert_eq!(second.gone, Some(retired), "nobody trusts it any more");
    assert_eq!(second.crl_until, None);
    let left = Generations::read(dir).expect("read");
    assert!(left.get(Role::Retired).is_none());
    assert!(!dir.join("ca/retired.key").exists());
}
