//! Plans at one moment after another, for what is there.

use time::{Duration, macros::datetime};

use super::{action::names_difference, *};
use crate::{
    authority::Authority,
    batch::{Batch, Place, Tools},
    key::PrivateKey,
    subject_alt_name::GeneralName,
};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

fn manifest(days: u32) -> Manifest {
    let text = format!(
        "[ca]\nsubject = \"/CN=Root\"\ndays = 100\n[certificate.order]\nprofile = \"peer\"\ndns = [\"a.dev\"]\ndays = {days}\n"
    );
    Manifest::parse(Path::new("pki.toml"), &text).expect("a good manifest")
}

/// A folder to which the manifest was applied at `NOW`.
fn applied(manifest: &Manifest) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    Authority::create(home.path(), &manifest.authority, None, NOW, &mut || false).expect("a CA");
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    let mut authority = Authority::open(home.path(), &mut locked).expect("opened");
    let (issuer, anchors, index) = authority.parts();
    let index = index.expect("an index");
    let place = Place {
        issuer,
        anchors,
        dir: home.path(),
        now: NOW,
    };
    let plan = Plan::make(manifest, home.path(), NOW).expect("a plan");
    // Somebody who planned at the same moment finds nothing left to do.
    for made in [plan.steps.len(), 0] {
        let tools = Tools {
            key: &mut PrivateKey::generate,
            passphrase: &|_| None,
            wait: &mut || false,
        };
        let batch = Batch::prepare(place, &plan.steps, tools);
        let signed = batch.reserve(index).expect("reserved").issue();
        signed.sync().expect("durable");
        let outcome = signed.record(index).expect("recorded").publish();
        assert!(outcome.failure.is_none());
        assert_eq!(outcome.made.len(), made);
    }
    home
}

fn action_after(home: &tempfile::TempDir, manifest: &Manifest, days: i64) -> Action {
    let plan = Plan::make(manifest, home.path(), NOW + Duration::days(days)).expect("a plan");
    plan.steps.into_iter().next().expect("one step").action
}

#[test]
fn a_certificate_is_replaced_when_a_third_of_its_life_is_left() {
    let manifest = manifest(60);
    let home = applied(&manifest);
    for days in [0, 39] {
        assert!(
            matches!(action_after(&home, &manifest, days), Action::Keep(_)),
            "{days}"
        );
    }
    for (days, reason) in [
        (41, "expires on 2027-01-23, in 19 days"),
        (61, "expired on 2027-01-23"),
    ] {
        assert_eq!(
            action_after(&home, &manifest, days),
            Action::Replace(vec![reason.to_owned()])
        );
    }
}

#[test]
fn a_certificate_that_ends_with_its_ca_is_not_replaced_again_and_again() {
    let manifest = manifest(400);
    let home = applied(&manifest);
    for days in [0, 80, 99] {
        assert!(
            matches!(action_after(&home, &manifest, days), Action::Keep(_)),
            "{days}"
        );
    }
    // Neither when the manifest asks for another end that it cannot have.
    assert!(matches!(
        action_after(&home, &self::manifest(500), 0),
        Action::Keep(_)
    ));
    assert_eq!(
        action_after(&home, &self::manifest(30), 0),
        Action::Replace(vec!["days: 100 → 30".to_owned()])
    );
}

#[test]
fn another_validity_is_a_difference() {
    let home = applied(&manifest(60));
    assert_eq!(
        action_after(&home, &manifest(30), 0),
        Action::Replace(vec!["days: 60 → 30".to_owned()])
    );
}

#[test]
fn the_order_of_names_means_nothing() {
    let dns = |name| GeneralName::dns(name).expect("a name");
    assert_eq!(
        names_difference(&[dns("a.dev"), dns("b.dev")], &[dns("b.dev"), dns("a.dev")]),
        None
    );
    assert_eq!(
        names_difference(&[dns("a.dev")], &[dns("b.dev")]).as_deref(),
        Some("names: +DNS:b.dev -DNS:a.dev")
    );
}
