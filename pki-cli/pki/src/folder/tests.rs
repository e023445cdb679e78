//! Folders that are written, read, killed and shared.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use super::{
    create::{acquire, private_folder},
    exchange::DATA,
    file::copy,
    *,
};

const OLD: [&str; 2] = ["old certificate", "old key"];
const NEW: [&str; 2] = ["new certificate", "new key"];

fn entries(content: [&str; 2]) -> Vec<Entry> {
    vec![
        Entry::public(CERTIFICATE, content[0]),
        Entry::private(KEY, content[1]),
    ]
}

/// A folder with the old pair and a line for people, which is none of our business.
fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("order");
    Folder::lock(&path, &mut || false)
        .expect("locked")
        .replace(&entries(OLD), &[])
        .expect("written");
    fs::write(path.join("README"), "mine").expect("written");
    (home, path)
}

fn pair(path: &Path) -> [String; 2] {
    [CERTIFICATE, KEY].map(|name| fs::read_to_string(path.join(name)).unwrap_or_default())
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// What `replace` does, as far as the process lives, and what a reader sees then; afterwards the next writer comes.
fn dies_after(steps: usize) -> ([String; 2], [String; 2]) {
    let (_home, path) = home();
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    let (new, old) = (entries(NEW), vec![CERTIFICATE, KEY]);
    let helpers = std::cell::RefCell::new(Vec::new());
    let calls: [&dyn Fn() -> Result<(), FolderError>; 8] = [
        &|| {
            folder
                .helper("new", &new, Durable::AtOnce)
                .map(|helper| helpers.borrow_mut().push(helper))
        },
        &|| {
            folder
                .keep_old(&old, Durable::AtOnce)
                .map(|helper| helpers.borrow_mut().push(helper))
        },
        &|| folder.point_data_at(&helpers.borrow()[1]),
        &|| folder.put_link(CERTIFICATE),
        &|| folder.put_link(KEY),
        &|| folder.point_data_at(&helpers.borrow()[0]),
        // Half of the last step: one link is a file again.
        &|| {
            let file = path.join("..file");
            fs::hard_link(path.join(DATA).join(KEY), &file).expect("linked");
            fs::rename(&file, path.join(KEY)).map_err(FolderError::io(&path, "written"))
        },
        &|| folder.settle(),
    ];
    for call in calls.iter().take(steps) {
        call().expect("every call succeeds");
    }
    let seen = pair(&path);
    drop(folder);
    drop(Folder::lock(&path, &mut || false).expect("the next writer is not stopped"));
    assert_eq!(
        names(&path),
        ["README", CERTIFICATE, KEY],
        "after {steps} calls"
    );
    assert!(names(&path).iter().all(|name| {
        !fs::symlink_metadata(path.join(name))
            .expect(name)
            .is_symlink()
    }));
    (seen, pair(&path))
}

#[test]
fn whoever_dies_at_any_call_leaves_the_old_pair_or_the_new_one() {
    for steps in 0..=8 {
        let (seen, settled) = dies_after(steps);
        let expected = if steps < 6 { OLD } else { NEW };
        assert_eq!(seen, expected, "seen after {steps} calls");
        assert_eq!(settled, expected, "settled after {steps} calls");
    }
}

#[test]
fn files_appear_and_disappear_together() {
    let (_home, path) = home();
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    folder
        .replace(
            &[Entry::private(KEY, "k"), Entry::public(REQUEST, "r")],
            &[CERTIFICATE],
        )
        .expect("written");
    assert_eq!(names(&path), ["README", REQUEST, KEY]);
}

#[test]
fn a_first_pair_makes_its_folder_and_leftovers_of_the_dead_go() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let dead = home.path().join(".order~new");
    fs::create_dir(&dead).expect("created");
    fs::write(dead.join(KEY), "a key that never was in place").expect("written");
    let path = home.path().join("order");
    Folder::lock(&path, &mut || false)
        .expect("locked")
        .replace(&entries(NEW), &[])
        .expect("written");
    assert_eq!(names(home.path()), ["order"]);
    assert_eq!(pair(&path), NEW);
}

#[test]
fn a_first_pair_is_seen_when_it_is_whole_and_not_before() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("order");
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    assert_eq!(names(home.path()), [".order~new"]);
    let mut change = folder
        .begin(&entries(NEW), &[], Durable::ByCaller)
        .expect("written");
    assert!(!path.exists());
    let written = FileSystems::of(change.places()).expect("looked at");
    written.sync().expect("durable");
    assert!(!change.advance().expect("in place"), "one step is all");
    assert_eq!(names(home.path()), ["order"]);
    assert_eq!(pair(&path), NEW);
}

