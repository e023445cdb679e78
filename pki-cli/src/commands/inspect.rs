//! `pki inspect`: shows what is in files and folders, and what servers show. It reads; the library `pki::inspect` says
//! what it is.

use std::{
    io,
    path::{Path, PathBuf},
};

use anstyle::Style;
use pki::{
    inspect::{
        InspectError, KeyBeside, Line, Object, Overview, Problem, Relation, Standing, each, inspect,
    },
    text,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    Global,
    command_error::{CommandError, Kind},
    connection::{Address, chain, objects},
    input,
    output::{ERROR, GOOD, NOTICE, Output},
    passphrase::PassphraseArgs,
    table::{Cell, Table},
};

/// A folder deeper or fuller than this is no folder of certificates; `/` is not read by mistake.
const DEEPEST_FOLDER: usize = 8;
const MOST_FILES: usize = 10_000;

/// The hierarchy is shown by indentation up to this depth, names up to this length.
const MOST_INDENTED: usize = 8;
const LONGEST_NAME: usize = 46;

const EXAMPLES: &str = "\
JSON: {\"files\": [{\"file\", \"objects\": [{\"kind\", …}], \"problems\": [text]}]} for files, and
{\"folders\": [{\"folder\", \"certificates\": [{\"file\", \"subject\", \"used_for\", \"signed_by\",
\"signed_by_file\", \"days_left\", \"standing\", \"key\", \"key_file\", \"sha256\"}], \"others\": [{\"file\", \"what\"}], \"passed_over\"}]} for folders.
When something could not be read, `error` stands beside them. `kind` is certificate, certificate_request, crl, private_key, public_key or pkcs12. Octets are hexadecimal.
Field names do not change; new ones may come.

Exit codes: 0 all was shown, 7 something could not be read, or the signature of a certificate request is wrong (the
request is shown all the same), 8 the passphrase is wrong; the others as in pki --help. Whether a certificate can be
relied on is for pki verify to say.

Examples:
  pki inspect certs/order/tls.crt          everything, as openssl x509 -text shows it, and more
  pki inspect --short certs/order/ca.crt   one line each
  pki inspect certs                        who signed whom, how long it is valid, and the keys
  pki inspect order.example.org:443        the chain that a server sends";

/// Show what certificates, certificate requests, CRLs and keys hold
///
/// Takes files in PEM, DER or PKCS#12, with one object or many, and folders, of which it gives an overview. Every field
/// and every extension is shown, decoded, and with its octets where its meaning is not known. Of a private key only the
/// public half is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Files, folders, and servers as HOST:PORT; - is stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One line for each object
    #[arg(long)]
    short: bool,
    /// Open encrypted private keys and PKCS#12 files with a passphrase, to show what is in them
    #[arg(long)]
    unlock: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(_global: &Global, args: &Args, output: &mut Output) -> Result<(), CommandError> {
    let now = OffsetDateTime::now_utc();
    let mut report = Report::default();
    // Of several files nothing is shown when one of them cannot be read at all, and JSON is one document; one file is
    // shown as it is read, so that a large bundle is not in memory as a whole.
    let is_shown_at_once = args.paths.len() == 1 && !output.json();
    for path in &args.paths {
        if path.is_dir() {
            report.folders.push(Folder::read(path, now)?);
        } else if let Some(address) = server(path, output) {
            let mut file = Shown::new(address.to_string());
            for found in objects(&chain(&address)?, now) {
                file.add(found);
            }
            report.files.push(file);
        } else {
            let mut file = Shown::new(shown(path));
            let mut octets = zeroize::Zeroizing::new(input::read(path)?);
            let mut is_public = true;
            let passphrase = match args.unlock {
                true => Some(args.passphrase.unlock(path)?),
                false => None,
            };
            for found in each(&octets, now, passphrase.as_ref()) {
                is_public &= found.as_ref().is_ok_and(Object::is_public);
                file.add(found);
                if is_shown_at_once {
                    file.print(args.short, output)?;
                }
            }
            // To wipe takes as long as to read.
            if is_public {
                drop(std::mem::take(&mut *octets));
            }
            report.files.push(file);
        }
    }
    let failure = report.failure();
    if output.json() {
        // One document, also when something failed: it then tells the error beside what was found.
        output.document(&report.document(now, failure.as_ref()))?;
    } else {
        report.print(args.short, now, output)?;
    }
    match failure {
        Some(failure) => Err(failure.told_in_json()),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Report {
    files: Vec<Shown>,
    folders: Vec<Folder>,
}

/// One file and what was found in it.
struct Shown {
    path: String,
    /// How many things were found.
    count: usize,
    /// How many objects were shown.
    printed: usize,
    /// Those that were not shown yet.
    objects: Vec<Object>,
    problems: Vec<(Kind, String)>,
}

struct Folder {
    path: String,
    overview: Overview,
    passed_over: usize,
}

/// The server that is meant, unless there is a file of that name.
fn server(path: &Path, output: &mut Output) -> Option<Address> {
    let address = Address::parse(path.to_str()?).ok()?;
    if path.symlink_metadata().is_err() {
        return Some(address);
    }
    output.notice(format_args!(
        "{address} is a file here, and was read; pki connect {address} --text asks the server of that name."
    ));
    None
}

fn shown(path: &Path) -> String {
    text::escape(&path.display().to_string())
}

/// What is wrong with one thing in a file, as the second half of a sentence, and which kind of failure it is.
fn problem(found: &Result<Object, InspectError>) -> Option<(Kind, String)> {
    match found {
        Err(error) => Some((Kind::Malformed, error.to_string())),
        Ok(object) => {
            let problem = object.problem()?;
            let kind = match problem {
                Problem::WrongPassphrase => Kind::Passphrase,
                _ => Kind::Malformed,
            };
            Some((kind, problem.to_string()))
        }
    }
}

impl Shown {
    fn new(path: String) -> Self {
        Self {
            path,
            count: 0,
            printed: 0,
            objects: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn add(&mut self, found: Result<Object, InspectError>) {
        self.count += 1;
        self.problems.extend(problem(&found));
        self.objects.extend(found);
    }

    fn print(&mut self, short: bool, output: &mut Output) -> io::Result<()> {
        for object in self.objects.drain(..) {
            if short {
                output.line(object.short())?;
            } else {
                if self.printed > 0 {
                    output.line("")?;
                }
                // It has no styles to take out.
                output.octets(object.text().as_bytes())?;
            }
            self.printed += 1;
        }
        Ok(())
    }

    /// The file, as a sentence about it begins.
    fn named(&self) -> &str {
        match self.path.as_str() {
            "-" => "The standard input",
            path => path,
        }
    }
}

impl Folder {
    fn read(path: &Path, now: OffsetDateTime) -> Result<Self, CommandError> {
        let mut folder = Self {
            path: shown(path),
            overview: Overview::default(),
            passed_over: 0,
        };
        let mut files = Vec::new();
        walk(path, 0, &mut files)?;
        for file in files {
            let name = file.strip_prefix(path).unwrap_or(&file);
            let octets = zeroize::Zeroizing::new(match input::read(&file) {
                Ok(octets) => octets,
                Err(_) => {
                    folder.passed_over += 1;
                    continue;
                }
            });
            let found = inspect(&octets, now, None);
            if found.iter().all(Result::is_err) {
                folder.passed_over += 1;
            }
            for object in found.iter().flatten() {
                folder.overview.add(&shown(name), object);
            }
        }
        Ok(folder)
    }
}

/// Every file below `folder`, in the order of names. Links to folders are not followed: they could lead in a circle.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let unreadable = |error: io::Error| {
        CommandError::new(
            Kind::Io,
            format_args!("The folder {} cannot be read: {error}.", shown(folder)),
        )
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?);
        if entries.len() + files.len() > MOST_FILES {
            return Err(CommandError::new(
                Kind::Refused,
                format_args!(
                    "The folder {} holds more than {MOST_FILES} files.",
                    shown(folder)
                ),
            )
            .hint("Give a folder further down, or the files themselves."));
        }
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && depth < DEEPEST_FOLDER {
            walk(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

impl Report {
    fn print(&mut self, short: bool, now: OffsetDateTime, output: &mut Output) -> io::Result<()> {
        let several = self.files.len() + self.folders.len() > 1;
        for file in &mut self.files {
            if several {
                output.line(format_args!("{}:", file.path))?;
            }
            file.print(short, output)?;
        }
        for folder in &self.folders {
            folder.print(now, output)?;
        }
        // One problem is told as the error of the whole command.
        let problems: Vec<_> = self.problems().collect();
        if problems.len() > 1 {
            for (_, problem) in problems {
                output.notice(problem);
            }
        }
        Ok(())
    }

    fn problems(&self) -> impl Iterator<Item = (Kind, String)> {
        self.files.iter().flat_map(|file| {
            let problems = file.problems.iter();
            problems.map(|(kind, told)| (*kind, format!("{} {told}.", file.named())))
        })
    }

    fn failure(&self) -> Option<CommandError> {
        let problems: Vec<_> = self.problems().collect();
        Some(match problems.as_slice() {
            [] => return None,
            [(kind, told)] => CommandError::new(*kind, told),
            [(kind, _), rest @ ..] => {
                let found: usize = self.files.iter().map(|file| file.count).sum();
                let is_of_one_kind = rest.iter().all(|(other, _)| other == kind);
                CommandError::new(
                    if is_of_one_kind {
                        *kind
                    } else {
                        Kind::Malformed
                    },
                    format_args!(
                        "{} of {found} objects could not be read or are wrong.",
                        problems.len()
                    ),
                )
            }
        })
    }

    fn document(&self, now: OffsetDateTime, failure: Option<&CommandError>) -> Document<'_> {
        Document {
            files: self.files.iter().map(FileDocument::of).collect(),
            folders: self
                .folders
                .iter()
                .map(|folder| FolderDocument::of(folder, now))
                .collect(),
            error: failure.map(CommandError::to_json),
        }
    }
}

/// The JSON of this command. The field names are a promise; what an object holds is `pki::inspect`'s.
#[derive(Serialize)]
struct Document<'r> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileDocument<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folders: Vec<FolderDocument<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct FileDocument<'r> {
    file: &'r str,
    objects: Vec<&'r Object>,
    problems: Vec<String>,
}

impl<'r> FileDocument<'r> {
    fn of(file: &'r Shown) -> Self {
        Self {
            file: &file.path,
            objects: file.objects.iter().collect(),
            problems: file.problems.iter().map(|(_, told)| told.clone()).collect(),
        }
    }
}

#[derive(Serialize)]
struct FolderDocument<'r> {
    folder: &'r str,
    certificates: Vec<Relation>,
    others: Vec<Other<'r>>,
    passed_over: usize,
}

#[derive(Serialize)]
struct Other<'r> {
    file: &'r str,
    what: &'r str,
}

impl<'r> FolderDocument<'r> {
    fn of(folder: &'r Folder, now: OffsetDateTime) -> Self {
        let others = folder
            .overview
            .others()
            .map(|(file, what)| Other { file, what });
        Self {
            folder: &folder.path,
            certificates: folder.overview.relations(now),
            others: others.collect(),
            passed_over: folder.passed_over,
        }
    }
}

impl Folder {
    fn print(&self, now: OffsetDateTime, output: &mut Output) -> io::Result<()> {
        output.line(format_args!("Folder {}", self.path))?;
        let mut table = Table::default();
        for line in self.overview.hierarchy(now) {
            table.row(row(&line));
        }
        table.print(output)?;
        let leftovers = self.overview.leftovers();
        for (heading, is_key) in [
            ("Keys of which no certificate is here:", true),
            ("Also here:", false),
        ] {
            let mut table = Table::default();
            for leftover in leftovers.iter().filter(|one| one.is_key == is_key) {
                table.row([Cell::plain(&leftover.what), Cell::plain(&leftover.file)]);
            }
            if !table.is_empty() {
                output.line(heading)?;
                table.print(output)?;
            }
        }
        match self.passed_over {
            0 => Ok(()),
            1 => output.line("1 other file passed over"),
            count => output.line(format_args!("{count} other files passed over")),
        }
    }
}

/// One certificate of an overview: name, use, time, key, files.
fn row(line: &Line) -> [Cell; 5] {
    let indentation = "  ".repeat(line.depth.min(MOST_INDENTED));
    let time = match line.standing {
        Standing::Expired | Standing::NotYetValid => ERROR,
        Standing::ExpiresSoon => NOTICE,
        _ => Style::new(),
    };
    let files = line.files.first().map_or("", String::as_str);
    let folder = |file: &str| Path::new(file).parent().map(Path::to_owned);
    let key = match (line.key, &line.key_file) {
        (KeyBeside::Ok, Some(file)) if folder(file) != folder(files) => {
            Cell::plain(format_args!("key in {file}"))
        }
        (KeyBeside::Ok, _) => Cell::new("key ok", GOOD),
        (KeyBeside::Encrypted, _) => Cell::plain("key encrypted"),
        (KeyBeside::OfAnotherCertificate, _) => Cell::new("key of another certificate", ERROR),
        (KeyBeside::Unreadable, _) => Cell::new("key unreadable", NOTICE),
        _ => Cell::plain("no key"),
    };
    let mut place = match line.files.len() {
        0 | 1 => files.to_owned(),
        2 => format!("{files} and 1 more file"),
        count => format!("{files} and {} more files", count - 1),
    };
    if let Some(issuer) = &line.missing_issuer {
        place.push_str(&format!(" (its issuer {issuer} is not here)"));
    }
    [
        Cell::plain(shortened(&format!("{indentation}{}", line.name))),
        Cell::plain(&line.role),
        Cell::new(&line.validity, time),
        key,
        Cell::plain(place),
    ]
}

/// A name that would push everything else out of sight is cut.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
