//! Name constraints (RFC 5280 sections 4.2.1.10 and 6.1.4 (g)): what a CA may issue for, and what it may not.
//!
//! Each CA's constraints are kept as they are, and every name below must satisfy all of them, which is the same as
//! intersecting the permitted subtrees.

use super::{FailureKind, build::Work, candidate::Candidate, error::Finding, names};
use crate::parse::{
    extensions::{NameConstraints, Subtree},
    general_name::GeneralName,
    name::{Canonical, Name, string},
    oid::known,
};

const CLAUSE: &str = "RFC 5280 section 4.2.1.10";

/// Refuses constraints that nobody could apply: a constraint that is misread does not protect.
pub(super) fn check_form(constraints: &NameConstraints<'_>) -> Result<(), Finding> {
    for subtree in constraints.permitted.iter().chain(&constraints.excluded) {
        if subtree.has_minimum_or_maximum {
            return Err(Finding::profile(
                CLAUSE,
                "its name constraints use minimum or maximum",
            ));
        }
        // A domain may begin with a period in the constraints on mailboxes and URIs, and only there.
        let host_or_domain = |text: &str| {
            text.is_empty() || names::is_host_name(text.strip_prefix('.').unwrap_or(text))
        };
        let problem = match &subtree.base {
            GeneralName::Dns(dns) if !dns.is_empty() && !names::is_host_name(dns) => {
                "is not a valid DNS name"
            }
            GeneralName::Ip(octets) if !is_subnet(octets) => "is not an address with a mask",
            GeneralName::Email(email) if !(host_or_domain(email) || names::is_mailbox(email)) => {
                "is neither a mailbox nor a host nor a domain"
            }
            GeneralName::Uri(uri) if !host_or_domain(uri) => "is neither a host nor a domain",
            _ => continue,
        };
        return Err(Finding::profile(
            CLAUSE,
            format!("its name constraint {} {problem}", subtree.base),
        ));
    }
    Ok(())
}

/// “in the style of RFC 4632 (CIDR)”: as many octets of mask as of address, ones before zeros.
fn is_subnet(octets: &[u8]) -> bool {
    let mask = &octets[octets.len() / 2..];
    let mask = match mask.len() {
        4 | 16 if octets.len() == 2 * mask.len() => mask,
        _ => return false,
    };
    let ones = mask
        .iter()
        .map(|octet| octet.leading_ones())
        .take_while(|ones| *ones > 0);
    let leading: u32 = mask.iter().map(|octet| octet.count_ones()).sum();
    let mut prefix = 0;
    for ones in ones {
        prefix += ones;
        if ones < 8 {
            break;
        }
    }
    prefix == leading
}