#[test]
fn a_change_that_is_given_up_leaves_nothing_or_the_old_pair() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("order");
    let begin = |content| {
        Folder::lock(&path, &mut || false)
            .expect("locked")
            .begin(&entries(content), &[], Durable::ByCaller)
            .expect("written")
    };
    drop(begin(OLD));
    assert!(names(home.path()).is_empty());
    while begin(OLD).advance().expect("a step") {}
    for steps in 0..3 {
        let mut change = begin(NEW);
        for _ in 0..steps {
            assert!(change.advance().expect("a step"));
        }
        drop(change);
        drop(Folder::lock(&path, &mut || false).expect("settled"));
        assert_eq!(pair(&path), if steps < 2 { OLD } else { NEW }, "{steps}");
        assert_eq!(names(&path), [CERTIFICATE, KEY], "{steps}");
    }
}

#[test]
fn a_name_that_is_not_there_yet_is_held_by_one() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("order");
    let first = Folder::lock(&path, &mut || false).expect("locked");
    assert!(matches!(
        Folder::lock(&path, &mut || false),
        Err(FolderError::Busy(_))
    ));
    // Whoever waits gets the folder that was put in place meanwhile, and not a second one.
    let mut first = Some(first);
    let second = Folder::lock(&path, &mut || {
        let held = first.take().expect("asked once");
        held.replace(&entries(OLD), &[]).expect("written");
        true
    })
    .expect("locked");
    assert!(second.holds(CERTIFICATE).expect("looked at"));
}

#[test]
fn a_folder_that_somebody_else_makes_in_the_meantime_is_not_overwritten() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("order");
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    fs::create_dir(&path).expect("created");
    fs::write(path.join("README"), "mine").expect("written");
    assert!(matches!(
        folder.replace(&entries(NEW), &[]),
        Err(FolderError::Exists(_))
    ));
    assert_eq!(names(home.path()), ["order"]);
    assert_eq!(names(&path), ["README"]);
}

#[test]
fn a_folder_that_got_nothing_goes_unless_it_was_there_before() {
    let home = tempfile::tempdir().expect("a temporary folder");
    drop(Folder::lock(&home.path().join("new"), &mut || false).expect("locked"));
    fs::create_dir(home.path().join("mine")).expect("created");
    drop(Folder::lock(&home.path().join("mine"), &mut || false).expect("locked"));
    assert_eq!(names(home.path()), ["mine"]);
}

#[test]
fn a_folder_behind_a_link_stays_behind_it() {
    let home = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(home.path().join("real")).expect("created");
    symlink("real", home.path().join("order")).expect("linked");
    let path = home.path().join("order");
    Folder::lock(&path, &mut || false)
        .expect("locked")
        .replace(&entries(NEW), &[])
        .expect("written");
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
    assert_eq!(pair(&home.path().join("real")), NEW);
}

#[test]
fn a_key_that_others_could_read_is_private_after_it_is_replaced() {
    let (_home, path) = home();
    fs::set_permissions(path.join(KEY), fs::Permissions::from_mode(0o666)).expect("changed");
    Folder::lock(&path, &mut || false)
        .expect("locked")
        .replace(&entries(NEW), &[])
        .expect("written");
    assert_eq!(
        fs::metadata(path.join(KEY)).expect("there").mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(path.join(CERTIFICATE)).expect("there").mode() & 0o777,
        0o644
    );
}

#[test]
fn the_old_files_are_kept_as_they_are_and_links_are_not_followed() {
    let (home, path) = home();
    let secret = home.path().join("secret");
    fs::write(&secret, "somebody else's").expect("written");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("changed");
    fs::set_permissions(path.join(KEY), fs::Permissions::from_mode(0o640)).expect("changed");
    fs::remove_file(path.join(CERTIFICATE)).expect("removed");
    symlink("../secret", path.join(CERTIFICATE)).expect("linked");
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    let old = folder
        .keep_old(&[CERTIFICATE, KEY], Durable::AtOnce)
        .expect("kept");
    assert_eq!(pair(&old), ["somebody else's", OLD[1]]);
    let kept = fs::symlink_metadata(old.join(CERTIFICATE)).expect("there");
    assert!(kept.is_symlink(), "a link, and not a copy of a secret");
    assert_eq!(
        fs::metadata(old.join(KEY)).expect("there").mode() & 0o777,
        0o640
    );
    copy(&path.join(KEY), &path.join("copy")).expect("copied");
    assert_eq!(
        fs::metadata(path.join("copy")).expect("there").mode() & 0o777,
        0o640
    );
    copy(&path.join(CERTIFICATE), &path.join("other")).expect_err("a link");

    folder.replace(&entries(NEW), &[]).expect("replaced");
    assert_eq!(pair(&path), NEW);
    assert_eq!(
        fs::read_to_string(&secret).expect("there"),
        "somebody else's"
    );
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let (_home, path) = home();
    fs::create_dir(path.join(REQUEST)).expect("created");
    assert!(matches!(
        Folder::lock(&path, &mut || false),
        Err(FolderError::NotAFile(_))
    ));
    // It may come there after the folder was locked.
    let folder = Folder::hold(&path, &mut || false).expect("locked");
    assert!(matches!(
        folder.replace(&entries(NEW), &[REQUEST]),
        Err(FolderError::NotAFile(_))
    ));
    assert_eq!(pair(&path), OLD);
}

