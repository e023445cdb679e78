//! `cargo demo`: the whole house in one story.
//!
//! The program starts itself again for each service and for `pki`, with commands that its help does not list:
//! `demo service NAME …` is the binary NAME, `demo pki …` is `pki`, and `demo order-client …` is `order-client`. Each
//! calls the very function that the binary calls, so nothing but cargo is needed to have all six programs.

use std::env;
use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use tests::demo;

/// Makes a CA and certificates, starts four services over mutual TLS, and plays the story of an order.
#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Arguments {
    /// Stay up after the story until Ctrl-C, and print the addresses and a line for grpcurl
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = env::args_os().collect();
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some("pki") => {
            arguments.remove(0);
            return pki_cli::main(arguments);
        }
        Some("order-client") => {
            arguments.remove(0);
            return order::client_main(arguments);
        }
        Some("service") => {
            arguments.drain(..2);
            end_with_parent();
            return service(arguments);
        }
        _ => {}
    }
    let arguments = Arguments::parse();
    demo::main(arguments.keep)
}

fn service(arguments: Vec<OsString>) -> ExitCode {
    match arguments.first().and_then(|name| name.to_str()) {
        Some("product") => product::main(arguments),
        Some("payment") => payment::main(arguments),
        Some("shipping") => shipping::main(arguments),
        Some("order") => order::main(arguments),
        _ => ExitCode::from(2),
    }
}

/// Ends this process once its standard input is closed, which the system does when the parent is gone, even by SIGKILL.
#[expect(
    clippy::exit,
    reason = "the parent is gone and nobody is left to return to"
)]
fn end_with_parent() {
    thread::spawn(|| {
        let mut sink = [0; 64];
        while std::io::stdin().read(&mut sink).is_ok_and(|read| read > 0) {}
        std::process::exit(1);
    });
}
