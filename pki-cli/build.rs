//! Refuses to build a `pki` that would gather entropy from the jitter of the CPU: 39 ms of CPU time at the start of
//! every process. `.cargo/config.toml` says so for every build in this repository, `cargo install --path` included; a
//! build from elsewhere (`cargo install --git`) does not read that file, and its user would never know. Why the kernel's
//! generator is enough stands in docs/DECISIONS.md.

const OPT_OUT: &str = "AWS_LC_SYS_NO_JITTER_ENTROPY";
const ANYWAY: &str = "PKI_WITH_JITTER_ENTROPY";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET")
        .unwrap_or_default()
        .replace('-', "_");
    // The names that aws-lc-sys reads, the special one first.
    let names = [format!("{OPT_OUT}_{target}"), OPT_OUT.to_owned()];
    for name in names.iter().map(String::as_str).chain([ANYWAY]) {
        println!("cargo:rerun-if-env-changed={name}");
    }
    let is_set = |name: &str| {
        std::env::var(name).is_ok_and(|value| {
            let value = value.to_ascii_lowercase();
            ["1", "true", "on", "yes"].contains(&value.as_str())
        })
    };
    if !names.iter().any(|name| is_set(name)) && !is_set(ANYWAY) {
        println!(
            "cargo:warning=This pki would spend 39 ms of CPU time on entropy at every start, because {OPT_OUT} is not set."
        );
        println!(
            "cargo::error=Set {OPT_OUT}=1 in the environment of this build, as in \"{OPT_OUT}=1 cargo install ...\"; {ANYWAY}=1 builds it all the same."
        );
    }
}
