//! Real runs of `pki export`, `pki import` and `pki inspect` on what other programs write and read: openssl, easy-rsa,
//! and whatever reads YAML.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod crash;
mod export;
mod openssl_ca;
mod pair;
mod pkcs12;
#[path = "../issuing/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of issuing, which use all of it"
)]
mod support;
mod unfit;
mod unreadable;