/// Checks every name of `candidate` against the constraints of all CAs above it.
pub(super) fn check(
    candidate: &Candidate<'_>,
    above: &[&NameConstraints<'_>],
    work: &mut Work,
) -> Result<(), Finding> {
    if above.is_empty() {
        return Ok(());
    }
    let names = candidate
        .extensions
        .subject_alt_name
        .as_deref()
        .unwrap_or_default();
    work.compare_names(names.len())?;
    let legacy = legacy_mailboxes(&candidate.certificate.subject);
    let all = all_names(&candidate.certificate.subject, names, &legacy);
    let all: Vec<_> = all.iter().map(Prepared::new).collect();
    for constraints in above {
        work.compare_names(constraints.permitted.len() + constraints.excluded.len())?;
        let bases = Bases::new(constraints);
        for name in &all {
            if let Some(violation) = bases.violation(name, work)? {
                return Err(violation.finding(name.name));
            }
        }
    }
    Ok(())
}

/// The same question before anything is signed: whether a CA with these constraints may issue for this subject and these
/// names. The answer no is half a sentence.
pub(crate) fn may_issue(
    constraints: &NameConstraints<'_>,
    subject: &Name<'_>,
    names: &[GeneralName<'_>],
) -> Result<(), String> {
    check_form(constraints).map_err(|finding| finding.to_string())?;
    let bases = Bases::new(constraints);
    let mut work = Work::new();
    let legacy = legacy_mailboxes(subject);
    for name in &all_names(subject, names, &legacy) {
        match bases.violation(&Prepared::new(name), &mut work) {
            Ok(None) => {}
            Ok(Some(violation)) => return Err(violation.half_sentence(name)),
            Err(finding) => return Err(finding.to_string()),
        }
    }
    Ok(())
}

/// Section 4.2.1.6: a mailbox in the subject is bound as one among the alternative names.
fn legacy_mailboxes(subject: &Name<'_>) -> Vec<String> {
    subject
        .attributes()
        .filter(|attribute| attribute.oid == known::EMAIL_ADDRESS)
        .map(|attribute| string(attribute.value).unwrap_or_default().into_owned())
        .collect()
}

fn all_names<'n>(
    subject: &Name<'n>,
    names: &[GeneralName<'n>],
    legacy_mailboxes: &'n [String],
) -> Vec<GeneralName<'n>> {
    let mut all = names.to_vec();
    if !subject.is_empty() {
        all.push(GeneralName::Directory(*subject));
    }
    let legacy = legacy_mailboxes.iter();
    all.extend(legacy.map(|mailbox| GeneralName::Email(mailbox)));
    all
}

/// The subtrees of one CA.
struct Bases<'n, 'a> {
    permitted: Vec<Prepared<'n, 'a>>,
    excluded: Vec<Prepared<'n, 'a>>,
}

/// Why a CA may not issue for a name.
enum Violation<'n, 'a> {
    Excluded(&'n GeneralName<'a>),
    /// A wildcard that stands for excluded names among others.
    CoversExcluded(&'n GeneralName<'a>),
    /// What is permitted of this kind.
    Outside(Vec<&'n GeneralName<'a>>),
    NotComparable,
}

impl Violation<'_, '_> {
    fn finding(&self, name: &GeneralName<'_>) -> Finding {
        let reason = match self {
            Self::Excluded(base) | Self::CoversExcluded(base) => {
                format!("its name {name} is excluded by a CA above, which may not issue for {base}")
            }
            Self::Outside(permitted) => format!(
                "its name {name} is outside of what a CA above may issue for: {}",
                listed(permitted, ", ")
            ),
            Self::NotComparable => format!(
                "its name {name} is of a kind that a CA above constrains in a way not understood here"
            ),
        };
        Finding::new(
            FailureKind::NameConstraint,
            CLAUSE,
            reason,
            "use a CA that may issue for this name, or leave the name out of the certificate",
        )
    }

    fn half_sentence(&self, name: &GeneralName<'_>) -> String {
        let name = format!("\"{name}\"");
        match self {
            Self::Excluded(base) => format!("{name} is below {base}, which is excluded"),
            Self::CoversExcluded(base) => {
                format!("{name} also covers names below {base}, which is excluded")
            }
            Self::Outside(permitted) => {
                format!("{name} is not below {}", listed(permitted, " or "))
            }
            Self::NotComparable => {
                format!("{name} is of a kind that it constrains in a way not understood here")
            }
        }
    }
}

fn listed(names: &[&GeneralName<'_>], between: &str) -> String {
    let shown: Vec<_> = names.iter().take(8).map(ToString::to_string).collect();
    shown.join(between)
}

/// A name that is compared many times.
struct Prepared<'n, 'a> {
    name: &'n GeneralName<'a>,
    /// For a directory name: the form in which equal means matching.
    directory: Canonical,
}

impl<'n, 'a> Prepared<'n, 'a> {
    fn new(name: &'n GeneralName<'a>) -> Self {
        let directory = match name {
            GeneralName::Directory(name) => name.canonical(),
            _ => Canonical::default(),
        };
        Self { name, directory }
    }
}

impl<'n, 'a> Bases<'n, 'a> {
    fn new(constraints: &'n NameConstraints<'a>) -> Self {
        let prepared = |subtrees: &'n [Subtree<'a>]| {
            subtrees
                .iter()
                .map(|subtree| Prepared::new(&subtree.base))
                .collect()
        };
        Self {
            permitted: prepared(&constraints.permitted),
            excluded: prepared(&constraints.excluded),
        }
    }

    /// Fails when the work limit is reached.
    fn violation(
        &self,
        name: &Prepared<'_, '_>,
        work: &mut Work,
    ) -> Result<Option<Violation<'n, 'a>>, Finding> {
        for base in &self.excluded {
            work.compare_names(1)?;
            match relation(name, base) {
                Relation::OtherKind | Relation::Outside => {}
                Relation::NotComparable => return Ok(Some(Violation::NotComparable)),
                Relation::Inside => return Ok(Some(Violation::Excluded(base.name))),
                Relation::Overlaps => return Ok(Some(Violation::CoversExcluded(base.name))),
            }
        }
        let mut constrained = false;
        for base in &self.permitted {
            work.compare_names(1)?;
            match relation(name, base) {
                Relation::OtherKind => {}
                Relation::Inside => return Ok(None),
                Relation::Outside | Relation::Overlaps | Relation::NotComparable => {
                    constrained = true;
                }
            }
        }
        if !constrained {
            return Ok(None);
        }
        let of_this_kind = self.permitted.iter().map(|base| base.name);
        Ok(Some(Violation::Outside(
            of_this_kind
                .filter(|base| base.kind() == name.name.kind())
                .collect(),
        )))
    }
}

/// How a name stands to a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Inside,
    Outside,
    /// A wildcard that stands for names inside and names outside.
    Overlaps,
    OtherKind,
    /// The same kind, but one that we cannot compare.
    NotComparable,
}

