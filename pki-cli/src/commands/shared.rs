//! What several commands take and do alike: names, the CA, the folder of an end entity, the clock.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pki::{
    Error,
    authority::{Authority, Issued, Rehearsal},
    issuer::check_count,
    manifest::check_name,
    subject_alt_name::{GeneralName, Parse, deduplicate},
};
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    output::Output,
    passphrase::PassphraseArgs,
};

/// The subject alternative names, each kind by its own option: an IP address is never taken for a DNS name.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct NamesArgs {
    /// A DNS name; *.example.org covers one label. May be given several times, or with commas
    // A name that begins with a hyphen gets our sentence and not the parser's.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Names",
        allow_hyphen_values = true
    )]
    dns: Vec<String>,
    /// An IP address, version 4 or 6
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Names"
    )]
    ip: Vec<String>,
    /// A URI, for example the SPIFFE ID spiffe://example.org/service
    #[arg(long, value_name = "URI", help_heading = "Names")]
    uri: Vec<String>,
    /// An email address
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Names"
    )]
    email: Vec<String>,
}

impl NamesArgs {
    /// Whether no name was given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            dns,
            ip,
            uri,
            email,
        } = self;
        [dns, ip, uri, email].into_iter().all(Vec::is_empty)
    }

    /// The names, checked, each once; a repetition is told.
    pub(crate) fn read(&self, output: &mut Output) -> Result<Vec<GeneralName>, CommandError> {
        let kinds: [(&[String], Parse); 4] = [
            (&self.dns, GeneralName::dns),
            (&self.ip, GeneralName::ip),
            (&self.uri, GeneralName::uri),
            (&self.email, GeneralName::email),
        ];
        let mut names = Vec::new();
        for (given, parse) in kinds {
            for text in given {
                names.push(parse(text).map_err(Error::from)?);
            }
        }
        let (kept, repeated) = deduplicate(names);
        check_count(&kept).map_err(Error::from)?;
        for name in repeated {
            output.notice(format_args!(
                "{name} was given more than once; it stands in the certificate once."
            ));
        }
        Ok(kept)
    }
}

/// Which CA issues.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AuthorityArgs {
    /// The certificate of a CA that lives elsewhere, used without an index; the CAs above it may follow in the file
    #[arg(long, value_name = "FILE", requires = "ca_key", help_heading = "CA")]
    ca: Option<PathBuf>,
    /// The key of that CA
    #[arg(long, value_name = "FILE", requires = "ca", help_heading = "CA")]
    ca_key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl AuthorityArgs {
    /// Opens the CA.
    pub(crate) fn open(
        &self,
        global: &Global,
        output: &mut Output,
    ) -> Result<Authority, CommandError> {
        let mut unlock = |path: &Path| self.passphrase.unlock(path);
        let authority = match (&self.ca, &self.ca_key) {
            (Some(certificate), Some(key)) => Authority::elsewhere(certificate, key, &mut unlock)?,
            _ => Authority::open(&global.dir, &mut unlock)?,
        };
        output.notices(authority.taken_over());
        Ok(authority)
    }

    /// Opens the CA that signs CAs: the root, unless it is one that lives elsewhere.
    pub(crate) fn open_root(
        &self,
        global: &Global,
        output: &mut Output,
    ) -> Result<Authority, CommandError> {
        if self.ca.is_some() {
            return self.open(global, output);
        }
        let authority =
            Authority::open_root(&global.dir, &mut |path: &Path| self.passphrase.unlock(path))?;
        output.notices(authority.taken_over());
        Ok(authority)
    }

    /// The same for a dry run.
    pub(crate) fn rehearse_root(
        &self,
        global: &Global,
        output: &mut Output,
    ) -> Result<Rehearsal, CommandError> {
        if self.ca.is_some() {
            return self.rehearse(global, output);
        }
        let authority =
            Rehearsal::open_root(&global.dir, &mut |path: &Path| self.passphrase.unlock(path))?;
        output.notices(authority.taken_over());
        Ok(authority)
    }

    /// Opens the CA for a dry run.
    pub(crate) fn rehearse(
        &self,
        global: &Global,
        output: &mut Output,
    ) -> Result<Rehearsal, CommandError> {
        let mut unlock = |path: &Path| self.passphrase.unlock(path);
        let authority = match (&self.ca, &self.ca_key) {
            (Some(certificate), Some(key)) => Rehearsal::elsewhere(certificate, key, &mut unlock)?,
            _ => Rehearsal::open(&global.dir, &mut unlock)?,
        };
        output.notices(authority.taken_over());
        Ok(authority)
    }
}

/// The folder of an end entity. A name is checked also when the folder is given: it becomes the common name.
pub(crate) fn end_entity_folder(
    global: &Global,
    name: &str,
    out: Option<&Path>,
) -> Result<PathBuf, CommandError> {
    check_name(name)?;
    let folder = out.map_or_else(|| global.dir.join(name), Path::to_owned);
    let authority = global.dir.join(pki::authority::FOLDER);
    if place(&folder) == place(&authority) {
        return Err(CommandError::new(
            Kind::Usage,
            format_args!(
                "{folder:?} is the CA's own folder, in which no other key or certificate belongs; choose another one."
            ),
        ));
    }
    Ok(folder)
}

/// `pki crl` knows the folders beside the CA's. What lies elsewhere keeps the `crl.pem` that it was born with.
pub(crate) fn tell_of_lists_elsewhere(
    global: &Global,
    folder: &Path,
    issued: &Issued,
    output: &mut Output,
) {
    let is_beside = place(folder).parent() == Some(place(&global.dir).as_path());
    if issued.has_revocation_lists() && !is_beside {
        output.notice(format_args!(
            "The crl.pem in {folder:?} is not refreshed by \"pki crl\" and \"pki revoke\", because the folder is not in {:?}, and its service refuses everybody once that has ended: copy crl.pem there whenever it changes.",
            global.dir
        ));
    }
}

/// Where a path leads, links followed as far as it is there.
fn place(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        let parent = std::fs::canonicalize(pki::folder::parent(path));
        match (parent, path.file_name()) {
            (Ok(parent), Some(name)) => parent.join(name),
            _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    })
}

/// The clock is read here only.
pub(crate) fn now() -> OffsetDateTime {
    // Certificates know whole seconds (RFC 5280 §4.1.2.5).
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

/// How long a process waits for another one that writes to the same folder.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for other processes, up to [`PATIENCE`] in all.
pub(crate) fn patience() -> impl FnMut() -> bool {
    let deadline = Instant::now() + PATIENCE;
    move || {
        std::thread::sleep(Duration::from_millis(5));
        Instant::now() < deadline
    }
}
