//! What `pki completions` prints is given to the shells themselves.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::{Home, Run, skipped};

/// Runs a script in bash, which is everywhere that the other tests run.
fn bash(script: &str) -> Run {
    let mut child = Command::new("bash")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("written");
    drop(stdin);
    Run::from(child.wait_with_output().expect("it ends"))
}

/// What bash offers for a line whose last word is being typed.
fn offered(line: &[&str]) -> Vec<String> {
    let script = Home::new().pki("completions bash").succeeds();
    let words = line.join("' '");
    let (last, before) = (line[line.len() - 1], line[line.len() - 2]);
    let at = line.len() - 1;
    let run = bash(&format!(
        "{script}\nCOMP_WORDS=('{words}') COMP_CWORD={at}\n_pki pki '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    ));
    assert_eq!(run.stderr, "");
    run.succeeds().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["pki", "in"]), ["init", "inspect"]);
    assert_eq!(offered(&["pki", "issue", "--for"]), ["--force"]);
    assert_eq!(offered(&["pki", "sign", "--allow-d"]), ["--allow-dropped"]);
    assert_eq!(
        offered(&["pki", "verify", "--purpose", ""]),
        ["server", "client"]
    );
    assert_eq!(offered(&["pki", "completions", "f"]), ["fish"]);
}

#[test]
fn each_shell_that_is_here_reads_its_script() {
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Home::new().pki(&format!("completions {name}")).succeeds();
        for word in ["issue", "allow-dropped", "completions"] {
            assert!(script.contains(word), "{name}: {word} is missing");
        }
        // -n reads and does not run; elvish and powershell are judged by their generator's own tests.
        if let "bash" | "zsh" | "fish" = name {
            let home = Home::new();
            home.write("script", &script);
            let path = home.path("script");
            match Command::new(name).arg("-n").arg(&path).output() {
                Ok(output) => assert_eq!(Run::from(output).succeeds(), ""),
                Err(_) => skipped(name),
            }
        }
    }
}

#[test]
fn a_shell_that_is_not_known_is_a_usage_error() {
    let error = Home::new().pki("completions ksh").fails(2);
    assert!(
        error.contains("possible values: bash, elvish, fish, powershell, zsh"),
        "{error}"
    );
}