#[test]
fn hidden_names_of_others_stay() {
    let (_home, path) = home();
    for name in ["..mine", "..new-file", "..link-folder"] {
        if name == "..new-file" {
            fs::write(path.join(name), "mine").expect("written");
        } else {
            fs::create_dir(path.join(name)).expect("created");
        }
    }
    fs::create_dir(path.join("..new-dead")).expect("created");
    Folder::lock(&path, &mut || false)
        .expect("locked")
        .replace(&entries(NEW), &[])
        .expect("written");
    assert_eq!(
        names(&path),
        [
            "..link-folder",
            "..mine",
            "..new-file",
            "README",
            CERTIFICATE,
            KEY
        ]
    );
}

#[test]
fn a_folder_whose_files_somebody_else_exchanges_is_left_alone() {
    let (_home, path) = home();
    fs::create_dir(path.join("..2026_11_24")).expect("created");
    symlink("..2026_11_24", path.join(DATA)).expect("linked");
    assert!(matches!(
        Folder::lock(&path, &mut || false),
        Err(FolderError::NotOurs(_))
    ));
    assert_eq!(pair(&path), OLD);
    assert!(path.join(DATA).exists());
}

#[test]
fn a_file_is_overwritten_only_on_demand() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = home.path().join("file");
    place_file(&path, Access::Private, b"1", false, &mut || false).expect("written");
    assert!(matches!(
        place_file(&path, Access::Private, b"2", false, &mut || false),
        Err(FolderError::Exists(_))
    ));
    place_file(&path, Access::Public, b"3", true, &mut || false).expect("written");
    assert_eq!(fs::read(&path).expect("there"), b"3");
    assert_eq!(names(home.path()), ["file"]);
}

#[test]
fn a_full_disk_names_what_was_to_be_written_and_the_way_out() {
    let made = Path::new("certs/.order~new-x1y2z3");
    let full = FolderError::io(&made.join(KEY), "written")(io::ErrorKind::StorageFull.into());
    assert_eq!(
        full.named_after(made, Path::new("certs/order")).to_string(),
        "The disk is full, so \"certs/order/tls.key\" could not be written; make room and try again."
    );
}

#[test]
fn only_one_holds_a_folder() {
    let (_home, path) = home();
    let folder = Folder::lock(&path, &mut || false).expect("locked");
    let other = File::open(&path).expect("opened");
    assert!(matches!(
        acquire(&other, &path, &mut || false),
        Err(FolderError::Busy(_))
    ));
    drop(folder);
    assert!(acquire(&other, &path, &mut || false).is_ok());
}

#[test]
fn a_file_of_crls_may_be_larger_than_any_other_up_to_a_bound_that_is_told() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let sized = |name: &str, size: u64| {
        let path = home.path().join(name);
        let file = File::create(&path).expect("created");
        file.set_len(size).expect("grown");
        path
    };
    let larger = (16 << 20) + 1;
    let refused = read(&sized("tls.crt", larger)).expect_err("too large");
    assert!(refused.to_string().contains("16 MiB"), "{refused}");
    let lists = read(&sized("crl.pem", larger)).expect("read");
    assert_eq!(lists.len() as u64, larger);
    let refused = read(&sized("crl.pem", MAX_LISTS + 1)).expect_err("too large");
    assert!(refused.to_string().contains("256 MiB"), "{refused}");
}

#[test]
fn what_could_not_be_made_is_not_told_with_a_name_of_ours() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let nowhere = home.path().join("nowhere");
    let error = private_folder("..new-".as_ref(), &nowhere).expect_err("no parent");
    let told = FolderError::io(&nowhere, "written to")(error).to_string();
    assert!(
        told.contains("No such file or directory (os error 2)"),
        "{told}"
    );
    assert!(!told.contains("..new-"), "{told}");
}
