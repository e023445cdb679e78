//! Flags and environment variables. Each flag has its variable: `--listen` of the service `payment` is also
//! `PAYMENT_LISTEN`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{ConfigError, Defaults, Given};

/// What was said on the command line, or where it was silent, in the environment.
#[derive(Debug)]
pub(super) struct Flags {
    pub(super) config: Option<Given<PathBuf>>,
    pub(super) listen: Option<Given<String>>,
    pub(super) tls: Option<Given<PathBuf>>,
    pub(super) database: Option<Given<String>>,
    pub(super) log: Option<Given<String>>,
    pub(super) log_format: Option<Given<String>>,
    pub(super) peers: BTreeMap<String, String>,
}

/// The variable of a flag: `payment` and `LISTEN` make `PAYMENT_LISTEN`.
pub(crate) fn variable(service: &str, field: &str) -> String {
    let prefix = service.to_ascii_uppercase().replace('-', "_");
    format!("{prefix}_{field}")
}

pub(super) fn parse(
    defaults: &Defaults,
    arguments: impl IntoIterator<Item = OsString>,
    environment: &impl Fn(&OsStr) -> Option<OsString>,
) -> Result<Flags, ConfigError> {
    let matches = command(defaults)
        .try_get_matches_from(arguments)
        .map_err(ConfigError::CommandLine)?;

    // Some(value) from the flag, else from the variable, with the name of the one that it was.
    let given = |flag: &str| -> Option<Given<OsString>> {
        if let Some(value) = matches.get_one::<OsString>(flag) {
            return Some(Given {
                origin: format!("--{flag}"),
                value: value.clone(),
            });
        }
        let variable = variable(defaults.name, &flag.to_ascii_uppercase().replace('-', "_"));
        let value = environment(OsStr::new(&variable)).filter(|value| !value.is_empty())?;
        Some(Given {
            origin: variable,
            value,
        })
    };
    let path = |flag: &str| {
        given(flag).map(|given| Given {
            origin: given.origin,
            value: PathBuf::from(given.value),
        })
    };
    let text = |flag: &str| -> Result<Option<Given<String>>, ConfigError> {
        let Some(given) = given(flag) else {
            return Ok(None);
        };
        match given.value.into_string() {
            Ok(value) => Ok(Some(Given {
                origin: given.origin,
                value,
            })),
            Err(value) => Err(ConfigError::Value {
                origin: given.origin,
                value: match flag {
                    // It may hold a password.
                    "database" => "…".to_owned(),
                    _ => value.to_string_lossy().into_owned(),
                },
                expected: "UTF-8",
            }),
        }
    };
    Ok(Flags {
        config: path("config"),
        listen: text("listen")?,
        tls: path("tls"),
        database: text("database")?,
        log: text("log")?,
        log_format: text("log-format")?,
        peers: peers(&matches, &variable(defaults.name, "PEER"), environment)?,
    })
}

/// `NAME=URL` of each word of the variable, and over it of each `--peer`: a flag for one peer leaves the others as they
/// are.
fn peers(
    matches: &ArgMatches,
    variable: &str,
    environment: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let from_variable = environment(OsStr::new(variable)).unwrap_or_default();
    let from_variable = from_variable.to_string_lossy();
    let words = from_variable
        .split_whitespace()
        .map(|word| (variable, word.to_owned()));
    let flags = matches.get_many::<OsString>("peer").into_iter().flatten();
    let flags = flags.map(|word| ("--peer", word.to_string_lossy().into_owned()));
    words
        .chain(flags)
        .map(|(origin, word)| match word.split_once('=') {
            Some((name, address)) if !name.is_empty() => Ok((name.to_owned(), address.to_owned())),
            _ => Err(Given {
                origin: origin.to_owned(),
                value: word,
            }
            .refuse("a name and an address like payment=https://127.0.0.1:50052")),
        })
        .collect()
}

fn command(defaults: &Defaults) -> Command {
    let flag = |name: &'static str, value: &'static str, help: String| {
        let variable = variable(defaults.name, &name.to_ascii_uppercase().replace('-', "_"));
        Arg::new(name)
            .long(name)
            .value_name(value)
            .value_parser(value_parser!(OsString))
            .help(format!("{help} [env: {variable}]"))
    };
    Command::new(defaults.name)
        .about(defaults.about)
        .version(env!("CARGO_PKG_VERSION"))
        .arg(flag(
            "listen",
            "ADDR",
            format!(
                "The address to listen on; port 0 takes any free one [default: {}]",
                defaults.listen
            ),
        ))
        .arg(flag(
            "tls",
            "DIR",
            "The folder with tls.crt, tls.key and ca.crt".to_owned(),
        ))
        .arg(flag(
            "database",
            "URL",
            format!(
                "SQLite by path, or PostgreSQL as postgres://USER@HOST/NAME [default: {}.db]",
                defaults.name
            ),
        ))
        .arg(flag(
            "config",
            "FILE",
            "The configuration, in TOML; flags and variables go before it".to_owned(),
        ))
        .arg(
            flag(
                "peer",
                "NAME=URL",
                "Where a service is that this one calls; may be repeated".to_owned(),
            )
            .action(ArgAction::Append),
        )
        .arg(flag(
            "log",
            "FILTER",
            "What is logged: error, warn, info, debug, trace, or info,order=debug [default: info]"
                .to_owned(),
        ))
        .arg(flag(
            "log-format",
            "FORMAT",
            "How it is logged: text or json [default: text]".to_owned(),
        ))
}
