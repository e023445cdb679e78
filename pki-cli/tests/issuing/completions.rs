//! What `pki completions` prints is given to the shells themselves.

use std::{
    collections::BTreeSet,
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

/// What fish offers; `None` where there is no fish.
fn offered_by_fish(line: &str) -> Option<Vec<String>> {
    let home = Home::new();
    home.write("script", home.pki("completions fish").succeeds());
    let ask = format!("source script; complete --do-complete \"{line}\"");
    let run = shell(&home, Command::new("fish").args(["-N", "-c", &ask]))?;
    // A description may stand behind a tab.
    let words = run.lines().filter_map(|line| line.split('\t').next());
    Some(words.map(str::to_owned).collect())
}

/// What zsh offers; `None` where there is no zsh. It completes only where somebody types, so it is given a terminal, and
/// the function by which completions offer words says them aloud.
fn offered_by_zsh(line: &str) -> Option<Vec<String>> {
    let home = Home::new();
    home.write("_pki", home.pki("completions zsh").succeeds());
    home.write(
        "inner",
        "compadd() {
  if [[ \" $* \" == *\" -\"[AOD]\" \"* ]]; then builtin compadd \"$@\"; return; fi
  local -a words
  builtin compadd -A words \"$@\"
  (( $#words )) && print -l -- WORD:$^words
  builtin compadd \"$@\"
}
ended() { print NO-MORE-WORDS }
fpath=($PWD $fpath)
autoload -Uz compinit
compinit -u -D
comppostfuncs=(ended)
print IS-READY
",
    );
    home.write(
        "outer",
        "zmodload zsh/zpty && zpty inner zsh -f -i && zpty -w inner 'source ./inner'
until [[ $answer == *IS-READY* ]]; do zpty -r inner answer || exit 1; done
zpty -w -n inner \"$1\"$'\\t'
until [[ $answer == *NO-MORE-WORDS* ]]; do zpty -r inner answer || exit 1; print -r -- $answer; done
zpty -d inner
",
    );
    let run = shell(
        &home,
        Command::new("timeout").args(["60", "zsh", "-f", "outer", line]),
    )?;
    let words = run.lines().filter_map(|line| line.split_once("WORD:"));
    Some(words.map(|(_, word)| word.trim().to_owned()).collect())
}

/// What a shell says in a folder; `None` where there is none.
fn shell(home: &Home, command: &mut Command) -> Option<String> {
    let output = command
        .current_dir(home.path(""))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home.path(""))
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output();
    match output {
        // 127 is what `timeout` says of a program that is not there.
        Ok(output) if output.status.code() != Some(127) => Some(Run::from(output).succeeds()),
        _ => None,
    }
}

#[test]
fn every_shell_completes_the_words_that_an_option_takes() {
    let keys = "p256 p384 ed25519 rsa-2048 rsa-3072 rsa-4096";
    let reasons = "unspecified keyCompromise cACompromise affiliationChanged superseded cessationOfOperation privilegeWithdrawn";
    let mut missing = BTreeSet::new();
    for (line, words, in_every_shell) in [
        ("pki init --key", keys, false),
        ("pki csr a --key", keys, false),
        ("pki issue a --key", keys, true),
        ("pki rekey a --key", keys, true),
        ("pki ca rotate --key", keys, false),
        ("pki csr a --profile", "server client peer", false),
        ("pki issue a --profile", "server client peer", false),
        (
            "pki sign a --profile",
            "server client peer intermediate",
            true,
        ),
        ("pki revoke a --reason", reasons, true),
        ("pki export a --format", "pkcs12 pem kubernetes", true),
        ("pki connect a --tls", "1.2 1.3", false),
    ] {
        let sorted = |words: Vec<String>| words.into_iter().collect::<BTreeSet<_>>();
        let expected = sorted(words.split(' ').map(str::to_owned).collect());
        let typed: Vec<_> = line.split(' ').chain([""]).collect();
        assert_eq!(sorted(offered(&typed)), expected, "bash: {line}");
        if !in_every_shell {
            continue;
        }
        let typed = format!("{line} ");
        for (name, offered) in [
            ("fish", offered_by_fish(&typed)),
            ("zsh", offered_by_zsh(&typed)),
        ] {
            match offered {
                Some(offered) => assert_eq!(sorted(offered), expected, "{name}: {line}"),
                None => drop(missing.insert(name)),
            }
        }
    }
    missing.into_iter().for_each(skipped);
}

#[test]
fn every_shell_completes_the_words_that_stand_without_an_option() {
    for (line, words) in [
        (
            "pki ca rotate ",
            ["prepare", "activate", "retire", "status"],
        ),
        ("pki completions ", ["bash", "zsh", "fish", "elvish"]),
    ] {
        let typed: Vec<_> = line.split(' ').collect();
        let here = [
            ("bash", Some(offered(&typed))),
            ("fish", offered_by_fish(line)),
            ("zsh", offered_by_zsh(line)),
        ];
        for (name, offered) in here {
            match offered {
                Some(offered) => assert!(
                    words
                        .iter()
                        .all(|word| offered.iter().any(|one| one == word)),
                    "{name}: {line}: {offered:?}"
                ),
                None => skipped(name),
            }
        }
    }
    // What was given is not offered again.
    if let Some(offered) = offered_by_fish("pki ca rotate prepare ") {
        assert!(!offered.iter().any(|one| one == "activate"), "{offered:?}");
    }
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
