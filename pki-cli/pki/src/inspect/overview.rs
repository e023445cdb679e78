//! Many files at once: what is in them, who signed whom, and which key belongs to which certificate.

use ::time::OffsetDateTime;
use serde::Serialize;

use super::{
    Held, Object, PublicHalf, certificate, counted, days_left, hierarchy::Hierarchy, sha256,
};
use crate::parse::certificate::Certificate;

/// A certificate with fewer days left is about to expire: a third of the sixty days that an end entity gets by default.
const SOON: i64 = 20;

/// One certificate in one file. Its JSON fields are those of this struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Relation {
    /// The file, as it was given.
    pub file: String,
    /// The subject, safe for a terminal.
    pub subject: String,
    /// In plain words, what it is for.
    pub used_for: String,
    /// Who signed it, as far as the signature can be checked with the certificates at hand.
    pub signed_by: String,
    /// The file of the certificate that signed it; none when it is not among these files.
    pub signed_by_file: Option<String>,
    /// Whole days until it expires; negative once it has.
    pub days_left: i64,
    /// Whether it can be used at this moment, as far as time goes.
    pub standing: Standing,
    /// The key that belongs to it.
    pub key: KeyBeside,
    /// The file with that key.
    pub key_file: Option<String>,
    /// The SHA-256 of the certificate, in hexadecimal.
    pub sha256: String,
}

/// One certificate of the hierarchy, in however many files it is. All texts are safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// How many issuers stand above it.
    pub depth: usize,
    /// The common name; without one, the whole subject.
    pub name: String,
    /// In a few words, what it is for.
    pub role: String,
    /// In a few words, how long it is valid.
    pub validity: String,
    /// Whether it can be used at this moment, as far as time goes.
    pub standing: Standing,
    /// The key that belongs to it.
    pub key: KeyBeside,
    /// The file with that key.
    pub key_file: Option<String>,
    /// The files that hold it: first the one beside its key, or where it stands first.
    pub files: Vec<String>,
    /// Its issuer's name, when the issuer is not among these files.
    pub missing_issuer: Option<String>,
}

/// How a certificate stands in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Its time has not come.
    NotYetValid,
    /// Nothing to do.
    Valid,
    /// It expires within twenty days.
    ExpiresSoon,
    /// Its time is over.
    Expired,
}

/// What is known of the private key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyBeside {
    /// It is there.
    Ok,
    /// One is there by the certificate's file name, encrypted, so that nobody can tell whether it is the one.
    Encrypted,
    /// The one that is there by the certificate's file name is another's.
    OfAnotherCertificate,
    /// The one that is there by the certificate's file name cannot be read.
    Unreadable,
    /// There is none.
    None,
}

/// Something that is neither a certificate nor the key of one. Both texts are safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The file.
    pub file: String,
    /// What it is.
    pub what: String,
    /// Whether it is a private key: one whose certificate is not here.
    pub is_key: bool,
}

/// What is in a set of files.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    pub(super) certificates: Vec<(String, Vec<u8>)>,
    pub(super) others: Vec<Other>,
}

#[derive(Clone, Debug)]
pub(super) struct Other {
    pub(super) file: String,
    pub(super) short: String,
    /// Of a private key only.
    pub(super) public: Option<PublicHalf>,
}

impl Overview {
    /// Adds what was found in `file`.
    pub fn add(&mut self, file: &str, object: &Object) {
        let public = match &object.held {
            Held::Certificate(der) => {
                self.certificates.push((file.to_owned(), der.clone()));
                return;
            }
            Held::PrivateKey(public) => Some(public.clone()),
            Held::Other => None,
        };
        self.others.push(Other {
            file: file.to_owned(),
            short: object.short.clone(),
            public,
        });
    }

    /// What is no certificate: file and one line, in the order of adding.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.others
            .iter()
            .map(|other| (&*other.file, &*other.short))
    }

    /// What is no certificate and not the key of one, in the order of adding.
    pub fn leftovers(&self) -> Vec<Leftover> {
        let hierarchy = Hierarchy::of(self);
        let left = self.others.iter().zip(hierarchy.taken);
        left.filter(|(_, taken)| !taken)
            .map(|(other, _)| Leftover {
                file: other.file.clone(),
                what: other.short.clone(),
                is_key: other.public.is_some(),
            })
            .collect()
    }

    /// Every certificate once, each after its issuer.
    pub fn hierarchy(&self, now: OffsetDateTime) -> Vec<Line> {
        let hierarchy = Hierarchy::of(self);
        let lines = hierarchy.order().into_iter().map(|(at, depth)| {
            let node = &hierarchy.nodes[at];
            let standing = standing(&node.certificate, now);
            Line {
                depth,
                name: match node.certificate.subject.has_common_name() {
                    true => certificate::certificate_name(&node.certificate),
                    false => name(&node.certificate),
                },
                role: certificate::role(&node.certificate).0.into_owned(),
                validity: validity(&node.certificate, standing, now),
                standing,
                key: node.key,
                key_file: node.key_at.map(|key| self.others[key].file.clone()),
                files: node.files(),
                missing_issuer: node
                    .signer
                    .is_none()
                    .then(|| node.certificate.issuer.to_string()),
            }
        });
        lines.collect()
    }

    /// Every certificate once per file, issuers before those whom they signed.
    pub fn relations(&self, now: OffsetDateTime) -> Vec<Relation> {
        let hierarchy = Hierarchy::of(self);
        let mut relations = Vec::new();
        for (at, _) in hierarchy.order() {
            let node = &hierarchy.nodes[at];
            for file in node.files() {
                let signed_by_file = match node.signer {
                    Some(issuer) if issuer == at => Some(file.clone()),
                    Some(issuer) => hierarchy.nodes[issuer].files().into_iter().next(),
                    None => None,
                };
                relations.push(Relation {
                    file,
                    subject: name(&node.certificate),
                    used_for: certificate::used_for(&node.certificate),
                    signed_by: match node.signer {
                        Some(issuer) if issuer == at => "itself".to_owned(),
                        Some(issuer) => name(&hierarchy.nodes[issuer].certificate),
                        None => format!("{} (not among these files)", node.certificate.issuer),
                    },
                    signed_by_file,
                    days_left: days_left(node.certificate.not_after.at, now),
                    standing: standing(&node.certificate, now),
                    key: node.key,
                    key_file: node.key_at.map(|key| self.others[key].file.clone()),
                    sha256: crate::text::hex(&sha256(node.certificate.raw)),
                });
            }
        }
        relations
    }
}

