//! The TOML file. What of it is repeated in an error is escaped: whoever starts a service need not have written it.

mod wording;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::closest::closest;
use super::{ConfigError, Log, Peer, Server};
use crate::text::escaped;

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
    // The system would only say that there is no such file, of a name that nobody sees. Empty variables count for
    // nothing, so it was the flag.
    if path.as_os_str().is_empty() {
        return Err(ConfigError::Value {
            origin: "--config".to_owned(),
            value: String::new(),
            expected: "the name of a file",
        });
    }
    let bytes = fs::read(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    match str::from_utf8(&bytes) {
        Ok(text) => parse(path, text),
        Err(error) => Err(ConfigError::Malformed {
            path: path.to_owned(),
            line: line_of(&bytes, error.valid_up_to()),
            message:
                "this is not UTF-8, which a configuration is written in; save the file as UTF-8"
                    .to_owned(),
        }),
    }
}

pub(super) fn parse<T: DeserializeOwned + Default>(
    path: &Path,
    text: &str,
) -> Result<File<T>, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let line = line_of(text.as_bytes(), span.start);
        let path = path.to_owned();
        match unknown_field(error.message()) {
            Some((field, advice)) => ConfigError::UnknownField {
                path,
                line,
                field: escaped(&field),
                advice,
            },
            None => ConfigError::Malformed {
                path,
                line,
                message: escaped(&wording::sentence(error.message(), text, span)),
            },
        }
    })
}

/// The line that the byte at `position` stands on, counted from 1.
fn line_of(text: &[u8], position: usize) -> usize {
    let before = &text[..position.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(content: &[u8]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("payment.toml");
        fs::write(&path, content).expect("a file");
        let error = read::<BTreeMap<String, u16>>(&path).expect_err("a refusal");
        let said = error.to_string();
        assert!(said.contains("payment.toml, line "), "{said}");
        said
    }

    #[test]
    fn a_terminal_obeys_nothing_that_stands_in_the_file() {
        for content in [
            "\"\\u001b[31mRED\" = 1\n",
            "[log]\nformat = \"\\u001b[31mRED\"\n",
            "listen = [\"\u{1b}[31mRED\"]\n",
            "listen = \u{1b}[31m\n",
            "[service]\na = \"\\u001b[31mRED\"\n",
        ] {
            let said = refusal(content.as_bytes());
            assert!(!said.contains(char::is_control), "{said:?}");
        }
        let said = refusal(b"\"\\u001b[31mRED\" = 1\n");
        assert!(said.contains("no field `\\u{1b}[31mRED`"), "{said}");
    }

    #[test]
    fn a_value_of_another_kind_is_told_in_words_with_its_field() {
        let said = refusal(b"[service]\nworkers = 70000\n");
        assert!(
            said.ends_with(
                "line 2: `workers` is 70000, which is not a whole number from 0 to 65535"
            ),
            "{said}"
        );
        let said = refusal(b"[peers.a.policy]\ncircuit_breaker.failure_ratio = 5\n");
        assert!(
            said.ends_with("`circuit_breaker.failure_ratio` is 5, which is not a table"),
            "{said}"
        );
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_told_so_with_the_line() {
        let said = refusal(b"[service]\na = 1\n# caf\xe9\n");
        assert!(said.contains("line 3: this is not UTF-8"), "{said}");
    }

    #[test]
    fn an_empty_name_is_shown_as_one() {
        let error = read::<()>(Path::new(""))
            .expect_err("a refusal")
            .to_string();
        assert_eq!(error, "--config is \"\", which is not the name of a file");
    }
}
