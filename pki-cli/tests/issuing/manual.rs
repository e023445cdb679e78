//! The manual pages: one per command, whole, and readable by the programs that show such pages.

use std::{
    fs,
    process::{Command, Stdio},
};

use pki_cli::command_error::exit_codes;

use crate::support::{Home, Run, skipped};

/// The names of all commands, as `--help` lists them at each level: `["issue"]`, `["ca", "rotate"]`.
pub(crate) fn commands(home: &Home) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(above) = open.pop() {
        let mut args: Vec<_> = above.iter().map(String::as_str).collect();
        args.push("--help");
        let help = home.run(&args).succeeds();
        let Some((_, list)) = help.split_once("\nCommands:\n") else {
            continue;
        };
        for line in list.lines().take_while(|line| !line.is_empty()) {
            // A continued description stands further to the right.
            let Some(rest) = line
                .strip_prefix("  ")
                .filter(|rest| !rest.starts_with(' '))
            else {
                continue;
            };
            let name = rest.split(' ').next().unwrap_or_default();
            if name != "help" {
                let command = [&above[..], &[name.to_owned()]].concat();
                open.push(command.clone());
                found.push(command);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_command_has_a_page_with_its_options_an_example_and_the_exit_codes() {
    let home = Home::new();
    home.pki("man --out pages").succeeds();
    let mut expected = vec!["pki.1".to_owned()];
    for command in commands(&home) {
        let name = format!("pki-{}.1", command.join("-"));
        let page = home.read(&format!("pages/{name}"));
        for section in [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            ".SH OPTIONS",
            ".SH \"EXIT STATUS\"",
        ] {
            assert!(page.contains(section), "{name} has no {section}");
        }
        let example = format!("    pki {}", command.join(" "));
        let has_commands_below = page.contains(".SH SUBCOMMANDS");
        assert!(
            has_commands_below || page.contains(&example),
            "{name} shows no example; add a line \"Example: pki {} …\" to after_help of the command",
            command.join(" ")
        );
        for row in exit_codes() {
            let item = format!("\\fB{}\\fR {}", row.code, row.name.replace('-', "\\-"));
            assert!(page.contains(&item), "{name} lacks {item}");
        }
        expected.push(name);
    }
    let mut names: Vec<_> = fs::read_dir(home.path("pages"))
        .expect("pages")
        .map(|entry| {
            entry
                .expect("a page")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .collect();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    assert!(home.read("pages/pki.1").contains("pki\\-issue(1)"));
}

#[test]
fn one_page_goes_to_stdout_and_is_the_one_that_is_written() {
    let home = Home::new();
    home.pki("man --out pages").succeeds();
    assert_eq!(
        home.pki("man issue").succeeds(),
        home.read("pages/pki-issue.1")
    );
    assert_eq!(home.pki("man").succeeds(), home.read("pages/pki.1"));
    let error = home.pki("man nonsense").fails(2);
    assert!(
        error.contains("There is no command \"pki nonsense\""),
        "{error}"
    );
}

#[test]
fn a_dry_run_tells_the_pages_and_writes_none() {
    let home = Home::new();
    let told = home.pki("man --out pages --dry-run").succeeds();
    assert!(told.contains("pki-issue.1"), "{told}");
    assert!(!home.path("pages").exists());
    let wrote = home.pki("man --out pages").succeeds();
    assert_eq!(told.replace("Would write", "Wrote"), wrote);
}

/// Runs a judge of manual pages, when it is here.
fn judge(program: &str, args: &[&str]) -> Option<Run> {
    match Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) => Some(Run::from(output)),
        Err(_) => {
            skipped(program);
            None
        }
    }
}

#[test]
fn troff_and_mandoc_find_nothing_wrong() {
    let home = Home::new();
    home.pki("man --out pages").succeeds();
    for entry in fs::read_dir(home.path("pages")).expect("pages") {
        let path = entry.expect("a page").path();
        let path = path.to_str().expect("UTF-8");
        if let Some(run) = judge("troff", &["-man", "-Tutf8", "-wall", "-z", path]) {
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{path}");
        }
        if let Some(run) = judge("mandoc", &["-Tlint", "-Werror", path]) {
            assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{path}");
        }
        // Without a judge: lines that begin a request know it, and nothing controls a terminal.
        for line in fs::read_to_string(path).expect("a page").lines() {
            let request = line.strip_prefix('.').map(|line| line.split(' ').next());
            assert!(
                request.is_none_or(|request| matches!(
                    request,
                    Some(
                        "TH" | "SH"
                            | "TP"
                            | "PP"
                            | "IP"
                            | "RS"
                            | "RE"
                            | "nf"
                            | "fi"
                            | "br"
                            | "ie"
                            | "el"
                    )
                )),
                "{path}: {line}"
            );
            assert!(!line.chars().any(char::is_control), "{path}: {line}");
        }
    }
}
