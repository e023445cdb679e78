//! A certificate that is revoked while it gets a successor: whichever is first, nothing of it is left to be accepted.

use std::process::{Command, Stdio};

use crate::support::Home;

/// Enough for either to be first, more than once.
const ROUNDS: usize = 12;

/// Runs both at once, in the order of the round.
fn both(home: &Home, round: usize, one: &[&str], other: &[&str]) {
    let mut commands = [home.command(one), home.command(other)];
    if round.is_multiple_of(2) {
        commands.reverse();
    }
    let start = |command: &mut Command| {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("started")
    };
    let mut running: Vec<_> = commands.iter_mut().map(start).collect();
    for child in &mut running {
        child.wait().expect("ended");
    }
}

/// The serial numbers of this name that are issued and not revoked.
fn living(home: &Home, name: &str) -> Vec<String> {
    let listed = home.pki(&format!("list --name {name} --json")).json();
    let rows = listed["certificates"].as_array().expect("rows");
    rows.iter()
        .filter(|row| row["status"] == "issued")
        .map(|row| row["serial"].as_str().expect("a number").to_owned())
        .collect()
}

#[test]
fn a_key_in_other_hands_has_no_living_certificate_though_it_is_renewed_at_that_moment() {
    let home = Home::with_ca();
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        home.pki(&format!("issue {name} --dns {name}.dev"))
            .succeeds();
        both(
            &home,
            round,
            &["renew", &name],
            &["revoke", &name, "--all", "--reason", "keyCompromise"],
        );
        assert_eq!(living(&home, &name), [""; 0], "{name}");
    }
}

#[test]
fn the_certificate_that_a_folder_holds_is_revoked_though_it_is_renewed_at_that_moment() {
    let home = Home::with_ca();
    for round in 0..ROUNDS {
        let name = format!("a{round}");
        home.pki(&format!("issue {name} --dns {name}.dev"))
            .succeeds();
        both(&home, round, &["renew", &name], &["revoke", &name]);
        let present = home.certificate(&format!("certs/{name}/tls.crt")).serial();
        assert!(!living(&home, &name).contains(&present), "{name}");
    }
}
