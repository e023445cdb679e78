//! Log lines on standard error, for people or for machines.
//!
//! Standard output is kept for what a program may read: the one line that says where the service listens. A line that
//! cannot be written, because the disk is full or nobody reads the pipe any more, is lost; the service goes on.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    let filter = filter(&log.filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // It would report a line that cannot be written with `eprintln!`, to the same stderr: that panics, and the log
        // line of that panic panics again, which ends the process.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    let _ = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// A word that is no level is to `tracing-subscriber` the name of a target, all of whose lines are logged: of
/// `--log loud` it would make a service that logs nothing at all, and of `info,oder` a slip that nobody notices. So each
/// directive has to name its level.
fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    let refuse = |problem: String| TelemetryError {
        filter: text.to_owned(),
        problem,
    };
    if directives(text).next().is_none() {
        return Err(refuse("it is empty".to_owned()));
    }
    if let Some(directive) = directives(text).find(|directive| !names_a_level(directive)) {
        return Err(refuse(format!(
            "{directive:?} names no level, and the levels are off, error, warn, info, debug and trace"
        )));
    }
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| refuse(error.to_string()))
}

/// The directives of a filter. A comma within brackets or braces separates the fields of a span instead.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    // `tracing-subscriber` passes over what stands between two commas.
    .filter(|directive| !directive.is_empty())
}

/// Whether it is `LEVEL`, `TARGET=LEVEL` or `TARGET[SPAN{FIELDS}]=LEVEL`.
fn names_a_level(directive: &str) -> bool {
    let level = directive
        .rsplit_once('=')
        .map_or(directive, |(_, level)| level);
    // `LevelFilter` takes an empty text for a level.
    !level.is_empty() && level.parse::<LevelFilter>().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_names_no_level_is_refused_with_the_levels() {
        for (text, named) in [
            ("loud", "\"loud\""),
            ("info,oder", "\"oder\""),
            ("order=loud", "\"order=loud\""),
            ("order=", "\"order=\""),
            ("order[call{id=7,user=3}]", "names no level"),
            ("", "it is empty"),
            (" ", "it is empty"),
            (",,", "it is empty"),
        ] {
            let error = filter(text).expect_err(text).to_string();
            assert!(error.contains(named), "{error}");
            assert!(error.contains("info,order=debug"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn a_filter_that_names_its_levels_is_taken() {
        for text in [
            "info",
            "off",
            "INFO",
            "warn,order=debug",
            "info,order=debug,",
            "order[call{id=7}]=trace",
        ] {
            let taken = filter(text).map(|filter| filter.to_string());
            assert!(taken.is_ok(), "{text}: {taken:?}");
        }
    }
}
