//! The manifest, `pki.toml`: the hierarchy and one entry per certificate. Read whole, checked whole: a value that could
//! not be issued is refused with its line before anything is done.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use crate::{
    authority::{NewAuthority, have_one_name},
    distinguished_name::DistinguishedName,
    error::Error,
    folder,
    issuer::{MAX_DAYS, Refusal},
    key::{KeyAlgorithm, KeyError},
    name_constraints::hosts_in,
    profile::Profile,
    subject_alt_name::{GeneralName, NameRefused, Parse, deduplicate},
    text::escape,
};

/// Validity of an end entity, unless said otherwise.
pub const DEFAULT_DAYS: u32 = 60;
/// Validity of a root.
pub const DEFAULT_ROOT_DAYS: u32 = 3650;
/// Validity of an issuing CA.
pub const DEFAULT_ISSUING_DAYS: u32 = 1826;

/// Why a manifest cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path:?}, line {line}: {problem}")]
pub struct ManifestError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right: a whole sentence.
    pub problem: String,
}

/// A manifest in which every value can be used.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// The CA.
    pub authority: NewAuthority,
    /// Whether the keys of a new CA are encrypted.
    pub encrypt_ca_keys: bool,
    /// The certificates, in the order of the file.
    pub certificates: Vec<Entry>,
}

/// One certificate that should be there.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder below `--dir`.
    pub name: String,
    /// Its profile.
    pub profile: Profile,
    /// Its subject.
    pub subject: DistinguishedName,
    /// Its names, without repetitions.
    pub names: Vec<GeneralName>,
    /// Names that were written twice.
    pub repeated: Vec<GeneralName>,
    /// Its key.
    pub key: KeyAlgorithm,
    /// Its validity.
    pub days: u32,
    /// The line of the entry, and those of its names in their order, for messages.
    pub(crate) lines: (usize, Vec<usize>),
}

impl Entry {
    /// The line in which the entry begins.
    pub(crate) fn line(&self) -> usize {
        self.lines.0
    }

    /// The line in which a name stands.
    pub(crate) fn line_of(&self, name: &GeneralName) -> usize {
        let (own, lines) = &self.lines;
        let at = self.names.iter().position(|known| known == name);
        at.and_then(|at| lines.get(at)).copied().unwrap_or(*own)
    }
}

impl Manifest {
    /// Reads a manifest. `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ManifestError> {
        let line_ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let at = |offset: usize| 1 + line_ends.partition_point(|end| *end < offset);
        let refuse = |offset: usize, problem: String| ManifestError {
            path: path.to_owned(),
            line: at(offset),
            problem,
        };
        let raw: Raw = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            refuse(offset, sentence(error.message()))
        })?;
        let encrypt_ca_keys = raw.ca.encrypt_key;
        let authority = raw.ca.check(&refuse)?;
        let mut certificates = Vec::new();
        for (name, entry) in raw.certificate {
            let start = name.span().start;
            let mut entry =
                entry
                    .into_inner()
                    .check(name, &raw.defaults, &authority.permitted_dns, &refuse)?;
            // So far these were offsets.
            let (own, names) = &mut entry.lines;
            names
                .iter_mut()
                .chain([own])
                .for_each(|line| *line = at(*line));
            certificates.push((start, entry));
        }
        certificates.sort_by_key(|(start, _)| *start);
        Ok(Self {
            path: path.to_owned(),
            authority,
            encrypt_ca_keys,
            certificates: certificates.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// Reads a manifest from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = folder::read_given(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            let problem = "This is not UTF-8; save the manifest as text.".to_owned();
            ManifestError {
                path: path.to_owned(),
                line,
                problem,
            }
        })?;
        Ok(Self::parse(path, text)?)
    }
}

