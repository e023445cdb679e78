//! What one certificate costs, step by step: the key, the check before the signature, the signature, and the whole way
//! through index and files for a batch. `cargo bench -p pki --bench issuing`.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark that cannot go on stops"
)]

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pki::{
    apply::Plan,
    authority::Authority,
    batch::{Batch, Place, Tools},
    index::{Index, Reservation},
    issuer::{Issuer, Request},
    key::{KeyAlgorithm, PrivateKey},
    manifest::Manifest,
    path_validation,
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
    subject_alt_name::GeneralName,
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
const BATCH: usize = 100;

fn manifest() -> Manifest {
    let entries: String = (0..BATCH)
        .map(|at| {
            format!("[certificate.s{at}]\nprofile = \"server\"\ndns = [\"s{at}.example.org\"]\n")
        })
        .collect();
    let text = format!("[ca]\nsubject = \"/CN=Root\"\n{entries}");
    Manifest::parse(Path::new("pki.toml"), &text).expect("a good manifest")
}

fn authority(dir: &Path, manifest: &Manifest) -> Authority {
    Authority::create(dir, &manifest.authority, None, NOW, &mut || false).expect("a CA");
    let mut locked = |_: &Path| Err(pki::Error::Passphrase("no key is encrypted".to_owned()));
    Authority::open(dir, &mut locked).expect("opened")
}

fn one(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let manifest = manifest();
    let authority = authority(home.path(), &manifest);
    let issuer: &Issuer = authority.issuer();
    let entry = &manifest.certificates[0];
    let names: Vec<GeneralName> = entry.names.clone();
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let request = Request {
        profile: Profile::Server,
        subject: &entry.subject,
        names: &names,
        public_key: key.public(),
        days: 60,
        path_length: 0,
        permitted_dns: &[],
    };
    let fit = issuer.fit(Profile::Server, NOW).expect("fit");
    let mut group = criterion.benchmark_group("one certificate");
    for algorithm in [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::Ed25519,
    ] {
        group.bench_function(format!("key {algorithm}"), |bench| {
            bench.iter(|| PrivateKey::generate(black_box(algorithm)));
        });
    }
    group.bench_function("prepare, the CA judged each time", |bench| {
        bench.iter(|| issuer.prepare(black_box(&request), NOW).map(drop));
    });
    group.bench_function("prepare, the CA judged before", |bench| {
        bench.iter(|| fit.prepare(black_box(&request)).map(drop));
    });
    group.bench_function("sign", |bench| {
        bench.iter_batched(
            || {
                let serial = SerialNumber::random().expect("randomness");
                let prepared = fit.prepare(&request).expect("prepared");
                (prepared, Reserved::without_index(serial))
            },
            |(prepared, reserved)| prepared.issue(reserved),
            BatchSize::SmallInput,
        );
    });
    let serial = Reserved::without_index(SerialNumber::random().expect("randomness"));
    let certificate = fit
        .prepare(&request)
        .and_then(|prepared| prepared.issue(serial));
    let certificate = certificate.expect("signed");
    let above: Vec<_> = issuer
        .intermediates()
        .iter()
        .map(|above| above.der())
        .collect();
    group.bench_function("validate, three certificates", |bench| {
        bench.iter(|| {
            let question = path_validation::Request::new(certificate.der(), NOW)
                .trust([issuer.anchor().der()])
                .intermediates(above.iter().copied());
            path_validation::validate(black_box(&question)).map(drop)
        });
    });
    group.bench_function("PEM of the key", |bench| bench.iter(|| key.to_pem()));
    group.finish();
}

fn reserve(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let index = Index::create(&home.path().join("index.db")).expect("an index");
    let what = Reservation {
        name: Some("s"),
        profile: Profile::Server,
        subject: "CN=s".to_owned(),
        names: vec!["DNS:s.example.org".to_owned()],
        issuer: "CN=CA".to_owned(),
        key: "00".repeat(32),
    };
    let mut group = criterion.benchmark_group("index");
    group.bench_function("reserve one, durably", |bench| {
        bench.iter(|| index.reserve([], black_box(&what), NOW));
    });
    let many = vec![what.clone(); BATCH];
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("reserve a hundred, durably", |bench| {
        bench.iter(|| index.reserve_all([], black_box(&many), NOW));
    });
    group.finish();
}

/// The whole way of a hundred certificates on one thread: keys, index, signatures, validation, durable files.
fn batch(criterion: &mut Criterion) {
    let manifest = manifest();
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20);
    group.bench_function("a hundred pairs, durable and indexed", |bench| {
        bench.iter_batched(
            || {
                let home = tempfile::tempdir().expect("a temporary folder");
                let authority = authority(home.path(), &manifest);
                let plan = Plan::make(&manifest, home.path(), NOW).expect("a plan");
                (home, authority, plan)
            },
            |(home, mut authority, plan)| {
                let (issuer, anchors, index) = authority.parts();
                let index = index.expect("an index");
                let place = Place {
                    issuer,
                    anchors,
                    dir: home.path(),
                    now: NOW,
                };
                let tools = Tools {
                    key: &mut PrivateKey::generate,
                    passphrase: &|_| None,
                    wait: &mut || false,
                };
                let reserved = Batch::prepare(place, &plan.steps, tools).reserve(index);
                let signed = reserved.expect("reserved").issue();
                signed.sync().expect("durable");
                let outcome = signed.record(index).expect("recorded").publish();
                assert_eq!(outcome.made.len(), BATCH);
                drop(outcome);
                home
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, one, reserve, batch);
criterion_main!(benches);
