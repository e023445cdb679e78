//! The fields of the file as they stand there, and what is asked of each before anything is done with it.

use std::collections::{HashMap, HashSet};

use toml::{Spanned, de::DeTable};

use super::{
    DEFAULT_DAYS, DEFAULT_ISSUING_DAYS, DEFAULT_ROOT_DAYS, Entry, ManifestError, check_name,
    issuing_subject,
    message::sentence,
    table::{Days, Refuse, Table, heading},
};
use crate::{
    authority::{NewAuthority, have_one_name},
    distinguished_name::DistinguishedName,
    issuer::{MAX_DAYS, Refusal, check_count},
    key::{KeyAlgorithm, KeyError},
    name_constraints::hosts_in,
    profile::Profile,
    subject_alt_name::{GeneralName, NameRefused, Parse, deduplicate},
};

pub(super) struct Raw {
    pub(super) ca: RawAuthority,
    pub(super) defaults: Defaults,
    pub(super) certificates: Vec<(Spanned<String>, RawEntry)>,
}

pub(super) struct RawAuthority {
    subject: Spanned<String>,
    issuing_subject: Option<Spanned<String>>,
    single_tier: bool,
    pub(super) encrypt_key: bool,
    key: Option<Spanned<String>>,
    days: Option<Spanned<Days>>,
    issuing_days: Option<Spanned<Days>>,
    permit_dns: Vec<Spanned<String>>,
}

#[derive(Default)]
pub(super) struct Defaults {
    key: Option<Spanned<String>>,
    days: Option<Spanned<Days>>,
}

pub(super) struct RawEntry {
    profile: Spanned<String>,
    subject: Option<Spanned<String>>,
    dns: Vec<Spanned<String>>,
    ip: Vec<Spanned<String>>,
    uri: Vec<Spanned<String>>,
    email: Vec<Spanned<String>>,
    key: Option<Spanned<String>>,
    days: Option<Spanned<Days>>,
}

impl Raw {
    pub(super) fn read(file: DeTable<'_>, refuse: &Refuse<'_>) -> Result<Self, ManifestError> {
        let mut file = Table::whole(file, &["ca", "defaults", "certificate"], refuse)?;
        let Some(ca) = file.table("ca", &RawAuthority::FIELDS)? else {
            return Err(file.missing(
                "[ca]",
                "[ca], and below it subject = \"/CN=Example Root CA\"",
            ));
        };
        let defaults = match file.table("defaults", &["key", "days"])? {
            Some(mut table) => Defaults {
                key: table.text("key", "p256")?,
                days: table.days("days")?,
            },
            None => Defaults::default(),
        };
        let mut certificates = Vec::new();
        for (name, table) in file.tables("certificate", &RawEntry::FIELDS)? {
            certificates.push((name, RawEntry::read(table)?));
        }
        has_no_twins(&certificates, refuse)?;
        Ok(Self {
            ca: RawAuthority::read(ca)?,
            defaults,
            certificates,
        })
    }
}

/// On a file system that does not tell capitals from small letters, two names that differ in nothing else are one folder, in
/// which the last pair replaces the first.
fn has_no_twins(
    certificates: &[(Spanned<String>, RawEntry)],
    refuse: &Refuse<'_>,
) -> Result<(), ManifestError> {
    let mut names = HashMap::new();
    for (name, _) in certificates {
        let (place, name) = (name.span().start, name.get_ref());
        if let Some((before, twin)) = names.insert(name.to_ascii_lowercase(), (place, name)) {
            let ((_, first), (last, second)) = match before < place {
                true => ((before, twin), (place, name)),
                false => ((place, name), (before, twin)),
            };
            return Err(refuse(
                last,
                format!(
                    "{} differs from {} in capitals alone, and both are one folder where a file system does not tell them apart (macOS, Windows); give one of the two another name.",
                    heading(&["certificate", second]),
                    heading(&["certificate", first])
                ),
            ));
        }
    }
    Ok(())
}

impl RawAuthority {
    const FIELDS: [&str; 8] = [
        "subject",
        "issuing_subject",
        "single_tier",
        "encrypt_key",
        "key",
        "days",
        "issuing_days",
        "permit_dns",
    ];

    fn read(mut table: Table<'_>) -> Result<Self, ManifestError> {
        let Some(subject) = table.text("subject", "/CN=Example Root CA")? else {
            return Err(table.missing("subject", "subject = \"/CN=Example Root CA\""));
        };
        Ok(Self {
            subject,
            issuing_subject: table.text("issuing_subject", "/CN=Example Issuing CA")?,
            single_tier: table.flag("single_tier")?,
            encrypt_key: table.flag("encrypt_key")?,
            key: table.text("key", "p256")?,
            days: table.days("days")?,
            issuing_days: table.days("issuing_days")?,
            permit_dns: table.texts("permit_dns", "example.org")?,
        })
    }

    pub(super) fn check(self, refuse: &Refuse<'_>) -> Result<NewAuthority, ManifestError> {
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
    const FIELDS: [&str; 8] = [
        "profile", "subject", "dns", "ip", "uri", "email", "key", "days",
    ];

    fn read(mut table: Table<'_>) -> Result<Self, ManifestError> {
        let Some(profile) = table.text("profile", "server")? else {
            let right = "profile = \"server\", \"client\" or \"peer\"";
            return Err(table.missing("profile", right));
        };
        Ok(Self {
            profile,
            subject: table.text("subject", "/CN=order")?,
            dns: table.texts("dns", "order.example.org")?,
            ip: table.texts("ip", "127.0.0.1")?,
            uri: table.texts("uri", "spiffe://example.org/order")?,
            email: table.texts("email", "order@example.org")?,
            key: table.text("key", "p256")?,
            days: table.days("days")?,
        })
    }

    pub(super) fn check(
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
        let mut seen = HashSet::new();
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
                if seen.insert(name.clone()) {
                    offsets.push(text.span().start);
                }
                names.push(name);
            }
        }
        let (names, repeated) = deduplicate(names);
        check_count(&names).map_err(|error| refuse(name.span().start, error.to_string()))?;
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
pub(super) fn is_permitted(name: &GeneralName, domains: &[String]) -> bool {
    let GeneralName::Dns(name) = name else {
        return true;
    };
    let covers = |domain: &String| {
        name.strip_suffix(domain.as_str())
            .is_some_and(|below| below.is_empty() || below.ends_with('.'))
    };
    domains.is_empty() || domains.iter().any(covers)
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
    given: Option<&Spanned<Days>>,
    default: u32,
    refuse: &Refuse<'_>,
) -> Result<u32, ManifestError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let told = match given.get_ref() {
        Ok(days @ 1..=MAX_DAYS) => return Ok(*days),
        Ok(days) => days.to_string(),
        Err(written) => written.clone(),
    };
    Err(refuse(
        given.span().start,
        format!("A validity of {told} days is not possible; ask for 1 to {MAX_DAYS}."),
    ))
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
