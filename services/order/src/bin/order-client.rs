//! The command for people; everything is in the library.
fn main() -> std::process::ExitCode {
    order::client_main(std::env::args_os())
}
