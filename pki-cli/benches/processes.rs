//! Whole runs of the command, from `exec` to exit. `cargo bench -p pki-cli --bench processes`; beside other tools,
//! `pki-cli/benches/peers.py`.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark that cannot go on stops"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn run(dir: &Path, args: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_pki"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the binary starts");
    assert!(status.success(), "{args:?}");
}

fn home(leaves: usize) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    let entries: String = (0..leaves)
        .map(|at| {
            format!("[certificate.s{at}]\nprofile = \"server\"\ndns = [\"s{at}.example.org\"]\n")
        })
        .collect();
    let text = format!("[ca]\nsubject = \"/CN=Root\"\n{entries}");
    fs::write(home.path().join("pki.toml"), text).expect("written");
    home
}

fn processes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("process");
    let here = home(0);
    group.bench_function("--version", |bench| {
        bench.iter(|| run(here.path(), &["--version"]));
    });
    group.sample_size(20);
    group.bench_function("CA and two pairs, durable", |bench| {
        bench.iter_batched(
            || home(2),
            |home| {
                run(home.path(), &["apply", "pki.toml"]);
                home
            },
            BatchSize::PerIteration,
        );
    });
    group.sample_size(10);
    group.throughput(Throughput::Elements(1000));
    group.bench_function("a thousand pairs, durable and indexed", |bench| {
        bench.iter_batched(
            || home(1000),
            |home| {
                run(home.path(), &["apply", "pki.toml"]);
                home
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, processes);
criterion_main!(benches);
