//! The order service; everything is in the library.
fn main() -> std::process::ExitCode {
    order::main(std::env::args_os())
}