/// Refuses names that are no folder of their own below `--dir`.
pub fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_fine = name.len() <= 64
        && name.bytes().all(allowed)
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && !name.eq_ignore_ascii_case(crate::authority::FOLDER)
        // Where the manifest is looked for.
        && !name.to_ascii_lowercase().ends_with(".toml");
    if is_fine {
        Ok(())
    } else {
        Err(Error::FolderName(name.to_owned()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    ca: RawAuthority,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    certificate: BTreeMap<Spanned<String>, Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuthority {
    subject: Spanned<String>,
    issuing_subject: Option<Spanned<String>>,
    #[serde(default)]
    single_tier: bool,
    #[serde(default)]
    encrypt_key: bool,
    key: Option<Spanned<String>>,
    days: Option<Spanned<u32>>,
    issuing_days: Option<Spanned<u32>>,
    #[serde(default)]
    permit_dns: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    key: Option<Spanned<String>>,
    days: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    profile: Spanned<String>,
    subject: Option<Spanned<String>>,
    #[serde(default)]
    dns: Vec<Spanned<String>>,
    #[serde(default)]
    ip: Vec<Spanned<String>>,
    #[serde(default)]
    uri: Vec<Spanned<String>>,
    #[serde(default)]
    email: Vec<Spanned<String>>,
    key: Option<Spanned<String>>,
    days: Option<Spanned<u32>>,
}

type Refuse<'a> = dyn Fn(usize, String) -> ManifestError + 'a;

impl RawAuthority {
    fn check(self, refuse: &Refuse<'_>) -> Result<NewAuthority, ManifestError> {
        let subject = subject(&self.subject, refuse)?;
        let issuing_subject = match (&self.issuing_subject, self.single_tier) {
            (Some(given), true) => {
                return Err(refuse(
                    given.span().start,
                    "With single_tier there is no issuing CA; take issuing_subject or single_tier out.".to_owned(),
                ));
            }
            (None, true) => None,
            (Some(given), false) => {
                let issuing = self::subject(given, refuse)?;
                if have_one_name(&issuing, &subject) {
                    let refusal = Refusal::SameName(subject.to_string());
                    return Err(refuse(given.span().start, refusal.to_string()));
                }
                Some(issuing)
            }
            (None, false) => Some(issuing_subject(&subject).map_err(|error| {
                refuse(
                    self.subject.span().start,
                    format!("{error} Name the issuing CA with issuing_subject."),
                )
            })?),
        };
        let mut permitted_dns = Vec::new();
        for name in &self.permit_dns {
            let start = name.span().start;
            if let Some(plain) = name.get_ref().strip_prefix("*.") {
                return Err(refuse(
                    start,
                    format!(
                        "The CA cannot be bound to {:?}: a constraint covers all that is below it already, so write {plain:?}.",
                        name.get_ref()
                    ),
                ));
            }
            // In small letters, as names in certificates are compared.
            match GeneralName::dns(name.get_ref()) {
                Ok(GeneralName::Dns(name)) => permitted_dns.push(name),
                Ok(_) => {}
                Err(error) => return Err(refuse(start, error.to_string())),
            }
        }
        let days = days(self.days.as_ref(), DEFAULT_ROOT_DAYS, refuse)?;
        Ok(NewAuthority {
            subject,
            issuing_subject,
            key: key(self.key.as_ref(), refuse)?,
            days,
            issuing_days: self::days(
                self.issuing_days.as_ref(),
                DEFAULT_ISSUING_DAYS.min(days),
                refuse,
            )?,
            permitted_dns,
        })
    }
}

impl RawEntry {
    fn check(
        self,
        name: Spanned<String>,
        defaults: &Defaults,
        permitted_dns: &[String],
        refuse: &Refuse<'_>,
    ) -> Result<Entry, ManifestError> {
        check_name(name.get_ref()).map_err(|error| refuse(name.span().start, error.to_string()))?;
        let profile = self
            .profile
            .get_ref()
            .parse()
            .map_err(|error: String| refuse(self.profile.span().start, sentence(&error)))?;
        let kinds: [(&[Spanned<String>], Parse); 4] = [
            (&self.dns, GeneralName::dns),
            (&self.ip, GeneralName::ip),
            (&self.uri, GeneralName::uri),
            (&self.email, GeneralName::email),
        ];
        let mut names = Vec::new();
        let mut offsets = Vec::new();
        for (given, parse) in kinds {
            for text in given {
                let name = parse(text.get_ref()).map_err(|error| {
                    refuse(text.span().start, in_the_words_of_a_manifest(&error))
                })?;
                if !is_permitted(&name, permitted_dns) {
                    return Err(refuse(
                        text.span().start,
                        format!(
                            "The name {name} is not below {}, to which permit_dns binds the CA; take it out, or permit its domain.",
                            permitted_dns.join(" or ")
                        ),
                    ));
                }
                if !names.contains(&name) {
                    offsets.push(text.span().start);
                }
                names.push(name);
            }
        }
        let (names, repeated) = deduplicate(names);
        if profile != Profile::Client && names.is_empty() {
            return Err(refuse(
                name.span().start,
                format!(
                    "A {profile} certificate needs a name that its callers can check; add dns, ip or uri."
                ),
            ));
        }
        let subject = match &self.subject {
            Some(given) => subject(given, refuse)?,
            None => DistinguishedName::common_name(name.get_ref())
                .map_err(|error| refuse(name.span().start, error.to_string()))?,
        };
        let has_dns = names.iter().any(|name| matches!(name, GeneralName::Dns(_)));
        let outside =
            hosts_in(&subject).find(|host| !has_dns && !is_permitted(host, permitted_dns));
        if let Some(host) = outside {
            return Err(refuse(
                name.span().start,
                format!(
                    "Without a name under dns, openssl takes the common name for one, and {host} is not below {}, to which permit_dns binds the CA; write another common name into subject, or add dns.",
                    permitted_dns.join(" or ")
                ),
            ));
        }
        Ok(Entry {
            profile,
            subject,
            names,
            repeated,
            key: key(self.key.as_ref().or(defaults.key.as_ref()), refuse)?,
            days: days(
                self.days.as_ref().or(defaults.days.as_ref()),
                DEFAULT_DAYS,
                refuse,
            )?,
            lines: (name.span().start, offsets),
            name: name.into_inner(),
        })
    }
}

/// Whether a CA that is bound to these domains may issue for a name (RFC 5280 §4.2.1.10). Other names than DNS names are
/// left unbound by them; a wildcard is within when all that it covers is.
fn is_permitted(name: &GeneralName, domains: &[String]) -> bool {
    let GeneralName::Dns(name) = name else {
        return true;
    };
    let covers = |domain: &String| {
        name.strip_suffix(domain.as_str())
            .is_some_and(|below| below.is_empty() || below.ends_with('.'))
    };
    domains.is_empty() || domains.iter().any(covers)
}

/// The issuing CA's subject when none is given: the root's with "Issuing" in its common name, since two CAs of one
/// hierarchy must not have the same name.
pub fn issuing_subject(root: &DistinguishedName) -> Result<DistinguishedName, Error> {
    Ok(root.with_common_name(|name| issuing_name(name.unwrap_or_default()))?)
}

/// `Example Root CA`, `Example Root` and `Example CA` become `Example Issuing CA`.
fn issuing_name(root: &str) -> String {
    if root.ends_with("Issuing CA") {
        return format!("{root} 2");
    }
    let mut words: Vec<_> = root.split(' ').collect();
    words.pop_if(|last| *last == "CA");
    words.pop_if(|last| *last == "Root");
    words.retain(|word| !word.is_empty());
    words.extend(["Issuing", "CA"]);
    words.join(" ")
}

fn subject(
    given: &Spanned<String>,
    refuse: &Refuse<'_>,
) -> Result<DistinguishedName, ManifestError> {
    DistinguishedName::parse(given.get_ref())
        .and_then(|name| name.check().map(|()| name))
        .map_err(|error| refuse(given.span().start, error.to_string()))
}

fn key(
    given: Option<&Spanned<String>>,
    refuse: &Refuse<'_>,
) -> Result<KeyAlgorithm, ManifestError> {
    let Some(given) = given else {
        return Ok(KeyAlgorithm::default());
    };
    let parsed: Result<_, KeyError> = given.get_ref().parse();
    parsed.map_err(|error| refuse(given.span().start, error.to_string()))
}

fn days(
    given: Option<&Spanned<u32>>,
    default: u32,
    refuse: &Refuse<'_>,
) -> Result<u32, ManifestError> {
    let Some(given) = given else {
        return Ok(default);
    };
    match *given.get_ref() {
        days @ 1..=MAX_DAYS => Ok(days),
        days => Err(refuse(
            given.span().start,
            format!("A validity of {days} days is not possible; ask for 1 to {MAX_DAYS}."),
        )),
    }
}

/// What advises an option of the command line, with the field that means the same.
fn in_the_words_of_a_manifest(error: &NameRefused) -> String {
    ["dns", "ip", "uri", "email"]
        .iter()
        .fold(error.to_string(), |advice, field| {
            advice.replace(
                &format!("ask for it with --{field}"),
                &format!("write it as {field} = [{:?}]", error.name),
            )
        })
}

/// The parser's message as a sentence, with the likely meaning of a misspelt field.
fn sentence(message: &str) -> String {
    // A field may have any name in quotes, with line ends in it as well.
    let first = if message.starts_with("unknown field") {
        message
    } else {
        message.lines().next().unwrap_or_default()
    };
    let first = escape(first);
    let first = first.trim_end_matches('.');
    let mut quoted = first.split('`').skip(1).step_by(2);
    let unknown = first
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten();
    let nearest = unknown.and_then(|unknown| {
        let near = quoted.map(|known| (distance(unknown, known), known)).min();
        near.filter(|(distance, known)| *distance <= known.len().div_ceil(2))
            .map(|(_, known)| known)
    });
    let mut characters = first.chars();
    let capital = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    let rest = characters.as_str().replace('`', "\"");
    match nearest {
        Some(nearest) => format!("{capital}{rest}; did you mean \"{nearest}\"?"),
        None => format!("{capital}{rest}."),
    }
}

/// The number of letters to insert, delete, exchange or swap with their neighbour to get from one word to another.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0_usize; other.len() + 1]; one.len() + 1];
    for at in 0..=one.len() {
        for to in 0..=other.len() {
            table[at][to] = if at == 0 || to == 0 {
                at + to
            } else {
                let exchanged = table[at - 1][to - 1] + usize::from(one[at - 1] != other[to - 1]);
                let least = exchanged
                    .min(table[at - 1][to] + 1)
                    .min(table[at][to - 1] + 1);
                let is_swap = at > 1
                    && to > 1
                    && one[at - 1] == other[to - 2]
                    && one[at - 2] == other[to - 1];
                if is_swap {
                    least.min(table[at - 2][to - 2] + 1)
                } else {
                    least
                }
            };
        }
    }
    table[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[ca]
subject = "/O=Example/CN=Example Root"
permit_dns = ["example.org"]

[defaults]
days = 30

[certificate.zebra]
profile = "server"
dns = ["zebra.example.org", "ZEBRA.example.org"]
ip = ["127.0.0.1"]

[certificate.ant]
profile = "client"
subject = "/O=Example/CN=ant"
key = "ed25519"
days = 7
"#;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(Path::new("pki.toml"), text)
    }

    fn refused(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "nothing was replaced");
        parse(&text).expect_err("refused").to_string()
    }

    #[test]
    fn entries_keep_the_order_of_the_file_and_inherit_the_defaults() {
        let manifest = parse(GOOD).expect("a good manifest");
        let seen: Vec<_> = manifest
            .certificates
            .iter()
            .map(|entry| {
                (
                    entry.name.as_str(),
                    entry.days,
                    entry.key,
                    entry.names.len(),
                    entry.repeated.len(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("zebra", 30, KeyAlgorithm::P256, 2, 1),
                ("ant", 7, KeyAlgorithm::Ed25519, 0, 0)
            ]
        );
        assert_eq!(
            manifest
                .authority
                .issuing_subject
                .map(|name| name.to_slashes())
                .as_deref(),
            Some("/O=Example/CN=Example Issuing CA")
        );
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_line_and_the_likely_meaning() {
        assert_eq!(
            refused("ip = [", "pi = ["),
            "\"pki.toml\", line 12: Unknown field \"pi\", expected one of \"profile\", \"subject\", \"dns\", \"ip\", \"uri\", \"email\", \"key\", \"days\"; did you mean \"ip\"?"
        );
        assert!(refused("[defaults]", "[default]").contains("did you mean \"defaults\"?"));
        assert!(
            refused("ip = [", "\"i\\u001b[2J\\n\\u202ep\" = [")
                .contains("Unknown field \"i\\u{1b}[2J\\u{a}\\u{202e}p\", expected one of")
        );
    }

    #[test]
    fn a_value_that_could_not_be_issued_is_refused_with_its_line() {
        for (from, to, expected) in [
            (
                "zebra.example.org",
                "*",
                "line 11: The DNS name \"*\" is refused",
            ),
            (
                "127.0.0.1",
                "a.b",
                "line 12: The IP address \"a.b\" is refused: it is a DNS name; write it as dns = [\"a.b\"].",
            ),
            (
                "\"ZEBRA.example.org\"",
                "\"10.0.0.1\"",
                "line 11: The DNS name \"10.0.0.1\" is refused: it is an IP address; write it as ip = [\"10.0.0.1\"].",
            ),
            (
                "certificate.ant",
                "certificate.\"PKI.toml\"",
                "line 14: The name \"PKI.toml\" cannot be used",
            ),
            ("\"server\"", "\"root\"", "line 10: A root signs itself"),
            (
                "ed25519",
                "dsa",
                "line 17: The key type \"dsa\" is not known",
            ),
            ("days = 7", "days = 0", "line 18: A validity of 0 days"),
            (
                "/O=Example/CN=ant",
                "ant",
                "line 16: The subject \"ant\" has the part",
            ),
            (
                "certificate.ant",
                "certificate.CA",
                "line 14: The name \"CA\" cannot be used",
            ),
            (
                "certificate.ant",
                "certificate.\"../x\"",
                "line 14: The name \"../x\" cannot be used",
            ),
            (
                "[\"example.org\"]",
                "[\"*.org\"]",
                "line 4: The CA cannot be bound to \"*.org\": a constraint covers all that is below it already, so write \"org\".",
            ),
            (
                "[\"example.org\"]",
                "[\"a..org\"]",
                "line 4: The DNS name \"a..org\" is refused",
            ),
            (
                "[\"example.org\"]",
                "[\"Ample.org\"]",
                "line 11: The name DNS:zebra.example.org is not below ample.org, to which permit_dns binds the CA",
            ),
            (
                "permit_dns",
                "issuing_subject = \"/O=Example/CN=EXAMPLE  root\"\npermit_dns",
                "line 4: The issuing CA would have the root's name",
            ),
            ("[defaults]", "[certificate.zebra]", "line 9"),
            ("days = 30", "days = \"x\"", "line 7: Invalid type"),
            (
                "profile = \"client\"",
                "",
                "line 14: Missing field \"profile\"",
            ),
        ] {
            let error = refused(from, to);
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn the_domains_of_a_ca_are_written_in_small_letters() {
        let manifest = parse(&GOOD.replace("[\"example.org\"]", "[\"Example.ORG\", \"a.dev\"]"));
        let domains = manifest.expect("a good manifest").authority.permitted_dns;
        assert_eq!(domains, ["example.org", "a.dev"]);
        let dns = |name| GeneralName::dns(name).expect(name);
        for (name, inside) in [
            (dns("example.org"), true),
            (dns("*.Example.org"), true),
            (dns("badexample.org"), false),
            (dns("org"), false),
            (GeneralName::ip("::1").expect("an address"), true),
        ] {
            assert_eq!(is_permitted(&name, &domains), inside, "{name}");
            assert!(is_permitted(&name, &[]), "{name}");
        }
    }

    #[test]
    fn an_issuing_ca_is_called_so() {
        for (root, issuing) in [
            ("Example Root CA", "Example Issuing CA"),
            ("Example Root", "Example Issuing CA"),
            ("Example CA", "Example Issuing CA"),
            ("Example", "Example Issuing CA"),
            ("*.example.org", "*.example.org Issuing CA"),
            ("Root", "Issuing CA"),
            ("", "Issuing CA"),
            ("Issuing CA", "Issuing CA 2"),
        ] {
            assert_eq!(issuing_name(root), issuing, "{root}");
        }
    }

    #[test]
    fn distances_count_letters() {
        assert_eq!(distance("dsn", "dns"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
