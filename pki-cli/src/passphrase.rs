//! Where passphrases come from: a file, an open file descriptor, the environment, and last the terminal. Never an
//! argument: those are seen by every process of the machine.
//!
//! There are two of them: the CA's, which opens the CA's key or protects a new one, and the one of a new end entity's
//! key, which must not be the CA's.

use std::{
    io::{self, ErrorKind, IsTerminal, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use pki::{Error, folder, key::Passphrase, text::escape};
use zeroize::Zeroizing;

use crate::{
    command_error::{CommandError, Kind},
    descriptor,
    output::Output,
};

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
        value_parser = crate::number::descriptor,
        allow_hyphen_values = true,
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
        value_parser = crate::number::descriptor,
        allow_hyphen_values = true,
        help_heading = "Passphrase",
        requires = "encrypt_key",
        conflicts_with = "key_passphrase_file"
    )]
    key_passphrase_fd: Option<u32>,
}

/// Where `pki apply` gets the passphrase of new end entities' keys from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct NewKeysArgs {
    /// Encrypt every new key with the passphrase in this file; a key that takes the place of an encrypted one is
    /// encrypted in any case
    #[arg(long, value_name = "FILE", help_heading = "Passphrase")]
    key_passphrase_file: Option<PathBuf>,
    /// Encrypt every new key with the passphrase from this open file descriptor
    #[arg(
        long,
        value_name = "FD",
        value_parser = crate::number::descriptor,
        allow_hyphen_values = true,
        help_heading = "Passphrase",
        conflicts_with = "key_passphrase_file"
    )]
    key_passphrase_fd: Option<u32>,
}

/// Where the passphrase of an exported file comes from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ExportPassphraseArgs {
    /// Read the passphrase of the exported file from this file
    #[arg(long, value_name = "FILE", help_heading = "Passphrase")]
    export_passphrase_file: Option<PathBuf>,
    /// Read the passphrase of the exported file from this open file descriptor
    #[arg(
        long,
        value_name = "FD",
        value_parser = crate::number::descriptor,
        allow_hyphen_values = true,
        help_heading = "Passphrase",
        conflicts_with = "export_passphrase_file"
    )]
    export_passphrase_fd: Option<u32>,
}

/// The environment variable with the passphrase of existing keys and of a new CA.
const VARIABLE: &str = "PKI_PASSPHRASE";
/// The environment variable with the passphrase of new end entities' keys.
const KEY_VARIABLE: &str = "PKI_KEY_PASSPHRASE";
/// The environment variable with the passphrase of an exported file.
const EXPORT_VARIABLE: &str = "PKI_EXPORT_PASSPHRASE";
/// More than anybody types, and little enough to read from anything.
const MAX_LENGTH: usize = 64 << 10;

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
            &format!("Passphrase of {}: ", escape(&path.to_string_lossy())),
            &format!("The key {path:?} is encrypted"),
            false,
        )
    }

    /// Whether a person at a terminal would be asked.
    fn would_prompt(&self) -> bool {
        self.passphrase_file.is_none()
            && self.passphrase_fd.is_none()
            && std::env::var_os(VARIABLE).is_none()
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

    /// The keys of a new CA are written in clear although there is a passphrase: refused when it was given for this
    /// command, told when it only stands in the environment. `fix` is what to do to have them encrypted.
    pub(crate) fn refuse_clear_keys(
        &self,
        fix: &str,
        output: &mut Output,
    ) -> Result<(), CommandError> {
        let option = match (&self.passphrase_file, self.passphrase_fd) {
            (Some(_), _) => "--passphrase-file",
            (None, Some(_)) => "--passphrase-fd",
            (None, None) => {
                tell_of_clear_keys(VARIABLE, "the CA keys are", fix, output);
                return Ok(());
            }
        };
        Err(CommandError::new(
            Kind::Usage,
            format_args!(
                "{option} gives a passphrase, and the CA keys would be written in clear all the same; {fix}, or leave the passphrase out."
            ),
        ))
    }
}

/// The passphrases of one run that opens several keys: asked for once, for a descriptor gives them once only.
pub(crate) struct Remembered<'a> {
    args: &'a PassphraseArgs,
    known: Vec<(PathBuf, Passphrase)>,
}

impl<'a> Remembered<'a> {
    pub(crate) fn new(args: &'a PassphraseArgs) -> Self {
        Self {
            args,
            known: Vec::new(),
        }
    }

    /// Opens the key at this path. What is given without a terminal is one passphrase for all keys; a person is asked
    /// for each, but not twice, and not for a key that was made in this run.
    pub(crate) fn unlock(&mut self, path: &Path) -> Result<Passphrase, Error> {
        let is_next = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"next"));
        let of_all = !self.args.would_prompt() || is_next;
        let known = self.known.iter().find(|(of, _)| of_all || of == path);
        if let Some((_, passphrase)) = known {
            return Ok(passphrase.clone());
        }
        let passphrase = self.args.unlock(path)?;
        self.known.push((path.to_owned(), passphrase.clone()));
        Ok(passphrase)
    }
}

