//! Any octets, without a fuzzer: the targets of `pki-cli/fuzz` over our own objects, damaged by a seeded generator, and
//! over everything that fuzzing ever found (`finds/TARGET/…` beside this file).

#![expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "tests, and the files of a fuzz crate, where they are public"
)]

use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

/// Damages in each target, shared among its seeds. Together a few seconds without optimisation.
const ROUNDS: usize = 240;

#[test]
fn no_damage_to_our_own_objects_breaks_a_promise() {
    for (name, target) in fuzz::targets::ALL {
        let mut random = fastrand::Rng::with_seed(2986);
        let seeds = fuzz::seeds::of(name);
        assert!(!seeds.is_empty(), "{name} has no seed");
        for seed in &seeds {
            target(seed);
            for _ in 0..ROUNDS / seeds.len() {
                target(&damaged(seed, &mut random));
            }
        }
    }
}

#[test]
fn what_fuzzing_found_stays_repaired() {
    let finds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/any_bytes/finds");
    for (name, target) in fuzz::targets::ALL {
        let Ok(folder) = std::fs::read_dir(finds.join(name)) else {
            continue;
        };
        for file in folder {
            let path = file.expect("a file").path();
            target(&std::fs::read(&path).expect("readable"));
        }
    }
}

/// A few octets changed, taken out, put in or repeated.
fn damaged(seed: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut octets = seed.to_vec();
    for _ in 0..random.usize(1..4) {
        if octets.is_empty() {
            break;
        }
        let at = random.usize(0..octets.len());
        let until = (at + random.usize(1..16)).min(octets.len());
        match random.u8(0..6) {
            0 => octets[at] = random.u8(..),
            1 => octets[at] ^= 1 << random.u8(0..8),
            2 => drop(octets.drain(at..until)),
            3 => octets.insert(at, random.u8(..)),
            4 => {
                let again = octets[at..until].to_vec();
                octets.splice(at..at, again);
            }
            _ => octets.truncate(at),
        }
    }
    octets
}
