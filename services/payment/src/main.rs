//! The binary of the service; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    payment::main(std::env::args_os())
}