impl KeyPassphraseArgs {
    /// A passphrase for a new key, if it is to be encrypted.
    pub(crate) fn choose(&self, output: &mut Output) -> Result<Option<Passphrase>, CommandError> {
        if !self.encrypt_key {
            tell_of_clear_keys(KEY_VARIABLE, "the key is", "add --encrypt-key", output);
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

impl ExportPassphraseArgs {
    /// Whether one was given by an option.
    pub(crate) fn are_given(&self) -> bool {
        self.export_passphrase_file.is_some() || self.export_passphrase_fd.is_some()
    }

    /// The passphrase of a new file.
    pub(crate) fn choose(&self) -> Result<Passphrase, CommandError> {
        let sources = Sources {
            file: self.export_passphrase_file.as_deref(),
            descriptor: self.export_passphrase_fd,
            variable: EXPORT_VARIABLE,
            file_option: "--export-passphrase-file",
        };
        Ok(sources.read(
            "New passphrase of the exported file: ",
            "The exported file is to be encrypted",
            true,
        )?)
    }
}

impl NewKeysArgs {
    /// Whether every new key is to be encrypted.
    pub(crate) fn are_given(&self) -> bool {
        self.key_passphrase_file.is_some() || self.key_passphrase_fd.is_some()
    }

    /// A passphrase for new keys. `why` begins the sentence that says that there is none.
    pub(crate) fn choose(&self, why: &str) -> Result<Passphrase, CommandError> {
        let sources = Sources {
            file: self.key_passphrase_file.as_deref(),
            descriptor: self.key_passphrase_fd,
            variable: KEY_VARIABLE,
            file_option: "--key-passphrase-file",
        };
        Ok(sources.read("New passphrase of the keys: ", why, true)?)
    }

    /// Keys are written in clear although there is a passphrase for keys in the environment.
    pub(crate) fn tell_of_clear_keys(&self, output: &mut Output) {
        let fix = "give the passphrase with --key-passphrase-file";
        tell_of_clear_keys(KEY_VARIABLE, "new keys are", fix, output);
    }
}

fn tell_of_clear_keys(variable: &str, what: &str, fix: &str, output: &mut Output) {
    if std::env::var_os(variable).is_some() {
        output.notice(format_args!(
            "{variable} is set, and {what} written in clear all the same; to have encryption, {fix}."
        ));
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
            return from_reader(folder::open_given(path), &format!("the file {path:?}"));
        }
        if let Some(descriptor) = self.descriptor {
            return self.ask_descriptor(descriptor);
        }
        if let Some(value) = std::env::var_os(self.variable) {
            let mut bytes = Zeroizing::new(value.into_encoded_bytes());
            drop_line_end(&mut bytes);
            return one_line(
                bytes,
                &format!("the environment variable {}", self.variable),
            );
        }
        // No prompt that nobody can answer: a script would hang.
        if !io::stdin().is_terminal() {
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
        one_line(Zeroizing::new(typed.as_bytes().to_vec()), "the terminal")
    }

    /// A descriptor gives a passphrase once. A command that opens several keys with it gets the same one again.
    fn ask_descriptor(&self, number: u32) -> Result<Passphrase, Error> {
        static READ: Mutex<Vec<(u32, &'static str, Passphrase)>> = Mutex::new(Vec::new());
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(known, variable, _): &&(u32, &str, Passphrase)| {
            (*known, *variable) == (number, self.variable)
        };
        if let Some((_, _, passphrase)) = read.iter().find(is_it) {
            return Ok(passphrase.clone());
        }
        let is_not_open = |error: &io::Error| {
            error.kind() == ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error())
        };
        let opened = descriptor::open(number);
        if opened.as_ref().is_err_and(is_not_open) {
            return Err(Error::Passphrase(format!(
                "The file descriptor {number} is not open, so no passphrase can be read from it; open it, as in \"{number}<FILE\" of a shell."
            )));
        }
        let passphrase = from_reader(opened, &format!("the file descriptor {number}"))?;
        read.push((number, self.variable, passphrase.clone()));
        Ok(passphrase)
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

fn from_reader(opened: io::Result<impl Read>, source: &str) -> Result<Passphrase, Error> {
    // Room for all at once: what a growing vector leaves behind is not wiped. The line end comes on top.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 3));
    opened
        .and_then(|file| file.take(MAX_LENGTH as u64 + 3).read_to_end(&mut bytes))
        .map_err(|error| {
            Error::Passphrase(match error.kind() {
                ErrorKind::NotFound => format!(
                    "There is no {} to read the passphrase from; check the path.",
                    source.trim_start_matches("the ")
                ),
                _ => format!("The passphrase could not be read from {source}: {error}."),
            })
        })?;
    drop_line_end(&mut bytes);
    if bytes.len() > MAX_LENGTH {
        return Err(Error::Passphrase(format!(
            "The passphrase from {source} is longer than {} KiB, which no passphrase is, and it is not cut off in silence; give the file that holds the passphrase alone.",
            MAX_LENGTH / 1024
        )));
    }
    one_line(bytes, source)
}

fn drop_line_end(bytes: &mut Zeroizing<Vec<u8>>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

/// One line that is not empty: several are not a passphrase but a file of something else.
fn one_line(bytes: Zeroizing<Vec<u8>>, source: &str) -> Result<Passphrase, Error> {
    if bytes.contains(&b'\n') {
        return Err(Error::Passphrase(format!(
            "The passphrase from {source} has more than one line, and which of them is meant is not guessed; give the passphrase alone, as one line."
        )));
    }
    Passphrase::new(bytes).ok_or_else(|| {
        Error::Passphrase(format!(
            "The passphrase from {source} is empty, which protects nothing; give one that is not."
        ))
    })
}
