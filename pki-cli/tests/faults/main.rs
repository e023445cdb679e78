//! What may go wrong around every command that writes: the disk, the rights of files, a process that dies. One table
//! ([`writing::WRITING`]) names the commands; each test goes through all of it, and `state` says what must hold
//! afterwards, whatever happened.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod disk;
mod kill;
mod rehearsal;
mod rights;
mod state;
#[path = "../issuing/support.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test binary uses its own part of this file"
)]
mod support;
mod together;
mod writing;