fn relation(prepared: &Prepared<'_, '_>, prepared_base: &Prepared<'_, '_>) -> Relation {
    let inside = |is| {
        if is {
            Relation::Inside
        } else {
            Relation::Outside
        }
    };
    match (prepared.name, prepared_base.name) {
        (GeneralName::Dns(dns), GeneralName::Dns(base)) => match dns.strip_prefix("*.") {
            None => inside(within_domain(dns, base)),
            Some(parent) if within_domain(parent, base) => Relation::Inside,
            // *.example.dev also means bar.example.dev.
            Some(parent)
                if base
                    .split_once('.')
                    .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)) =>
            {
                Relation::Overlaps
            }
            Some(_) => Relation::Outside,
        },
        (GeneralName::Ip(address), GeneralName::Ip(subnet)) => {
            let (network, mask) = subnet.split_at(subnet.len() / 2);
            inside(
                address.len() == network.len()
                    && address
                        .iter()
                        .zip(network)
                        .zip(mask)
                        .all(|((a, n), m)| a & m == n & m),
            )
        }
        (GeneralName::Email(email), GeneralName::Email(base)) => {
            let Some((local, host)) = email.rsplit_once('@') else {
                return Relation::NotComparable;
            };
            match base.rsplit_once('@') {
                Some((base_local, base_host)) => {
                    inside(local == base_local && host.eq_ignore_ascii_case(base_host))
                }
                None => inside(host_or_domain_matches(host, base)),
            }
        }
        // "MUST reject" what has no host or an address for a host.
        (GeneralName::Uri(uri), GeneralName::Uri(base)) => match names::uri_host(uri) {
            Some(host) => inside(host_or_domain_matches(host, base)),
            None => Relation::NotComparable,
        },
        (GeneralName::Directory(_), GeneralName::Directory(_)) => {
            inside(prepared.directory.starts_with(&prepared_base.directory))
        }
        // RFC 9598: such a mailbox is bound by the constraints on mailboxes, which we do not work out.
        (
            GeneralName::Other {
                oid: known::SMTP_UTF8_MAILBOX,
                ..
            },
            GeneralName::Email(_),
        ) => Relation::NotComparable,
        (GeneralName::Other { oid, .. }, GeneralName::Other { oid: base, .. }) if oid == base => {
            Relation::NotComparable
        }
        (GeneralName::X400(_), GeneralName::X400(_))
        | (GeneralName::EdiParty(_), GeneralName::EdiParty(_))
        | (GeneralName::RegisteredId(_), GeneralName::RegisteredId(_)) => Relation::NotComparable,
        _ => Relation::OtherKind,
    }
}

