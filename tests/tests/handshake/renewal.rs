//! A folder that `pki` renews while services read it: the rule of its writer and the rule of its reader fit each other.

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use mtls::Material;
use tempfile::TempDir;

/// How many pairs are read at least, and how many of them must be new for the test to have seen anything.
const READINGS: usize = 300;
const RENEWALS: usize = 10;

#[test]
fn a_reader_never_sees_half_of_a_renewal() -> Result<()> {
    let folder = TempDir::new()?;
    let dir = folder.path();
    let pki = |arguments: &[&str]| {
        let program = ["pki", "--dir"].map(OsString::from);
        let rest = arguments.iter().map(OsString::from);
        pki_cli::main(program.into_iter().chain([dir.into()]).chain(rest));
    };
    // Whether it went well is seen by loading what it wrote.
    pki(&["init"]);
    let names = ["--dns", "order.microservices.dev"];
    pki(&[&["issue", "order"][..], &names].concat());
    let order = dir.join("order");
    let mut last = Material::load(&order)?.identity().serial().to_owned();

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                pki(&[&["issue", "order", "--force"][..], &names].concat());
            }
        });
        let mut read = || -> Result<()> {
            let (mut readings, mut renewals) = (0, 0);
            while readings < READINGS || renewals < RENEWALS {
                let material =
                    Material::load(&order).with_context(|| format!("after {readings} readings"))?;
                readings += 1;
                if material.identity().serial() != last {
                    last = material.identity().serial().to_owned();
                    renewals += 1;
                }
                ensure!(readings < 100_000, "the writer does not write");
            }
            Ok(())
        };
        let result = read();
        done.store(true, Ordering::Relaxed);
        result
    })
}
