//! The TOML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::closest::closest;
use super::{ConfigError, Log, Peer, Server};

/// The file as it is written; everything in it may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File<T> {
    pub(super) listen: Option<String>,
    pub(super) tls: Option<PathBuf>,
    pub(super) database: Option<String>,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) allow: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) peers: BTreeMap<String, Peer>,
    #[serde(default)]
    pub(super) service: T,
}

impl<T: Default> Default for File<T> {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            database: None,
            log: Log::default(),
            allow: BTreeMap::new(),
            server: Server::default(),
            peers: BTreeMap::new(),
            service: T::default(),
        }
    }
}

pub(super) fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<File<T>, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

pub(super) fn parse<T: DeserializeOwned + Default>(
    path: &Path,
    text: &str,
) -> Result<File<T>, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let path = path.to_owned();
        match unknown_field(error.message()) {
            Some((field, advice)) => ConfigError::UnknownField {
                path,
                line,
                field,
                advice,
            },
            None => ConfigError::Malformed {
                path,
                line,
                // toml's messages may run over several lines; ours are one sentence.
                message: error.message().replace('\n', ", "),
            },
        }
    })
}

/// Takes serde's "unknown field `a`, expected one of `b`, `c`" apart and says what was probably meant.
fn unknown_field(message: &str) -> Option<(String, String)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (field, expected) = rest.split_once('`')?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let advice = match (closest(field, known.iter().copied()), known.as_slice()) {
        (_, []) => "this table takes no fields, remove it".to_owned(),
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, known) => format!("there are {}", known.join(", ")),
    };
    Some((field.to_owned(), advice))
}
