//! The binary `pki`. Everything happens in the library, so that tests and the demo run the same code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pki_cli::main(std::env::args_os())
}
