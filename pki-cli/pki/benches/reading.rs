//! What is read by `inspect` and `verify`: a bundle of certificates as text, and a chain below one of many trust
//! anchors. `cargo bench -p pki --bench reading`.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark that cannot go on stops"
)]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pki::{
    certificate::Certificate,
    distinguished_name::DistinguishedName,
    inspect,
    issuer::{Issuer, Prepared, Request},
    key::{KeyAlgorithm, PrivateKey},
    path_validation,
    profile::Profile,
    serial_number::{Reserved, SerialNumber},
    subject_alt_name::GeneralName,
};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
/// As many as Debian's bundle has.
const ANCHORS: usize = 144;

fn reserved() -> Reserved {
    Reserved::without_index(SerialNumber::random().expect("randomness"))
}

fn root(at: usize) -> Issuer {
    let subject = format!("/C=TR/O=Organisation {at}/OU=Certificates/CN=Root CA {at}");
    let subject = DistinguishedName::parse(&subject).expect("a name");
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let request = Request {
        profile: Profile::Root,
        subject: &subject,
        names: &[],
        public_key: key.public(),
        days: 3650,
        path_length: 0,
        permitted_dns: &[],
    };
    let prepared = Prepared::root(&key, &request, NOW).expect("prepared");
    let certificate = prepared.issue(reserved()).expect("signed");
    Issuer::new(certificate, key, []).expect("an issuer")
}

fn reading(criterion: &mut Criterion) {
    let roots: Vec<_> = (0..ANCHORS).map(root).collect();
    let mut bundle = String::new();
    for root in &roots {
        bundle += &root.certificate().to_pem();
    }
    let key = PrivateKey::generate(KeyAlgorithm::P256).expect("a key");
    let names = [GeneralName::dns("web.example.org").expect("a name")];
    let request = Request {
        profile: Profile::Server,
        subject: &DistinguishedName::common_name("web").expect("a name"),
        names: &names,
        public_key: key.public(),
        days: 60,
        path_length: 0,
        permitted_dns: &[],
    };
    let issuer = &roots[ANCHORS / 2];
    let leaf = issuer
        .prepare(&request, NOW)
        .and_then(|prepared| prepared.issue(reserved()))
        .expect("signed");
    let anchors: Vec<_> = roots.iter().map(|root| root.certificate().der()).collect();

    let mut group = criterion.benchmark_group("144 certificates");
    group.throughput(Throughput::Elements(ANCHORS as u64));
    group.bench_function("as text", |bench| {
        bench.iter(|| {
            let found = inspect::inspect(black_box(bundle.as_bytes()), NOW, None);
            let mut out = String::new();
            for object in found.iter().flatten() {
                let _ = write!(out, "{}", object.text());
            }
            out.len()
        });
    });
    group.bench_function("PEM to DER", |bench| {
        bench.iter(|| inspect::certificates(black_box(bundle.as_bytes())).map(|all| all.len()));
    });
    group.bench_function("read for issuing", |bench| {
        bench.iter(|| Certificate::read_all(black_box(bundle.as_bytes())).map(|all| all.len()));
    });
    group.bench_function("a leaf below one of them", |bench| {
        bench.iter(|| {
            let question =
                path_validation::Request::new(leaf.der(), NOW).trust(anchors.iter().copied());
            path_validation::validate(black_box(&question)).map(drop)
        });
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
