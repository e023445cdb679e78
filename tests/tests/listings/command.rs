//! The command `cargo listing`, run where its story takes no time, and its documentation.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use tests::listings::LISTINGS;

use crate::PROGRAM;

fn listing(arguments: &[&str]) -> Result<Output> {
    Command::new(PROGRAM)
        .args(arguments)
        .output()
        .context("the command `listing` does not start")
}

#[test]
fn without_a_number_every_listing_is_listed() -> Result<()> {
    let output = listing(&[])?;
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout)?;
    for number in [
        "6.1", "6.2", "6.3", "6.4", "6.5", "6.6", "6.7", "6.8", "cancel", "fig-6.1",
    ] {
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == Some(number));
        assert!(line.is_some(), "{number} is not listed:\n{text}");
    }
    Ok(())
}

#[test]
fn an_unknown_number_is_one_sentence_with_the_closest() -> Result<()> {
    for (asked, closest) in [
        ("6,3", "6.3"),
        ("6.9", "6.8"),
        ("cancle", "cancel"),
        ("fig6.1", "fig-6.1"),
    ] {
        let output = listing(&[asked])?;
        assert_eq!(output.status.code(), Some(2), "{asked}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr)?;
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(&format!("did you mean `cargo listing {closest}`")),
            "{text}"
        );
    }
    Ok(())
}

/// What it says when it refuses its command line.
fn refusal(arguments: &[&str]) -> Result<String> {
    let output = listing(arguments)?;
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn an_option_that_changes_nothing_is_refused() -> Result<()> {
    for (arguments, said) in [
        (
            &["6.1", "--seed", "1"][..],
            "--seed changes nothing in listing 6.1: it is for 6.3, 6.4",
        ),
        (
            &["6.3", "--seconds", "1"],
            "--seconds changes nothing in listing 6.3",
        ),
        (
            &["--seed", "44"],
            "--seed changes nothing in the list of listings",
        ),
    ] {
        let text = refusal(arguments)?;
        assert!(text.contains(said), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    Ok(())
}

#[test]
fn a_number_that_is_none_is_told_in_words() -> Result<()> {
    for (option, value, range) in [
        (
            "--seed",
            "-1",
            "a whole number from 0 to 18446744073709551615",
        ),
        ("--seed", "x", "a whole number from 0 to"),
        ("--seconds", "0", "a whole number from 1 to 86400"),
        ("--seconds", "-1", "a whole number from 1 to 86400"),
        (
            "--seconds",
            "99999999999999999999",
            "a whole number from 1 to 86400",
        ),
    ] {
        let text = refusal(&["6.4", option, value])?;
        assert!(
            text.contains(&format!("invalid value '{value}' for '{option}")),
            "{text}"
        );
        assert!(text.contains(range), "{text}");
    }
    let text = refusal(&["\u{1b}[31mRED"])?;
    assert!(!text.contains('\u{1b}'), "{text:?}");
    Ok(())
}

#[test]
fn the_command_tells_a_story_over_real_sockets_and_colours_it_on_a_terminal_only() -> Result<()> {
    let output = listing(&["6.7"])?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("the field user_id has an invalid value: user id cannot be less than 1"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    Ok(())
}

#[test]
fn every_listing_has_its_section_in_the_documentation() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LISTINGS.md");
    let text = std::fs::read_to_string(&path).context("docs/LISTINGS.md cannot be read")?;
    for listing in LISTINGS {
        let heading = format!("## {}: {}", listing.number, listing.title);
        assert!(
            text.lines().any(|line| line == heading),
            "docs/LISTINGS.md lacks {heading:?}"
        );
        let command = format!("cargo listing {}", listing.number);
        assert!(
            text.contains(&command),
            "docs/LISTINGS.md lacks `{command}`"
        );
    }
    Ok(())
}
