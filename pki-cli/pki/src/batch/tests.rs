//! Batches of which each step is looked at, and what is left when one is the last.

use super::*;
use crate::{apply::Plan, authority::Authority, index::Status, manifest::Manifest};
use std::path::PathBuf;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

struct Home {
    folder: tempfile::TempDir,
    authority: Authority,
    manifest: Manifest,
}

fn home(count: usize) -> Home {
    let entries: String = (0..count)
        .map(|at| format!("[certificate.s{at}]\nprofile = \"peer\"\ndns = [\"s{at}.dev\"]\n"))
        .collect();
    let text = format!("[ca]\nsubject = \"/CN=Root\"\n{entries}");
    let manifest = Manifest::parse(Path::new("pki.toml"), &text).expect("a good manifest");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    Authority::create(dir, &manifest.authority, None, NOW, &mut || false).expect("a CA");
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    let authority = Authority::open(dir, &mut locked).expect("opened");
    Home {
        folder,
        authority,
        manifest,
    }
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn steps(&self) -> Vec<Step> {
        let plan = Plan::make(&self.manifest, self.folder.path(), NOW);
        plan.expect("a plan").steps
    }

    /// What the index says of the end entities, and how many folders are seen.
    fn state(&mut self) -> (Vec<Status>, usize) {
        let (_, _, index) = self.authority.parts();
        let rows = index.expect("an index").rows().expect("rows");
        let rows = rows
            .into_iter()
            .filter(|row| row.name.as_deref() != Some("ca"))
            .map(|row| row.status)
            .collect();
        let seen = std::fs::read_dir(self.folder.path())
            .expect("a folder")
            .flatten()
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .count();
        (rows, seen - 1)
    }
}

fn prepare<'s>(
    issuer: &'s Issuer,
    anchors: &'s [Certificate],
    dir: &'s Path,
    steps: &'s [Step],
) -> Batch<'s> {
    let tools = Tools {
        key: &mut PrivateKey::generate,
        passphrase: &|_| None,
        wait: &mut || false,
    };
    let place = Place {
        issuer,
        anchors,
        dir,
        now: NOW,
    };
    Batch::prepare(place, steps, tools)
}

fn take<'s>(authority: &'s mut Authority, dir: &'s Path, steps: &'s [Step]) -> Outcome<'s> {
    let (issuer, anchors, index) = authority.parts();
    let index = index.expect("an index");
    let reserved = prepare(issuer, anchors, dir, steps).reserve(index);
    let signed = reserved.expect("reserved").issue();
    signed.sync().expect("durable");
    signed.record(index).expect("recorded").publish()
}

#[test]
fn a_batch_issues_what_is_due_and_a_second_one_finds_nothing_to_do() {
    let mut home = home(5);
    let steps = home.steps();
    let dir = home.folder.path().to_owned();
    let outcome = take(&mut home.authority, &dir, &steps);
    assert!(outcome.failure.is_none() && outcome.left.is_empty());
    let names: Vec<_> = outcome
        .made
        .iter()
        .map(|made| made.step.entry.name.as_str())
        .collect();
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4"]);
    assert_eq!(home.state(), (vec![Status::Issued; 5], 5));
    // Somebody who planned at the same moment finds nothing left to do, and takes no serial number.
    let again = take(&mut home.authority, &dir, &steps);
    assert!(again.made.is_empty() && again.failure.is_none());
    assert_eq!(home.state(), (vec![Status::Issued; 5], 5));
    assert!(home.steps().iter().all(|step| !step.makes_key()));
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the results should know what was not looked at"
)]
fn each_file_system_that_a_batch_writes_to_is_made_durable() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let mut home = home(4);
    let (steps, dir) = (home.steps(), home.folder.path().to_owned());
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev());
    let elsewhere = tempfile::tempdir_in("/dev/shm").ok();
    let elsewhere = elsewhere.filter(|there| {
        matches!((device(there.path()), device(&dir)), (Ok(one), Ok(other)) if one != other)
    });
    let Some(elsewhere) = elsewhere else {
        eprintln!("skipped: there is no second file system in /dev/shm");
        return;
    };
    // An empty folder, and one with a pair; the others are new ones here.
    for name in ["s1", "s3"] {
        std::fs::create_dir(elsewhere.path().join(name)).expect("made");
        symlink(elsewhere.path().join(name), home.path(name)).expect("linked");
    }
    std::fs::write(elsewhere.path().join("s3/ca.crt"), "").expect("written");
    let (issuer, anchors, index) = home.authority.parts();
    let index = index.expect("an index");
    let signed = |steps| {
        let reserved = prepare(issuer, anchors, &dir, steps).reserve(index);
        reserved.expect("reserved").issue()
    };
    assert_eq!(signed(&steps[..1]).written_to.count(), 1);
    assert_eq!(signed(&steps[3..]).written_to.count(), 1);
    let whole = signed(&steps);
    assert_eq!(whole.written_to.count(), 2);
    whole.sync().expect("durable");
    let outcome = whole.record(index).expect("recorded").publish();
    assert_eq!((outcome.made.len(), outcome.failure.is_none()), (4, true));
    for name in ["s1", "s3"] {
        let pair = elsewhere.path().join(name).join(folder::KEY);
        assert!(pair.is_file(), "{name}");
    }
    assert!(home.steps().iter().all(|step| !step.makes_key()));
}

