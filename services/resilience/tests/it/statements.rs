//! The table of statements tells the truth: what it names exists, and what the code cites is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One line of a table.
struct Row {
    number: String,
    met: String,
    shown: String,
}

/// The rows that begin with a number.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/RESILIENCE.md")).expect("the document");
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, met, shown, _] = cells[..] else {
            return None;
        };
        is_number(number).then(|| Row {
            number: number.to_owned(),
            met: met.to_owned(),
            shown: shown.to_owned(),
        })
    };
    text.lines().filter_map(row).collect()
}

/// `D1`, `B25`.
fn is_number(word: &str) -> bool {
    let Some((letter, digits)) = word.split_at_checked(1) else {
        return false;
    };
    "DRPTBELO".contains(letter)
        && (1..=2).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands between backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.insert(path, text);
        }
    }
}

#[test]
fn every_file_and_every_test_that_the_table_names_exists() {
    let mut services = BTreeMap::new();
    sources(&root().join("services"), &mut services);
    let mut wrong = Vec::new();
    for Row { number, met, shown } in rows() {
        for file in names(&met) {
            let path = match file.starts_with("services/") {
                true => root().join(file),
                false => root().join("services/resilience/src").join(file),
            };
            if !path.is_file() {
                wrong.push(format!("{number}: there is no file {file}"));
            }
        }
        for test in names(&shown) {
            let head = format!("fn {test}(");
            if !services.values().any(|text| text.contains(&head)) {
                wrong.push(format!("{number}: there is no test {test}"));
            }
        }
        let pending = format!("{met} {shown}").contains("not yet");
        if !pending && (names(&met).next().is_none() || shown.is_empty()) {
            wrong.push(format!("{number}: it is neither met nor pending"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_numbers_have_no_gap_and_none_comes_twice() {
    let numbers: Vec<_> = rows().into_iter().map(|row| row.number).collect();
    let expected: Vec<_> = [
        ('D', 16),
        ('R', 18),
        ('P', 7),
        ('T', 8),
        ('B', 25),
        ('E', 10),
        ('L', 5),
        ('O', 3),
    ]
    .into_iter()
    .flat_map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number}")))
    .collect();
    assert_eq!(numbers, expected);
}

#[test]
fn every_number_that_the_code_cites_is_explained() {
    let explained: BTreeSet<_> = rows().into_iter().map(|row| row.number).collect();
    let mut code = BTreeMap::new();
    sources(&root().join("services/resilience/src"), &mut code);
    let mut cited = 0;
    for (path, text) in code {
        for (_, comment) in text.lines().filter_map(|line| line.split_once("//")) {
            let words = comment.split(|character: char| !character.is_alphanumeric());
            for number in words.filter(|word| is_number(word)) {
                cited += 1;
                assert!(
                    explained.contains(number),
                    "{} cites {number}, which is not explained",
                    path.display()
                );
            }
        }
    }
    assert!(cited > 100, "only {cited} citations were found");
}