/// The same name, or labels added on the left. An empty base holds every name.
fn within_domain(name: &str, base: &str) -> bool {
    if base.is_empty() {
        return true;
    }
    let Some(cut) = name.len().checked_sub(base.len()) else {
        return false;
    };
    name.is_char_boundary(cut)
        && name[cut..].eq_ignore_ascii_case(base)
        && (cut == 0 || name.as_bytes()[cut - 1] == b'.')
}

/// `example.dev` is that host alone, `.example.dev` every host below it.
fn host_or_domain_matches(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => !host.eq_ignore_ascii_case(domain) && within_domain(host, domain),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_to_subtrees_as_the_clause_says() {
        use GeneralName::{Dns, Email, Ip, Uri};
        use Relation::{Inside, NotComparable, OtherKind, Outside, Overlaps};
        for (name, base, expected) in [
            (Dns("example.dev"), Dns("example.dev"), Inside),
            (Dns("a.b.Example.dev"), Dns("example.DEV"), Inside),
            (Dns("notexample.dev"), Dns("example.dev"), Outside),
            (Dns("dev"), Dns("example.dev"), Outside),
            (Dns("anything"), Dns(""), Inside),
            (Dns("*.example.dev"), Dns("example.dev"), Inside),
            (Dns("*.example.dev"), Dns("bar.example.dev"), Overlaps),
            (Dns("*.example.dev"), Dns("a.bar.example.dev"), Outside),
            (Dns("*.example.dev"), Dns("dev"), Inside),
            (
                Ip(&[192, 0, 2, 7]),
                Ip(&[192, 0, 2, 0, 255, 255, 255, 0]),
                Inside,
            ),
            (
                Ip(&[192, 0, 3, 7]),
                Ip(&[192, 0, 2, 0, 255, 255, 255, 0]),
                Outside,
            ),
            (Ip(&[0; 16]), Ip(&[0; 8]), Outside),
            (Email("a@example.dev"), Email("a@Example.dev"), Inside),
            (Email("A@example.dev"), Email("a@example.dev"), Outside),
            (Email("a@example.dev"), Email("example.dev"), Inside),
            (Email("a@mail.example.dev"), Email("example.dev"), Outside),
            (Email("a@mail.example.dev"), Email(".example.dev"), Inside),
            (Email("a@example.dev"), Email(".example.dev"), Outside),
            (Email("*@sub.example.dev"), Email("*@example.dev"), Outside),
            (Uri("spiffe://example.dev/x"), Uri("example.dev"), Inside),
            (Uri("spiffe://a.example.dev/x"), Uri(".example.dev"), Inside),
            (Uri("spiffe://example.dev/x"), Uri(".example.dev"), Outside),
            (Uri("urn:x"), Uri("example.dev"), NotComparable),
            (Uri("https://192.0.2.1/"), Uri("example.dev"), NotComparable),
            (Dns("example.dev"), Ip(&[0; 8]), OtherKind),
        ] {
            let (name, base) = (Prepared::new(&name), Prepared::new(&base));
            assert_eq!(
                relation(&name, &base),
                expected,
                "{} in {}",
                name.name,
                base.name
            );
        }
    }

    #[test]
    fn a_mask_is_ones_before_zeros() {
        for (octets, valid) in [
            (&[10, 0, 0, 0, 255, 0, 0, 0][..], true),
            (&[0; 8], true),
            (&[10, 0, 0, 0, 255, 128, 0, 0], true),
            (&[10, 0, 0, 0, 255, 0, 255, 0], false),
            (&[10, 0, 0, 0, 0, 255, 0, 0], false),
            (&[10, 0, 0, 0, 254, 128, 0, 0], false),
            (&[10, 0, 0, 0], false),
            (&[0; 32], true),
            (&[], false),
            (&[0; 9], false),
        ] {
            assert_eq!(is_subnet(octets), valid, "{octets:?}");
        }
    }
}