fn name(certificate: &Certificate<'_>) -> String {
    match certificate.subject.is_empty() {
        true => certificate::certificate_name(certificate),
        false => certificate.subject.to_string(),
    }
}

fn standing(certificate: &Certificate<'_>, now: OffsetDateTime) -> Standing {
    match days_left(certificate.not_after.at, now) {
        _ if now < certificate.not_before.at => Standing::NotYetValid,
        ..0 => Standing::Expired,
        0..=SOON => Standing::ExpiresSoon,
        _ => Standing::Valid,
    }
}

fn validity(certificate: &Certificate<'_>, standing: Standing, now: OffsetDateTime) -> String {
    let (begin, end) = (certificate.not_before.at, certificate.not_after.at);
    match (standing, days_left(end, now)) {
        (Standing::Valid, days) => counted(days),
        (Standing::ExpiresSoon, days @ 1..) => format!("expires in {}", counted(days)),
        _ => certificate::validity(begin, end, now),
    }
}

#[cfg(test)]
mod tests {
    use ::time::{Duration, macros::datetime};

    use super::*;
    use crate::inspect::inspect;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn overview<const N: usize>(files: [(&str, &[u8]); N]) -> Overview {
        let mut overview = Overview::default();
        for (file, octets) in files {
            for object in inspect(octets, NOW, None) {
                overview.add(file, &object.expect("an object"));
            }
        }
        overview
    }

    fn leaf(overview: &Overview, now: OffsetDateTime) -> Line {
        let lines = overview.hierarchy(now);
        lines.into_iter().next_back().expect("an end entity")
    }

    #[test]
    fn each_certificate_stands_once_below_its_issuer() {
        let [root, issuing, end_entity, crl] = crate::path_validation::tests::sample();
        let bundle = [end_entity.clone(), issuing.clone()].concat();
        let files = overview([
            ("a/tls.crt", &bundle),
            ("a/ca.crt", &root),
            ("b/issuing.crt", &issuing),
            ("b/crl.pem", &crl),
        ]);
        let lines = files.hierarchy(NOW);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.depth, line.files.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                (0, "a/ca.crt".to_owned()),
                // Where it stands first comes before where it follows another.
                (1, "b/issuing.crt a/tls.crt".to_owned()),
                (2, "a/tls.crt".to_owned()),
            ]
        );
        assert!(lines.iter().all(|line| line.missing_issuer.is_none()));
        assert_eq!(files.relations(NOW).len(), 4, "machines get every place");
        let leftovers = files.leftovers();
        assert_eq!(leftovers.len(), 1);
        assert!(!leftovers[0].is_key && leftovers[0].file == "b/crl.pem");
    }

    #[test]
    fn without_its_issuer_a_certificate_stands_at_the_margin_and_names_it() {
        let [_, _, end_entity, _] = crate::path_validation::tests::sample();
        let line = leaf(&overview([("tls.crt", &end_entity)]), NOW);
        assert_eq!(line.depth, 0);
        assert!(line.missing_issuer.is_some_and(|name| !name.is_empty()));
    }

    #[test]
    fn the_time_is_told_in_words_when_there_is_something_to_do() {
        let [_, _, end_entity, _] = crate::path_validation::tests::sample();
        let files = overview([("tls.crt", &end_entity)]);
        let parsed = Certificate::from_der(&end_entity).expect("a certificate");
        let (begin, end) = (parsed.not_before.at, parsed.not_after.at);
        for (now, words, standing) in [
            (end - Duration::days(21), "21 days", Standing::Valid),
            (
                end - Duration::days(20),
                "expires in 20 days",
                Standing::ExpiresSoon,
            ),
            (
                end - Duration::days(1),
                "expires in 1 day",
                Standing::ExpiresSoon,
            ),
            (end, "expires today", Standing::ExpiresSoon),
            (
                end + Duration::seconds(1),
                "expired today",
                Standing::Expired,
            ),
            (
                end + Duration::days(1),
                "expired 1 day ago",
                Standing::Expired,
            ),
            (
                begin - Duration::seconds(1),
                "not yet: begins in 1 day",
                Standing::NotYetValid,
            ),
        ] {
            let line = leaf(&files, now);
            assert_eq!((line.validity.as_str(), line.standing), (words, standing));
        }
    }
}
