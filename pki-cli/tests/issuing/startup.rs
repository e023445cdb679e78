//! What the binary must not do at its start: gather entropy from the jitter of the CPU (docs/DECISIONS.md). Whether the
//! C library was built without it can be seen in the names of its functions.

use std::{collections::BTreeSet, fs};

#[test]
fn the_binary_seeds_from_the_kernel_and_not_from_the_jitter_of_the_cpu() {
    const WITHOUT: &str = "opt_out_cpu_jitter_get_seed_wrap";
    const WITH: [&str; 3] = [
        "tree_jitter_get_seed",
        "jent_entropy_init",
        "jent_read_entropy",
    ];
    let binary = fs::read(env!("CARGO_BIN_EXE_pki")).expect("the binary");
    // The C library puts its version before what other files call, so it is the ends that are looked for.
    let wanted = [&WITH[..], &[WITHOUT, "ecp_nistz256_point_double"]].concat();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for name in binary.split(|octet| *octet == 0) {
        if (14..60).contains(&name.len()) {
            found.extend(wanted.iter().filter(|end| name.ends_with(end.as_bytes())));
        }
    }
    let holds = |name: &str| found.contains(&name);
    for name in WITH {
        assert!(!holds(name), "{name} is in the binary");
    }
    // A release is stripped, and without names it says nothing.
    let has_names = holds("ecp_nistz256_point_double");
    assert!(holds(WITHOUT) || !has_names, "{WITHOUT} is not in it");
}