#[test]
fn a_process_that_dies_between_two_steps_leaves_numbers_and_no_pair() {
    let mut home = home(3);
    let (steps, dir) = (home.steps(), home.folder.path().to_owned());
    {
        let (issuer, anchors, index) = home.authority.parts();
        let index = index.expect("an index");
        drop(prepare(issuer, anchors, &dir, &steps));
        let reserved = prepare(issuer, anchors, &dir, &steps).reserve(index);
        drop(reserved.expect("reserved"));
        let reserved = prepare(issuer, anchors, &dir, &steps).reserve(index);
        let signed = reserved.expect("reserved").issue();
        signed.sync().expect("durable");
        drop(signed);
    }
    assert_eq!(home.state(), (vec![Status::Reserved; 6], 0));
    {
        let (issuer, anchors, index) = home.authority.parts();
        let index = index.expect("an index");
        let reserved = prepare(issuer, anchors, &dir, &steps).reserve(index);
        let signed = reserved.expect("reserved").issue();
        // A certificate that is known and nowhere can still be revoked.
        drop(signed.record(index).expect("recorded"));
    }
    let (rows, seen) = home.state();
    assert_eq!((rows.len(), seen), (9, 0));
    let outcome = take(&mut home.authority, &dir, &steps);
    assert_eq!(outcome.made.len(), 3);
    assert_eq!(home.state().1, 3);
}

#[test]
fn a_batch_that_a_rotation_of_the_root_overtook_brings_nothing() {
    let mut home = home(2);
    let (steps, dir) = (home.steps(), home.folder.path().to_owned());
    let mut locked = |_: &Path| Err(Error::Passphrase("no key is encrypted".to_owned()));
    let wish = crate::rotation::Wish {
        root: true,
        early: true,
        days: None,
        key: None,
        allow_dropped: false,
    };
    let (issuer, anchors, index) = home.authority.parts();
    let index = index.expect("an index");
    let early = prepare(issuer, anchors, &dir, &steps[..1]).reserve(index);
    let early = early.expect("reserved").issue();
    let late = prepare(issuer, anchors, &dir, &steps[1..]).reserve(index);
    crate::rotation::prepare(&dir, &wish, &mut locked, NOW, &mut || false).expect("prepared");
    let late = late.expect("reserved").issue();
    assert!(matches!(late.failure, Some(Error::Rotated(_))));
    assert!(
        late.record(index)
            .expect("nothing")
            .publish()
            .made
            .is_empty()
    );
    assert!(matches!(early.record(index), Err(Error::Rotated(_))));
    assert_eq!(home.state(), (vec![Status::Reserved; 2], 0));
}

#[test]
fn what_stands_before_a_failure_is_issued_and_what_stands_behind_it_is_not() {
    let mut home = home(4);
    let (steps, dir) = (home.steps(), home.folder.path().to_owned());
    std::fs::write(home.path("s2"), "not a folder").expect("written");
    let outcome = take(&mut home.authority, &dir, &steps);
    assert_eq!(outcome.made.len(), 2);
    assert!(matches!(
        outcome.failure,
        Some(Error::Folder(FolderError::NotAFolder(_)))
    ));
    assert_eq!(home.state().0, [Status::Issued; 2]);
    assert!(home.path("s1").exists() && !home.path("s3").exists());
}

#[test]
fn a_folder_that_somebody_else_holds_is_left_for_the_next_round() {
    let mut home = home(4);
    let (steps, dir) = (home.steps(), home.folder.path().to_owned());
    let held = Folder::lock(&home.path("s2"), &mut || false).expect("locked");
    let outcome = take(&mut home.authority, &dir, &steps);
    assert_eq!(outcome.made.len(), 2);
    assert!(outcome.failure.is_none());
    let left: Vec<_> = outcome
        .left
        .iter()
        .map(|step| step.entry.name.as_str())
        .collect();
    assert_eq!(left, ["s2", "s3"]);
    // Now it is the first, which is waited for.
    let again = take(&mut home.authority, &dir, &steps[2..]);
    assert!(matches!(
        again.failure,
        Some(Error::Folder(FolderError::Busy(_)))
    ));
    drop(held);
    let last = take(&mut home.authority, &dir, &steps[2..]);
    assert_eq!(last.made.len(), 2);
}
