//! Where passphrases come from: a file, an open file descriptor, the environment, and last the terminal. Never an
//! argument: those are seen by every process of the machine.
//!
//! There are two of them: the CA's, which opens the CA's key or protects a new one, and the one of a new end entity's
//! key, which must not be the CA's.

use std::{
    fs::File,
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use pki::{Error, key::Passphrase};
use zeroize::Zeroizing;

use crate::command_error::CommandError;

/// Where the passphrase of a key that exists, or of a new CA, comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase of an encrypted key from this file (its last line end is not part of it)
    #[arg(long, value_name = "FILE", help_heading = "Passphrase")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from this open file descriptor
    #[arg(
        long,
        value_name = "FD",
        help_heading = "Passphrase",
        conflicts_with = "passphrase_file"
    )]
    passphrase_fd: Option<u32>,
}

/// Where the passphrase of a new end entity's key comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeyPassphraseArgs {
    /// Encrypt the new key (PKCS#8, scrypt and AES-256)
    #[arg(long, help_heading = "Passphrase")]
    pub(crate) encrypt_key: bool,
    /// Read the passphrase of the new key from this file
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Passphrase",
        requires = "encrypt_key"
    )]
    key_passphrase_file: Option<PathBuf>,
    /// Read the passphrase of the new key from this open file descriptor
    #[arg(
        long,
        value_name = "FD",
        help_heading = "Passphrase",
        requires = "encrypt_key",
        conflicts_with = "key_passphrase_file"
    )]
    key_passphrase_fd: Option<u32>,
}

/// The environment variable with the passphrase of existing keys and of a new CA.
const VARIABLE: &str = "PKI_PASSPHRASE";
/// The environment variable with the passphrase of new end entities' keys.
const KEY_VARIABLE: &str = "PKI_KEY_PASSPHRASE";
/// More than anybody types, and little enough to read from anything.
const MAX_LENGTH: u64 = 64 << 10;

impl PassphraseArgs {
    /// Opens the key at this path.
    pub(crate) fn unlock(&self, path: &Path) -> Result<Passphrase, Error> {
        let sources = Sources {
            file: self.passphrase_file.as_deref(),
            descriptor: self.passphrase_fd,
            variable: VARIABLE,
            file_option: "--passphrase-file",
        };
        sources.read(
            &format!("Passphrase of {}: ", path.display()),
            &format!("The key {path:?} is encrypted"),
            false,
        )
    }

    /// A passphrase for a new CA.
    pub(crate) fn choose(&self) -> Result<Passphrase, CommandError> {
        let sources = Sources {
            file: self.passphrase_file.as_deref(),
            descriptor: self.passphrase_fd,
            variable: VARIABLE,
            file_option: "--passphrase-file",
        };
        Ok(sources.read(
            "New passphrase of the CA keys: ",
            "The CA keys are to be encrypted",
            true,
        )?)
    }
}

impl KeyPassphraseArgs {
    /// A passphrase for a new key, if it is to be encrypted.
    pub(crate) fn choose(&self) -> Result<Option<Passphrase>, CommandError> {
        if !self.encrypt_key {
            return Ok(None);
        }
        let sources = Sources {
            file: self.key_passphrase_file.as_deref(),
            descriptor: self.key_passphrase_fd,
            variable: KEY_VARIABLE,
            file_option: "--key-passphrase-file",
        };
        Ok(Some(sources.read(
            "New passphrase of the key: ",
            "The new key is to be encrypted",
            true,
        )?))
    }
}

struct Sources<'a> {
    file: Option<&'a Path>,
    descriptor: Option<u32>,
    variable: &'static str,
    file_option: &'static str,
}

impl Sources<'_> {
    fn read(&self, prompt: &str, why: &str, is_new: bool) -> Result<Passphrase, Error> {
        if let Some(path) = self.file {
            return from_file(path, &format!("the file {path:?}"));
        }
        if let Some(descriptor) = self.descriptor {
            // Opening this path duplicates the descriptor, on Linux and macOS alike.
            let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
            return from_file(&path, &format!("the file descriptor {descriptor}"));
        }
        if let Some(value) = std::env::var_os(self.variable) {
            let bytes = Zeroizing::new(value.into_encoded_bytes());
            return not_empty(
                bytes,
                &format!("the environment variable {}", self.variable),
            );
        }
        // No prompt that nobody can answer: a script would hang.
        if !std::io::stdin().is_terminal() {
            return Err(Error::Passphrase(format!(
                "{why}, and there is no terminal to ask for the passphrase; give it with {} or in {}.",
                self.file_option, self.variable
            )));
        }
        let typed = prompt_for(prompt)?;
        if is_new && *typed != *prompt_for("The same again: ")? {
            return Err(Error::Passphrase(
                "The two passphrases differ; nothing was written. Try again.".to_owned(),
            ));
        }
        not_empty(Zeroizing::new(typed.as_bytes().to_vec()), "the terminal")
    }
}

fn prompt_for(prompt: &str) -> Result<Zeroizing<String>, Error> {
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|error| {
            Error::Passphrase(format!(
                "The passphrase could not be read from the terminal: {error}."
            ))
        })
}

fn from_file(path: &Path, source: &str) -> Result<Passphrase, Error> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_LENGTH).read_to_end(&mut bytes))
        .map_err(|error| {
            Error::Passphrase(format!(
                "The passphrase could not be read from {source}: {error}."
            ))
        })?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    not_empty(bytes, source)
}

fn not_empty(bytes: Zeroizing<Vec<u8>>, source: &str) -> Result<Passphrase, Error> {
    Passphrase::new(bytes).ok_or_else(|| {
        Error::Passphrase(format!(
            "The passphrase from {source} is empty, which protects nothing; give one that is not."
        ))
    })
}
