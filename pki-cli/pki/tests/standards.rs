//! docs/RFC5280-PROFILE.md names files and tests; they exist.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[test]
fn every_file_and_test_that_the_profile_names_exists() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let profile = fs::read_to_string(house.join("../docs/RFC5280-PROFILE.md")).expect("the page");
    let mut sources = Vec::new();
    collect(&house, &mut sources);
    let tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|path| tests_of(&fs::read_to_string(path).expect("a source")))
        .collect();

    let rows: Vec<Vec<&str>> = profile
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| clause"))
        .map(|line| line.trim_matches('|').split(" |").collect())
        .collect();
    assert!(rows.len() > 60, "only {} rows were understood", rows.len());
    let mut missing = Vec::new();
    for row in &rows {
        let [clause, _, _, files, named] = row[..] else {
            missing.push(format!("{row:?} has not five columns"));
            continue;
        };
        let (files, named) = (quoted(files), quoted(named));
        if files.is_empty() || named.is_empty() {
            missing.push(format!("{clause} names no file or no test"));
        }
        let gone = files.iter().filter(|file| !house.join(file).is_file());
        missing.extend(gone.map(|file| format!("{clause}: there is no file {file}")));
        let gone = named.iter().filter(|test| !tests.contains(**test));
        missing.extend(gone.map(|test| format!("{clause}: there is no test {test}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of the functions right behind `#[test]` and the attributes that follow it.
fn tests_of(source: &str) -> Vec<String> {
    source
        .split("#[test]")
        .skip(1)
        .filter_map(|behind| {
            let name = behind.split("fn ").nth(1)?;
            Some(name[..name.find('(')?].to_owned())
        })
        .collect()
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
