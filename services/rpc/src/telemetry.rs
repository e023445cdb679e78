//! Log lines on standard error, for people or for machines.
//!
//! Standard output is kept for what a program may read: the one line that says where the service listens.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log filter {filter:?} is not understood: {problem}; write a level such as info, or directives such as \
     info,order=debug"
)]
pub struct TelemetryError {
    filter: String,
    problem: String,
}

/// Sends the process's log lines to standard error. The first call in a process wins; later ones only check their
/// filter, so that several services can be started in one process by a test.
///
/// # Errors
/// When the filter is not understood.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .map_err(|error| TelemetryError {
            filter: log.filter.clone(),
            problem: error.to_string(),
        })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Lets a panic be a log line like any other, with its place. Without it a panic writes lines of its own beside the log,
/// which no machine reads. What becomes of the call in which it happens is another matter: see the server stack.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("it did not say why");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(text, place, "a panic");
    }));
}
