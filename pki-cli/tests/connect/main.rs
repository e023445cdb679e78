//! `pki connect` and `pki inspect HOST:PORT` against real servers: rustls in this process, openssl as the stranger, and
//! servers that speak something else, nothing, or without an end. Each test says which side refuses, in which words and
//! with which exit code.

#![expect(
    clippy::panic,
    reason = "a test says what is wrong by panicking with its sentence"
)]

#[path = "../issuing/support.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "this test binary uses its own part of that file"
)]
mod support;

mod altered;
mod judged;
#[allow(dead_code, reason = "tests/otherwise.rs uses the rest of this file")]
mod material;
mod not_tls;
mod openssl;
mod refused;
mod server;
mod shown;
