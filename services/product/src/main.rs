//! The binary of the service; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    product::main(std::env::args_os())
}
