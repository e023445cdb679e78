//! `order-client`, the command for people: orders, looks, follows, asks for health, and says in plain words what went
//! wrong and what to do next.
//!
//! It calls through the same client stack as the services do (deadline, retries, circuit breaker, mutual TLS), knows
//! nothing that the wire does not tell, and keeps no state. Exit codes are in [`exit`].

mod arguments;
mod call;
mod connection;
pub mod exit;
mod failure;
mod picture;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use self::arguments::Arguments;

/// Parses the command line, does what it says, and returns how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::parse(arguments, |variable| std::env::var_os(variable)) {
        Ok(arguments) => arguments,
        Err(error) => return rpc::complaint::usage(error).into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(call::run(&arguments, &mut anstream::stdout())),
        Err(error) => Err(failure::Failure::runtime(&error)),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let mut stderr = anstream::stderr();
            let written = if arguments.json {
                writeln!(stderr, "{}", failure.json())
            } else {
                write!(stderr, "{}", failure.people())
            };
            // Nobody is left to be told when this cannot be written.
            let _ = written;
            failure.exit().into()
        }
    }
}
